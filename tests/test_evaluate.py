"""Ranking and metrics, against trec_eval and a slow reference."""

import ir_measures
import numpy as np
import pytest
import torch
from hypothesis import given, settings, strategies as st
from reference import pessimistic_order
from scipy.sparse import csr_array

from bslutils.data import from_pairs
from bslutils.evaluate import evaluate
from bslutils.rank import _largest, ranked

KS = (1, 3, 10, 30)
OURS = {"recall": "R", "ndcg": "nDCG", "precision": "P", "mrr": "RR", "hit": "Success"}


class Table(torch.nn.Module):
    """A model whose score of user u for item i is ``scores[u, i]``."""

    def __init__(self, scores):
        super().__init__()
        self.scores = torch.as_tensor(scores)

    def embed(self):
        return self.scores, torch.eye(self.scores.shape[1], dtype=self.scores.dtype)


def random_case(seed, n_users=12, n_items=30, levels=6):
    """Scores with many ties; some users without test items, some with hardly any candidate."""
    rng = np.random.default_rng(seed)
    kind = rng.choice(4, size=(n_users, n_items), p=[0.55, 0.2, 0.1, 0.15])
    kind[0][kind[0] == 3] = 0  # nothing to find
    kind[1] = np.where(np.arange(n_items) < n_items - 4, 1, [0] * (n_items - 4) + [0, 3, 3, 0])
    kind[2, 0] = 1
    pairs = {name: np.argwhere(kind == k) for k, name in ((1, "train"), (2, "valid"), (3, "test"))}
    data = from_pairs(**pairs, n_users=n_users, n_items=n_items)
    scores = rng.integers(levels, size=(n_users, n_items)) / levels
    return data, scores, kind


def slow_run(scores, kind, split):
    """Rankings and judgements in the form of ir-measures, ties already resolved."""
    target, hidden = {"test": (3, (1, 2)), "valid": (2, (1,))}[split]
    run, qrels = {}, {}
    for user in range(len(scores)):
        relevant = kind[user] == target
        if relevant.any():
            order = pessimistic_order(scores[user], relevant, np.isin(kind[user], hidden))
            run[str(user)] = {str(item): float(-rank) for rank, item in enumerate(order)}
            qrels[str(user)] = {str(item): 1 for item in np.flatnonzero(relevant)}
    return run, qrels


@given(st.integers(0, 100_000), st.sampled_from([1, 2, 6, 1000]))
@settings(max_examples=40, deadline=None)
def test_metrics_equal_trec_eval(seed, levels):
    data, scores, kind = random_case(seed, levels=levels)
    for split in ("test", "valid"):
        run, qrels = slow_run(scores, kind, split)
        measures = {
            f"{ours}@{k}": getattr(ir_measures, theirs) @ k
            for ours, theirs in OURS.items()
            for k in KS
        }
        expected = ir_measures.calc_aggregate(measures.values(), qrels, run)
        got = evaluate(Table(scores), data, split=split, ks=KS, chunk=5)
        assert got.keys() == measures.keys()
        for name, measure in measures.items():
            assert got[name] == pytest.approx(expected[measure], abs=1e-9), name


def test_ties_are_resolved_against_the_model():
    data = from_pairs([[0, 0], [1, 0]], [[0, 1], [1, 2]], n_items=30, valid_fraction=0)
    constant = evaluate(Table(np.zeros((2, 30))), data, ks=(20, 29))
    assert constant["recall@20"] == 0 and constant["recall@29"] == 1
    assert constant["mrr@29"] == pytest.approx(1 / 29)


def test_perfect_and_worst_rankings():
    data, _, kind = random_case(0)
    perfect = evaluate(Table((kind == 3).astype(float)), data, ks=(30,))
    assert perfect["ndcg@30"] == perfect["recall@30"] == perfect["mrr@30"] == 1
    worst = evaluate(Table((kind != 3).astype(float)), data, ks=(1,))
    assert worst["hit@1"] == 0


