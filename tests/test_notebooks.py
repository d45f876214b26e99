"""Plain notebooks from pages: what becomes of every kind of MyST, and of the pages of the book."""

import base64
import io
import re
from pathlib import Path

import jupytext
import launch
import nbformat
import pytest
import yaml
from editions import in_set
from nbformat.v4 import new_code_cell, new_markdown_cell, new_output
from notebooks import HELD, KINDS, NOT_FOR_STUDENTS, glued, notebook
from PIL import Image
from plain import CELL, Page, folded, markdown

ROOT = Path(__file__).parent.parent
BUILT = ROOT / "_build" / "notebooks"
CONTENTS = (ROOT / "_toc.yml").read_text(encoding="utf-8")
PAGES = re.findall(r"^\W*(?:root|file): (\S+)", CONTENTS, re.MULTILINE)
CONFIG = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))
OPTIONS = CONFIG["sphinx"]["config"][
    "html_theme_options"
]  # instead of `repository`, which it hides
WORDS = {
    ("prf:ref", "thm-a"): ("Theorem 4.1", None),
    ("ref", "ex-a"): ("Exercise 4.2", None),
    ("numref", "fig-a"): ("Fig. 4.3", None),
    ("numref", "tab-a"): ("Table 4.1", None),
    ("eq", "eq-a"): ("(4)", None),
    ("doc", "other"): ("Another page", "other.ipynb"),
    ("cite:t", "wu2024bsl"): ("Wu et al. [2024]", "https://example.org/wu"),
    ("term", "softmax"): ("softmax", "notation.ipynb"),
}


def page(**more):
    def refer(role, content):
        if (role, content) not in WORDS:
            raise ValueError(f"{role} {content} leads nowhere")
        return WORDS[role, content]

    def link(target):
        return {"#here": None, "other": "other.ipynb"}.get(target, target)

    def image(path):
        return "image/svg+xml", base64.b64encode(path.encode()).decode()

    return Page(refer, link, image, **more)


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        (
            "{doc}`other` and {cite:t}`wu2024bsl`",
            "[Another page](other.ipynb) and [Wu et al. [2024]]",
        ),
        ("See {prf:ref}`thm-a`, {ref}`ex-a`.", "See Theorem 4.1, Exercise 4.2."),
        (
            "{numref}`fig-a`: {eq}`eq-a`, {term}`softmax`",
            "Fig. 4.3: (4), [softmax](notation.ipynb)",
        ),
        ("`{ref}` and ``a `{doc}` b`` stay", "`{ref}` and ``a `{doc}` b`` stay"),
        ("{math}`\\mu f`", "$\\mu f$"),
        ("{py:obj}`~a.b.fit` and {py:obj}`a.c`", "`fit` and `a.c`"),
        (
            "$\\mu_Q f[x](y) \\tau$, \\$5",
            "$\\mu_Q f[x](y) \\tau$, \\$5",
        ),
        ("$$\n\\pi f\n$$ (eq-a)", "$$\n\\pi f\n \\tag{4}$$"),
        (
            "[a *b*](other), [c](#here), [d](https://e.org)",
            "[a *b*](other.ipynb), c, [d](https://e.org)",
        ),
        ("[of {doc}`other`](https://e.org)", "of"),
        ("% a comment\n(a-target)=\n# Title", "# Title"),
        ("```python\n{ref}`x`\n```", "```python\n{ref}`x`\n```"),
        ("a\n\n---\n\nb", "a\n\n---\n\nb"),
        ("a\n```python\nx\n\n\ny\n```", "a\n\n```python\nx\n\n\ny\n```"),
    ],
)
def test_text(text, plain):
    assert plain in markdown(text, page())


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        (
            "````{prf:theorem} Of $\\mu f$\n:label: thm-a\nFor\n\n$$\na \\\\\nb\n$$\n````",
            "> **Theorem 4.1 (Of $\\mu f$).** For\n>\n> $$ a \\\\ b $$",
        ),
        ("```{prf:definition}\nA.\n```", "> **Definition.** A."),
        ("```{prf:proof}\nB.\n```", "> *Proof.* B."),
        (
            "```{dropdown} Proof of *it*, $Q^*$\nIt {doc}`other`.\n```",
            "<details>\n<summary><b>Proof of it, $Q^*$</b></summary>\n\n"
            "It [Another page](other.ipynb).\n\n</details>",
        ),
        ("```{admonition} A `b`\n:class: tip\nC\n\n* d\n```", "> **A `b`**\n>\n> C\n>\n> * d"),
        ("```{admonition} A\n:class: tip dropdown\nC\n```", folded("A", "C")),
        ("```{note}\nC\n```", "> **Note**\n>\n> C"),
        ("```{important} C\nd\n```", "> **Important**\n>\n> C\nd".replace("\nd", "\n> d")),
        ("```{math}\n:label: eq-a\n\\tau\n```", "$$\\tau \\tag{4}$$"),
        (
            "```{table} Cap {doc}`other`\n:name: tab-a\n\n| $\\mu$ |\n|---|\n| {ref}`ex-a` |\n```",
            "**Table 4.1.** Cap [Another page](other.ipynb)\n\n| $\\mu$ |\n|---|\n| Exercise 4.2 |",
        ),
        (
            "::::{grid} 1 2\n:gutter: 3\n\n:::{grid-item-card} I read\nThis.\n:::\n::::",
            "**I read**\n\nThis.",
        ),
        (
            "```{figure} a/b.svg\n---\nname: fig-a\nalt: A line.\n---\nIt *rises*.\n```",
            "![A line.](attachment:b.svg)\n\n**Fig. 4.3.** It *rises*.",
        ),
        ("```{code-block} python\nx = 1\n```", "```python\nx = 1\n```"),
        ("```{glossary}\nSL\n  A loss.\n```", "**SL**\n\nA loss."),
        ("```{eval-rst}\n.. public:: a.b\n```", "`help(a.b)` in a cell shows what stands here."),
        ("```{bibliography}\n:style: x\n```", "* One, 2024\n* Two, 2025"),
        ("  ```{note}\n  C\n  ```", "  > **Note**\n  >\n  > C"),
    ],
)
def test_directives(text, plain):
    made = markdown(text, page(bibliography=lambda: ["One, 2024", "Two, 2025"]))
    assert made.strip() == plain.strip()


