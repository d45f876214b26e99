"""The rules that turn records into verdicts."""

import numpy as np
import pytest
from scipy import stats

from bslutils.experiments.per_user import METRIC, pack, unpack
from bslutils.experiments.verdicts import (
    EQUAL,
    Estimate,
    Ratio,
    below,
    change,
    estimate,
    lead,
    pooled,
    preliminary,
    ratio,
    verdict,
    words,
)
from bslutils.intervals import Interval

RNG = np.random.default_rng(0)


def runs(*seeds, hardware="AMD EPYC, 2 cores"):
    """Records of runs, one for each array of users' values."""
    return [{"users": {METRIC: pack(np.array(x))}, "hardware": hardware} for x in seeds]


def test_users_are_kept_to_the_step():
    values = RNG.random(1000)
    kept = unpack(pack(values))
    assert np.abs(kept - values).max() <= 0.5 / 255 + 1e-12
    assert abs(kept.mean() - values.mean()) < 2e-4
    zeros = pack(np.zeros(30_000))
    assert len(zeros) < 200  # most users of large data have no hit, and cost nothing
    for bad in ([1.1], [-0.1], [float("nan")]):
        with pytest.raises(ValueError, match="must lie in"):
            pack(np.array(bad))
    with pytest.raises(ValueError, match="not packed values"):
        unpack("no text of ours")


def test_a_lead_is_the_ratio_of_means_and_its_error_that_of_the_delta_method():
    a, b = RNG.random((2, 400)).round(2)
    found = lead(runs(a), runs(b))
    a, b = (unpack(pack(x)) for x in (a, b))
    assert found.value == pytest.approx(a.mean() / b.mean() - 1)
    assert found.users.mean() == pytest.approx(0, abs=1e-12)
    resampled = []
    for _ in range(4000):
        who = RNG.integers(400, size=400)
        resampled.append(a[who].mean() / b[who].mean())
    assert found.users.std() / 20 == pytest.approx(np.std(resampled), rel=0.1)


def test_a_change_is_a_difference_of_two_ratios():
    clean, noisy = np.full(50, 0.8), np.full(50, 0.4)
    little = np.full(50, 0.6)
    found = change((runs(little), runs(clean)), (runs(noisy), runs(clean)))
    assert found.value == pytest.approx(0.25, abs=0.01)  # loses a quarter where the other a half
    assert np.abs(found.users).max() < 1e-12


def test_seeds_and_users_both_widen_an_interval():
    users = RNG.normal(size=10_000)
    users -= users.mean()
    seeds = np.array([0.1, 0.11, 0.12])
    kinds = frozenset({"CPU"})
    both = estimate(Ratio(0.11, seeds, users, kinds)).interval
    of_seeds = estimate(Ratio(0.11, seeds, 0 * users, kinds)).interval
    of_users = estimate(Ratio(0.11, np.full(3, 0.11), users, kinds)).interval
    assert of_seeds.high - 0.11 == pytest.approx(stats.t.ppf(0.975, 2) * 0.01 / 3**0.5)
    assert of_users.high - 0.11 == pytest.approx(1.96 * users.std(ddof=1) / 100, rel=1e-3)
    halves = [x.high - x.mean for x in (of_seeds, of_users, both)]
    assert np.hypot(*halves[:2]) == pytest.approx(halves[2])


def test_one_seed_needs_the_spread_of_others():
    one = Ratio(0.1, np.array([0.1]), np.zeros(5), frozenset({"CPU"}))
    with pytest.raises(ValueError, match="one seed has no spread"):
        estimate(one)
    found = estimate(one, spread=0.02, freedom=4)
    assert found.interval.low == pytest.approx(0.1 - stats.t.ppf(0.975, 4) * 0.02)
    assert found.p_value == pytest.approx(2 * stats.t.sf(0.1 / 0.02, 4))


