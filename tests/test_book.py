"""The rendered book, opened in a browser, and what makes its pages run again."""

import functools
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
HTML = ROOT / "_build" / "html"
PAGES = [
    "intro",
    "book/01-implicit-feedback",
    "book/02-tour-of-losses",
    "book/03-scores-and-temperature",
    "book/04-robust-loss",
    "book/05-temperature-radius",
    "book/06-variance-fairness",
    "book/07-noisy-positives",
    "book/08-bilateral",
    "book/09-one-name",
    "book/10-pipeline",
    "book/11-overall",
    "book/12-negative-noise",
    "book/13-positive-noise",
    "book/14-fairness",
    "book/15-ablations",
    "book/16-speed-memory",
    "book/17-beyond-kl",
    "book/18-loss-cards",
    "book/claims-ledger",
    "book/reproducibility",
    "book/notation",
    "book/bibliography",
]
SCREENS = {"desktop": (1280, 900), "phone": (390, 844)}
# Without these Chromium asks its maker's servers for updates.
QUIET = ["--disable-background-networking", "--disable-component-update", "--disable-sync"]

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def site():
    if not (HTML / "index.html").exists():
        pytest.skip("the book is not built: make book")
    handler = functools.partial(SimpleHTTPRequestHandler, directory=str(HTML))
    handler.func.log_message = lambda *args: None
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def browser():
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        pytest.skip("chromium is not installed")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium, args=["--no-sandbox", *QUIET], headless=True
        )
        yield browser
        browser.close()


def open_page(browser, site, page, *, screen="desktop", theme="light"):
    """Open a page; return it with what went wrong on the way."""
    width, height = SCREENS[screen]
    context = browser.new_context(viewport={"width": width, "height": height})
    context.add_init_script(
        f"localStorage.setItem('mode', '{theme}'); localStorage.setItem('theme', '{theme}')"
    )
    tab, wrong = context.new_page(), []
    tab.on("console", lambda m: wrong.append(m.text) if m.type in ("error", "warning") else None)
    tab.on("pageerror", lambda error: wrong.append(str(error)))
    tab.on("requestfailed", lambda request: wrong.append(f"failed: {request.url}"))
    tab.on(
        "request",
        lambda request: (
            None if request.url.startswith((site, "data:")) else wrong.append(request.url)
        ),
    )
    tab.goto(f"{site}/{page}.html", wait_until="networkidle")
    tab.wait_for_function("window.MathJax === undefined || window.MathJax.startup !== undefined")
    tab.evaluate("async () => { if (window.MathJax) await MathJax.startup.promise }")
    return tab, wrong


def test_every_page_of_the_contents_is_looked_at():
    toc = (ROOT / "_toc.yml").read_text()
    assert toc.count("file:") + 1 == len(PAGES) and all(page in toc for page in PAGES)


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("screen", SCREENS)
@pytest.mark.parametrize("page", PAGES)
def test_pages_as_a_person_sees_them(browser, site, page, screen, theme):
    tab, wrong = open_page(browser, site, page, screen=screen, theme=theme)
    shots = ROOT / "_build" / "screenshots"
    shots.mkdir(exist_ok=True)
    tab.screenshot(path=shots / f"{Path(page).name}-{screen}-{theme}.png", full_page=True)
    assert wrong == []
    assert tab.evaluate("document.documentElement.dataset.theme") == theme
    too_wide = tab.evaluate("document.documentElement.scrollWidth - window.innerWidth")
    assert too_wide <= 0
    # Mathematics: all of it rendered, none of it broken.
    math = tab.locator("article .math")
    assert tab.locator("article mjx-container").count() >= math.count()
    assert tab.locator("mjx-merror").count() == 0
    assert not any("\\(" in text or "\\[" in text for text in math.all_inner_texts())
    # Figures: shown, described and captioned.
    for image in tab.locator("article img").all():
        alt = image.get_attribute("alt") or ""
        assert len(alt) > 40 and "/" not in alt.split()[0], alt
        assert image.evaluate("i => i.complete && i.naturalWidth > 0")
        assert image.evaluate("i => i.getBoundingClientRect().right <= window.innerWidth")
        assert image.evaluate("i => i.closest('figure')?.querySelector('figcaption') !== null")
        inverted = "invert" in image.evaluate("i => getComputedStyle(i).filter")
        assert inverted == (theme == "dark")
    # No reference that leads nowhere.
    for link in tab.locator("article a.reference.internal").all():
        target = link.get_attribute("href")
        if target and target.startswith("#") and len(target) > 1:
            assert tab.locator(f"[id='{target[1:]}']").count() == 1, target
    tab.context.close()


@pytest.mark.parametrize("page", [p for p in PAGES if "/0" in p or "/1" in p])
def test_a_chapter_folds_its_proofs_and_downloads_as_a_notebook(browser, site, page):
    tab, wrong = open_page(browser, site, page)
    assert tab.locator("article details:not([open])").count() >= 3  # proofs and plotting code
    solutions = tab.locator("article div.solution")
    assert solutions.count() >= 2
    assert tab.locator("article div.solution.toggle-hidden").count() == solutions.count()
    proofs = "{dropdown}" in (ROOT / f"{page}.md").read_text()  # a chapter of experiments has none
    fold = tab.locator("article details.sd-dropdown" if proofs else "article details").first
    fold.locator("summary").click()
    assert fold.get_attribute("open") is not None
    notebook = tab.request.get(f"{site}/_sources/{page}.ipynb").json()
    assert notebook["nbformat"] == 4
    assert not any(cell.get("outputs") for cell in notebook["cells"])
    assert tab.locator(f"a[href$='_sources/{page}.ipynb']").count() >= 1
    assert wrong == []


