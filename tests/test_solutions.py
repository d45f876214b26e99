"""The solutions of the exercises run, after their chapters."""

import re
import sys
import types
from pathlib import Path

import jupytext
import matplotlib
import pytest

BOOK = Path(__file__).parent.parent / "book"


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:FigureCanvasAgg is non-interactive")
@pytest.mark.parametrize("path", sorted(BOOK.glob("0*.md")), ids=lambda path: path.stem)
def test_solutions_run(path, monkeypatch):
    matplotlib.use("Agg")
    monkeypatch.chdir(BOOK)  # where the book runs it
    glue = types.ModuleType("myst_nb")
    glue.glue = lambda *args, **kwargs: None
    monkeypatch.setitem(sys.modules, "myst_nb", glue)
    solutions = re.findall(r"\{solution\}.*?```python\n(.*?)```", path.read_text(), re.DOTALL)
    assert len(solutions) >= 2
    names = {}
    with matplotlib.rc_context():
        for cell in jupytext.read(path).cells:
            if cell.cell_type == "code":
                source = re.sub(r"\A---\n.*?\n---\n", "", cell.source, flags=re.DOTALL)
                exec(compile(source, path.name, "exec"), names)
        for solution in solutions:
            exec(compile(solution, f"a solution of {path.name}", "exec"), names)
    matplotlib.pyplot.close("all")
