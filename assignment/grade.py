"""Mark what was handed in: ``python assignment/grade.py handed-in.ipynb …``.

What students wrote runs with the tests of the source, not with theirs: cells of theirs that are no
tests, in their order, and after each the tests that follow it in the source. A test gives its
points if it raises nothing; pages are named, for you to mark. It runs as a program of its own, for
a time that is bounded, but with your rights: mark in a container.
"""

import argparse
import json
import secrets
import subprocess
import sys
from pathlib import Path

from notebook import NotebookNode, jupytext, read

SECONDS = 600  # for all of a notebook
# What a line begins with that says how cells went is drawn anew, so that no cell can print one.
RUN = """
import json, sys
secret, cells = json.load(sys.stdin)
out, sys.stdout = sys.stdout, sys.stderr

def run(secret, cells, out, failed):
    space = {"__name__": "__main__"}
    for name, source in cells:
        try:
            exec(compile(source, name or "cell", "exec"), space)
            failed[name] = ""
        except BaseException as error:
            failed[name] = f"{type(error).__name__}: {error}"[:500]
        print(secret + json.dumps(failed), file=out, flush=True)

given, secret, cells = (secret, cells, out, {}), None, None
run(*given)
"""


def name_of(cell: NotebookNode, key: str = "solution") -> str | None:
    """The name of a cell that is a solution, or, by ``key``, a test."""
    marks = cell.metadata.get("nbgrader", {})
    return marks["grade_id"] if marks.get(key) and not marks.get(_other(key)) else None


def _other(key: str) -> str:
    return {"solution": "grade", "grade": "solution"}[key]


def merged(handed_in: NotebookNode, source: NotebookNode) -> list[tuple[str | None, str]]:
    """The cells to run, with their names: the students' code, the source's tests."""
    theirs = [c for c in handed_in.cells if c.cell_type == "code" and not _is_test(c)]
    written = {name_of(cell): cell for cell in theirs if name_of(cell)}
    ours = [c for c in source.cells if c.cell_type == "code"]
    cells: list[tuple[str | None, str]] = []
    done = 0
    for cell in ours:
        if name := name_of(cell, "grade"):
            cells.append((name, cell.source))
        elif (name := name_of(cell)) in written:
            upto = theirs.index(written[name]) + 1
            # Helpers that stand before it are theirs, too.
            cells += [(name_of(c), c.source) for c in theirs[done:upto] if not _shows(c)]
            done = max(done, upto)
        elif name is None and not _shows(cell) and "nbgrader" not in cell.metadata:
            cells.append((None, cell.source))
    return cells


def by_hand(source: NotebookNode) -> dict[str, int]:
    """What a person marks: name -> of how many points."""
    marks = [cell.metadata.get("nbgrader", {}) for cell in source.cells]
    return {m["grade_id"]: m["points"] for m in marks if m.get("grade") and m.get("solution")}


def _is_test(cell: NotebookNode) -> bool:
    return bool(cell.metadata.get("nbgrader", {}).get("grade"))


def _shows(cell: NotebookNode) -> bool:
    """A cell that prints a report: it takes time and earns nothing."""
    return "check_loss" in cell.source and "print(report)" in cell.source


def grade(handed_in: Path, *, seconds: float = SECONDS) -> dict[str, tuple[int, int, str]]:
    """Points of every test: name -> points, of how many, and why not all.

    Raises:
        ValueError: a file that is no notebook.
    """
    source = read()
    try:
        theirs = jupytext.read(handed_in)
    except Exception as error:
        raise ValueError(f"{handed_in} is no notebook: {error}") from error
    secret = secrets.token_hex()
    given = json.dumps([secret, merged(theirs, source)])
    program = [sys.executable, "-c", RUN]
    try:
        ran = subprocess.run(program, input=given, capture_output=True, text=True, timeout=seconds)
        said, ended = ran.stdout, "the program ended"
    except subprocess.TimeoutExpired as late:
        said, ended = (late.stdout or b"").decode(errors="replace"), f"ran beyond {seconds:g} s"
    lines = [line.removeprefix(secret) for line in said.splitlines() if line.startswith(secret)]
    failed = json.loads(lines[-1]) if lines else {}
    result, written = {}, ""
    for cell in source.cells:
        written = name_of(cell) or written
        if name := name_of(cell, "grade"):
            points = cell.metadata["nbgrader"]["points"]
            why = failed.get(name, ended)
            if why and failed.get(written):  # the reason lies above
                why = f"{written}: {failed[written]}"
            result[name] = (0 if why else points, points, why)
    return result


def main(argv: list[str] | None = None) -> int:
    """Print the points of each notebook; 2 for a file that is none."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("notebooks", nargs="+", type=Path, metavar="FILE")
    for path in parser.parse_args(argv).notebooks:
        try:
            found = grade(path)
        except (ValueError, OSError) as error:
            print(f"error: {error}", file=sys.stderr)
            return 2
        print(f"{path}: {sum(x[0] for x in found.values())} of {sum(x[1] for x in found.values())}")
        for name, (points, of, why) in found.items():
            print(f"  {name:16} {points} of {of}" + f"   {why}" * bool(why))
        for name, of in by_hand(read()).items():
            print(f"  {name:16} 0 to {of}, by hand")
    return 0


if __name__ == "__main__":
    sys.exit(main())
