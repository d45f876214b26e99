"""The mathematics of the losses, over one list of cases."""

import copy
import inspect
import itertools
import math
import pickle
import pydoc
import re

import numpy as np
import pytest
import reference
import torch
from hypothesis import example, given, settings, strategies as st

import bslutils.losses as losses
from bslutils import dro
from bslutils.losses.base import Loss
from bslutils.losses.worst_case import ball_worst_case

# (name, parameters): every loss goes through every test below.
CASES = [
    ("mse", {}),
    ("mse", {"neg_weight": 3.0}),
    ("bce", {}),
    ("bce", {"tau": 0.2, "neg_weight": 2.0}),
    ("bce", {"tau": 0.2, "neg_weight": 2.0, "intercept": -1.5}),
    ("bpr", {}),
    ("bpr", {"tau": 0.1}),
    ("ccl", {"margin": 0.3, "neg_weight": 5.0}),
    ("ccl", {"margin": -0.2}),
    ("softmax", {"tau": 0.1}),
    ("softmax", {"tau": 0.1, "pos_in_denominator": True}),
    ("softmax_risk", {"tau": 0.1}),
    ("bilateral_softmax", {"tau_pos": 0.3, "tau_neg": 0.1}),
    ("pessimistic_bilateral_softmax", {"tau_pos": 0.3, "tau_neg": 0.1}),
    ("reweighted_softmax", {"tau": 0.1, "neg_weight": 1.2}),
    ("pooled_softmax", {"tau": 0.1, "neg_weight": 1.2}),
    ("rescaled_softmax", {"tau_pos": 0.3, "tau_neg": 0.1}),
    ("psl_tanh", {"tau": 0.1}),
    ("psl_atan", {"tau": 0.1}),
    ("psl_relu", {"tau": 0.1}),
    ("slatk", {"tau": 0.1, "tau_weight": 0.5, "n_items": 100}),
    ("slatk", {"tau": 0.2, "tau_weight": 2.0, "n_items": 30, "k": 10}),
    ("llpauc", {"beta": 0.3}),
    ("llpauc", {"beta": 0.5, "alpha": 0.6}),
    ("llpauc", {"beta": 1.0, "alpha": 1.0}),
    ("advinfonce", {"tau": 0.1, "radius": 0.2}),
    ("advinfonce", {"tau": 0.5, "radius": 1.0, "neg_weight": 64.0}),
    ("chi2", {"tau": 0.1}),  # few negatives in the support
    ("chi2", {"tau": 2.0}),  # all of them
    ("cvar", {"level": 0.3}),
    ("cvar", {"level": 1.0}),
    ("renyi", {"radius": 0.5, "order": 1.0}),
    ("renyi", {"radius": 0.5, "order": 2.0}),
    ("renyi", {"radius": 1.0, "order": 4.0}),
]
IDS = [f"{name}-{'-'.join(f'{v:g}' for v in params.values())}" for name, params in CASES]
TAUS = [0.01, 0.025, 0.05, 0.1, 0.2, 0.5, 1.0, 10.0]

every_loss = pytest.mark.parametrize(("name", "params"), CASES, ids=IDS)


def scores(batch=5, n_pos=3, n_neg=7, dtype=torch.float64, seed=0):
    g = torch.Generator().manual_seed(seed)
    pos = torch.rand(batch, n_pos, generator=g, dtype=dtype) * 2 - 1
    neg = torch.rand(batch, n_neg, generator=g, dtype=dtype) * 2 - 1
    return pos, neg


def test_the_list_of_cases_holds_every_loss():
    assert {name for name, _ in CASES} == set(losses.LOSSES) == set(reference.LOSSES)


def f(name):
    return losses.LOSSES[name].function


@every_loss
def test_equals_the_slow_reference(name, params):
    pos, neg = scores()
    expected = [
        reference.LOSSES[name](p, n, **params)
        for p, n in zip(pos.tolist(), neg.tolist(), strict=True)
    ]
    rows = f(name)(pos, neg, **params, reduction="none")
    torch.testing.assert_close(rows, torch.tensor(expected, dtype=torch.float64), rtol=1e-12,
                               atol=1e-12)  # fmt: skip
    assert float(f(name)(pos, neg, **params)) == pytest.approx(sum(expected) / 5, abs=1e-12)
    total = f(name)(pos, neg, **params, reduction="sum")
    assert float(total) == pytest.approx(sum(expected), abs=1e-12)
    in_float32 = f(name)(pos.float(), neg.float(), **params, reduction="none")
    torch.testing.assert_close(in_float32.double(), rows, rtol=1e-6, atol=2e-6)


@every_loss
def test_one_dimensional_positives_are_one_column(name, params):
    pos, neg = scores(n_pos=1)
    assert torch.equal(f(name)(pos[:, 0], neg, **params), f(name)(pos, neg, **params))


# What they maximise inside is not differentiated: their second derivative raises.
ONE_DERIVATIVE = {"advinfonce", "renyi"}


@every_loss
def test_gradcheck(name, params):
    pos, neg = (x.requires_grad_() for x in scores(batch=3, n_pos=2, n_neg=4))
    pos_mask = torch.tensor([[True, True], [True, False], [False, False]])
    neg_mask = torch.tensor([[True] * 4, [True, False, True, True], [True] * 4])

    if name == "slatk":  # the threshold is a constant to the gradient, but moves with the scores
        params = params | {"threshold": torch.tensor([0.1, -0.2, 0.3], dtype=torch.float64)}

    def plain(pos, neg):
        return f(name)(pos, neg, **params)

    def masked(pos, neg):
        return f(name)(pos, neg, **params, pos_mask=pos_mask, neg_mask=neg_mask)

    assert torch.autograd.gradcheck(plain, (pos, neg))
    assert torch.autograd.gradcheck(masked, (pos, neg))
    if name in ONE_DERIVATIVE:
        with pytest.raises(RuntimeError, match="no second derivative"):
            torch.autograd.gradgradcheck(plain, (pos, neg))
    else:
        assert torch.autograd.gradgradcheck(plain, (pos, neg))


def upper_share(scores, share):
    """Weights of the upper share of each row, from the ranks."""
    size = share * scores.shape[1]
    rank = scores.argsort(1, descending=True).argsort(1).double()
    return (size - rank).clamp(0, 1) / size


def ball_weights(scores, radius, order):
    """The worst case in a ball, from the package's numpy side."""
    ball = {"divergence": "renyi", "order": order} if order != 1 else {"divergence": "kl"}
    rows = [dro.worst_case_weights(row, radius=radius, **ball) for row in scores.numpy()]
    return torch.tensor(np.array(rows))