def test_the_chance_is_that_of_the_interval():
    """0.05 where the interval just touches 0: over seeds alone, over users alone, and nearly so
    over both, where the tails are between those of the two.
    """
    users = RNG.normal(size=10_000)
    users -= users.mean()
    seeds, kinds = np.array([-0.01, 0.0, 0.01]), frozenset({"CPU"})
    for spread, moved, error in ((seeds, 0 * users, 1e-6), (0 * seeds, users, 1e-3)):
        _, _, half = estimate(Ratio(0.0, spread, moved, kinds)).interval
        at_the_end = estimate(Ratio(half, spread + half, moved, kinds))
        assert at_the_end.p_value == pytest.approx(0.05, rel=error)
        assert estimate(Ratio(1.5 * half, spread, moved, kinds)).p_value < 0.05
    assert estimate(Ratio(1.5 * half, 0 * seeds, users, kinds)).p_value < 0.005
    _, _, half = estimate(Ratio(0.0, seeds, 0 * users, kinds)).interval
    assert estimate(Ratio(1.5 * half, seeds, 0 * users, kinds)).p_value > 0.02
    assert estimate(Ratio(0.0, 0 * seeds, 0 * users, kinds)).p_value == 1
    assert estimate(Ratio(0.1, 0 * seeds, 0 * users, kinds)).p_value == 0


def test_few_differences_of_nothing_are_called_something():
    """Made-up comparisons without a difference, spread over three seeds: some 5 % by chance."""
    called = 0
    for _ in range(2000):
        seeds = RNG.normal(0, 0.01, 3)
        none = Ratio(float(seeds.mean()), seeds, np.zeros(9), frozenset({"CPU"}))
        called += words({"one": estimate(none)}, equal=0.0)["one"] != "undecided"
    assert called / 2000 < 0.07


def test_a_word_needs_an_interval_without_zero():
    assert words({"a": Estimate(Interval(0.1, -0.01, 0.21), 1e-3)})["a"] == "undecided"


def test_the_interval_covers_what_it_says():
    """Made-up experiments: of 95 % intervals some 95 % hold the truth."""
    true, covered = 0.1, 0
    for _ in range(400):
        of_seeds = true + RNG.normal(0, 0.01, 3)
        of_users = RNG.normal(0, 0.3, 900)
        value = of_seeds.mean() + of_users.mean()
        found = Ratio(value, of_seeds, of_users - of_users.mean(), frozenset({"CPU"}))
        _, low, high = estimate(found).interval
        covered += low <= true <= high
    assert 0.94 <= covered / 400 <= 1


def test_runs_that_do_not_fit_are_refused():
    a, b = np.full(5, 0.5), np.full(6, 0.5)
    with pytest.raises(ValueError, match=r"same seeds and users, got \(1, 5\) and \(1, 6\)"):
        ratio(runs(a), runs(b))
    with pytest.raises(ValueError, match=r"same seeds and users, got \(2, 5\) and \(1, 5\)"):
        ratio(runs(a, a), runs(a))
    with pytest.raises(ValueError, match="same seeds and users, got 2 and 1, 5 and 5"):
        ratio(runs(a, a), runs(a, a)).minus(ratio(runs(a), runs(a)))
    with pytest.raises(ValueError, match="keeps no metric of its users"):
        ratio([{"hardware": "2 cores"}], runs(a))
    mixed = lead(runs(a, a), runs(a, a, hardware="NVIDIA H200"))
    with pytest.raises(ValueError, match=r"not paired: \['CPU', 'NVIDIA H200'\]"):
        estimate(mixed)


def found(low, high, p):
    return Estimate(Interval((low + high) / 2, low, high), p)


