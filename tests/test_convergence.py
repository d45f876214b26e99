"""How far training went, said of every bench."""

from dataclasses import replace

import pytest

from bslutils.experiments import MissingRun, convergence, known_records, path_of, sweep
from bslutils.experiments.convergence import chosen, longer, of_testbed, testbeds, twice
from bslutils.experiments.facts import facts_of

RECORDED = known_records(path_of(""))
SMALL = testbeds()[0]


def test_every_testbed_is_looked_at_once():
    found = testbeds()
    assert len({replace(testbed, whole=True) for testbed in found}) == len(found)
    kinds = {(testbed.data, testbed.backbone) for testbed in found}
    assert ("synthetic", "MF") in kinds and ("movielens-small", "NGCF") in kinds


def test_twice_the_epochs_of_softmax_loss_and_of_the_one_that_rises_most():
    pairs = twice(SMALL, RECORDED)
    assert next(iter(pairs)) == "softmax" and len(pairs) == 2
    first = chosen(SMALL, RECORDED)
    for loss, (once, long) in pairs.items():
        assert once[0] == first[loss] and len(once) == convergence.SEEDS
        for a, b in zip(once, long, strict=True):
            assert b.config == replace(a.config, epochs=2 * a.config.epochs) and b.id != a.id
    other = first["ccl"]
    steep = RECORDED[other.id] | {"history": [{"ndcg@20": 0.1}, {"ndcg@20": 0.2}]}
    assert [*twice(SMALL, RECORDED | {other.id: steep})] == ["softmax", "ccl"]


def test_the_sweep_wants_no_more_than_the_longer_runs():
    wanted = sweep("convergence").trials("small", RECORDED)
    long = {t.id for b in testbeds() for _, runs in twice(b, RECORDED).values() for t in runs}
    assert {trial.id for trial in wanted} == long
    first = {t.loss for t in sweep("convergence").trials("small", {})}
    assert first == {"softmax"}  # nothing is tuned yet


@pytest.fixture
def records():
    """Records in which the longer runs have just what the others have."""
    same = dict(RECORDED)
    for once, long in twice(SMALL, RECORDED).values():
        same |= {b.id: RECORDED[a.id] for a, b in zip(once, long, strict=True)}
    return same


def test_what_twice_the_epochs_add_and_how_high_a_bench_stands(records):
    state = of_testbed(SMALL, records)
    assert set(state.added.values()) == {0.0} and 0.9 < state.level <= 1
    assert state.preliminary == ""
    assert (state.epochs, state.seeds) == (SMALL.config.epochs, SMALL.n_seeds)
    *_, (_, long) = twice(SMALL, records).values()
    for trial in long:
        records[trial.id] = records[trial.id] | {"valid": 1.05 * records[trial.id]["valid"]}
    state = of_testbed(SMALL, records)
    loss = [*state.added][1]
    assert state.added[loss] == pytest.approx(0.05)
    assert state.preliminary == f"twice the epochs add 5.0 % to {loss}"
    line = state.line(str.upper)
    assert line["twice adds (%)"] == f"SOFTMAX +0.0, {loss.upper()} +5.0"
    assert line["users"] == f"{facts_of('movielens-small')['users']:,}"


def test_the_level_is_that_of_the_best_with_the_same_model_and_protocol(records):
    trial = longer(chosen(SMALL, records)["ccl"])
    high = RECORDED[chosen(SMALL, records)["ccl"].id]
    high = high | {"test": high["test"] | {"ndcg@20": 0.9}}
    state = of_testbed(SMALL, records | {trial.id: high})
    assert state.best == "ccl" and "softmax loss reaches" in state.preliminary
    for other in (
        {"protocol": "paper"},
        {"backbone": "LightGCN"},
        {"data": "ml-1m"},
        {"false_positives": 0.1},
        {"config": high["config"] | {"negative_noise": 3.0}},
        {"model": {"dim": 128}},
    ):
        assert of_testbed(SMALL, records | {trial.id: high | other}).preliminary == ""


def test_a_missing_run_is_named(records):
    once, long = twice(SMALL, records)["softmax"]
    for trial in (once[0], long[0]):
        less = {id: r for id, r in records.items() if id != trial.id}
        with pytest.raises(MissingRun):
            of_testbed(SMALL, less)


def test_facts_of_every_data_set_without_a_download():
    assert facts_of("synthetic")["users"] == 500
    assert facts_of("yelp2018")["items"] == 38048
    with pytest.raises(ValueError, match="got 'netflix'"):
        facts_of("netflix")
