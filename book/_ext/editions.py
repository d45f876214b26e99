"""The notebooks of every page, written when the book is built: ``_build/notebooks/KIND/``.

The reader's are what the button on a page gives.
"""

import base64
import copy
import mimetypes
import posixpath
import re
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_markdown_cell
from notebooks import KINDS, NOT_FOR_STUDENTS, glued, notebook
from plain import Page
from references import References, bibliography
from sphinx.application import Sphinx
from sphinx.util import logging


def write(app: Sphinx, read: Callable, cache: Path) -> None:
    """Write all notebooks; warn of a page that did not run, or whose text none can show.

    Args:
        app: that has built the book.
        read: docname -> its cells, not executed, or None for a page without code.
        cache: the folder of the outputs, by key of a page.
    """
    folder = Path(app.srcdir, "_build", "notebooks")
    shutil.rmtree(folder, ignore_errors=True)
    for docname in sorted(app.env.found_docs):
        cells = read(docname)
        try:
            if cells is None:
                cells = [new_markdown_cell(_prose_of(app.env.doc2path(docname)))]
            else:
                executed(cells, cache / app.env.page_keys[docname])
            kinds = [k for k in KINDS if k != "student" or docname not in NOT_FOR_STUDENTS]
            made = {kind: _notebook(app, docname, cells, kind) for kind in kinds}
        except ValueError as error:
            logging.getLogger(__name__).warning("no notebook: %s", error, location=docname)
            continue
        targets = {folder / kind / f"{docname}.ipynb": book for kind, book in made.items()}
        if docname in app.env.page_keys:
            targets[Path(app.outdir, "_sources", f"{docname}.ipynb")] = made["reader"]
        for target, book in targets.items():
            target.parent.mkdir(parents=True, exist_ok=True)
            nbformat.write(book, target)


def _notebook(app: Sphinx, docname: str, cells: list[NotebookNode], kind: str) -> NotebookNode:
    beside = Path(app.srcdir, docname).parent
    references = References(app, docname)

    def refer(role: str, content: str) -> tuple[str, str | None]:
        text, target = references.refer(role, content)
        return text, in_set(docname, target, kind)

    page = Page(
        refer,
        lambda target: in_set(docname, references.link(target), kind),
        lambda path: picture(beside / path),
        glued=glued(cells),
        bibliography=lambda: bibliography(app),
    )
    return notebook(
        docname,
        numbered(cells, app.env.toc_secnumbers.get(docname, {}).get("")),
        page,
        kind,
        address=app.config.html_theme_options["repository_url"],
        references=references.entries(),
    )


def in_set(docname: str, target: str | None, kind: str) -> str | None:
    """Where a reference of a page leads, or None if the set of notebooks has no such page."""
    if target is None or kind != "student":
        return target
    place = posixpath.join(posixpath.dirname(docname), target.removesuffix(".ipynb"))
    return None if posixpath.normpath(place) in NOT_FOR_STUDENTS else target


def executed(cells: Iterable[NotebookNode], cache: Path) -> None:
    """Give cells of code the outputs that were kept of them.

    Raises:
        ValueError: there are none, or those of other cells.
    """
    file = next(cache.glob("executed/*/base.ipynb"), None)
    if file is None:
        raise ValueError("the page did not run to its end")
    kept = [c for c in nbformat.read(file, as_version=4).cells if c.cell_type == "code"]
    code = [cell for cell in cells if cell.cell_type == "code"]
    if [cell.source for cell in code] != [cell.source for cell in kept]:
        raise ValueError(f"{file} has the outputs of other cells")
    for cell, ran in zip(code, kept, strict=True):
        cell.outputs, cell.execution_count = ran.outputs, ran.execution_count


def numbered(cells: list[NotebookNode], number: tuple[int, ...] | None) -> list[NotebookNode]:
    """The cells of a page, with the number of the chapter in its title, which comes first."""
    if number is None:
        return cells
    title = copy.deepcopy(cells[0])
    title.source = re.sub(
        "^# ", f"# {'.'.join(map(str, number))}. ", title.source, count=1, flags=re.M
    )
    return [title, *cells[1:]]


def picture(file: Path) -> tuple[str, str]:
    """The MIME type of a file and its content in base 64, as attachments of cells want them."""
    kind, _ = mimetypes.guess_type(file)
    return str(kind), base64.b64encode(file.read_bytes()).decode()


def _prose_of(path: str) -> str:
    text = Path(path).read_text(encoding="utf-8")
    return re.sub(r"\A---\n.*?\n---\n", "", text, flags=re.DOTALL)
