"""Three notebooks from a page that was executed.

* *reader*: with outputs; solutions are folded.
* *student*: not executed, without solutions, and a cell to answer in after each exercise.
* *instructor*: with outputs; solutions are open, and their code is in cells.

Everything is plain Markdown and code; numbers that the page computed stand in its text.
"""

import base64
import copy
import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from io import BytesIO
from typing import Any

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from PIL import Image
from plain import CELL, Page, captioned, markdown

KINDS = {"reader": "folded", "student": "cut", "instructor": "open"}
EXECUTED = ("reader", "instructor")
HIDDEN = {"hide-input", "remove-input", "remove-cell"}
# What a page computed for its text has its MIME type behind this.
GLUED = "application/papermill.record/"
# What a package of the book is called where no repository is set.
EXTRA = "bslutils[notebooks]"
BESIDE = (
    "Beside it you need a program that opens notebooks: JupyterLab (`pip install jupyterlab`) or "
    "VS Code. On Linux the install brings CUDA along, some gigabytes, unless PyTorch's CPU build "
    "is there first, by the CPU command of [pytorch.org](https://pytorch.org/get-started/locally/)."
)
CHANGES = (
    "*The text keeps the numbers of the book's run: what you change shows in the outputs of cells, "
    "and not in the text. An `AssertionError` then says that something which the text states does "
    "not hold for your numbers; go on with the cell after it (from a terminal, with "
    "`jupyter execute --allow-errors`).*"
)
# Stands at the head of every list of sources, as in the bibliography.
HELD = (
    "Of the paper by [Wu et al. (2024)](https://arxiv.org/abs/2312.12882) this book has the "
    "abstract, the first figure, the code, its logs, and what later papers report. It does not "
    "have the full text."
)
# The lecturer's guide is no notebook for students.
NOT_FOR_STUDENTS = {"book/teach"}


def glued(cells: Iterable[NotebookNode]) -> dict[str, dict[str, Any]]:
    """Name -> what cells computed for the text, by MIME type."""
    found = {}
    for output in _outputs(cells):
        name = output.get("metadata", {}).get("scrapbook", {}).get("name")
        if name is not None:
            data = {kind.removeprefix(GLUED): x for kind, x in output["data"].items()}
            if "image/png" in data:
                data["image/png"] = on_white(data["image/png"])
            found[name] = data
    return found


def _outputs(cells: Iterable[NotebookNode]) -> Iterator[NotebookNode]:
    return (output for cell in cells for output in cell.get("outputs", ()))


def install(address: str) -> list[NotebookNode]:
    """The first cells: what the notebook needs and, where there is a repository, its install."""
    needs = f"This notebook needs Python 3.11 or later and the package `{EXTRA}` of the book. "
    if not address:
        here = (
            "In the folder of the book's source: `pip install '.[notebooks]'`. If you were given a "
            "wheel: `pip install './bslutils-….whl[notebooks]'`, with its name. "
        )
        return [new_markdown_cell(f"*{needs}{here}{BESIDE}*\n\n{CHANGES}")]
    code = (
        "import importlib.util\n\n"
        'if importlib.util.find_spec("bslutils") is None:\n'
        f'    %pip install --quiet "{EXTRA} @ git+{address}"'
    )
    return [
        new_markdown_cell(
            f"*{needs}The next cell installs it if it is not there. {BESIDE}*\n\n{CHANGES}"
        ),
        new_code_cell(code),
    ]


