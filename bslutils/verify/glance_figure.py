"""The figure of the claims at a glance."""

import textwrap

from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.transforms import blended_transform_factory

from ..data import SOURCES
from ..intervals import Interval
from ..plots import LOSS_STYLES, loss_style
from . import CLAIMS
from .glance import MISSING, NOISE, ROWS, Row, label, lines, on_small_data
from .glance_readings import BSL, READINGS
from .paper_data import SMALL, on_paper_data

WIDTH = 72  # letters in a line of text
NAME = 25  # and of a name beside a panel
HEIGHTS = {"head": 0.75, "panel": 1.7, "do": 1.4}  # inches


def draw() -> Figure:
    """The three claims: verdicts of theory, intervals on either kind of data, and what to do.

    Narrow, so that a phone can show it.
    """
    run = {r.number: any(x.compared for x in on_paper_data(r.number).values()) for r in ROWS}
    layout = [
        names
        for k in run
        for names in (
            [f"head{k}"] * 2,
            [f"small{k}", f"paper{k}" if run[k] else f"small{k}"],
            [f"do{k}"] * 2,
        )
    ]
    heights = [*HEIGHTS.values()] * len(ROWS)
    fig, axes = plt.subplot_mosaic(layout, figsize=(5.2, sum(heights)), height_ratios=heights)
    for row in ROWS:
        k = row.number
        _head(axes[f"head{k}"], row)
        _small(axes[f"small{k}"], row)
        texts = [f"What to do: {row.advice}"]
        if run[k]:
            _paper(axes[f"paper{k}"], row)
        else:
            texts.insert(0, lines(row)[2])
        _write(axes[f"do{k}"], 1.0, *texts)
    return fig


def _write(ax: Axes, y: float, *texts: str, **style) -> None:
    """Paragraphs, from the left edge of the figure on, whatever the panels leave for labels."""
    ax.set_axis_off()
    place = blended_transform_factory(ax.figure.transFigure, ax.transAxes)
    style |= {"va": "top", "fontsize": 9, "in_layout": False, "transform": place}
    wrapped = (textwrap.fill(text, WIDTH, break_on_hyphens=False) for text in texts)
    ax.text(0.01, y, "\n".join(wrapped), **style)


def _head(ax: Axes, row: Row) -> None:
    _write(ax, 1.0, f"{row.number}. {row.title}", weight="bold")
    theory = "; ".join(f"{said}: {CLAIMS[x].verdict}" for x, said in row.theory.items())
    _write(ax, 0.62, f"In theory: {theory}.")


def _errorbar(ax: Axes, row: Row, interval: Interval, y: float, color: str) -> None:
    mean, low, high = (x * (100 if row.percent else 1) for x in interval)
    ax.errorbar(mean, y, xerr=[[mean - low], [high - mean]], fmt="o", ms=4, color=color)


def _panel(ax: Axes, names: list[str], title: str, axis: str) -> None:
    ax.axvline(0, color="black", linewidth=0.8)
    ax.set_yticks(range(len(names)), names)
    ax.set_ylim(len(names) - 0.4, -0.6)
    ax.set_title(title, fontsize=9)
    ax.set_xlabel(axis, fontsize=8)
    ax.tick_params(labelsize=8)


def _color(name: str) -> str:
    return loss_style(name if name in LOSS_STYLES else BSL)["color"]


def _small(ax: Axes, row: Row) -> None:
    seen, names = on_small_data(row.number), [*READINGS[row.number]]
    labels = [textwrap.fill(label(name), NAME) for name in names]
    verdict = "\n".join(textwrap.fill(part, WIDTH // 2) for part in row.verdict.split("; "))
    _panel(ax, labels, f"{SOURCES[SMALL].title}:\n{verdict}", row.axis)
    for y, name in enumerate(names):
        if name in seen:
            _errorbar(ax, row, seen[name], y, _color(name))
        else:
            ax.text(0, y, MISSING, fontsize=8, va="center")


def _paper(ax: Axes, row: Row) -> None:
    """The losses of a data set one below the other, in the colours of the panel beside."""
    cells = on_paper_data(row.number)
    names = [f"{SOURCES[data].title}\n{cell.word}" for data, cell in cells.items()]
    what = row.axis.partition("\n")[0]
    axis = "\n".join(filter(None, [what, NOISE.get(row.number)]))
    _panel(ax, names, "The paper's data:\nby the rules", axis)
    for y, cell in enumerate(cells.values()):
        step = 0.7 / max(1, len(cell.compared))
        for k, (loss, judged) in enumerate(cell.compared.items()):
            at = y + step * (k - (len(cell.compared) - 1) / 2)
            _errorbar(ax, row, judged.estimate.interval, at, _color(loss))
