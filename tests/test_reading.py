"""How much a page asks of its reader: words, computed numbers, figures and tables, and its box."""

import ast
import re
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

import bslutils as bsl

BOOK = Path(__file__).parent.parent / "book"
PAGES = sorted(path.stem for path in BOOK.glob("[0-9][0-9]-*.md"))[1:]  # without the glance
# Directives whose text is folded, of code, or a statement that is not read like prose.
FOLDED = r"dropdown|exercise|solution|prf:\w+|bibliography|code-cell|code-block|raw|glue:\w+"
# The cards are a figure and a table each, to look things up in.
LIMITED = [*(name for name in PAGES if "loss-cards" not in name), "reproducibility"]
BLOCK = re.compile(
    r"^(?P<marks>`{3,}|:{3,})(?:\{(?P<directive>[\w:-]+)\})?.*\n"
    r"(?P<body>(?:.*\n)*?)(?P=marks)[ ]*$",
    re.MULTILINE,
)
# What ends a cell, shows no table, and is not a name or a tuple: text, or a check that passes.
SAYS = re.compile(
    r"(print|Markdown|Text|glue|close|same|pd\.set_option|torch\.testing\.\w+|\w+\.(say|sure|to_csv))\("
)


def prose(name: str) -> list[str]:
    """The paragraphs of a page that are visible and are text: no code, proof, exercise, table."""
    text = (BOOK / f"{name}.md").read_text(encoding="utf-8").split("\n---\n", 1)[1]
    text = text.split("\n## Exercises")[0] + "\n\n" + text.rpartition("\n## Summary")[2]
    fence = re.compile(r"^(`{3,}|:{3,})\{(" + FOLDED + r")\}.*?^\1[ ]*$", re.DOTALL | re.MULTILINE)
    while fence.search(text):
        text = fence.sub("", text)
    text = re.sub(r"^\$\$.*?\$\$", "", text, flags=re.DOTALL | re.MULTILINE)
    text = re.sub(r"^(```|:::|:\w+:|\||\(.*\)=).*$", "", text, flags=re.MULTILINE)
    return [p.strip() for p in re.split(r"\n\s*\n", text) if p.strip()]


def words(paragraph: str) -> int:
    """Words as read: a formula, a number and a link count as one each."""
    paragraph = re.sub(r"\$[^$]*\$|\{[\w:]+\}`[^`]*`|`[^`]*`", " x ", paragraph)
    paragraph = re.sub(r"\]\([^)]*\)", "]", paragraph)
    return len(re.findall(r"[^\s\W]+(?:[-'’][^\s\W]+)*", paragraph))


def numbers(paragraph: str) -> int:
    return len(re.findall(r"\{glue:text\}", paragraph))


class Shown(NamedTuple):
    """A figure or a table of a page; ``name`` is empty where it cannot be referred to."""

    kind: str
    name: str
    folded: bool


def cell_parts(cell: str) -> tuple[str, str]:
    """What a code cell says of itself, and its code."""
    head, code = re.match(r"(---\n.*?\n---\n|(?::\w+:[^\n]*\n)*)(.*)", cell, re.DOTALL).groups()
    return head, code.strip("\n")


def shown_by(cell: str) -> list[Shown]:
    """The figure or the table that a code cell shows, if it shows one."""
    head, code = cell_parts(cell)
    if re.search("remove-(cell|output)", head):
        return []
    folded = bool(re.search("hide-(cell|output)", head))
    named = re.search(r"name: ((fig|tab)-[\w-]+)", head)
    if named:
        return [Shown({"fig": "figure", "tab": "table"}[named[2]], named[1], folded)]
    body = ast.parse(re.sub(r"^%.*$", "", code, flags=re.MULTILINE)).body
    if not body or not isinstance(body[-1], ast.Expr) or isinstance(body[-1].value, ast.Tuple):
        return []
    last = ast.unparse(body[-1].value)
    if last.startswith("plt.show("):
        return [Shown("figure", "", folded)]
    return [] if SAYS.match(last) else [Shown("table", "", folded)]


