"""The book as one file: ``python book/_ext/pdf.py`` prints the built pages in their order.

As a reader would who opens proofs and solutions and prints: Debian's Chromium lays the pages out,
and they are joined with an outline and with their links. Figures that move stand as at first.
"""

import functools
import html
import re
import shutil
import sys
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright
from pypdf import PdfReader, PdfWriter
from pypdf.generic import ArrayObject, NameObject, TextStringObject

ROOT = Path(__file__).parent.parent.parent
HTML = ROOT / "_build" / "html"
TARGET = ROOT / "_build" / "bsl-book.pdf"
LAYOUT = {
    "format": "A4",
    "scale": 0.85,
    "margin": {"top": "18mm", "bottom": "18mm", "left": "16mm", "right": "16mm"},
    "display_header_footer": True,
    "header_template": "<span></span>",
    "print_background": True,
}
WIDTH = 790  # pixels of a sheet between its margins at that scale, so that figures fit
FOOT = (
    '<div style="font-size:8px;width:100%;padding:0 16mm;text-align:center;font-family:sans-serif">'
    "{title}</div>"
)
NUMBER = FOOT.replace("center", "right").format(title='<span class="pageNumber"></span>')
LIST = """<style>
body { font-family: sans-serif; } table { width: 100%; border-collapse: collapse; }
td { padding: 2px 0 2px 1em; } td + td { text-align: right; } a { color: inherit; }
th { padding-top: 0.8em; text-align: left; break-after: avoid; }
</style><h1>Contents</h1>"""
# Pages print light, unfolded and whole by themselves (print.js, bsl.css); here without controls.
STYLE = """
* { animation: none !important; transition: none !important; }
.bd-sidebar-primary, .bd-sidebar-secondary, .bd-header, .bd-header-article, .prev-next-footer,
.bd-footer, .toggle-button, .copybtn, .skip-link, #pst-back-to-top
  { display: none !important; }
.bd-main .bd-content .bd-article-container { max-width: 100% !important; }
#jb-print-docs-body { display: none !important; }
.bd-main .bd-content .bd-article h1:first-of-type { display: block; margin-top: 0; }
div.cell_input, div.highlight, div[class*="highlight-"] {
  display: block !important; break-inside: auto !important;
}
details, .admonition { overflow: visible !important; }
table { break-inside: auto !important; }
:is(table, .pst-scrollable-table-container):not(:has(tbody > tr:nth-child(9))) {
  break-inside: avoid !important;
}
thead, caption { break-after: avoid; }
details.admonition:has(tbody > tr:nth-child(20)) { break-inside: auto; }
pre { break-inside: auto !important; font-size: 12px; orphans: 4; widows: 4; }
figure, tr, dt, caption, .admonition-title, .sd-card { break-inside: avoid; }
table:has(> tbody [rowspan]) tr { break-inside: auto; }
td, th:not([rowspan]) { break-inside: avoid; }
dl.field-list { display: block !important; }
h1, h2, h3, dt, p.rubric { break-after: avoid; }
"""

# Opens what is folded, makes smaller what is wider than its place, and keeps short code whole.
FITTED = """() => {
  dispatchEvent(new Event("beforeprint"));
  for (const formula of document.querySelectorAll('mjx-container[display="true"]')) {
    const size = parseFloat(getComputedStyle(formula).fontSize);
    const wide = formula.scrollWidth / formula.clientWidth;
    if (wide > 1) formula.style.fontSize = `${size / wide}px`;
  }
  for (const table of document.querySelectorAll("article table")) {
    const wide = table.offsetWidth / table.parentElement.clientWidth;
    if (wide > 1) table.style.zoom = 1 / wide;
  }
  for (const code of document.querySelectorAll("article pre"))
    if (code.clientHeight < 250) code.style.setProperty("break-inside", "avoid", "important");
}"""


Parts = list[tuple[str, list[tuple[str, str, bytes]]]]  # names, titles and sheets of their pages


def contents() -> list[tuple[str, list[str]]]:
    """Titles of the parts, each with its pages; the landing page stands alone."""
    text = (ROOT / "_toc.yml").read_text(encoding="utf-8")
    parts: list[tuple[str, list[str]]] = [("", [])]
    for line in text.splitlines():
        if found := re.match(r'^\s*- caption: "?(.*?)"?$', line):
            parts.append((found[1], []))
        elif found := re.match(r"^\W*(?:root|file): (\S+)", line):
            parts[-1][1].append(found[1])
    return parts


