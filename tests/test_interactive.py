"""Figures with a slider."""

import html
import json
import re
from urllib.parse import unquote
from xml.etree import ElementTree

import matplotlib.pyplot as plt
import pytest

from bslutils.interactive import Slider


def line(slope):
    figure, ax = plt.subplots()
    ax.plot([0, 1], [0, slope / 3])
    ax.set_ylim(0, 1)
    return figure


def moving(**changed):
    told = {"label": "a = ", "start": 2, "alt": 'A "line" that rises.'} | changed
    return Slider(told.pop("draw", line), told.pop("values", [1, 2, 3]), **told)


def test_a_drawing_and_a_line_of_text_for_every_stop():
    stops = moving(said=lambda a: f"<{a:g}>").stops()
    assert [stop["said"] for stop in stops] == ["a = 1: <1>", "a = 2: <2>", "a = 3: <3>"]
    assert len({stop["drawn"] for stop in stops}) == 3
    kind, drawn = stops[0]["drawn"].split(",", 1)
    assert kind == "data:image/svg+xml" and not re.search('[<>"#]', drawn)
    svg = ElementTree.fromstring(unquote(drawn))
    assert svg.tag == "{http://www.w3.org/2000/svg}svg" and "M 0 0" in unquote(drawn)
    assert moving().stops()[0]["drawn"] == stops[0]["drawn"]  # nothing of chance or of the clock
    assert not plt.get_fignums()


def test_a_page_shows_the_start_and_holds_the_rest():
    page = moving(said=lambda a: f"<{a:g}>")._repr_html_()
    [held] = re.findall(r'data-stops="([^"]*)"', page)
    stops = json.loads(html.unescape(held))
    assert [stop["said"] for stop in stops] == ["a = 1: <1>", "a = 2: <2>", "a = 3: <3>"]
    assert f'<img src="{html.escape(stops[1]["drawn"])}"' in page
    assert 'alt="A &quot;line&quot; that rises."' in page
    assert "<output>a = 2: &lt;2&gt;</output>" in page
    assert 'type="range" min="0" max="2" value="1" autocomplete="off" aria-label="a"' in page
    assert "<label" not in page  # of which the text, and not the slider, would be the control
    assert "http" not in re.sub(r'="data:[^"]*"|data-stops="[^"]*"', "", page)


def numbers(*values):
    return [stop["said"] for stop in moving(values=values, start=values[0], label="a ").stops()]


def test_stops_can_be_told_apart():
    assert numbers(0.1 + 0.2, 1 / 3) == ["a 0.3", "a 0.333"]
    assert numbers(0.1251, 0.1252) == ["a 0.1251", "a 0.1252"]
    assert numbers(1024, 2048, 2048.5) == ["a 1024", "a 2048", "a 2048.5"]
    assert numbers(-0.0, float("inf")) == ["a 0", "a inf"]


def test_its_size_does_not_hang_on_a_setting():
    shown = moving().stops()
    with plt.rc_context({"savefig.bbox": "tight"}):
        assert moving().stops() == shown


def test_its_text_is_what_it_shows():
    assert repr(moving()) == '<Slider of 3 drawings: A "line" that rises.>'


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"start": 4}, "start must be one of the 3 values, got 4"),
        ({"values": [2]}, "values must be at least two, got 1"),
        ({"values": [1, 2, 2]}, r"values must all be different, got \[1.0, 2.0, 2.0\]"),
        ({"values": [1, 2, float("nan")]}, r"values must be numbers, got \[1.0, 2.0, nan\]"),
        ({"label": " = "}, "label must name what moves, got ' = '"),
        ({"alt": " "}, "alt must describe"),
    ],
)
def test_what_cannot_be_shown(wrong, message):
    with pytest.raises(ValueError, match=message):
        moving(**wrong)


def test_a_drawing_must_be_a_figure():
    with pytest.raises(TypeError, match="draw must give a matplotlib Figure, got NoneType"):
        moving(draw=lambda a: None).stops()