EXERCISE = """````{exercise} Tune it
:label: ex-a
What is {numref}`fig-a`?
````

````{solution} ex-a
:class: dropdown
So:

```python
x = 1
```

Done.
````"""


def test_an_exercise_and_its_solution():
    asked = "> **Exercise 4.2 (Tune it).** What is Fig. 4.3?"
    content = "So:\n\n```python\nx = 1\n```\n\nDone."
    assert markdown(EXERCISE, page()) == f"{asked}\n\n" + folded(
        "Solution to Exercise 4.2", content
    )
    cut = markdown(EXERCISE, page(solutions="cut"))
    assert cut.startswith(asked) and cut.count(CELL) == 2
    assert "Solution to" not in cut and "x = 1" not in cut
    opened = markdown(EXERCISE, page(solutions="open")).split(CELL)
    assert opened[1] == "x = 1\n" and "**Solution to Exercise 4.2.** So:" in opened[0]
    assert "details" not in opened[0] and opened[2].strip() == "Done."


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("```{margin}\nx\n```", r"a directive that no notebook can show: \{margin\}"),
        ("```{exercise-start}\n```", r"\{exercise-start\}"),
        ("a {kbd}`x`", r"a role that no notebook can show: \{kbd\}`x`"),
        ("{ref}`nowhere`", "leads nowhere"),
        ("{glue:text}`lost`", "nothing is glued as 'lost'"),
        ("```{glue:figure} lost\n```", "no picture is glued as 'lost'"),
        ("```{note}\nx", "a block is not closed"),
        (":::plain\nx\n:::", "not a directive"),
    ],
)
def test_what_is_not_known_is_an_error(text, message):
    with pytest.raises(ValueError, match=message):
        markdown(text, page())


def test_a_glued_picture_comes_along_on_white():
    output = glue_output("drawn", plain="<Figure>")
    output.data["application/papermill.record/image/png"] = PICTURE
    code = new_code_cell("glue('drawn', figure)")
    code.outputs = [output]
    text = "```{glue:figure} drawn\n:name: fig-a\n:alt: A line.\n\nIt rises.\n```"
    told = page(glued=glued([code]))
    [_, _, made] = notebook("a", [code, new_markdown_cell(text)], told, "reader").cells
    assert made.source == "![A line.](attachment:drawn.png)\n\n**Fig. 4.3.** It rises."
    assert pixels(made.attachments["drawn.png"]["image/png"])[0] == (255, 255, 255)


def glue_output(name, **data):
    kinds = {f"application/papermill.record/text/{kind}": value for kind, value in data.items()}
    meta = {"scrapbook": {"name": name, "mime_prefix": "application/papermill.record/"}}
    return new_output("display_data", kinds, metadata=meta)


