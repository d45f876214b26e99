"""Numbers that must not be wrong in silence: right at the extremes, or an error."""

import copy
import pickle
import time
from dataclasses import fields, replace

import numpy as np
import pytest
import torch
from scipy.sparse import csr_array

import bslutils as bsl
from bslutils import TrainConfig, dro
from bslutils.data import from_pairs
from bslutils.experiments.perform import perform
from bslutils.experiments.trial import Trial
from bslutils.losses import LOSSES, loss_parameters, make_loss
from bslutils.scoring import soft_maximum

ONE_STEP = TrainConfig(epochs=1, batch_size=10**6, n_negatives=8, progress=False)


@pytest.mark.parametrize("valid_fraction", [0.0, 0.1])
@pytest.mark.parametrize(
    ("score", "lr", "what"),
    [("dot", 2e38, "user_table"), ("cosine", 1e20, "user_table"), ("dot", 1e16, "scores")],
)
def test_what_the_last_update_breaks_is_not_passed_over(score, lr, what, valid_fraction):
    """One update, and no loss that would have seen what it did."""
    data = bsl.load("synthetic", valid_fraction=valid_fraction)
    model = bsl.models.MatrixFactorization(data.n_users, data.n_items, dim=4, score=score)
    if what == "scores":
        model.embed = lambda: (1e4 * model.user_table, 1e4 * model.item_table)
    before = copy.deepcopy(model.state_dict())
    message = f"^{what} became NaN .*in the last update of epoch 1; the model .* of epoch 0$"
    with pytest.raises(FloatingPointError, match=message):
        bsl.fit(model, data, bsl.losses.SoftmaxLoss(tau=0.2), replace(ONE_STEP, lr=lr))
    assert all(map(torch.equal, before.values(), model.state_dict().values()))


def test_a_sweep_records_what_the_last_update_breaks():
    config = replace(ONE_STEP, lr=1e20)
    record = perform(Trial("synthetic", "softmax", {"tau": 0.2}, config))
    assert record["stopped"].startswith("diverged: user_table became") and record["valid"] == 0
    assert 0 < record["test"]["recall@20"] < 0.1  # of the weights from before


def test_inner_products_on_data_whose_truth_is_known():
    trial = Trial("synthetic", "softmax", {"tau": 0.2}, ONE_STEP, model={"score": "dot"})
    assert -1 < perform(trial)["truth"]["spearman"] < 1


def plain(users, items, tau, mask):
    scores = (users @ items.T / tau).masked_fill(~mask, -torch.inf)
    dead = ~mask.any(1)
    return tau * scores.masked_fill(dead.unsqueeze(1), 0).logsumexp(1).masked_fill(dead, 0)


@pytest.mark.parametrize("block", [None, 5])
def test_second_derivatives_of_the_soft_maximum(block):
    generator = torch.Generator().manual_seed(0)
    users, items = (torch.randn(n, 3, generator=generator).double() for n in (4, 6))
    mask = torch.rand(4, 6, generator=generator) < 0.7
    mask[2] = False
    tau = torch.tensor(0.5, dtype=torch.float64)
    inputs = tuple(x.requires_grad_() for x in (users, items, tau))

    def fast(u, i, t):
        return soft_maximum(u, i, tau=t, mask=mask, block=block)

    assert torch.autograd.gradgradcheck(fast, inputs)

    def hessian_product(function):
        first = torch.autograd.grad(function(*inputs).sum(), inputs, create_graph=True)
        return torch.autograd.grad(sum((x**2).sum() for x in first), inputs)

    expected = hessian_product(lambda u, i, t: plain(u, i, t, mask))
    for got, wanted in zip(hessian_product(fast), expected, strict=True):
        torch.testing.assert_close(got, wanted)


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("name", LOSSES)
def test_float16_counts_beyond_its_own_range(name, masked):
    """Of 70,000 negatives, where float16 ends at 65,504."""
    good = {"n_items": 10**5, "level": 0.5, "beta": 0.5, "order": 2.0, "k": 20, "margin": 0.0}
    params = {key: good.get(key, 0.25) for key in loss_parameters(name)}
    loss = make_loss(name, **params | {k: False for k in params if k == "pos_in_denominator"})
    generator = torch.Generator().manual_seed(0)
    pos, neg = (2 * torch.rand(2, n, generator=generator).half() - 1 for n in (3, 70_000))
    mask = torch.rand(2, 70_000, generator=generator) < 0.99 if masked else None
    values, slopes = [], []
    for dtype in (torch.float16, torch.float64):
        scores = [x.detach().to(dtype).requires_grad_() for x in (pos, neg)]
        value = loss(*scores, neg_mask=mask)
        value.backward()
        assert value.dtype == dtype
        values.append(value.item())
        slopes.append(scores[0].grad.double())
    assert values[0] == pytest.approx(values[1], rel=5e-3, abs=5e-3)
    torch.testing.assert_close(*slopes, rtol=0.02, atol=0.01)


