"""The models, each against a slow reference, and what they share."""

import math

import numpy as np
import pytest
import torch
from scipy.sparse import csr_array

import bslutils as bsl
from bslutils.models import (
    MODELS,
    NGCF,
    LightGCNPlusPlus,
    MatrixFactorization,
    SimGCL,
    XSimGCL,
    contrastive,
    info_nce,
    make_model,
    model_parameters,
)

GRAPH = [name for name in MODELS if name != "MF"]
CONTRASTIVE = ["SimGCL", "XSimGCL"]


@pytest.fixture(scope="module")
def train():
    rng = np.random.default_rng(0)
    dense = rng.random((6, 5)) < 0.8
    dense[4], dense[:, 3] = False, False  # a user and an item without a pair
    return csr_array(dense)


def whole_graph(train):
    """The 0/1 adjacency of users and items, dense."""
    n_users, n_items = train.shape
    whole = np.zeros((n_users + n_items, n_users + n_items))
    whole[:n_users, n_users:] = train.toarray()
    return whole + whole.T


def symmetric(train):
    whole = whole_graph(train)
    degree = whole.sum(1).clip(min=1)
    return whole / np.sqrt(np.outer(degree, degree))


def start(model):
    return torch.cat([model.user_table, model.item_table]).detach().double().numpy()


def unit(rows):
    return rows / np.linalg.norm(rows, axis=1, keepdims=True).clip(min=1e-12)


def slow_info_nce(a, b, tau):
    a, b, total = unit(np.asarray(a)), unit(np.asarray(b)), 0.0
    for row in range(len(a)):
        logits = [float(a[row] @ b[other]) / tau for other in range(len(b))]
        total += -logits[row] + math.log(sum(math.exp(value) for value in logits))
    return total / len(a)


def assert_close(got, expected):
    expected = torch.as_tensor(expected, dtype=torch.float64)
    torch.testing.assert_close(got.detach().double(), expected, rtol=1e-5, atol=1e-6)


def both_sides(tables):
    return torch.cat(tables)


# --- matrix factorisation


def test_training_vectors_and_tables_agree():
    for score in ("cosine", "dot"):
        model = MatrixFactorization(5, 7, dim=4, score=score)
        users, items = model.embed()
        ids = torch.tensor([[1, 6], [2, 2]])
        u, i = model(torch.tensor([4, 0]), ids)
        assert torch.equal(u, users[[4, 0]]) and torch.equal(i, items[ids])


def test_cosine_scores_lie_in_the_unit_interval_and_dot_scores_do_not_have_to():
    cosine, dot = (MatrixFactorization(50, 50, score=s) for s in ("cosine", "dot"))
    with torch.no_grad():
        dot.user_table.mul_(100)
        dot.item_table.mul_(100)
    u, i = cosine.embed()
    assert (u @ i.T).abs().max() <= 1 + 1e-6
    u, i = dot.embed()
    assert (u @ i.T).abs().max() > 1


def test_user_dropout_acts_in_training_only():
    model = MatrixFactorization(5, 7, dim=64, score="dot", user_dropout=0.5)
    ids = torch.arange(5)
    model.train()
    dropped = (model(ids, ids)[0] == 0).double().mean()
    assert 0.3 < dropped < 0.7
    model.eval()
    assert torch.equal(model(ids, ids)[0], model.user_table)


# --- propagation, against dense matrices and loops over nodes


def test_ngcf_is_its_formula(train):
    model = NGCF(train, dim=3, n_layers=2, score="dot")
    adjacency, layer = symmetric(train), start(model)
    parts = [layer]
    for w1, w2 in model.weights.detach().double().numpy():
        mixed = (adjacency + np.eye(11)) @ layer @ w1 + (adjacency @ layer * layer) @ w2
        layer = np.where(mixed > 0, mixed, 0.2 * mixed)
        parts.append(unit(layer))
    assert_close(both_sides(model.embed()), np.concatenate(parts, axis=1))
    assert "message_dropout=0.1" in repr(model)


def test_ngcf_drops_messages_in_training_only(train):
    model = NGCF(train, dim=64, n_layers=1, message_dropout=0.5, score="dot")
    ids = torch.tensor([0, 1, 2])
    dropped = (model(ids, ids)[0][:, 64:] == 0).double().mean()
    assert 0.3 < dropped < 0.7
    ranked = model.embed()[0]  # ranking drops nothing, whatever the mode
    model.eval()
    assert torch.equal(model(ids, ids)[0], ranked[ids])


