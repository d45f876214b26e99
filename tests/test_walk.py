"""Tuning by steps climbs, looks around at the top, and keeps to its budget."""

import math

import pytest

from bslutils import TrainConfig
from bslutils.experiments import MissingRun, Trial
from bslutils.experiments.walk import Knob, Walk

CONFIG = TrainConfig(epochs=1)


def trial(values):
    return Trial("synthetic", "bilateral_softmax", values, CONFIG)


def walk(budget=10, start=(0.1, 0.1), knobs=None):
    knobs = knobs or {"tau_neg": Knob(2), "tau_pos": Knob(2)}
    return Walk(dict(zip(knobs, start, strict=True)), knobs, trial, budget)


def worth(found, top):
    """A hill over the logarithms of both temperatures."""
    return -sum(math.log2(found.params[name] / best) ** 2 for name, best in top.items())


def finished(walk, top):
    """The records of a walk up a hill, in the order in which they were made."""
    records = {}
    while missing := [t for t in walk.tried(records).values() if t.id not in records]:
        assert len(missing) == 1  # one at a time
        records[missing[0].id] = {"valid": worth(missing[0], top)}
    return records


def test_it_climbs_to_the_top_and_looks_around():
    top = {"tau_neg": 0.4, "tau_pos": 0.05}
    found, inside = walk(budget=12).best(finished(walk(budget=12), top))
    assert found.params == top and inside


def test_it_says_where_the_budget_ended_at_an_edge():
    found, inside = walk(budget=4).best(finished(walk(budget=4), {"tau_neg": 6.4, "tau_pos": 0.1}))
    assert found.params["tau_neg"] == 0.8 and not inside


def test_it_says_which_knob_was_not_moved_which_way():
    top = {"tau_neg": 6.4, "tau_pos": 0.1}
    climbing = walk(budget=4)
    assert climbing.open_ends(finished(climbing, top)) == {"tau_neg": "highest", "tau_pos": "alone"}
    whole = walk(budget=12)
    inside = finished(whole, {"tau_neg": 0.4, "tau_pos": 0.05})
    assert whole.open_ends(inside) == {}
    down = {"tau_neg": 0.001, "tau_pos": 0.1}
    assert walk(budget=6).open_ends(finished(walk(budget=6), down))["tau_neg"] == "lowest"
    with pytest.raises(MissingRun):
        climbing.open_ends({})


def test_every_walk_has_as_many_trials_wherever_the_top_is():
    for tau in (0.1, 0.2, 1.6):
        assert len(finished(walk(), {"tau_neg": tau, "tau_pos": 0.1})) == 10


def test_it_stays_where_the_knobs_go():
    knobs = {"tau_neg": Knob(2, high=0.2), "tau_pos": Knob(0.1, add=True, low=0.05, high=0.2)}
    bounded = walk(knobs=knobs)
    records = finished(bounded, {"tau_neg": 6.4, "tau_pos": 6.4})
    found, inside = bounded.best(records)
    assert found.params == {"tau_neg": 0.2, "tau_pos": 0.2} and inside  # an edge of the domain


def test_of_equals_the_first_is_kept():
    flat = walk()
    found, _ = flat.best({t.id: {"valid": 0.5} for t in _all(flat)})
    assert found.params == {"tau_neg": 0.1, "tau_pos": 0.1}


def _all(walk):
    records = {}
    while missing := [t for t in walk.tried(records).values() if t.id not in records]:
        records[missing[0].id] = {"valid": 0.5}
        yield missing[0]


def test_before_its_end_there_is_no_best():
    begun = walk()
    with pytest.raises(MissingRun, match="a run is missing: synthetic/.* tau_neg=0.1"):
        begun.best({})
    first = begun.tried({})[0, 0]
    with pytest.raises(MissingRun, match="tau_neg=0.2"):
        begun.best({first.id: {"valid": 0.1}})


def test_steps_are_rounded_so_that_there_and_back_is_the_same_trial():
    knob = Knob(1.4)
    assert knob.moved(knob.moved(0.11, 3), -3) == 0.11
    assert Knob(0.1, add=True, high=0.9).moved(0.8, 1) == 0.9
    assert Knob(0.1, add=True, high=0.9).moved(0.8, 2) is None