@pytest.mark.parametrize(
    ("low", "high", "p", "word"),
    [
        (0.03, 0.05, 0.001, "better"),
        (-0.05, -0.03, 0.001, "worse"),
        (0.001, 0.019, 0.01, "equal"),  # sure, and too small to matter
        (-0.01, 0.05, 0.2, "undecided"),
        (0.001, EQUAL + 0.001, 0.04, "better"),
    ],
)
def test_words(low, high, p, word):
    assert words({"one": found(low, high, p)}) == {"one": word}


def test_what_is_equal_depends_on_what_is_compared():
    one = {"one": found(0.01, 0.05, 0.001)}
    assert words(one)["one"] == "better" and words(one, equal=0.06)["one"] == "equal"


def test_the_spread_is_pooled_over_groups_each_about_its_own_mean():
    groups = RNG.normal(size=(7, 3))
    spread, freedom = pooled(groups + 100 * np.arange(7)[:, None])
    assert freedom == 14
    assert spread == pytest.approx(np.sqrt(groups.var(1, ddof=1).mean()))
    assert pooled([[1.0, 2.0], [5.0]]) == (pytest.approx(0.5**0.5), 1)
    for nothing in ([], [[0.5], [0.7]]):
        with pytest.raises(ValueError, match="two at least in one group"):
            pooled(nothing)


def test_the_difference_of_two_runs_is_as_sure_as_a_two_sample_test_says():
    """Student's test with a common spread, of one run against one."""
    pool = [[0.80, 0.81, 0.83], [0.7, 0.71, 0.69]]
    spread, freedom = pooled(pool)
    got = below(0.8, 0.85, spread=spread, freedom=freedom)
    half = stats.t.ppf(0.975, 4) * spread * 2**0.5
    assert got.interval == pytest.approx((0.05, 0.05 - half, 0.05 + half))
    at_the_end = below(0.8, 0.8 + half, spread=spread, freedom=freedom)
    assert at_the_end.p_value == pytest.approx(0.05)
    assert below(0.8, 0.8, spread=spread, freedom=freedom).p_value == 1
    assert below(0.8, 0.8, spread=0.0, freedom=4).p_value == 1
    assert below(0.8, 0.9, spread=0.0, freedom=4).p_value == 0


def test_its_interval_covers_what_it_says():
    covered = 0
    for _ in range(2000):
        spread, freedom = pooled(RNG.normal(0, 0.01, (7, 3)))
        runs = RNG.normal([0.8, 0.85], 0.01)
        _, low, high = below(*runs, spread=spread, freedom=freedom).interval
        covered += low <= 0.05 <= high
    assert 0.93 <= covered / 2000 <= 0.97


def test_of_many_comparisons_one_that_is_barely_sure_is_undecided():
    alone = found(0.001, 0.1, 0.04)
    idle = {k: found(-0.1, 0.1, 0.9) for k in range(9)}
    assert words({"one": alone})["one"] == "better"
    assert words({"one": alone} | idle)["one"] == "undecided"
    assert words({}) == {}


@pytest.mark.parametrize(
    ("of", "expected"),
    [
        ("better better equal", "holds"),
        ("better worse equal", "mixed"),
        ("better worse undecided", "mixed"),
        ("better undecided", "undecided"),
        ("worse undecided", "undecided"),
        ("worse equal", "does not hold"),
        ("equal equal", "does not hold"),
    ],
)
def test_verdicts(of, expected):
    assert verdict(of.split()) == expected


def test_a_verdict_needs_comparisons():
    with pytest.raises(ValueError, match=r"must be of better, .*, got \[\]"):
        verdict([])
    with pytest.raises(ValueError, match="got \\['good'\\]"):
        verdict(["good"])


def test_a_bench_is_preliminary_for_a_reason():
    assert preliminary({"softmax": 0.019, "bpr": -0.01}, 0.9) == ""
    assert (
        preliminary({"softmax": 0.02, "bpr": 0.0}, 1.0) == "twice the epochs add 2.0 % to softmax"
    )
    assert preliminary({"softmax": 0.0}, 0.899) == "softmax loss reaches 89.9 % of the best known"