@pytest.mark.parametrize(
    ("alpha", "beta", "gamma", "n_layers"), [(0.6, -0.1, 0.2, 2), (0.5, 0.5, 0, 1), (0, 1, 1, 3)]
)
def test_lightgcn_plus_plus_is_its_formula(train, alpha, beta, gamma, n_layers):
    powers = {"alpha": alpha, "beta": beta, "gamma": gamma}
    model = LightGCNPlusPlus(train, dim=3, n_layers=n_layers, score="dot", **powers)
    whole, first = whole_graph(train), start(model)
    degree = whole.sum(1)
    layers = [first]
    for _ in range(n_layers):
        layer = np.zeros_like(first)
        for node, neighbour in zip(*whole.nonzero(), strict=True):
            direction = unit(layers[-1])[neighbour]
            layer[node] += degree[node] ** -alpha * degree[neighbour] ** -beta * direction
        layers.append(layer)
    expected = gamma * first + (1 - gamma) * np.mean(layers[1:], axis=0)
    assert_close(both_sides(model.embed()), expected)
    assert f"alpha={alpha}, beta={beta}, gamma={gamma}" in repr(model)


@pytest.mark.parametrize("model", [SimGCL, XSimGCL])
@pytest.mark.parametrize("n_layers", [1, 3])
def test_contrastive_models_rank_by_the_mean_without_layer_0(train, model, n_layers):
    model = model(train, dim=3, n_layers=n_layers, score="dot")
    adjacency, first = symmetric(train), start(model)
    powers = [np.linalg.matrix_power(adjacency, p) @ first for p in range(1, n_layers + 1)]
    expected = np.mean(powers, axis=0)
    assert_close(both_sides(model.embed()), expected)
    assert (expected[4] == 0).all()  # no pair, no vector


# --- noise and contrast


def noisy_layers(train, model, generator):
    """Layers 0 to L of a pass with the noise that the next draws of ``generator`` make."""
    adjacency, layers = symmetric(train), [start(model)]
    for _ in range(model.n_layers):
        layer = adjacency @ layers[-1]
        noise = unit(torch.rand(layer.shape, generator=generator).double().numpy())
        layers.append(layer + model.eps * np.sign(layer) * noise)
    return layers


def slow_contrast(model, views, users, items):
    nodes = (sorted(set(users)), sorted({6 + item for item in items}))
    terms = [slow_info_nce(*(view[ids] for view in views), model.temperature) for ids in nodes]
    return model.weight * sum(terms)


def batch():
    return torch.tensor([0, 2, 0]), torch.tensor([[1, 1], [0, 2], [2, 1]])


def test_simgcl_contrasts_two_noisy_passes(train):
    model = SimGCL(train, dim=3, n_layers=2, score="dot", eps=0.3)
    torch.manual_seed(7)
    got = model.auxiliary(*batch())
    generator = torch.Generator().manual_seed(7)
    views = [np.mean(noisy_layers(train, model, generator)[1:], axis=0) for _ in range(2)]
    assert_close(got, slow_contrast(model, views, [0, 2], [0, 1, 2]))
    clean = both_sides(model.embed())
    assert_close(torch.cat(model(torch.arange(6), torch.arange(5))), clean.detach().double())


@pytest.mark.parametrize("contrast_layer", [0, 1, 2])
def test_xsimgcl_contrasts_its_pass_with_a_layer_of_it(train, contrast_layer):
    model = XSimGCL(train, dim=3, n_layers=2, contrast_layer=contrast_layer, score="dot", eps=0.3)
    torch.manual_seed(7)
    users, items = batch()
    vectors = model(users, items)
    layers = noisy_layers(train, model, torch.Generator().manual_seed(7))
    final = np.mean(layers[1:], axis=0)
    assert_close(vectors[0], final[users])
    assert_close(vectors[1], final[6:][items])
    expected = slow_contrast(model, [final, layers[contrast_layer]], [0, 2], [0, 1, 2])
    assert_close(model.auxiliary(users, items), expected)


def test_xsimgcl_needs_a_pass_in_training_before_the_contrast(train):
    model = XSimGCL(train, dim=3)
    users, items = batch()
    for prepare in (lambda: None, lambda: model.embed(), lambda: model.eval()(users, items)):
        prepare()
        with pytest.raises(RuntimeError, match=r"call model\(users, items\) in training mode"):
            model.auxiliary(users, items)
    model.train()(users, items)
    model.auxiliary(users, items)
    with pytest.raises(RuntimeError):  # a pass serves once
        model.auxiliary(users, items)