def analytic_gradients(name, pos, neg, p):
    """d/dpos, d/dneg of the sum over rows, written out by hand."""
    n_pos, n_neg = pos.shape[1], neg.shape[1]
    w, tau = p.get("neg_weight", 1.0), p.get("tau", 1.0)
    uniform = torch.full_like(pos, 1 / n_pos)
    if name == "mse":
        return -2 * (1 - pos) / n_pos, w * 2 * neg / n_neg
    if name == "bce":
        b = p.get("intercept", 0.0)
        pull, push = torch.sigmoid(-(pos / tau + b)), torch.sigmoid(neg / tau + b)
        return -pull / tau / n_pos, w * push / tau / n_neg
    if name == "bpr":
        s = torch.sigmoid((neg[:, None, :] - pos[:, :, None]) / tau) / tau / n_pos / n_neg
        return -s.sum(2), s.sum(1)
    if name == "ccl":
        return -uniform, w * (neg > p["margin"]).to(neg) / n_neg
    if name == "softmax" and p.get("pos_in_denominator"):
        rows = torch.cat([pos[:, :, None], neg[:, None, :].expand(-1, n_pos, -1)], 2) / tau
        q = torch.softmax(rows, 2)  # (B, P, 1 + N)
        return (q[:, :, 0] - 1) / tau / n_pos, q[:, :, 1:].mean(1) / tau
    if name == "softmax":
        return -uniform / tau, torch.softmax(neg / tau, 1) / tau
    if name == "softmax_risk":
        return -uniform, torch.softmax(neg / tau, 1)
    if name == "bilateral_softmax":
        return -torch.softmax(pos / p["tau_pos"], 1), torch.softmax(neg / p["tau_neg"], 1)
    if name == "pessimistic_bilateral_softmax":
        return -torch.softmax(-pos / p["tau_pos"], 1), torch.softmax(neg / p["tau_neg"], 1)
    if name == "reweighted_softmax":
        return -uniform / tau, w * torch.softmax(neg / tau, 1) / tau
    if name == "pooled_softmax":
        return -torch.softmax(pos / tau, 1) / tau, w * torch.softmax(neg / tau, 1) / tau
    if name == "rescaled_softmax":
        return -uniform / p["tau_pos"], torch.softmax(neg / p["tau_neg"], 1) / p["tau_pos"]
    if name in SURROGATE_SLOPES:  # d log σ / dx at half the gap
        x = (neg[:, None, :] - pos[:, :, None]) / 2  # (B, P, N)
        surrogate, slope = SURROGATE_SLOPES[name]
        s = torch.softmax(2 / tau * surrogate(x).log(), 2) * slope(x) / surrogate(x) / tau / n_pos
        return -s.sum(2), s.sum(1)
    if name == "slatk":
        rank = math.ceil(n_neg * p.get("k", 20) / p["n_items"])
        beta = neg.sort(1, descending=True).values[:, [rank - 1]]
        one = torch.logsumexp(neg / tau, 1, keepdim=True) - pos / tau
        weight = torch.sigmoid((pos - beta) / p["tau_weight"])
        d_pos = (weight * (1 - weight) / p["tau_weight"] * one - weight / tau) / n_pos
        return d_pos, weight.mean(1, keepdim=True) * torch.softmax(neg / tau, 1) / tau
    if name == "llpauc":
        a, b = upper_share(pos, p.get("alpha", 1.0)), upper_share(neg, p["beta"])
        s = a[:, :, None] * b[:, None, :] * (1 - (pos[:, :, None] - neg[:, None, :]) / 2)
        return -s.sum(2), s.sum(1)
    if name == "chi2":
        lam = neg.amin(1, keepdim=True) - tau * n_neg  # (f - λ)₊ sums to tau N: by halvings
        top = neg.amax(1, keepdim=True)
        for _ in range(100):
            middle = (lam + top) / 2
            small = (neg - middle).clamp(min=0).sum(1, keepdim=True) < tau * n_neg
            lam, top = torch.where(small, lam, middle), torch.where(small, middle, top)
        return -uniform, (neg - lam).clamp(min=0) / (tau * n_neg)
    if name == "cvar":
        return -uniform, upper_share(neg, p["level"])
    if name == "renyi":
        return -uniform, ball_weights(neg, p["radius"], p["order"])
    if name == "advinfonce":
        hard = neg / tau + ball_weights(torch.exp(neg / tau), p["radius"], 1).log()
        odds = torch.logsumexp(hard, 1, keepdim=True) + math.log(w * n_neg) - pos / tau
        share = torch.sigmoid(odds) / tau / n_pos  # (B, P)
        return -share, share.sum(1, keepdim=True) * torch.softmax(hard, 1)
    raise KeyError(name)


SURROGATE_SLOPES = {
    "psl_tanh": (lambda x: 1 + torch.tanh(x), lambda x: 1 - torch.tanh(x) ** 2),
    "psl_atan": (lambda x: 1 + torch.atan(x), lambda x: 1 / (1 + x**2)),
    "psl_relu": (lambda x: 1 + x, torch.ones_like),
}


@every_loss
def test_the_gradient_is_the_one_on_paper(name, params):
    pos, neg = (x.requires_grad_() for x in scores())
    got = torch.autograd.grad(f(name)(pos, neg, **params, reduction="sum"), (pos, neg))
    expected = analytic_gradients(name, pos.detach(), neg.detach(), params)
    for g, e in zip(got, expected, strict=True):
        torch.testing.assert_close(g, e, rtol=1e-10, atol=1e-12)


EXTREMES = {
    "neg_weight": [1.1],
    "intercept": [0.0, -20.0],
    "n_items": [10_000],
    "level": [1e-6, 0.01, 0.5, 1.0],
    "alpha": [1e-6, 0.5, 1.0],
    "beta": [1e-6, 0.5, 1.0],
    "radius": [0.01, 1.0, 20.0],
    "order": [1.0, 1.01, 2.0],
}


def extreme_parameters(name):
    names = [n for n in losses.loss_parameters(name) if n.startswith("tau") or n in EXTREMES]
    for values in itertools.product(*(EXTREMES.get(n, TAUS) for n in names)):
        yield dict(zip(names, values, strict=True))


@pytest.mark.parametrize("name", losses.LOSSES)
def test_extremes_stay_finite_and_right_in_float32(name):
    g = torch.Generator().manual_seed(1)
    spread = torch.rand(2, 10_000, generator=g) * 2 - 1
    neg = torch.stack([spread[0], torch.full((10_000,), 1.0), torch.full((10_000,), -1.0),
                       torch.sign(spread[1])])  # fmt: skip
    pos = torch.tensor([[1.0, -1.0, 0.3], [-1.0, -1.0, -1.0], [1.0, 1.0, 1.0], [-1.0, 0.0, 1.0]])
    for params in extreme_parameters(name):
        p, n = pos.clone().requires_grad_(), neg.clone().requires_grad_()
        rows = f(name)(p, n, **params, reduction="none")
        rows.sum().backward()
        for tensor in (rows, p.grad, n.grad):
            assert tensor.isfinite().all(), params
        exact = f(name)(pos.double(), neg.double(), **params, reduction="none")
        torch.testing.assert_close(rows.detach().double(), exact, rtol=1e-5, atol=1e-5, msg=str)


