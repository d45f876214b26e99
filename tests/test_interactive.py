"""Figures with a slider."""

import json

import numpy as np
import pytest
from plotly.graph_objects import Scatter

from bslutils.interactive import Interactive, slider
from bslutils.plots import BOOK


def line(slope):
    return [Scatter(x=np.array([0.0, 1.0]), y=np.array([0.0, slope / 3]))]


def test_a_frame_for_every_stop_and_the_start_drawn():
    figure = slider(line, [1, 2, 3], label="a = ", start=2, layout={}, title=lambda a: f"{a:g}!")
    assert [frame.data[0].y[1] for frame in figure.frames] == [0.333333, 0.666667, 1.0]
    assert figure.data[0].y[1] == 0.666667 and figure.layout.title.text == "2!"
    [control] = figure.layout.sliders
    assert control.active == 1
    assert [step.args[0][0] for step in control.steps] == [f.name for f in figure.frames]
    with pytest.raises(ValueError, match="start must be one of the 3 values, got 4"):
        slider(line, [1, 2, 3], label="", start=4, layout={})


def test_what_is_not_a_number_is_a_gap():
    figure = slider(
        lambda a: [Scatter(x=np.array([0.0, 1.0]), y=np.array([np.nan, a]))],
        [1, 2],
        label="",
        start=1,
        layout={},
    )
    assert figure.data[0].y == (None, 1.0)
    json.dumps(figure.to_plotly_json()["data"][0]["y"], allow_nan=False)


def test_the_book_and_the_lab_get_the_same_figure(monkeypatch):
    monkeypatch.setenv(BOOK, "../there/plotly.min.js")
    figure = slider(line, [1, 2], label="a = ", start=1, layout={"xaxis_title": "x"})
    bundle = Interactive(figure, alt='A "line" that rises.')._repr_mimebundle_()
    page = bundle["text/html"]
    assert 'src="../there/plotly.min.js"' in page and "https:" not in page
    assert 'aria-label="A &quot;line&quot; that rises."' in page
    assert "Plotly.addFrames" in page and "Plotly.animate(" not in page  # it waits for a reader
    assert len(page) < 20_000  # the script is not in it
    assert bundle["application/vnd.plotly.v1+json"]["layout"]["xaxis"]["title"]["text"] == "x"
    json.dumps(bundle["application/vnd.plotly.v1+json"]["config"])
    monkeypatch.delenv(BOOK)  # in a notebook elsewhere
    assert figure.layout.paper_bgcolor == "rgba(0,0,0,0)"
    figure = slider(line, [1, 2], label="a = ", start=1, layout={})
    assert figure.layout.paper_bgcolor == "white"
    elsewhere = Interactive(figure, alt="The same.")._repr_mimebundle_()["text/html"]
    assert 'src="https://cdn.plot.ly/plotly-' in elsewhere
    with pytest.raises(ValueError, match="alt must describe"):
        Interactive(figure, alt=" ")
