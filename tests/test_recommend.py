"""Lists to show: against a full sort, with names, without what is known."""

import warnings
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from hypothesis import given, settings, strategies as st
from scipy.sparse import csr_array

import bslutils as bsl
from bslutils import recommend
from bslutils.baselines import ease, popularity
from bslutils.data import from_pairs
from bslutils.exposure import exposure

N_USERS, N_ITEMS = 12, 30


def case(seed=0, levels=1000, **names):
    rng = np.random.default_rng(seed)
    kind = rng.choice(4, size=(N_USERS, N_ITEMS), p=[0.5, 0.25, 0.1, 0.15])
    kind[0] = 1
    kind[0, [3, 7]] = 0, 3  # two candidates
    pairs = {name: np.argwhere(kind == k) for k, name in ((1, "train"), (2, "valid"), (3, "test"))}
    data = from_pairs(**pairs, n_users=N_USERS, n_items=N_ITEMS, **names)
    scores = rng.integers(levels, size=(N_USERS, N_ITEMS)).astype(float)
    return data, scores, kind


def by_hand(scores, left, k):
    """Best first; of equal scores the smaller id."""
    free = [item for item in range(N_ITEMS) if left[item]]
    return sorted(free, key=lambda item: (-scores[item], item))[:k]


@given(st.integers(0, 10_000), st.sampled_from([2, 5, 1000]), st.integers(1, N_ITEMS))
@settings(max_examples=40, deadline=None)
def test_a_list_is_that_of_a_full_sort(seed, levels, k):
    data, scores, kind = case(seed, levels)
    for leave_out, hidden in (
        (("train", "valid"), (1, 2)),
        (["train"], (1,)),
        ("train", (1,)),
        (("train", "valid", "test"), (1, 2, 3)),
        ((), ()),
    ):
        found = recommend(lambda users: scores[users], data, k=k, leave_out=leave_out)
        assert len(found) == N_USERS and found.items.shape == (N_USERS, k)
        for user, listed in found:
            expected = by_hand(scores[user], ~np.isin(kind[user], hidden), k)
            assert [item for item, _ in listed] == expected
            assert [score for _, score in listed] == scores[user, expected].tolist()
            there = found.items[user] >= 0
            assert there.sum() == len(expected) == np.isfinite(found.scores[user]).sum()
            assert there[: len(expected)].all()


def test_models_functions_and_chunks_agree(monkeypatch):
    data, scores, _ = case()
    model = bsl.models.MatrixFactorization(N_USERS, N_ITEMS, dim=8, score="dot")
    generator = torch.Generator().manual_seed(0)
    for table in (model.user_table, model.item_table):  # products that no order of sums rounds
        table.data = torch.randint(-99, 99, table.shape, generator=generator) / 8
    users, items = (x.detach() for x in model.embed())
    of_model = recommend(model, data, k=10)
    of_table = recommend(lambda ids: users[ids] @ items.T, data, k=10)
    assert (of_model.items == of_table.items).all()
    sparse = recommend(lambda ids: csr_array(scores)[ids], data)
    monkeypatch.setitem(bsl.rank.CHUNK, "cpu", 5 * N_ITEMS)
    for whole, parts in (
        (of_model, recommend(model, data, k=10)),
        (sparse, recommend(lambda ids: scores[ids], data)),
    ):
        assert (whole.items == parts.items).all()
        np.testing.assert_array_equal(whole.scores, parts.scores)
    assert model.training


def test_users_by_id():
    data, scores, _ = case()

    def lists(users, **options):
        return list(recommend(lambda ids: scores[ids], data, users, k=3, **options))

    everyone = lists(None)
    assert [user for user, _ in everyone] == list(range(N_USERS))
    for users in (
        [5, 2, 5],
        (5, 2, 5),
        np.array([5, 2, 5]),
        torch.tensor([5, 2, 5]),
        iter([5, 2, 5]),
    ):
        assert lists(users) == [everyone[5], everyone[2], everyone[5]]
    for user in (4, np.int64(4), np.array(4), range(4, 5)):
        assert lists(user) == [everyone[4]]
    assert lists([], by="id") == [] and len(everyone[0][1]) == 2


