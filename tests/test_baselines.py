"""Recommenders without a loss: cases by hand, slow loops, and public code."""

import warnings

import numpy as np
import pytest
import torch
from hypothesis import given, settings, strategies as st
from scipy.sparse import csr_matrix

import bslutils as bsl
from bslutils import baselines
from bslutils.baselines import BASELINES, ease, gf_cf, ials, item_knn, popularity, solve_rows
from bslutils.data import from_pairs


def data_of(table, **options):
    """Interactions with these training pairs, and one test pair of nobody's."""
    train = np.argwhere(np.asarray(table))
    shape = dict(zip(("n_users", "n_items"), np.shape(table), strict=True))
    return from_pairs(train, np.empty((0, 2), int), **shape, valid_fraction=0, **options)


def random_data(seed, n_users=9, n_items=14):
    """A few pairs, with a user and an item that have none."""
    rng = np.random.default_rng(seed)
    table = rng.random((n_users, n_items)) < rng.uniform(0.1, 0.5)
    table[0] = table[:, 0] = False
    table[1, 1] = True
    return table.astype(float), data_of(table)


def dense(scores, n_users):
    found = scores(np.arange(n_users))
    return found if isinstance(found, np.ndarray) else found.toarray()


# By hand ----------------------------------------------------------------------------------------

# Two users share item 1; the first has item 0, too, and the second items 2 and 3.
HAND = [[1, 1, 0, 0], [0, 1, 1, 1]]


def test_popularity_by_hand():
    assert dense(popularity(data_of(HAND)), 2).tolist() == [[1, 2, 1, 1]] * 2


def test_item_knn_by_hand():
    """Item 2 is like 3 (cosine 1) and 1 (1/√2); of one neighbour each, 1 takes 0, the first."""
    near = 2**-0.5
    everyone = [[near, near, near, near], [near, 2 * near, 1 + near, 1 + near]]
    found = dense(item_knn(data_of(HAND)), 2)
    np.testing.assert_allclose(found, everyone, rtol=1e-12)
    one = dense(item_knn(data_of(HAND), neighbours=1), 2)
    np.testing.assert_allclose(one, [[near, near, 0, 0], [near, 0, 1, 1]], rtol=1e-12)
    held = dense(item_knn(data_of(HAND), neighbours=1, shrink=1), 2)
    less = 1 / (2**0.5 + 1)
    np.testing.assert_allclose(held, [[less, less, 0, 0], [less, 0, 0.5, 0.5]], rtol=1e-12)


def test_item_knn_of_the_candidate_by_hand():
    """Item 0 is the nearest of 1 (cosine 2/√8), 2 and 3 (1/2); its own one neighbour is 1."""
    hub = data_of([[1, 1, 0, 0], [1, 1, 0, 0], [1, 0, 1, 0], [1, 0, 0, 1]])
    near = 2**-0.5
    found = {x: dense(item_knn(hub, neighbours=1, of_candidate=x), 4)[2] for x in (False, True)}
    np.testing.assert_allclose(found[False], [1 / 2, near, 0, 0], rtol=1e-12)
    np.testing.assert_allclose(found[True], [0, near, 1 / 2, 1 / 2], rtol=1e-12)


def test_ease_by_hand():
    """With two items, of which 3 users have the first, 2 the second, 1 both: B₀₁ = 1/(3 + λ)."""
    data = data_of([[1, 0], [1, 1], [0, 1], [1, 0]])
    weights = dense(ease(data, l2=2), 4)[[0, 2]]  # rows of users with one item are those of B
    np.testing.assert_allclose(weights, [[0, 1 / 5], [1 / 4, 0]], rtol=1e-12)


def test_gf_cf_by_hand():
    """d = (2, 3) of users, (1, 2, 1, 1) of items: R̃ᵀR̃ between 0 and 1 is 1/(2 √2)."""
    found = dense(gf_cf(data_of(HAND), rank=0), 2)
    root = 2**0.5
    own, both = 1 / 2, (1 / 2 + 1 / 3) / 2  # of items 0 and 1 with themselves
    first = [own + 1 / (2 * root), 1 / (2 * root) + both, 1 / (3 * root), 1 / (3 * root)]
    np.testing.assert_allclose(found[0], first, rtol=1e-6)


def test_ials_by_hand():
    """One user, one item, d = 1, q = 2: p = q / (q² + α₀ q² + h)."""
    table, others = torch.zeros(1, 1), torch.tensor([[2.0]])
    pairs = data_of([[1]]).train
    solve_rows(table, others, pairs, unobserved=0.5, held=np.array([3.0]))
    assert table.item() == pytest.approx(2 / (4 + 2 + 3))


# Against slow loops -------------------------------------------------------------------------------