def png(*values):
    """A row of pixels as a PNG in base 64."""
    picture, file = Image.new("RGBA", (len(values), 1)), io.BytesIO()
    picture.putdata(values)
    picture.save(file, "png")
    return base64.b64encode(file.getvalue()).decode()


def pixels(png):
    picture = Image.open(io.BytesIO(base64.b64decode(png)))
    return [picture.getpixel((x, 0)) for x in range(picture.width)]


PICTURE = png((0, 0, 0, 0), (0, 0, 0, 255))


def made_cells():
    slider = {"text/html": '<div class="interactive"></div>', "text/plain": "<Slider>"}
    drawn = {"image/svg+xml": "<svg/>", "image/png": PICTURE, "text/plain": "<Figure>"}
    figure = {"figure": {"name": "fig-a", "caption": "It is {glue:text}`half`."}}
    first = new_code_cell("x", metadata={"tags": ["remove-cell"]}, execution_count=1)
    first.outputs = [
        glue_output("half", plain="'0.50'"),
        glue_output("table", plain="x", markdown="| {ref}`ex-a` |\n|---|"),
        glue_output("frame", plain="x", html="<style>a</style>\n<table>\n\n  <tr></tr></table>"),
        glue_output("number", plain="0.123456"),
    ]
    second = new_code_cell("plt.show()", execution_count=2)
    second.metadata = {"tags": ["hide-input"], "mystnb": figure | {"image": {"alt": "A line."}}}
    second.outputs = [
        new_output("display_data", drawn, metadata={"image/png": {"width": 1}, "other": {}}),
        new_output("stream", name="stdout", text="y"),
    ]
    third = new_code_cell("slider", execution_count=3)
    third.outputs = [new_output("execute_result", slider, execution_count=3)]
    said = "# T\n\n{glue:text}`half` is {glue:text}`number:.2f`.\n\n```{glue:md} table\n```"
    return [
        new_markdown_cell(said + "\n\n```{glue:} frame\n```"),
        first,
        second,
        third,
        new_markdown_cell(EXERCISE),
    ]


def test_every_list_of_sources_says_what_of_the_paper_is_there():
    bibliography = (ROOT / "book/bibliography.md").read_text(encoding="utf-8")
    assert bibliography.startswith(f"# Bibliography\n\n{HELD}\n\n```{{bibliography}}")
    landing = (ROOT / "intro.md").read_text(encoding="utf-8")
    for part in ("abstract, the first figure, the code, its logs, and", "have the full text"):
        assert part in landing and part in HELD


@pytest.mark.parametrize("kind", KINDS)
def test_a_figure_that_was_not_drawn_has_no_caption(kind):
    """As where nothing is recorded: its number would lead nowhere."""
    cells = made_cells()
    cells[2].outputs = [glue_output("gaps", plain="'all'")]
    cells[2].metadata["mystnb"]["figure"]["name"] = "fig-not-there"
    made = notebook("a", cells, page(glued=glued(cells)), kind, references=[])
    assert not any("0.50" in cell.source for cell in made.cells[3:])


@pytest.mark.parametrize("kind", KINDS)
def test_a_notebook_of_each_kind(kind):
    cells = made_cells()
    told = page(glued=glued(cells))
    made = notebook("a", cells, told, kind, references=["One"])
    nbformat.validate(made)
    sources = [cell.source for cell in made.cells]
    assert "pip install '.[notebooks]'" in sources[0] and made.cells[0].cell_type == "markdown"
    for word in ("jupyterlab", "CUDA", "keeps the numbers of the book's run"):
        assert word in sources[0]
    assert "0.50 is 0.12." in sources[1]
    assert "| Exercise 4.2 |\n|---|" in sources[1] and "<table>\n<tr></tr></table>" in sources[1]
    code = [cell for cell in made.cells if cell.cell_type == "code"]
    assert [cell.source for cell in code[:3]] == ["x", "plt.show()", "slider"]
    assert all(cell.metadata["jupyter"]["source_hidden"] for cell in code[:2])
    assert "mystnb" not in str(made) and "papermill" not in str(made) and code[0].outputs == []
    assert sources[sources.index("plt.show()") + 1] == "**Fig. 4.3.** It is 0.50."
    assert sources[-1] == f"## References\n\n{HELD}\n\n* One"
    if kind == "student":
        assert not any(cell.outputs or cell.execution_count for cell in code)
        assert code[3].source == "# Your solution" and "Done." not in "".join(sources)
    else:
        picture, printed = code[1].outputs
        assert set(picture.data) == {"image/png", "text/plain"}
        assert pixels(picture.data["image/png"]) == [(255, 255, 255), (0, 0, 0)]
        assert picture.metadata == {"image/png": {"width": 1, "alt": "A line."}}
        assert printed.text == "y"
        assert code[2].outputs[0].data == cells[3].outputs[0].data
        assert code[2].execution_count == 3
        assert ("x = 1\n" in [cell.source + "\n" for cell in code[3:]]) == (kind == "instructor")
    assert [cell | {"id": ""} for cell in cells] == [cell | {"id": ""} for cell in made_cells()]
    again = notebook("a", cells, told, kind, references=["One"])
    assert again == made and len({cell.id for cell in made.cells}) == len(made.cells)


