"""The rendered book, opened in a browser."""

import functools
import gzip
import re
import shutil
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

import pytest

ROOT = Path(__file__).parent.parent
HTML = ROOT / "_build" / "html"
CONTENTS = (ROOT / "_toc.yml").read_text(encoding="utf-8")
PAGES = re.findall(r"^\W*(?:root|file): (\S+)", CONTENTS, re.MULTILINE)
# The cards look things up, the claims sum up; every other numbered page teaches.
CHAPTERS = [page for page in PAGES if re.match(r"book/\d\d-(?!loss-cards|claims)", page)]
GENERATED = {"index", "genindex", "search", "prf-prf"}
SCREENS = {"desktop": (1280, 900), "phone": (390, 844)}
# To look at; a picture of a whole page takes as long as all that is checked on it.
SHOTS = ROOT / "_build" / "screenshots"
SHOWN = [("desktop", "light"), ("phone", "dark")]
THEMES = ("light", "dark")
# Without these Chromium asks its maker's servers for updates.
QUIET = ["--disable-background-networking", "--disable-component-update", "--disable-sync"]

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def site():
    if not (HTML / "index.html").exists():
        pytest.skip("the book is not built: make book")
    handler = functools.partial(SimpleHTTPRequestHandler, directory=str(HTML))
    handler.func.log_message = lambda *args: None
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def browser():
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        pytest.skip("chromium is not installed")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium, args=["--no-sandbox", *QUIET], headless=True
        )
        yield browser
        browser.close()


def open_page(browser, site, page, *, screen="desktop", theme="light"):
    """Open a page on a machine of that theme; return it with what went wrong on the way."""
    width, height = SCREENS[screen]
    context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=theme)
    tab, wrong = context.new_page(), []
    tab.on("console", lambda m: wrong.append(m.text) if m.type in ("error", "warning") else None)
    tab.on("pageerror", lambda error: wrong.append(str(error)))
    tab.on("requestfailed", lambda request: wrong.append(f"failed: {request.url}"))
    tab.on(
        "request",
        lambda request: (
            None if request.url.startswith((site, "data:")) else wrong.append(request.url)
        ),
    )
    tab.goto(f"{site}/{page}.html", wait_until="networkidle")
    tab.wait_for_function("window.MathJax === undefined || window.MathJax.startup !== undefined")
    tab.evaluate("async () => { if (window.MathJax) await MathJax.startup.promise }")
    return tab, wrong


def test_every_rendered_page_is_looked_at(site):
    paths = [path.relative_to(HTML) for path in HTML.rglob("*.html")]
    rendered = {path.with_suffix("").as_posix() for path in paths if path.parts[0] != "_static"}
    assert rendered - GENERATED == set(PAGES)


@pytest.mark.parametrize("page", PAGES)
def test_no_text_of_a_table_is_cut(site, page):
    """As pandas does from 50 characters on."""
    html = (HTML / f"{page}.html").read_text(encoding="utf-8")
    assert re.findall(r">([^<>]*\.\.\.)</td>", html) == []


@pytest.mark.parametrize("page", PAGES)
def test_tables_count_as_tables_and_figures_as_figures(site, page):
    html = (HTML / f"{page}.html").read_text(encoding="utf-8")
    for figure in re.findall(r"<figure.*?</figure>", html, flags=re.DOTALL):
        number = re.search(r'class="caption-number">(\w+)', figure)
        assert number and number[1] == ("Table" if "<table" in figure else "Fig"), figure[:300]


@functools.cache
def sent(file):
    """Bytes of a file as servers send it."""
    return len(gzip.compress(file.read_bytes()))


def weight(tab, site):
    """Bytes of a page with scripts, fonts and figures."""
    loaded = "() => performance.getEntriesByType('resource').map(x => x.name)"
    addresses = {tab.url, *tab.evaluate(loaded)}
    paths = [urlsplit(a).path for a in addresses if a.startswith(site)]
    assert len(paths) > 5
    return sum(sent(HTML / unquote(path.removeprefix("/"))) for path in paths)


