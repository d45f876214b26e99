"""Choosing pairs: held out, dense, false, in groups of popularity."""

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from scipy.sparse import csr_array

from bslutils.data.splits import false_positives, hold_out, k_core, popularity_groups


def pair_set(matrix):
    return set(zip(*(x.tolist() for x in matrix.nonzero()), strict=True))


@given(st.integers(0, 10_000), st.floats(0, 0.99))
@settings(max_examples=50, deadline=None)
def test_hold_out_splits_each_user(seed, fraction):
    rng = np.random.default_rng(seed)
    whole = csr_array(rng.random((9, 30)) < rng.random((9, 1)))
    train, valid = hold_out(whole, fraction, seed)
    assert pair_set(train).isdisjoint(pair_set(valid))
    assert pair_set(train) | pair_set(valid) == pair_set(whole)
    for n, held in zip(np.diff(whole.indptr), np.diff(valid.indptr), strict=True):
        assert held == max(0, min(int(np.floor(fraction * n + 0.5)), n - 1))


def test_hold_out_is_random_and_seeded():
    whole = csr_array(np.ones((1, 10), dtype=bool))
    held = {tuple(hold_out(whole, 0.1, seed)[1].indices) for seed in range(200)}
    assert len(held) == 10
    assert pair_set(hold_out(whole, 0.3, 5)[1]) == pair_set(hold_out(whole, 0.3, 5)[1])
    with pytest.raises(ValueError, match=r"must lie in \[0, 1\), got 1"):
        hold_out(whole, 1, 0)


@given(st.integers(0, 10_000), st.integers(1, 5))
@settings(max_examples=50, deadline=None)
def test_k_core_equals_peeling_one_at_a_time(seed, k):
    users, items = (np.random.default_rng(seed).random((12, 10)) < 0.3).nonzero()
    left = set(zip(users.tolist(), items.tolist(), strict=True))
    while True:
        weak = next(
            (p for p in left if min(sum(q[a] == p[a] for q in left) for a in (0, 1)) < k), None
        )
        if weak is None:
            break
        left.remove(weak)
    keep = k_core(users, items, k)
    assert set(zip(users[keep].tolist(), items[keep].tolist(), strict=True)) == left


def test_a_core_of_nothing_is_refused():
    with pytest.raises(ValueError, match="k must be at least 1, got 0"):
        k_core(np.array([0]), np.array([0]), 0)


def test_false_positives_are_new_and_as_many_as_asked(movielens):
    users, items = false_positives(movielens.train, 0.3, seed=1)
    assert (np.asarray(movielens.train[users, items]).ravel() == 0).all()
    assert len(np.unique(users * movielens.n_items + items)) == len(users)
    wanted = np.floor(0.3 * movielens.user_degree + 1e-9)
    assert (np.bincount(users, minlength=movielens.n_users) == wanted).all()
    again = false_positives(movielens.train, 0.3, seed=1)
    assert (again[0] == users).all() and (again[1] == items).all()
    # Uniform over free items: popular films are not favoured.
    assert movielens.item_degree[items].mean() < 1.2 * movielens.item_degree.mean()
    with pytest.raises(ValueError, match="fraction must be at least 0"):
        false_positives(movielens.train, -0.1, seed=0)


def test_popularity_groups_of_equal_items_and_bad_numbers():
    assert popularity_groups(np.full(6, 7), 3).tolist() == [0, 0, 1, 1, 2, 2]
    assert popularity_groups(np.array([0, 5]), 2).tolist() == [0, 1]
    with pytest.raises(ValueError, match=r"n_groups must lie in \[1, 2\], got 3"):
        popularity_groups(np.ones(2), 3)
    with pytest.raises(ValueError, match="no pair to cut into groups"):
        popularity_groups(np.zeros(2), 1)
