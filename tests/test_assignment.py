"""The assignment: full marks with its solution, none without, and no trust in what is handed in."""

import copy
import json
import re
import subprocess
import sys
from pathlib import Path

import jupytext
import pytest
from nbformat.v4 import new_code_cell

from bslutils.examine.called import Called
from bslutils.examine.character import character
from bslutils.examine.nearest import _settings
from bslutils.examine.rows import rows
from bslutils.losses import make_loss

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "assignment"))

import grade  # noqa: E402
import notebook  # noqa: E402


@pytest.fixture(scope="module")
def whole():
    return notebook.read()


def handed_in(tmp_path, cells):
    path = tmp_path / "handed-in.ipynb"
    jupytext.write(cells, path)
    return path


def marks(found):
    return sum(points for points, _, _ in found.values())


def test_the_solution_gets_all_points_and_an_empty_notebook_none(whole, tmp_path):
    found = grade.grade(handed_in(tmp_path, whole))
    assert marks(found) == sum(of for _, of, _ in found.values()) == 30
    found = grade.grade(handed_in(tmp_path, notebook.without_solutions(whole)))
    assert marks(found) == 0 and all(why for _, _, why in found.values())
    assert all(
        "nothing is written here" in why
        for name, (_, _, why) in found.items()
        if name.startswith("softmax")
    )
    assert "wrong way, or cannot be run" in found["sound"][2]
    assert all(why.partition("Error: ")[2] for _, _, why in found.values())


def test_students_get_no_solution_but_all_tests(whole):
    empty = notebook.without_solutions(whole)
    text = "\n".join(cell.source for cell in empty.cells)
    assert "SOLUTION" not in text and "clamp(max=0.3)" not in text
    assert text.count("# your code") == 2
    assert text.count("assert ") == "\n".join(c.source for c in whole.cells).count("assert ")


def test_cells_carry_what_nbgrader_asks_for(whole):
    marked = [c.metadata["nbgrader"] for c in whole.cells if "nbgrader" in c.metadata]
    assert len({m["grade_id"] for m in marked}) == len(marked) == 8
    for mark in marked:
        assert set(mark) - {"points"} == {
            *("grade_id", "grade", "solution", "locked", "task", "schema_version")
        }
        assert ("points" in mark) == mark["grade"] and mark["schema_version"] == 3
        assert mark["locked"] == (mark["grade"] and not mark["solution"])
    said = sum(m["points"] for m in marked if m["grade"])
    assert said == 50  # 30 by the program, 20 by hand, as the guide says
    guide = (ROOT / "book" / "teach.md").read_text(encoding="utf-8")
    assert "The tests give 30 points. The other 20" in guide


def change(cells, name, source):
    other = copy.deepcopy(cells)
    [cell] = [c for c in other.cells if c.metadata.get("nbgrader", {}).get("grade_id") == name]
    cell.source = source
    return other


def test_a_test_that_was_changed_counts_as_it_was(whole, tmp_path):
    cheat = notebook.without_solutions(whole)
    for test in ("softmax-value", "softmax-finite", "no-fault", "sound", "spares"):
        cheat = change(cheat, test, "pass")
    assert marks(grade.grade(handed_in(tmp_path, cheat))) == 0


def test_half_of_the_work_gets_its_points(whole, tmp_path):
    naive = """def softmax(pos, neg, tau):
    return (torch.log(torch.exp(neg / tau).sum(1, keepdim=True)) - pos / tau).mean()"""
    plain = """def mine(pos, neg, pos_mask=None, neg_mask=None):
    masks = {"pos_mask": pos_mask, "neg_mask": neg_mask}
    return bsl.losses.softmax_loss(pos, neg, tau=0.2, **masks)"""
    cells = change(change(whole, "softmax", naive), "mine", plain)
    found = grade.grade(handed_in(tmp_path, cells))
    points = {name: points for name, (points, _, _) in found.items()}
    assert points == {
        **{"softmax-value": 5, "softmax-finite": 0},
        **{"no-fault": 5, "sound": 5, "spares": 0},
    }


BORROWED = """def mine(pos, neg, pos_mask=None, neg_mask=None):
    masks = {"pos_mask": pos_mask, "neg_mask": neg_mask}
    return """


