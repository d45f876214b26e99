"""One look for every figure."""

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pytest

from bslutils.intervals import t_interval
from bslutils.losses import LOSSES, VECTOR_LOSSES
from bslutils.plots import BOOK, LOSS_STYLES, band, dots, loss_style, use_style


@pytest.fixture(autouse=True)
def fresh_style():
    with matplotlib.rc_context():
        yield
    plt.close("all")


def test_every_loss_has_a_style_and_different_losses_different_colours():
    assert set(LOSS_STYLES) == {*LOSSES, *VECTOR_LOSSES, "bce_intercept"}
    colours = {name: loss_style(name)["color"] for name in LOSS_STYLES if name != "softmax_risk"}
    assert len(set(colours.values())) == len(colours)
    with pytest.raises(ValueError, match="no style for loss 'hinge'; choose one of mse"):
        loss_style("hinge")


@pytest.mark.parametrize("in_book", [True, False])
def test_figures_are_transparent_in_the_book_and_white_elsewhere(tmp_path, monkeypatch, in_book):
    monkeypatch.setenv(BOOK, "1")
    if not in_book:
        monkeypatch.delenv(BOOK)
    use_style()
    figure, ax = plt.subplots()
    band(ax, [1, 2, 3], np.random.default_rng(0).random((4, 3)), **loss_style("bpr"))
    figure.savefig(tmp_path / "figure.png")
    corner = plt.imread(tmp_path / "figure.png")[0, 0].tolist()
    assert corner[3] == 0 if in_book else corner == [1, 1, 1, 1]


def test_band_covers_the_runs():
    _, ax = plt.subplots()
    runs = np.array([[0.0, 1.0], [2.0, 1.0]])
    band(ax, [0, 1], runs, label="x")
    assert ax.lines[0].get_ydata().tolist() == [1, 1]
    edge = ax.collections[0].get_paths()[0].vertices
    assert edge[:, 1].min() == 0 and edge[:, 1].max() == 2
    with pytest.raises(ValueError, match=r"runs must be \(n_runs, 3\), got \(2, 2\)"):
        band(ax, [0, 1, 2], runs)


def test_dots_show_every_group_of_every_loss_with_its_interval():
    _, ax = plt.subplots()
    rows = {"softmax": {"a": [0.1, 0.2, 0.3], "b": [0.5, 0.5]}, "bpr": {"b": [0.2, 0.4]}}
    dots(ax, rows, ["a", "b"])
    assert [label.get_text() for label in ax.get_yticklabels()] == ["BPR", "SL"]  # SL on top
    points, spans = {}, {}
    for container in ax.containers:
        line, _, (bar,) = container.lines
        key = (line.get_color(), line.get_marker())
        points[key] = line.get_xdata()[0]
        spans[key] = bar.get_segments()[0][:, 0]
    sl, bpr = loss_style("softmax")["color"], loss_style("bpr")["color"]
    assert points == pytest.approx({(sl, "o"): 0.2, (sl, "s"): 0.5, (bpr, "s"): 0.3})
    np.testing.assert_allclose(spans[sl, "o"], t_interval([0.1, 0.2, 0.3])[1:])
    assert ax.get_legend_handles_labels()[1] == ["a", "b"]
    assert [text.get_text() for text in ax.texts] == ["a: missing"]  # BPR


def test_dots_refuse_what_they_cannot_draw():
    _, ax = plt.subplots()
    with pytest.raises(ValueError, match="groups must be at most 5, got 6"):
        dots(ax, {}, list("abcdef"))
    with pytest.raises(ValueError, match="at least two"):
        dots(ax, {"softmax": {"a": [0.1]}}, ["a"])
    with pytest.raises(ValueError, match="no style for loss 'sotfmax'"):
        dots(ax, {"sotfmax": {"a": [0.1, 0.2]}}, ["a"])
