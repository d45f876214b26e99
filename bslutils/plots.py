"""One look for every figure: a colour per loss, readable on light and dark pages."""

import os
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from .intervals import Interval, mean_interval, t_interval

if TYPE_CHECKING:  # the names of the losses are wanted where it is not installed
    from matplotlib.axes import Axes

# A variable of the environment that the book's Sphinx extension sets.
BOOK = "BSLUTILS_BOOK"

# Name of a loss -> (label, colour). A colour means the same loss in every figure of
# the book. All are of middle lightness, so that inverting it on dark pages hardly changes them.
LOSS_STYLES: dict[str, tuple[str, str]] = {
    "mse": ("MSE", "#868686"),
    "bce": ("BCE", "#9a6fd6"),
    "bce_intercept": ("BCE with intercept", "#7445b4"),  # a setting, compared as a loss of its own
    "bpr": ("BPR", "#bd8100"),
    "ccl": ("CCL", "#1f9e6b"),
    "softmax": ("SL", "#1f7fd0"),
    "softmax_risk": ("SL (risk form)", "#1f7fd0"),
    "bilateral_softmax": ("BSL", "#e0523a"),
    "pessimistic_bilateral_softmax": ("pessimistic twin", "#a0694e"),
    "reweighted_softmax": ("reweighted SL", "#d967a8"),
    "pooled_softmax": ("pooled SL", "#8a8f1c"),
    "rescaled_softmax": ("rescaled SL", "#5f6fd8"),
    "psl_tanh": ("PSL-tanh", "#1d9dbd"),
    "psl_atan": ("PSL-atan", "#1b9d94"),
    "psl_relu": ("PSL-relu", "#808f59"),
    "slatk": ("SL@K", "#3c8d2b"),
    "llpauc": ("LLPAUC", "#95772b"),
    "advinfonce": ("AdvInfoNCE", "#c55565"),
    "chi2": ("χ² loss", "#9f82b1"),
    "cvar": ("CVaR loss", "#ad6f7c"),
    "renyi": ("DrRL (Rényi)", "#cb7238"),
    "direct_au": ("DirectAU", "#6b7a99"),
}


def loss_style(name: str) -> dict[str, str]:
    """Keyword arguments ``label`` and ``color`` for a line or bar of the loss called ``name``.

    Raises:
        ValueError: an unknown loss; the message lists the choices.

    Example:
        >>> loss_style("softmax")
        {'label': 'SL', 'color': '#1f7fd0'}
    """
    if name not in LOSS_STYLES:
        raise ValueError(f"no style for loss {name!r}; choose one of {', '.join(LOSS_STYLES)}")
    label, color = LOSS_STYLES[name]
    return {"label": label, "color": color}


def use_style() -> None:
    """Set the look of all figures that follow.

    In the book figures are transparent SVG, with black ink: it inverts their lightness on dark
    pages. Elsewhere they are PNG on a white ground: a notebook may be dark, and inverts nothing,
    and one that its reader has not trusted yet shows no SVG. The book keeps PNG for that, too.

    Example:
        >>> import matplotlib
        >>> use_style()
        >>> matplotlib.rcParams["savefig.transparent"]
        False
    """
    import matplotlib

    in_book = BOOK in os.environ
    ground = "none" if in_book else "white"
    matplotlib.rcParams.update(
        {
            "figure.figsize": (5.1, 3.2),  # on a phone two thirds of that, and still legible
            "figure.facecolor": ground,
            "axes.facecolor": ground,
            "savefig.transparent": in_book,
            "figure.constrained_layout.use": True,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.grid": True,
            "grid.color": "#d9d9d9",
            "grid.linewidth": 0.6,
            "axes.axisbelow": True,
            "axes.titlesize": 11,
            "axes.titlelocation": "left",
            "axes.labelsize": 10.5,
            "xtick.labelsize": 10,
            "ytick.labelsize": 10,
            "legend.fontsize": 10,
            "legend.frameon": False,
            "lines.linewidth": 1.8,
            "svg.hashsalt": "bslutils",  # the same figure gives the same file
        }
    )
    try:
        from matplotlib_inline.backend_inline import set_matplotlib_formats
    except ImportError:  # plain Python: nothing draws inline
        return
    if matplotlib.get_backend().lower().endswith("inline"):
        set_matplotlib_formats(*(("svg", "retina") if in_book else ("retina",)))


