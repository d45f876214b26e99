"""Slides from the built book: ``python slides/make.py`` writes ``_build/slides/NAME.html``.

A deck is a file ``NAME.md`` here: slides between lines of ``---``, a figure of the book as
``![](fig-name)``, and after a line ``Notes:`` what to say. Figures are those of the built pages,
with their alternative texts; one that moves is drawn as it stands at first. Decks read the files of
the built book beside them, and nothing from elsewhere. Keys: arrows, ``N`` for notes; print to have
a slide a sheet.
"""

import html
import re
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
FIGURE = re.compile(r"!\[\]\((fig-[a-z0-9-]+)\)")
PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{title}</title>
<style>{style}</style>
<script defer src="../html/_static/mathjax/tex-chtml.js"></script>
<body>
{slides}
<footer><a href="../html/index.html">The BSL Book</a> · <span id="at"></span></footer>
<script>{script}</script>
</body></html>
"""
STYLE = """
* { box-sizing: border-box; }
body { margin: 0; background: white; color: #111; font: 3.2vmin/1.45 system-ui, sans-serif; }
section { display: none; min-height: 100vh; padding: 3vmin 8vmin 5vmin; flex-direction: column;
          justify-content: center; gap: 2vmin; }
section.shown { display: flex; }
h1 { font-size: 7vmin; line-height: 1.15; margin: 0; } h2 { font-size: 4.6vmin; margin: 0; }
p, ul, ol, table { margin: 0; } li { margin: .6vmin 0; }
td, th { padding: .6vmin 2vmin; border-bottom: 1px solid #ccc; text-align: left; }
figure { margin: 0; text-align: center; }
figure img { width: 100%; max-height: 64vmin; object-fit: contain; }
figure .interactive { width: 760px; max-width: 100%; margin: auto; }
aside { display: none; border-top: 1px solid #bbb; padding-top: 1.5vmin; font-size: 2.4vmin;
        color: #444; }
body.notes aside { display: block; }
footer { position: fixed; bottom: 2vmin; right: 4vmin; font-size: 2vmin; color: #666; }
footer a { color: inherit; }
@media print { section { display: flex; break-after: page; } footer { display: none; } }
"""
SCRIPT = """
const slides = [...document.querySelectorAll("section")];
let at = 0;
function show(n) {
  at = Math.max(0, Math.min(slides.length - 1, n));
  slides.forEach((slide, k) => slide.classList.toggle("shown", k === at));
  document.getElementById("at").textContent = `${at + 1} / ${slides.length}`;
  history.replaceState(null, "", `#${at + 1}`);
  window.dispatchEvent(new Event("resize"));
}
document.addEventListener("keydown", (event) => {
  const steps = { ArrowRight: 1, ArrowDown: 1, PageDown: 1, " ": 1,
                  ArrowLeft: -1, ArrowUp: -1, PageUp: -1 };
  if (event.key in steps) show(at + steps[event.key]);
  else if (event.key === "Home") show(0);
  else if (event.key === "End") show(slides.length - 1);
  else if (event.key.toLowerCase() === "n") document.body.classList.toggle("notes");
  else return;
  event.preventDefault();
});
show(Number(location.hash.slice(1) || 1) - 1);
"""


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


def figures(folder: Path) -> dict[str, str]:
    """Name -> the insides of every figure of the built book, without its caption."""
    found = {}
    for path in sorted(folder.rglob("*.html")):
        text = path.read_text(encoding="utf-8")
        for name, (start, end) in _Figures(text).found.items():
            inside = re.sub(r"<figcaption.*?</figcaption>", "", text[start:end], flags=re.DOTALL)
            # Where the page's own files are, seen from the deck.
            up = Path("../html", path.parent.relative_to(folder)).as_posix()
            inside = re.sub(r'(src|href)="(?!https?:|data:|#)', rf'\1="{up}/', inside)
            found[name] = re.sub(r"</?a\b[^>]*>", "", inside)
    return found


def deck(source: Path, drawn: dict[str, str]) -> str:
    """A deck as a page.

    Raises:
        ValueError: a slide without notes, or a figure that no page has.
    """
    markdown = MarkdownIt("commonmark").enable("table")
    markdown.use(dollarmath_plugin, renderer=_formula)

    def figure(found: re.Match) -> str:
        if found[1] not in drawn:
            raise ValueError(f"{source.name}: no page of the built book has {found[1]}")
        return f"\n<figure>{drawn[found[1]].strip()}</figure>\n"

    parts, title = [], source.stem
    for k, slide in enumerate(read(source)):
        if k == 0 and (heading := re.search("^# (.*)$", slide.shown, re.MULTILINE)):
            title = heading[1]
        # A figure is put in afterwards: blank lines in it would end its block.
        shown = re.sub(
            r"<p>\s*<img src=\"(fig-[a-z0-9-]+)\"[^>]*>\s*</p>",
            figure,
            markdown.render(slide.shown),
        )
        parts.append(f"<section>{shown}<aside>{markdown.render(slide.notes)}</aside></section>")
    slides = "\n".join(parts)
    return PAGE.format(title=html.escape(title), style=STYLE, script=SCRIPT, slides=slides)


def _formula(content: str, options: dict) -> str:
    sides = (r"\[", r"\]") if options["display_mode"] else (r"\(", r"\)")
    return html.escape(f"{sides[0]}{content}{sides[1]}")


def decks() -> list[Path]:
    """The sources."""
    return sorted(HERE.glob("*.md"))


def main() -> int:
    """Write all decks; 2 if the book is not built, or a deck asks for what is not there."""
    if not (HTML / "index.html").exists():
        print("error: the book is not built: make book", file=sys.stderr)
        return 2
    drawn = figures(HTML)
    try:
        made = {source.stem: deck(source, drawn) for source in decks()}
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    TARGET.mkdir(parents=True, exist_ok=True)
    for name, page in made.items():
        path = TARGET / f"{name}.html"
        path.write_text(page, encoding="utf-8")
        print(path.relative_to(ROOT))
    return 0


if __name__ == "__main__":
    sys.exit(main())
