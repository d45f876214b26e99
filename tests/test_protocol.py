"""What the protocol is worth, on made-up long runs."""

import pytest

from bslutils.experiments import MissingRun, protocol
from bslutils.experiments.figure1 import SETTINGS, final, tuning
from bslutils.experiments.protocol import both_ways, looks, on_test, over_last, protocols

HISTORY = {4: 0.09, 8: 0.11, 12: 0.12, 16: 0.115}


def long_runs(data="yelp2018", loss="bpr", history=HISTORY, best_epoch=8):
    """Records of a loss; validation chooses the second setting."""
    records = {t.id: {"valid": float(n == 1)} for n, t in enumerate(tuning(data, loss))}
    honest, paper = (final(data, loss, name, records) for name in ("honest", "paper"))
    assert honest.params == SETTINGS[data][loss][1]
    for trial in tuning(data, loss):
        records[trial.id]["protocol"] = "honest"
    records[honest.id] = {
        "protocol": "honest",
        "test": {"recall@20": 0.10, "ndcg@20": 0.05},
        "best_epoch": best_epoch,
    }
    entries = [{"epoch": k, "recall@20": x, "ndcg@20": x / 2} for k, x in history.items()]
    top = max(history.values())
    records[paper.id] = {
        "loss": loss,
        "protocol": "paper",
        "test": {"recall@20": top, "ndcg@20": top / 2},
        "history": [{"epoch": 1, "loss": 3.0}, *entries],
    }
    return records, honest, paper


def test_a_protocol_is_worth_more_pairs_and_the_rest():
    records, _, _ = long_runs()
    found = protocols("yelp2018", "bpr", records)
    assert found == (0.10, 0.12, 0.11)
    assert (found.whole, found.pairs) == pytest.approx((0.2, 0.1))
    ndcg = protocols("yelp2018", "bpr", records, metric="ndcg@20")
    assert ndcg == pytest.approx((0.05, 0.06, 0.055))


def test_where_both_choose_the_same_epoch_more_pairs_are_all():
    found = protocols("yelp2018", "bpr", long_runs(best_epoch=12)[0])
    assert found.whole == found.pairs == pytest.approx(0.2)


def misses(read, *args):
    """What a reading says is missing."""
    with pytest.raises(MissingRun) as error:
        read(*args)
    return str(error.value)


def test_what_is_missing_is_named():
    records, honest, paper = long_runs()
    assert "mse" in misses(protocols, "yelp2018", "mse", records)
    without = {id: record for id, record in records.items() if id != paper.id}
    assert "paper/MF/bpr" in misses(protocols, "yelp2018", "bpr", without)
    without = {id: record for id, record in records.items() if id != honest.id}
    assert "honest/MF/bpr" in misses(protocols, "yelp2018", "bpr", without)
    assert "honest/MF/bpr" in misses(protocols, "yelp2018", "bpr", {})


def test_on_gowalla_losses_are_compared_once_they_are_recorded():
    small = [("yelp2018", "softmax"), ("yelp2018", "mse")]
    assert both_ways({}) == small
    records, honest, _ = long_runs("gowalla", "softmax")
    assert both_ways(records) == [*small, ("gowalla", "softmax")]
    del records[honest.id]
    assert both_ways(records) == small


def test_runs_that_look_at_test_are_those_under_the_paper_protocol():
    records, _, paper = long_runs()
    records["fitted"] = records[paper.id] | {"loss": "none"}
    assert on_test(records) == [records[paper.id]]
    assert on_test({}) == []


def test_a_run_is_looked_at_where_its_history_has_the_metric():
    record = long_runs()[0][long_runs()[2].id]
    assert looks(record) == HISTORY
    assert looks(record, "ndcg@20") == pytest.approx({k: x / 2 for k, x in HISTORY.items()})
    assert looks(record, "loss") == {1: 3.0}
    assert over_last(record) == pytest.approx(0.12 / 0.115 - 1)
    assert over_last(record, "ndcg@20") == pytest.approx(0.12 / 0.115 - 1)
    rising = long_runs(history={4: 0.1, 8: 0.2})
    assert over_last(rising[0][rising[2].id]) == 0
    assert protocol.over_last({"history": [{"epoch": 3, "recall@20": 0.2}]}) == 0
