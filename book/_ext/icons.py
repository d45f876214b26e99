"""The icons that the pages use, in one small sheet of style.

The theme brings all of Font Awesome twice, as a script and as fonts, which is more than the rest of
a page; and from files, browsers refuse its fonts. ``_templates`` loads the sheet instead.

Pages and scripts name icons as classes, ``fa-moon``; sheets of style, which give boxes theirs, as
characters.
"""

import base64
import io
import re
from functools import cache
from pathlib import Path

import pydata_sphinx_theme
from fontTools import subset
from fontTools.ttLib import TTFont
from sphinx.application import Sphinx

FACE = re.compile(r"src:url\(\.\./webfonts/([\w-]+)\.woff2\)[^;}]*")
CHARACTER = re.compile(r"[\ue000-\uf8ff]|\\[ef][0-9a-f]{3}(?![0-9a-f])", re.IGNORECASE)
RULE = re.compile(r'((?:\.fa-[\w-]+:+before,?)+)\{content:"\\([0-9a-f]+)"\}')


def write_icons(app: Sphinx, exception: Exception | None) -> None:
    """The pages are written: take from the theme's fonts what they show."""
    if exception is None and app.builder.format == "html":
        pages = Path(app.outdir)
        # Not from what was built, where an older theme may have left its own beside it.
        theme = Path(pydata_sphinx_theme.__file__).parent / "theme/pydata_sphinx_theme/static"
        [awesome] = theme.glob("vendor/fontawesome/*")
        style = (awesome / "css/all.min.css").read_text(encoding="utf-8")
        named = re.findall(r"\bfa-([\w-]+)", _said(pages, ".html", ".js"))
        sheet = icons(style, set(named), drawn(_said(pages, ".css")), awesome / "webfonts")
        (pages / "_static/icons.css").write_text(sheet, encoding="utf-8")


def _said(pages: Path, *kinds: str) -> str:
    """All that pages, their scripts or their sheets say, but not whole libraries."""
    files = (f for f in pages.rglob("*") if f.suffix in kinds and f.name != "icons.css")
    ours = (f for f in files if "vendor" not in f.relative_to(pages).parts)
    return "\n".join(f.read_text(encoding="utf-8") for f in ours)


def drawn(sheets: str) -> set[int]:
    """The characters that sheets of style take for icons, written out or as an escape."""
    return {int(c[1:], 16) if c[0] == "\\" else ord(c) for c in CHARACTER.findall(sheets)}


def icons(style: str, names: set[str], codes: set[int], fonts: Path) -> str:
    """Font Awesome's sheet with these icons and characters alone, and its fonts within."""
    used = {}
    for rule in RULE.finditer(style):
        if names & set(re.findall(r"\.fa-([\w-]+)", rule[1])):
            used[rule[0]] = int(rule[2], 16)
    codes = frozenset(codes).union(used.values())
    style = RULE.sub(lambda rule: rule[0] if rule[0] in used else "", style)
    return FACE.sub(lambda face: f"src:url({_font(fonts / face[1], codes)})", style)


@cache  # a font has several names
def _font(file: Path, codes: frozenset[int]) -> str:
    """A font with these characters alone, as an address that holds it."""
    font = TTFont(file.with_suffix(".ttf"))
    smaller = subset.Subsetter()
    smaller.populate(unicodes=codes)
    smaller.subset(font)
    font.flavor = "woff"
    made = io.BytesIO()
    font.save(made)
    return f"data:font/woff;base64,{base64.b64encode(made.getvalue()).decode()}"


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx."""
    app.connect("build-finished", write_icons)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