@pytest.mark.parametrize(("name", "products"), [("SimGCL", 3 + 5), ("XSimGCL", 3)])
def test_a_step_spreads_no_more_than_it_has_to(train, name, products, monkeypatch):
    model, calls, spread = MODELS[name](train, dim=3, n_layers=3), [], contrastive.spread
    monkeypatch.setattr(contrastive, "spread", lambda *a: calls.append(1) or spread(*a))
    model(*batch())
    model.auxiliary(*batch())
    assert len(calls) == products


def test_noise_has_its_length_and_keeps_the_signs():
    vectors = torch.randn(50, 8, generator=torch.Generator().manual_seed(0))
    vectors[3] = 0
    torch.manual_seed(1)
    noise = contrastive.disturbed(vectors, 0.7) - vectors
    assert (noise.sign() == vectors.sign()).all() and noise[3].eq(0).all()
    lengths = torch.cat([noise[:3], noise[4:]]).norm(dim=1)
    torch.testing.assert_close(lengths, torch.full((49,), 0.7))
    torch.manual_seed(1)
    assert torch.equal(contrastive.disturbed(vectors, 0.7) - vectors, noise)


def test_info_nce_equals_the_slow_loop_and_its_gradient():
    g = torch.Generator().manual_seed(0)
    a, b = (torch.randn(5, 3, generator=g, dtype=torch.float64) for _ in range(2))
    for tau in (0.05, 0.2, 1.0):
        assert float(info_nce(a, b, tau=tau)) == pytest.approx(slow_info_nce(a, b, tau), rel=1e-12)
    pair = (a.requires_grad_(), b.requires_grad_())
    assert torch.autograd.gradcheck(lambda a, b: info_nce(a, b, tau=0.2), pair)
    # It is the softmax loss on the cosines of the views, the positive among the negatives.
    cosines = torch.tensor(unit(a.detach().numpy()) @ unit(b.detach().numpy()).T)
    softmax = bsl.losses.softmax_loss(cosines.diag(), cosines, tau=0.2)
    torch.testing.assert_close(info_nce(a, b, tau=0.2), softmax)
    assert info_nce(a, a, tau=0.2).item() < math.log(5)
    # Nodes that do not count are as if they were not there.
    counts = torch.tensor([True, False, True, True, False])
    torch.testing.assert_close(
        info_nce(a, b, tau=0.2, mask=counts), info_nce(a[counts], b[counts], tau=0.2)
    )
    assert torch.autograd.gradcheck(lambda a, b: info_nce(a, b, tau=0.2, mask=counts), pair)


@pytest.mark.parametrize("size", [9, 4])  # fewer ids than nodes, and more
def test_distinct_ids_count_once(size):
    given = torch.tensor([3, 1, 3, 0, 1])
    nodes, counts = contrastive._distinct(given, size)
    assert nodes[counts].tolist() == [0, 1, 3] and len(nodes) == min(size, 5)


def test_info_nce_refuses_what_does_not_fit():
    with pytest.raises(ValueError, match=r"views must be \(n, d\) both, got \(2, 3\) and \(4, 3\)"):
        info_nce(torch.ones(2, 3), torch.ones(4, 3), tau=0.2)
    with pytest.raises(ValueError, match="tau must be a positive finite number, got 0"):
        info_nce(torch.ones(2, 3), torch.ones(2, 3), tau=0)
    with pytest.raises(ValueError, match=r"mask must be \(2,\), a node each, got \(3,\)"):
        info_nce(torch.ones(2, 3), torch.ones(2, 3), tau=1, mask=torch.ones(3, dtype=torch.bool))


# --- what the models share


@pytest.mark.parametrize("name", GRAPH)
@pytest.mark.parametrize("score", ["cosine", "dot"])
def test_gradients_of_the_vectors_that_are_ranked(train, name, score):
    model = MODELS[name](train, dim=2, n_layers=2, score=score).double()
    assert torch.autograd.gradcheck(
        lambda *_: torch.cat(model.embed()), tuple(model.parameters()), atol=1e-4
    )


