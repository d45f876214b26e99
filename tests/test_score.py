"""What the score is worth, on made-up runs."""

import numpy as np
import pytest

from bslutils.experiments import MissingRun, accuracy, score
from bslutils.experiments.accuracy import FIGURE, either, grid, inner

BENCH = accuracy.testbeds()[2]  # three seeds
OTHER = accuracy.testbeds()[1]
SEEDS = np.array([0.9, 1.0, 1.1])  # of the mean
# Mean test of each loss at the setting that validation chooses, and its validation.
TEST = {
    "cosines": {"softmax": 0.20, "mse": 0.16, "bce": 0.18, "bpr": 0.10},
    "inner products": {"softmax": 0.25, "mse": 0.24, "bce": 0.09, "bpr": 0.15},
}
VALID = {
    "cosines": {"softmax": 0.30, "mse": 0.20, "bce": 0.20, "bpr": 0.10},
    "inner products": {"softmax": 0.20, "mse": 0.25, "bce": 0.10, "bpr": 0.10},
}
KEPT = {"cosines": 2, "inner products": 5}


def made_up(testbed=BENCH):
    """All settings; those that are not chosen have shares of the validation of the chosen one."""
    records = {}
    for name, settings in score.SCORES.items():
        for loss in FIGURE:
            valid, kept = VALID[name][loss], KEPT[name]
            for k, trial in enumerate(settings(testbed, loss)):
                share = {kept: 1.0, 0: 0.25, 1: 0.5}.get(k, 0.75)
                records[trial.id] = {"valid": share * valid, "test": {"ndcg@20": 0.01}}
                if k == kept:
                    for seed, one in zip(SEEDS, testbed.seeds(trial), strict=True):
                        test = {"ndcg@20": TEST[name][loss] * seed}
                        records[one.id] = {"valid": valid, "test": test}
    return records


def test_losses_are_beside_softmax_loss_on_cosines_seed_by_seed():
    records, one = made_up(), np.ones(3)
    # Softmax loss on inner products, and in another order of seeds.
    found = score.beside_cosines(BENCH, "softmax", records, settings=inner)
    np.testing.assert_allclose(found, 0.25 * one)
    found = score.beside_cosines(BENCH, "bpr", records, settings=grid)
    np.testing.assert_allclose(found, -0.5 * one)
    assert (score.beside_cosines(BENCH, "softmax", records, settings=grid) == 0).all()
    runs = BENCH.seeds(grid(BENCH, "softmax")[KEPT["cosines"]])
    records[runs[0].id]["test"]["ndcg@20"] = 0.1
    found = score.beside_cosines(BENCH, "bpr", records, settings=grid)
    np.testing.assert_allclose(found, [-0.1, -0.5, -0.5])


def test_the_score_moves_each_loss_in_its_way():
    records = made_up() | made_up(OTHER)
    gains = {"softmax": 0.25, "mse": 0.5, "bce": -0.5, "bpr": 0.5}
    for loss, gain in gains.items():
        assert score.score_gain(BENCH, loss, records) == pytest.approx(gain)
    assert score.score_gains([BENCH, OTHER], records) == pytest.approx(
        {(b.data, loss): gain for b in (BENCH, OTHER) for loss, gain in gains.items()}
    )


def test_validation_prefers_a_score_and_of_equals_cosines():
    records = made_up()
    found = {loss: score.preference(BENCH, loss, records) for loss in FIGURE}
    assert found == {
        "softmax": "cosines",
        "mse": "inner products",
        "bce": "cosines",
        "bpr": "cosines",  # a tie
    }


def test_the_best_pair_is_the_one_with_the_best_mean_on_test():
    records = made_up()
    assert score.best_pair(BENCH, records) == ("softmax", "inner products")
    for run in BENCH.seeds(grid(BENCH, "bpr")[KEPT["cosines"]])[:2]:
        records[run.id]["test"]["ndcg@20"] = 0.4  # with 0.11 a mean above 0.25
    assert score.best_pair(BENCH, records) == ("bpr", "cosines")


@pytest.mark.parametrize("name", score.SCORES)
def test_a_setting_is_useless_below_half_of_the_best(name):
    records, settings = made_up() | made_up(OTHER), score.SCORES[name]
    found = score.useless([BENCH, OTHER], settings, records)
    n = len(settings(BENCH, "bpr"))
    assert len(found) == 2 * 4 * n and found.dtype == bool
    # The first has a quarter; the second has exactly half, which is not below.
    np.testing.assert_array_equal(found.reshape(8, n), [[True] + [False] * (n - 1)] * 8)
    above = score.useless([BENCH], settings, records, share=0.6)
    np.testing.assert_array_equal(above.reshape(4, n).sum(1), 2)


def test_softmax_loss_is_ahead_of_the_baseline_that_validation_prefers():
    records = made_up()
    # On cosines MSE and BCE are equal on validation; MSE is the first of the baselines.
    assert accuracy.preferred(BENCH, records) == "mse"
    found = accuracy.ahead(BENCH, records)
    assert found.over == "mse"
    np.testing.assert_allclose(found.by, 0.20 / 0.16 - 1)
    # On inner products it is MSE alone; of either, softmax loss keeps its cosines.
    np.testing.assert_allclose(accuracy.ahead(BENCH, records, settings=inner).by, 0.25 / 0.24 - 1)
    found = accuracy.ahead(BENCH, records, settings=either)
    assert found.over == "mse"
    np.testing.assert_allclose(found.by, 0.20 / 0.24 - 1)
    # Test would prefer BCE to MSE on cosines; another seed's validation decides.
    runs = BENCH.seeds(grid(BENCH, "bce")[KEPT["cosines"]])
    records[runs[2].id]["valid"] += 0.01
    assert accuracy.ahead(BENCH, records).over == "bce"


def test_what_is_missing_is_named():
    records = made_up()
    run = BENCH.seeds(inner(BENCH, "mse")[KEPT["inner products"]])[2]
    del records[run.id]
    for read in (
        lambda: score.score_gain(BENCH, "mse", records),
        lambda: score.score_gains([BENCH], records),
        lambda: score.beside_cosines(BENCH, "mse", records, settings=inner),
        lambda: score.best_pair(BENCH, records),
        lambda: accuracy.ahead(BENCH, records, settings=either),
    ):
        with pytest.raises(MissingRun, match="mse neg_weight=20 inner product L2=.*, seed 2"):
            read()
    assert accuracy.ahead(BENCH, records).over == "mse"  # needs cosines alone
    assert score.preference(BENCH, "mse", records) == "inner products"  # the first seed alone
    assert score.useless([BENCH], inner, records).sum() == 4
    del records[inner(BENCH, "mse")[7].id]
    for read in (
        lambda: score.preference(BENCH, "mse", records),
        lambda: score.useless([BENCH], inner, records),
    ):
        with pytest.raises(MissingRun, match="mse neg_weight=20 inner product L2=0.01, seed 0"):
            read()
