"""The solutions of the exercises run, after what they need of their chapters."""

import ast
import random
import re
import shutil
import sys
import types
from functools import cache
from pathlib import Path

import jupytext
import matplotlib
import matplotlib.pyplot
import pytest

import bslutils
from bslutils import page as module, store
from bslutils.experiments import records

BOOK = Path(__file__).parent.parent / "book"
# The cards look things up; every other numbered page teaches.
CHAPTERS = sorted(
    path for path in BOOK.glob("[0-9]*.md") if not re.search("loss-cards|claims", path.name)
)


def names(source: str) -> tuple[set[str], set[str]]:
    """Names that a piece of code gives a value, and those that it expects to have one."""
    given, used = set(), set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Name):
            (used if isinstance(node.ctx, ast.Load) else given).add(node.id)
        elif isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Store):
            if isinstance(node.value, ast.Name):  # x[k] = … gives x a value
                given.add(node.value.id)
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            given.add(node.name)
            if isinstance(node, ast.FunctionDef):
                given.update(arg.arg for arg in ast.walk(node.args) if isinstance(arg, ast.arg))
        elif isinstance(node, ast.Lambda):
            given.update(arg.arg for arg in ast.walk(node.args) if isinstance(arg, ast.arg))
        elif isinstance(node, ast.Import | ast.ImportFrom):
            given.update((name.asname or name.name).split(".")[0] for name in node.names)
    return given, used - given


def what_solutions_need(cells: list[str], solutions: list[str]) -> list[str]:
    """The cells, in order, that give the names that the solutions use.

    The build runs every cell; to run the long experiments again would show nothing new.
    """
    wanted = {name for solution in solutions for name in names(solution)[1]}
    kept = []
    for source in reversed(cells):
        given, used = names(source)
        if given & wanted:
            kept.append(source)
            wanted |= used
    return kept[::-1]


def test_a_cell_is_kept_for_what_it_gives():
    cells = [
        "import a",
        "x = a.b",
        "y = 1",
        "x[0] = f(2)",
        "def f(n): return n",
        "z = [y for y in x]",
    ]
    assert what_solutions_need(cells, ["print(x)"]) == ["import a", "x = a.b", "x[0] = f(2)"]
    assert what_solutions_need(cells, ["f = 1; f"]) == []


def code(path: Path) -> list[str]:
    """The code cells of a page, without their options."""
    return [
        re.sub(r"\A---\n.*?\n---\n", "", cell.source, flags=re.DOTALL)
        for cell in jupytext.read(path).cells
        if cell.cell_type == "code"
    ]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:FigureCanvasAgg is non-interactive")
@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_solutions_run(path, monkeypatch):
    matplotlib.use("Agg")
    monkeypatch.chdir(BOOK)  # where the book runs it
    glue = types.ModuleType("myst_nb")
    glue.glue = lambda *args, **kwargs: None
    monkeypatch.setitem(sys.modules, "myst_nb", glue)
    solutions = re.findall(
        r"\{solution\}.*?```python\n(.*?)```", path.read_text(encoding="utf-8"), re.DOTALL
    )
    assert len(solutions) >= 2
    cells = code(path)
    namespace = {}
    with matplotlib.rc_context():
        for source in what_solutions_need(cells, solutions):
            exec(compile(source, path.name, "exec"), namespace)
        for solution in solutions:
            exec(compile(solution, f"a solution of {path.name}", "exec"), namespace)
    matplotlib.pyplot.close("all")


SHARES = (0.02, 1.0)  # of the records that are deleted


@pytest.fixture(scope="module")
def lacking(tmp_path_factory):
    """A folder for each share, whose records lack it."""
    folders = {}
    for share in SHARES:
        rng, folders[share] = random.Random(0), tmp_path_factory.mktemp("records")
        for file in records.FOLDER.glob("*.json"):  # of the data, which are no runs
            shutil.copy(file, folders[share])
        for file in sorted(records.FOLDER.glob("*.jsonl")):
            lines = file.read_text(encoding="utf-8").splitlines(keepends=True)
            kept = [line for line in lines if rng.random() >= share]
            (folders[share] / file.name).write_text("".join(kept), encoding="utf-8")
    return folders


@cache  # by folder: the pages read the same records
def known(path: Path) -> records.Records:
    return records.known_records(path)


READS = re.compile(r"\b([Pp]age|(known_)?records|recorded|measured|judged|verify)\b")


def knowing_records(cells: list[str]) -> list[bool]:
    """Whether what a cell gives may depend on what is recorded.

    It reads records, or a name from a cell that does. One that only trains does not, although it
    takes its settings from such names.
    """
    depends, touched = [], set()
    for source in cells:
        given, used = names(source)
        code = re.sub(r"^(from|import) .*$", "", source, flags=re.MULTILINE)
        trains = re.search(r"\b(bsl\.fit|perform)\(", source) and "records" not in source
        depends.append(not trains and bool(READS.search(code) or used & touched))
        touched = touched | given if depends[-1] else touched - given
    return depends


def test_which_cells_know_what_is_recorded():
    cells = [
        "from bslutils.page import Page",
        "x = 1",
        "page = Page('shift')",
        "y = page.runs",
        "z = x + 1",
        "w = [y for _ in range(z)]",
        "y = 2",
        "bsl.fit(w, y)",
        "v = y",
    ]
    assert knowing_records(cells) == [False, False, True, True, False, True, False, False, False]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:FigureCanvasAgg is non-interactive")
@pytest.mark.parametrize(
    "name",
    [
        "06-shifted-negatives",
        "15-overall",
        "16-score-budget-protocol",
        "17-negative-noise",
        "18-positive-noise",
        "19-fairness",
        "20-variance-chain",
        "21-knobs",
        "22-negatives",
    ],
)
def test_a_page_says_which_runs_are_missing(name, lacking, monkeypatch):
    """A part of the records is deleted, and all; what is trained anyway is trained once."""
    matplotlib.use("Agg")
    monkeypatch.chdir(BOOK)
    monkeypatch.setattr(module, "known_records", known)
    monkeypatch.setattr(bslutils, "fit", store.fit_once)
    said = {}
    glue = types.ModuleType("myst_nb")
    glue.glue = lambda name, text, **kwargs: said.__setitem__(name, text)
    monkeypatch.setitem(sys.modules, "myst_nb", glue)
    cells = code(BOOK / f"{name}.md")
    depends = knowing_records(cells)
    made = {}  # number of a cell that does not depend on records -> the names that it gave
    for share in SHARES:
        monkeypatch.setattr(records, "FOLDER", lacking[share])
        namespace = {}
        said.clear()
        with matplotlib.rc_context():
            for number, source in enumerate(cells):
                if number in made:
                    namespace |= made[number]
                    continue
                exec(compile(source, name, "exec"), namespace)
                if not depends[number]:
                    given = names(source)[0] & namespace.keys()
                    made[number] = {x: namespace[x] for x in given}
        matplotlib.pyplot.close("all")
        page = namespace["page"]
        gaps = {name for name, text in said.items() if str(text) == "(a run is missing)"}
        assert page.missing and not page.complete
        pages = [x for x in namespace.values() if isinstance(x, module.Page)]
        assert {gap for other in pages for gap in other.gaps} == gaps != set()
        lacking_line = r"(run is|runs are) missing( of those planned so far)?: `?python -m bslutils"
        assert any(re.search(lacking_line, line) for line in namespace["lines"])
