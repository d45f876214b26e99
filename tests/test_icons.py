"""The icons of the pages: all that are shown, and no others."""

import base64
import io
import re
from pathlib import Path
from types import SimpleNamespace

import icons
import pydata_sphinx_theme
from fontTools.ttLib import TTFont

SHEETS = Path(pydata_sphinx_theme.__file__).parent / "theme/pydata_sphinx_theme/static/styles"


def written(folder, **files):
    """The sheet for a book of these files, and the characters that its fonts can show."""
    (folder / "_static/vendor/fontawesome/5.0.0").mkdir(parents=True)  # left by an older build
    for name, text in files.items():
        suffix = name.rpartition("_")[2]
        (folder / "_static" / f"{name}.{suffix}").write_text(text, encoding="utf-8")
    icons.write_icons(SimpleNamespace(outdir=folder, builder=SimpleNamespace(format="html")), None)
    sheet = (folder / "_static/icons.css").read_text(encoding="utf-8")
    fonts = (base64.b64decode(held) for held in re.findall(r"base64,([^)]*)\)", sheet))
    return sheet, {code for font in fonts for code in TTFont(io.BytesIO(font)).getBestCmap() or ()}


def test_icons_are_there_that_pages_and_scripts_name(tmp_path):
    page, script = '<i class="fas fa-moon"></i>', 'x.className = "fa-solid fa-xmark"'
    sheet, shown = written(tmp_path, page_html=page, script_js=script)
    assert ".fa-moon:" in sheet and ".fa-xmark:" in sheet and ".fa-rocket:" not in sheet
    assert shown == {0xF186, 0xF00D}


def test_icons_are_there_that_sheets_of_style_draw(tmp_path):
    """The theme gives boxes theirs so, as a character, and an extension as an escape."""
    theirs = (SHEETS / "pydata-sphinx-theme.css").read_text(encoding="utf-8")
    note, tip, pencil = 0xF05A, 0xF0EB, 0xF303
    _, shown = written(tmp_path, theirs_css=theirs, more_css=r'p::after { content: "\f303"; }')
    assert {note, tip, pencil} <= shown
    assert len(shown) < 30
