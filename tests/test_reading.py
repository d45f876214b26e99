"""How much a page asks of its reader: words, computed numbers, and the box that it opens with."""

import re
from pathlib import Path

import pytest

BOOK = Path(__file__).parent.parent / "book"
PAGES = sorted(path.stem for path in BOOK.glob("[0-9][0-9]-*.md"))[1:]  # without the glance
# Directives whose text is folded, of code, or a statement that is not read like prose.
FOLDED = r"dropdown|exercise|solution|prf:\w+|bibliography|code-cell|code-block|raw|glue:\w+"


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


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_short_and_its_paragraphs_are_not_lists_of_numbers(name):
    paragraphs = prose(name)
    assert 300 < sum(map(words, paragraphs)) <= 2200
    assert [p for p in paragraphs if numbers(p) > max(1, words(p) / 45)] == []


@pytest.mark.parametrize("name", PAGES)
def test_a_page_says_what_one_needs_and_what_one_takes_away(name):
    text = (BOOK / f"{name}.md").read_text(encoding="utf-8")
    [box] = re.findall(r"\{admonition\} Before you start\n:class: tip\n(.*?)\n```", text, re.DOTALL)
    said = re.findall(r"\*\*(.*?)\*\*", box)
    assert said == ["You need", "You will be able to", "It takes"]
    assert text.index(box) < text.index("{code-cell}")


QUESTION = re.compile(
    r"^```\{dropdown\} Check yourself: ([^\n]+)\n(.+?)\n```$", re.MULTILINE | re.DOTALL
)


@pytest.mark.parametrize("name", [name for name in PAGES if name != "30-loss-cards"])
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


if __name__ == "__main__":
    print("page                        words numbers dense box")
    for name in PAGES:
        paragraphs = prose(name)
        dense = [p for p in paragraphs if numbers(p) > max(1, words(p) / 45)]
        box = "Before you start" in (BOOK / f"{name}.md").read_text(encoding="utf-8")
        counts = sum(map(words, paragraphs)), sum(map(numbers, paragraphs)), len(dense)
        print(f"{name:27}", "{:6}{:8}{:6}".format(*counts), "" if box else "  none")