@pytest.mark.parametrize("name", CONTRASTIVE)
def test_gradients_of_the_contrast(train, name):
    model = MODELS[name](train, dim=2, n_layers=2).double()

    def value(*_):
        torch.manual_seed(0)
        users, items = model(*batch())
        return model.auxiliary(*batch()) + users.sum() + items.square().sum()

    assert torch.autograd.gradcheck(value, tuple(model.parameters()), atol=1e-4)


@pytest.mark.parametrize("name", GRAPH)
def test_scores_in_training_and_in_ranking(train, name):
    model = MODELS[name](train, dim=4, score="cosine", rank_score="dot").eval()
    users, items = model(torch.tensor([0, 2]), torch.tensor([[1], [2]]))
    ranked_users, ranked_items = model.embed()
    torch.testing.assert_close(users.norm(dim=1), torch.ones(2))
    torch.testing.assert_close(
        items[:, 0], torch.nn.functional.normalize(ranked_items[[1, 2]], dim=1)
    )
    assert (ranked_users[[0, 2]].norm(dim=1) - 1).abs().max() > 0.01
    assert "score='cosine', rank_score='dot'" in repr(model)


@pytest.mark.parametrize("name", MODELS)
def test_the_seed_makes_the_model(synthetic, name):
    before = torch.random.get_rng_state()
    a, b, c = (make_model(name, synthetic, dim=4, seed=s).state_dict() for s in (0, 0, 1))
    assert torch.equal(torch.random.get_rng_state(), before)
    for key, value in a.items():
        assert torch.equal(value, b[key]) and not torch.equal(value, c[key])
    flat = torch.cat([value.flatten() for value in a.values()])
    assert len(flat.unique()) > 0.99 * len(flat)  # no draw serves twice


def test_models_by_name(synthetic):
    assert list(MODELS) == ["MF", "NGCF", "LightGCN", "LightGCN++", "SimGCL", "XSimGCL"]
    model = make_model("LightGCN++", synthetic, dim=4, alpha=0.7)
    assert isinstance(model, LightGCNPlusPlus) and model.alpha == 0.7
    assert "contrast_layer" in model_parameters("XSimGCL")
    assert [name for name, cls in MODELS.items() if getattr(cls, "on_graph", False)] == [
        "NGCF", "LightGCN", "LightGCN++", "SimGCL", "XSimGCL"
    ]  # fmt: skip
    with pytest.raises(ValueError, match="unknown model 'GCN'; choose one of MF, NGCF"):
        model_parameters("GCN")
    with pytest.raises(ValueError, match="model 'MF' has no parameter 'eps'; it takes .'dim'"):
        make_model("MF", synthetic, eps=0.1)


@pytest.mark.parametrize(
    ("name", "argument", "message"),
    [
        ("MF", {"dim": 0}, "dim must be at least 1, got 0"),
        ("MF", {"score": "l2"}, "score must be one of cosine, dot, got 'l2'"),
        ("MF", {"user_dropout": 1}, r"user_dropout must lie in \[0, 1\), got 1"),
        ("NGCF", {"n_layers": 0}, "n_layers must be at least 1, got 0"),
        ("NGCF", {"message_dropout": 1.0}, r"message_dropout must lie in \[0, 1\), got 1.0"),
        ("LightGCN++", {"alpha": math.nan}, "alpha must be a finite number, got nan"),
        ("LightGCN++", {"beta": math.inf}, "beta must be a finite number, got inf"),
        ("LightGCN++", {"gamma": 1.5}, r"gamma must lie in \[0, 1\], got 1.5"),
        ("SimGCL", {"weight": -1}, "weight must be at least 0 and finite, got -1"),
        ("SimGCL", {"eps": math.inf}, "eps must be at least 0 and finite, got inf"),
        ("SimGCL", {"temperature": 0}, "temperature must be a positive finite number, got 0"),
        ("SimGCL", {"rank_score": "l2"}, "rank_score must be one of cosine, dot, got 'l2'"),
        ("XSimGCL", {"contrast_layer": 3}, "contrast_layer must lie in 0 to n_layers=2, got 3"),
        ("XSimGCL", {"temperature": -1}, "temperature must be a positive finite number, got -1"),
        ("XSimGCL", {"eps": -0.1}, "eps must be at least 0 and finite, got -0.1"),
    ],
)
def test_bad_arguments(synthetic, name, argument, message):
    with pytest.raises(ValueError, match=message):
        make_model(name, synthetic, **argument)
