"""Figures under their names, as slides and handouts take them."""

import base64
import io
import re
from pathlib import Path
from urllib.parse import quote

import pytest
from figures import copy_figures
from PIL import Image

ROOT = Path(__file__).parent.parent
BUILT = ROOT / "_build" / "figures"
SVG = '<?xml version="1.0"?>\n<svg viewBox="0 0 2 1">\n<g/></svg>'
ON_PAPER = '<svg viewBox="0 0 2 1"><rect width="100%" height="100%" fill="white"/>'


def png():
    file = io.BytesIO()
    Image.new("RGBA", (2, 1)).save(file, "png")  # nothing but a transparent ground
    return file.getvalue()


def test_every_named_figure_is_copied_on_white_paper(tmp_path):
    pages, folder = tmp_path / "html", tmp_path / "figures"
    (pages / "book").mkdir(parents=True)
    (pages / "_images").mkdir()
    (pages / "_images/3f.svg").write_text(SVG, encoding="utf-8")
    (pages / "_images/a 1.png").write_bytes(png())
    moving = f"data:image/svg+xml,{quote(SVG[22:])}"
    held = f"data:image/png;base64,{base64.b64encode(png()).decode()}"
    (pages / "book/one.html").write_text(
        '<figure class="align-default" id="fig-a">\n<img alt="A > b" src="../_images/3f.svg"/>'
        '<figcaption>A</figcaption></figure><figure id="fig-moving"><div class="interactive">'
        f'<img src="{moving}" alt="M"></div></figure><figure id="tab-a"><img src="no"></figure>'
        '<figure><img src="none"></figure><figure id="fig-words"><table></table></figure>',
        encoding="utf-8",
    )
    (pages / "two.html").write_text(
        f'<figure id="fig-b"><img src="_images/a%201.png"></figure>'
        f'<figure id="fig-c"><img src="{held}"></figure>',
        encoding="utf-8",
    )
    folder.mkdir()
    (folder / "fig-old.svg").touch()
    copy_figures(pages, folder)
    made = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert set(made) == {"fig-a.svg", "fig-moving.svg", "fig-b.png", "fig-c.png"}
    for name in ("fig-a.svg", "fig-moving.svg"):
        assert ON_PAPER in made[name].decode()
    for name in ("fig-b.png", "fig-c.png"):
        assert Image.open(io.BytesIO(made[name])).getpixel((0, 0)) == (255, 255, 255)


@pytest.mark.slow
def test_the_built_book_has_its_figures_by_name():
    if not BUILT.exists():
        pytest.skip("the book is not built: make book")
    pages = [*(ROOT / "_build/html/book").glob("*.html"), ROOT / "_build/html/intro.html"]
    html = "".join(path.read_text(encoding="utf-8") for path in pages)
    named = set(re.findall(r'<figure\b[^>]*\bid="(fig-[\w-]+)"', html))
    sources = [*ROOT.glob("book/*.md"), ROOT / "intro.md"]
    text = "".join(path.read_text(encoding="utf-8") for path in sources)
    assert len(named) > 60 and named <= set(re.findall(r"name: (fig-[\w-]+)", text))
    assert {path.stem for path in BUILT.iterdir()} == named
    for path in BUILT.iterdir():
        assert path.stat().st_size > 2000
        assert path.suffix != ".svg" or b'fill="white"' in path.read_bytes()[:3000]
