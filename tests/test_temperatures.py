"""One temperature and two: what is read off every setting of softmax loss and BSL."""

import numpy as np
import pytest

from bslutils.experiments import MissingRun, fairness
from bslutils.experiments.accuracy import grid
from bslutils.experiments.temperatures import (
    TAU_NEG,
    TAU_POS,
    alone,
    best_over_softmax,
    best_tau_neg,
    kept,
    one,
    over_softmax,
    over_tau_neg,
    over_tau_pos,
    regret,
    two,
)
from bslutils.experiments.testbeds import SETTINGS, TAUS, product

BENCH = fairness.testbeds()[0]
SEEDS = np.arange(1, BENCH.n_seeds + 1)
ONE = np.array([0.1, 0.2, 0.4, 0.5, 0.3, 0.2])  # best at 0.28
TWO = np.array([[0.3, 0.2, 0.1], [0.4, 0.6, 0.5]])  # best at tau_pos 1 and tau_neg 0.28


def recorded(chosen=0.2, two=TWO):
    """Every seed scales what a setting is worth; validation chooses one temperature."""
    records = {}
    for loss, values in (("softmax", ONE), ("bilateral_softmax", two.ravel())):
        for trial, value in zip(grid(BENCH, loss), values, strict=True):
            for seed, run in zip(SEEDS, BENCH.seeds(trial), strict=True):
                valid = float(trial.params.get("tau") == chosen)
                records[run.id] = {"valid": valid, "test": {"ndcg@20": seed * value}}
    return records


def test_the_grid_of_two_temperatures_is_that_of_the_settings():
    assert SETTINGS["bilateral_softmax"] == product(tau_pos=TAU_POS, tau_neg=TAU_NEG)
    assert SETTINGS["softmax"] == product(tau=TAUS)


def test_runs_stand_where_their_settings_do():
    records = recorded()
    np.testing.assert_allclose(one(BENCH, records), np.outer(SEEDS, ONE))
    np.testing.assert_allclose(two(BENCH, records), SEEDS[:, None, None] * TWO)
    np.testing.assert_allclose(alone(BENCH, records), np.outer(SEEDS, [0.4, 0.5, 0.3]))


def test_regret_is_of_what_validation_chose():
    for tau, value in zip(TAUS, ONE, strict=True):
        records = recorded(tau)
        assert kept(BENCH, records) == tau
        np.testing.assert_allclose(regret(BENCH, records), 1 - value / 0.5)


def test_two_temperatures_are_compared_with_one():
    records = recorded()
    change = over_softmax(BENCH, records)
    np.testing.assert_allclose(change[0], TWO / np.array([0.4, 0.5, 0.3]) - 1)
    assert change.shape == (BENCH.n_seeds, len(TAU_POS), len(TAU_NEG))
    np.testing.assert_allclose(best_over_softmax(BENCH, records), 0.6 / 0.5 - 1)
    assert best_tau_neg(BENCH, records) == (0.2, 0.28, 0.28)


@pytest.mark.parametrize("flip", [False, True])
def test_one_of_two_temperatures_is_turned_at_the_best_of_the_other(flip):
    values = TWO[::-1] if flip else TWO
    records = recorded(two=values)
    np.testing.assert_allclose(over_tau_pos(BENCH, records), np.outer(SEEDS, values[:, 1]))
    row = values[0 if flip else 1]
    np.testing.assert_allclose(over_tau_neg(BENCH, records), np.outer(SEEDS, row))


def test_readings_say_which_run_is_missing():
    for read in (one, two, kept, regret, over_softmax, best_over_softmax, best_tau_neg):
        with pytest.raises(MissingRun, match="a run is missing: movielens-small"):
            read(BENCH, {})