@every_loss
def test_bfloat16_is_no_worse_than_plain_operations(name, params):
    pos, neg = scores(batch=64, n_pos=1, n_neg=200, dtype=torch.float32)
    pos, neg = pos.bfloat16(), neg.bfloat16()
    exact = f(name)(pos.double(), neg.double(), **params, reduction="none")
    ours = f(name)(pos, neg, **params, reduction="none")
    assert ours.dtype == torch.bfloat16
    ours = ours.double()
    # A handful of roundings of 2^-8 relative, on terms as large as the loss's largest term.
    scale = max(1.0, 1 / min(params.get("tau", 1.0), params.get("tau_neg", 1.0)))
    assert ours.isfinite().all()
    assert (ours - exact).abs().max() <= 6 * 2**-8 * scale * params.get("neg_weight", 1.0) + 0.02


SHIFT_INVARIANT = {
    "bpr",
    "softmax",
    "softmax_risk",
    "bilateral_softmax",
    "pessimistic_bilateral_softmax",
    "rescaled_softmax",
    "psl_tanh",
    "psl_atan",
    "psl_relu",
    "slatk",
    "llpauc",
    "advinfonce",
    "chi2",
    "cvar",
    "renyi",
}


@every_loss
def test_which_losses_see_a_shift_of_all_scores(name, params):
    pos, neg = scores()
    change = f(name)(pos + 0.4, neg + 0.4, **params) - f(name)(pos, neg, **params)
    assert (abs(float(change)) < 1e-12) == (name in SHIFT_INVARIANT)


@every_loss
def test_order_of_scores_and_rows_does_not_matter(name, params):
    pos, neg = scores()
    rows = f(name)(pos, neg, **params, reduction="none")
    permuted = f(name)(pos.flip(1), neg.flip(1), **params, reduction="none")
    torch.testing.assert_close(permuted, rows, rtol=1e-12, atol=1e-12)
    by_row = f(name)(pos.flip(0), neg.flip(0), **params, reduction="none").flip(0)
    torch.testing.assert_close(by_row, rows, rtol=1e-12, atol=1e-12)


@every_loss
def test_better_scores_never_cost_more(name, params):
    pos, neg = (x.requires_grad_() for x in scores())
    d_pos, d_neg = torch.autograd.grad(f(name)(pos, neg, **params), (pos, neg))
    # A better positive of SL@K may weigh so much more that the loss grows.
    assert (d_pos <= 0).all() == (params.get("tau_weight") != 0.5)
    # MSE alone pushes a negative below zero up again.
    assert ((d_neg >= 0) | (neg < 0) if name == "mse" else d_neg >= 0).all()


@every_loss
def test_masked_scores_change_nothing(name, params):
    pos, neg = scores()
    rows = f(name)(pos, neg, **params, reduction="none")
    junk = torch.tensor([[math.nan], [math.inf], [-math.inf], [1e30], [0.0]], dtype=torch.float64)
    wide_pos = torch.cat([junk, pos], 1).requires_grad_()
    wide_neg = torch.cat([neg, junk], 1).requires_grad_()
    pos_mask = torch.ones(wide_pos.shape, dtype=torch.bool)
    neg_mask = torch.ones(wide_neg.shape, dtype=torch.bool)
    pos_mask[:, 0] = neg_mask[:, -1] = False
    masks = {"pos_mask": pos_mask, "neg_mask": neg_mask}
    got = f(name)(wide_pos, wide_neg, **params, **masks, reduction="none")
    torch.testing.assert_close(got, rows, rtol=1e-12, atol=1e-12)
    got.sum().backward()
    assert (wide_pos.grad[:, 0] == 0).all() and (wide_neg.grad[:, -1] == 0).all()
    assert wide_pos.grad.isfinite().all() and wide_neg.grad.isfinite().all()


@every_loss
def test_dead_rows_count_for_nothing(name, params):
    pos, neg = (x.requires_grad_() for x in scores(batch=4))
    pos_mask = torch.ones(pos.shape, dtype=torch.bool)
    neg_mask = torch.ones(neg.shape, dtype=torch.bool)
    pos_mask[1], neg_mask[3] = False, False
    masks = {"pos_mask": pos_mask, "neg_mask": neg_mask}
    alive = f(name)(pos[[0, 2]], neg[[0, 2]], **params, reduction="none")
    rows = f(name)(pos, neg, **params, **masks, reduction="none")
    torch.testing.assert_close(rows[[0, 2]], alive)
    assert rows[1] == rows[3] == 0
    mean = f(name)(pos, neg, **params, **masks)
    torch.testing.assert_close(mean, alive.mean())
    torch.testing.assert_close(f(name)(pos, neg, **params, **masks, reduction="sum"), alive.sum())
    mean.backward()
    assert (pos.grad[1] == 0).all() and (neg.grad[3] == 0).all()
    nothing = torch.zeros_like(pos_mask)
    assert f(name)(pos, neg, **params, pos_mask=nothing) == 0


@every_loss
def test_module_twin(name, params):
    pos, neg = scores()
    module = losses.make_loss(name, **params)
    assert isinstance(module, torch.nn.Module) and not list(module.parameters())
    assert torch.equal(module(pos, neg), f(name)(pos, neg, **params))
    assert all(f"{k}={v!r}" in repr(module) for k, v in params.items())


OF_A_BATCH = {"pos", "neg", "users", "items", "pos_mask", "neg_mask", "threshold"}


@pytest.mark.parametrize(("name", "twin"), (losses.LOSSES | losses.VECTOR_LOSSES).items())
def test_a_twin_takes_what_its_function_takes_beside_the_batch(name, twin):
    every = inspect.signature(twin.function).parameters.values()
    expected = [p for p in every if p.name not in OF_A_BATCH]
    assert list(inspect.signature(twin).parameters.values()) == expected
    assert list(inspect.signature(twin.__init__).parameters.values())[1:] == expected
    shown = pydoc.plain(pydoc.render_doc(twin))
    # From Python 3.13 on a long signature goes over several lines, each after a bar.
    call, text = (
        re.sub(r"[\s|]", "", s) for s in (f"{twin.__name__}{inspect.signature(twin)}", shown)
    )
    assert call in text.replace(",)", ")") and f"{name}_loss" in shown


@pytest.mark.parametrize(("name", "twin"), (losses.LOSSES | losses.VECTOR_LOSSES).items())
def test_a_twin_and_its_function_are_exported(name, twin):
    assert getattr(losses, twin.__name__) is twin
    assert getattr(losses, f"{name}_loss") is twin.function


@every_loss
def test_a_copy_is_the_same_loss(name, params):
    pos, neg = scores()
    loss = losses.make_loss(name, **params)
    assert loss.state_dict() == {}
    assert list(loss.params) == list(inspect.signature(type(loss)).parameters)
    for again in (copy.deepcopy(loss), pickle.loads(pickle.dumps(loss))):
        assert type(again) is type(loss) and repr(again) == repr(loss)
        assert torch.equal(again(pos, neg), loss(pos, neg))


