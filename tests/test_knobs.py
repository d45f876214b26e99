"""A metric over a knob: where it is best, how flat its top is, what a wrong setting costs."""

import numpy as np
import pytest
from hypothesis import given, strategies as st
from hypothesis.extra.numpy import arrays

from bslutils.experiments.knobs import (
    against,
    at_best,
    best_cell,
    copied,
    costs,
    is_hump,
    luck,
    off_by,
    one_step,
    plateau,
    plateau_widths,
    span,
    summits,
)

TAUS = (0.1, 0.14, 0.2, 0.28, 0.39, 0.55)


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


def test_the_best_of_a_grid_is_the_best_of_the_mean():
    runs = np.random.default_rng(0).random((3, 2, 4))
    i, j = best_cell(runs)
    assert runs[:, i, j].mean() == runs.mean(0).max()
    np.testing.assert_array_equal(at_best(runs), runs[:, i, j])
    np.testing.assert_array_equal(at_best(runs.reshape(3, 8)), runs[:, i, j])
    assert best_cell(np.array([[1.0, 2.0, 2.0]])) == (1,)


@given(values, st.sampled_from(TAUS))
def test_changes_are_relative_to_the_same_run_at_the_base(runs, base):
    k = TAUS.index(base)
    for run, changes in zip(runs, against(TAUS, runs, base), strict=True):
        np.testing.assert_allclose(run[k] * (1 + changes), run)
    with pytest.raises(ValueError, match="base must be one of .*, got 0.3"):
        against(TAUS, runs, 0.3)


@pytest.mark.parametrize(
    "mean, hump",
    [
        ([1, 2, 3, 2], True),
        ([1, 2, 2, 1], True),
        ([3, 2, 1, 0], True),
        ([0, 1, 2, 3], True),
        ([2, 1, 2, 1], False),
        ([1, 2, 2, 3], False),
    ],
)
def test_a_hump_rises_and_falls_and_no_more(mean, hump):
    noise = np.array([[3], [-3]]) * np.array([1, -1, 1, -1])
    assert is_hump(np.array(mean) + noise) is hump


@given(st.lists(values, min_size=1, max_size=4))
def test_costs_over_curves_are_those_of_each(curves):
    assert len(costs(curves, 0)) == len(curves) and max(costs(curves, 0)) == 0
    worst = [span(runs).mean() for runs in curves]
    every = costs(curves, *range(-5, 6))
    assert len(every) == 6 * len(curves)  # each setting once
    assert max(every) >= max(worst) - 1e-12


@given(st.lists(values, min_size=2, max_size=4))
def test_what_is_copied_is_no_worse_than_the_worst_and_no_better_than_the_best(curves):
    tops = {best_cell(runs)[0] for runs in curves}
    lost = [1 - runs[:, k].mean() / at_best(runs).mean() for runs in curves for k in tops]
    same = [np.tile(runs.mean(0), (3, 1)) for runs in curves]  # seeds agree: ratios of means
    assert copied(same) == pytest.approx(max(lost), abs=1e-12)
    assert copied(curves[:1]) == pytest.approx(0)


def test_widths_are_those_of_plateaus_within_the_grid():
    hump, low_end = (np.array([-(np.log(np.array(TAUS) / tau) ** 2)]) / 5 + 1 for tau in (0.2, 0.1))
    low, high = plateau(TAUS, hump)
    assert plateau_widths(TAUS, [low_end, hump]) == [high / low]


def test_luck_is_the_mean_span_of_equal_settings():
    rng = np.random.default_rng(0)
    tables = rng.normal(1, 0.01, size=(1000, 9, 5))  # nine seeds: their scatter is well known
    spans = [np.ptp(runs.mean(0)) for runs in tables]
    assert np.mean([luck(runs) for runs in tables]) == pytest.approx(np.mean(spans), rel=0.04)


@given(values, arrays(float, 3, elements=st.floats(-0.1, 0.1)))
def test_luck_does_not_ask_how_a_seed_does_on_all_settings(runs, shift):
    shifted = runs + 1 + (shift - shift.mean())[:, None]
    assert luck(shifted) == pytest.approx(luck(runs + 1), abs=1e-9)
    better = shifted + np.arange(6)  # nor how much better a setting is: only the unit changes
    unit = better.mean(0).max() / shifted.mean(0).max()
    assert luck(better) * unit == pytest.approx(luck(shifted), abs=1e-9)


def test_luck_needs_two_of_each():
    two = np.array([[1.0, 1.0], [1.0, 1.02]])
    # Residuals are 0.005 in each cell: an error of 0.01 / sqrt(2), of which two show 2 / sqrt(pi).
    assert luck(two) == pytest.approx(2 / np.sqrt(np.pi) * 0.01 / np.sqrt(2) / 1.01)
    for shape in ((1, 5), (3, 1)):
        with pytest.raises(ValueError, match="two of two settings at least, got"):
            luck(np.ones(shape))


def test_bad_shares_name_what_is_wrong():
    with pytest.raises(ValueError, match=r"share must lie in \(0, 1\), got 1"):
        plateau((1, 2, 4), np.ones((1, 3)), share=1)