def test_what_a_notebook_installs():
    made = notebook("a", [], page(), "reader", address="https://github.com/owner/book")
    assert "JupyterLab" in made.cells[0].source and "book's run" in made.cells[0].source
    assert made.cells[1].cell_type == "code"
    assert '"bslutils[notebooks] @ git+https://github.com/owner/book"' in made.cells[1].source
    with pytest.raises(
        ValueError, match="kind must be one of reader, student, instructor, got 'x'"
    ):
        notebook("a", [], page(), "x")


def test_a_picture_comes_along():
    cell = new_markdown_cell("![A line](../_static/line.svg)\n\n![B](c/d.png)")
    [_, made] = notebook("a", [cell], page(), "reader").cells
    assert made.source == "![A line](attachment:line.svg)\n\n![B](attachment:d.png)"
    assert set(made.attachments) == {"line.svg", "d.png"}
    content = made.attachments["line.svg"]["image/svg+xml"]
    assert base64.b64decode(content) == b"../_static/line.svg"


RAW = re.compile(r"\{[a-z][\w:-]*\}`|^ *(?:`{3,}|:{3,})\{|^\([\w-]+\)=|\{\{", re.MULTILINE)


def test_mathematics_needs_no_macros():
    """JupyterLab, Colab and GitHub know none of a book's own."""
    for page in PAGES:
        text = (ROOT / f"{page}.md").read_text(encoding="utf-8")
        assert not re.findall(r"\\(?:E|Var|KL)(?![A-Za-z])|\\(?:re)?newcommand", text), page


def left_raw(source):
    """What of MyST is left in the Markdown of a cell, outside of code."""
    shown = re.sub(r"^```\w*\n.*?^```$", "", source, flags=re.MULTILINE | re.DOTALL)
    shown = re.sub(r"(?<!`)`[^`]+`", "`", shown)
    return RAW.findall(shown)


def test_what_is_left_raw_is_seen():
    assert left_raw("a {ref}`b`") and left_raw("```{note}\n```")
    assert left_raw("(a)=\nb") and not left_raw("`a` $\\upsilon$ {x}\n```python\n{ref}`x`\n```")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", PAGES)
def test_every_page_of_the_book_becomes_plain(name, kind):
    """Whatever directive or role a page uses; that references lead somewhere, the build tells."""
    cells = jupytext.read(ROOT / f"{name}.md", fmt="md:myst").cells
    told = Page(
        lambda role, content: (f"({role} {content})", None),
        lambda target: target,
        lambda path: ("image/png", ""),
        glued=Anything(),
    )
    made = notebook(name, cells, told, kind)
    said = [cell.source for cell in made.cells if cell.cell_type == "markdown"]
    assert [raw for source in said for raw in left_raw(source)] == [] and len(said) >= 2


class Anything(dict):
    """Everything is glued."""

    def __contains__(self, name):
        return True

    def __missing__(self, name):
        return {"text/plain": "'1'"}

    def get(self, name, otherwise=None):
        return {"image/png": ""}


def test_pages_run_where_the_package_alone_is():
    """Without MyST-NB, and without a checkout: its records are found by their names."""
    for page in PAGES:
        text = (ROOT / f"{page}.md").read_text(encoding="utf-8")
        assert not re.findall(r"from myst_nb|provenance import ROOT", text), page


# Launch buttons ----------------------------------------------------------------------------------


def test_launch_links_follow_one_setting():
    assert launch.links("", "main", "book/a") == {} and launch.button("", "main", "book/a") is None
    for address in (
        "https://github.com/o/b",
        "https://github.com/o/b.git",
        "https://github.com/o/b/",
    ):
        assert launch.links(address, "main", "book/a") == {
            "Colab": "https://colab.research.google.com/github/o/b/blob/notebooks/reader/book/a.ipynb",
            "Binder": "https://mybinder.org/v2/gh/o/b/main?urlpath=lab/tree/book/a.md",
        }
    urls = [b["url"] for b in launch.button("https://github.com/o/b", "main", "x")["buttons"]]
    assert len(urls) == 2
    with pytest.raises(ValueError, match="repository_url must be .*'https://example.org/o/b'"):
        launch.links("https://example.org/o/b", "main", "book/a")


