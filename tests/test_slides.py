"""Slides: every figure is one of the book, every slide has notes, and decks show offline."""

import re
import shutil
import sys
from pathlib import Path

import pytest

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
    references = re.findall(
        r"\b((?:ex|thm|prop|cor)-[a-z-]*[a-z])", " ".join(s.notes for s in slides)
    )
    assert all(f":label: {name}\n" in PAGES for name in references), references


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
        "</figure><figure><img></figure>",
        encoding="utf-8",
    )
    return folder


def test_figures_are_read_off_pages(tmp_path):
    found = make.figures(site(tmp_path))
    assert set(found) == {"fig-a", "fig-b"}
    image = '<img alt="A line" src="../html/book/../_images/a.svg">'
    assert found["fig-a"].strip() == image
    assert "var a = 1;\n\n" in found["fig-b"]


def test_a_deck_is_one_page_with_its_formulas_and_notes(tmp_path):
    drawn = make.figures(site(tmp_path))
    source = tmp_path / "deck.md"
    source.write_text(
        "# A < b\n\n$\\tau$ & so\n\n$$x_1 < 2$$\n\nNotes: Say *it*.\n---\n"
        "## Two\n\n![](fig-b)\n\n![](fig-a)\n\nNotes: Ask.\n",
        encoding="utf-8",
    )
    page = make.deck(source, drawn)
    assert page.count("<section>") == page.count("<aside>") == 2
    assert "<title>A &lt; b</title>" in page and "\\(\\tau\\)" in page
    assert "\\[x_1 &lt; 2\\]" in page and "<em>it</em>" in page
    assert all(drawn[name].strip() in page for name in ("fig-a", "fig-b"))
    assert not re.search(r"(src|href)=\"https?:", page)


@pytest.mark.parametrize(
    "text, said",
    [
        ("# A\n\nNotes: a\n---\n# B\n", "deck.md: slide 2 has no notes"),
        ("# A\n\nNotes:\n", "deck.md: slide 1 has no notes"),
        ("# A\n\n![](fig-none)\n\nNotes: a\n", "deck.md: no page of the built book has fig-none"),
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


def outside(address):
    return [address] if address.startswith("http") else []


@pytest.mark.slow
def test_decks_of_the_built_book_show_in_a_browser(monkeypatch, tmp_path):
    chromium = shutil.which("chromium")
    if chromium is None or not (make.HTML / "intro.html").exists():
        pytest.skip("needs the built book and chromium")
    from playwright.sync_api import sync_playwright

    monkeypatch.setattr(make, "TARGET", make.ROOT / "_build" / "slides-of-a-test")
    try:
        assert make.main() == 0
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
            for source in make.decks():
                tab, wrong = browser.new_page(viewport={"width": 1280, "height": 800}), []
                tab.on("pageerror", lambda error, wrong=wrong: wrong.append(str(error)))
                tab.on(
                    "request", lambda r, wrong=wrong: r.url[:4] == "http" and wrong.append(r.url)
                )
                tab.goto((make.TARGET / f"{source.stem}.html").as_uri())
                tab.evaluate("() => window.MathJax?.startup?.promise")
                for k in range(len(make.read(source))):
                    assert tab.locator("section.shown").count() == 1
                    assert tab.locator("#at").inner_text().startswith(f"{k + 1} /")
                    for image in tab.locator("section.shown img").all():
                        image.wait_for()
                        assert image.evaluate("i => i.decode().then(() => i.naturalWidth > 0)")
                    height = tab.evaluate("document.documentElement.scrollHeight")
                    assert height <= 800 + 1, (source.stem, k + 1)
                    tab.keyboard.press("ArrowRight")
                assert tab.locator("mjx-merror").count() == 0 and wrong == []
                tab.keyboard.press("n")
                assert tab.locator("section.shown aside").is_visible()
                tab.close()
            browser.close()
    finally:
        shutil.rmtree(make.TARGET, ignore_errors=True)
