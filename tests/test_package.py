"""What a stranger meets first: versions, the README, the contents."""

import ast
import csv
import re
import shlex
import tempfile
import tomllib
from pathlib import Path

import numpy as np
import pytest
import torch

import bslutils
from bslutils.cli import main

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
    wanted = {re.match(r"[\w-]+", item)[0].lower() for item in wanted}
    assert wanted - {project["name"]} <= names  # an extra may be of others


@pytest.fixture
def beside_ratings(tmp_path, monkeypatch):
    rows = (f"ann{u},film{i},{1 + i % 5}\n" for u in range(30) for i in range(u, u + 25))
    text = "userId,movieId,rating\n" + "".join(rows)
    (tmp_path / "ratings.csv").write_text(text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("number", [0, 1, 2])
def test_the_readmes_code_runs(number, capsys, beside_ratings):
    blocks = re.findall(
        r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL
    )
    assert len(blocks) == 3
    exec(compile(blocks[number], f"README block {number}", "exec"), {})
    assert "recall@20" in capsys.readouterr().out or number == 0


def test_the_readmes_command_on_own_data_runs(capsys, beside_ratings):
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    [command] = re.findall(
        r"python -m bslutils (train --data ratings.csv .*)", readme.replace("\\\n", "")
    )
    assert main(shlex.split(command)) == 0
    assert "recall@20" in capsys.readouterr().out and Path("my-run").is_dir()


def test_the_landing_pages_code_runs_as_it_is_shown(capsys):
    text = (ROOT / "intro.md").read_text(encoding="utf-8")
    [shown] = re.findall(
        r"^```\{code-cell\} ipython3\n([^:-].*?)^```", text, re.DOTALL | re.MULTILINE
    )
    exec(compile(shown, "landing page", "exec"), {})
    assert float(capsys.readouterr().out.rpartition(": ")[2]) > 0


@pytest.mark.slow
def test_a_table_goes_in_and_a_list_of_ten_comes_out(tmp_path, monkeypatch):
    """The page of that name, by itself."""
    text = (ROOT / "book" / "24-your-table.md").read_text(encoding="utf-8")
    section = text.partition("\n(your-table)=\n")[2].partition("\n## Exercises\n")[0]
    visible = r"^```\{code-cell\} ipython3\n(?:---\n(?!tags).*?^---\n)?([^:-].*?)^```"
    cells = re.findall(visible, section, re.DOTALL | re.MULTILINE)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    names = {}
    for cell in cells:
        exec(compile(cell, "section", "exec"), names)
    with open(names["table"], encoding="utf-8", newline="") as file:
        header, *rows = csv.reader(file)
    with pytest.raises(ValueError, match="was trained on choices"):
        bslutils.load_run(names["place"], names["films"])
    data, run, ten = names["everything"], names["final"], names["ten"].columns()
    assert header == ["user", "item"]
    pairs = zip(*data.pairs("train"), strict=True)
    read = {(data.user_names[u], data.item_names[i]) for u, i in pairs}
    assert read == {tuple(row) for row in rows} and len(read) == len(rows)
    person = list(data.user_names).index("user-15")
    has = data.item_names[data.seen("test")[[person]].indices]
    assert ten["rank"].tolist() == [*range(1, 11)] and not np.isin(ten["item"], has).any()
    for ours, again in zip(run.model.embed(), names["again"].model.embed(), strict=True):
        assert torch.equal(ours, again)
    reached = {name: names["on"](model, "test") for name, model in names["reached"].items()}
    assert len(reached) == 3 and min(reached, key=reached.get) == "best sellers"
    assert sorted(reached.values())[1] > 0.2

    monkeypatch.chdir(names["folder"])
    [lines] = re.findall(r"^```console\n(.*?)^```", section, re.DOTALL | re.MULTILINE)
    for line in lines.replace("\\\n", "").splitlines():
        assert main(shlex.split(line)[1:]) == 0
    listed = Path("lists.csv").read_text(encoding="utf-8").splitlines()
    assert len(listed) == 1 + 10 * data.n_users


def test_the_landing_page_says_how_to_cite():
    def fields(entry):
        return dict(re.findall(r"^ +(\w+) = \{(.*)\},?$", entry, re.MULTILINE))

    text = (ROOT / "intro.md").read_text(encoding="utf-8")
    book, paper = map(fields, re.findall(r"```bibtex\n(.*?)```", text, re.DOTALL))
    yaml = pytest.importorskip("yaml")  # of the book: the package is tested without
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    known = (ROOT / "book" / "references.bib").read_text(encoding="utf-8")
    assert all("doi" in e or "eprint" in e or "url" in e for e in map(fields, known.split("@")[1:]))
    assert paper == fields(known[known.index("{wu2024bsl,") :].partition("\n}")[0])
    assert re.sub("[{}]", "", book["title"]) == citation["title"]
    assert book["author"].strip("{}") == citation["authors"][0]["name"]
    assert book["version"] == citation["version"]
    yaml = pytest.importorskip("yaml")
    config = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))
    assert book["year"] == config["copyright"]


def test_what_the_readme_names_exists():
    names = re.findall(
        r"`([\w./]+(?:\.md|\.cff|\.py|/))`", (ROOT / "README.md").read_text(encoding="utf-8")
    )
    assert len(names) > 5
    assert all((ROOT / name).exists() for name in names)


def test_every_chapter_of_the_contents_exists():
    files = re.findall(r"(?:file|root): (\S+)", (ROOT / "_toc.yml").read_text(encoding="utf-8"))
    assert len(files) >= 6 and all((ROOT / f"{name}.md").exists() for name in files)


def opened_by_locale(source):
    """Lines that open a text file without saying its encoding."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and not any(k.arg == "encoding" for k in node.keywords):
            name = getattr(node.func, "attr", getattr(node.func, "id", ""))
            constants = [str(a.value) for a in node.args if isinstance(a, ast.Constant)]
            mode = next((c for c in constants if re.fullmatch(r"[rwaxbt+]+", c)), "")
            # tarfile.open and the like take a file first, the method of a path a mode or nothing.
            opens = isinstance(node.func, ast.Name) or mode or not (node.args or node.keywords)
            text = name == "open" and opens and "b" not in mode
            if text or name in ("read_text", "write_text"):
                yield ast.unparse(node)


def test_text_files_are_opened_with_their_encoding():
    assert len(list(opened_by_locale("open(f)\nopen(f, 'a')\np.open()\np.read_text()"))) == 4
    assert not list(opened_by_locale("open(f, 'rb')\ntar.open(f)\nopen(f, encoding='utf-8')"))
    sources = {p: p.read_text(encoding="utf-8") for p in ROOT.glob("[bt]*/**/*.py")}
    assert ROOT / "bslutils/__init__.py" in sources
    for path in ROOT.glob("book/*.md"):
        cells = re.findall(
            r"^```\{code-cell\}[^\n]*\n(?:---\n.*?\n---\n|:[^\n]*\n)*(.*?)^```",
            path.read_text(encoding="utf-8"),
            re.DOTALL | re.MULTILINE,
        )
        sources[path] = "\n".join(cells)
    found = ((path, line) for path, text in sources.items() for line in opened_by_locale(text))
    assert [f"{path.name}: {line}" for path, line in found] == []
