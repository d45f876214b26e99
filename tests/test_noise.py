"""The sweeps on noise: what they plan, and what is read off their records."""

from copy import deepcopy
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from bslutils.data import SOURCES
from bslutils.experiments import SWEEPS, MissingRun, noise
from bslutils.experiments.noise import CURVE_TAUS, NEGATIVE, POSITIVE, testbeds
from bslutils.experiments.testbeds import SETTINGS

BENCH = testbeds()[0]
KINDS = {"negative_noise": NEGATIVE, "positive_noise": POSITIVE}


def score(trial):
    """A made-up validation score: the first setting of a loss is best when clean, the last not."""
    place = next(n for n, params in enumerate(SETTINGS[trial.loss]) if trial.params == params)
    noisy = trial.false_positives > 0 or trial.config.negative_noise > 1
    return place if noisy else -place


def recorded(name, size="small"):
    """Records of every trial of a sweep, in as many rounds as it wants; a copy to spoil."""
    return deepcopy(_recorded(name, size))


@cache
def _recorded(name, size):
    records = {}
    while missing := [t for t in SWEEPS[name].trials(size, records) if t.id not in records]:
        for t in missing:
            worth = 0.5 - 0.01 * t.config.negative_noise - t.false_positives
            records[t.id] = {
                "valid": score(t),
                "test": {"ndcg@20": worth + 0.001 * t.config.seed},
                "truth": {"spearman": worth},
                "test masked": {"ndcg@20": worth + 0.1},
            }
    return records


@pytest.mark.parametrize("name", KINDS)
def test_every_loss_is_tuned_alike_and_settings_are_kept_or_chosen_again(name):
    kind, records = KINDS[name], recorded(name)
    assert {len(kind.tuning(BENCH, loss, kind.clean)) for loss in kind.losses} == {6}
    for loss in kind.losses:
        cells = {
            (level, tuned): kind.trials(BENCH, loss, level, records, tuned=tuned)
            for level, tuned in kind.cells(BENCH)
        }
        for (level, tuned), trials in cells.items():
            chosen = SETTINGS[loss][-1 if tuned and level == kind.levels[-1] else 0]
            assert [t.params for t in trials] == [chosen] * 5
            assert [t.config.seed for t in trials] == [0, 1, 2, 3, 4]
            of = {
                t.false_positives if kind is POSITIVE else t.config.negative_noise for t in trials
            }
            assert of == {level}
        assert sorted(level for level, tuned in cells if not tuned) == sorted(kind.levels)
        assert (kind.levels[-1], True) in cells and (kind.levels[2], True) not in cells


def test_sizes():
    small = {t.data for t in SWEEPS["negative_noise"].trials("small", {})}
    assert small == {"movielens-small", "synthetic", "amazon-electronics"}
    assert {t.config.positives for t in SWEEPS["bilateral"].trials("small", {})} == {1, 4, 16}


def test_all_losses_of_a_comparison_are_trained_alike():
    for name in KINDS:
        for testbed in testbeds():
            trials = [t for t in SWEEPS[name].trials("small", {}) if t.data == testbed.data]
            same = {replace(t.config, negative_noise=1.0) for t in trials}
            assert same == {testbed.config}


def test_a_cell_with_a_missing_run_has_no_values():
    records = recorded("negative_noise")
    with pytest.raises(MissingRun, match="MF/bpr tau=0.1, seed 0"):
        noise.curve(NEGATIVE, BENCH, "bpr", {})
    whole = noise.curve(NEGATIVE, BENCH, "bpr", records)
    assert whole[0] == [0.0, 1.0, 3.0, 10.0] and whole[1].shape == (5, 4)
    level, tuned = NEGATIVE.cells(BENCH)[0]
    cell = BENCH, "bpr", level
    np.testing.assert_array_equal(NEGATIVE.values(*cell, records, tuned=tuned), whole[1][:, 0])
    del records[NEGATIVE.trials(*cell, records, tuned=tuned)[3].id]
    for read, args in (
        (NEGATIVE.values, (*cell, records)),
        (noise.curve, (NEGATIVE, BENCH, "bpr", records)),
        (noise.change, (NEGATIVE, BENCH, "bpr", records)),
    ):
        with pytest.raises(MissingRun, match="MF/bpr tau=0.1 r=0, seed 3"):
            read(*args)


