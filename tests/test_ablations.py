"""What is read off the records of the ablations: curves, plateaus, and what a wrong knob costs."""

from functools import cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from bslutils.experiments import SWEEPS, MissingRun
from bslutils.experiments.ablations import (
    DIMS,
    NEGATIVE_TAUS,
    NEGATIVES,
    SAMPLED,
    SAMPLER_TAU,
    SIZED,
    missing,
    over_dims,
    over_negatives,
    over_taus,
    sampled,
    testbeds,
)
from bslutils.experiments.knobs import off_by, one_step, plateau, span, summits
from bslutils.experiments.testbeds import SETTINGS, measured

BENCH = testbeds("small")[0]
TAUS = (0.1, 0.14, 0.2, 0.28, 0.39, 0.55)


def worth(trial):
    """A made-up result that tells the knobs, and the seed, from each other."""
    config = trial.config
    place = 100 * SETTINGS[trial.loss].index(trial.params) if trial.loss in SETTINGS else 0
    return config.n_negatives + trial.model.get("dim", 64) / 1000 + place + 10_000 * config.seed


@cache
def recorded():
    records = {}
    for name in ("negatives", "dimension"):
        while new := [t for t in SWEEPS[name].trials("small", records) if t.id not in records]:
            for t in new:
                valid = -SETTINGS[t.loss].index(t.params)  # the first setting is chosen
                records[t.id] = {"valid": valid, "test": {"ndcg@20": worth(t)}}
    return records


def test_curves_have_a_row_for_each_seed_and_a_column_for_each_setting():
    records = recorded()
    assert missing(BENCH, records) == []
    seeds = 10_000 * np.arange(BENCH.n_seeds)[:, None]
    for n in NEGATIVES:
        found = over_taus(BENCH, n, records)
        places = [100 * SETTINGS["softmax"].index({"tau": tau}) for tau in NEGATIVE_TAUS]
        np.testing.assert_allclose(found, n + 0.064 + np.array([places]) + seeds)
    for loss in SAMPLED[1:]:
        np.testing.assert_allclose(
            over_negatives(BENCH, loss, records), np.array([NEGATIVES]) + 0.064 + seeds
        )
    for loss in SIZED:
        expected = 512 + np.array([DIMS]) / 1000 + seeds
        np.testing.assert_allclose(over_dims(BENCH, loss, records), expected)


def test_softmax_loss_over_negatives_is_a_column_of_its_grid():
    records, k = recorded(), NEGATIVE_TAUS.index(SAMPLER_TAU)
    column = [over_taus(BENCH, n, records)[:, k] for n in NEGATIVES]
    np.testing.assert_allclose(over_negatives(BENCH, "softmax", records).T, column)
    shared = measured(sampled(BENCH, "shared"), records, "ndcg@20", "test")
    np.testing.assert_allclose(shared, column[NEGATIVES.index(512)])


def test_what_is_missing_is_named():
    whole = len(NEGATIVES) + len(SAMPLED) - 1 + len(NEGATIVES) - 1 + 2 + len(SIZED)
    assert len(missing(BENCH, {})) == whole
    for read, which in ((over_taus, 8), (over_negatives, "mse"), (over_dims, "mse")):
        with pytest.raises(MissingRun, match="a run is missing: movielens-small"):
            read(BENCH, which, {})
    records = dict(recorded())
    del records[sampled(BENCH, "in-batch")[2].id]
    assert missing(BENCH, records) == ["in-batch negatives"]
    del records[sampled(BENCH, "independent", 8)[0].id]
    assert missing(BENCH, records) == ["8 independent negatives", "in-batch negatives"]


def test_summits_are_vertices_and_stay_within_the_grid():
    curves = [-(np.log(np.array(TAUS) / tau) ** 2) for tau in (0.12, 0.31, 0.5, 0.01, 3.0)]
    np.testing.assert_allclose(summits(TAUS, np.array(curves)), [0.12, 0.31, 0.5, 0.1, 0.55])
    assert summits((1, 2, 4), np.array([[4.0, 1.0, 2.0]])) == [1]  # bent upwards: the better end


values = arrays(float, (3, 6), elements=st.floats(0.1, 1))


@given(values, st.floats(0.01, 0.5))
def test_a_plateau_is_where_the_straight_lines_are_near_the_best(runs, share):
    low, high = plateau(TAUS, runs, share=share)
    mean, best = runs.mean(0), runs.mean(0).max()

    def line(tau):
        return np.interp(np.log(tau), np.log(TAUS), mean)

    inside = np.geomspace(low, high, 50)
    assert line(inside).min() >= (1 - share) * best - 1e-9
    assert low <= TAUS[mean.argmax()] <= high
    for end, edge in ((low, TAUS[0]), (high, TAUS[-1])):
        assert np.isclose(end, edge) or line(end) == pytest.approx((1 - share) * best)


@given(values)
def test_costs_are_relative_to_the_best_of_the_mean(runs):
    best = runs.mean(0).argmax()
    np.testing.assert_allclose(off_by(runs, 0), 0)
    for k in range(6):
        np.testing.assert_allclose(off_by(runs, k - best), 1 - runs[:, k] / runs[:, best])
        assert np.all(off_by(runs, k - best) <= 1)
    assert off_by(runs, 6) is None and off_by(runs, -6) is None
    sides = [off_by(runs, step) for step in (-1, 1) if off_by(runs, step) is not None]
    np.testing.assert_allclose(one_step(runs), sum(sides) / len(sides))
    weighted = (runs[:, best] * span(runs)).mean()
    assert weighted == pytest.approx(np.ptp(runs.mean(0)), abs=1e-12)


@pytest.mark.parametrize(
    "settings, runs, message",
    [
        ((1, 2), np.zeros((2, 2)), "settings must be at least three, got 2"),
        ((1, 2, 4), np.zeros((2, 2)), r"runs must be \(n_runs, 3\), got \(2, 2\)"),
        ((1, 2, 4), np.zeros(3), r"runs must be \(n_runs, 3\), got \(3,\)"),
        ((1, 4, 2), np.zeros((2, 3)), "settings must be positive and rising"),
        ((0, 1, 2), np.zeros((2, 3)), "settings must be positive and rising"),
    ],
)
def test_bad_curves_name_what_is_wrong(settings, runs, message):
    with pytest.raises(ValueError, match=message):
        summits(settings, runs)


def test_bad_shares_name_what_is_wrong():
    with pytest.raises(ValueError, match=r"share must lie in \(0, 1\), got 1"):
        plateau((1, 2, 4), np.ones((1, 3)), share=1)
