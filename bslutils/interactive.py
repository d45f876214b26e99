"""Figures that a reader can move, without a running kernel: a drawing for every stop of a slider.

The slider is a form's: a finger, a mouse and the keyboard move it, and a screen reader tells where
it stands. Nothing is loaded for it. Ink is black on nothing in the book, and on white elsewhere,
as in :mod:`bslutils.plots`.
"""

import html
import io
import json
import re
from collections.abc import Callable, Sequence
from urllib.parse import quote

from matplotlib import rc_context
from matplotlib.figure import Figure

# When the slider moves, the picture and the line of text of its stop take the place of the old.
MOVE = (
    "const b = this.closest('.interactive'), s = JSON.parse(b.dataset.stops)[this.value];"
    "b.querySelector('img').src = s.drawn; b.querySelector('output').value = s.said;"
    "this.setAttribute('aria-valuetext', s.said)"
)


class Slider:
    """A figure that is a function of one number, with a slider that sets it.

    Args:
        draw: makes the figure at a value, a ``matplotlib.figure.Figure``, with the same axes each
            time: what does not move should stand still. It is closed by who shows it.
        values: where the slider stops, at least two, all different.
        label: stands before the value, such as ``"τ = "``, and names the slider.
        start: the value at first; one of ``values``.
        alt: what the figure shows, for those who do not see it.
        said: a few words that go with the value, such as what it amounts to.

    Raises:
        ValueError: fewer than two values, one that is there twice or no number, ``start`` that is
            not among them, a label without a name, an empty description.
        TypeError: when it is shown: ``draw`` that gives something else.

    Example:
        >>> from matplotlib import pyplot as plt
        >>> def line(slope):
        ...     figure, ax = plt.subplots()
        ...     ax.plot([0, 1], [0, slope])
        ...     ax.set_ylim(0, 2)
        ...     return figure
        >>> moving = Slider(line, [1, 2], label="slope ", start=1, alt="A line that rises.")
        >>> [stop["said"] for stop in moving.stops()]
        ['slope 1', 'slope 2']
    """

    def __init__(
        self,
        draw: Callable[[float], Figure],
        values: Sequence[float],
        *,
        label: str,
        start: float,
        alt: str,
        said: Callable[[float], str] | None = None,
    ):
        self.values = [float(value) + 0.0 for value in values]  # no minus before a zero
        if len(self.values) < 2:
            raise ValueError(f"values must be at least two, got {len(self.values)}")
        if any(value != value for value in self.values):
            raise ValueError(f"values must be numbers, got {self.values}")
        if len(set(self.values)) < len(self.values):
            raise ValueError(f"values must all be different, got {self.values}")
        if start not in self.values:
            raise ValueError(f"start must be one of the {len(self.values)} values, got {start}")
        if not _name(label):
            raise ValueError(f"label must name what moves, got {label!r}")
        if not alt.strip():
            raise ValueError("alt must describe the figure")
        self.draw, self.label, self.start, self.alt, self.said = draw, label, start, alt, said

    def stops(self) -> list[dict[str, str]]:
        """What every value shows: ``drawn``, the address of an SVG, and ``said``, a line."""
        return [{"drawn": _drawn(self.draw(v)), "said": self._line(v)} for v in self.values]

    def _line(self, value: float) -> str:
        return f"{self.label}{self._number(value)}" + (f": {self.said(value)}" if self.said else "")

    def _number(self, value: float) -> str:
        """Whole if it is, or with as many digits, from three on, as tell the stops apart."""
        if value.is_integer() and abs(value) < 1e15:
            return f"{value:.0f}"
        digits = 3
        while digits < 17 and len({f"{v:.{digits}g}" for v in self.values}) < len(self.values):
            digits += 1
        return f"{value:.{digits}g}"

    def __repr__(self) -> str:
        return f"<Slider of {len(self.values)} drawings: {self.alt}>"

    def _repr_html_(self) -> str:
        stops, at = self.stops(), self.values.index(self.start)
        here = {name: html.escape(text) for name, text in stops[at].items()}
        return (
            f'<div class="interactive" data-stops="{html.escape(json.dumps(stops))}">'
            f'<img src="{here["drawn"]}" alt="{html.escape(self.alt)}" '
            'style="background: white; max-width: 100%">'
            # Without autocomplete: going back, a browser would move the slider and not the drawing.
            f"<div><output>{here['said']}</output>"
            f'<input type="range" min="0" max="{len(stops) - 1}" value="{at}" '
            f'autocomplete="off" aria-label="{html.escape(_name(self.label))}" '
            f'aria-valuetext="{here["said"]}" oninput="{html.escape(MOVE)}"></div></div>'
        )


def _name(label: str) -> str:
    """What moves, without what stands between it and its value."""
    return label.strip(" =:")


def _drawn(figure: Figure) -> str:
    """A figure as an address that holds all of it; it is closed."""
    if not isinstance(figure, Figure):
        raise TypeError(f"draw must give a matplotlib Figure, got {type(figure).__name__}")
    from matplotlib import pyplot as plt

    file = io.StringIO()
    # The same figure gives the same text, and every stop a drawing of the same size.
    with rc_context({"svg.hashsalt": "bslutils", "savefig.bbox": "standard"}):
        figure.savefig(file, format="svg", transparent=True, metadata={"Date": None})
    plt.close(figure)
    lines = (line.strip() for line in file.getvalue().splitlines())
    drawn = " ".join(line for line in lines if line)
    # A hundredth of a point is enough for a path, and half the size.
    drawn = re.sub(r' d="[^"]*"', lambda path: re.sub(r"(\.\d\d)\d+", r"\1", path[0]), drawn)
    return "data:image/svg+xml," + quote(drawn[drawn.index("<svg") :], safe=" =:/;,()'-.@!*")
