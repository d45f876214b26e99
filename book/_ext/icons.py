"""The icons that the pages use, in one small sheet of style.

The theme brings all of Font Awesome twice, as a script and as fonts, which is more than the rest of
a page; and from files, browsers refuse its fonts. ``_templates`` loads the sheet instead.
"""

import base64
import io
import re
from pathlib import Path

from fontTools import subset
from fontTools.ttLib import TTFont
from sphinx.application import Sphinx

FACE = re.compile(r"src:url\(\.\./webfonts/([\w-]+)\.woff2\)[^;}]*")
RULE = re.compile(r'((?:\.fa-[\w-]+:+before,?)+)\{content:"\\([0-9a-f]+)"\}')


def write_icons(app: Sphinx, exception: Exception | None) -> None:
    """The pages are written: take from the theme's fonts what they name."""
    if exception is None and app.builder.format == "html":
        static = Path(app.outdir, "_static")
        [awesome] = static.glob("vendor/fontawesome/*")
        scripts = (f for f in static.rglob("*.js") if "vendor" not in f.relative_to(static).parts)
        said = "".join(
            f.read_text(encoding="utf-8") for f in [*Path(app.outdir).rglob("*.html"), *scripts]
        )
        style = (awesome / "css/all.min.css").read_text(encoding="utf-8")
        sheet = icons(style, set(re.findall(r"\bfa-([\w-]+)", said)), awesome / "webfonts")
        (static / "icons.css").write_text(sheet, encoding="utf-8")


def icons(style: str, names: set[str], fonts: Path) -> str:
    """Font Awesome's sheet with these icons alone, and its fonts within."""
    used = {}
    for rule in RULE.finditer(style):
        if names & set(re.findall(r"\.fa-([\w-]+)", rule[1])):
            used[rule[0]] = int(rule[2], 16)
    style = RULE.sub(lambda rule: rule[0] if rule[0] in used else "", style)
    return FACE.sub(lambda face: f"src:url({_font(fonts / face[1], used.values())})", style)


def _font(file: Path, codes) -> str:
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