# Of every kind one, which axe reads in dark, too, and with all colours: these take most of its
# time, and come from the styles that all pages share.
SAMPLE = {
    "intro",
    "book/04-robust-loss",
    "book/15-overall",
    "book/31-loss-cards",
    "book/claims-ledger",
    "book/reference-losses",
}
# What is folded is read by nobody before it is open.
UNFOLD = """async () => {
    for (const fold of document.querySelectorAll("article details")) fold.open = true;
    for (const fold of document.querySelectorAll("article .toggle-hidden .toggle-button"))
        fold.click();
    await new Promise((done) => setTimeout(done, 100));
}"""
FADED = "() => document.getAnimations().forEach((fading) => fading.finish())"
# Tables of which something is out of sight, and can be neither scrolled to nor reached by a key.
CUT = """() => [...document.querySelectorAll("article table")].filter((table) => {
    for (let box = table; box.tagName != "ARTICLE"; box = box.parentElement) {
        const flow = getComputedStyle(box).overflowX;
        if (!box.clientWidth || box.scrollWidth <= box.clientWidth + 1 || flow == "visible")
            continue;
        return box.tabIndex != 0 || !["auto", "scroll"].includes(flow);
    }
    return table.getBoundingClientRect().right > innerWidth;
}).map((table) => (table.closest("figure") ?? table).outerHTML.slice(0, 200))"""
DOUBLED = """() => {
    const all = [...document.querySelectorAll("[id]")].map((x) => x.id);
    return all.filter((id, k) => all.indexOf(id) != k);
}"""


def barriers(tab, *, colours):
    """What axe finds on a page that keeps somebody from reading it: rule, and where."""
    from axe_playwright_python.base import AXE_SCRIPT

    # Most of a page's elements are parts of formulas, which have the colour of the text, and words
    # of code.
    tab.locator("mjx-container").evaluate_all("all => all.forEach((formula) => formula.remove())")
    if not colours:
        plain = "all => all.forEach((pre) => { pre.textContent = pre.textContent; })"
        tab.locator(".highlight pre").evaluate_all(plain)
    tab.evaluate(AXE_SCRIPT)
    asked = {"resultTypes": ["violations"], "preload": False}
    asked["rules"] = {"color-contrast": {"enabled": colours}}
    found = tab.evaluate("asked => axe.run(asked).then((results) => results.violations)", asked)
    return [
        (rule["id"], node["html"][:200])
        for rule in found
        if rule["impact"] in ("serious", "critical")
        for node in rule["nodes"]
    ]


# Of every image of a page what is said of it, and how it shows.
IMAGES = """() => [...document.querySelectorAll("article img")].map((image) => {
    const box = image.getBoundingClientRect(), style = getComputedStyle(image);
    return {
        alt: image.getAttribute("alt") ?? "",
        loaded: image.complete && image.naturalWidth > 0,
        inside: box.right <= innerWidth,
        captioned: Boolean(image.closest("figure")?.querySelector("figcaption")),
        visible: image.checkVisibility() && box.width > 0,
        scale: box.width / image.naturalWidth,
        inverted: style.filter.includes("invert"),
    };
})"""
NOWHERE = """() => [...document.querySelectorAll("article a.reference.internal")]
    .map((link) => link.getAttribute("href") ?? "")
    .filter((target) => /^#./.test(target))
    .filter((target) => document.querySelectorAll(`[id="${target.slice(1)}"]`).length != 1)"""


def in_theme(tab, theme):
    """What somebody sees whose machine changes its theme in the evening."""
    tab.emulate_media(color_scheme=theme)
    tab.wait_for_function(f"document.documentElement.dataset.theme == '{theme}'")
    tab.evaluate(FADED)


