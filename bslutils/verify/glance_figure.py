"""The figure of the claims at a glance."""

import textwrap
from collections.abc import Callable, Mapping, Sequence
from functools import partial

from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.transforms import blended_transform_factory

from ..data import SOURCES
from ..intervals import Interval
from ..plots import LOSS_STYLES, loss_style
from . import CLAIMS
from .glance import MISSING, label, lines, on_small_data, uncompared
from .glance_readings import BSL, READINGS
from .glance_rows import ROWS, UNDER, Row
from .paper_better import SMALL
from .paper_data import Cell, listed, on_paper_data

WIDTH = 70  # letters in a line of text
NAME = 25  # and of a name beside a panel
LINE, SMALL_ROW, PAPER_ROW = 0.17, 0.23, 0.42  # inches of a line of text, of a row of a panel
TITLE = 0.2
AROUND = 0.62  # of a panel, for what is written at its axis


def draw() -> Figure:
    """The three claims: verdicts of theory, intervals on either kind of data, and what to do.

    Narrow, so that a phone can show it.
    """
    parts: dict[str, tuple[float, Callable[[Axes], None]]] = {}
    panels = 0
    for row in ROWS:
        k, cells = row.number, on_paper_data(row.number)
        run = {data: cell for data, cell in cells.items() if cell.compared}
        theory = "; ".join(f"{said}: {CLAIMS[x].verdict}" for x, said in row.theory.items())
        training = f"In training, over several data sets: {row.verdict}."
        head = f"In theory: {theory}.", training, f"The dots: {SOURCES[SMALL].title}."
        do = f"What to do: {row.advice}"
        parts[f"head{k}"] = _text(*head, title=f"{k}. {row.title}")
        names = [textwrap.fill(label(name), NAME) for name in READINGS[k]]
        high = SMALL_ROW + LINE * max(name.count("\n") for name in names)
        parts[f"small{k}"] = high * len(names), partial(_small, row=row, names=names)
        if run:
            high = PAPER_ROW * len(run) + TITLE
            parts[f"paper{k}"] = high, partial(_paper, row=row, cells=run)
        below = [f"{listed(names)}: {word}." for word, names in uncompared(cells).items()]
        below = below if run else [lines(row)[2]]
        parts[f"do{k}"] = _text(*below, do)
        panels += 1 + bool(run)
    heights = [height for height, _ in parts.values()]
    size = 5.1, sum(heights) + AROUND * panels
    fig, axes = plt.subplot_mosaic([[x] for x in parts], figsize=size, height_ratios=heights)
    for name, (_, write) in parts.items():
        write(axes[name])
    return fig


def _text(*texts: str, title: str = "") -> tuple[float, Callable[[Axes], None]]:
    """Paragraphs below a bold title, from the left edge of the figure on: height, and writer."""
    bold, *rest = (textwrap.fill(x, WIDTH, break_on_hyphens=False) for x in (title, *texts))
    above = bold.count("\n") + bool(bold)  # lines
    plain = "\n" * above + "\n".join(rest)

    def write(ax: Axes) -> None:
        ax.set_axis_off()
        place = blended_transform_factory(ax.figure.transFigure, ax.transAxes)
        for text, weight in ((bold, "bold"), (plain, "normal")):
            ax.text(0.01, 1, text, weight=weight, va="top", in_layout=False, transform=place)

    return LINE * (plain.count("\n") + 2), write


def _errorbar(ax: Axes, row: Row, interval: Interval, y: float, color: str) -> None:
    mean, low, high = (x * (100 if row.unit else 1) for x in interval)
    ax.errorbar(mean, y, xerr=[[mean - low], [high - mean]], fmt="o", ms=4, color=color)


def _panel(ax: Axes, names: list[str], axis: str) -> None:
    ax.axvline(0, color="black", linewidth=0.8)
    ax.set_yticks(range(len(names)), names)
    ax.set_ylim(len(names) - 0.4, -0.6)
    ax.set_xlabel(axis)
    ax.locator_params(axis="x", nbins=6)


def _color(name: str) -> str:
    return loss_style(name if name in LOSS_STYLES else BSL)["color"]


def _small(ax: Axes, row: Row, names: Sequence[str]) -> None:
    seen = on_small_data(row.number)
    _panel(ax, names, "\n".join(filter(None, [row.axis, row.under])))
    for y, name in enumerate(READINGS[row.number]):
        if name in seen:
            _errorbar(ax, row, seen[name], y, _color(name))
        else:
            ax.text(0, y, MISSING, va="center")


def _paper(ax: Axes, row: Row, cells: Mapping[str, Cell]) -> None:
    """The losses of a data set one below the other, in the colours of the panel above."""
    names = [f"{SOURCES[data].title}\n{cell.word}" for data, cell in cells.items()]
    _panel(ax, names, f"{row.axis}\n{UNDER[row.number]}")
    ax.set_title("On the paper's data, by the rules")
    for y, cell in enumerate(cells.values()):
        step = 0.7 / max(1, len(cell.compared))
        for k, (loss, judged) in enumerate(cell.compared.items()):
            at = y + step * (k - (len(cell.compared) - 1) / 2)
            _errorbar(ax, row, judged.estimate.interval, at, _color(loss))