@pytest.mark.parametrize(
    "source, points",
    [
        ("bsl.losses.softmax_loss(pos, neg, tau=0.4, **masks)", (5, 5, 0)),
        ("bsl.losses.bce_loss(pos, neg, tau=0.2, **masks)", (5, 5, 0)),
        ("-bsl.losses.softmax_risk_loss(pos, neg.clamp(max=0.3), tau=0.4, **masks)", (0, 0, 0)),
        ("None", (0, 0, 0)),
        ("pos.undefined", (0, 0, 0)),
    ],
)
def test_what_is_no_design_earns_no_marks_for_one(whole, tmp_path, source, points):
    found = grade.grade(handed_in(tmp_path, change(whole, "mine", BORROWED + source)))
    assert tuple(found[name][0] for name in ("no-fault", "sound", "spares")) == points
    assert all(bool(why.partition("Error: ")[2]) == (p < of) for p, of, why in found.values())
    assert not any(word in str(found) for word in ("KeyError", "'NoneType' object"))


@pytest.mark.slow
def test_no_loss_of_the_package_spares_false_negatives():
    """What the assignment says, and why its last test asks for a design."""
    on, least = rows(), {}
    for name, params in _settings():
        found = character(Called(make_loss(name, **params)), on)
        if found.upward == 0 and found.balance > 0:
            least[name] = min(least.get(name, 99), found.false_negative)
    assert len(least) > 15 and min(least.values()) >= 1, least


def test_helpers_before_a_solution_are_used(whole, tmp_path):
    cells = change(
        whole, "softmax", "def softmax(pos, neg, tau):\n    return helper(pos, neg, tau)"
    )
    place = next(k for k, c in enumerate(cells.cells) if "def softmax" in c.source)
    helper = """def helper(pos, neg, tau):
    return (torch.logsumexp(neg / tau, 1, keepdim=True) - pos / tau).mean()"""
    cells.cells.insert(place, new_code_cell(helper))
    assert grade.grade(handed_in(tmp_path, cells))["softmax-value"][0] == 5


@pytest.mark.parametrize(
    "source, why",
    [
        ("raise SystemExit(0)", "SystemExit"),
        ("import os\nos._exit(0)", "the program ended"),
        ("import time\ntime.sleep(60)", "ran beyond"),
        ("def softmax(:", "SyntaxError"),
        ('print(\'{"softmax-value": "", "spares": ""}\')', "NameError"),
    ],
)
def test_what_ends_a_notebook_early_earns_nothing(whole, tmp_path, source, why):
    cells = change(notebook.without_solutions(whole), "softmax", source)
    found = grade.grade(handed_in(tmp_path, cells), seconds=6 if "sleep" in source else 300)
    assert marks(found) == 0
    assert why in json.dumps({name: x[2] for name, x in found.items()})


def test_the_command_prints_points_and_names_what_is_no_notebook(whole, tmp_path, capsys):
    path = handed_in(tmp_path, notebook.without_solutions(whole))
    assert grade.main([str(path)]) == 0
    said = capsys.readouterr().out
    assert "handed-in.ipynb: 0 of 30" in said and re.search("page +0 to 20, by hand", said)
    (tmp_path / "broken.ipynb").write_text("{", encoding="utf-8")
    for name in ("broken.ipynb", "missing.ipynb"):
        assert grade.main([str(tmp_path / name)]) == 2
        assert name in capsys.readouterr().err


@pytest.mark.parametrize(
    "options, said",
    [
        (":solution: a", "marks no solution"),
        (":test: a", "needs points"),
        (":test: softmax\n:points: 5", "two cells of the assignment are called 'softmax'"),
    ],
)
def test_a_source_that_is_wrong_is_refused(tmp_path, options, said):
    source = tmp_path / "source.md"
    text = notebook.SOURCE.read_text(encoding="utf-8")
    source.write_text(f"{text}\n```{{code-cell}}\n{options}\n\nx = 1\n```\n", encoding="utf-8")
    with pytest.raises(ValueError, match=said):
        notebook.read(source)


def test_a_missing_jupytext_is_said_in_a_line():
    code = (
        "import sys; sys.modules['jupytext'] = None; sys.path.insert(0, 'assignment'); import grade"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert ran.returncode == 1
    assert ran.stderr == (
        "error: this program needs jupytext, which .venv/bin/python has after make; elsewhere: "
        "pip install jupytext\n"
    )
