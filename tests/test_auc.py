"""The area under the curve, against loops and on models whose answer is known."""

import math

import numpy as np
import pytest
import torch

import bslutils as bsl
from bslutils.auc import auc


class Fixed(torch.nn.Module):
    """Scores as given, ``(n_users, n_items)``."""

    def __init__(self, scores):
        super().__init__()
        self.scores = torch.as_tensor(scores, dtype=torch.float64)

    def embed(self):
        return self.scores, torch.eye(self.scores.shape[1], dtype=torch.float64)


@pytest.fixture(scope="module")
def data():
    return bsl.load("synthetic")


def by_loops(scores, data, split, power):
    """The definition, pair by pair, for the first users."""
    target, seen = data.split(split).toarray(), data.seen(split).toarray()
    found = []
    for user in range(25):
        own = np.flatnonzero(target[user])
        if len(own) == 0:
            continue
        wins = total = 0.0
        for i in own:
            for j in range(data.n_items):
                if target[user, j] or seen[user, j]:
                    continue
                w = float(data.item_degree[j]) ** power
                f, g = scores[user, i], scores[user, j]
                wins += w * (1.0 if g < f else 0.5 if g == f else 0.0)
                total += w
        found.append(wins / total)
    return found


@pytest.mark.parametrize("split", ["valid", "test"])
@pytest.mark.parametrize("power", [0.0, 0.5, 2.0])
def test_it_is_what_loops_find_with_ties(data, split, power):
    rng = np.random.default_rng(0)
    scores = rng.normal(size=(data.n_users, data.n_items)).round(1)  # many ties
    found = auc(Fixed(scores), data, split=split, power=power, per_user=True)
    slow = by_loops(scores, data, split, power)
    np.testing.assert_allclose(found[: len(slow)], slow, rtol=1e-12)
    assert auc(Fixed(scores), data, split=split, power=power) == pytest.approx(found.mean())


def test_models_whose_answer_is_known(data):
    right = data.test.toarray().astype(float)
    assert auc(Fixed(right), data) == 1 and auc(Fixed(-right), data) == 0
    assert auc(Fixed(np.zeros_like(right)), data) == 0.5
    popular = np.tile(data.item_degree.astype(float), (data.n_users, 1))
    by_power = [auc(Fixed(popular), data, power=e) for e in (0, 0.5, 1, 2)]
    assert by_power == sorted(by_power, reverse=True)  # popular negatives are what it likes
    assert by_power[0] > 0.55 > by_power[2]


@pytest.mark.parametrize("power", [-1, math.inf, math.nan])
def test_a_bad_power_is_named(data, power):
    with pytest.raises(ValueError, match="power must be at least 0 and finite"):
        auc(Fixed(np.zeros((data.n_users, data.n_items))), data, power=power)


def test_bad_splits_and_sizes(data):
    with pytest.raises(ValueError, match="the model has 3 users"):
        auc(Fixed(np.zeros((3, data.n_items))), data)
    whole = bsl.load("synthetic", valid_fraction=0)
    with pytest.raises(ValueError, match="no pair in the valid split"):
        auc(Fixed(np.zeros((data.n_users, data.n_items))), whole, split="valid")
    with pytest.raises(ValueError, match="split"):
        auc(Fixed(np.zeros((data.n_users, data.n_items))), data, split="later")


@pytest.mark.filterwarnings("error")
def test_at_a_huge_power_the_most_popular_free_item_is_the_only_negative(data):
    scores = np.random.default_rng(0).normal(size=(data.n_users, data.n_items))
    found = auc(Fixed(scores), data, power=1e9, per_user=True)
    target, seen = data.test.toarray() > 0, data.seen("test").toarray() > 0
    users = np.flatnonzero(target.any(1))
    for value, u in zip(found[:50], users[:50], strict=True):
        degree = np.where(target[u] | seen[u], -1, data.item_degree)
        worst = degree == degree.max()
        beaten = (scores[u][worst][:, None] < scores[u][target[u]]).mean()
        assert value == pytest.approx(beaten)
    almost = auc(Fixed(scores), data, power=400, per_user=True)  # degree ** 400 is beyond a float
    assert np.isfinite(almost).all() and abs(almost - found).mean() < 0.05


@pytest.mark.parametrize("wrong", [math.nan, math.inf])
def test_a_model_that_diverged_has_no_curve(data, wrong):
    scores = np.zeros((data.n_users, data.n_items))
    scores[3, 5] = wrong
    with pytest.raises(ValueError, match="NaN or infinite vectors, first for user 3"):
        auc(Fixed(scores), data)


def test_a_user_who_knows_all_popular_items_has_negatives_at_power_0_alone():
    pairs = np.array([[0, 0], [1, 0], [1, 1]])
    lone = bsl.data.from_pairs(
        pairs, np.array([[0, 1], [1, 2]]), name="lone", n_items=4, valid_fraction=0
    )
    model = Fixed(np.arange(8.0).reshape(2, 4))
    assert auc(model, lone, per_user=True).tolist() == [0.0, 0.0]
    with pytest.raises(ValueError, match="no negative is left for user 0"):
        auc(model, lone, power=0.5)