@pytest.mark.parametrize("mean", [False, True])
def test_the_soft_maximum_of_many_items_in_float16(mean):
    users, items = torch.ones(1, 1).half(), torch.zeros(70_000, 1).half()
    mask = torch.ones(1, 70_000, dtype=torch.bool)
    value = soft_maximum(users, items, tau=1.0, mean=mean, mask=mask)
    assert value.item() == pytest.approx(0 if mean else np.log(70_000), abs=0.01)


SCORES = np.array([0.0, 0.2, 1.0, 0.7])
BALLS = (("kl", None), ("chi2", None), ("cvar", None), ("tv", None), ("renyi", 0.5), ("renyi", 3.0))


@pytest.mark.parametrize("scale", [1e-300, 1e-154, 1e-80, 1e80, 1e154, 1e307])
@pytest.mark.parametrize(("name", "order"), BALLS)
def test_worst_cases_scale_with_the_scores(name, order, scale):
    start = time.perf_counter()
    asked = {"radius": 0.1, "divergence": name, "order": order}
    value = dro.robust_value(SCORES, **asked)
    assert dro.robust_value(SCORES * scale, **asked) / scale == pytest.approx(value, rel=1e-12)
    assert time.perf_counter() - start < 5


@pytest.mark.parametrize("scale", [1e-300, 1e-154, 1e154, 1e300])
def test_temperatures_scale_with_the_scores(scale):
    both = np.stack([SCORES, SCORES / 2])
    for of, scores in (
        (lambda f: dro.tau_of_radius(f, radius=0.1), SCORES),
        (lambda f: dro.small_radius_tau(f, radius=0.1, order=2), SCORES),
        (lambda f: dro.joint_tau_of_radius(f, radius=0.1), both),
        (lambda f: dro.joint_robust_value(f, radius=0.1), both),
    ):
        assert of(scores * scale) / scale == pytest.approx(of(scores), rel=1e-9)


def test_a_mask_of_the_smallest_number():
    with pytest.raises(ValueError, match="scores must be at most 5e.307 in size, got -1.79"):
        dro.robust_value([np.finfo(float).min, 0.0, 1.0], radius=0.1)
    least = float(np.finfo(np.float32).min)
    assert dro.robust_value([least, 0.0, 1.0], radius=0.5) == pytest.approx(
        1e30 * dro.robust_value([least / 1e30, 0.0, 1e-30], radius=0.5)
    )


def test_tensors_and_halves_are_numbers():
    value = dro.robust_value(SCORES, tau=0.5)
    tensor = torch.tensor(SCORES, requires_grad=True)
    weights = torch.full((4,), 0.25)
    assert dro.robust_value(tensor, tau=torch.tensor(0.5), weights=weights) == value
    for short in (tensor.half(), tensor.bfloat16(), SCORES.astype(np.float16)):
        assert dro.robust_value(short, tau=0.5) == pytest.approx(value, rel=1e-3)
    for bad in (["a"], None, [1j], [[1], [2, 3]], "x", object(), [None]):
        with pytest.raises(ValueError, match="^scores must be an array of numbers"):
            dro.robust_value(bad, tau=0.5)
    for tau in ("0.5", True, None, [1], 1j):
        with pytest.raises(ValueError, match="tau"):
            dro.robust_value(SCORES, tau=tau)


