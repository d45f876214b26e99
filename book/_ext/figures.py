"""The book's figures under their names, in ``_build/figures``, for slides and handouts.

In the pages their files are called by a hash of what they show, which changes with every number.
A figure that a page does not draw, as where nothing is recorded, has no file.
"""

import base64
import html
import re
import shutil
from pathlib import Path
from urllib.parse import unquote, unquote_to_bytes

from notebooks import on_white
from sphinx.application import Sphinx

FIGURE = re.compile(r'<figure\b[^>]*\bid="(fig-[\w-]+)"[^>]*>(.*?)</figure>', re.DOTALL)
IMAGE = re.compile(r'<img\b.*?\ssrc="([^"]+)"', re.DOTALL)


def write_figures(app: Sphinx, exception: Exception | None) -> None:
    """The pages are written: copy what they show."""
    if exception is None and app.builder.name == "html":
        copy_figures(Path(app.outdir), Path(app.srcdir, "_build", "figures"))


def copy_figures(pages: Path, folder: Path) -> None:
    """Every named figure as ``NAME.svg`` or ``NAME.png``, on a white ground.

    One that moves is copied as it stands when its page is opened. What was in the folder before
    is removed.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for page in pages.rglob("*.html"):
        for name, inside in FIGURE.findall(page.read_text(encoding="utf-8")):
            if image := IMAGE.search(inside):  # a figure may be a table
                kind, content = _read(html.unescape(image[1]), page.parent)
                (folder / f"{name}{kind}").write_bytes(_light(kind, content))


def _read(address: str, beside: Path) -> tuple[str, bytes]:
    """The suffix and the content of a picture that a page shows."""
    if found := re.match(r"data:image/(\w+)[^,;]*(;base64)?,(.*)", address, re.DOTALL):
        content = unquote_to_bytes(found[3])
        return f".{found[1]}", base64.b64decode(content) if found[2] else content
    file = beside / unquote(address)
    return file.suffix, file.read_bytes()


def _light(kind: str, content: bytes) -> bytes:
    """Figures are drawn in black on nothing: give them a sheet of paper."""
    if kind == ".png":
        return base64.b64decode(on_white(base64.b64encode(content).decode()))
    paper = rb'\g<0><rect width="100%" height="100%" fill="white"/>'
    return re.sub(rb"<svg\b[^>]*>", paper, content, count=1)


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx."""
    app.connect("build-finished", write_figures)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