@pytest.mark.parametrize(
    ("args", "params", "message"),
    [
        ((), {}, r"SLAtKLoss\(\) missing .*'tau'"),
        ((0.1,), {}, r"SLAtKLoss.__init__\(\) takes 1 positional argument"),
        ((), {"temp": 0.1}, r"SLAtKLoss\(\) got an unexpected keyword argument 'temp'"),
        ((), {"pos_mask": None}, "unexpected keyword argument 'pos_mask'"),
        ((), {"threshold": torch.zeros(1)}, "unexpected keyword argument 'threshold'"),
    ],
)
def test_arguments_that_a_twin_does_not_take(args, params, message):
    if params:
        params = {"tau": 0.1, "tau_weight": 1.0, "n_items": 10} | params
    with pytest.raises(TypeError, match=message):
        losses.SLAtKLoss(*args, **params)


def test_a_twin_of_ones_own():
    def gap_loss(pos, neg, *, margin=0.5, cap, pos_mask=None, neg_mask=None, reduction="mean"):
        losses.softmax_loss(pos, neg, tau=cap)  # checks cap
        return (neg.mean(1) - pos.mean(1) + margin).clamp(max=cap).mean()

    class GapLoss(Loss):
        function = staticmethod(gap_loss)

    class Halved(GapLoss):
        def __init__(self, twice):
            super().__init__(cap=twice / 2)

    pos, neg = scores()
    assert repr(GapLoss(cap=2.0)) == "GapLoss(margin=0.5, cap=2.0, reduction='mean')"
    assert torch.equal(GapLoss(cap=2.0)(pos, neg), gap_loss(pos, neg, cap=2.0))
    assert repr(Halved(4.0)) == "Halved(margin=0.5, cap=2.0, reduction='mean')"
    assert list(inspect.signature(Halved).parameters) == ["twice"]
    assert losses.negative_form(GapLoss(cap=2.0)) is None
    with pytest.raises(ValueError, match="tau must be a positive finite number, got -1"):
        GapLoss(cap=-1)


# Closed forms ------------------------------------------------------------------------------


A, B, N = 0.75, 0.25, 8  # one positive at A, N negatives at B
SOFT = math.log1p(math.exp(B - A))  # softplus of the gap
CLOSED_FORMS = [
    ("mse", {}, (1 - A) ** 2 + B**2),
    ("mse", {"neg_weight": 3.0}, (1 - A) ** 2 + 3 * B**2),
    ("bce", {}, math.log1p(math.exp(-A)) + math.log1p(math.exp(B))),
    ("bce", {"tau": 0.25}, math.log1p(math.exp(-3)) + math.log1p(math.exp(1))),
    ("bce", {"tau": 0.25, "intercept": -2.0}, math.log1p(math.exp(-1)) + math.log1p(math.exp(-1))),
    ("bpr", {}, SOFT),
    ("bpr", {"tau": 0.5}, math.log1p(math.exp(-1))),
    ("ccl", {"margin": 0.5}, 1 - A),
    ("ccl", {"margin": 0.0, "neg_weight": 4.0}, 1 - A + 4 * B),
    ("softmax", {"tau": 0.5}, math.log(N) - 1),
    ("softmax", {"tau": 0.5, "pos_in_denominator": True}, math.log1p(N * math.exp(-1))),
    ("softmax_risk", {"tau": 0.5}, B - A),
    ("bilateral_softmax", {"tau_pos": 0.3, "tau_neg": 0.5}, B - A),
    ("pessimistic_bilateral_softmax", {"tau_pos": 0.3, "tau_neg": 0.5}, B - A),
    ("reweighted_softmax", {"tau": 0.5, "neg_weight": 2.0}, 2 * (math.log(N) + 0.5) - 1.5),
    ("pooled_softmax", {"tau": 0.5, "neg_weight": 2.0}, 2 * 0.5 - 1.5),
    ("rescaled_softmax", {"tau_pos": 0.25, "tau_neg": 0.5}, 2 * (math.log(N) - 1)),
    ("psl_tanh", {"tau": 0.5}, math.log(N) - 4 * math.log((1 + math.exp(0.5)) / 2)),
    ("psl_atan", {"tau": 0.5}, math.log(N) + 4 * math.log(1 - math.atan(0.25))),
    ("psl_relu", {"tau": 0.5}, math.log(N) + 4 * math.log(0.75)),
    (
        "slatk",
        {"tau": 0.5, "tau_weight": 0.25, "n_items": 100},
        (math.log(N) - 1) / (1 + math.exp(-2)),
    ),
    ("llpauc", {"beta": 0.3, "alpha": 0.4}, 0.75**2),
    ("advinfonce", {"tau": 0.5, "radius": 0.3}, math.log1p(N * math.exp(-1))),
    ("advinfonce", {"tau": 0.5, "radius": 9.0, "neg_weight": 2.0}, math.log1p(16 / math.e)),
    ("chi2", {"tau": 0.5}, B - A),
    ("cvar", {"level": 0.3}, B - A),
    ("renyi", {"radius": 0.1, "order": 3.0}, B - A),
]


def test_every_loss_has_a_closed_form():
    assert {name for name, _, _ in CLOSED_FORMS} == set(losses.LOSSES)


@pytest.mark.parametrize(("name", "params", "value"), CLOSED_FORMS)
@pytest.mark.parametrize("n_pos", [1, 3])
def test_closed_forms(name, params, value, n_pos):
    pos, neg = torch.full((2, n_pos), A).double(), torch.full((2, N), B).double()
    assert float(f(name)(pos, neg, **params)) == pytest.approx(value, abs=1e-12)


def test_two_positives_by_hand():
    """BSL weighs the higher of two positives more; SL does not."""
    pos, neg = torch.tensor([[1.0, 0.0]]).double(), torch.zeros(1, N).double()
    bsl = losses.bilateral_softmax_loss(pos, neg, tau_pos=0.5, tau_neg=0.1)
    assert float(bsl) == pytest.approx(-0.5 * math.log((math.exp(2) + 1) / 2))
    assert float(losses.softmax_risk_loss(pos, neg, tau=0.1)) == pytest.approx(-0.5)


@given(st.floats(0.02, 5), st.integers(1, 40), st.integers(0, 2**31))
@settings(max_examples=50, deadline=None)
def test_the_two_normalisations_of_softmax_loss(tau, n_neg, seed):
    pos, neg = scores(n_neg=n_neg, seed=seed)
    per_sample = losses.softmax_loss(pos, neg, tau=tau)
    risk = losses.softmax_risk_loss(pos, neg, tau=tau)
    torch.testing.assert_close(risk, tau * per_sample - tau * math.log(n_neg))


