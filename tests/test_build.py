"""Small books, built as the book is: what makes pages run again, and what fails a build."""

import html
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from bslutils.experiments.record_line import content_of, line_of

ROOT = Path(__file__).parent.parent

pytestmark = pytest.mark.slow

HEADER = """---
jupytext:
  text_representation: {extension: .md, format_name: myst}
kernelspec: {display_name: Python 3, language: python, name: python3}
---

# A page

Some prose.
"""


def cell(code, caption="A caption"):
    """A page's cell with a figure's options."""
    return f"""
```{{code-cell}} ipython3
---
mystnb: {{figure: {{caption: "{caption}"}}}}
---
{code}
```
"""


def counted(name):
    """Code that counts its executions in a file."""
    return f"""from pathlib import Path
count = Path("../count-{name}")
count.write_text(f"{{int(count.read_text()) + 1 if count.exists() else 1}}");"""


@pytest.fixture
def small_book(tmp_path):
    """Make a book of a few pages that is built by this book's configuration."""

    def make(pages):
        for folder in ("book", "bslutils", "results", ".venv/bin"):
            (tmp_path / folder).mkdir(parents=True)
        for name in ("_ext", "_static", "_templates"):
            shutil.copytree(ROOT / "book" / name, tmp_path / "book" / name)
        for name in ("_config.yml", "requirements.txt", "Makefile", "book/references.bib"):
            shutil.copyfile(ROOT / name, tmp_path / name)
        first, *others = pages
        contents = [f"format: jb-book\nroot: book/{first}", "chapters:" if others else ""]
        contents += [f"- file: book/{name}" for name in others]
        (tmp_path / "_toc.yml").write_text("\n".join(contents), encoding="utf-8")
        for name, text in pages.items():
            (tmp_path / "book" / f"{name}.md").write_text(HEADER + text, encoding="utf-8")
        (tmp_path / "pyproject.toml").touch()
        program = Path(sys.executable).parent / "jupyter-book"  # of the environment that tests
        (tmp_path / ".venv/bin/jupyter-book").symlink_to(program)
        (tmp_path / ".venv/installed").touch()
        return tmp_path

    return make


def build(root, **environment):
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("MAKE")}
    return subprocess.run(
        ["make", "book"],
        cwd=root,
        capture_output=True,
        text=True,
        encoding="utf-8",
        env=inherited | environment,
    )


def edit(file, old, new):
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new), encoding="utf-8")


def test_what_makes_pages_run_again(small_book):
    package = 'import sys; sys.path.insert(0, ".."); from bslutils import module'
    root = small_book(
        {
            "alone": cell(counted("alone")),
            "package": cell(counted("package")) + cell(package),
            "records": cell(counted("records")) + cell('Path("../results/a.jsonl").read_text()'),
        }
    )
    (root / "bslutils/__init__.py").touch()
    (root / "bslutils/module.py").write_text("x = 1\n", encoding="utf-8")
    (root / "results/a.jsonl").write_text("1\n", encoding="utf-8")

    def executions():
        result = build(root)
        assert result.returncode == 0, result.stdout + result.stderr
        return [
            int((root / f"count-{name}").read_text(encoding="utf-8"))
            for name in ("alone", "package", "records")
        ]

    page, module, records = root / "book/alone.md", root / "bslutils/module.py", root / "results"
    assert executions() == [1, 1, 1]
    edit(page, "Some prose", "Other prose")
    edit(page, "A caption", "Another caption")
    assert executions() == [1, 1, 1]
    html = (root / "_build/html/book/alone.html").read_text(encoding="utf-8")
    assert "Other prose" in html
    edit(module, "x = 1", "x = 2")
    assert executions() == [1, 2, 1]
    edit(page, "count =", "count  =")
    (records / "a.jsonl").write_text("2\n", encoding="utf-8")
    assert executions() == [2, 2, 2]
    edit(module, "x = 2", "x = 1")
    assert executions() == [2, 2, 2]  # the version before is kept
    kept = [path for path in (root / "_build/.jupyter_cache").iterdir() if path.is_dir()]
    assert len(kept) <= 2 * 3


