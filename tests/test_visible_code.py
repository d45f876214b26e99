"""What a reader sees of a page's code runs without what is hidden: no name is left undefined."""

import re
import subprocess
import sys
from pathlib import Path

import jupytext
import pytest

BOOK = Path(__file__).parent.parent / "book"
PAGES = sorted(path.stem for path in BOOK.glob("[0-9][0-9]-*.md"))
HIDDEN = {"remove-cell", "remove-input"}  # folded code, as of hide-input, can be opened


def visible(name: str) -> str:
    """The code of a page that can be copied, cells in their order."""
    cells = jupytext.read(BOOK / f"{name}.md").cells
    return "\n\n".join(
        re.sub(r"\A---\n.*?\n---\n", "", cell.source, flags=re.DOTALL)
        for cell in cells
        if cell.cell_type == "code" and not HIDDEN & {*cell.metadata.get("tags", [])}
    )


def undefined(code: str) -> list[str]:
    """Names that nothing before them defines, as ruff finds them."""
    command = [sys.executable, "-m", "ruff", "check", "--isolated", "--select", "F821"]
    command += ["--output-format", "concise", "-"]
    told = subprocess.run(command, input=code, text=True, capture_output=True, check=False)
    assert told.returncode < 2, told.stderr
    assert "invalid-syntax" not in told.stdout, told.stdout
    return sorted(set(re.findall(r"Undefined name `(\w+)`", told.stdout)))


@pytest.mark.parametrize("name", PAGES)
def test_visible_code_needs_nothing_hidden(name):
    assert undefined(visible(name)) == []


def test_a_name_that_is_missing_or_late_is_found():
    assert undefined("def f():\n    return a\n\n\nprint(b)\nb = 1\na = 2") == ["b"]
    assert undefined("import numpy as np\n\nnp.ones(c)") == ["c"]