@given(st.floats(0.02, 5), st.floats(0.02, 5), st.integers(0, 2**31))
@settings(max_examples=50, deadline=None)
def test_bilateral_with_one_positive_is_softmax(tau_pos, tau_neg, seed):
    pos, neg = scores(n_pos=1, seed=seed)
    bsl = losses.bilateral_softmax_loss(pos, neg, tau_pos=tau_pos, tau_neg=tau_neg)
    torch.testing.assert_close(bsl, losses.softmax_risk_loss(pos, neg, tau=tau_neg))


@given(st.integers(0, 2**31))
@settings(max_examples=30, deadline=None)
def test_limits_of_the_temperatures(seed):
    pos, neg = scores(seed=seed)

    def bsl(tau_pos, tau_neg):
        return losses.bilateral_softmax_loss(
            pos, neg, tau_pos=tau_pos, tau_neg=tau_neg, reduction="none"
        )

    softmax = losses.softmax_risk_loss(pos, neg, tau=0.1, reduction="none")
    # The error of a large temperature is at most (b - a)^2 / (8 tau), Hoeffding's bound.
    torch.testing.assert_close(bsl(1e6, 0.1), softmax, rtol=0, atol=4 / 8e6)
    means = neg.mean(1) - pos.mean(1)
    torch.testing.assert_close(bsl(1e6, 1e6), means, rtol=0, atol=4 / 4e6)
    # That of a small one at most tau log N.
    tops = neg.amax(1) - pos.amax(1)
    torch.testing.assert_close(bsl(1e-4, 1e-4), tops, rtol=0, atol=1e-4 * math.log(7))


def test_reweighted_at_weight_one_is_softmax_and_else_is_not():
    pos, neg = scores()
    one = losses.reweighted_softmax_loss(pos, neg, tau=0.2, neg_weight=1.0)
    torch.testing.assert_close(one, losses.softmax_loss(pos, neg, tau=0.2))
    assert losses.reweighted_softmax_loss(pos, neg, tau=0.2, neg_weight=1.1) > one


@given(st.floats(0.02, 5), st.floats(0.02, 5), st.floats(0.3, 3), st.integers(0, 2**31))
@settings(max_examples=50, deadline=None)
def test_conversions_between_the_variants(a, b, w, seed):
    """What public code calls BSL, in terms of SL and BSL."""
    pos, neg = scores(seed=seed)
    n = math.log(neg.shape[1])
    close = torch.testing.assert_close
    sl, bsl = losses.softmax_loss, losses.bilateral_softmax_loss
    close(losses.rescaled_softmax_loss(pos, neg, tau_pos=a, tau_neg=b), b / a * sl(pos, neg, tau=b))
    one = losses.pooled_softmax_loss(pos, neg, tau=a, neg_weight=1.0)
    close(one, bsl(pos, neg, tau_pos=a, tau_neg=a) / a)
    alone = losses.pooled_softmax_loss(pos[:, :1], neg, tau=a, neg_weight=w)
    close(alone, losses.reweighted_softmax_loss(pos[:, :1], neg, tau=a, neg_weight=w) - w * n)
    # With a power inside the positive side's mean, as another public code base has it.
    powered = w * torch.logsumexp(neg / a, 1) - w * n - torch.exp(w * pos / a).mean(1).log()
    close(powered.mean(), w / a * bsl(pos, neg, tau_pos=a / w, tau_neg=a))


@given(st.floats(0.02, 5), st.floats(0.02, 5), st.integers(0, 2**31))
@settings(max_examples=50, deadline=None)
def test_optimism_is_below_the_mean_and_pessimism_above(a, b, seed):
    pos, neg = scores(seed=seed)
    ask = {"tau_pos": a, "tau_neg": b, "reduction": "none"}
    bsl = losses.bilateral_softmax_loss(pos, neg, **ask)
    sl = losses.softmax_risk_loss(pos, neg, tau=b, reduction="none")
    twin = losses.pessimistic_bilateral_softmax_loss(pos, neg, **ask)
    assert (bsl <= sl + 1e-12).all() and (sl <= twin + 1e-12).all()
    width = pos.amax(1) - pos.amin(1)
    assert (twin - bsl <= width**2 / (4 * a) + 1e-12).all()  # Hoeffding, on either side
    one = losses.pessimistic_bilateral_softmax_loss(pos[:, :1], neg, **ask)
    torch.testing.assert_close(
        one, losses.softmax_risk_loss(pos[:, :1], neg, tau=b, reduction="none")
    )


@pytest.mark.parametrize("name", [n for n in losses.LOSSES if "tau" in losses.loss_parameters(n)])
def test_temperature_can_be_learned(name):
    pos, neg = scores()
    rest = next(params for case, params in CASES if case == name) | {"tau": None}
    tau = torch.tensor(0.2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda t: f(name)(pos, neg, **(rest | {"tau": t})), (tau,))


def test_an_intercept_is_a_shift_of_all_scores():
    pos, neg = scores()
    for b in (-2.0, 0.7):
        shifted = f("bce")(pos + 0.2 * b, neg + 0.2 * b, tau=0.2, neg_weight=5.0)
        torch.testing.assert_close(
            f("bce")(pos, neg, tau=0.2, neg_weight=5.0, intercept=b), shifted
        )
    b = torch.tensor(-1.0, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda b: f("bce")(pos, neg, tau=0.2, intercept=b), (b,))


def test_without_an_intercept_bce_is_what_it_was_to_the_last_bit():
    pos, neg = (x.float().requires_grad_() for x in scores(batch=64, n_neg=200))
    before = torch.nn.functional.softplus(-pos / 0.14).mean(1)
    before = before + 5.0 * torch.nn.functional.softplus(neg / 0.14).mean(1)
    now = f("bce")(pos, neg, tau=0.14, neg_weight=5.0, reduction="none")
    assert torch.equal(now, before)
    for one, other in zip(
        torch.autograd.grad(now.sum(), (pos, neg)),
        torch.autograd.grad(before.sum(), (pos, neg)),
        strict=True,
    ):
        assert torch.equal(one, other)


# Limits and orders of the losses of the field -----------------------------------------------


def rows(name, pos, neg, **params):
    return f(name)(pos, neg, **params, reduction="none")


def mean_gap(pos, neg):
    return neg.mean(1) - pos.mean(1)


def top_gap(pos, neg):
    return neg.amax(1) - pos.mean(1)


def kl_ball(pos, neg, radius):
    """SL in risk form at the temperature that the radius buys each row, plus its price."""
    taus = [dro.tau_of_radius(row, radius=radius) for row in neg.numpy()]
    one = [
        tau * radius + losses.softmax_risk_loss(p[None], n[None], tau=tau)
        for p, n, tau in zip(pos, neg, taus, strict=True)
    ]
    return torch.stack(one)


def whole_auc(pos, neg):
    return ((1 - (pos[:, :, None] - neg[:, None, :]) / 2) ** 2).mean((1, 2))