def test_an_interrupted_build_keeps_the_pages_that_ran(small_book):
    sleep = cell("import time; time.sleep(120)")
    root = small_book({"quick": cell(counted("quick")), "slow": cell(counted("slow")) + sleep})
    program = subprocess.Popen(
        ["make", "book"],
        cwd=root,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    cache = root / "_build" / ".jupyter_cache"

    def quick_is_kept():
        return any(not found.parent.suffix for found in cache.glob("*/executed"))  # .unfinished

    try:
        while not (quick_is_kept() and (root / "count-slow").exists()):
            assert program.poll() is None
            time.sleep(0.2)
    finally:
        os.killpg(program.pid, signal.SIGKILL)
        program.wait()
    edit(root / "book/slow.md", "sleep(120)", "sleep(0)")
    result = build(root)
    assert result.returncode == 0, result.stdout + result.stderr
    counts = [(root / f"count-{name}").read_text(encoding="utf-8") for name in ("quick", "slow")]
    assert counts == ["1", "2"]


def test_a_build_needs_no_utf8_locale(small_book):
    code = 'print("τ ≤ ½"); open("../text", "w").write("τ")'
    page = {"page": "# τ → 0\n\n“Größe” of $τ$" + cell(code + "; open('../text').read()")}
    root = small_book(page)
    result = build(root, LC_ALL="C", LANG="C", PYTHONUTF8="0", PYTHONCOERCECLOCALE="0")
    assert result.returncode == 0, result.stdout + result.stderr
    html = (root / "_build/html/book/page.html").read_text(encoding="utf-8")
    assert "τ ≤ ½" in html and "“Größe”" in html
    assert (root / "text").read_text(encoding="utf-8") == "τ"


BAD = {
    "link": ("A {ref}`link-to-nowhere`.", "undefined label"),
    "error": (cell("1 / 0"), "ZeroDivisionError"),
    "stderr": (cell("import sys; print(1, file=sys.stderr)"), "stderr was found"),
    "citation": ("A {cite:p}`nobody1999`.", "nobody1999"),
    "offline": (
        cell("import socket; socket.socket().connect(('192.0.2.1', 80))"),
        "pages and tests stay on this machine; this one tried: connect 192.0.2.1",
    ),
    "caught": (
        cell(
            "import subprocess, sys\n"
            "code = 'import socket; socket.getaddrinfo(\"example.invalid\", 80)'\n"
            "subprocess.run([sys.executable, '-c', code], capture_output=True);"
        ),
        "this one tried: getaddrinfo example.invalid",
    ),
}


def test_bad_pages_fail_again_and_again(small_book):
    root = small_book({"good": ""} | {name: text for name, (text, _) in BAD.items()})
    for _ in range(2):
        result = build(root)
        assert result.returncode != 0
        warnings = {name: "" for name in ["good", *BAD]}
        pieces = re.split(
            r"/(\w+)\.md(?::\d+)?: (?:WARNING|ERROR): ", result.stdout + result.stderr
        )
        for name, warning in zip(pieces[1::2], pieces[2::2], strict=True):
            warnings[name] += warning
        assert warnings["good"] == ""
        for name, (_, message) in BAD.items():
            assert message in warnings[name]


MARKUP = "<script>alert(1)</script> <img src=x onerror=alert(1)> **x** `x` [x](http://x) {{ x }}"


def test_a_page_shows_a_hostile_record_as_text(small_book):
    """In each of the ways in which a chapter shows who made a record: line, table, number."""
    line = (ROOT / "results/score.jsonl").read_text(encoding="utf-8").splitlines()[-1]
    record = content_of(line) | {"hardware": f"A machine {MARKUP}, 2 cores"}
    show = """from pathlib import Path
import pandas as pd
from IPython.display import Markdown
from bslutils import experiments
from bslutils.experiments import Sweep, Trial
from bslutils.glue import glue
path = Path("../results/score.jsonl")
records = experiments.read_records(path)
hostile, = records.values()
glue("hostile", hostile["hardware"])
"""
    sweep = 'sweep = Sweep("score", "", lambda *_: [Trial.of(hostile)])\n'
    text = cell(show) + "\nIt is {glue:text}`hostile`, they say.\n"
    text += f"""
```{{code-cell}} ipython3
{sweep}Markdown("* " + experiments.origin(sweep, path=path))
```

```{{code-cell}} ipython3
pd.set_option("display.max_colwidth", None)
pd.DataFrame([{{"on": hostile["hardware"]}}])
```
"""
    root = small_book({"page": text})
    (root / "results/score.jsonl").write_text(line_of(record) + "\n", encoding="utf-8")
    result = build(root)
    assert result.returncode == 0, result.stderr
    page = (root / "_build/html/book/page.html").read_text(encoding="utf-8")
    [article] = re.findall(r"<article.*?</article>", page, re.DOTALL)
    outputs = re.sub(r'<div class="highlight.*?</div>', "", article, flags=re.DOTALL)  # the code
    assert not re.search("<script>alert|<img[^>]*onerror|<(strong|code)>x|href=.http://x", outputs)
    shown = html.unescape(re.sub(r"<[^>]*>", "", outputs))
    assert shown.count(MARKUP) == 3


def test_lab_opens_chapters_as_notebooks(tmp_path):
    """The setting that `make lab` writes reaches JupyterLab."""
    here = Path(sys.executable).parent
    settings = "etc/jupyter/labconfig/default_setting_overrides.json"
    assert f"--settings-file .venv/{settings} set-default-viewer" in (ROOT / "Makefile").read_text(
        encoding="utf-8"
    )
    written = tmp_path / "labconfig" / Path(settings).name
    subprocess.run(
        [here / "jupytext-config", "--settings-file", written, "set-default-viewer"], check=True
    )
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = ["--no-browser", "--allow-root", f"--port={port}", "--IdentityProvider.token=open"]
    lab = subprocess.Popen(
        [here / "jupyter", "lab", *options],
        cwd=ROOT,
        env=os.environ | {"JUPYTER_CONFIG_PATH": str(tmp_path)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    plugin = "@jupyterlab/docmanager-extension:plugin"
    url = f"http://127.0.0.1:{port}/lab/api/settings/{plugin}?token=open"
    try:
        for _ in range(60):
            try:
                with urllib.request.urlopen(url) as answer:
                    schema = json.load(answer)["schema"]
                break
            except OSError:
                time.sleep(1)
        viewers = schema["properties"]["defaultViewers"]["default"]
    finally:
        lab.terminate()
        lab.wait()
    assert viewers["myst"] == viewers["markdown"] == "Jupytext Notebook"


def test_a_printed_table_counts_among_the_tables(small_book):
    def shown(name, code):
        figure = f'{{name: {name}, caption: "Of {name}"}}'
        return f"\n```{{code-cell}} ipython3\n---\nmystnb: {{figure: {figure}}}\n---\n{code}\n```\n"

    table = "import pandas as pd; pd.DataFrame({'a': [1]})"
    drawn = "from IPython.display import SVG; SVG('<svg xmlns=\"http://www.w3.org/2000/svg\"/>')"
    refer = "\nSee {numref}`tab-a`, {numref}`fig-a` and {numref}`tab-b`.\n"
    pages = shown("tab-a", table) + shown("fig-a", drawn) + shown("tab-b", table) + refer
    root = small_book({"page": pages, "last": "\nSee {numref}`tab-b`.\n"})
    result = build(root)
    assert result.returncode == 0, result.stdout + result.stderr
    written = (root / "_build/html/book/page.html").read_text(encoding="utf-8")
    said = html.unescape(re.sub(r"<[^>]*>", "", written))
    assert "See Table 1, Fig. 1 and Table 2." in said
    for name in ("tab-a", "tab-b"):
        figure = written.split(f'id="{name}"')[1].split("</figure>")[0]
        assert figure.index("<figcaption") < figure.index("<table")
    other = (root / "_build/html/book/last.html").read_text(encoding="utf-8")
    assert "See Table 2." in re.sub(r"<[^>]*>", "", other)
    notebook = root / "_build/notebooks/reader/book/page.ipynb"
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    assert any("**Table 2.** Of tab-b" in "".join(c["source"]) for c in cells)
