"""What the book needs of Sphinx beyond its extensions.

* The outputs of pages are kept by what the pages compute from, and made by as many pages at a time
  as there are cores.
* A page that reaches beyond this machine fails.
* MathJax comes from an installed package, so that pages read offline.
* Every chapter can be downloaded as a notebook, executed, and opened where others run it.
* No page loads Thebe, which Jupyter Book always switches on.
"""

import html
import json
import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from functools import partialmethod
from importlib.metadata import distribution
from pathlib import Path
from unittest.mock import Mock

import dependencies
import editions
import launch
import offline
from docutils import nodes
from jupyter_cache.cache.main import JupyterCacheBase
from jupyter_client.provisioning import LocalProvisioner
from myst_nb.core.execute import create_client
from myst_nb.core.read import NbReader, create_nb_reader
from nbformat import NotebookNode
from sphinx.application import Sphinx
from sphinx.util import logging

MATHJAX = ("tex-chtml.js", "output/chtml/fonts/woff-v2/*.woff")
VERSIONS_KEPT = 2
IN_BOOK = {"BSLUTILS_BOOK": "1"}  # tells bslutils.plots that a page of the book draws

# The file that tells of attempts, of the page whose kernel is being started.
attempts: ContextVar[Path] = ContextVar("attempts")


def read_notebook(env, docname: str) -> tuple[NotebookNode, NbReader] | None:
    """A page as a notebook that was not run, or None for a page without code."""
    path = env.doc2path(docname)
    text = Path(path).read_text(encoding="utf-8")
    reader = create_nb_reader(path, env.myst_config, env.mystnb_config, text)
    return reader and (reader.read(text), reader)


def caches(env) -> Path:
    """The folder with a folder for every version of a page that ran, named by the page's key."""
    return Path(env.srcdir, "_build", ".jupyter_cache")


def is_whole(cache: Path) -> bool:
    """Whether a folder holds the outputs of a page, and not what an interruption left."""
    return any(cache.glob("executed/*/base.ipynb"))


def find_outdated(app: Sphinx, env, added, changed, removed) -> list[str]:
    """Sphinx sees that a page's text changed; the pages with other inputs are read again, too."""
    before, env.page_keys = getattr(env, "page_keys", {}), {}
    root = Path(env.srcdir)
    for docname in sorted(env.found_docs):
        if found := read_notebook(env, docname):
            cells = [cell.source for cell in found[0].cells if cell.cell_type == "code"]
            folder = Path(env.doc2path(docname)).parent
            env.page_keys[docname] = dependencies.key(cells, folder, root)
    return [docname for docname, key in env.page_keys.items() if before.get(docname) != key]


def execute_ahead(app: Sphinx, env, docnames: list[str]) -> None:
    """Execute several pages at a time, the longest first; Sphinx then finds their outputs.

    A page that fails is executed again by Sphinx, which reports what went wrong.
    """
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # the kernels share the cores
    offline.guard_children()
    folder = caches(env)
    folder.mkdir(parents=True, exist_ok=True)
    times = folder / "seconds.json"
    seconds = json.loads(times.read_text(encoding="utf-8")) if times.exists() else {}

    def execute(docname: str) -> None:
        cache = folder / env.page_keys[docname]
        unfinished = cache.with_suffix(".unfinished")
        for left in (cache, unfinished):
            shutil.rmtree(left, ignore_errors=True)
        attempts.set(unfinished / "attempts")
        notebook, reader = read_notebook(env, docname)
        config = env.mystnb_config.copy(execution_cache_path=str(unfinished))
        path = env.doc2path(docname)
        with create_client(notebook, path, config, Mock(), reader.read_fmt) as client:
            pass  # entering executes
        if is_whole(unfinished):
            unfinished.rename(cache)
            seconds[docname] = round(client.exec_metadata["runtime"], 1)
        else:
            shutil.rmtree(unfinished)

    wanted = {env.page_keys[name]: name for name in docnames if name in env.page_keys}
    pages = [name for key, name in wanted.items() if not is_whole(folder / key)]
    # Where times are not known yet, from back to front: at the back is the ledger, which is long.
    pages.sort(key=lambda name: seconds.get(name, float("inf")))
    pages.reverse()
    try:
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            list(pool.map(execute, pages))
    finally:
        times.write_text(json.dumps(seconds, indent=1), encoding="utf-8")
    prune(folder, env.page_keys)


def prune(folder: Path, keys: dict[str, str]) -> None:
    """Remove the oldest folders of the cache beyond two for every page, and none of these keys."""
    used = set(keys.values())
    for key in used:
        if (folder / key).exists():
            (folder / key).touch()
    # Where the clock was set back, others may look younger than those in use.
    others = [path for path in folder.iterdir() if path.is_dir() and path.name not in used]
    others.sort(key=lambda path: path.stat().st_mtime, reverse=True)
    for stale in others[(VERSIONS_KEPT - 1) * len(used) :]:
        shutil.rmtree(stale)