# Loss, parameters, its limit, largest error: scores lie in [-1, 1], N = 7.
LIMITS = {
    "SL, τ → 0": ("softmax_risk", {"tau": 1e-5}, top_gap, 1e-5 * math.log(7)),
    "SL, τ → ∞": ("softmax_risk", {"tau": 1e5}, mean_gap, 1 / (2 * 1e5)),
    "χ², τ → 0": ("chi2", {"tau": 1e-5}, top_gap, 3e-5),  # τ (N - 1) / 2
    "χ², τ → ∞": ("chi2", {"tau": 1e5}, mean_gap, 1 / (2 * 1e5)),
    "CVaR, level → 0": ("cvar", {"level": 1e-5}, top_gap, 1e-12),
    "CVaR, level 1": ("cvar", {"level": 1.0}, mean_gap, 1e-12),
    "Rényi, radius → 0": ("renyi", {"radius": 1e-10, "order": 2.0}, mean_gap, 1.1e-5),
    "Rényi, radius log N": ("renyi", {"radius": math.log(7), "order": 2.0}, top_gap, 1e-12),
    "Rényi, order 1": (
        "renyi",
        {"radius": 0.5, "order": 1.0},
        lambda pos, neg: kl_ball(pos, neg, 0.5),
        1e-12,
    ),
    "Rényi, order → 1": (
        "renyi",
        {"radius": 0.5, "order": 1 + 1e-6},
        lambda pos, neg: kl_ball(pos, neg, 0.5),
        1e-5,
    ),
    "Rényi, order → ∞": (
        "renyi",
        {"radius": 0.5, "order": 1e6},
        lambda pos, neg: rows("cvar", pos, neg, level=math.exp(-0.5)),
        1e-4,
    ),
    "AdvInfoNCE, radius → 0": (
        "advinfonce",
        {"tau": 0.5, "radius": 1e-12},
        lambda pos, neg: rows("softmax", pos, neg, tau=0.5, pos_in_denominator=True),
        1e-5,
    ),
    "AdvInfoNCE, radius log N": (
        "advinfonce",
        {"tau": 0.5, "radius": math.log(7)},
        lambda pos, neg: torch.nn.functional.softplus(
            math.log(7) + (neg.amax(1, keepdim=True) - pos) / 0.5
        ).mean(1),
        1e-12,
    ),
    "SL@K, weight's τ → ∞": (
        "slatk",
        {"tau": 0.2, "tau_weight": 1e8, "n_items": 100},
        lambda pos, neg: rows("softmax", pos, neg, tau=0.2) / 2,
        1e-6,
    ),
    "SL@K, k = n_items, weight's τ → 0": (
        "slatk",
        {"tau": 0.2, "tau_weight": 1e-8, "n_items": 100, "k": 100},
        lambda pos, neg: (
            (torch.logsumexp(neg / 0.2, 1, keepdim=True) - pos / 0.2)
            * (pos > neg.amin(1, keepdim=True))
        ).mean(1),
        1e-6,
    ),
    "LLPAUC, both shares 1": ("llpauc", {"beta": 1.0, "alpha": 1.0}, whole_auc, 1e-12),
    "LLPAUC, both shares → 0": (
        "llpauc",
        {"beta": 1e-5, "alpha": 1e-5},
        lambda pos, neg: (1 - (pos.amax(1) - neg.amax(1)) / 2) ** 2,
        1e-12,
    ),
}


@pytest.mark.parametrize("limit", LIMITS)
@pytest.mark.parametrize("seed", range(5))
def test_limits(limit, seed):
    name, params, target, error = LIMITS[limit]
    pos, neg = scores(seed=seed)
    gap = (rows(name, pos, neg, **params) - target(pos, neg)).abs().max()
    assert gap <= error + 1e-12


@pytest.mark.parametrize("name", SURROGATE_SLOPES)
def test_pairwise_softmax_meets_softmax_where_gaps_and_temperature_are_small(name):
    pos, neg = scores()
    softmax = rows("softmax", pos, neg, tau=0.1)
    for scale in (1e-2, 1e-4, 1e-6):
        shrunk = rows(name, scale * pos, scale * neg, tau=scale * 0.1)
        assert (softmax - shrunk).abs().max() <= 2 * scale / 0.1  # as |log σ(x) - x| <= x²
        assert (shrunk <= softmax + 1e-9).all()
    assert (rows(name, pos, neg, tau=0.1) < softmax).all()  # σ(x) < exp(x) on [-1, 1]


@pytest.mark.parametrize(("name", "gap"), [("psl_relu", -2.0), ("psl_relu", -5.0),
                                           ("psl_atan", -3.5), ("psl_tanh", -50.0)])  # fmt: skip
def test_pairwise_softmax_is_finite_where_its_surrogate_vanishes(name, gap):
    pos = torch.zeros(1, 1, requires_grad=True)
    neg = torch.full((1, 4), gap, requires_grad=True)
    loss = f(name)(pos, neg, tau=0.01)
    loss.backward()
    assert loss.isfinite() and neg.grad.isfinite().all() and pos.grad.isfinite().all()
    assert name == "psl_tanh" or (neg.grad == 0).all()


@pytest.mark.parametrize("order", [1.0, 1.5, 3.0])
@pytest.mark.parametrize("masked", [False, True])
def test_a_worst_case_in_a_ball_does_not_depend_on_the_other_rows(order, masked):
    generator = torch.Generator().manual_seed(0)
    scores = torch.randn(32, 40, generator=generator, dtype=torch.float64)
    scores *= torch.logspace(-3, 1, 32, dtype=torch.float64).unsqueeze(1)
    scores[::4, 0] += 10  # some rows take many steps more than the others
    scores[5] = 0.1  # and some none
    mask = torch.rand(32, 40, generator=generator) < 0.7 if masked else None
    together = ball_worst_case(scores, mask, 0.7, order)
    for k in range(32):
        alone = ball_worst_case(scores[[k]], mask if mask is None else mask[[k]], 0.7, order)
        for mine, its in zip(together, alone, strict=True):
            torch.testing.assert_close(mine[[k]], its, rtol=1e-12, atol=1e-13)


@given(st.floats(0.01, 3), st.floats(1.0, 4), st.integers(2, 40), st.integers(0, 2**31))
@settings(max_examples=50, deadline=None)
@example(radius=1.0, order=1.0000000000000002, n=3, seed=0)
def test_renyi_is_the_worst_case_of_its_ball(radius, order, n, seed):
    pos, neg = scores(batch=2, n_neg=n, seed=seed)
    neg = neg.requires_grad_()
    got = rows("renyi", pos, neg, radius=radius, order=order)
    (q,) = torch.autograd.grad(got.sum(), neg)
    got = got.detach()
    ball = {"divergence": "renyi", "order": order} if order > 1 else {"divergence": "kl"}
    for i in range(2):
        worst = dro.robust_value(neg[i].detach().numpy(), radius=radius, **ball)
        assert float(got[i]) == pytest.approx(worst - float(pos[i].mean()), abs=1e-6)
        assert float(q[i].sum()) == pytest.approx(1) and (q[i] >= 0).all()
        uniform = np.full(n, 1 / n)
        size = dro.divergence((q[i] / q[i].sum()).numpy(), uniform, **ball)
        assert size <= radius + 1e-5


