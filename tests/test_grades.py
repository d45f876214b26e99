"""Every exercise has a grade, and the guide for teachers lists them by it."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from grades import BOOK, POINTS, exercises, graded, pages, table

EXT = BOOK / "_ext"
PAGES = sorted(BOOK.glob("[0-9]*.md"))
TEACHING = [page for page in PAGES if not re.search("claims|loss-cards", page.stem)]
PARTS = {"I": (1, 3), "II": (4, 9), "III": (10, 13), "IV": (14, 21), "V": (22, 31)}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_exercise_has_a_grade(page):
    found = exercises(page)
    assert len(found) == page.read_text(encoding="utf-8").count("{exercise}")
    assert {label: grade for label, grade in found if grade not in POINTS} == {}


@pytest.mark.parametrize("page", TEACHING, ids=lambda page: page.stem)
def test_a_page_has_something_easy_and_something_harder(page):
    grades = [grade for _, grade in exercises(page)]
    assert "By hand" in grades and {"At the keyboard", "Open"} & set(grades)


@pytest.mark.parametrize(("first", "last"), PARTS.values(), ids=PARTS)
def test_a_part_has_a_project(first, last):
    part = [page for page in TEACHING if first <= int(page.stem[:2]) <= last]
    assert "Open" in [grade for page in part for _, grade in exercises(page)]


def test_the_table_has_every_exercise_once():
    labels = [label for page in pages() for label, _ in exercises(page)]
    assert sorted(re.findall(r"\{ref\}`([\w-]+)`", table())) == sorted(labels)
    assert len(set(labels)) == len(labels) > 70
    assert "{exercises}" in (BOOK / "teach.md").read_text(encoding="utf-8")


EXERCISE = "```{{exercise}} {}\n:label: {}\nWhy?\n```\n\n```{{solution}} {}\nSo.\n```\n"


def test_the_points_of_a_grade_come_behind_it(tmp_path):
    (tmp_path / "01-a.md").write_text(
        f"# A\n\n{EXERCISE.format('By hand', 'ex-a', 'ex-a')}\n"
        f"{EXERCISE.format('Open', 'ex-b', 'ex-b')}",
        encoding="utf-8",
    )
    assert exercises(tmp_path / "01-a.md") == [("ex-a", "By hand"), ("ex-b", "Open")]
    assert graded("Open") == "Open, 20 points" and graded("Tune it") == "Tune it"
    head, _, row = table(tmp_path).splitlines()
    assert head.startswith("| page | by hand (5 points) |")
    assert row == "| {doc}`01-a` | {ref}`ex-a` |  | {ref}`ex-b` |"


def test_a_page_shows_the_grade_and_a_solution_does_not(tmp_path):
    """As Sphinx builds it; an exercise without a grade is warned of."""
    (tmp_path / "conf.py").write_text(
        f"import sys\nsys.path.insert(0, {str(EXT)!r})\n"
        "extensions = ['myst_parser', 'sphinx_exercise', 'grades']\nnumfig = True\n",
        encoding="utf-8",
    )
    text = "# A\n\n" + EXERCISE.format("By hand", "ex-a", "ex-a") + "\nSee {ref}`ex-a`.\n"
    text += "\n" + EXERCISE.format("Tune it", "ex-b", "ex-b")
    (tmp_path / "index.md").write_text(text, encoding="utf-8")
    command = [sys.executable, "-m", "sphinx", "-q", "-b", "html", str(tmp_path)]
    ran = subprocess.run([*command, str(tmp_path / "out")], capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    assert "an exercise has no grade" in ran.stderr and "'Tune it'" in ran.stderr
    made = re.sub(r"<[^>]+>", "", (Path(tmp_path) / "out/index.html").read_text(encoding="utf-8"))
    assert "Exercise 1  (By hand, 5 points)" in made.replace("\xa0", " ")
    assert "Solution to Exercise 1\n" in made and "See Exercise 1." in made