def test_per_user_values_average_to_the_means():
    data, scores, kind = random_case(3)
    arrays = evaluate(Table(scores), data, ks=(5,), per_user=True, chunk=4)
    means = evaluate(Table(scores), data, ks=(5,), chunk=100)
    users = arrays.pop("user")
    assert users.tolist() == np.flatnonzero((kind == 3).any(axis=1)).tolist()
    assert {name: pytest.approx(values.mean()) for name, values in arrays.items()} == means


def test_the_paper_protocol_hides_nothing_that_is_to_be_found():
    data, _, kind = random_case(4)
    oracle = Table((kind == 3).astype(float))
    assert evaluate(oracle, data.paper_protocol(), split="valid", ks=(30,))["recall@30"] == 1
    assert evaluate(oracle, data.paper_protocol(), split="test", ks=(30,))["recall@30"] == 1


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64])
def test_a_function_ranks_as_a_model_does(dtype):
    """Whatever its scores come in; they are not written to."""
    data, scores, _ = random_case(8)
    table = (6 * scores).astype(dtype)
    expected = evaluate(Table(table.astype(float)), data, ks=KS, chunk=5)
    forms = {
        "array": lambda users: table[users],
        "view": lambda users: table[users.min() : users.max() + 1][users - users.min()],
        "tensor": lambda users: torch.as_tensor(table)[users],
        "sparse": lambda users: csr_array(table)[users],
    }
    kept = table.copy()
    for name, scorer in forms.items():
        assert evaluate(scorer, data, ks=KS, chunk=5) == expected, name
        assert (table == kept).all(), name  # what the caller keeps is not masked


def test_scores_that_overflow_are_refused():
    """Their order is lost: vectors of 1e19 in float32 give infinity everywhere."""
    data, scores, _ = random_case(9)
    large = Table(scores.astype(np.float32))
    large.embed = lambda: (1e19 * large.scores, 1e20 * torch.eye(30))
    with pytest.raises(ValueError, match="scores must be finite, got NaN or infinity"):
        evaluate(large, data)
    large.embed = lambda: (1e19 * large.scores, 1e19 * torch.eye(30))
    expected = evaluate(Table(scores), data)
    assert evaluate(large, data) == expected  # near the limit, and within it


def test_lists_are_padded_where_candidates_run_out():
    data, scores, _ = random_case(5)
    (users, items, hits), *_ = ranked(Table(scores), data, split="test", k=10)
    row = items[list(users).index(1)]
    assert (row[:4] >= 26).all() and (row[4:] == -1).all()  # user 1 has four candidates
    assert not hits[list(users).index(1)][4:].any()
    for user, row in zip(users, items.numpy(), strict=True):
        listed = row[row >= 0]
        assert len(set(listed)) == len(listed)
        assert not data.seen("test")[[user]].toarray()[0, listed].any()


def test_evaluating_leaves_the_model_in_training_mode():
    data, scores, _ = random_case(6)
    model = Table(scores)
    model.train()
    evaluate(model, data)
    assert model.training