@pytest.mark.parametrize("order", [1.001, 10.0, 150.0])
@pytest.mark.parametrize("radius", [0.01, 0.5, 3.0])
def test_renyi_at_orders_near_one_and_far_away(order, radius):
    pos, neg = scores(n_neg=40)
    expected = [
        reference.renyi(p, n, radius=radius, order=order)
        for p, n in zip(pos.tolist(), neg.tolist(), strict=True)
    ]
    got = rows("renyi", pos, neg, radius=radius, order=order)
    torch.testing.assert_close(got, torch.tensor(expected).double(), rtol=0, atol=1e-7)


@given(st.floats(0.05, 1.5), st.integers(0, 2**31))
@settings(max_examples=30, deadline=None)
def test_balls_are_nested(radius, seed):
    """The higher the order the smaller the ball; a price is a ball with its radius to pay."""
    pos, neg = scores(seed=seed)
    family = [rows("renyi", pos, neg, radius=radius, order=a) for a in (1, 1.1, 2, 5, 30)]
    family.append(rows("cvar", pos, neg, level=math.exp(-radius)))
    assert all((low <= high + 1e-9).all() for high, low in itertools.pairwise(family))
    for tau in (0.05, 0.2, 1.0):
        kl = rows("softmax_risk", pos, neg, tau=tau) + tau * radius
        chi2 = rows("chi2", pos, neg, tau=tau) + tau / 2 * math.expm1(radius)
        assert (family[0] <= kl + 1e-12).all() and (family[2] <= chi2 + 1e-12).all()
        between = rows("chi2", pos, neg, tau=tau)
        assert (mean_gap(pos, neg) <= between).all() and (between <= top_gap(pos, neg)).all()


def test_chi2_is_mean_and_variance_where_tau_is_large():
    pos, neg = scores()
    variance = neg.var(1, correction=0)
    exact = mean_gap(pos, neg) + variance / (2 * 2.0)
    torch.testing.assert_close(rows("chi2", pos, neg, tau=2.0), exact)
    assert (rows("chi2", pos, neg, tau=0.1) < mean_gap(pos, neg) + variance / 0.2).all()
    one = torch.tensor([[0.0, 0.0, 0.0, 1.0]]).double()  # support {1}: λ = 1 - 4 tau >= 0
    assert float(losses.chi2_loss(torch.zeros(1).double(), one, tau=0.2)) == pytest.approx(0.7)


def test_cvar_is_ccl_with_a_margin_of_each_row():
    pos, neg = scores(batch=1, n_neg=10)
    margin = float(neg.sort(descending=True).values[0, 2])  # the third of ten ends a share of 0.25
    ccl = losses.ccl_loss(pos, neg, margin=margin, neg_weight=1 / 0.25)
    cvar = losses.cvar_loss(pos, neg, level=0.25)
    torch.testing.assert_close(cvar, ccl - 1 + margin)


def test_ties_at_the_top_share_the_weight():
    pos = torch.zeros(1)
    for name, params in (("renyi", {"radius": 2.0, "order": 2.0}), ("chi2", {"tau": 0.01})):
        neg = torch.tensor([[0.5, -0.5, 0.5, 0.0]], requires_grad=True)
        f(name)(pos, neg, **params).backward()
        torch.testing.assert_close(neg.grad, torch.tensor([[0.5, 0.0, 0.5, 0.0]]))


def test_threshold_of_slatk():
    """Rank k in a full list; in a sample the rank of the same share, at least the best."""
    pos, neg = scores(n_neg=50)
    ranked = neg.sort(1, descending=True).values
    tau = {"tau": 0.2, "tau_weight": 0.3}
    for n_items, k, rank in ((50, 10, 10), (50, 50, 50), (500, 20, 2), (500, 15, 2), (9999, 20, 1)):
        mask = torch.ones(neg.shape, dtype=torch.bool)
        for keep in (None, mask):
            got = losses.slatk_loss(pos, neg, **tau, n_items=n_items, k=k, neg_mask=keep)
            given_it = losses.slatk_loss(
                pos, neg, **tau, n_items=n_items, threshold=ranked[:, rank - 1]
            )
            torch.testing.assert_close(got, given_it)
    with pytest.raises(ValueError, match=r"threshold must be \(5,\), got \(5, 1\)"):
        losses.slatk_loss(pos, neg, **tau, n_items=50, threshold=ranked[:, :1])


@given(st.floats(0.05, 2), st.floats(0.01, 3), st.integers(0, 2**31))
@settings(max_examples=30, deadline=None)
def test_advinfonce_is_above_infonce_and_attained(tau, radius, seed):
    pos, neg = scores(seed=seed)
    least = rows("softmax", pos, neg, tau=tau, pos_in_denominator=True)
    worst = rows("advinfonce", pos, neg, tau=tau, radius=radius)
    assert (least <= worst + 1e-9).all()
    p = ball_weights(torch.exp(neg / tau), radius, 1)
    odds = (7 * p * torch.exp(neg / tau)).sum(1, keepdim=True) * torch.exp(-pos / tau)
    torch.testing.assert_close(worst, torch.log1p(odds).mean(1))


def test_one_positive_leaves_the_share_of_positives_of_llpauc_idle():
    pos, neg = scores(n_pos=1)
    values = [losses.llpauc_loss(pos, neg, beta=0.3, alpha=a) for a in (0.01, 0.5, 1.0)]
    torch.testing.assert_close(values[0], values[2])
    torch.testing.assert_close(values[1], values[2])


# Bad input ---------------------------------------------------------------------------------


@every_loss
@pytest.mark.parametrize(
    ("pos", "neg", "message"),
    [
        (torch.zeros(3), torch.zeros(4, 2), r"pos \(3, 1\) and neg \(4, 2\)"),
        (torch.zeros(3), torch.zeros(3), r"neg \(3,\)"),
        (torch.zeros(1, 1, 1), torch.zeros(1, 1), r"\(1, 1, 1\)"),
        (torch.zeros(0), torch.zeros(0, 5), "empty"),
        (torch.zeros(2, 0), torch.zeros(2, 5), "empty"),
        (torch.zeros(2), torch.zeros(2, 0), "empty"),
        (torch.zeros(2, dtype=torch.int64), torch.zeros(2, 1), "pos must be a floating"),
        (torch.zeros(2), [[0.0], [0.0]], "neg must be a floating-point tensor, got list"),
    ],
)
def test_bad_scores(name, params, pos, neg, message):
    with pytest.raises(ValueError, match=message):
        f(name)(pos, neg, **params)


