"""Published figures beside records: what may be compared, and what is said to be missing."""

import random
import shutil
import sys
import types
from copy import deepcopy
from dataclasses import replace
from functools import cache

import matplotlib
import numpy as np
import pytest
from test_solutions import BOOK, code

from bslutils.experiments import SWEEPS, MissingRun, beside_published, figure1, records as files
from bslutils.experiments.beside_published import BARS, LOGS, NOTEBOOK, TABLES
from bslutils.losses import LOSSES
from bslutils.published import FIELD, FIGURE_1, FOLLOW_UPS

SWEPT = {
    "reference": "small",
    "published": "full",
    "field": "small",
    "backbones": "small",
}


def recorded():
    """Made-up records of every trial of these sweeps, in as many rounds as they want."""
    return deepcopy(_recorded())


@cache
def _recorded():
    records = {}
    while missing := [
        t
        for name, size in SWEPT.items()
        for t in SWEEPS[name].trials(size, records)
        if t.id not in records
    ]:
        for t in missing:
            recall = 0.05 + 0.001 * t.config.seed
            test = {"recall@20": recall, "ndcg@20": 0.8 * recall}
            history = [{"epoch": 1}, {"epoch": 2, "recall@20": recall}]
            made = {**t.settings, "id": t.id, "valid": recall, "test": test, "history": history}
            records[t.id] = made
    return records


def rows(records, **which):
    """Rows whose figure has these attributes."""
    found = beside_published.compare(records)
    return [r for r in found if all(getattr(r.figure, k) == v for k, v in which.items())]


def test_every_published_figure_is_there_once_or_with_all_its_runs():
    figures = beside_published.figures()
    assert len(set(figures)) == len(figures)
    assert {row.figure for row in beside_published.compare({})} == set(figures)
    count = {source: sum(f.source == source for f in figures) for source in (LOGS, BARS, NOTEBOOK)}
    assert count == {LOGS: 8 * 2 * 2, BARS: 8, NOTEBOOK: 6 * 3 * 2}
    assert len(figures) - sum(count.values()) == 2 * (len(FIELD) + 2 * (len(FOLLOW_UPS) - 1))
    assert {f.twin for f in figures} <= set(LOSSES)
    chose = {(f.source, f.data): f.protocol for f in figures}
    assert chose[LOGS, "amazon"] == chose[TABLES, "Gowalla"] == "honest"
    assert chose[LOGS, "ml"] == chose[TABLES, "Gowalla, shifted"] == chose[NOTEBOOK, "ml-1m"]
    twins = {(f.source, f.twin) for f in figures if f.loss == "BSL"}
    assert twins == {(TABLES, "rescaled_softmax")} | {
        (source, "reweighted_softmax") for source in (LOGS, NOTEBOOK)
    }
    # What is left out of the tables of the follow-ups is in those of the field.
    *_, sl, bsl = FOLLOW_UPS["Amazon-Electronic", "MF"]
    assert (sl, bsl) == (FIELD["softmax"], FIELD["rescaled_softmax"])


def test_nothing_is_compared_across_splits_models_losses_or_lengths():
    for row in beside_published.compare(recorded()):
        f, ours = row.figure, row.ours
        if f.data in ("amazon", "Gowalla", "Amazon-Book") or f.data.endswith("shifted"):
            assert ours is None and row.values is None and row.state == "another split"
        if ours is not None:
            assert beside_published.SAME_SPLIT[f.data] == ours.data
            assert (f.backbone, f.twin, f.dim) == (ours.backbone, ours.loss, ours.dim)
            for t in ours.trials:
                assert (t.data, t.backbone, t.loss) == (ours.data, ours.backbone, ours.loss)
                assert t.model.get("dim", 64) == f.dim and t.protocol == ours.protocol


def test_without_records_every_figure_is_listed_as_missing_or_not_planned():
    found = beside_published.compare({})
    assert all(row.values is None and row.difference is None for row in found)
    planned = {row.figure.loss for row in found if row.state == "missing" and row.alike}
    assert planned == {"SL", "BSL", "softmax", "bpr", "mse", "bce", "llpauc", "advinfonce"} | {
        "slatk",
        *(f"psl_{kind}" for kind in ("tanh", "atan", "relu")),
    }
    unplanned = {(r.figure.source, r.figure.loss) for r in found if r.state == "no run planned"}
    assert (TABLES, "BSL") in unplanned and (LOGS, "SL") not in unplanned
    with pytest.raises(MissingRun, match="any on yelp2018, paper protocol"):
        strongest("paper", {})


def test_differences_are_of_means_over_seeds_and_protocols_are_told_apart():
    records = recorded()
    (row,) = [
        r
        for r in rows(records, source=TABLES, loss="softmax", metric="recall@20", backbone="MF")
        if r.ours and r.ours.sweep == "field"
    ]
    np.testing.assert_allclose(row.values, [0.05, 0.051, 0.052])
    assert row.alike and row.difference == pytest.approx(0.051 / 0.0821 - 1)
    bars = rows(records, source=BARS, backbone="MF", loss="mse")
    assert {(r.ours.sweep, r.ours.protocol, r.alike) for r in bars} == {
        ("published", "paper", True),
        ("published", "honest", False),
    }
    assert bars[0].difference == pytest.approx(0.05 / FIGURE_1["MF"]["mse"] - 1)
    both = rows(records, source=LOGS, data="gowalla", backbone="MF", loss="BSL", metric="ndcg@20")
    assert {r.ours.sweep for r in both if r.alike} == {"reference", "published"}
    assert both[0].difference == pytest.approx(0.8 * 0.05 / 0.1584 - 1)
    sizes = rows(records, source=NOTEBOOK, loss="SL", dim=256, data="ml-1m", metric="ndcg@20")
    assert [r.ours for r in sizes] == [None]  # nobody has run these here


