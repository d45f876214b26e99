"""What is read off the records of the sweeps on accuracy."""

from functools import cache

import numpy as np
import pytest

from bslutils.experiments import SWEEPS, MissingRun, accuracy
from bslutils.experiments.accuracy import (
    compared,
    either,
    grid,
    inner,
)

BENCH = accuracy.testbeds()[0]


def worth(trial):
    """A made-up test score: losses in order, later settings better, later seeds a little."""
    names = compared(BENCH)
    place = [t.params for t in grid(BENCH, trial.loss)].index(trial.params)
    return 0.5 - 0.01 * names.index(trial.loss) + 0.001 * place + 0.0001 * trial.config.seed


@pytest.fixture
def records():
    return dict(_recorded())


@cache
def _recorded():
    found = {}
    for loss in compared(BENCH):
        for trial in grid(BENCH, loss):
            for one in BENCH.seeds(trial):
                place = [t.params for t in grid(BENCH, loss)].index(trial.params)
                found[one.id] = {
                    "valid": -abs(place - 2),  # the third is chosen
                    "test": {"ndcg@20": worth(one), "recall@20": 2 * worth(one)},
                }
    return found


def test_levels_are_those_of_the_setting_that_validation_chose(records):
    seeds = 0.0001 * np.arange(5)
    np.testing.assert_allclose(accuracy.level(BENCH, "softmax", records), 0.502 + seeds)
    np.testing.assert_allclose(
        accuracy.level(BENCH, "softmax", records, metric="recall@20"), 2 * (0.502 + seeds)
    )
    n = compared(BENCH).index("bpr")
    np.testing.assert_allclose(
        accuracy.relative(BENCH, "bpr", records), (0.502 - 0.01 * n + seeds) / (0.502 + seeds) - 1
    )
    assert (accuracy.relative(BENCH, "softmax", records) == 0).all()


def test_levels_can_be_those_of_other_settings(records):
    with pytest.raises(MissingRun, match="softmax tau=0.3 inner product"):
        accuracy.level(BENCH, "softmax", records, settings=inner)
    for n, trial in enumerate(inner(BENCH, "softmax")):
        for one in BENCH.seeds(trial):
            records[one.id] = {"valid": float(n == 5), "test": {"ndcg@20": 0.6 + 0.01 * n}}
    assert accuracy.level(BENCH, "softmax", records, settings=inner) == pytest.approx(0.65)
    # Validation prefers it to what it chose on cosines, which had 0 there.
    assert accuracy.level(BENCH, "softmax", records, settings=either) == pytest.approx(0.65)
    assert accuracy.level(BENCH, "softmax", records)[0] == pytest.approx(0.502)


def test_mean_levels_are_in_the_order_that_is_asked_for(records):
    found = accuracy.levels(BENCH, ("bpr", "softmax"), records)
    n = compared(BENCH).index("bpr")
    assert [*found.items()] == [
        ("bpr", pytest.approx(0.5022 - 0.01 * n)),
        ("softmax", pytest.approx(0.5022)),
    ]
    recall = accuracy.levels(BENCH, ["softmax"], records, metric="recall@20")
    assert recall == {"softmax": pytest.approx(2 * 0.5022)}


def misses(read, *args):
    """What a reading says is missing."""
    with pytest.raises(MissingRun) as error:
        read(*args)
    return str(error.value)


def test_what_is_missing_is_named(records):
    for read in (accuracy.level, accuracy.chosen):
        assert misses(read, BENCH, "bpr", {}).endswith("MF/bpr tau=0.1, seed 0")
    chosen = BENCH.seeds(grid(BENCH, "bpr")[2])
    del records[chosen[4].id]
    for read in (accuracy.level, accuracy.relative):
        assert misses(read, BENCH, "bpr", records).endswith("MF/bpr tau=0.2, seed 4")
    assert misses(accuracy.levels, BENCH, ["mse", "bpr"], records).endswith("tau=0.2, seed 4")
    assert accuracy.chosen(BENCH, "bpr", records) == chosen  # needs the first seed alone
    del records[chosen[0].id]
    assert misses(accuracy.chosen, BENCH, "bpr", records).endswith("MF/bpr tau=0.2, seed 0")


def test_the_sweep_has_what_the_page_reads(records):
    wanted = {trial.id for trial in SWEEPS["overall"].trials("small", records)}
    for loss in compared(BENCH):
        assert {t.id for t in grid(BENCH, loss)} <= wanted
