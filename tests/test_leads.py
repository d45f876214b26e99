"""The lead of softmax loss, wherever it was measured."""

import numpy as np
import pytest

from bslutils.experiments import accuracy, every_loss, known_records, leads, path_of
from bslutils.experiments.figure1 import BASELINES
from bslutils.intervals import t_interval
from bslutils.published import FIGURE_1, FOLLOW_UPS, PSL_BPR


def made_up(data, losses, valid):
    """Records of the whole choice of some losses: softmax loss has Recall@20 .2, others less."""
    records = {}
    for loss in losses:
        while missing := [
            (part, k, t)
            for part in every_loss.choice(data, loss, records)
            for k, t in enumerate(part)
            if t.id not in records
        ]:
            for _, k, trial in missing:
                recall = {"softmax": 0.2, "bpr": 0.1, "mse": 0.16}.get(loss, 0.19)
                recall *= 1 + 0.01 * trial.config.seed
                records[trial.id] = {
                    "valid": valid[loss] - 0.001 * k,
                    "history": [{"recall@20": valid[loss], "ndcg@20": -valid[loss]}],
                    "best_epoch": 1,
                    "test": {"recall@20": recall, "ndcg@20": recall},
                    "hardware": "2 cores",
                }
    return records


def test_the_baseline_is_the_one_that_validation_prefers():
    """MSE here, though BCE is better on test; seeds are pairs, so their spread cancels."""
    valid = {"softmax": 0.1, "bpr": 0.2, "mse": 0.4, "bce": 0.3}
    [row] = leads.recorded(made_up("ml-1m", valid, valid))
    assert (row.data, row.model, row.over, row.seeds) == ("MovieLens-1M", "MF", "mse", 3)
    assert row.budget == leads.LARGE and row.score == leads.EITHER
    assert row.by == pytest.approx((0.25, 0.25, 0.25))
    # By NDCG@20 validation prefers another one.
    assert row.ndcg_over == "bpr" and row.ndcg == pytest.approx((1.0, 1.0, 1.0))


def test_a_comparison_that_lacks_a_run_is_left_out():
    valid = {"softmax": 0.1, "bpr": 0.2, "mse": 0.4}
    assert leads.recorded(made_up("ml-1m", valid, valid)) == []
    assert leads.recorded({}) == []


def test_published_leads_are_those_of_the_figure_and_of_the_table():
    rows = leads.published()
    figure = [row for row in rows if row.data == "Yelp2018"]
    assert [row.model for row in figure] == list(FIGURE_1)
    for row, values in zip(figure, FIGURE_1.values(), strict=True):
        best = max(values[x] for x in BASELINES)
        assert row.by.mean == pytest.approx(values["softmax"] / best - 1) and row.seeds == 0
    later = {row.data: row.by.mean for row in rows if "PSL" in row.data}
    assert len(later) == len(PSL_BPR)
    sl = FOLLOW_UPS["Gowalla", "MF"][3][0]
    assert later["Gowalla (PSL)"] == pytest.approx(sl / PSL_BPR["Gowalla"] - 1)


def test_recorded_leads_are_those_of_their_sweeps():
    records = known_records(path_of(""))
    rows = {(r.data, r.model, r.score, r.budget): r for r in leads.recorded(records)}
    bench = accuracy.testbeds()[0]
    valid = {
        loss: np.mean(leads._valid(accuracy.chosen(bench, loss, records), records))
        for loss in BASELINES
    }
    over = max(valid, key=valid.get)
    ours, theirs = (
        accuracy.level(bench, loss, records, metric="recall@20") for loss in ("softmax", over)
    )
    row = rows["MovieLens (small)", "MF", "cosines", leads.SMALL]
    assert row.over == over and row.by == pytest.approx(tuple(t_interval(ours / theirs - 1)))
    other, by = accuracy.ahead(bench, records)
    assert row.ndcg_over == other and row.ndcg == pytest.approx(tuple(t_interval(by)))
    assert all(row.by.low <= row.by.mean <= row.by.high for row in rows.values())
    assert {row.over for row in rows.values()} <= set(BASELINES)
    assert not np.isnan([row.by for row in rows.values()]).any()


def test_runs_of_different_devices_are_no_pairs():
    """Their ratio has the spread of both; in logarithms, so that neither side is the base."""
    valid = {"softmax": 0.1, "bpr": 0.2, "mse": 0.4, "bce": 0.3}
    records = made_up("ml-1m", valid, valid)
    for trial in every_loss.choice("ml-1m", "mse", records).final:
        records[trial.id] = records[trial.id] | {"hardware": "NVIDIA H100"}
    [row] = leads.recorded(records)
    assert row.by.mean == pytest.approx(0.25) and row.by.low < 0.24 and row.by.high > 0.26
