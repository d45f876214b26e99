"""The notebooks of every page, written when the book is built: ``_build/notebooks/KIND/``.

The reader's are what the button on a page gives.
"""

import base64
import mimetypes
import re
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_markdown_cell
from notebooks import KINDS, glued, notebook
from plain import Page
from plotly.offline import get_plotlyjs_version
from references import References, bibliography
from sphinx.application import Sphinx

PLOTLY = f"https://cdn.plot.ly/plotly-{get_plotlyjs_version()}.min.js"


def write(app: Sphinx, read: Callable, cache: Path) -> None:
    """Write all notebooks.

    Args:
        app: that has built the book.
        read: docname -> its cells, not executed, or None for a page without code.
        cache: the folder of the outputs, by key of a page.

    Raises:
        ValueError: a page whose text no notebook can show; the message names the page.
    """
    folder = Path(app.srcdir, "_build", "notebooks")
    shutil.rmtree(folder, ignore_errors=True)
    address = app.config.html_theme_options.get("repository_url", "")
    for docname in sorted(app.env.found_docs):
        cells = read(docname)
        if cells is None:
            cells = [new_markdown_cell(_prose_of(app.env.doc2path(docname)))]
        else:
            executed(cells, cache / app.env.page_keys[docname])
        numbered(cells, app.env.toc_secnumbers.get(docname, {}).get(""))
        for kind in KINDS:
            references = References(app, docname)
            page = Page(
                references.refer,
                references.link,
                image=lambda path, beside=docname: picture(Path(app.srcdir, beside).parent / path),
                glued=glued(cells),
                macros=app.config.mathjax3_config["tex"]["macros"],
                bibliography=lambda: bibliography(app),
            )
            options = {"address": address, "plotly": PLOTLY, "references": references.entries()}
            try:
                made = notebook(docname, cells, page, kind, **options)
            except ValueError as error:
                raise ValueError(f"no notebook of {docname}: {error}") from error
            target = folder / kind / f"{docname}.ipynb"
            target.parent.mkdir(parents=True, exist_ok=True)
            nbformat.write(made, target)
    for docname in app.env.page_keys:
        target = Path(app.outdir, "_sources", f"{docname}.ipynb")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(folder / "reader" / f"{docname}.ipynb", target)


def executed(cells: Iterable[NotebookNode], cache: Path) -> None:
    """Give cells of code the outputs that were kept of them.

    Raises:
        ValueError: the outputs are those of other cells.
    """
    [file] = cache.glob("executed/*/base.ipynb")
    kept = [c for c in nbformat.read(file, as_version=4).cells if c.cell_type == "code"]
    code = [cell for cell in cells if cell.cell_type == "code"]
    if [cell.source for cell in code] != [cell.source for cell in kept]:
        raise ValueError(f"{file} has the outputs of other cells")
    for cell, ran in zip(code, kept, strict=True):
        cell.outputs, cell.execution_count = ran.outputs, ran.execution_count


def numbered(cells: Iterable[NotebookNode], number: tuple[int, ...] | None) -> None:
    """Put the number of a chapter into its title."""
    for cell in cells:
        if number and cell.cell_type == "markdown" and re.search("^# ", cell.source, re.M):
            shown = ".".join(map(str, number))
            cell.source = re.sub("^# ", f"# {shown}. ", cell.source, count=1, flags=re.M)
            return


def picture(file: Path) -> tuple[str, str]:
    """The MIME type of a file and its content in base 64, as attachments of cells want them."""
    kind, _ = mimetypes.guess_type(file)
    return str(kind), base64.b64encode(file.read_bytes()).decode()


def _prose_of(path: str) -> str:
    text = Path(path).read_text(encoding="utf-8")
    return re.sub(r"\A---\n.*?\n---\n", "", text, flags=re.DOTALL)
