"""What the book needs of Sphinx beyond its extensions.

* The cache of executed notebooks is keyed on everything a page computes from, and filled by as
  many pages at a time as there are cores.
* MathJax and Plotly come from installed packages, so that pages read offline.
* Every chapter can be downloaded as a notebook.
* No page loads Thebe, which Jupyter Book always switches on.
"""

import hashlib
import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import distribution
from pathlib import Path
from unittest.mock import Mock

import jupytext
from jupyter_cache import get_cache
from myst_nb.core.execute import create_client
from myst_nb.core.read import create_nb_reader
from sphinx.application import Sphinx

INPUTS = ("bslutils/**/*.py", "results/**/*", "requirements.txt")
MATHJAX = ("tex-chtml.js", "output/chtml/fonts/woff-v2/*.woff")
CACHES_KEPT = 2


def key_cache(app: Sphinx, config) -> None:
    """jupyter-cache looks at a page's code only; a change of the package must count as well."""
    root = Path(app.srcdir)
    digest = hashlib.sha256()
    for path in sorted(p for pattern in INPUTS for p in root.glob(pattern) if p.is_file()):
        digest.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes())
    caches = root / "_build" / ".jupyter_cache"
    cache = caches / digest.hexdigest()[:16]
    cache.mkdir(parents=True, exist_ok=True)
    cache.touch()
    by_age = sorted(caches.iterdir(), key=lambda p: p.stat().st_mtime, reverse=True)
    for stale in by_age[CACHES_KEPT:]:
        shutil.rmtree(stale)
    config.nb_execution_cache_path = str(cache)


def execute_ahead(app: Sphinx, env, docnames: list[str]) -> None:
    """Execute several pages at a time into the cache, where Sphinx finds them one by one.

    A page that fails is executed again by Sphinx, which reports what went wrong.
    """
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # the kernels share the cores
    get_cache(app.config.nb_execution_cache_path).list_cache_records()  # one thread makes the file

    def execute(docname: str) -> None:
        path = env.doc2path(docname)
        text = Path(path).read_text()
        reader = create_nb_reader(path, env.myst_config, env.mystnb_config, text)
        if reader is None:
            return  # a page without code
        notebook, silent = reader.read(text), Mock()
        with create_client(notebook, path, env.mystnb_config, silent, reader.read_fmt):
            pass  # entering executes

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(execute, docnames))


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


def vendor_plotly(app: Sphinx, config) -> None:
    """Put the script that draws interactive figures beside it; pages load it by name."""
    package = distribution("plotly")
    script = next(f for f in package.files if f.name == "plotly.min.js")
    target = Path(app.srcdir, "_build", "vendor", "plotly", script.name)
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(package.locate_file(script), target)


def offer_notebook(app: Sphinx, pagename, templatename, context, doctree) -> None:
    """Write the page's notebook beside its source; the theme then shows a button for it."""
    source = Path(app.env.doc2path(pagename)) if pagename in app.env.found_docs else None
    if source is None or source.suffix != ".md" or "kernelspec:" not in source.read_text():
        return
    target = Path(app.outdir, "_sources", f"{pagename}.ipynb")
    target.parent.mkdir(parents=True, exist_ok=True)
    jupytext.write(jupytext.read(source), target)
    context["ipynb_source"] = f"{pagename}.ipynb"


def without_thebe(app: Sphinx, config) -> None:
    """Thebe's script comes from elsewhere, and declares its constants twice on a second build."""
    for event in ("env-before-read-docs", "doctree-resolved"):
        for listener in list(app.events.listeners[event]):
            if getattr(listener.handler, "__module__", "").startswith("sphinx_thebe"):
                app.disconnect(listener.id)


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx."""
    app.connect("config-inited", key_cache)
    app.connect("config-inited", vendor_mathjax)
    app.connect("config-inited", vendor_plotly)
    app.connect("config-inited", without_thebe)
    app.connect("env-before-read-docs", execute_ahead)
    # Before the theme builds its buttons, which it does at the default priority of 500.
    app.connect("html-page-context", offer_notebook, priority=400)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