def test_names_come_and_go():
    names = [f"u{user}" for user in range(N_USERS)], [f"film {item}" for item in range(N_ITEMS)]
    data, scores, _ = case(user_names=names[0], item_names=names[1])
    found = recommend(lambda ids: scores[ids], data, ["u7", "u0"], k=4)
    (seven, first), (zero, second) = found
    assert (seven, zero, len(second)) == ("u7", "u0", 2) and found.users.tolist() == [7, 0]
    assert [item for item, _ in first] == [names[1][item] for item in found.items[0]]
    assert list(recommend(lambda ids: scores[ids], data, np.array(["u7", "u0"]), k=4)) == list(
        found
    )
    assert list(recommend(lambda ids: scores[ids], data, "u7", k=4)) == [(seven, first)]
    assert list(recommend(lambda ids: scores[ids], data, [7, 0], k=4, by="id")) == list(found)
    columns = found.columns()
    assert columns["user"].tolist() == ["u7"] * 4 + ["u0"] * 2
    assert columns["rank"].tolist() == [1, 2, 3, 4, 1, 2]
    rows = zip(columns["item"].tolist(), columns["score"].tolist(), strict=True)
    assert list(rows) == first + second
    assert repr(found) == "Recommendations(2 users, up to 4 items each)"


def test_names_that_are_numbers_are_names():
    """As MovieLens has them: user 3 is the one that the file calls 3."""
    data, scores, _ = case(user_names=np.arange(N_USERS)[::-1] + 3)
    ((user, _),) = recommend(lambda ids: scores[ids], data, 3)
    assert user == 3
    assert recommend(lambda ids: scores[ids], data, 3).users.tolist() == [N_USERS - 1]
    assert recommend(lambda ids: scores[ids], data, 3, by="id").users.tolist() == [3]


def test_your_own_table_and_a_trained_model(tmp_path):
    path = tmp_path / "ratings.csv"
    rows = [f"{u},{i}" for u in "abcdefgh" for i in "qrstuvwxyz" if hash((ord(u), ord(i))) % 3]
    path.write_text("user,item\n" + "\n".join(rows) + "\n", encoding="utf-8")
    data = bsl.load_files(path)
    model = bsl.models.MatrixFactorization(data.n_users, data.n_items, dim=4)
    config = bsl.TrainConfig(epochs=1, metric="ndcg@5", progress=False)
    run = bsl.fit(model, data, bsl.losses.SoftmaxLoss(tau=0.2), config)
    for user, listed in recommend(run.model, data, ["a", "h"], k=5):
        known = {row[2:] for row in rows if row[0] == user}
        names = [item for item, _ in listed]
        held_out = data.item_names[data.test[[data.user_names.tolist().index(user)]].indices]
        assert not set(names) & (known - set(held_out.tolist())) and len(set(names)) == len(names)


@pytest.mark.parametrize(
    ("users", "options", "message"),
    [
        ([0, 12], {}, "a user must be an id from 0 to 11, as custom has no others, got 12"),
        ([-1], {}, "got -1"),
        ([1.0], {}, "got 1.0"),
        (True, {}, "got True"),
        ("ann", {}, "got 'ann'"),
        ([[1]], {}, r"got \[1\]"),
        ({"a": 1}, {}, "got 'a'"),
        (0, {"k": 0}, "k must be a whole number of at least 1, got 0"),
        (0, {"k": 31}, "k must be at most 30, the number of items of custom, got 31"),
        (0, {"k": 10**30}, "k must be at most 30"),
        (0, {"k": 2.0}, "k must be a whole number"),
        (0, {"by": "name"}, "custom has no names of users"),
        (0, {"by": "title"}, "by must be one of name, id, got 'title'"),
        (0, {"leave_out": ("train", "dev")}, "a split in leave_out must be one of train, valid"),
        (0, {"leave_out": None}, "leave_out must hold names of splits, got None"),
    ],
)
def test_bad_arguments(users, options, message):
    data, scores, _ = case()
    with pytest.raises(ValueError, match=message):
        recommend(lambda ids: scores[ids], data, users, **options)


def test_bad_names_scores_and_models():
    names = ["ann", "bo", "bo", *"cdefghijk"]
    data, scores, _ = case(user_names=names)
    for users, message in (
        ("x", "no user is called 'x' in custom, where 'ann' is a name of a user; show a new one"),
        ([3], "no user is called 3 in custom"),
        (["bo"], "several users are called 'bo'"),
        ([["ann"]], "no user is called"),
        ([True], "no user is called True"),
    ):
        with pytest.raises(ValueError, match=message):
            recommend(lambda ids: scores[ids], data, users)
    scores[4, 2] = np.nan
    with pytest.raises(ValueError, match="scores must be finite, got NaN or infinity, .* user 4"):
        recommend(lambda ids: scores[ids], data)
    with pytest.raises(ValueError, match="the model has 3 users and 4 items"):
        recommend(bsl.models.MatrixFactorization(3, 4), data)
    with pytest.raises(ValueError, match=r"embed\(\), or be a function"):
        recommend(scores, data)
    with pytest.raises(ValueError, match="data must be Interactions"):
        recommend(lambda ids: scores[ids], [[0, 1]])


