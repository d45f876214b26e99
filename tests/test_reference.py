"""The reference of the package: every public name, and who uses it."""

import importlib
import inspect
import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "book" / "_ext"))

import public_names  # noqa: E402
from public_names import public  # noqa: E402

PAGES = sorted((ROOT / "book").glob("reference*.md"))
CHAPTERS = [p for p in sorted((ROOT / "book").glob("[0-9]*.md")) if p not in PAGES]
OFFERED = [(module, name) for module in public_names.MODULES for name in public(module)]


def test_every_module_has_a_place():
    text = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)
    said = re.findall(r"^\.\. public:: (\S+)$", text, re.MULTILINE)
    assert sorted(said) == sorted(public_names.MODULES)
    contents = (ROOT / "_toc.yml").read_text(encoding="utf-8")
    assert all(f"book/{page.stem}\n" in contents for page in PAGES)


def test_what_the_package_offers_is_there():
    package = importlib.import_module("bslutils")
    offered = {name for _, name in OFFERED} | {m.partition(".")[2] for m in public_names.MODULES}
    assert set(package.__all__) - {"__version__"} <= offered
    from bslutils.baselines import BASELINES
    from bslutils.losses import LOSSES, VECTOR_LOSSES
    from bslutils.models import MODELS

    known = [*LOSSES.values(), *VECTOR_LOSSES.values(), *MODELS.values(), *BASELINES.values()]
    assert {value.__name__ for value in known} <= offered


@pytest.mark.parametrize("module, name", OFFERED, ids=lambda x: x)
def test_every_name_says_what_it_is_and_shows_it(module, name):
    value = getattr(importlib.import_module(module), name)
    text = inspect.getdoc(value)
    twin = re.match(r"Module twin of :func:`(\w+)`", text)
    assert twin is None or twin[1] in public(module)
    # What others give back is seen where they give it.
    given_back = {
        *("Interactions", "Recommendations", "Run", "Source", "Expansion", "Moments"),
        *("Finding", "Report"),
    }
    assert twin or name in given_back or ">>>" in text


def test_most_names_are_used_by_a_chapter():
    used = {name for page in CHAPTERS for name in public_names.used(public_names.code_of(page))}
    functions = {
        name for module, name in OFFERED if inspect.isfunction(getattr(sys.modules[module], name))
    }
    assert {"softmax_loss", "fit", "robust_value", "evaluate", "check_loss"} <= used
    assert len(functions & used) > 0.6 * len(functions)


def test_names_are_read_off_code():
    code = [
        "%matplotlib inline\nfrom bslutils.dro import robust_value as value",
        "bsl.losses.softmax_loss(a, b, tau=1)\nother.thing",
        "if True:\n    %time bsl.fit()\nfiles = !ls",
        "%%bash\nls -l .",
        "x = (",  # the page fails when it runs, and not the book before it
    ]
    assert public_names.used(code) == ["robust_value", "softmax_loss"]
    assert public_names.used([]) == []


def test_a_name_has_one_home():
    assert public_names.home_of("fit") == "bslutils"
    assert public_names.home_of("load") == "bslutils"  # of bslutils.data, too
    assert public_names.home_of("softmax_loss") == "bslutils.losses"
    assert public_names.home_of("no_such_name") is None