def printed(browser: Browser, site: str, page: str) -> tuple[str, bytes]:
    """The title of a page, and the page as a file of its own."""
    tab = browser.new_page(color_scheme="light", viewport={"width": WIDTH, "height": 1100})
    tab.emulate_media(media="print")
    tab.goto(f"{site}/{page}.html", wait_until="networkidle")
    tab.evaluate("() => window.MathJax?.startup?.promise")  # all formulas are set
    tab.add_style_tag(content=STYLE)
    tab.evaluate(FITTED)
    title = tab.locator("article h1").first.inner_text().rstrip("#").strip()
    sheet = tab.pdf(**LAYOUT, footer_template=FOOT.format(title=html.escape(title)))
    tab.close()
    return title, sheet


def count(sheets: bytes) -> int:
    """How many sheets a file has."""
    return len(PdfReader(BytesIO(sheets)).pages)


def listed(browser: Browser, parts: Parts, site: str) -> bytes:
    """The table of contents, for behind the first part, with the first sheet of each page."""
    tab, own = browser.new_page(), 1
    while True:
        rows, number = [], 1
        for place, (part, pages) in enumerate(parts):
            number += own if place == 1 else 0
            rows += [f"<tr><th colspan=2>{html.escape(part)}</th></tr>"] if part else []
            for name, title, sheets in pages:
                link = f'<a href="{site}/{name}.html">{html.escape(title)}</a>'
                rows.append(f"<tr><td>{link}</td><td>{number}</td></tr>")
                number += count(sheets)
        tab.set_content(f"{LIST}<table>{''.join(rows)}</table>")
        table = tab.pdf(**LAYOUT, footer_template=FOOT.format(title="Contents"))
        if count(table) == own:  # which the numbers hold for
            tab.close()
            return table
        own = count(table)


def numbers(browser: Browser, many: int) -> bytes:
    """So many sheets, empty but for their number at the foot."""
    tab = browser.new_page()
    tab.set_content("<p style='break-after: page'>&nbsp;</p>" * many)
    sheets = tab.pdf(**LAYOUT, footer_template=NUMBER)
    tab.close()
    return sheets


def join(parts: Parts, site: str, target: Path, over: bytes = b"") -> int:
    """Write parts, with the name, title and sheets of each page, as one file; the number of sheets.

    A link to another page leads to its first sheet; one to elsewhere stays. The sheets of over are
    laid over those of the book.
    """
    writer, first = PdfWriter(), {}
    for part, pages in parts:
        above = None
        for name, title, sheets in pages:
            first[name] = len(writer.pages)
            writer.append(PdfReader(BytesIO(sheets)), import_outline=False)
            if part and above is None:
                above = writer.add_outline_item(title=part, page_number=first[name])
            writer.add_outline_item(title=title, page_number=first[name], parent=above)
    if over:
        for sheet, number in zip(writer.pages, PdfReader(BytesIO(over)).pages, strict=False):
            sheet.merge_page(number)
            sheet.compress_content_streams()  # merging has unpacked them
    for sheet in writer.pages:
        for link in (x.get_object() for x in sheet.get("/Annots", ())):
            address = link.get("/A", {}).get("/URI", "")
            name = address.removeprefix(f"{site}/").partition("#")[0].removesuffix(".html")
            if address.startswith(site) and name in first:
                to = writer.pages[first[name]].indirect_reference
                link[NameObject("/Dest")] = ArrayObject([to, NameObject("/Fit")])
                del link["/A"]
    writer.add_metadata({"/Title": "The BSL Book", "/Author": "The BSL book contributors"})
    writer.root_object[NameObject("/Lang")] = TextStringObject("en")
    writer.page_mode = "/UseOutlines"
    writer.compress_identical_objects()
    unfinished = target.with_suffix(".unfinished")
    writer.write(unfinished)
    unfinished.replace(target)
    return len(writer.pages)


def main() -> int:
    """Print the book; 2 if it is not built, or nothing can print it."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        print("error: install Chromium, which prints: apt-get install chromium", file=sys.stderr)
        return 2
    missing = [x for _, pages in contents() for x in pages if not (HTML / f"{x}.html").exists()]
    if missing:
        print(f"error: {missing[0]} is not built: make book", file=sys.stderr)
        return 2
    handler = functools.partial(SimpleHTTPRequestHandler, directory=str(HTML))
    handler.func.log_message = lambda *args: None
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    site = f"http://127.0.0.1:{server.server_port}"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        parts = [
            (part, [(page, *printed(browser, site, page)) for page in pages])
            for part, pages in contents()
        ]
        parts.insert(1, ("", [("contents", "Contents", listed(browser, parts, site))]))
        many = sum(count(sheets) for _, pages in parts for _, _, sheets in pages)
        over = numbers(browser, many)
        browser.close()
    server.shutdown()
    server.server_close()
    sheets = join(parts, site, TARGET, over)
    print(f"{TARGET.relative_to(ROOT)}: {sheets} sheets, {TARGET.stat().st_size / 1e6:.1f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