def test_users_that_a_model_knows_nothing_of_are_told(synthetic):
    table = {"user": ["ann", "ann", "bo", "bo", "cy"], "item": ["x", "y", "x", "y", "x"]}
    table |= {"rating": [5, 5, 5, 4, 1]}
    data = bsl.load_files(table, min_rating=4, test_fraction=0, valid_fraction=0)
    model = bsl.models.MatrixFactorization(data.n_users, data.n_items, dim=2)
    with pytest.warns(UserWarning, match="1 of 3 users have no training pair, such as 'cy'"):
        recommend(model, data, k=1)
    recommend(model, data, ["ann", "bo"], k=1)
    popular = bsl.baselines.popularity(data)
    recommend(popular, data, "cy", k=1)  # it rests on the others


def test_a_file_read_whole_has_the_same_numbers(tmp_path):
    """So that lists can leave out what was rated low, and what is kept for the test."""
    rows = [
        ("ann", "tea", 5),
        ("ann", "milk", 1),
        ("bo", "milk", 5),
        ("bo", "rum", 2),
        ("cy", "gin", 4),
    ]
    path = tmp_path / "shop.csv"
    path.write_text(
        "\n".join(["user,item,rating", *(",".join(map(str, r)) for r in rows)]), encoding="utf-8"
    )
    nothing = {"test_fraction": 0, "valid_fraction": 0}
    liked = bsl.load_files(path, min_rating=4, **nothing)
    everything = bsl.load_files(path, min_rating=0, **nothing)
    for names in ("user_names", "item_names"):
        assert getattr(liked, names).tolist() == getattr(everything, names).tolist()
    model = bsl.models.MatrixFactorization(liked.n_users, liked.n_items, dim=2)
    [(_, found)] = recommend(model, everything, "ann", k=4)
    assert sorted(name for name, _ in found) == ["gin", "rum"]


def test_names_in_another_order_are_refused():
    """A table of next week may have as many users and items, and other ones."""
    rows = [(f"u{n % 31}", f"i{(7 * n + n // 31) % 23}") for n in range(400)]

    def table(rename=None):
        users, items = zip(*rows, strict=True)
        users = ["v" if user == rename else user for user in users]
        return bsl.load_files({"user": users, "item": items})

    data = table()
    model = bsl.models.MatrixFactorization(data.n_users, data.n_items, dim=4)
    config = bsl.TrainConfig(epochs=1, n_negatives=8, metric="ndcg@5", progress=False)
    bsl.fit(model, data, bsl.losses.SoftmaxLoss(tau=0.2), config)
    other = table(rename="u3")
    assert (other.n_users, other.n_items) == (data.n_users, data.n_items)
    for ask in (bsl.recommend, partial(bsl.evaluate, ks=(5,)), partial(exposure, k=5)):
        with pytest.raises(
            ValueError, match="trained on data whose users or items have other names"
        ):
            ask(model, other)
    for alike in (table(), data.paper_protocol(), data.with_false_positives(0.2)):
        assert len(bsl.recommend(model, alike, k=3)) == data.n_users
    fewer = bsl.load_files({"user": ["a", "b"], "item": ["x", "y"]}, test_fraction=0)
    with pytest.raises(ValueError, match="has 2 and 2: train a new"):
        bsl.recommend(model, fewer, k=1)
    with pytest.raises(ValueError, match="train a new model on it"):
        bsl.fit(model, other, bsl.losses.SoftmaxLoss(tau=0.2), config)


def test_a_user_without_a_pair_is_told_of_whatever_gives_the_scores():
    """A list of equal scores is the order of the ids: EASE of somebody who chose nothing."""
    table = {"user": ["ann", "ann", "bo", "cy"], "item": ["tea", "milk", "milk", "jam"]}
    data = bsl.load_files(table, test_fraction=0, valid_fraction=0)
    train = data.train.tolil()
    train[list(data.user_names).index("cy")] = False
    data = replace(data, train=train.tocsr())
    with pytest.warns(UserWarning, match="1 of 3 users have no .* such as 'cy': .* is popular"):
        found = bsl.recommend(ease(data, l2=1.0), data, k=2)
    assert len(dict(found)["ann"]) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        bsl.recommend(ease(data, l2=1.0), data, ["ann", "bo"], k=2)
        bsl.recommend(popularity(data), data, k=2)  # says something of everybody
