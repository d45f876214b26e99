"""The page of promises names tests that there are, and tries as often as they do."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
TESTS = ROOT / "tests"


PAGE = (ROOT / "book" / "promises.md").read_text(encoding="utf-8").partition("## The list")[2]


def rows():
    """Promise, file, name of its test, and how often it tries."""
    return re.findall(r"^\* (.+): `(\w+\.py)`: `(\w+)`(?:, (.+))?\.$", PAGE, re.MULTILINE)


def test_the_list_is_read_whole():
    assert len(rows()) == PAGE.count("\n* ") > 15


@pytest.mark.parametrize(("promise", "file", "name", "tried"), rows(), ids=[r[2] for r in rows()])
def test_a_promise_has_its_test(promise, file, name, tried):
    tree = ast.parse((TESTS / file).read_text(encoding="utf-8"))
    [test] = [x for x in ast.walk(tree) if isinstance(x, ast.FunctionDef) and x.name == name]
    if tried:
        numbers = [
            x.value for x in ast.walk(test) if isinstance(x, ast.Constant)
        ]  # decorators, too
        assert int(re.search(r"[0-9]+", tried)[0]) in numbers
