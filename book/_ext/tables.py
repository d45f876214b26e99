"""Tables that cells print, as the tables of a book.

MyST-NB captions what a cell shows as a figure. Where the name of such a figure begins with
``tab-``, it counts among the tables, and its caption stands above it. A table of pandas gets one
row of headers, columns of numbers set to the right and of words to the left, and a frame that
scrolls, with the keyboard too, where a screen is too narrow for it.
"""

import re

from bs4 import BeautifulSoup, Tag
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.transforms import SphinxTransform
from sphinx.writers.html5 import HTML5Translator

# An amount, its margin or its interval, what it is counted in, and a mark.
AMOUNT = r"[-+−±×~<>≤≥≈]*\s*[.,]?\d[\d.,]*(e[-+−]?\d+)?"
UNIT = r"\s*(%|×|s|min|h|px|nats|GB|MB)?"
NUMBER = re.compile(rf"{AMOUNT}{UNIT}( ± {AMOUNT}{UNIT})?( ?\(.*\))?( ?[*†‡])?")
GAPS = ("", "–", "NaN", "<NA>")
PANDAS = re.compile(r'class="[^"]*\bdataframe\b')
FRAME = "jp-RenderedHTMLCommon"  # of what scrolls, the theme looks for this


class printed_table(nodes.figure):  # named as the nodes of docutils are
    """A figure whose body is a table."""


def title(node: nodes.figure) -> str | None:
    """The caption, as what a reference without a text of its own says."""
    caption = next(node.findall(nodes.caption), None)
    return caption and caption.astext()


class NumberTables(SphinxTransform):
    """Before names are collected and numbers given."""

    default_priority = 700

    def apply(self, **kwargs) -> None:
        for figure in list(self.document.findall(nodes.figure)):
            if any(name.startswith("tab-") for name in figure["names"]):
                table = printed_table(figure.rawsource, **figure.attributes)
                table += sorted(figure.children, key=lambda c: not isinstance(c, nodes.caption))
                figure.replace_self(table)
                for name in figure["ids"]:
                    self.document.ids[name] = table


class TidyTables(SphinxTransform):
    """What pandas writes, as it is read."""

    default_priority = 700

    def apply(self, **kwargs) -> None:
        for raw in self.document.findall(nodes.raw):
            if PANDAS.search(raw.astext()):
                raw[:] = [nodes.Text(tidy(raw.astext()))]


def tidy(written: str) -> str:
    """A table of pandas with one header, aligned columns and a frame that scrolls."""
    page = BeautifulSoup(written, "html.parser")
    for style in page.find_all("style", scoped=True):  # a styled frame has another
        style.decompose()
    for table in page.find_all("table", class_="dataframe"):
        del table["border"]
        _one_header(table)
        _align(table)
        table.wrap(page.new_tag("div", attrs={"class": FRAME}))
    return str(page)


def _one_header(table: Tag) -> None:
    """The names of the index stand in a row of their own: put them beside the other names."""
    head = table.thead.find_all("tr") if table.thead else []
    if len(head) != 2:
        return
    above, below = (row.find_all("th") for row in head)
    if len(above) == len(below) and not any(
        a.text and b.text for a, b in zip(above, below, strict=True)
    ):
        for a, b in zip(above, below, strict=True):
            if b.text:
                a.replace_with(b)
        head[1].decompose()


def _align(table: Tag) -> None:
    """Set numbers to the right; columns count from there, as an index leaves cells out."""
    rows = [row for row in table.find_all("tr") if row.find_parent("table") is table]
    for row in rows:
        del row["style"]
    cells = [row.find_all("td", recursive=False)[::-1] for row in rows]
    heads = [_heads(row) for row in rows if row.parent.name == "thead"]
    for k, column in enumerate(zip(*filter(None, cells), strict=False)):
        if _is_of_numbers([cell.text.strip() for cell in column]):
            for cell in [*column, *(head[k] for head in heads if k in head)]:
                cell["class"] = [*cell.get("class", ()), "number"]


def _is_of_numbers(said: list[str]) -> bool:
    """Whether a column has numbers; where some are missing, a word or two may say why."""
    numbers = [text for text in said if NUMBER.fullmatch(text)]
    words = {text for text in said if text not in GAPS and not NUMBER.fullmatch(text)}
    return len(numbers) > len(words) and not any(re.search(r"\d", word) for word in words)


def _heads(row: Tag) -> dict[int, Tag]:
    """The headers of one column each, by their place from the right."""
    found, place = {}, 0
    for cell in row.find_all("th", recursive=False)[::-1]:
        span = int(cell.get("colspan", 1))
        if span == 1:
            found[place] = cell
        place += span
    return found


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx."""
    drawn = (HTML5Translator.visit_figure, HTML5Translator.depart_figure)
    app.add_enumerable_node(printed_table, "table", title, html=drawn)
    app.add_transform(NumberTables)
    app.add_transform(TidyTables)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
