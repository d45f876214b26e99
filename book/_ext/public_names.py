"""The reference of the package: every public name from its docstring, and the chapters that use it.

* ``.. public:: bslutils.losses`` in a page of reStructuredText documents what the module offers.
* Every chapter ends with the names that its code uses, each a link to the reference.
"""

import ast
import importlib
import inspect
from functools import cache
from pathlib import Path

import jupytext
from docutils import nodes
from docutils.statemachine import StringList
from IPython.core.inputtransformer2 import TransformerManager
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

PAGE = "book/reference"
MODULES = (
    "bslutils",
    *(
        f"bslutils.{name}"
        for name in (
            *("losses", "dro", "models", "sampling", "in_batch", "scoring", "distributed"),
            *("baselines", "data", "stream", "exposure", "examine", "adapters"),
        )
    ),
)


@cache
def public(module: str) -> tuple[str, ...]:
    """What a module offers: its ``__all__``, or what is defined in it or below it."""
    where = importlib.import_module(module)
    names = getattr(where, "__all__", None)
    if names is None:
        names = [name for name, value in vars(where).items() if _is_own(name, value, module)]
    return tuple(name for name in names if _is_for_users(name, getattr(where, name)))


def _is_own(name: str, value: object, module: str) -> bool:
    home = getattr(value, "__module__", None) or ""
    return not name.startswith("_") and (home == module or home.startswith(f"{module}."))


def _is_for_users(name: str, value: object) -> bool:
    is_check = name.startswith("check_") and name != "check_loss"  # of arguments, inside
    return not is_check and (inspect.isclass(value) or inspect.isfunction(value))


def home_of(name: str) -> str | None:
    """The module under which the reference has a name; the first that offers it."""
    return next((module for module in MODULES if name in public(module)), None)


def used(code: list[str]) -> list[str]:
    """The public names that some code uses, in the order of the alphabet.

    Example:
        >>> used(["from bslutils import losses", "losses.softmax_loss(a, b, tau=1)"])
        ['softmax_loss']
    """
    found = set()
    for source in code:
        try:
            tree = ast.parse(TransformerManager().transform_cell(source))  # magics are no Python
        except SyntaxError:  # the page fails, and is named
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute):
                found.add(node.attr)
            elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("bslutils"):
                found.update(alias.name for alias in node.names)
    return sorted((name for name in found if home_of(name)), key=str.lower)


def code_of(path: Path) -> list[str]:
    """The code cells of a page of MyST."""
    return [cell.source for cell in jupytext.read(path).cells if cell.cell_type == "code"]


class Public(SphinxDirective):
    """Document all that a module offers, each with the chapters that use it."""

    required_arguments = 1

    def run(self) -> list:
        module = self.arguments[0]
        where = importlib.import_module(module)
        lines: list[str] = []
        for name in (name for name in public(module) if home_of(name) == module):
            is_class = inspect.isclass(getattr(where, name))
            lines += [f".. auto{'class' if is_class else 'function'}:: {module}.{name}"]
            if is_class and not name.endswith("Loss"):
                lines += ["   :members:"]
            lines += [""]
            if pages := self.env.names_used.get(name):
                links = ", ".join(f":doc:`/{page}`" for page in pages)
                lines += [f"   Used in: {links}.", ""]
        return self._parsed("\n".join(lines))

    def _parsed(self, text: str) -> list:
        node = nodes.Element()
        self.state.nested_parse(StringList(text.splitlines(), source=PAGE), 0, node)
        for link in list(node.findall(nodes.reference)):
            if link.get("refuri", "").startswith("mailto:"):  # NDCG@20 is no address
                link.replace_self(link.children)
        return node.children


def index_names(app: Sphinx, env, docnames: list[str]) -> None:
    """Before pages are read: which page uses which name."""
    env.names_used = {}
    for docname in sorted(env.found_docs):
        for name in used(code_of(Path(env.doc2path(docname)))):
            env.names_used.setdefault(name, []).append(docname)


def add_names(app: Sphinx, docname: str, content: list[str]) -> None:
    """End a chapter with the names of the package that its code uses."""
    if PAGE not in app.env.found_docs or not docname.startswith("book/"):
        return
    names = [name for name, pages in app.env.names_used.items() if docname in pages]
    if names:
        links = ", ".join(
            f"{{py:obj}}`~{home_of(name)}.{name}`" for name in sorted(names, key=str.lower)
        )
        content[0] += f"\n\n---\n\n**In the package:** {links}.\n"


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx."""
    app.setup_extension("sphinx.ext.autodoc")
    app.setup_extension("sphinx.ext.napoleon")
    app.config.napoleon_use_rtype = False  # "Returns: a report: print it" has no type
    app.config.autodoc_typehints = "none"  # docstrings say shapes, which are more
    app.config.autodoc_preserve_defaults = True
    app.add_directive("public", Public)
    app.connect("env-before-read-docs", index_names)
    app.connect("source-read", add_names, priority=400)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