def notebook(
    name: str,
    cells: Iterable[NotebookNode],
    page: Page,
    kind: str,
    *,
    address: str = "",
    references: Iterable[str] = (),
) -> NotebookNode:
    """A page as a plain notebook.

    Args:
        name: of the page, which the ids of cells follow from.
        cells: of the page, executed.
        page: what its text refers to.
        kind: one of ``KINDS``.
        address: of the repository that the package is installed from.
        references: asked for when the text is written: entries for its end.

    Raises:
        ValueError: an unknown kind, or text that cannot be shown (:func:`plain.markdown`).
    """
    if kind not in KINDS:
        raise ValueError(f"kind must be one of {', '.join(KINDS)}, got {kind!r}")
    page = replace(page, solutions=KINDS[kind])
    made = install(address)
    for cell in cells:
        if cell.cell_type == "code":
            made += _code(cell, page, kind in EXECUTED)
        else:
            made += _text(cell.source, page)
    if entries := [f"* {entry}" for entry in references]:
        made.append(new_markdown_cell("\n".join(["## References", "", HELD, "", *entries])))
    for number, cell in enumerate(made):
        cell["id"] = hashlib.sha256(f"{name} {kind} {number}".encode()).hexdigest()[:12]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    book = new_notebook(
        cells=made, metadata={"kernelspec": kernel, "language_info": {"name": "python"}}
    )
    nbformat.validate(book)
    return book


def _text(source: str, page: Page) -> list[NotebookNode]:
    """Cells of a page's text, with the pictures that each shows."""
    made = []
    for number, piece in enumerate(markdown(source, page).split(CELL)):
        piece = piece.strip("\n")
        if not piece.strip():
            continue
        if number % 2:
            made.append(new_code_cell(piece))
            continue
        made.append(new_markdown_cell(piece))
        if shown := re.findall(r"\(attachment:([^)]+)\)", piece):
            made[-1].attachments = {name: page.attached[name] for name in shown}
    return made


def _code(cell: NotebookNode, page: Page, executed: bool) -> list[NotebookNode]:
    """The cell, and the caption of its figure."""
    options = cell.metadata.get("mystnb", {})
    tags = set(cell.metadata.get("tags", ()))
    made = new_code_cell(cell.source, metadata={"tags": sorted(tags)} if tags else {})
    if tags & HIDDEN:
        made.metadata |= {"jupyter": {"source_hidden": True}, "cellView": "form"}  # and in Colab
    if "hide-output" in tags:
        made.metadata.setdefault("jupyter", {})["outputs_hidden"] = True
    if executed:
        made.execution_count = cell.get("execution_count")
        if not tags & {"remove-cell", "remove-output"}:
            alt = options.get("image", {}).get("alt")
            outputs = (_output(output, alt) for output in cell.get("outputs", ()))
            made.outputs = [output for output in outputs if output]
    drew_nothing = cell.get("execution_count") and not any(map(_is_shown, cell.get("outputs", ())))
    if (figure := options.get("figure")) and not drew_nothing:  # as where nothing is recorded
        caption = captioned(figure.get("name"), figure["caption"], page)
        return [made, new_markdown_cell(caption)]
    return [made]


def _is_shown(output: NotebookNode) -> bool:
    return not all(kind.startswith(GLUED) for kind in output.get("data", ()))


def on_white(png: str) -> str:
    """A picture in base 64 on a white ground."""
    picture = Image.open(BytesIO(base64.b64decode(png))).convert("RGBA")
    ground = Image.new("RGBA", picture.size, "white")
    ground.alpha_composite(picture)
    file = BytesIO()
    ground.convert("RGB").save(file, "png", optimize=True)
    return base64.b64encode(file.getvalue()).decode()


def _output(output: NotebookNode, alt: str | None) -> NotebookNode | None:
    """What is shown elsewhere; None for what was computed for the text."""
    output = copy.deepcopy(output)
    if "data" not in output:
        return output
    output.data = {k: x for k, x in output.data.items() if not k.startswith(GLUED)}
    if not output.data:
        return None
    output.metadata = {k: x for k, x in output.metadata.items() if k in output.data}
    # In the book figures are transparent, and drawn as SVG; a notebook may be dark, and shows no
    # SVG before its reader trusts it.
    if "image/png" in output.data:
        output.data.pop("image/svg+xml", None)
        output.data["image/png"] = on_white(output.data["image/png"])
        if alt:
            output.metadata.setdefault("image/png", {})["alt"] = alt
    return output