@given(st.integers(0, 10_000), st.integers(1, 20), st.sampled_from([0, 0.5, 30]), st.booleans())
@settings(max_examples=40, deadline=None)
def test_item_knn_is_what_loops_over_pairs_of_items_give(seed, neighbours, shrink, of_candidate):
    table, data = random_data(seed)
    n = data.n_items
    like = np.zeros((n, n))
    for i in range(n):
        values = []
        for j in range(n):
            length = np.sqrt(table[:, i].sum() * table[:, j].sum()) + shrink
            both = table[:, i] @ table[:, j]
            values.append(both / length if i != j and both else 0)
        for j in sorted(range(n), key=lambda j: (-round(values[j], 12), j))[:neighbours]:
            like[(j, i) if of_candidate else (i, j)] = values[j]
    found = item_knn(data, neighbours=neighbours, shrink=shrink, of_candidate=of_candidate)
    np.testing.assert_allclose(dense(found, len(table)), table @ like, atol=1e-12)


@given(st.integers(0, 10_000), st.sampled_from([0.1, 3, 500]))
@settings(max_examples=20, deadline=None)
def test_ease_is_a_ridge_regression_of_every_item_on_the_others(seed, l2):
    table, data = random_data(seed)
    n = data.n_items
    weights = np.zeros((n, n))
    for j in range(n):
        others = np.delete(np.arange(n), j)
        x = table[:, others]
        weights[others, j] = np.linalg.solve(x.T @ x + l2 * np.eye(n - 1), x.T @ table[:, j])
    np.testing.assert_allclose(dense(ease(data, l2=l2), len(table)), table @ weights, atol=1e-10)
    single = dense(ease(data, l2=l2, dtype=np.float32), len(table))
    assert single.dtype == np.float32
    np.testing.assert_allclose(single, table @ weights, atol=1e-4)


@given(st.integers(0, 10_000), st.integers(0, 5), st.sampled_from([0, 0.3, 2]))
@settings(max_examples=20, deadline=None)
def test_gf_cf_is_what_its_formula_says(seed, rank, weight):
    table, data = random_data(seed)
    users, items = (np.maximum(table.sum(axis), 1) for axis in (1, 0))
    normal = table / np.sqrt(users[:, None] * items)
    _, values, vectors = np.linalg.svd(normal)
    if values[rank] > 0.999 * values[max(rank - 1, 0)] and rank:  # the space is not one space
        return
    low = vectors[:rank].T @ vectors[:rank]
    held = np.sqrt(table.sum(0))
    ideal = table / np.sqrt(items) @ low * held
    expected = table @ normal.T @ normal + weight * ideal
    found = dense(gf_cf(data, rank=rank, weight=weight), len(table))
    np.testing.assert_allclose(found, expected, atol=1e-5)


def objective(users, items, table, *, unobserved, l2, frequency):
    """Of :func:`ials`, as its documentation writes it."""
    table = torch.as_tensor(table)
    scores = users @ items.T
    value = (table * (1 - scores) ** 2).sum() + unobserved * (scores**2).sum()
    for axis, vectors, others in ((1, users, items), (0, items, users)):
        held = (table.sum(axis) + unobserved * len(others)) ** frequency
        value = value + l2 * (held * (vectors**2).sum(1)).sum()
    return value


@pytest.mark.parametrize("frequency", [0.0, 0.7, 1.0])
def test_every_half_step_of_ials_is_a_minimum_and_the_objective_falls(frequency, monkeypatch):
    monkeypatch.setattr(baselines, "BLOCK", 40)  # several blocks of rows
    table, data = random_data(4, 12, 20)
    knobs = {"unobserved": 0.3, "l2": 0.05, "frequency": frequency}
    last, dim = np.inf, 3
    generator = torch.Generator().manual_seed(0)
    users, items = (torch.randn(n, dim, generator=generator).double() for n in table.shape)
    sides = ((users, items, data.train), (items, users, data.train.T.tocsr()))
    for _ in range(3):
        for own, others, pairs in sides:
            degree = np.diff(pairs.indptr)
            held = knobs["l2"] * (degree + knobs["unobserved"] * len(others)) ** frequency
            solve_rows(own, others, pairs, unobserved=knobs["unobserved"], held=held)
            own.requires_grad_()
            value = objective(users, items, table, **knobs)
            (slope,) = torch.autograd.grad(value, own)
            own.requires_grad_(False)
            assert slope.abs().max() < 1e-10 and value < last + 1e-12
            last = value.item()


def test_ials_comes_to_what_its_steps_come_to():
    table, data = random_data(4, 12, 20)
    values = []
    for epochs in (1, 4, 40):
        model = ials(data, dim=3, epochs=epochs, seed=1)
        users, items = (x.detach().double() for x in model.embed())
        values.append(
            float(objective(users, items, table, unobserved=0.1, l2=0.003, frequency=1.0))
        )
    assert values[0] > values[1] > values[2]
    again = ials(data, dim=3, epochs=40, seed=1)
    assert all(map(torch.equal, model.embed(), again.embed()))
    assert not torch.equal(ials(data, dim=3, seed=2).embed()[0], ials(data, dim=3).embed()[0])