def shown(text: str, folded: bool = False) -> list[Shown]:
    """The figures and tables of a page; exercises and solutions are left out."""
    in_markdown = re.findall(r"^\|[-:| ]+\|$", BLOCK.sub("", text), re.MULTILINE)
    found = [Shown("table", "", folded)] * len(in_markdown)
    for block in BLOCK.finditer(text):
        directive, body = block["directive"], block["body"]
        if directive == "code-cell":
            found += shown_by(body)
        elif directive in ("table", "figure", "glue:figure"):
            name = re.search(r"^:name: (.*)$", body, re.MULTILINE)
            kind = "table" if directive == "table" else "figure"
            found.append(Shown(kind, name[1] if name else "", folded))
        elif directive and directive not in ("exercise", "solution"):
            found += shown(body, folded or directive == "dropdown")
    return found


def in_sight(name: str) -> list[Shown]:
    """The figures and tables of a page that a reader sees without opening anything."""
    text = (BOOK / f"{name}.md").read_text(encoding="utf-8").split("\n---\n", 1)[1]
    return [one for one in shown(text) if not one.folded]


def longest_cell(name: str) -> int:
    """Lines of the longest code cell that a reader sees, or can open."""
    text = (BOOK / f"{name}.md").read_text(encoding="utf-8")
    cells = (cell_parts(x["body"]) for x in BLOCK.finditer(text) if x["directive"] == "code-cell")
    shown_code = (code for head, code in cells if not re.search("remove-(cell|input)", head))
    return max((code.count("\n") + 1 for code in shown_code), default=0)


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_short_and_its_paragraphs_are_not_lists_of_numbers(name):
    paragraphs = prose(name)
    assert 300 < sum(map(words, paragraphs)) <= 2200
    assert [p for p in paragraphs if numbers(p) > max(1, words(p) / 45)] == []


@pytest.mark.parametrize("name", LIMITED)
def test_a_page_shows_six_figures_and_tables_at_most(name):
    assert 0 < len(in_sight(name)) <= 6


@pytest.mark.parametrize("name", [name for name in LIMITED if name in PAGES])
def test_what_a_page_shows_has_a_number_and_a_caption(name):
    assert [one for one in in_sight(name) if not one.name] == []


def test_what_is_shown_is_found_and_told_from_what_is_folded():
    page = """
```{code-cell} ipython3
---
tags: [hide-cell]
mystnb:
  figure: {name: tab-a, caption: "A."}
---
frame
```

```{code-cell} ipython3
:tags: [hide-input]

frame.round(1)
```

```{code-cell} ipython3
print(frame), frame.shape
```

````{dropdown} More
```{table} B.
:name: tab-b

| x |
|---|
```

| y |
|---|
````

:::{table} C.
:name: tab-c

| z |
|:-:|
:::

```{exercise}
| not counted |
|---|
```

| d |
|---|
"""
    assert sorted(shown(page)) == [
        ("table", "", False),
        ("table", "", False),
        ("table", "", True),
        ("table", "tab-a", True),
        ("table", "tab-b", True),
        ("table", "tab-c", False),
    ]
    assert shown_by("plt.plot(x)\nplt.show()") == [("figure", "", False)]
    assert shown_by(":tags: [remove-cell]\n\nframe") == shown_by("print(frame)") == []


@pytest.mark.parametrize("name", PAGES)
def test_a_page_says_what_one_needs_and_what_one_takes_away(name):
    text = (BOOK / f"{name}.md").read_text(encoding="utf-8")
    [box] = re.findall(r"\{admonition\} Before you start\n:class: tip\n(.*?)\n```", text, re.DOTALL)
    said = re.findall(r"\*\*(.*?)\*\*", box)
    assert said == ["You need", "You will be able to", "It takes"]
    assert text.index(box) < text.index("{code-cell}")


def minutes(name: str) -> float:
    """To read what is in sight: text with formulas and numbers at 130 words a minute, and half a
    minute for a figure or a table. Exercises and what is folded come on top."""
    return sum(map(words, prose(name))) / 130 + len(in_sight(name)) / 2


@pytest.mark.parametrize("name", [name for name in PAGES if name != "31-loss-cards"])
def test_the_minutes_that_a_page_takes_are_those_of_its_words(name):
    text = (BOOK / f"{name}.md").read_text(encoding="utf-8")
    said = int(re.search(r"\*\*It takes\*\* (\d+) minutes to read", text)[1])
    assert abs(said - minutes(name)) <= 2


