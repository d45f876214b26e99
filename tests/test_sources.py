"""Named data sets: each is what it was, whole and in its splits."""

import numpy as np
import pytest

import bslutils as bsl
from bslutils.data import SOURCES

COUNTS = {  # users, items, train pairs, test pairs, as published
    "yelp2018": (31_668, 38_048, 1_237_259, 324_147),
    "gowalla": (29_858, 40_981, 810_128, 217_242),
    "ml-1m": (6_022, 3_043, 796_244, 99_455),
    "amazon-electronics": (13_455, 8_360, 182_398, 52_123),
    "amazon-electronics-shift": (13_455, 8_360, 187_616, 46_905),
    "gowalla-shift": (29_858, 40_988, 821_971, 205_493),
}


@pytest.mark.parametrize("name", [name for name, source in SOURCES.items() if not source.files])
def test_the_small_data_sets_are_the_pinned_ones(name):
    data, source = bsl.load(name), SOURCES[name]
    assert (data.hash, data.n_items) == (source.hash, source.n_items)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name, source in SOURCES.items() if source.files])
def test_the_large_data_sets_are_the_pinned_ones(name, real_data):
    data, source = bsl.load(name), SOURCES[name]
    assert (data.hash, data.n_items) == (source.hash, source.n_items)


@pytest.mark.slow
@pytest.mark.parametrize("name", COUNTS)
def test_published_counts(real_data, name):
    data = bsl.load(name)
    counts = (data.n_users, data.n_items, data.train.nnz + data.valid.nnz, data.test.nnz)
    assert counts == COUNTS[name]
    assert sum(data.dropped.values()) == 0
    assert 0.09 < data.valid.nnz / counts[2] < 0.11
    assert data.train.multiply(data.test).nnz == data.train.multiply(data.valid).nnz == 0


@pytest.mark.slow
@pytest.mark.parametrize("name", ["amazon-electronics", "gowalla"])
def test_a_shifted_test_has_nothing_of_the_popularity_of_training(real_data, name):
    """An item is drawn uniformly, and then one of its pairs."""
    plain, shifted = bsl.load(name), bsl.load(f"{name}-shift")
    together = [
        np.corrcoef(data.item_degree, np.asarray(data.test.sum(0)).ravel())[0, 1]
        for data in (plain, shifted)
    ]
    assert together[0] > 0.8 and abs(together[1]) < 0.1


def test_movielens_small_needs_no_download(movielens):
    assert (movielens.n_users, movielens.n_items) == (659, 2078)
    whole = (movielens.train + movielens.valid + movielens.test).tocsr()
    assert whole.nnz == 44_413
    assert np.diff(whole.indptr).min() >= 5 and np.diff(whole.tocsc().indptr).min() >= 5
    assert "Toy Story (1995)" in movielens.item_names
    assert len(set(movielens.user_names)) == 659


def test_the_seed_moves_validation_only(movielens):
    other = bsl.load("movielens-small", seed=1)
    assert other.hash != movielens.hash
    assert (other.test != movielens.test).nnz == 0
    whole = ((movielens.train + movielens.valid) != (other.train + other.valid)).nnz
    assert whole == 0
    assert bsl.load("movielens-small", valid_fraction=0).valid.nnz == 0


def test_no_name_stands_for_two_data_sets():
    for names in (
        [source.title for source in SOURCES.values()],
        [name for source in SOURCES.values() for name in source.published_as],
        [remote.path for source in SOURCES.values() for remote in source.files],
    ):
        assert len(set(names)) == len(names)


def test_unknown_names_and_fractions():
    with pytest.raises(ValueError, match="unknown data set 'netflix'; choose one of movielens-sm"):
        bsl.load("netflix")
    with pytest.raises(ValueError, match=r"valid_fraction must lie in \[0, 1\), got -0.1"):
        bsl.load("synthetic", valid_fraction=-0.1)
