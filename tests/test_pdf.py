"""The book as one file."""

import sys
from io import BytesIO
from pathlib import Path
from unittest.mock import MagicMock

import pytest
from pypdf import PdfReader, PdfWriter
from pypdf.annotations import Link
from pypdf.generic import DictionaryObject, NameObject, TextStringObject

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "book" / "_ext"))

import pdf  # noqa: E402

SITE = "http://127.0.0.1:1"


def sheets(n, *links):
    """Some sheets, the first of which has links."""
    writer = PdfWriter()
    for _ in range(n):
        writer.add_blank_page(width=100, height=100)
    for address in links:
        link = Link(rect=(0, 0, 10, 10), url=address)
        link[NameObject("/A")] = DictionaryObject(
            {
                NameObject("/S"): NameObject("/URI"),
                NameObject("/URI"): TextStringObject(address),
            }
        )
        writer.add_annotation(0, link)
    file = BytesIO()
    writer.write(file)
    return file.getvalue()


def test_the_contents_are_those_of_the_book():
    parts = pdf.contents()
    assert parts[0] == ("", ["intro"])
    assert ("The answer first", ["book/00-claims-at-a-glance"]) in parts
    pages = [page for _, several in parts for page in several]
    assert len(pages) == len(set(pages)) > 20
    assert all((ROOT / f"{page}.md").exists() for page in pages)


def test_parts_are_joined_with_an_outline_and_links_lead_inside(tmp_path):
    links = (
        f"{SITE}/b/two.html#a-section",
        "https://arxiv.org/abs/2312.12882",
        f"{SITE}/gone.html",
    )
    parts = [("", [("intro", "The book", sheets(2, *links))])]
    parts += [("I", [("b/one", "One", sheets(1)), ("b/two", "Two", sheets(3))])]
    target = tmp_path / "book.pdf"
    assert pdf.join(parts, SITE, target) == 6
    assert list(tmp_path.iterdir()) == [target]
    book = PdfReader(target)
    assert len(book.pages) == 6 and book.metadata.title == "The BSL Book"
    assert book.metadata.author and book.trailer["/Root"]["/Lang"] == "en"
    first, part, below = book.outline
    assert (first.title, part.title, [x.title for x in below]) == ("The book", "I", ["One", "Two"])
    assert [book.get_destination_page_number(x) for x in (part, *below)] == [2, 2, 3]
    inside, outside, gone = (x.get_object() for x in book.pages[0]["/Annots"])
    assert book.get_page_number(inside["/Dest"][0].get_object()) == 3 and "/A" not in inside
    assert outside["/A"]["/URI"] == links[1] and gone["/A"]["/URI"] == links[2]


def test_the_foot_says_any_title():
    browser = MagicMock()
    tab = browser.new_page()
    tab.locator().first.inner_text.return_value = "P & Q < 1#"
    assert pdf.printed(browser, SITE, "a")[0] == "P & Q < 1"
    assert ">P &amp; Q &lt; 1</div>" in tab.pdf.call_args.kwargs["footer_template"]


def test_what_is_missing_is_named(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(pdf, "HTML", tmp_path)
    monkeypatch.setattr(pdf.shutil, "which", lambda name: "/usr/bin/chromium")
    assert pdf.main() == 2 and "intro is not built: make book" in capsys.readouterr().err
    monkeypatch.setattr(pdf.shutil, "which", lambda name: None)
    assert pdf.main() == 2 and "install Chromium" in capsys.readouterr().err


@pytest.mark.slow
def test_a_chapter_is_printed_whole(monkeypatch, tmp_path):
    if not (pdf.HTML / "intro.html").exists() or pdf.shutil.which("chromium") is None:
        pytest.skip("needs the built book and chromium")
    chapters = ["book/04-robust-loss", "book/17-negative-noise", "book/23-choose"]
    monkeypatch.setattr(pdf, "contents", lambda: [("II", chapters)])
    monkeypatch.setattr(pdf, "TARGET", pdf.ROOT / "_build" / "of-a-test.pdf")
    try:
        assert pdf.main() == 0
        book = PdfReader(pdf.TARGET)
        text = "\n".join(page.extract_text() for page in book.pages)
        for said in ("Softmax loss is a robust loss", "Gibbs", "Solution to", "Summary", "Choose"):
            assert said in text
        assert "Relative entropy is never negative" in text  # inside a folded proof
        assert "Table 17.1" in text and "Hide the numbers" not in text  # its code is folded
        assert "the entropy of that coin" in " ".join(text.split())  # and a folded solution
        assert 20 < len(book.pages) < 70
        assert all(x.extract_text().split()[-1] == str(n) for n, x in enumerate(book.pages, 1))
        listed = [x.title for x in book.outline if not isinstance(x, list)]
        assert listed[-1] == "Contents"  # behind the first part
    finally:
        pdf.TARGET.unlink(missing_ok=True)
