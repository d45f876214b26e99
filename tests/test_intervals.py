"""Bootstrap intervals and paired differences."""

import numpy as np
import pytest
from scipy import stats

from bslutils.intervals import (
    Interval,
    adjusted,
    discoveries,
    mean_interval,
    number,
    paired_difference,
    t_interval,
    welch_interval,
)


def test_seeds_that_are_not_pairs_have_a_wider_interval():
    a, b = np.array([0.30, 0.31, 0.32]), np.array([0.28, 0.29, 0.30])
    paired, welch = t_interval(a - b), welch_interval(a, b)
    assert paired.mean == pytest.approx(welch.mean) == pytest.approx(0.02)
    assert welch.low < paired.low and welch.high > paired.high
    assert welch_interval([1.0, 1.0], [0.5, 0.5]) == (0.5, 0.5, 0.5)
    rng, held = np.random.default_rng(0), 0
    for _ in range(500):  # of two groups that differ in spread
        x, y = rng.normal(1, 0.1, 3), rng.normal(0, 0.5, 5)
        _, low, high = welch_interval(x, y)
        held += low <= 1 <= high
    assert 0.92 <= held / 500 <= 0.99
    with pytest.raises(ValueError, match="at least two values each, got 1 and 2"):
        welch_interval([1.0], [1.0, 2.0])
    with pytest.raises(ValueError, match="level must lie"):
        welch_interval([1.0, 2.0], [1.0, 2.0], level=1)


def test_interval_covers_the_mean_about_as_often_as_it_says():
    rng = np.random.default_rng(0)
    covered = sum(
        low <= 0.5 <= high
        for _, low, high in (mean_interval(rng.random(60), level=0.9) for _ in range(100))
    )
    assert 80 <= covered <= 98


def test_interval_is_near_the_normal_one_and_deterministic():
    values = np.random.default_rng(1).normal(size=2000)
    interval = mean_interval(values)
    half = 1.96 * values.std() / np.sqrt(2000)
    assert interval.high - interval.mean == pytest.approx(half, rel=0.1)
    assert interval == mean_interval(values)


def test_paired_difference_sees_what_unpaired_intervals_hide():
    rng = np.random.default_rng(2)
    b = rng.normal(0, 5, size=500)
    a = b + 0.2 + rng.normal(0, 0.1, size=500)
    difference = paired_difference(a, b)
    assert 0.15 < difference.low < 0.2 < difference.high + 0.02 and difference.p_value < 1e-6
    assert mean_interval(a).low < mean_interval(b).high
    assert paired_difference(b, b).p_value == 1


def test_students_interval_covers_where_five_values_are_too_few_for_a_bootstrap():
    rng = np.random.default_rng(3)
    rows = rng.normal(size=(400, 5))
    covered = np.mean([low <= 0 <= high for _, low, high in map(t_interval, rows)])
    assert 0.92 < covered < 0.98
    assert t_interval([1.0, 1.0]) == (1.0, 1.0, 1.0)
    mean, low, high = t_interval([0.0, 2.0], level=0.5)  # one degree of freedom: a Cauchy law
    assert (mean, low, high) == pytest.approx((1.0, 0.0, 2.0))


def test_p_values_are_adjusted_for_their_number():
    found = adjusted({"a": 0.01, "b": 0.04, "c": 0.03})
    expected = stats.false_discovery_control([0.01, 0.04, 0.03])
    assert found == dict(zip("abc", expected, strict=True))


def two_values(p):
    """Differences of two runs whose t test, with one degree of freedom, has this p-value."""
    t = np.tan(np.pi / 2 * (1 - p))
    return [t - 1, t + 1]


def test_what_is_found_depends_on_how_much_is_asked():
    p_values = {"a": 0.01, "b": 0.03, "c": 0.04}
    asked = {name: two_values(p) for name, p in p_values.items()}
    # Times 3/1, 3/2 and 3/3, and none above the next: 0.03, 0.04, 0.04.
    assert discoveries(asked) == {"a", "b", "c"}
    assert discoveries(asked, rate=0.035) == {"a"}
    # With a fourth: 0.04, 0.053, 0.053, 0.5.
    assert discoveries(asked | {"d": two_values(0.5)}) == {"a"}
    below = {name: [-x for x in values] for name, values in asked.items()}
    assert discoveries(below) == {"a", "b", "c"} and discoveries({}) == set()


def test_equal_runs_leave_no_doubt():
    assert discoveries({"tie": [0.0, 0.0, 0.0], "same": [0.1, 0.1, 0.1]}) == {"same"}
    assert paired_difference([2.0, 3.0], [1.0, 2.0]).p_value == 0


def test_bad_input():
    with pytest.raises(ValueError, match="differences of a must be at least two, got 1"):
        discoveries({"a": [1.0]})
    with pytest.raises(ValueError, match="differences of a must be a non-empty list of finite"):
        discoveries({"a": [1.0, np.nan]})
    with pytest.raises(ValueError, match=r"rate must lie in \(0, 1\), got 5"):
        discoveries({}, rate=5)
    with pytest.raises(ValueError, match="values must be at least two, got 1"):
        t_interval([1.0])
    with pytest.raises(ValueError, match=r"level must lie in \(0, 1\), got 0"):
        t_interval([1.0, 2.0], level=0)
    for bad in ([], [np.nan], [[1.0]]):
        with pytest.raises(ValueError, match="non-empty list of finite numbers"):
            mean_interval(bad)
    with pytest.raises(ValueError, match=r"level must lie in \(0, 1\), got 95"):
        mean_interval([1.0], level=95)
    with pytest.raises(ValueError, match="same length, got 2 and 3"):
        paired_difference([1, 2], [1, 2, 3])


def test_an_interval_in_words():
    student = t_interval([-0.1, -0.2, -0.3])
    assert student.plus_minus() == "-20.0 ± 24.8"
    assert student.percent(0) == "-20 % (-45 to +5)" and student.text(1) == "-0.2 (-0.4 to 0.0)"
    with pytest.raises(ValueError, match="must be symmetric"):
        mean_interval([0.0, 0.0, 0.1]).plus_minus()


def test_no_minus_stands_before_a_zero_and_no_end_hides_its_side():
    assert Interval(-0.0004, -0.01, 0.01).percent() == "+0.0 % (-1.0 to +1.0)"
    assert Interval(-0.0004, -0.0104, 0.0096).plus_minus() == "+0.0 ± 1.0"
    assert Interval(-0.001, -0.2, 0.001).text() == "0.00 (-0.20 to 0.00)"  # 0 is inside
    assert Interval(0.1, 0.0004, 0.2).text() == "0.1000 (0.0004 to 0.2000)"
    assert Interval(0.1, 0.000004, 0.2).text() == "0.1000 (0.0000 to 0.2000)"  # two more at most
    assert Interval(0.1, 0.0, 0.2).text() == "0.10 (0.00 to 0.20)"
    assert Interval(0.0, 0.0, 0.0).percent() == "+0.0 % (+0.0 to +0.0)"
    for x in (-0.049, 0.05, 1.25, -7.0):
        assert number(x, 1, "+").lstrip("+-") == f"{abs(x):.1f}"
