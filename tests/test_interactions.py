"""Interactions: what they hold, hide and refuse."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from scipy.sparse import csr_array

from bslutils.data import from_pairs
from bslutils.data.splits import false_positives

TRAIN = [[0, 0], [0, 1], [1, 1], [1, 2], [2, 0], [2, 3]]
TEST = [[0, 2], [2, 1]]


def build(**kwargs):
    return from_pairs(TRAIN, TEST, **{"valid_fraction": 0} | kwargs)


def pair_set(matrix):
    return set(zip(*(x.tolist() for x in matrix.nonzero()), strict=True))


def test_pairs_come_back():
    data = build()
    assert (data.n_users, data.n_items) == (3, 4)
    assert pair_set(data.train) == set(map(tuple, TRAIN))
    assert np.stack(data.pairs("test"), axis=1).tolist() == TEST
    assert data.user_degree.tolist() == [2, 2, 2] and data.item_degree.tolist() == [2, 2, 1, 1]
    described = data.describe()
    assert described["train"] == 6 and described["density"] == pytest.approx(8 / 12)


def test_the_representation_is_one_line():
    assert repr(build(name="mine")) == (
        "Interactions('mine', 3 users, 4 items, 6 train, 0 valid, 2 test, honest protocol)"
    )


def test_nothing_can_be_written():
    data = build(item_names=np.array(list("abcd")))
    arrays = (data.train.data, data.train.indices, data.test.indptr, data.item_names)
    for array in (*arrays, data.item_degree, data.user_degree):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = array[0]
    names = np.array(list("abcd"))
    build(item_names=names)
    names[0] = "z"  # the caller's array is not frozen
    assert build(item_names=list("abcd")).item_names.tolist() == list("abcd")
    with pytest.raises(AttributeError):
        data.name = "other"
    with pytest.raises(TypeError):
        data.dropped["duplicates"] = 1


def test_hash_knows_the_pairs_and_their_splits_but_not_the_name():
    base = build()
    assert len(base.hash) == 64 and base.hash == build(name="renamed").hash
    others = [
        from_pairs([*TRAIN[:-1], [2, 2]], TEST, valid_fraction=0),
        from_pairs(TRAIN, [[0, 2], [2, 2]], valid_fraction=0),
        from_pairs([*TRAIN, TEST[0]], TEST[1:], valid_fraction=0),
        build(n_items=5),
        from_pairs(TRAIN, TEST, valid=[[1, 3]]),
    ]
    assert len({data.hash for data in [base, *others]}) == 6


def test_seen_hides_what_the_user_has_and_never_what_is_to_be_found():
    data = from_pairs(TRAIN, TEST, valid=[[1, 3], [0, 3]])
    assert pair_set(data.seen("valid")) == pair_set(data.train)
    assert pair_set(data.seen("test")) == pair_set(data.train) | pair_set(data.valid)
    assert data.seen("train").nnz == 0
    paper = data.paper_protocol()
    assert paper.protocol == "paper" and paper.paper_protocol() is paper
    assert pair_set(paper.train) == pair_set(data.train) | pair_set(data.valid)
    assert pair_set(paper.valid) == pair_set(paper.test) == pair_set(data.test)
    for split in ("valid", "test"):
        assert pair_set(paper.seen(split)) == pair_set(paper.train)
    with pytest.raises(ValueError, match="unknown split 'tests'; choose one of train, valid"):
        data.seen("tests")


def test_a_validation_pair_that_is_also_a_test_pair_can_be_found():
    pairs = [[0, 2], [2, 1]]
    with pytest.warns(UserWarning, match="custom: 2 pairs of valid are in test, too"):
        data = from_pairs(TRAIN, pairs, valid=[*pairs, [1, 3]])
    assert pair_set(data.seen("test")) == pair_set(data.train) | {(1, 3)}
    assert data.describe()["density"] == pytest.approx(9 / 12)  # each pair once
    with pytest.raises(ValueError, match="protocol must be one of honest, paper, got 'fair'"):
        replace(data, protocol="fair")


@pytest.mark.filterwarnings("error")
def test_validation_on_test_is_honest_in_name_only():
    data = from_pairs(TRAIN, TEST, valid_fraction=0)
    with pytest.raises(UserWarning, match="pairs of valid are in test, too"):
        replace(data, valid=data.test)
    assert data.paper_protocol().valid is data.test


def test_pairs_build_the_same_data_again():
    data = from_pairs(TRAIN, TEST, valid=[[1, 3]])
    again = from_pairs(data.pairs("train"), data.pairs("test"), valid=data.pairs("valid"))
    assert again.hash == data.hash
    # two pairs in a tuple of arrays are two columns, not two rows
    users, items = data.pairs("test")
    assert from_pairs(TRAIN, (users, items), valid_fraction=0).hash == build().hash
    with pytest.raises(ValueError, match=r"train must be \(users, items\).*\(3,\), \(2,\)"):
        from_pairs((np.arange(3), np.arange(2)), TEST)


def test_duplicates_and_overlap_are_dropped_counted_and_reported():
    with pytest.warns(UserWarning, match="mine: 1 validation or test pairs are also in train"):
        data = from_pairs([*TRAIN, TRAIN[0]], [*TEST, TRAIN[1]], name="mine", valid_fraction=0)
    assert dict(data.dropped) == {"duplicates": 1, "also in train": 1}
    assert pair_set(data.test) == set(map(tuple, TEST)) and data.train.nnz == len(TRAIN)


@pytest.mark.parametrize(
    ("train", "kwargs", "message"),
    [
        ([[0, -1]], {}, r"train pair 0 has a negative id: \[0, -1\]"),
        ([[0.0, 1.5]], {}, "train must hold integer ids, got float64"),
        ([[0, 1, 2]], {}, r"train must be \(n, 2\) pairs of user and item, got \(1, 3\)"),
        ([], {}, "train holds no pair"),
        ([[0, 9]], {"n_items": 9}, "id 9 is beyond n_items = 9"),
        ([[0, 1]], {"n_items": 9.5}, "n_items must be a whole number of at least 1, got 9.5"),
        ([[0, 1]], {"valid_fraction": 1.0}, r"must lie in \[0, 1\), got 1.0"),
        ([[0, 1]], {"valid_fraction": float("nan")}, r"must lie in \[0, 1\), got nan"),
        ([[0, 1]], {"item_names": np.array(["a"])}, "item_names has 1 entries, expected 3"),
    ],
)
def test_bad_pairs(train, kwargs, message):
    with pytest.raises(ValueError, match=message):
        from_pairs(train, TEST, **kwargs)


def test_noisy_data_keeps_what_is_held_out(movielens):
    noisy = movielens.with_false_positives(0.4, seed=2)
    assert (noisy.test != movielens.test).nnz == 0 and (noisy.valid != movielens.valid).nnz == 0
    assert (noisy.train.multiply(movielens.train) != movielens.train).nnz == 0
    assert noisy.train.multiply(movielens.valid + movielens.test).nnz == 0
    added = noisy.user_degree - movielens.user_degree
    assert (added <= 0.4 * movielens.user_degree + 1e-9).all()
    assert added.sum() > 0.38 * movielens.user_degree.sum()
    assert noisy.hash == movielens.with_false_positives(0.4, seed=2).hash
    assert noisy.hash != movielens.with_false_positives(0.4, seed=3).hash
    assert (
        noisy.item_names is movielens.item_names or (noisy.item_names == movielens.item_names).all()
    )
    assert movielens.with_false_positives(0).hash == movielens.hash
    with pytest.raises(ValueError, match="fraction must be at least 0 and finite, got -1"):
        movielens.with_false_positives(-1)


@pytest.mark.parametrize("n_items", [7, 60, 12_000])  # numpy draws from many items in another way
def test_false_positives_are_drawn_from_what_is_free(n_items):
    """The same draws as from a list of the free items: what records were made with."""
    rng = np.random.default_rng(n_items)
    table = rng.random((20, n_items)) < rng.uniform(0, min(1, 900 / n_items), size=(20, 1))
    table[0], table[1] = True, False
    for fraction, seed in itertools.product((0.0, 0.4, 3.0), range(3)):
        users, items = false_positives(csr_array(table), fraction, seed)
        rng = np.random.default_rng(seed)
        for user, row in enumerate(table):
            free = np.flatnonzero(~row)
            count = int(min(fraction * row.sum() + 1e-9, len(free)))
            drawn = rng.choice(free, count, replace=False)
            assert items[users == user].tolist() == drawn.tolist()


def test_popularity_groups_hold_equal_shares(movielens):
    groups = movielens.popularity_groups(10)
    degree = movielens.item_degree
    share = np.bincount(groups, weights=degree, minlength=10) / degree.sum()
    assert abs(share - 0.1).max() < degree.max() / degree.sum()
    for lower in range(9):  # no item of a group is more popular than one of the next
        assert degree[groups == lower].max() <= degree[groups == lower + 1].min()
