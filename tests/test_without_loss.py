"""The sweep of what needs no loss: what it plans, and what chooses."""

import pytest

from bslutils.baselines import BASELINES
from bslutils.experiments import MissingRun, beside_published, without_loss
from bslutils.experiments.trial import NO_LOSS, Trial
from bslutils.experiments.without_loss import DATA, METHODS, final, reached, tuning
from bslutils.published import LISTED, WITHOUT_LOSS


def run(size="small", test=lambda trial: 0.1):
    """Records of a whole sweep: validation is best where knobs stand as they started."""
    records = {}
    while missing := [t for t in without_loss.without_loss(size, records) if t.id not in records]:
        for trial in missing:
            [start] = [m.start for m in METHODS if is_of(trial, m)]
            away = sum(abs(trial.params[name] / value - 1) for name, value in start.items())
            value = test(trial)
            records[trial.id] = {
                "loss": NO_LOSS,
                "valid": 1 / (1 + away),
                "test": {"recall@20": value, "ndcg@20": value},
                "train_seconds": 3.0,
            }
    return records


def is_of(trial, method):
    return (
        trial.backbone == method.fit
        and method.fixed.items() <= trial.params.items()
        and (trial.params.keys() == method.fixed.keys() | method.start.keys())
    )


def test_every_method_is_there_and_has_its_budget():
    assert {method.fit for method in METHODS} == set(BASELINES)
    records = run("full")
    for data in DATA:
        for method in METHODS:
            tried = tuning(data, method).tried(records).values()
            assert len({t.id for t in tried}) == method.steps
            assert {t.protocol for t in tried} == {"honest"} and {t.loss for t in tried} == {
                NO_LOSS
            }


def test_validation_chooses_for_both_protocols_and_test_does_not():
    records = run(test=lambda trial: sum(trial.params.values()))  # away from the start is better
    ials = next(method for method in METHODS if method.fit == "ials")
    for protocol in ("honest", "paper"):
        trials = final("ml-1m", ials, protocol, records)
        assert {t.protocol for t in trials} == {protocol}
        assert [t.config.seed for t in trials] == [0, 1, 2]
        found = reached("ml-1m", ials, protocol, records)
        assert found.params == ials.start | ials.fixed and found.closed
        assert found.test["ndcg@20"].shape == (3,) and found.seconds == 3


def test_of_all_methods_validation_prefers_one():
    records = run()
    gf = next(method for method in METHODS if method.title == "GF-CF")
    for trial in final("ml-1m", gf, "honest", records):
        records[trial.id] = records[trial.id] | {"valid": 2.0}
    assert without_loss.preferred("ml-1m", records) == gf
    with pytest.raises(MissingRun):
        without_loss.preferred("yelp2018", records)


def test_what_was_added_later_counts_where_it_is_recorded():
    [later] = (method for method in METHODS if method.later)
    records = run()
    [last] = final("ml-1m", later, "honest", records)
    records[last.id] = records[last.id] | {"valid": 2.0}
    assert without_loss.preferred("ml-1m", records) == later
    [walked, *_] = tuning("ml-1m", later).tried(records).values()
    del records[walked.id]
    assert not without_loss.preferred("ml-1m", records).later


def test_what_is_not_run_is_missing():
    ease = next(method for method in METHODS if method.fit == "ease")
    with pytest.raises(MissingRun, match="ml-1m/honest/ease l2=300"):
        reached("ml-1m", ease, "paper", {})


def test_published_figures_are_of_methods_and_data_that_are_run():
    assert set(WITHOUT_LOSS) <= set(DATA)
    names = {name for values in WITHOUT_LOSS.values() for name in values}
    assert names == {method.published for method in METHODS} - {""}
    assert all(method.published in ("", method.fit) for method in METHODS)
    assert names <= set(BASELINES) and all(set(values) <= set(DATA) for values in LISTED.values())


def test_what_was_fitted_is_no_record_of_a_training():
    trial = Trial("ml-1m", NO_LOSS, {}, without_loss.TrainConfig(), "popularity")
    record = trial.settings | {"history": [{"recall@20": 0.9}]}
    with pytest.raises(MissingRun):
        beside_published.strongest("ml-1m", "honest", {trial.id: record})
    with pytest.raises(MissingRun, match="any of bpr on ml-1m"):
        beside_published.strongest("ml-1m", "honest", {}, loss="bpr")


def test_a_tuning_that_has_not_ended_tells_the_best_so_far():
    [method] = [m for m in METHODS if m.title == "EASE"]
    with pytest.raises(MissingRun):
        without_loss.so_far("ml-1m", method, {})
    records = run()
    first, second, *_ = tuning("ml-1m", method).tried(records).values()
    few = {first.id: records[first.id], second.id: records[second.id] | {"valid": 2.0}}
    assert without_loss.so_far("ml-1m", method, few) == few[second.id]
    with pytest.raises(MissingRun):
        reached("ml-1m", method, "honest", few)
