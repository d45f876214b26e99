"""Batches of positives and their negatives."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings, strategies as st
from scipy.sparse import csr_array

from bslutils import TrainConfig
from bslutils.batch import batch_scores
from bslutils.models import MatrixFactorization
from bslutils.sampling import (
    NoisyNegatives,
    batches,
    expected_partners,
    in_batch_mask,
    same_user_mask,
    uniform_negatives,
)


def random_train(seed, n_users=12, n_items=15):
    return csr_array(np.random.default_rng(seed).random((n_users, n_items)) < 0.3)


@given(st.integers(0, 1000), st.integers(1, 7), st.integers(1, 40))
@settings(max_examples=40, deadline=None)
def test_an_epoch_is_every_pair_once(seed, positives, batch_size):
    train = random_train(seed)
    seen, per_user = [], {}
    for user, pos, mask in batches(
        train, batch_size, positives=positives, generator=torch.Generator().manual_seed(seed)
    ):
        assert pos.shape == (len(user), positives) and len(user) <= batch_size
        assert (mask is None) == (positives == 1)
        mask = torch.ones_like(pos, dtype=torch.bool) if mask is None else mask
        rows, columns = mask.nonzero(as_tuple=True)
        seen += zip(user[rows].tolist(), pos[rows, columns].tolist(), strict=True)
        for u in user.tolist():
            per_user[u] = per_user.get(u, 0) + 1
    assert sorted(seen) == sorted(zip(*(x.tolist() for x in train.nonzero()), strict=True))
    degree = np.diff(train.indptr)
    assert per_user == {u: -(-d // positives) for u, d in enumerate(degree.tolist()) if d}


def test_same_seed_same_batches_other_seed_other_batches():
    def epoch(seed):
        g = torch.Generator().manual_seed(seed)
        return [(u.tolist(), p.tolist()) for u, p, _ in batches(random_train(0), 8, generator=g)]

    assert epoch(1) == epoch(1) != epoch(2)


def test_positives_of_a_row_are_a_random_subset_of_the_users():
    train = csr_array(np.ones((1, 6), dtype=bool))
    firsts = set()
    for seed in range(200):
        g = torch.Generator().manual_seed(seed)
        _, pos, _ = next(batches(train, 1, positives=2, generator=g))
        firsts.add(tuple(sorted(pos[0].tolist())))
    assert len(firsts) == 15  # all pairs of 6 items turn up


def test_uniform_negatives_are_uniform():
    draws = uniform_negatives(8, (80_000,), generator=torch.Generator().manual_seed(0))
    counts = torch.bincount(draws, minlength=8).double()
    chi2 = ((counts - 10_000) ** 2 / 10_000).sum()
    assert chi2 < 24.3  # 99.9 % point of chi-square with 7 degrees of freedom


def test_in_batch_mask_leaves_out_own_items_wherever_they_stand():
    mask = in_batch_mask(torch.tensor([[1, 2], [3, 1], [4, 4]]))
    assert mask.tolist() == [
        [False, False, True, False, True, True],
        [False, True, False, False, True, True],
        [True, True, True, True, False, False],
    ]


def test_bad_input():
    with pytest.raises(ValueError, match="batch_size must be at least 1, got 0"):
        next(batches(random_train(0), 0))
    with pytest.raises(ValueError, match="positives must be at least 1, got -1"):
        next(batches(random_train(0), 4, positives=-1))
    with pytest.raises(ValueError, match="no training pair"):
        next(batches(csr_array((3, 3), dtype=bool), 4))
    with pytest.raises(ValueError, match=r"at least 1, got 5, \(0,\)"):
        uniform_negatives(5, (0,))
    with pytest.raises(ValueError, match=r"pos must be \(B, P\), got \(3,\)"):
        in_batch_mask(torch.arange(3))


def test_same_user_mask_finds_the_partners_that_are_expected(movielens):
    """The pooling of a random batch, counted by the mask, against the formula."""
    generator = torch.Generator().manual_seed(0)
    counted = [
        (same_user_mask(user).sum(1) - 1).double().mean().item()
        for _ in range(10)
        for user, _, _ in batches(movielens.train, 512, generator=generator)
        if len(user) == 512
    ]
    said = expected_partners(movielens.train, 512)
    assert sum(counted) / len(counted) == pytest.approx(said, rel=0.02)
    assert torch.equal(same_user_mask(torch.tensor([3, 1, 3])), torch.tensor(
        [[True, False, True], [False, True, False], [True, False, True]]))  # fmt: skip
    with pytest.raises(ValueError, match=r"user must be \(B,\), got \(2, 1\)"):
        same_user_mask(torch.zeros(2, 1))


def test_expected_partners_counts_pairs_of_a_user():
    train = csr_array(np.array([[1, 1, 1, 0], [1, 0, 0, 0], [1, 1, 0, 0]], dtype=bool))
    # ordered pairs of one user: 6 + 0 + 2 of 30
    assert expected_partners(train, 2) == pytest.approx(8 / 30)
    assert expected_partners(train, 6) == expected_partners(train, 99) == pytest.approx(8 / 6)
    with pytest.raises(ValueError, match="batch_size must be at least 1"):
        expected_partners(train, 0)
    with pytest.raises(ValueError, match="at least two training pairs"):
        expected_partners(csr_array(np.array([[1]], dtype=bool)), 2)


@pytest.mark.parametrize("ratio", [0.0, 0.4, 3.0, 10.0])
def test_noisy_negatives_have_the_stated_weights(ratio):
    train = random_train(3)
    g = torch.Generator().manual_seed(0)
    noise = NoisyNegatives(train, ratio)
    user = torch.arange(12)
    count = np.zeros((12, 15))
    for _ in range(300):
        neg = uniform_negatives(15, (200,), generator=g)
        drawn = neg.expand(12, 200).clone()
        keep = torch.ones(12, 200, dtype=torch.bool)
        if ratio < 1:
            keep = noise.kept(user, neg, g)
        else:
            drawn = noise.mixed(user, neg, g)
        for u in range(12):
            count[u] += np.bincount(drawn[u][keep[u]], minlength=15)
    weight = np.where(train.toarray(), ratio, 1.0)
    expected = weight / weight.sum(1, keepdims=True)
    share = count / count.sum(1, keepdims=True)
    np.testing.assert_allclose(share, expected, atol=0.006)


def test_what_replaces_a_negative_is_a_positive_of_the_row():
    train = random_train(3)
    noise, user = NoisyNegatives(train, 20.0), torch.tensor([5, 0, 5, 11])
    neg = uniform_negatives(15, (200,), generator=torch.Generator().manual_seed(0))
    drawn = noise.replaced(user, 200, torch.Generator().manual_seed(1))
    ids = noise.mixed(user, neg, torch.Generator().manual_seed(1))
    where = torch.zeros(800, dtype=torch.bool).index_fill_(0, drawn.where, True).view(4, 200)
    assert torch.equal(ids[where], drawn.own[drawn.pick])
    assert torch.equal(ids[~where], neg.expand(4, 200)[~where])
    parts = drawn.own.split(drawn.starts.diff().tolist())
    for row, part in enumerate(parts):  # what is drawn, once
        assert part.tolist() == ids[row][where[row]].unique().tolist()
    own = torch.as_tensor(train.toarray())[user]
    assert own.gather(1, ids)[where].all() and 0.3 < where.float().mean() < 1


@pytest.mark.parametrize("pool", [False, True])
def test_scores_of_noisy_negatives_are_those_of_their_ids(pool):
    train = random_train(3)
    noise, user = NoisyNegatives(train, 20.0), torch.tensor([5, 0, 5, 11])
    pos = torch.tensor([[train[[u]].indices[0]] for u in user])
    config = TrainConfig(n_negatives=200, negative_noise=20.0, pool_users=pool)
    model = MatrixFactorization(12, 15, dim=4)
    where = (model, user, pos, None, config, 15)
    scores = batch_scores(*where, torch.Generator().manual_seed(1), noise=noise)
    generator = torch.Generator().manual_seed(1)
    neg = uniform_negatives(15, (200,), generator=generator)
    ids = noise.mixed(user, neg, generator)
    users, items = model(user, torch.arange(15))
    table = users @ items.T
    torch.testing.assert_close(scores[1], table.gather(1, ids))
    torch.testing.assert_close(scores[0], table[:, pos.flatten()] if pool else table.gather(1, pos))
    tables = (model.user_table, model.item_table)
    weight = torch.linspace(0, 1, 800).view(4, 200)
    ours = torch.autograd.grad(scores[1], tables, weight)
    theirs = torch.autograd.grad(table.gather(1, ids), tables, weight)
    torch.testing.assert_close(ours, theirs)


def test_noise_outside_its_domain():
    with pytest.raises(ValueError, match="ratio must be at least 0 and finite, got -1"):
        NoisyNegatives(random_train(0), -1)


@pytest.mark.parametrize("n", [1, 3, 50, 51, 99, 100])
def test_without_replacement_every_item_comes_once_and_equally_often(n):
    g = torch.Generator().manual_seed(0)
    draws = torch.stack(
        [uniform_negatives(100, (n,), generator=g, replacement=False) for _ in range(2000)]
    )
    assert all(len(row.unique()) == n for row in draws[:50])
    counts = torch.bincount(draws.flatten(), minlength=100).double()
    spread = (2000 * n / 100 * (1 - n / 100)) ** 0.5
    assert (counts - 2000 * n / 100).abs().max() <= 4.5 * spread


def test_more_negatives_than_items():
    with pytest.raises(ValueError, match=r"cannot draw \(11,\) of 10 items without replacement"):
        uniform_negatives(10, (11,), replacement=False)
    assert len(uniform_negatives(10, (11,))) == 11
