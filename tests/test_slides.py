"""Slides: every figure is one of the book, every slide has notes, and decks show offline."""

import io
import re
import shutil
import sys
from pathlib import Path

import pytest
from pypdf import PdfReader

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "slides"))

import make  # noqa: E402

PAGES = "\n".join(
    path.read_text(encoding="utf-8") for path in (ROOT / "intro.md", *ROOT.glob("book/*.md"))
)
NAMED = set(re.findall(r"name: (fig-[a-z0-9-]+)", PAGES))


@pytest.mark.parametrize("source", make.decks(), ids=lambda path: path.stem)
def test_a_deck_shows_figures_of_the_book_and_has_notes(source):
    slides = make.read(source)
    assert len(slides) >= 6 and slides[0].shown.startswith("# ")
    asked = [name for slide in slides for name in make.FIGURE.findall(slide.shown)]
    assert len(asked) >= 4 and set(asked) <= NAMED
    assert not re.search(r"\$|\{", "".join(slide.notes for slide in slides))  # said, not set
    written = " ".join(s.shown + s.notes for s in slides)
    references = make.LABEL.findall(written)
    assert all(f":label: {name}\n" in PAGES for name in references), references
    # A label is no name for a reader: none stands outside of a reference.
    assert not re.findall(r"\b(?:ex|thm|prop|cor)-[a-z-]*[a-z]", make.LABEL.sub("", written))


def test_every_part_of_the_book_has_a_deck():
    contents = (ROOT / "_toc.yml").read_text(encoding="utf-8")
    parts = re.findall(r'caption: "([IV]+ · .*)"', contents)
    titles = {make.read(source)[0].shown.splitlines()[0] for source in make.decks()}
    assert {f"# {part}" for part in parts} <= titles and "one-lecture" in map(
        lambda path: path.stem, make.decks()
    )


def site(folder):
    page = folder / "book" / "one.html"
    page.parent.mkdir()
    page.write_text(
        '<p>a</p>\n<figure class="x" id="fig-a"><a class="i" href="../_images/a.svg">'
        '<img alt="A line" src="../_images/a.svg"></a>\n'
        '<figcaption><p>Fig. 1 <a href="#fig-a">¶</a></p></figcaption></figure>'
        '<figure id="fig-b">\n<div class="interactive"><script>var a = 1;\n\n</script></div>'
        "</figure><figure><img></figure>"
        '<div class="proof" id="thm-a">\n<p class="admonition-title">'
        '<span class="caption-number">Theorem 4.1 </span> (T)</p></div>'
        "<p><strong>1. So.</strong></p>\n<ul>\n<li>It is.</li></ul>",
        encoding="utf-8",
    )
    return folder


def test_a_book_is_read_off_its_pages(tmp_path):
    found = make.drawn(site(tmp_path))
    assert set(found.figures) == {"fig-a", "fig-b"}
    image = '<img alt="A line" src="files/_images/a.svg">'
    assert found.figures["fig-a"].strip() == image
    assert "var a = 1;\n\n" in found.figures["fig-b"]
    assert found.numbers == {"thm-a": "Theorem 4.1"}
    assert found.claims == {"claim-1": "<p><strong>So.</strong></p><ul>\n<li>It is.</li></ul>"}


def test_a_deck_is_one_page_with_its_formulas_and_one_with_notes(tmp_path):
    book = make.drawn(site(tmp_path))
    source = tmp_path / "deck.md"
    source.write_text(
        "# A < b\n\n$\\tau$ & so\n\n$$x_1 < 2$$\n\nNotes: Say *it*, [](thm-a).\n---\n"
        "## Two\n\n![](fig-b)\n\n![](fig-a)\n\n![](claim-1)\n\nNotes: Ask.\n",
        encoding="utf-8",
    )
    for page in make.deck(source, book):
        assert page.count("<section>") == page.count("<aside>") == 2
        assert "<title>A &lt; b</title>" in page and "\\(\\tau\\)" in page
        assert "\\[x_1 &lt; 2\\]" in page and "<em>it</em>, Theorem 4.1." in page
        assert all(book.figures[name].strip() in page for name in ("fig-a", "fig-b"))
        assert book.claims["claim-1"] in page
        assert set(re.findall(r'(?:src|href)="([^/"]*)/', page)) == {"files"}


def test_the_folder_of_the_decks_can_be_taken_along(tmp_path, monkeypatch):
    folder = site(tmp_path)
    for name in ("_images/a.svg", "_static/some.js", f"{make.MATHJAX}/tex-chtml.js", "other"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name, encoding="utf-8")
    monkeypatch.setattr(make, "HTML", folder)
    monkeypatch.setattr(make, "TARGET", tmp_path / "slides")
    make.take_along(['<img src="files/_images/a.svg">', '<script src="files/_static/some.js">'])
    taken = (p for p in (tmp_path / "slides" / "files").rglob("*") if p.is_file())
    assert {path.read_text(encoding="utf-8") for path in taken} == {
        *("_images/a.svg", "_static/some.js", f"{make.MATHJAX}/tex-chtml.js")
    }