def test_changes_are_relative_to_clean_training_seed_by_seed():
    records = recorded("negative_noise")
    seeds = 0.001 * np.arange(5)
    found = noise.change(NEGATIVE, BENCH, "mse", records)
    np.testing.assert_allclose(found, (0.4 + seeds) / (0.49 + seeds) - 1)
    found = noise.change(NEGATIVE, BENCH, "mse", records, view="truth", metric="spearman")
    np.testing.assert_allclose(found, 0.4 / 0.49 - 1)
    records = recorded("positive_noise")
    levels, runs = noise.curve(POSITIVE, BENCH, "mse", records, view="test masked")
    assert levels == [0.0, 0.1, 0.2, 0.4]
    np.testing.assert_allclose(runs[0], [0.49, 0.49, 0.39, 0.19])  # nothing to mask when clean


def test_temperatures_and_their_peaks():
    records = {
        trial.id: {
            "test": {
                "ndcg@20": 0.5 - 0.01 * trial.config.negative_noise + 0.001 * trial.config.seed
            }
        }
        for trial in noise.temperature("small", {})
    }
    runs = noise.by_tau(BENCH, records, metric="ndcg@20", view="test", negative_noise=10.0)
    np.testing.assert_allclose(runs, np.repeat(0.4 + 0.001 * np.arange(5)[:, None], 8, axis=1))
    with pytest.raises(MissingRun, match="tau=0.1 p=0.1"):  # not part of the sweep
        noise.by_tau(BENCH, records, fraction=0.1)
    curves = [-(np.log(np.array(CURVE_TAUS) / t) ** 2) for t in (0.12, 0.31, 0.5, 0.01, 3.0)]
    np.testing.assert_allclose(noise.peaks(np.array(curves)), [0.12, 0.31, 0.5, 0.1, 1.08])
    assert noise.peaks(np.arange(8.0)[None] ** 2) == [1.08]  # no peak inside: the better end
    with pytest.raises(ValueError, match=r"runs must be \(n_runs, 8\), got \(2, 5\)"):
        noise.peaks(np.zeros((2, 5)))


def test_the_softmax_control_of_the_bilateral_sweep_sees_the_same_rows():
    trials = noise.bilateral("small", {})
    rows = {}
    for t in trials:
        key = (t.data, t.config.positives, t.false_positives, t.config.seed)
        rows.setdefault(key, []).append(t)
    for (_, positives, *_), group in rows.items():
        assert len({t.config for t in group}) == 1
        assert len(group) == (1 if positives == 1 else 6)
        assert {t.params.get("tau_neg", t.params.get("tau")) for t in group} in ({0.2}, {0.28})


def test_gains_are_over_softmax_loss_on_the_same_rows():
    records, loss = {}, "bilateral_softmax"
    for trial in noise.bilateral("small", {}):
        rows = trial.config.positives
        worth = {"softmax_risk": 0.2, loss: 0.3}.get(trial.loss, 0.1) + rows
        records[trial.id] = {"test": {"ndcg@20": worth}}
    found = noise.gains(BENCH, records, fraction=0.4, positives=4)
    assert set(found) == {(name, tau) for name, grid in noise.BILATERAL.items() for tau in grid}
    np.testing.assert_allclose(found[loss, 0.3], np.full(5, 4.3 / 4.2 - 1))
    assert found["pessimistic_bilateral_softmax", 1.0].max() < 0
    control = BENCH.trial("softmax_risk", {"tau": 0.28}, fraction=0.4, **noise.in_rows(4))
    del records[control.id]
    with pytest.raises(MissingRun, match="softmax_risk tau=0.28 p=0.4"):
        noise.gains(BENCH, records, fraction=0.4, positives=4)
    assert len(noise.gains(BENCH, records, fraction=0.4, positives=16)) == 5


def test_missing_cells_are_named():
    records = recorded("negative_noise")
    assert noise.missing(NEGATIVE, [BENCH], records) == []
    del records[NEGATIVE.trials(BENCH, "ccl", 3, records)[0].id]
    assert noise.missing(NEGATIVE, [BENCH], records) == ["ccl on movielens-small at 3"]
    tuning = NEGATIVE.tuning(BENCH, "mse", 10.0)[2]
    del records[tuning.id]
    assert "mse on movielens-small at 10, tuned" in noise.missing(NEGATIVE, [BENCH], records)
    assert len(noise.missing(NEGATIVE, [BENCH], {})) == 5 * (4 + 3)


def test_every_testbed_has_a_title():
    assert [t.title for t in testbeds()] == [SOURCES[t.data].title for t in testbeds()]