@pytest.mark.parametrize("screen", SCREENS)
@pytest.mark.parametrize("page", PAGES)
def test_pages_as_a_person_sees_them(browser, site, page, screen):
    tab, wrong = open_page(browser, site, page, screen=screen)
    assert weight(tab, site) < 1e6
    # Mathematics: all of it rendered, none of it broken.
    math = tab.locator("article .math")
    assert tab.locator("article mjx-container").count() >= math.count()
    assert tab.locator("mjx-merror").count() == 0
    assert not any("\\(" in text or "\\[" in text for text in math.all_inner_texts())
    assert tab.evaluate(NOWHERE) == []
    assert tab.evaluate(DOUBLED) == []
    for theme in THEMES:
        in_theme(tab, theme)
        if (screen, theme) in SHOWN:
            SHOTS.mkdir(exist_ok=True)
            tab.screenshot(path=SHOTS / f"{Path(page).name}-{screen}-{theme}.png", full_page=True)
        too_wide = tab.evaluate("document.documentElement.scrollWidth - window.innerWidth")
        assert too_wide <= 0
        for image in tab.evaluate(IMAGES):
            alt = image["alt"]
            assert len(alt) > 40 and "/" not in alt.split()[0], alt
            assert image["loaded"] and image["inside"] and image["captioned"], alt
            assert image["inverted"] == (theme == "dark"), alt
            if screen == "phone" and image["visible"]:  # the smallest letters: 10 points drawn
                assert image["scale"] * 10 * 96 / 72 >= 9, alt
    if screen == "desktop":
        tab.evaluate(UNFOLD)
        tab.evaluate(FADED)
        assert tab.evaluate(CUT) == []
        for theme in THEMES if page in SAMPLE else THEMES[:1]:
            in_theme(tab, theme)
            assert barriers(tab, colours=page in SAMPLE) == []
    assert wrong == []
    tab.context.close()


@pytest.mark.parametrize("page", CHAPTERS)
def test_a_chapter_folds_its_proofs_and_downloads_as_a_notebook(browser, site, page):
    tab, wrong = open_page(browser, site, page)
    assert tab.locator("article details:not([open])").count() >= 3  # proofs and plotting code
    solutions = tab.locator("article div.solution")
    assert solutions.count() >= 2
    assert tab.locator("article div.solution.toggle-hidden").count() == solutions.count()
    proofs = "{dropdown}" in (ROOT / f"{page}.md").read_text(
        encoding="utf-8"
    )  # a chapter of experiments has none
    fold = tab.locator("article details.sd-dropdown" if proofs else "article details").first
    fold.locator("summary").click()
    assert fold.get_attribute("open") is not None
    notebook = tab.request.get(f"{site}/_sources/{page}.ipynb").json()
    assert notebook["nbformat"] == 4
    assert any(cell.get("outputs") for cell in notebook["cells"])
    assert tab.locator(f"a[href$='_sources/{page}.ipynb']").count() >= 1
    assert wrong == []


def test_icons_are_drawn_from_files_too(browser, site):
    tab, wrong = browser.new_page(), []
    tab.on("console", lambda m: wrong.append(m.text) if m.type == "error" else None)
    tab.goto(f"file://{HTML}/{PAGES[0]}.html", wait_until="networkidle")
    drawn = """i => [getComputedStyle(i, '::before').content, getComputedStyle(i).fontFamily]"""
    seen = [i.evaluate(drawn) for i in tab.locator("[class*='fa-']:visible").all()]
    assert len(seen) >= 3
    for content, family in seen:
        assert content not in ("none", "normal", '""') and "Font Awesome" in family
    faces = "document.fonts.ready.then(f => [...f].filter(x => x.status == 'loaded').length)"
    assert tab.evaluate(faces) >= 1
    assert wrong == []
    tab.close()


def test_a_page_is_printed_light_and_unfolded(browser, site):
    tab, wrong = open_page(browser, site, "book/04-robust-loss", theme="dark")
    tab.evaluate(
        """() => addEventListener("beforeprint", () => { window.seen = [
            document.documentElement.dataset.theme,
            document.querySelectorAll("article details:not(.above-input, [open])").length,
            document.querySelectorAll("article .toggle-hidden:not(details)").length] })"""
    )
    folded = tab.locator("article details:not(.above-input, [open])").count()
    tab.pdf()
    assert tab.evaluate("window.seen") == ["light", 0, 0]
    assert tab.evaluate("document.documentElement.dataset.theme") == "dark"
    assert tab.locator("article details:not(.above-input, [open])").count() == folded > 2
    assert wrong == []
    tab.context.close()


@pytest.mark.parametrize("page", ["book/05-temperature-radius", "book/reproducibility"])
def test_what_scrolls_on_a_screen_is_printed_whole(browser, site, page):
    tab, wrong = open_page(browser, site, page)
    tab.set_viewport_size({"width": 718, "height": 1000})  # a sheet of A4 between its margins
    tab.emulate_media(media="print")
    cut = """all => all.filter(x => x.scrollWidth > x.clientWidth + 1 && x.clientWidth
        && getComputedStyle(x).overflowX != "visible").map(x => x.outerHTML.slice(0, 200))"""
    assert tab.locator("article :is(pre, table, div)").evaluate_all(cut) == []
    controls = tab.locator(".interactive input, details.above-input:not(:has(.cell_output))")
    assert controls.count() and not any(control.is_visible() for control in controls.all())
    assert wrong == []
    tab.context.close()


