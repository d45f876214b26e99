"""The graph, and LightGCN on it."""

import numpy as np
import pytest
import torch
from scipy.sparse import csr_array

import bslutils as bsl
from bslutils.graph import degrees, normalised_adjacency, spread
from bslutils.models import LightGCN


@pytest.fixture(scope="module")
def train():
    rng = np.random.default_rng(0)
    dense = rng.random((9, 7)) < 0.3
    dense[4], dense[:, 3] = False, False  # a user and an item without a pair
    return csr_array(dense)


def dense_adjacency(train):
    pairs = torch.tensor(train.toarray().astype(float))
    n_users, n_items = pairs.shape
    whole = torch.zeros(n_users + n_items, n_users + n_items, dtype=torch.float64)
    whole[:n_users, n_users:], whole[n_users:, :n_users] = pairs, pairs.T
    degree = whole.sum(1)
    scale = torch.where(degree > 0, degree.clamp(min=1).rsqrt(), 0)
    return scale[:, None] * whole * scale


def test_adjacency(train):
    got = normalised_adjacency(train).to_dense().double()
    torch.testing.assert_close(got, dense_adjacency(train), rtol=1e-6, atol=1e-7)
    assert got.equal(got.T) and got[4].eq(0).all()
    with pytest.raises(ValueError, match="no training pair to build a graph from"):
        normalised_adjacency(csr_array((3, 3), dtype=bool))


def test_degrees_count_pairs_of_users_then_of_items(train):
    dense = train.toarray()
    expected = [int(row.sum()) for row in dense] + [int(column.sum()) for column in dense.T]
    assert degrees(train).tolist() == expected


def test_the_gradient_of_spreading(train):
    adjacency = normalised_adjacency(train).to(torch.float64)
    vectors = torch.randn(16, 3, dtype=torch.float64, requires_grad=True)
    torch.autograd.gradcheck(lambda x: spread(adjacency, x), (vectors,))
    torch.autograd.gradgradcheck(lambda x: spread(adjacency, x), (vectors,))


@pytest.mark.parametrize("n_layers", [1, 3])
def test_lightgcn_is_the_mean_of_the_powers(train, n_layers):
    model = LightGCN(train, dim=5, n_layers=n_layers, score="dot")
    whole = dense_adjacency(train)
    start = torch.cat([model.user_table, model.item_table]).double()
    powers = [torch.linalg.matrix_power(whole, power) @ start for power in range(n_layers + 1)]
    expected = torch.stack(powers).mean(0)
    got = torch.cat(model.embed())
    torch.testing.assert_close(got.double(), expected, rtol=1e-5, atol=1e-7)
    weight = torch.randn(got.shape, dtype=torch.float64)
    tables = (model.user_table, model.item_table)
    for ours, dense in zip(
        torch.autograd.grad((got.double() * weight).sum(), tables),
        torch.autograd.grad((expected * weight).sum(), tables),
        strict=True,
    ):
        torch.testing.assert_close(ours, dense, rtol=1e-5, atol=1e-6)


@pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning")
def test_lightgcn_equals_pytorch_geometric(train):
    import torch_geometric.nn as geometric

    model = LightGCN(train, dim=5, n_layers=3, score="dot")
    theirs = geometric.LightGCN(16, 5, num_layers=3)
    with torch.no_grad():
        theirs.embedding.weight.copy_(torch.cat([model.user_table, model.item_table]))
    user, item = train.nonzero()
    edges = torch.tensor(np.stack([user, item + 9]))
    edges = torch.cat([edges, edges.flip(0)], dim=1)
    # Vectors only: their gradient departs from finite differences with torch 2.13 on a CPU.
    ours, other = torch.cat(model.embed()), theirs.get_embedding(edges)
    torch.testing.assert_close(ours, other, rtol=1e-5, atol=1e-7)


def test_scores_in_training_and_in_ranking(train):
    model = LightGCN(train, dim=5, score="cosine", rank_score="dot")
    users, items = model(torch.tensor([0, 5]), torch.tensor([1, 2]))
    ranking_users, ranking_items = model.embed()
    torch.testing.assert_close(users.norm(dim=1), torch.ones(2))
    assert ranking_items[1].norm() < 0.99
    direction = torch.nn.functional.normalize(ranking_users[[0, 5]], dim=1)
    torch.testing.assert_close(users, direction)
    assert "n_layers=3, score='cosine', rank_score='dot'" in repr(model)


def test_bad_arguments(train):
    with pytest.raises(ValueError, match="n_layers must be at least 1, got 0"):
        LightGCN(train, n_layers=0)
    with pytest.raises(ValueError, match="rank_score must be one of cosine, dot, got 'l2'"):
        LightGCN(train, rank_score="l2")


@pytest.mark.parametrize("sampler", ["shared", "in-batch", "full"])
def test_lightgcn_trains(movielens, sampler):
    """It beats matrix factorisation after the same few epochs: the graph is a head start."""
    loss = bsl.losses.SoftmaxLoss(tau=0.1)
    values = []
    for model in (
        LightGCN(movielens.train, dim=16, n_layers=2),
        bsl.models.MatrixFactorization(movielens.n_users, movielens.n_items, dim=16),
    ):
        config = bsl.TrainConfig(
            epochs=2, lr=5e-3, sampler=sampler, n_negatives=256, batch_size=2048, progress=False
        )
        values.append(bsl.fit(model, movielens, loss, config).best["ndcg@20"])
    assert values[0] > values[1]
