"""Figures that a reader can move, without a running kernel: Plotly with a slider.

The book serves Plotly's script once for all pages, and a notebook elsewhere takes it from the web;
in JupyterLab its extension draws the same figure. Ink is black on nothing in the book, and on white
elsewhere, as in :mod:`bslutils.plots`.
"""

import html
import os
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .plots import BOOK

GRID = "#d9d9d9"
# Plotly measures its place before the theme has settled: let it measure once more.
MEASURE = '<script>addEventListener("load", () => dispatchEvent(new Event("resize")))</script>'


def slider(
    traces: Callable[[float], Sequence[Any]],
    values: Sequence[float],
    *,
    label: str,
    start: float,
    layout: dict[str, Any],
    title: Callable[[float], str] | None = None,
):
    """A figure whose traces are a function of one number that a slider sets.

    Args:
        traces: gives the Plotly traces at a value: always as many, in the same order.
        values: where the slider stops.
        label: stands before the value, such as ``"τ = "``.
        start: the value at first, and in print; one of ``values``.
        layout: axes and legend, as for ``plotly.graph_objects.Layout``.
        title: a line of text above the figure that depends on the value.

    Raises:
        ValueError: ``start`` that is not among ``values``.
        ImportError: plotly is missing; ``pip install 'bslutils[notebooks]'``.

    Example:
        >>> from plotly.graph_objects import Scatter
        >>> line = lambda a: [Scatter(x=[0, 1], y=[0, a])]
        >>> figure = slider(line, [1, 2], label="a = ", start=1, layout={})
        >>> len(figure.frames)
        2
    """
    from plotly import graph_objects as go

    values = [float(value) for value in values]
    if start not in values:
        raise ValueError(f"start must be one of the {len(values)} values, got {start}")
    names = [f"{value:.3g}" for value in values]
    head = (lambda v: {"text": title(v)}) if title is not None else (lambda v: {})
    frames = [
        go.Frame(data=_plain(traces(value)), name=name, layout={"title": head(value)})
        for value, name in zip(values, names, strict=True)
    ]
    steps = [
        {
            "label": name,
            "method": "animate",
            "args": [
                [name],
                {"mode": "immediate", "frame": {"duration": 0}, "transition": {"duration": 0}},
            ],
        }
        for name in names
    ]
    figure = go.Figure(data=_plain(traces(start)), frames=frames)
    figure.update_layout(
        sliders=[
            {
                "active": values.index(start),
                "steps": steps,
                "currentvalue": {"prefix": label, "xanchor": "left"},
                "pad": {"t": 66},  # clear of the title of the axis, on a phone too
                "ticklen": 0,
                "font": {"color": "black"},
                "bgcolor": "#868686",  # as visible on dark pages, where it is inverted
                "bordercolor": "#868686",
            }
        ],
        title=head(start),
    )
    return style(figure, layout)


def style(figure, layout: dict[str, Any]):
    """Give a Plotly figure the book's look; returns it."""
    axis = {"gridcolor": GRID, "zerolinecolor": GRID, "linecolor": "black", "ticks": "outside"}
    ground = "rgba(0,0,0,0)" if BOOK in os.environ else "white"
    figure.update_layout(
        template="none",
        paper_bgcolor=ground,
        plot_bgcolor=ground,
        font={"color": "black", "size": 13},
        margin={"l": 60, "r": 16, "t": 84, "b": 48},
        height=450,
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
        title_font_size=14,
        title_x=0.02,
        title_y=0.98,
        title_yanchor="top",
        hovermode="x",
    )
    figure.update_xaxes(**axis)
    figure.update_yaxes(**axis)
    return figure.update_layout(layout)


class Interactive:
    """A Plotly figure with a description, displayed in the book and in JupyterLab.

    Args:
        figure: a ``plotly.graph_objects.Figure``.
        alt: what it shows, for those who do not see it.

    Raises:
        ValueError: an empty description.
    """

    def __init__(self, figure, *, alt: str):
        if not alt.strip():
            raise ValueError("alt must describe the figure")
        self.figure, self.alt = figure, alt

    def _repr_mimebundle_(self, include=None, exclude=None) -> dict[str, Any]:
        config = {"displayModeBar": False, "responsive": True}
        script = os.environ.get(BOOK, "cdn")
        body = self.figure.to_html(
            full_html=False, include_plotlyjs=script, config=config, auto_play=False
        )
        described = html.escape(self.alt, quote=True)
        page = (
            f'<div class="interactive" role="group" aria-label="{described}">{body}</div>{MEASURE}'
        )
        return {
            "text/html": page,
            "application/vnd.plotly.v1+json": self.figure.to_plotly_json() | {"config": config},
        }


def _plain(traces: Sequence[Any]) -> list[Any]:
    """Round to six digits: the page is a third of the size, and nobody sees the rest.

    What is not a number becomes a gap: JSON has no NaN.
    """
    for trace in traces:
        for axis in ("x", "y"):
            if trace[axis] is not None and np.issubdtype(
                np.asarray(trace[axis]).dtype, np.floating
            ):
                trace[axis] = [
                    None if np.isnan(v) else float(f"{v:.6g}") for v in np.asarray(trace[axis])
                ]
    return list(traces)