def test_a_run_that_is_lost_or_untuned_is_missing_and_its_neighbours_stay():
    records = recorded()
    final = figure1.final("gowalla", "softmax", "paper", records)
    del records[final.id]
    which = {"source": LOGS, "data": "gowalla", "backbone": "MF", "loss": "SL"}
    states = {(r.ours.sweep, r.ours.protocol): r.state for r in rows(records, **which)}
    assert states == {
        ("reference", "paper"): "recorded",
        ("published", "paper"): "missing",
        ("published", "honest"): "recorded",
    }
    del records[figure1.tuning("gowalla", "softmax")[0].id]  # now nobody knows what to look for
    states = {(r.ours.sweep, r.ours.protocol): r.state for r in rows(records, **which)}
    assert states["published", "honest"] == "missing"
    lost = next(
        t
        for t in SWEEPS["field"].trials("small", records)
        if t.loss == "psl_atan" and t.config.seed == 2
    )
    del records[lost.id]
    assert {r.state for r in rows(records, loss="psl_atan")} == {"missing"}
    assert {r.state for r in rows(records, loss="psl_tanh")} == {"recorded"}


def strongest(protocol, records):
    return beside_published.strongest("yelp2018", protocol, records)


def test_the_strongest_is_chosen_by_its_history_without_noise_at_64_dimensions():
    records = recorded()
    of_yelp = [r for r in records.values() if r["data"] == "yelp2018" and r["protocol"] == "paper"]
    one, two, three = of_yelp[:3]
    one["history"][1]["recall@20"] = 0.2
    two["test"]["recall@20"] = 0.9  # test alone chooses nothing
    assert strongest("paper", records) is one
    three["history"].append({"epoch": 3, "recall@20": 0.3})
    assert strongest("paper", records) is three
    for spoil in ({"false_positives": 0.1}, {"config": three["config"] | {"negative_noise": 3.0}}):
        assert strongest("paper", records | {three["id"]: three | spoil}) is one
    long = three | {"model": {"dim": 128}}
    assert strongest("paper", records | {three["id"]: long}) is one
    empty = three | {"history": []}  # diverged in the first epoch
    assert strongest("paper", records | {three["id"]: empty}) is one
    assert strongest("honest", records)["protocol"] == "honest"
    graph = records | {three["id"]: three | {"backbone": "LightGCN"}}
    best = {
        b: beside_published.strongest("yelp2018", "paper", graph, backbone=b)
        for b in ("MF", "LightGCN")
    }
    assert best == {"MF": one, "LightGCN": graph[three["id"]]}
    with pytest.raises(MissingRun, match="any of bpr with NGCF on yelp2018"):
        beside_published.strongest("yelp2018", "paper", {}, loss="bpr", backbone="NGCF")
    with pytest.raises(ValueError, match="protocol must be 'paper' or 'honest', got 'fair'"):
        strongest("fair", records)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:FigureCanvasAgg is non-interactive")
@pytest.mark.parametrize("share", [0.3, 1.0])
def test_the_page_is_made_with_records_missing(share, monkeypatch, tmp_path):
    """A part of the records is deleted, and all of them."""
    rng = random.Random(0)
    for file in sorted(files.FOLDER.glob("*.jsonl")):
        lines = file.read_text(encoding="utf-8").splitlines(keepends=True)
        kept = [line for line in lines if rng.random() >= share]
        (tmp_path / file.name).write_text("".join(kept), encoding="utf-8")
    for file in files.FOLDER.glob("*.json"):  # facts and times, which are no records of runs
        shutil.copy(file, tmp_path)
    monkeypatch.setattr(files, "FOLDER", tmp_path)
    matplotlib.use("Agg")
    monkeypatch.chdir(BOOK)
    said, glue = {}, types.ModuleType("myst_nb")
    glue.glue = lambda name, text, **kwargs: said.__setitem__(name, text)
    monkeypatch.setitem(sys.modules, "myst_nb", glue)
    namespace = {}
    with matplotlib.rc_context():
        for source in code(BOOK / "reproducibility.md"):
            exec(compile(source, "reproducibility", "exec"), namespace)
    matplotlib.pyplot.close("all")
    counts = [line["recorded"].replace(",", "").split(" of ") for line in namespace["sweeps"]]
    done, wanted = (sum(map(int, column)) for column in zip(*counts, strict=True))
    missing = sum(int(gap[-1].split(" of ")[0]) for gap in namespace["gaps"])
    assert not namespace["page"].complete and missing == wanted - done > 100
    assert (done == 0) == (share == 1)
    assert int(said["runs"].replace(",", "")) == len(namespace["records"])
    assert share < 1 or (said["near"] == "0 of 0" and said["lowest"] == "(a run is missing)")


def test_the_published_figures_of_a_run():
    """Each of the sweep is compared with a figure on its own split, of the loss that it is."""
    for trial in SWEEPS["reference"].trials("full"):
        found = beside_published.of_run(trial)
        [*figures] = (
            f
            for f in beside_published.figures()
            if beside_published.SAME_SPLIT.get(f.data) == trial.data
            and f.backbone == trial.backbone
            and (f.twin == trial.loss or f.loss == trial.label.split("/")[-1].split(" ")[0])
        )
        assert {f.value for f in figures} >= set(found)
    other = replace(trial, data="movielens-small")
    with pytest.raises(KeyError, match="nothing is published on movielens-small"):
        beside_published.of_run(other)