@pytest.mark.parametrize(
    "text, said",
    [
        ("# A\n\nNotes: a\n---\n# B\n", "deck.md: slide 2 has no notes"),
        ("# A\n\nNotes:\n", "deck.md: slide 1 has no notes"),
        ("# A\n\n![](fig-none)\n\nNotes: a\n", "deck.md: no page of the built book has fig-none"),
        ("# A\n\nNotes: [](thm-no)\n", "deck.md: no page of the built book has thm-no"),
        ("# A\n\n![](claim-3)\n\nNotes: a\n", "deck.md: no page of the built book has claim-3"),
    ],
)
def test_what_is_missing_is_named(tmp_path, monkeypatch, capsys, text, said):
    source = tmp_path / "deck.md"
    source.write_text(text, encoding="utf-8")
    monkeypatch.setattr(make, "HERE", tmp_path)
    monkeypatch.setattr(make, "HTML", tmp_path / "html")
    monkeypatch.setattr(make, "TARGET", tmp_path / "slides")
    assert make.main() == 2 and "make book" in capsys.readouterr().err
    (tmp_path / "html").mkdir()
    (tmp_path / "html" / "index.html").write_text("", encoding="utf-8")
    assert make.main() == 2 and said in capsys.readouterr().err
    assert not (tmp_path / "slides").exists()


MEASURE = """() => [...document.querySelector("section.shown").children].map((part) => {
  const { top, bottom, left, right } = part.getBoundingClientRect();
  return top >= 0 && left >= 0 && bottom <= innerHeight && right <= innerWidth;
})"""


@pytest.mark.slow
def test_decks_of_the_built_book_show_in_a_browser(monkeypatch, tmp_path):
    chromium = shutil.which("chromium")
    if chromium is None or not (make.HTML / "intro.html").exists():
        pytest.skip("needs the built book and chromium")
    from playwright.sync_api import sync_playwright

    monkeypatch.setattr(make, "TARGET", make.ROOT / "_build" / "slides-of-a-test")
    try:
        assert make.main() == 0
        shutil.move(make.TARGET, tmp_path / "taken along")
    finally:
        shutil.rmtree(make.TARGET, ignore_errors=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for source in make.decks():
            shown(browser, tmp_path / "taken along", source.stem, len(make.read(source)))
        browser.close()


def shown(browser, folder, name, count):
    """A deck, its window of notes and its print, as a lecturer has them."""
    tab, wrong = browser.new_page(viewport={"width": 1280, "height": 720}), []
    tab.on("pageerror", lambda error: wrong.append(str(error)))
    tab.on("requestfailed", lambda request: wrong.append(request.url))
    tab.on("request", lambda r: r.url[:4] == "http" and wrong.append(r.url))
    tab.goto((folder / f"{name}.html").as_uri())
    tab.evaluate("() => window.MathJax?.startup?.promise")
    with tab.expect_popup() as window:
        tab.keyboard.press("n")
    for k in range(count):
        assert tab.locator("section.shown").count() == 1
        assert tab.locator("#at").inner_text() == f"{k + 1} / {count}"
        for image in tab.locator("section.shown img").all():
            image.wait_for()
            assert image.evaluate("i => i.decode().then(() => i.naturalWidth > 0)")
        assert all(tab.evaluate(MEASURE)), (name, k + 1)
        for image in tab.locator("section.shown figure > img").all():  # without a slider
            image.click()
            assert image.bounding_box()["width"] > 1200
        for slider in tab.locator("section.shown .interactive input").all():
            slider.focus()
            tab.keyboard.press("Home")
            tab.keyboard.press("ArrowRight")
            assert slider.input_value() == "1"
            slider.click()  # by mouse: the arrow below turns the slide
        said = tab.locator("section.shown aside").text_content().strip()
        assert not tab.locator("section.shown aside").is_visible()
        assert said in window.value.locator("body").text_content()
        (window.value if k % 2 else tab).keyboard.press("ArrowRight")
    assert tab.locator("mjx-merror").count() == 0
    assert not tab.locator("text=/\\\\[(\\[]/").count()  # formulas are set
    assert len(PdfReader(io.BytesIO(tab.pdf(prefer_css_page_size=True))).pages) == count
    tab.goto((folder / f"{name}-notes.html").as_uri())
    assert all(aside.is_visible() for aside in tab.locator("aside").all())
    assert tab.locator("aside").count() == count and wrong == []
    tab.close()