def test_bad_input():
    data, scores, _ = random_case(7)
    with pytest.raises(ValueError, match="unknown split 'dev'"):
        evaluate(Table(scores), data, split="dev")
    for k in (0, -3, 2.5, True, "20"):
        with pytest.raises(ValueError, match=f"ks must be a whole number of at least 1, got {k!r}"):
            evaluate(Table(scores), data, ks=(5, k))
    with pytest.raises(ValueError, match="ks must be at most 30, the number of items of custom"):
        evaluate(Table(scores), data, ks=(31,))
    with pytest.raises(ValueError, match="ks must hold at least one cut-off"):
        evaluate(Table(scores), data, ks=())
    with pytest.raises(ValueError, match="chunk must be at least 1 or None, got 0"):
        evaluate(Table(scores), data, chunk=0)
    with pytest.raises(ValueError, match="the model has 11 users and 30 items, custom has 12"):
        evaluate(Table(scores[:11]), data)
    bad = scores.copy()
    bad[5, 3] = np.nan
    with pytest.raises(ValueError, match="NaN or infinite vectors, first for user 5"):
        evaluate(Table(bad), data)
    with pytest.raises(ValueError, match="finite, got NaN or infinity, first for user 5"):
        evaluate(lambda users: bad[users], data)
    with pytest.raises(ValueError, match=r"scores must be \(10, 30\), users by items of custom"):
        evaluate(lambda users: scores[users, :-1], data, chunk=10)
    with pytest.raises(ValueError, match=r"embed\(\), or be a function .* got ndarray"):
        evaluate(scores, data)
    empty = from_pairs([[0, 0]], [[0, 1]], valid_fraction=0)
    with pytest.raises(ValueError, match="the valid split of custom is empty"):
        evaluate(Table(np.zeros((1, 2))), empty, split="valid", ks=(1,))


@given(st.integers(0, 100_000), st.sampled_from([3, 50, 10**6]))
@settings(max_examples=30, deadline=None)
def test_the_largest_are_those_of_a_full_sort(seed, levels):
    """In blocks or not, with ties, masked entries and a rest beyond the last whole block."""
    generator = torch.Generator().manual_seed(seed)
    n = int(torch.randint(1, 900, (1,), generator=generator))
    scores = torch.randint(levels, (7, n), generator=generator).float()
    scores[torch.rand(7, n, generator=generator) < 0.3] = -torch.inf
    k = min(n, 1 + seed % 5)
    value, item = _largest(scores, k)
    assert value.equal(scores.sort(dim=1, descending=True).values[:, :k])
    assert value.equal(scores.gather(1, item))
    assert all(len(row.unique()) == k for row in item)


def test_groups_sum_to_the_whole():
    data, scores, _ = random_case(3, n_items=200, levels=10_000)
    groups = data.popularity_groups(4)
    got = evaluate(Table(scores), data, ks=(5, 20), groups=groups, chunk=5)
    plain = evaluate(Table(scores), data, ks=(5, 20))
    assert {name: got[name] for name in plain} == plain
    for metric in ("recall@5", "recall@20", "ndcg@5", "ndcg@20"):
        parts = got[f"{metric} by group"]
        assert parts.shape == (4,) and parts.sum() == pytest.approx(plain[metric], abs=1e-12)
        assert (parts > 0).sum() > 1
    rows = evaluate(Table(scores), data, groups=groups, per_user=True)
    assert rows["recall@20 by group"].shape == (len(rows["user"]), 4)
    # by hand, for one user
    user = int(rows["user"][4])
    hidden = data.seen("test")[[user]].toarray()[0]
    order = np.argsort(np.where(hidden, -np.inf, -0.0 + scores[user]))[::-1][:20]
    relevant = data.test[[user]].toarray()[0]
    expected = [(relevant[order] & (groups[order] == g)).sum() / relevant.sum() for g in range(4)]
    assert rows["recall@20 by group"][4] == pytest.approx(expected)


@pytest.mark.parametrize("groups", [np.zeros(29, int), np.zeros(30), -np.ones(30, int)])
def test_groups_that_do_not_fit(groups):
    data, scores, _ = random_case(7)
    with pytest.raises(ValueError, match=r"groups must be \(30,\) integers from 0"):
        evaluate(Table(scores), data, groups=groups)


def test_a_group_that_nobody_is_shown_counts_zero():
    """In some chunks of users, or in all of them."""
    data, scores, _ = random_case(3, n_items=200, levels=10_000)
    groups = np.zeros(200, dtype=int)
    groups[[5, 6]] = 1, 2
    scores[:, 6] = -1
    scores[:, 5] = -1
    scores[4, 5] = 2
    got = evaluate(Table(scores), data, groups=groups, chunk=1)
    assert got["recall@20 by group"].shape == (3,) and got["recall@20 by group"][2] == 0
