"""What is read off the records of the sweeps on accuracy."""

from functools import cache

import numpy as np
import pytest

from bslutils.experiments import SWEEPS, MissingRun, accuracy
from bslutils.experiments.accuracy import (
    LOSSES,
    compared,
    either,
    grid,
    inner,
)
from bslutils.experiments.figure1 import CONFIG, INNER_DECAY, SETTINGS, final, tuning

BENCH = accuracy.testbeds("small")[0]


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


def misses(read, *args):
    """What a reading says is missing."""
    with pytest.raises(MissingRun) as error:
        read(*args)
    return str(error.value)


def test_what_is_missing_is_named(records):
    for read in (accuracy.level, accuracy.tuning, accuracy.chosen):
        assert misses(read, BENCH, "bpr", {}).endswith("MF/bpr tau=0.1, seed 0")
    chosen = BENCH.seeds(grid(BENCH, "bpr")[2])
    del records[chosen[4].id]
    for read in (accuracy.level, accuracy.relative):
        assert misses(read, BENCH, "bpr", records).endswith("MF/bpr tau=0.2, seed 4")
    assert accuracy.tuning(BENCH, "bpr", records).kept == 2  # needs the first seed alone
    del records[chosen[0].id]
    assert misses(accuracy.tuning, BENCH, "bpr", records).endswith("MF/bpr tau=0.2, seed 0")


def test_tuning_has_all_settings_and_says_which_was_chosen(records):
    for loss in compared(BENCH):
        found = accuracy.tuning(BENCH, loss, records)
        assert len(found.params) == len(found.test) == 6 and found.kept == 2
        assert (np.diff(found.test) > 0).all()
        assert found.test[2] == accuracy.level(BENCH, loss, records)[0]


def test_textbook_settings_are_settings_of_the_grid(records):
    for loss, params in accuracy.TEXTBOOK.items():
        assert loss in LOSSES
        found = accuracy.tuning(BENCH, loss, records)
        assert found.at(params) == found.test[found.params.index(params)]
    with pytest.raises(ValueError, match="params must be one of"):
        found.at({"tau": 77})


@pytest.mark.parametrize(("data", "n", "inner"), [("yelp2018", 6, 2), ("gowalla", 4, 0)])
def test_beside_the_figure_every_loss_has_as_many_settings_on_each_score(data, n, inner):
    for loss in SETTINGS[data]:
        trials = tuning(data, loss)
        products = [t for t in trials if t.model.get("score") == "dot"]
        assert len(trials) == len({t.id for t in trials}) == len({t.label for t in trials}) == n
        assert len(products) == len({t.config.lr for t in products}) == inner
        assert {t.config.weight_decay for t in products} <= {INNER_DECAY}
        assert all("lr" not in t.params and "score" not in t.params for t in trials)
        cosines = {(t.config.lr, t.config.weight_decay) for t in trials if t not in products}
        assert cosines == {(CONFIG.lr, CONFIG.weight_decay)}


def long_runs(history, best_epoch=8):
    """Records of the sweep ``published`` for one loss; validation chooses the second setting."""
    records = {t.id: {"valid": float(n == 1)} for n, t in enumerate(tuning("yelp2018", "bpr"))}
    honest, paper = (final("yelp2018", "bpr", name, records) for name in ("honest", "paper"))
    assert honest.params == SETTINGS["yelp2018"]["bpr"][1]
    records[honest.id] = {"test": {"recall@20": 0.10}, "best_epoch": best_epoch}
    entries = [{"epoch": epoch, "recall@20": value} for epoch, value in history.items()]
    records[paper.id] = {
        "test": {"recall@20": max(history.values())},
        "history": [{"epoch": 1, "loss": 3.0}, *entries],
    }
    return records, paper


def test_a_protocol_is_more_pairs_and_choosing():
    records, paper = long_runs({4: 0.09, 8: 0.11, 12: 0.12, 16: 0.115})
    found = accuracy.protocols("yelp2018", "bpr", records)
    assert found == (0.10, 0.12, 0.11, 0.115)
    np.testing.assert_allclose([found.whole, found.pairs, found.choosing], [0.2, 0.1, 0.1])
    assert "mse" in misses(accuracy.protocols, "yelp2018", "mse", records)
    assert accuracy.long_run("yelp2018", "bpr", "paper", records) is records[paper.id]
    assert "mse" in misses(accuracy.long_run, "yelp2018", "mse", "paper", records)
    del records[paper.id]
    assert "paper/MF/bpr" in misses(accuracy.long_run, "yelp2018", "bpr", "paper", records)
    assert "paper/MF/bpr" in misses(accuracy.protocols, "yelp2018", "bpr", records)
    assert "honest/MF/bpr" in misses(accuracy.protocols, "yelp2018", "bpr", {})
    assert "honest/MF/bpr" in misses(final, "yelp2018", "bpr", "paper", {})  # the tuning


def test_no_lead_over_nobody():
    assert accuracy.lead({"softmax": 1.0, "bpr": 2.0, "mse": 0.5}) == ("bpr", -0.5)
    for values in ({"softmax": 1.0}, {"bpr": 1.0, "mse": 2.0}):
        with pytest.raises(ValueError, match="values must have 'softmax'"):
            accuracy.lead(values)


def test_the_sweep_has_what_the_page_reads(records):
    wanted = {trial.id for trial in SWEEPS["overall"].trials("small", records)}
    for loss in compared(BENCH):
        assert {t.id for t in grid(BENCH, loss)} <= wanted
