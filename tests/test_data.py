"""Interactions, splits, files."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array

import bslutils as bsl
from bslutils.data import from_pairs
from bslutils.data.files import load_files, parse_pairs, read_pairs
from bslutils.data.splits import false_positives, hold_out, k_core

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
    data = from_pairs(TRAIN, pairs, valid=[*pairs, [1, 3]])
    assert pair_set(data.seen("test")) == pair_set(data.train) | {(1, 3)}
    assert data.describe()["density"] == pytest.approx(9 / 12)  # each pair once


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


@pytest.mark.parametrize(
    ("train", "kwargs", "message"),
    [
        ([[0, -1]], {}, r"train pair 0 has a negative id: \[0, -1\]"),
        ([[0.0, 1.5]], {}, "train must hold integer ids, got float64"),
        ([[0, 1, 2]], {}, r"train must be \(n, 2\) pairs of user and item, got \(1, 3\)"),
        ([], {}, "train holds no pair"),
        ([[0, 9]], {"n_items": 9}, "id 9 is beyond n_items = 9"),
        ([[0, 1]], {"n_items": 9.5}, "n_items must be an integer, got 9.5"),
        ([[0, 9]], {"valid_fraction": 1.0}, r"must lie in \[0, 1\), got 1.0"),
        ([[0, 9]], {"valid_fraction": float("nan")}, r"must lie in \[0, 1\), got nan"),
        ([[0, 1]], {"item_names": np.array(["a"])}, "item_names has 1 entries, expected 3"),
    ],
)
def test_bad_pairs(train, kwargs, message):
    with pytest.raises(ValueError, match=message):
        from_pairs(train, TEST, **kwargs)
    with pytest.raises(ValueError, match="k must be at least 1, got 0"):
        k_core(np.array([0]), np.array([0]), 0)


# Files -------------------------------------------------------------------------------------


def test_both_text_formats_give_the_same_pairs(tmp_path):
    rng = np.random.default_rng(0)
    users, items = (rng.random((20, 30)) < 0.3).nonzero()
    lines = [f"{u} " + " ".join(map(str, items[users == u])) for u in range(21)]
    (tmp_path / "a.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    table = "user\titem\n" + "".join(f"{u}\t{i}\n" for u, i in zip(users, items, strict=True))
    (tmp_path / "b.tsv").write_text(table, encoding="utf-8")
    expected = np.stack([users, items], axis=1).tolist()
    assert read_pairs(tmp_path / "a.txt").tolist() == expected  # user 20 has no item
    assert read_pairs(tmp_path / "b.tsv").tolist() == expected


def test_lines_of_a_user_unite_and_blank_lines_do_not_matter():
    assert parse_pairs("1 2\n\n0 5\n1 3 2\n", "x").tolist() == [[1, 2], [0, 5], [1, 3], [1, 2]]


def test_load_files(tmp_path):
    (tmp_path / "train.txt").write_text("0 0 1 2\n1 2 3\n", encoding="utf-8")
    (tmp_path / "test.txt").write_text("0 3\n", encoding="utf-8")
    data = load_files(tmp_path / "train.txt", tmp_path / "test.txt", valid=tmp_path / "test.txt")
    assert data.name == "train" and data.train.nnz == 5 and data.valid.nnz == data.test.nnz == 1
    assert bsl.load_files is load_files


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0 1\n1 two 3\n", "mine, line 2: 'two' is not an integer id"),
        ("0 1\n1 2.0\n", "mine, line 2: '2.0' is not an integer id"),
        ("0 1\n1 -3\n", "mine, line 2: the id -3 is negative"),
        ("0 99999999999999999999\n", "mine, line 1: '99999999999999999999' is not an integer"),
        ("user item\n0 1\n0 x\n", "mine, line 3: 'x' is not an integer id"),
        ("user item\n0 1 2\n", r"mine, line 2: 3 column\(s\) in a table of two"),
        ("user item\n0 1\n7\n", r"mine, line 3: 1 column\(s\) in a table of two"),
        ("user item rating\n0 1 5\n", "a header must name two columns.*names 3"),
        ("", "mine: the file is empty"),
        ("\n0 1\n", "mine: the file is empty or its first line is"),
    ],
)
def test_bad_text(text, message):
    with pytest.raises(ValueError, match=message):
        parse_pairs(text, "mine")


def test_a_byte_order_mark_is_no_part_of_an_id(tmp_path):
    (tmp_path / "a.txt").write_text("0 1 2\n", encoding="utf-8-sig")
    assert read_pairs(tmp_path / "a.txt").tolist() == [[0, 1], [0, 2]]


def test_bad_files(tmp_path):
    with pytest.raises(ValueError, match=r"none.txt: cannot be read \(No such file"):
        read_pairs(tmp_path / "none.txt")
    (tmp_path / "binary.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ValueError, match=r"binary.txt: not a text file in UTF-8"):
        read_pairs(tmp_path / "binary.txt")


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


def test_popularity_groups_hold_equal_shares(movielens):
    groups = movielens.popularity_groups(10)
    degree = movielens.item_degree
    share = np.bincount(groups, weights=degree, minlength=10) / degree.sum()
    assert abs(share - 0.1).max() < degree.max() / degree.sum()
    for lower in range(9):  # no item of a group is more popular than one of the next
        assert degree[groups == lower].max() <= degree[groups == lower + 1].min()


def test_popularity_groups_of_equal_items_and_bad_numbers():
    from bslutils.data.splits import popularity_groups

    assert popularity_groups(np.full(6, 7), 3).tolist() == [0, 0, 1, 1, 2, 2]
    assert popularity_groups(np.array([0, 5]), 2).tolist() == [0, 1]
    with pytest.raises(ValueError, match=r"n_groups must lie in \[1, 2\], got 3"):
        popularity_groups(np.ones(2), 3)
    with pytest.raises(ValueError, match="no pair to cut into groups"):
        popularity_groups(np.zeros(2), 1)
