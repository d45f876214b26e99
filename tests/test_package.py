"""What a stranger meets first: versions, the README, the contents."""

import re
import tomllib
from pathlib import Path

import pytest

import bslutils

ROOT = Path(__file__).parent.parent


def test_one_version_everywhere():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    citation = re.search(
        r"^version: (.*)$", (ROOT / "CITATION.cff").read_text(encoding="utf-8"), re.MULTILINE
    )
    assert bslutils.__version__ == project["version"] == citation[1]


def test_requirements_pin_everything_and_agree_with_the_project():
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    pins = [line for line in lines if line and not line.startswith("#")]
    assert pins[-1] == "-e ."
    assert all(re.fullmatch(r"[\w.-]+==[\w.]+", pin) for pin in pins[:-1])
    names = {pin.partition("==")[0].lower().replace("_", "-") for pin in pins}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"].values()
    wanted = project["dependencies"] + [item for extra in extras for item in extra]
    assert {re.match(r"[\w-]+", item)[0].lower() for item in wanted} <= names


@pytest.mark.parametrize("number", [0, 1])
def test_the_readmes_code_runs(number, capsys):
    blocks = re.findall(
        r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL
    )
    assert len(blocks) == 2
    exec(compile(blocks[number], f"README block {number}", "exec"), {})
    assert "recall@20" in capsys.readouterr().out or number == 0


def test_what_the_readme_names_exists():
    names = re.findall(
        r"`([\w./]+(?:\.md|\.cff|\.py|/))`", (ROOT / "README.md").read_text(encoding="utf-8")
    )
    assert len(names) > 5
    assert all((ROOT / name).exists() for name in names)


def test_every_chapter_of_the_contents_exists():
    files = re.findall(r"(?:file|root): (\S+)", (ROOT / "_toc.yml").read_text(encoding="utf-8"))
    assert len(files) >= 6 and all((ROOT / f"{name}.md").exists() for name in files)
