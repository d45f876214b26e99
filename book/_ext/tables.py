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

NUMBER = re.compile(r"[-+−±×~<>≈]*\s*[\d.,]+\s*(%|×|s|min|h|px|nats|GB|MB)?( ?\(.*\))?")
FRAME = "jp-RenderedHTMLCommon"  # of what scrolls, the theme looks for this


class printed_table(nodes.figure):  # named as the nodes of docutils are
    """A figure whose body is a table."""


def title(node: nodes.figure) -> str:
    """The caption, as what a reference without a text of its own says."""
    return next(node.findall(nodes.caption)).astext()


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
            if 'class="dataframe"' in raw.astext():
                raw[:] = [nodes.Text(tidy(raw.astext()))]


def tidy(written: str) -> str:
    """A table of pandas with one header, aligned columns and a frame that scrolls."""
    page = BeautifulSoup(written, "html.parser")
    for style in page.find_all("style"):
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
    rows = [row.find_all("td") for row in table.tbody.find_all("tr")]
    heads = table.thead.find_all("tr")[-1].find_all("th") if table.thead else []
    for row in table.find_all("tr"):
        del row["style"]
    for k in range(min(map(len, rows), default=0)):
        cells = [row[k] for row in rows]
        said = [cell.text.strip() for cell in cells]
        if any(said) and all(NUMBER.fullmatch(text) for text in said if text):
            for cell in [*cells, *heads[k - len(rows[0]) :][:1]]:
                cell["class"] = "number"


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx."""
    drawn = (HTML5Translator.visit_figure, HTML5Translator.depart_figure)
    app.add_enumerable_node(printed_table, "table", title, html=drawn)
    app.add_transform(NumberTables)
    app.add_transform(TidyTables)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