QUESTION = re.compile(
    r"^```\{dropdown\} Check yourself: ([^\n]+)\n(.+?)\n```$", re.MULTILINE | re.DOTALL
)


@pytest.mark.parametrize("name", [name for name in PAGES if name != "31-loss-cards"])
def test_a_page_asks_its_reader_and_answers(name):
    text = (BOOK / f"{name}.md").read_text(encoding="utf-8")
    asked = QUESTION.findall(text)
    assert len(asked) == text.count("Check yourself") >= 2
    assert all("?" in question and 5 <= words(answer) <= 90 for question, answer in asked)


GLOSSARY = re.search(
    r"^```\{glossary\}\n(.*?)^```$",
    (BOOK / "notation.md").read_text(encoding="utf-8"),
    re.MULTILINE | re.DOTALL,
)[1]
TERMS = {line.lower() for line in GLOSSARY.splitlines() if re.match(r"\S", line)}
# These have a plain meaning, too, so a page may use them without meaning those of the glossary.
PLAIN = {"ball", "catalogue", "ledger", "list", "masked, open", "price", "push", "row"}


@pytest.mark.parametrize("name", PAGES)
def test_a_page_links_the_words_of_the_glossary(name):
    said = "\n".join(prose(name)).lower().replace("χ²", "chi-square divergence")
    linked = re.findall(
        r"\{term\}`(?:[^`<]*<)?([^`<>]+)>?`", (BOOK / f"{name}.md").read_text(encoding="utf-8")
    )
    assert {word.lower() for word in linked} <= TERMS
    assert len(linked) == len(set(linked))  # the first use is enough
    used = [word for word in TERMS - PLAIN if re.search(rf"\b{re.escape(word)}s?\b", said)]
    assert linked or not used, used


@pytest.mark.parametrize("name", [name for name in PAGES if name != "31-loss-cards"])
def test_a_page_says_where_to_go_after_its_summary(name):
    """But for the cards, in which one looks things up."""
    summary = (BOOK / f"{name}.md").read_text(encoding="utf-8").rpartition("\n## Summary\n")[2]
    [line] = re.findall(r"^Where to go: .*\.$", summary.split("\n## ")[0], re.MULTILINE)
    for other in re.findall(r"\{doc\}`([^`]+)`", line):
        assert other != name and (BOOK / f"{other}.md").exists()


if __name__ == "__main__":
    heads = ["words", "numbers", "dense", "figures", "tables", "folded", "cell", "box"]
    print(f"{'page':27}", *(f"{head:>7}" for head in heads))
    for name in [*PAGES, "reproducibility"]:
        text = (BOOK / f"{name}.md").read_text(encoding="utf-8")
        paragraphs, seen = prose(name), in_sight(name)
        dense = [p for p in paragraphs if numbers(p) > max(1, words(p) / 45)]
        counts = [sum(map(words, paragraphs)), sum(map(numbers, paragraphs)), len(dense)]
        counts += [sum(one.kind == kind for one in seen) for kind in ("figure", "table")]
        counts += [len(shown(text)) - len(seen), longest_cell(name)]
        box = "yes" if "Before you start" in text else "none"
        print(f"{name:27}", *(f"{x:7}" for x in counts), f"{box:>7}")


def test_who_is_sorted_by_a_count_is_sorted_alike_on_every_processor():
    """Among equals the default order of numpy depends on the vector instructions."""
    root = BOOK.parent
    sources = [root / "intro.md", *BOOK.glob("*.md"), *(root / "bslutils").rglob("*.py")]
    counts = re.compile(r"argsort\([^\n]*(degree|\.sum\(0\))[^\n]*")
    texts = [file.read_text(encoding="utf-8") for file in sources]
    lines = [found[0] for text in texts for found in counts.finditer(text)]
    assert len(lines) > 5
    assert [line for line in lines if 'kind="stable"' not in line] == []


def test_the_person_of_the_pages_is_one_and_of_median_degree():
    texts = (path.read_text(encoding="utf-8") for path in BOOK.glob("*.md"))
    named = {int(x) for text in texts for x in re.findall(r"^person = (\d+)", text, re.M)}
    degree = bsl.load("movielens-small").user_degree
    assert len(named) == 1 and all(degree[x] == np.median(degree) for x in named)