def test_search_finds_a_word_offline(browser, site):
    tab, wrong = open_page(browser, site, "search")
    tab.goto(f"{site}/search.html?q=temperature", wait_until="networkidle")
    assert tab.locator("#search-results li").count() >= 2
    assert wrong == []


MOVED = {
    "book/04-robust-loss": 1,
    "book/05-temperature-radius": 1,
    "book/06-variance-fairness": 1,
    "book/07-noisy-positives": 2,
    "book/08-bilateral": 1,
}


@pytest.mark.parametrize("screen", SCREENS)
@pytest.mark.parametrize("page", MOVED)
def test_interactive_figures_move_without_a_kernel(browser, site, page, screen):
    tab, wrong = open_page(browser, site, page, screen=screen)
    figures = tab.locator("article .interactive")
    assert figures.count() == MOVED[page]
    for figure in figures.all():
        assert len(figure.get_attribute("aria-label")) > 40
        figure.scroll_into_view_if_needed()
        drawn = figure.locator(".plotly-graph-div.js-plotly-plot")
        drawn.wait_for()
        assert drawn.evaluate("d => d.getBoundingClientRect().right <= window.innerWidth")
        state = """d => JSON.stringify(
            [d.layout.title.text, d.data.map(t => Array.from(t.y._inputArray ?? t.y))])"""
        label = figure.locator(".slider-label").first  # SVG text: it has no inner_text
        before, text = drawn.evaluate(state), label.text_content()
        rail = figure.locator(".slider-rail-touch-rect").bounding_box()
        tab.mouse.click(rail["x"] + 0.9 * rail["width"], rail["y"] + rail["height"] / 2)
        tab.wait_for_timeout(400)
        assert drawn.evaluate(state) != before
        assert label.text_content() != text
    assert wrong == []
    tab.context.close()


# What makes a page run again ---------------------------------------------------------------------

CHAPTER = """---
jupytext:
  text_representation: {extension: .md, format_name: myst}
kernelspec: {display_name: Python 3, language: python, name: python3}
---

# A page

Some prose.

```{code-cell} ipython3
import pathlib
count = pathlib.Path("../count")
count.write_text(str(int(count.read_text()) + 1 if count.exists() else 1));
```
"""


@pytest.fixture
def small_book(tmp_path):
    """A book with one page that counts its executions, built by this book's configuration."""
    root = tmp_path / "small"
    (root / "book").mkdir(parents=True)
    (root / "bslutils").mkdir()
    (root / "bslutils" / "module.py").write_text("x = 1\n")
    for name in ("_ext", "_static"):
        shutil.copytree(ROOT / "book" / name, root / "book" / name)
    for name in ("_config.yml", "requirements.txt", "Makefile", "book/references.bib"):
        shutil.copyfile(ROOT / name, root / name)
    (root / "_toc.yml").write_text("format: jb-book\nroot: book/page\n")
    (root / "book" / "page.md").write_text(CHAPTER)
    (root / "pyproject.toml").write_text("")
    (root / ".venv" / "bin").mkdir(parents=True)  # the environment that runs this test
    (root / ".venv" / "bin" / "jupyter-book").symlink_to(
        Path(sys.executable).parent / "jupyter-book"
    )
    (root / ".venv" / "installed").touch()
    return root


def build(root):
    environment = {k: v for k, v in os.environ.items() if not k.startswith("MAKE")}
    return subprocess.run(
        ["make", "book"], cwd=root, capture_output=True, text=True, env=environment
    )


def test_what_makes_pages_run_again(small_book):
    def executions():
        result = build(small_book)
        assert result.returncode == 0, result.stdout + result.stderr
        return int((small_book / "count").read_text())

    page, module = small_book / "book" / "page.md", small_book / "bslutils" / "module.py"
    assert executions() == 1
    assert executions() == 1  # nothing changed
    page.write_text(page.read_text().replace("Some prose", "Other prose"))
    assert executions() == 1
    assert "Other prose" in (small_book / "_build/html/book/page.html").read_text()
    module.write_text("x = 2\n")
    assert executions() == 2  # the package
    page.write_text(page.read_text().replace("import pathlib", "import pathlib  # changed"))
    assert executions() == 3  # the code
    assert len(list((small_book / "_build" / ".jupyter_cache").iterdir())) <= 2


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ("A {ref}`link-to-nowhere`.", "undefined label"),
        ("```{code-cell} ipython3\n1 / 0\n```", "ZeroDivisionError"),
        ("```{code-cell} ipython3\nimport sys; print(1, file=sys.stderr)\n```", "stderr"),
        ("A {cite:p}`nobody1999`.", "nobody1999"),
    ],
)
def test_a_bad_page_fails_again_and_again(small_book, bad, message):
    page = small_book / "book" / "page.md"
    page.write_text(CHAPTER + "\n" + bad + "\n")
    for _ in range(2):
        result = build(small_book)
        assert result.returncode != 0 and message in result.stdout + result.stderr


def test_lab_opens_chapters_as_notebooks(tmp_path):
    """The setting that `make lab` writes reaches JupyterLab."""
    here = Path(sys.executable).parent
    settings = "etc/jupyter/labconfig/default_setting_overrides.json"
    assert f"--settings-file .venv/{settings} set-default-viewer" in (ROOT / "Makefile").read_text()
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
