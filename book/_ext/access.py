"""What extensions write into pages that gets in the way of a screen reader.

* Every theorem's content has the id ``proof-content``, every exercise's ``exercise-content``: no
  second element of a page may have the same, and nothing refers to them.
* The bibliography is marked as a list, whose entries are marked as something other than its items.
"""

from docutils import nodes
from sphinx.application import Sphinx

SHARED = {"proof-content", "exercise-content", "solution-content"}
NO_LIST = '<div role="list" class="citation-list">'
NO_ITEM = ' role="doc-biblioentry"'


def drop_shared_ids(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """Before a page is written."""
    for section in doctree.findall(nodes.section):
        section["ids"] = [name for name in section["ids"] if name not in SHARED]


def drop_roles(app: Sphinx, pagename, templatename, context, doctree) -> None:
    """When it is."""
    if NO_LIST in context.get("body", ""):
        plain = context["body"].replace(NO_LIST, '<div class="citation-list">')
        context["body"] = plain.replace(NO_ITEM, "")


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx."""
    app.connect("doctree-resolved", drop_shared_ids)
    app.connect("html-page-context", drop_roles)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
