"""Built notebooks beside the package's wheel and what it asks for, and nothing else of the book.

As ``make check-notebooks``, for a few of them and without a download: an environment shows those of
this one's packages that the wheel's ``notebooks`` asks for.
"""

import json
import shutil
import subprocess
import sys
import venv
import zipfile
from importlib.metadata import Distribution, distribution
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from packaging.requirements import Requirement

ROOT = Path(__file__).parent.parent
BUILT = ROOT / "_build" / "notebooks"
SOURCE = ("pyproject.toml", "setup.py", "MANIFEST.in", "README.md", "LICENSE")

pytestmark = pytest.mark.slow


def asked_for(wheel: Distribution, extra: str) -> dict[str, Distribution]:
    """What pip would install beside a wheel, by name."""
    found = {}

    def take(of: Distribution, extras: set[str]) -> None:
        for line in of.requires or ():
            wanted = Requirement(line)
            if wanted.marker and not any(wanted.marker.evaluate({"extra": e}) for e in extras):
                continue
            if wanted.name == wheel.name:
                take(wheel, wanted.extras)
            elif (wanted.name, *wanted.extras) not in found:
                found[wanted.name, *wanted.extras] = distribution(wanted.name)
                take(distribution(wanted.name), wanted.extras or {""})

    take(wheel, {extra})
    return {name: of for (name, *_), of in found.items()}


@pytest.fixture(scope="module")
def python(tmp_path_factory) -> Path:
    """The interpreter of an environment with the wheel."""
    folder = tmp_path_factory.mktemp("installed")
    source = folder / "source"  # building leaves files behind
    for name in ("bslutils", "results"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in SOURCE:
        shutil.copyfile(ROOT / name, source / name)
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "wheel"]
    offline = ["--no-deps", "--no-index", "--no-build-isolation", "--wheel-dir"]
    subprocess.run([*pip, *offline, folder / "wheel", source], check=True)
    shutil.rmtree(source)
    venv.create(folder / "env", symlinks=True)
    [packages] = folder.glob("env/lib/python*/site-packages")
    [wheel] = folder.glob("wheel/*.whl")
    with zipfile.ZipFile(wheel) as packed:
        packed.extractall(packages)
    [metadata] = packages.glob("bslutils-*.dist-info")
    for of in asked_for(Distribution.at(metadata), "notebooks").values():
        for top in {file.parts[0] for file in of.files or ()} - {"..", "__pycache__"}:
            if not (packages / top).exists():  # several share one, as `nvidia`
                (packages / top).symlink_to(of.locate_file(top))
    return folder / "env" / "bin" / "python"


def test_the_environment_has_the_wheel_and_nothing_of_the_book(python):
    def run(code):
        done = subprocess.run([python, "-Ic", code], capture_output=True, text=True)
        return done.stdout.strip() or done.stderr.strip().splitlines()[-1]

    assert run("import bslutils; print(bslutils.__file__)").startswith(str(python.parents[1]))
    for name in ("myst_nb", "sphinx", "pytest", "jupytext"):
        assert run(f"import {name}") == f"ModuleNotFoundError: No module named '{name}'"


@pytest.mark.parametrize("page", ["intro", "book/04-robust-loss"])
def test_a_notebook_runs_there(python, page, tmp_path, monkeypatch):
    source = BUILT / "reader" / f"{page}.ipynb"
    if not source.exists():
        pytest.skip("there are no notebooks: make notebooks")
    kernel = {
        "argv": [str(python), "-I", "-m", "ipykernel_launcher", "-f", "{connection_file}"],
        "display_name": "alone",
        "language": "python",
    }
    (tmp_path / "kernels" / "alone").mkdir(parents=True)
    (tmp_path / "kernels/alone/kernel.json").write_text(json.dumps(kernel), encoding="utf-8")
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))  # nothing is kept there
    notebook = nbformat.read(source, as_version=4)
    there = {"metadata": {"path": str(tmp_path)}}
    NotebookClient(notebook, kernel_name="alone", timeout=300, resources=there).execute()
    assert any(cell.get("outputs") for cell in notebook.cells)