def test_binder_has_the_versions_of_the_book():
    lines = (ROOT / ".binder/requirements.txt").read_text(encoding="utf-8").splitlines()
    pins = [line for line in lines if "==" in line]
    assert len(pins) == 3 and lines[-1] == ".[notebooks]"
    assert set(pins) <= set((ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines())


def test_no_address_is_made_up():
    assert OPTIONS["repository_url"] == "" and "repository" not in CONFIG


# The built book ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def built():
    if not BUILT.exists():
        pytest.skip("the book is not built: make book")
    return {
        (name, kind): nbformat.read(BUILT / kind / f"{name}.ipynb", as_version=4)
        for name in PAGES
        for kind in kinds_of(name)
    }


def kinds_of(name):
    return [kind for kind in KINDS if kind != "student" or name not in NOT_FOR_STUDENTS]


def test_students_do_not_get_the_guide_of_teachers():
    assert set(PAGES) >= NOT_FOR_STUDENTS == {"book/teach"}
    for page, target in (("intro", "book/teach.ipynb"), ("book/a", "teach.ipynb")):
        assert in_set(page, target, "student") is None
        assert in_set(page, target, "instructor") == target
    assert in_set("book/a", "b.ipynb", "student") == "b.ipynb"
    assert in_set("book/a", None, "student") is None
    if BUILT.exists():
        assert not (BUILT / "student/book/teach.ipynb").exists()
        assert (BUILT / "instructor/book/teach.ipynb").exists()


@pytest.mark.slow
@pytest.mark.parametrize("name", PAGES)
def test_the_built_notebooks_of_a_page(built, name):
    text = (ROOT / f"{name}.md").read_text(encoding="utf-8")
    for kind in kinds_of(name):
        cells = built[name, kind].cells
        said = [cell.source for cell in cells if cell.cell_type == "markdown"]
        assert [raw for source in said for raw in left_raw(source)] == []
        asked, answered = text.count("{exercise}"), text.count("{solution}")
        assert sum(source.count("> **Exercise ") for source in said) == asked
        solutions = sum(source.count("Solution to Exercise") for source in said)
        assert solutions == (0 if kind == "student" else answered)
        for target in re.findall(r"\]\(([^)\s]+\.ipynb)\)", "".join(said)):
            assert (BUILT / kind / name).parent.joinpath(target).exists(), target
    code = [cell for cell in built[name, "reader"].cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    drawn = sum("image/png" in o.get("data", ()) for cell in code for o in cell.outputs)
    html = (ROOT / "_build/html" / f"{name}.html").read_text(encoding="utf-8")
    named = re.findall(r"^    name: (fig-[\w-]+)$", text, re.MULTILINE)
    lacking = [figure for figure in named if f'id="{figure}"' not in html]
    assert lacking == [] or "on_paper_data" in text  # which draws nothing without runs
    assert drawn >= text.count("\n  image:") - len(lacking)
    assert not any("image/svg+xml" in o.get("data", ()) for cell in code for o in cell.outputs)
    assert not any(o.output_type == "error" for cell in code for o in cell.outputs)
    if (name, "student") in built:
        student = [cell for cell in built[name, "student"].cells if cell.cell_type == "code"]
        assert not any(cell.outputs for cell in student)
    served = ROOT / "_build/html/_sources" / f"{name}.ipynb"
    if code:
        assert served.read_bytes() == (BUILT / "reader" / f"{name}.ipynb").read_bytes()


@pytest.mark.slow
def test_readers_notebooks_have_their_numbers(built):
    pieces = (ROOT / "book/04-robust-loss.md").read_text(encoding="utf-8").count("{glue:text}")
    assert pieces >= 4
    said = "".join(c.source for c in built["book/04-robust-loss", "reader"].cells)
    assert re.search(r"Uniform and popularity lie \d\.\d\d nats apart", said)
    assert "> **Theorem 4.1 (Softmax loss is the value of the game).**" in said
    assert re.search(r"\*\*Fig\. 4\.1\.\*\* The distribution", said)
    assert re.search(r"## References\n\n.*It does not have the full text\.\n\n\* ", said)
