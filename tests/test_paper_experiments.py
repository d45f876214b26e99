"""The list of the paper's experiments, and what is said of how much of each is run."""

from pathlib import Path

import pytest

from bslutils.experiments.beside_published import Figure, Ours, Row
from bslutils.verify import paper_experiments, recorded
from bslutils.verify.paper_experiments import EXPERIMENTS, counted, state

BOOK = Path(__file__).parent.parent / "book"
KNOWN = dict(zip(("bars", "lightgcn"), EXPERIMENTS, strict=False))


@pytest.fixture
def nothing(monkeypatch):
    """As in a copy of the book without a single run."""
    monkeypatch.setattr(recorded, "known_records", lambda path: {})
    recorded._read.cache_clear()
    yield
    recorded._read.cache_clear()


def bar(backbone, loss, protocol=None):
    """A bar of Figure 1 with a run under a protocol beside it, or with none."""
    figure = Figure(
        paper_experiments.BARS, "yelp2018", backbone, loss, "recall@20", 1, "paper", loss
    )
    ours = protocol and Ours("published", "yelp2018", backbone, loss, 64, protocol, ())
    return Row(figure, ours, [1.0] if protocol else None)


def test_every_experiment_has_a_page_and_parts_of_known_states(nothing):
    lines = paper_experiments.table().split("\n")
    assert len(lines) == 2 + len(EXPERIMENTS)
    assert all("**not run**" in line and "| 0 of " in line for line in lines[2:])
    assert all((BOOK / f"{e.page}.md").exists() for e in EXPERIMENTS)


def test_a_figure_is_run_under_its_own_protocol_and_begun_under_another():
    parts = KNOWN["bars"].parts
    rows = [bar("MF", "bpr", "honest"), bar("MF", "bpr", "paper"), bar("MF", "mse", "honest")]
    assert parts([*rows, bar("MF", "bce"), bar("LightGCN", "mse", "paper")]) == [
        "run",
        "begun",
        "not run",
    ]
    assert KNOWN["lightgcn"].parts([*rows, bar("LightGCN", "mse", "paper")]) == ["run"]


def test_the_word_follows_the_parts():
    assert state(["run"] * 4) == "repeated"
    assert state(["begun", "not run"]) == state(["run", "begun"]) == "partly"
    assert counted(["run", "begun", "begun"], "bars") == "1 of 3 bars, 2 begun"


def test_a_weight_alone_is_no_curve_over_the_weight(monkeypatch):
    [study] = [e for e in EXPERIMENTS if "ratio" in e.what]

    def tried(*weights):
        run = {"data": "gowalla", "backbone": "LightGCN", "loss": "reweighted_softmax"}
        known = {w: run | {"params": {"neg_weight": w}} for w in weights}
        monkeypatch.setattr(paper_experiments, "records", lambda: known)
        return study.parts([])

    assert tried(1.0) == ["not run", "not run"]
    assert tried(0.8, 1.0, 1.2) == ["run", "not run"]
