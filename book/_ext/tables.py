"""A table that a cell prints is numbered as a table.

MyST-NB captions what a cell shows as a figure. Where the name of such a figure begins with
``tab-``, it counts among the tables, and its caption stands above it.
"""

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.transforms import SphinxTransform
from sphinx.writers.html5 import HTML5Translator


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


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx."""
    drawn = (HTML5Translator.visit_figure, HTML5Translator.depart_figure)
    app.add_enumerable_node(printed_table, "table", title, html=drawn)
    app.add_transform(NumberTables)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
