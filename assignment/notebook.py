"""The assignment as notebooks: ``python assignment/notebook.py`` writes both to ``_build``.

Cells of the source say what they are in their options: ``:solution: name`` has a part between
``### BEGIN SOLUTION`` and ``### END SOLUTION`` that students write; ``:test: name`` with
``:points:`` is marked by a program, ``:manual: name`` by a person. The notebooks say it as nbgrader
does, in the metadata of their cells.
"""

import re
import sys
from pathlib import Path

try:
    import jupytext
except ModuleNotFoundError:
    sys.exit(
        "error: this program needs jupytext, which .venv/bin/python has after make; elsewhere: "
        "pip install jupytext"
    )
import nbformat
from nbformat import NotebookNode

HERE = Path(__file__).parent
SOURCE = HERE / "design-a-loss.md"
TARGET = HERE.parent / "_build" / "assignment"
SOLUTION = re.compile(r"^( *)### BEGIN SOLUTION\n.*?^ *### END SOLUTION$", re.DOTALL | re.MULTILINE)
EMPTY = r'\1raise NotImplementedError("nothing is written here")  # your code'


def read(source: Path = SOURCE) -> NotebookNode:
    """The assignment with solutions, its cells marked as nbgrader marks them.

    Raises:
        ValueError: two cells of one name, a test or a page without points, or a solution that is
            not marked.
    """
    notebook = jupytext.read(source)
    names = set()
    for cell in notebook.cells:
        kinds = [kind for kind in ("solution", "test", "manual") if kind in cell.metadata]
        if not kinds:
            continue
        [kind] = kinds
        name, points = cell.metadata.pop(kind), cell.metadata.pop("points", None)
        if name in names:
            raise ValueError(f"two cells of the assignment are called {name!r}")
        names.add(name)
        if kind != "solution" and not isinstance(points, int):
            raise ValueError(f"the cell {name!r} needs points")
        if kind == "solution" and not SOLUTION.search(cell.source):
            raise ValueError(f"the cell {name!r} marks no solution")
        cell.metadata["nbgrader"] = {
            "grade_id": name,
            "grade": kind != "solution",
            "solution": kind != "test",
            "locked": kind == "test",
            "task": False,
            "schema_version": 3,
        } | ({} if points is None else {"points": points})
    return notebook


def without_solutions(notebook: NotebookNode) -> NotebookNode:
    """What students get."""
    empty = nbformat.from_dict(notebook)
    for cell in empty.cells:
        cell.source = SOLUTION.sub(EMPTY, cell.source)
    return empty


def main() -> int:
    """Write the notebooks."""
    whole = read()
    for folder, notebook in (("source", whole), ("release", without_solutions(whole))):
        path = TARGET / folder / f"{SOURCE.stem}.ipynb"
        path.parent.mkdir(parents=True, exist_ok=True)
        jupytext.write(notebook, path)
        print(path.relative_to(HERE.parent))
    return 0


if __name__ == "__main__":
    sys.exit(main())