@every_loss
def test_bad_masks_and_reductions(name, params):
    pos, neg = scores()
    with pytest.raises(ValueError, match=r"pos_mask must be bool \(5, 3\)"):
        f(name)(pos, neg, **params, pos_mask=torch.ones(5, 2, dtype=torch.bool))
    theirs = torch.ones(neg.shape, dtype=torch.bool)
    with pytest.raises(ValueError, match=r"pos_mask must be bool .*\(neg_mask=… is the mask of"):
        f(name)(pos, neg, **params, pos_mask=theirs)
    with pytest.raises(ValueError, match=r"neg_mask must be bool .*float32"):
        f(name)(pos, neg, **params, neg_mask=torch.ones(5, 7))
    with pytest.raises(ValueError, match="reduction must be one of none, mean, sum, got 'avg'"):
        f(name)(pos, neg, **params, reduction="avg")


@pytest.mark.parametrize("value", [0.0, -0.1, math.nan, math.inf, "0.1", None])
@pytest.mark.parametrize("name", losses.LOSSES)
def test_bad_parameters_name_themselves(name, value):
    good = next(params for case, params in CASES if case == name)
    for parameter in losses.loss_parameters(name):
        if parameter.startswith("tau") or parameter in ("neg_weight", "radius", "n_items", "k"):
            bad = good | {parameter: value}
            with pytest.raises(ValueError, match=rf"{parameter} must be a positive finite"):
                f(name)(*scores(), **bad)
            with pytest.raises(ValueError, match=rf"{parameter} must be a positive finite"):
                losses.make_loss(name, **bad)


@pytest.mark.parametrize("value", [math.nan, math.inf, "low", torch.zeros(2)])
def test_bad_intercept(value):
    with pytest.raises(ValueError, match="intercept must be a finite number, got"):
        losses.make_loss("bce", intercept=value)


@pytest.mark.parametrize("margin", [1.0, -1.5, math.nan, "0"])
def test_bad_margin(margin):
    with pytest.raises(ValueError, match=r"margin must lie in \[-1, 1\)"):
        losses.ccl_loss(*scores(), margin=margin)


@pytest.mark.parametrize("value", [0.0, -0.1, 1.01, math.nan, "0.5", None])
@pytest.mark.parametrize(
    ("name", "params"), [("cvar", "level"), ("llpauc", "alpha"), ("llpauc", "beta")]
)
def test_bad_shares(name, params, value):
    with pytest.raises(ValueError, match=rf"{params} must lie in \(0, 1\], got"):
        losses.make_loss(name, **({"beta": 0.5} if name == "llpauc" else {}) | {params: value})


@pytest.mark.parametrize("order", [0.99, math.inf, math.nan, "2", None])
def test_bad_order(order):
    with pytest.raises(ValueError, match="order must be a finite number of at least 1, got"):
        losses.renyi_loss(*scores(), radius=0.1, order=order)


def test_a_list_longer_than_the_catalogue():
    with pytest.raises(ValueError, match="k must be at most n_items, got k=20 and n_items=10"):
        losses.make_loss("slatk", tau=0.1, tau_weight=1.0, n_items=10)


def test_registry_errors_list_the_choices():
    with pytest.raises(ValueError, match=r"unknown loss 'hinge'; choose one of mse, bce"):
        losses.make_loss("hinge")
    with pytest.raises(ValueError, match=r"no parameter 'temp'; it takes \['tau'"):
        losses.make_loss("softmax", temp=0.1)
    with pytest.raises(ValueError, match="needs a value for tau_pos, tau_neg"):
        losses.make_loss("bilateral_softmax")


PER_ROW = {
    "softmax": ("tau",),
    "softmax_risk": ("tau",),
    "bilateral_softmax": ("tau_pos", "tau_neg"),
    "pessimistic_bilateral_softmax": ("tau_pos", "tau_neg"),
}


@pytest.mark.parametrize("column", [False, True], ids=["(B,)", "(B, 1)"])
@pytest.mark.parametrize("name", PER_ROW)
def test_a_temperature_of_each_row_is_that_of_a_loop_over_rows(name, column):
    function, draw = f(name), torch.Generator().manual_seed(3)
    pos, neg = (torch.randn(5, n, generator=draw, dtype=torch.float64) for n in (3, 7))
    masks = {
        key: torch.rand(x.shape, generator=draw) < 0.7 for key, x in (("pos", pos), ("neg", neg))
    }
    masks["pos"][:, 0] = masks["neg"][:, 0] = True
    masks["neg"][4] = False  # a dead row
    masks = {f"{key}_mask": mask for key, mask in masks.items()}
    taus = {key: torch.rand(5, generator=draw, dtype=torch.float64) + 0.1 for key in PER_ROW[name]}
    for tau in taus.values():
        tau.requires_grad_()
    given = {key: tau.unsqueeze(1) if column else tau for key, tau in taus.items()}
    value = function(pos, neg, **given, **masks, reduction="none")
    loop = [
        function(
            pos[[b]],
            neg[[b]],
            **{key: tau[b].item() for key, tau in taus.items()},
            **{key: mask[[b]] for key, mask in masks.items()},
        )
        for b in range(5)
    ]
    torch.testing.assert_close(value, torch.stack(loop))
    assert value[4] == 0
    grads = torch.autograd.grad(value.sum(), [*taus.values()])
    for (key, tau), grad in zip(taus.items(), grads, strict=True):
        single = tau[1].detach().requires_grad_()
        alone = {k: t[1].detach() for k, t in taus.items()} | {key: single}
        row = {k: mask[[1]] for k, mask in masks.items()}
        function(pos[[1]], neg[[1]], **alone, **row).backward()
        torch.testing.assert_close(grad[1], single.grad)


@pytest.mark.parametrize("name", PER_ROW)
def test_temperatures_of_another_shape_or_sign_are_refused(name):
    function, pos, neg = f(name), torch.zeros(3, 2), torch.zeros(3, 4)
    for key in PER_ROW[name]:
        rest = dict.fromkeys(PER_ROW[name], 0.2)
        for bad, message in (
            (torch.ones(4), rf"{key} must be .* \(3,\) or \(3, 1\), got torch.float32 \(4,\)"),
            (torch.ones(1, 3), rf"{key} must be .* got torch.float32 \(1, 3\)"),
            (torch.ones(3, dtype=torch.long), rf"{key} must be .* got torch.int64 \(3,\)"),
            (
                torch.tensor([1.0, 0.0, 2.0]),
                rf"{key} must be positive and finite in every row, got 0",
            ),
            (torch.tensor([1.0, math.nan, 2.0]), rf"{key} must be positive and finite in every"),
            (torch.tensor([1.0, math.inf, 2.0]), rf"{key} must be positive and finite in every"),
        ):
            with pytest.raises(ValueError, match=message):
                function(pos, neg, **rest | {key: bad})