@pytest.fixture
def small():
    names = {"user_names": list("ab"), "item_names": list("pqrs")}
    pairs = {"train": [[0, 0], [0, 1], [1, 2]], "valid": [[0, 2]], "test": [[1, 3]]}
    return from_pairs(**pairs, **names)


@pytest.mark.parametrize("split", ["valid", "test"])
def test_a_leaked_pair_is_refused(small, split):
    leaky = (getattr(small, split) + small.train).tocsr()
    leaky.sum_duplicates()
    leaked = int(leaky.multiply(small.train).nnz)
    assert leaked
    with pytest.raises(ValueError, match=f"^{leaked} pairs of {split} are in train, too"):
        replace(small, **{split: leaky})
    with pytest.raises(ValueError, match=f"pairs of {split} are in train"):
        bsl.Interactions("x", **{"train": small.train, "valid": small.valid, "test": small.test,
                                 split: leaky})  # fmt: skip


@pytest.mark.parametrize(
    ("matrix", "message"),
    [
        (np.zeros((2, 4), dtype=bool), "test must be a csr_array of bool"),
        (csr_array(np.ones((2, 4))), "test must be a csr_array of bool"),
        (csr_array(([False], [0], [0, 1, 1]), shape=(2, 4)), "True for a pair"),
        (csr_array(([True, True], [3, 3], [0, 2, 2]), shape=(2, 4)), "without duplicates"),
        (csr_array((3, 4), dtype=bool), r"test is \(3, 4\), train is \(2, 4\)"),
    ],
)
def test_splits_that_are_none(small, matrix, message):
    with pytest.raises(ValueError, match=message):
        replace(small, test=matrix)


def test_interactions_are_pickled_and_copied(small):
    for data in (small, bsl.load("synthetic"), small.paper_protocol()):
        for twin in (pickle.loads(pickle.dumps(data)), copy.deepcopy(data), copy.copy(data)):
            assert twin.hash == data.hash and twin.dropped == data.dropped
            for field in fields(data):
                ours, theirs = (getattr(x, field.name) for x in (data, twin))
                if isinstance(ours, np.ndarray):
                    assert (ours == theirs).all() and not theirs.flags.writeable
            assert (twin.truth is None) == (data.truth is None)
            for array in (twin.train.data, twin.test.indices, twin.item_degree):
                assert not array.flags.writeable
            with pytest.raises(TypeError):
                twin.dropped["duplicates"] = 1


LEARNED = (
    *("softmax", "softmax_risk", "bilateral_softmax", "pessimistic_bilateral_softmax", "slatk"),
    *("reweighted_softmax", "pooled_softmax", "rescaled_softmax", "advinfonce", "bce", "bpr"),
)


@pytest.mark.parametrize("name", LEARNED)
def test_a_score_of_minus_infinity_leaves_a_learned_temperature_alone(name):
    """As one so low that nothing is left of it."""
    good = {"n_items": 100, "k": 20, "radius": 0.1, "neg_weight": 1.0, "intercept": 0.0}
    pos = torch.tensor([[0.7, 0.2]])
    slopes = []
    for lowest in (-torch.inf, -1e4):
        params = {
            key: good.get(key, torch.tensor(0.2, dtype=torch.float64, requires_grad=True))
            for key in loss_parameters(name)
            if key != "pos_in_denominator"
        }
        neg = torch.tensor([[0.0, lowest, 0.5]], dtype=torch.float64)
        loss = make_loss(name, **params)
        loss(pos.double(), neg).backward()
        slopes.append([x.grad for x in loss.parameters()])
    assert slopes[0] and all(slope.isfinite() for slope in slopes[0])
    torch.testing.assert_close(*slopes)