def test_a_table_whose_code_is_folded_is_printed_without_the_code(browser, site):
    tab, wrong = open_page(browser, site, "book/17-negative-noise")
    fold = tab.locator("article details.above-input:has(table)").first
    title = fold.locator("summary .expanded")
    table, said = fold.locator("table"), title.text_content()
    assert not table.is_visible() and said == "Hide the numbers"
    tab.emulate_media(media="print")
    tab.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert table.is_visible() and title.text_content() == "The numbers"
    assert not fold.locator(".cell_input").is_visible()
    tab.evaluate("dispatchEvent(new Event('afterprint'))")
    assert not table.is_visible() and title.text_content() == said
    assert wrong == []
    tab.context.close()


def test_the_landing_page_says_its_title_once(browser, site):
    tab, wrong = open_page(browser, site, "intro")
    assert tab.title() == "The BSL Book"
    assert tab.locator(".navbar-brand").first.inner_text().strip() == "The BSL Book"
    assert len(tab.locator("meta[name=description]").get_attribute("content")) > 50
    assert wrong == []
    tab.context.close()


# What is looked for, and the page that says most about it.
FOUND_FIRST = {
    "temperature": "book/03-scores-and-temperature",
    "robust": "book/04-robust-loss",
    "false negatives": "book/07-false-negatives",
    "variance": "book/08-variance",
    "noisy positives": "book/18-positive-noise",
    "fairness": "book/19-fairness",
    "softmax_loss": "book/reference-losses",
}


@pytest.mark.parametrize("words", FOUND_FIRST)
def test_search_finds_the_page_on_a_subject_first_offline(browser, site, words):
    tab, wrong = open_page(browser, site, "search")
    tab.goto(f"{site}/search.html?q={quote(words)}", wait_until="networkidle")
    hits = tab.locator("#search-results li")
    hits.nth(1).wait_for()
    assert hits.first.locator("a").get_attribute("href").startswith(FOUND_FIRST[words] + ".html")
    for excerpt in tab.locator("#search-results p.context").all_text_contents():
        assert not excerpt.lstrip(". ").startswith(("pdf", "Contents"))
    assert wrong == []
    tab.context.close()


MOVED = {
    "book/04-robust-loss": 1,
    "book/05-temperature-radius": 1,
    "book/08-variance": 1,
    "book/10-doubtful-positives": 1,
    "book/12-bilateral": 1,
}


@pytest.mark.parametrize("screen", SCREENS)
@pytest.mark.parametrize("page", MOVED)
def test_interactive_figures_move_without_a_kernel(browser, site, page, screen):
    tab, wrong = open_page(browser, site, page, screen=screen)
    figures = tab.locator("article .interactive")
    assert figures.count() == MOVED[page]
    for figure in figures.all():
        figure.scroll_into_view_if_needed()
        control, said = figure.locator("input"), figure.locator("output")
        image = figure.locator("img")
        shown = "i => i.complete && i.naturalWidth > 0 && i.getBoundingClientRect().width"
        assert image.evaluate(shown) > 300
        control.focus()
        seen = set()
        tab.keyboard.press("Home")
        for _ in range(int(control.get_attribute("max")) + 1):
            assert image.evaluate("async i => (await i.decode(), i.naturalWidth)") > 0
            assert control.get_attribute("aria-valuetext") == said.text_content()
            seen.add((image.get_attribute("src"), said.text_content()))
            tab.keyboard.press("ArrowRight")
        assert len(seen) == int(control.get_attribute("max")) + 1
    # A browser that goes back may move a slider to where it was left, but not the drawing.
    tab.goto(f"{site}/intro.html", wait_until="networkidle")
    tab.go_back(wait_until="networkidle")
    at = "b => JSON.parse(b.dataset.stops)[b.querySelector('input').value].said"
    for figure in figures.all():
        assert figure.evaluate(at) == figure.locator("output").text_content()
    assert wrong == []
    tab.context.close()