def test_a_step_of_ials_is_that_of_the_public_implementation():
    """Theirs weighs the unobserved 1 and the target of a pair 1 + 1/α₀: (1 + α₀) times ours."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from implicit.cpu.als import AlternatingLeastSquares
    _, data = random_data(6, 30, 40)
    unobserved, held, dim = 0.2, 0.6, 8
    theirs = AlternatingLeastSquares(
        dim, regularization=held / unobserved, alpha=1, use_cg=False, num_threads=1
    )
    items = np.random.default_rng(0).normal(size=(40, dim)).astype(np.float32)
    theirs.item_factors = items
    weighted = csr_matrix(data.train.astype(np.float32) * (1 + 1 / unobserved))
    ours = torch.zeros(30, dim)
    solve_rows(
        ours,
        torch.as_tensor(items),
        data.train,
        unobserved=unobserved,
        held=np.full(30, held),
    )
    for user in range(30):
        found = theirs.recalculate_user(user, weighted[user])
        np.testing.assert_allclose(
            found.ravel(), (1 + unobserved) * ours[user].numpy(), rtol=1e-3, atol=1e-5
        )


# On data ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [name for name in BASELINES if name != "popularity"])
def test_each_ranks_better_than_popularity_and_reads_training_pairs_alone(synthetic, name):
    options = {"gf_cf": {"rank": 32}, "ials": {"dim": 16}}.get(name, {})
    found = bsl.evaluate(BASELINES[name](synthetic, **options), synthetic)
    popular = bsl.evaluate(popularity(synthetic), synthetic)
    assert found["ndcg@20"] > 1.2 * popular["ndcg@20"]
    swapped = bsl.data.from_pairs(
        synthetic.pairs("train"), synthetic.pairs("valid"), valid=synthetic.pairs("test")
    )
    assert swapped.train.shape == synthetic.train.shape
    fitted = BASELINES[name](swapped, **options)
    assert bsl.evaluate(fitted, synthetic)["ndcg@20"] == found["ndcg@20"]


def test_blocks_change_nothing(synthetic, monkeypatch):
    users = np.arange(7)
    fits = {"item_knn": {}, "ease": {}, "gf_cf": {"rank": 8}}

    def scores():
        return {name: BASELINES[name](synthetic, **options) for name, options in fits.items()}

    whole = {name: f(users) for name, f in scores().items()}
    monkeypatch.setattr(baselines, "BLOCK", 3 * synthetic.n_items + 1)
    for name, f in scores().items():
        difference = abs(f(users) - whole[name])
        assert difference.max() < 1e-6, name


@pytest.mark.parametrize(
    ("fit", "options", "message"),
    [
        (item_knn, {"neighbours": 0}, "neighbours must be at least 1, got 0"),
        (item_knn, {"shrink": -1}, "shrink must be at least 0 and finite, got -1"),
        (item_knn, {"shrink": np.nan}, "shrink must be at least 0"),
        (item_knn, {"of_candidate": 1}, "of_candidate must be True or False, got 1"),
        (ease, {"l2": 0}, "l2 must be a positive finite number, got 0"),
        (ease, {"l2": np.inf}, "l2 must be a positive finite number"),
        (ease, {"dtype": np.float16}, "dtype must be np.float32 or np.float64"),
        (ease, {"memory": 1e6}, r"needs 0\.0 GB .* 800 by 800 items.*memory=.*gf_cf"),
        (ials, {"dim": 0}, "dim must be at least 1, got 0"),
        (ials, {"epochs": 0}, "epochs must be at least 1, got 0"),
        (ials, {"unobserved": 0}, "unobserved must be a positive finite number"),
        (ials, {"l2": -1}, "l2 must be a positive finite number, got -1"),
        (ials, {"frequency": -1}, "frequency must be at least 0"),
        (gf_cf, {"rank": -1}, "rank must be a whole number from 0 to below 500, got -1"),
        (gf_cf, {"rank": 500}, "rank must be a whole number from 0 to below 500, got 500"),
        (gf_cf, {"rank": True}, "rank must be a whole number from 0 to below 500, got True"),
        (gf_cf, {"rank": 2.5}, "rank must be a whole number from 0 to below 500, got 2.5"),
        (item_knn, {"neighbours": 8.0}, "neighbours must be a whole number of at least 1, got 8.0"),
        (ease, {"memory": np.nan}, "memory must be a positive finite number"),
        (ials, {"l2": 1e-30, "unobserved": 1e-30}, "l2=1e-30 or unobserved=1e-30 is too small"),
        (gf_cf, {"weight": -1}, "weight must be at least 0"),
    ],
)
def test_bad_settings(synthetic, fit, options, message):
    with pytest.raises(ValueError, match=message):
        fit(synthetic, **options)


def test_a_penalty_that_the_type_cannot_hold_is_refused():
    with pytest.raises(ValueError, match="l2=1e-12 is too small for float32"):
        ease(data_of([[1, 1]]), l2=1e-12, dtype=np.float32)
