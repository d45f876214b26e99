"""Planted preferences."""

import numpy as np
import pytest
from scipy.stats import spearmanr

import bslutils as bsl
from bslutils.data.sources import planted
from bslutils.data.synthetic import plant


def test_agreement_with_the_truth(synthetic):
    truth, free = synthetic.truth, synthetic.seen("test").toarray() == 0
    right = truth.agreement(np.exp(truth.log_weight), free)  # any increasing function of it
    assert right["overlap@20"] == 1 and right["spearman"] == pytest.approx(1)
    taste = truth.agreement(truth.preference, free, k=10)
    assert taste["taste"] == pytest.approx(1) and taste["overlap@10"] < 0.9
    assert truth.agreement(-truth.log_weight, free)["spearman"] == pytest.approx(-1)
    noise = truth.agreement(np.random.default_rng(0).normal(size=free.shape), free)
    assert abs(noise["spearman"]) < 0.02 and noise["overlap@20"] < 0.04
    # What is no candidate does not count, however high its score.
    masked = truth.agreement(np.where(free, truth.log_weight, 1e9), free)
    assert masked == right | {"taste": pytest.approx(masked["taste"])}
    with pytest.raises(ValueError, match=r"expected \(500, 800\), got \(2, 3\)"):
        truth.agreement(np.zeros((2, 3)), free)
    with pytest.raises(ValueError, match="fewer than k=800"):
        truth.agreement(truth.preference, free, k=800)


def test_synthetic_truth_is_learnable_and_free_of_popularity(synthetic):
    truth = synthetic.truth
    users, items = synthetic.pairs("test")
    preference = truth.preference
    assert preference[users, items].mean() > preference.mean() + 0.2
    assert abs(np.corrcoef(truth.exposure, preference.mean(axis=0))[0, 1]) < 0.1
    rank = np.argsort(np.argsort(-truth.exposure)) + 1
    slope = np.polyfit(np.log(rank), np.log(truth.exposure), 1)[0]
    assert slope == pytest.approx(-0.8)
    assert spearmanr(synthetic.item_degree, truth.exposure).statistic > 0.7
    assert synthetic.hash == bsl.load("synthetic").hash
    assert synthetic.hash != planted(plant_seed=1).hash


def test_draws_follow_the_planted_weights():
    """First draws of many users with the same taste: frequencies against probabilities."""
    pairs, truth = plant(n_users=4000, n_items=40, zipf=1.0, sharpness=0.0, mean_pairs=1)
    inclusion = np.bincount(pairs[:, 1], minlength=40) / 4000
    order = np.argsort(truth.exposure)
    assert np.corrcoef(np.argsort(order), np.argsort(np.argsort(inclusion)))[0, 1] > 0.99
    assert len(pairs) == 4000 * 10  # the least a user draws, and the quarter of 40 items


@pytest.mark.parametrize(
    "bad", [{"n_users": 0}, {"n_items": 10}, {"zipf": -1}, {"sharpness": np.nan}]
)
def test_bad_plant(bad):
    (name,) = bad
    with pytest.raises(ValueError, match=f"{name} must be finite and at least"):
        planted(**bad)
