"""Slides from the built book: ``python slides/make.py`` writes ``_build/slides``.

A deck is a file ``NAME.md`` here: slides between lines of ``---``, and after a line ``Notes:`` what
to say. ``![](fig-name)`` is a figure of the built book with its alternative text, ``![](claim-2)``
what came out on that claim of the paper, ``[](thm-name)`` the number of a theorem or an exercise.

``NAME.html`` is shown, with arrows; ``N`` opens the notes in a window of their own, which moves
along, and a click on a figure enlarges it. ``NAME-notes.html`` has slides and notes one below the
other, to read and to print. All that they need lies in ``files``: take the folder along, and it
shows offline anywhere.
"""

import html
import re
import shutil
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import NamedTuple

from markdown_it import MarkdownIt
from mdit_py_plugins.dollarmath import dollarmath_plugin

HERE = Path(__file__).parent
ROOT = HERE.parent
HTML = ROOT / "_build" / "html"
TARGET = ROOT / "_build" / "slides"
FILES = "files"  # what decks need of the built book, beside them
MATHJAX = "_static/mathjax"
FIGURE = re.compile(r"!\[\]\((fig-[a-z0-9-]+)\)")
LABEL = re.compile(r"(?<!!)\[\]\(([a-z]+-[a-z0-9-]+)\)")
PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{title}</title>
<style>{style}</style>
<script defer src="{files}/{mathjax}/tex-chtml.js"></script>
<body class="{kind}">
{slides}
{end}
</body></html>
"""
END = """<footer>The BSL Book · <span id="at"></span></footer>
<script>{script}</script>"""


class Slide(NamedTuple):
    """What is shown, and what is said, in Markdown."""

    shown: str
    notes: str


def read(source: Path) -> list[Slide]:
    """The slides of a deck.

    Raises:
        ValueError: a slide without notes.
    """
    found = []
    for part in re.split(r"^---$", source.read_text(encoding="utf-8"), flags=re.MULTILINE):
        shown, mark, notes = part.partition("\nNotes:")
        if not mark or not notes.strip():
            raise ValueError(f"{source.name}: slide {len(found) + 1} has no notes")
        found.append(Slide(shown.strip(), notes.strip()))
    return found


class _Figures(HTMLParser):
    """The figures of a page: name -> from where to where its insides stand in the text."""

    def __init__(self, text: str):
        super().__init__()
        self.starts = [0, *(m.end() for m in re.finditer("\n", text))]
        self.found: dict[str, tuple[int, int]] = {}
        self.open: list[tuple[str | None, int]] = []
        self.feed(text)

    def _at(self) -> int:
        line, column = self.getpos()
        return self.starts[line - 1] + column

    def handle_starttag(self, tag, attributes):
        if tag == "figure":
            end = self._at() + len(self.get_starttag_text())
            self.open.append((dict(attributes).get("id"), end))

    def handle_endtag(self, tag):
        if tag == "figure" and self.open:
            name, start = self.open.pop()
            if name:
                self.found[name] = start, self._at()


class Drawn(NamedTuple):
    """What decks take from the built book, each by name."""

    figures: dict[str, str]  # their insides, without captions
    claims: dict[str, str]  # what came out on each claim of the paper
    numbers: dict[str, str]  # of theorems and exercises, with their kind


def drawn(folder: Path) -> Drawn:
    """What the built book has; what it shows from files is looked for in ``FILES``."""
    found = Drawn({}, {}, {})
    for path in sorted(folder.rglob("*.html")):
        text = path.read_text(encoding="utf-8")
        for name, (start, end) in _Figures(text).found.items():
            inside = re.sub(r"<figcaption.*?</figcaption>", "", text[start:end], flags=re.DOTALL)
            inside = re.sub(r"</?a\b[^>]*>", "", inside)
            beside = path.parent.relative_to(folder)
            found.figures[name] = re.sub(
                r'src="(?!https?:|data:)([^"]+)"',
                lambda src, beside=beside: f'src="{FILES}/{_resolved(beside / src[1])}"',
                inside,
            )
        for claim in re.finditer(
            r"<p><strong>([123])\. ([^<]+)</strong></p>\s*(<ul\b.*?</ul>)", text, re.DOTALL
        ):
            found.claims[f"claim-{claim[1]}"] = f"<p><strong>{claim[2]}</strong></p>{claim[3]}"
        for place in re.finditer(
            r'id="([a-z0-9-]+)">\s*<p class="admonition-title">'
            r'<span class="caption-number">([^<]+?) *</span>',
            text,
        ):
            found.numbers[place[1]] = place[2]
    return found


def _resolved(path: Path) -> str:
    parts: list[str] = []
    for part in path.parts:
        if part == "..":
            parts.pop()
        else:
            parts.append(part)
    return "/".join(parts)


def deck(source: Path, book: Drawn) -> tuple[str, str]:
    """A deck as a page to show, and as one with its notes to print.

    Raises:
        ValueError: a slide without notes, or one that asks for what the built book has not.
    """
    markdown = MarkdownIt("commonmark").enable("table")
    markdown.use(dollarmath_plugin, renderer=_formula)

    def taken(known: dict[str, str], name: str) -> str:
        if name not in known:
            raise ValueError(f"{source.name}: no page of the built book has {name}")
        return known[name].strip()

    def rendered(text: str) -> str:
        text = LABEL.sub(lambda label: taken(book.numbers, label[1]), text)
        # A figure is put in afterwards: blank lines in it would end its block.
        text = re.sub(
            r"<p>\s*<img src=\"(fig-[a-z0-9-]+)\"[^>]*>\s*</p>",
            lambda found: f"\n<figure>{taken(book.figures, found[1])}</figure>\n",
            markdown.render(text),
        )
        return re.sub(
            r"<p>\s*<img src=\"(claim-[0-9])\"[^>]*>\s*</p>",
            lambda found: f'\n<div class="claim">{taken(book.claims, found[1])}</div>\n',
            text,
        )

    parts, title = [], source.stem
    for k, slide in enumerate(read(source)):
        if k == 0 and (heading := re.search("^# (.*)$", slide.shown, re.MULTILINE)):
            title = heading[1]
        parts.append(
            f"<section>{rendered(slide.shown)}<aside>{rendered(slide.notes)}</aside></section>"
        )
    common = {
        "title": html.escape(title),
        "style": (HERE / "deck.css").read_text(encoding="utf-8"),
        "slides": "\n".join(parts),
        "files": FILES,
        "mathjax": MATHJAX,
    }
    script = (HERE / "deck.js").read_text(encoding="utf-8")
    shown = PAGE.format(kind="deck", end=END.format(script=script), **common)
    return shown, PAGE.format(kind="handout", end="", **common)


def _formula(content: str, options: dict) -> str:
    sides = (r"\[", r"\]") if options["display_mode"] else (r"\(", r"\)")
    return html.escape(f"{sides[0]}{content}{sides[1]}")


def decks() -> list[Path]:
    """The sources."""
    return sorted(HERE.glob("*.md"))


def take_along(pages: list[str]) -> None:
    """Copy what pages show from files, and mathematics, to beside them."""
    for name in {MATHJAX}.union(*(re.findall(f'src="{FILES}/([^"]+)"', page) for page in pages)):
        source, target = HTML / name, TARGET / FILES / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, dirs_exist_ok=True)
        else:
            shutil.copyfile(source, target)


def main() -> int:
    """Write all decks; 2 if the book is not built, or a deck asks for what is not there."""
    if not (HTML / "index.html").exists():
        print("error: the book is not built: make book", file=sys.stderr)
        return 2
    book, made = drawn(HTML), {}
    try:
        for source in decks():
            made[source.stem], made[f"{source.stem}-notes"] = deck(source, book)
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    shutil.rmtree(TARGET, ignore_errors=True)
    take_along([*made.values()])
    for name, page in made.items():
        path = TARGET / f"{name}.html"
        path.write_text(page, encoding="utf-8")
        print(path.relative_to(ROOT))
    return 0


if __name__ == "__main__":
    sys.exit(main())
