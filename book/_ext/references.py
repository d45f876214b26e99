"""What a page's roles and links stand for, as Sphinx resolves them."""

import posixpath
import re
from collections.abc import Iterator
from functools import cache

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.util.docutils import new_document

EXPLICIT = re.compile(r"(?P<title>.+?)\s*<(?P<target>[^<>]+)>", re.DOTALL)


class References:
    """References of one page.

    Args:
        app: that has read every page.
        docname: of the page.

    Attributes:
        cited: keys of the publications that were asked for, in their order.
    """

    def __init__(self, app: Sphinx, docname: str):
        self.app, self.docname = app, docname
        self.cited: dict[str, None] = {}

    def refer(self, role: str, content: str) -> tuple[str, str | None]:
        """The text that a role stands for, and where it leads in a set of notebooks, if anywhere.

        Raises:
            ValueError: it leads nowhere.
        """
        domain, _, kind = role.rpartition(":")
        if role == "eq":
            domain = "math"
        if domain == "cite":
            keys = [key.strip() for key in content.split(",")]
            self.cited |= dict.fromkeys(keys)
        text, target = _resolved(self.app, self.docname, domain or "std", kind, content)
        if text is None:
            raise ValueError(f"{{{role}}}`{content}` leads nowhere")
        if domain == "cite":
            return text, address(self.app, keys[0]) if len(keys) == 1 else None
        page, dot, _ = (target or "").partition(".html")
        return text, f"{page}.ipynb" if dot else None

    def link(self, target: str) -> str | None:
        """Where a Markdown link leads in a set of notebooks, or None for a place on the page.

        Raises:
            ValueError: it leads to no page.
        """
        if re.match(r"https?:|mailto:", target):
            return target
        path = target.partition("#")[0].removesuffix(".md")
        if not path:
            return None
        docname = posixpath.normpath(posixpath.join(posixpath.dirname(self.docname), path))
        if docname not in self.app.env.found_docs:
            raise ValueError(f"a link to {target} leads nowhere")
        return f"{path}.ipynb"

    def entries(self) -> Iterator[str]:
        """The publications that were asked for, as Markdown."""
        for key in self.cited:
            yield entry(self.app, key)


@cache
def _resolved(
    app: Sphinx, docname: str, domain: str, kind: str, content: str
) -> tuple[str | None, str | None]:
    """The text that Sphinx puts in the place of a reference, and the address that it gives it."""
    explicit = EXPLICIT.fullmatch(content) if domain != "cite" else None
    title, target = (explicit["title"], explicit["target"]) if explicit else (content, content)
    document = new_document(docname)
    document.settings.env = app.env
    reference = addnodes.pending_xref(
        "",
        nodes.inline("", title, classes=["xref"]),
        refdomain=domain,
        reftype=kind,
        reftarget=target.lower() if kind == "term" else target,
        refexplicit=explicit is not None,
        refdoc=docname,
    )
    document += nodes.paragraph("", "", reference)
    app.env.temp_data["docname"] = docname
    app.env.resolve_references(document, docname, app.builder)
    found = next(document.findall(nodes.reference), None)
    if found is None:
        return None, None
    return document.astext(), found.get("refuri")


@cache
def _citations(app: Sphinx) -> dict:
    return {citation.key: citation for citation in app.env.get_domain("cite").citations}


@cache
def entry(app: Sphinx, key: str) -> str:
    """A publication, as Markdown."""
    text = _citations(app)[key].formatted_entry.text.render_as("markdown")
    return " ".join(re.sub(r"\\([-.()])", r"\1", text).split())  # escapes that nothing asks for


def address(app: Sphinx, key: str) -> str | None:
    """Where a publication is on the web, as its entry says."""
    fields = _citations(app)[key].entry.fields
    if "doi" in fields:
        return f"https://doi.org/{fields['doi']}"
    return fields.get("url")


def bibliography(app: Sphinx) -> list[str]:
    """All publications, as Markdown, in the order of the bibliography."""
    return [entry(app, key) for key in _citations(app)]
