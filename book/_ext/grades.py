"""The grade of every exercise: it is the title of the exercise, and the guide lists them by it.

* ``{exercise} By hand`` gets the points of its grade behind it, on the page and in notebooks.
* ``{exercises}`` is the table of all exercises of the numbered pages, for who teaches.
"""

import re
from pathlib import Path

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective
from sphinx_exercise.directive import ExerciseDirective

BOOK = Path(__file__).parent.parent
POINTS = {"By hand": 5, "At the keyboard": 10, "Open": 20}
EXERCISE = re.compile(r"^`{3,}\{exercise\}(?P<grade>.*)\n:label: (?P<label>[\w-]+)$", re.MULTILINE)


def graded(title: str) -> str:
    """The title of an exercise, with the points where it is a grade.

    Example:
        >>> graded("By hand"), graded("Tune it")
        ('By hand, 5 points', 'Tune it')
    """
    return f"{title}, {POINTS[title]} points" if title in POINTS else title


def exercises(page: Path) -> list[tuple[str, str]]:
    """Label and grade of every exercise of a page, in their order."""
    text = page.read_text(encoding="utf-8")
    return [(found["label"], found["grade"].strip()) for found in EXERCISE.finditer(text)]


def pages(book: Path = BOOK) -> list[Path]:
    """The pages that have exercises, in their order."""
    return [page for page in sorted(book.glob("[0-9]*.md")) if exercises(page)]


def table(book: Path = BOOK) -> str:
    """All exercises as a table of MyST: a row a page, a column a grade."""
    heads = ["page", *(f"{grade.lower()} ({points} points)" for grade, points in POINTS.items())]
    rows = [heads, ["---"] * len(heads)]
    for page in pages(book):
        found = exercises(page)
        cells = (
            ", ".join(f"{{ref}}`{label}`" for label, of in found if of == grade) for grade in POINTS
        )
        rows.append([f"{{doc}}`{page.stem}`", *cells])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


class Graded(ExerciseDirective):
    """An exercise whose title is its grade."""

    def run(self) -> list[nodes.Node]:
        title = self.arguments[0].strip() if self.arguments else ""
        if title not in POINTS:
            message = "an exercise has no grade: its title must be one of %s, got %r"
            allowed = ", ".join(POINTS)
            logging.getLogger(__name__).warning(
                message, allowed, title, location=self.get_location()
            )
        self.arguments = [graded(title)] if title else []
        made = super().run()
        # A solution takes its title from here; it need not say the points again.
        del self.env.sphinx_exercise_registry[self.options["label"]]["node"][0][1:]
        return made


class Exercises(SphinxDirective):
    """The table of all exercises."""

    def run(self) -> list[nodes.Node]:
        for page in sorted(BOOK.glob("[0-9]*.md")):
            self.env.note_dependency(str(page))
        node = nodes.Element()
        lines = StringList(table().splitlines(), source=str(BOOK / "teach.md"))
        self.state.nested_parse(lines, self.content_offset, node)
        return node.children


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx."""
    app.setup_extension("sphinx_exercise")
    app.add_directive("exercise", Graded, override=True)
    app.add_directive("exercises", Exercises)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