def band(
    ax: "Axes",
    x: Sequence[float],
    runs: np.ndarray,
    *,
    interval: Callable[[np.ndarray], Interval] = mean_interval,
    **style,
) -> None:
    """Draw the mean over runs as a line and its 95 % interval as a band.

    Args:
        ax: where to draw.
        x: ``(n,)``.
        runs: ``(n_runs, n)``; the interval is over the first axis.
        interval: a bootstrap for many runs, :func:`bslutils.intervals.t_interval` for a few.
        style: ``label``, ``color``, … of the line.

    Raises:
        ValueError: shapes that do not fit.

    Example:
        >>> from matplotlib import pyplot as plt
        >>> _, ax = plt.subplots()
        >>> band(ax, [1, 2], np.array([[0.1, 0.2], [0.3, 0.2]]), **loss_style("softmax"))
        >>> plt.close()
    """
    runs = np.asarray(runs, dtype=float)
    if runs.ndim != 2 or runs.shape[1] != len(x):
        raise ValueError(f"runs must be (n_runs, {len(x)}), got {runs.shape}")
    mean, low, high = np.array([interval(column) for column in runs.T]).T
    (line,) = ax.plot(x, mean, **style)
    ax.fill_between(x, low, high, color=line.get_color(), alpha=0.2, linewidth=0)


MARKERS = ("o", "s", "^", "D", "v")


def dots(ax: "Axes", rows: Mapping[str, Mapping[str, np.ndarray]], groups: Sequence[str]) -> None:
    """A line for every loss, a marker with its 95 % interval by Student for every group.

    Made for a slide: the losses can be read from the labels, the groups from the markers.

    Args:
        ax: where to draw; the first row is on top.
        rows: loss -> group -> values over seeds, at least two. A group that is not there is said
            to be missing.
        groups: those to draw, at most five, such as names of data sets.

    Raises:
        ValueError: an unknown loss, more than five groups, fewer than two values.

    Example:
        >>> from matplotlib import pyplot as plt
        >>> _, ax = plt.subplots()
        >>> dots(ax, {"softmax": {"a": [0.1, 0.2]}, "bpr": {"a": [0.0, 0.1]}}, ["a"])
        >>> [label.get_text() for label in ax.get_yticklabels()]
        ['BPR', 'SL']
        >>> plt.close()
    """
    if len(groups) > len(MARKERS):
        raise ValueError(f"groups must be at most {len(MARKERS)}, got {len(groups)}")
    names = list(rows)[::-1]
    step = min(0.22, 0.75 / max(1, len(groups)))
    for k, (group, marker) in enumerate(zip(groups, MARKERS, strict=False)):
        for y, name in enumerate(names):
            at = y + step * ((len(groups) - 1) / 2 - k)
            if group not in rows[name]:
                text = f"{group}: missing"
                ax.text(0.02, at, text, transform=ax.get_yaxis_transform(), size=10, va="center")
                continue
            mean, low, high = t_interval(rows[name][group])
            ax.errorbar(
                mean,
                at,
                xerr=[[mean - low], [high - mean]],
                fmt=marker,
                ms=5,
                color=loss_style(name)["color"],
            )
        ax.plot([], [], marker, color="black", ms=5, label=group)  # for the legend
    ax.set_yticks(range(len(names)), [loss_style(name)["label"] for name in names])
    ax.set_ylim(-0.6, len(names) - 0.4)