def find_outputs(app: Sphinx, docname: str, content: list[str]) -> None:
    """Sphinx reads a page: point it to the outputs of this one."""
    if key := app.env.page_keys.get(docname):
        cache = caches(app.env) / key
        app.env.mystnb_config = app.env.mystnb_config.copy(execution_cache_path=str(cache))
        attempts.set(cache / "attempts")


def report_attempts(app: Sphinx, doctree) -> None:
    """Sphinx has read a page: warn if running it reached beyond this machine."""
    if app.env.docname in app.env.page_keys and attempts.get().exists():
        tried = ", ".join(attempts.get().read_text(encoding="utf-8").splitlines())
        message = "pages stay on this machine; this one tried: %s"
        logging.getLogger(__name__).warning(message, tried, location=app.env.docname)


def ignore_cell_metadata() -> None:
    """jupyter-cache would run a page again for a new caption."""
    hashed = JupyterCacheBase.create_hashed_notebook
    if not isinstance(hashed, partialmethod):
        JupyterCacheBase.create_hashed_notebook = partialmethod(hashed, cell_metadata=())


def tell_kernels_where_to_report() -> None:
    """Every kernel's processes write down what they attempt in a file of their page.

    And they know that they are in the book.
    """
    launch = LocalProvisioner.pre_launch

    async def pre_launch(self, **kwargs):
        told = IN_BOOK | {offline.ATTEMPTS: str(attempts.get())}
        kwargs["env"] = {**kwargs.get("env", os.environ), **told}
        return await launch(self, **kwargs)

    LocalProvisioner.pre_launch = pre_launch


def vendor_mathjax(app: Sphinx, config) -> None:
    """Put the script and its fonts below a folder of static files."""
    package = distribution("sphinx-mathjax-offline")
    script = next(f for f in package.files if f.name == MATHJAX[0])
    source = Path(package.locate_file(script)).parent
    static = Path(app.srcdir, "_build", "vendor")
    for path in (p for pattern in MATHJAX for p in source.glob(pattern)):
        target = static / "mathjax" / path.relative_to(source)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
    config.html_static_path = [*config.html_static_path, str(static)]


def offer_notebook(app: Sphinx, pagename, templatename, context, doctree) -> None:
    """Name the page's notebook; the theme then shows a button for it."""
    if pagename in app.env.page_keys:
        context["ipynb_source"] = f"{pagename}.ipynb"


def describe(app: Sphinx, pagename, templatename, context, doctree) -> None:
    """Tell search engines and browsers what the page is about: its question, or its first words."""
    if doctree is not None and (said := next(doctree.findall(nodes.paragraph), None)):
        text = " ".join(said.astext().split())
        text = text if len(text) <= 200 else text[:200].rpartition(" ")[0] + " …"
        context["metatags"] += f'<meta name="description" content="{html.escape(text)}" />\n'
    if pagename == app.config.root_doc:
        # The title of the page is that of the book, which is said once; the logo says it as well.
        context["theme_logo"] = context.get("theme_logo", {}) | {"text": context["docstitle"]}
        context["docstitle"] = ""


def offer_launch(app: Sphinx, pagename, templatename, context, doctree) -> None:
    """Show where else the page's notebook can be run, if the repository has an address."""
    options = app.config.html_theme_options
    address, branch = options["repository_url"], options["repository_branch"]
    if pagename in app.env.page_keys and (made := launch.button(address, branch, pagename)):
        context["header_buttons"].insert(0, made)


def write_notebooks(app: Sphinx, exception: Exception | None) -> None:
    """The pages are written: write their notebooks, which refer to what is on every page."""
    if exception is None and app.builder.name == "html":
        editions.write(app, lambda name: _cells(app.env, name), caches(app.env))


def _cells(env, docname: str) -> list[NotebookNode] | None:
    found = read_notebook(env, docname)
    return found and found[0].cells


def without_thebe(app: Sphinx, config) -> None:
    """Thebe's script comes from elsewhere, and declares its constants twice on a second build."""
    for event in ("env-before-read-docs", "doctree-resolved"):
        for listener in list(app.events.listeners[event]):
            if getattr(listener.handler, "__module__", "").startswith("sphinx_thebe"):
                app.disconnect(listener.id)


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx."""
    ignore_cell_metadata()
    tell_kernels_where_to_report()
    app.connect("config-inited", vendor_mathjax)
    app.connect("config-inited", without_thebe)
    app.connect("env-get-outdated", find_outdated)
    app.connect("env-before-read-docs", execute_ahead)
    app.connect("source-read", find_outputs)
    app.connect("doctree-read", report_attempts)
    # Before the theme builds its buttons, which it does at the default priority of 500.
    app.connect("html-page-context", offer_notebook, priority=400)
    app.connect("html-page-context", offer_launch, priority=502)  # and after
    app.connect("html-page-context", describe)
    app.connect("build-finished", write_notebooks)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
