"""The mathematics of the losses, over one list of cases."""

import itertools
import math

import pytest
import reference
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import bslutils.losses as losses

# (name, parameters): every loss goes through every test below.
CASES = [
    ("mse", {}),
    ("mse", {"neg_weight": 3.0}),
    ("bce", {}),
    ("bce", {"tau": 0.2, "neg_weight": 2.0}),
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


@every_loss
def test_gradcheck(name, params):
    pos, neg = (x.requires_grad_() for x in scores(batch=3, n_pos=2, n_neg=4))
    pos_mask = torch.tensor([[True, True], [True, False], [False, False]])
    neg_mask = torch.tensor([[True] * 4, [True, False, True, True], [True] * 4])

    def function(pos, neg):
        return f(name)(pos, neg, **params, pos_mask=pos_mask, neg_mask=neg_mask)

    assert torch.autograd.gradcheck(lambda p, n: f(name)(p, n, **params), (pos, neg))
    assert torch.autograd.gradcheck(function, (pos, neg))
    assert torch.autograd.gradgradcheck(lambda p, n: f(name)(p, n, **params), (pos, neg))


def analytic_gradients(name, pos, neg, p):
    """d/dpos, d/dneg of the sum over rows, written out by hand."""
    n_pos, n_neg = pos.shape[1], neg.shape[1]
    w, tau = p.get("neg_weight", 1.0), p.get("tau", 1.0)
    uniform = torch.full_like(pos, 1 / n_pos)
    if name == "mse":
        return -2 * (1 - pos) / n_pos, w * 2 * neg / n_neg
    if name == "bce":
        return -torch.sigmoid(-pos / tau) / tau / n_pos, w * torch.sigmoid(neg / tau) / tau / n_neg
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
    raise KeyError(name)


@every_loss
def test_the_gradient_is_the_one_on_paper(name, params):
    pos, neg = (x.requires_grad_() for x in scores())
    got = torch.autograd.grad(f(name)(pos, neg, **params, reduction="sum"), (pos, neg))
    expected = analytic_gradients(name, pos.detach(), neg.detach(), params)
    for g, e in zip(got, expected, strict=True):
        torch.testing.assert_close(g, e, rtol=1e-10, atol=1e-12)


def extreme_parameters(name):
    names = list(losses.loss_parameters(name))
    taus = [n for n in names if n.startswith("tau")]
    rest = dict.fromkeys((n for n in names if n == "neg_weight"), 1.1)
    for values in itertools.product(TAUS, repeat=len(taus)):
        yield dict(zip(taus, values, strict=True)) | rest


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
    ours = f(name)(pos, neg, **params, reduction="none").double()
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
    assert (d_pos <= 0).all()
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


# Closed forms ------------------------------------------------------------------------------


A, B, N = 0.75, 0.25, 8  # one positive at A, N negatives at B
SOFT = math.log1p(math.exp(B - A))  # softplus of the gap
CLOSED_FORMS = [
    ("mse", {}, (1 - A) ** 2 + B**2),
    ("mse", {"neg_weight": 3.0}, (1 - A) ** 2 + 3 * B**2),
    ("bce", {}, math.log1p(math.exp(-A)) + math.log1p(math.exp(B))),
    ("bce", {"tau": 0.25}, math.log1p(math.exp(-3)) + math.log1p(math.exp(1))),
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


def test_temperature_can_be_learned():
    pos, neg = scores()
    tau = torch.tensor(0.2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda t: losses.softmax_loss(pos, neg, tau=t), (tau,))


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
    with pytest.raises(ValueError, match=r"neg_mask must be bool .*float32"):
        f(name)(pos, neg, **params, neg_mask=torch.ones(5, 7))
    with pytest.raises(ValueError, match="reduction must be one of none, mean, sum, got 'avg'"):
        f(name)(pos, neg, **params, reduction="avg")


@pytest.mark.parametrize("value", [0.0, -0.1, math.nan, math.inf, "0.1", None])
@pytest.mark.parametrize("name", losses.LOSSES)
def test_bad_parameters_name_themselves(name, value):
    good = next(params for case, params in CASES if case == name)
    for parameter in losses.loss_parameters(name):
        if parameter.startswith("tau") or parameter == "neg_weight":
            bad = good | {parameter: value}
            with pytest.raises(ValueError, match=rf"{parameter} must be a positive finite"):
                f(name)(*scores(), **bad)
            with pytest.raises(ValueError, match=rf"{parameter} must be a positive finite"):
                losses.make_loss(name, **bad)


@pytest.mark.parametrize("margin", [1.0, -1.5, math.nan, "0"])
def test_bad_margin(margin):
    with pytest.raises(ValueError, match=r"margin must lie in \[-1, 1\)"):
        losses.ccl_loss(*scores(), margin=margin)


def test_registry_errors_list_the_choices():
    with pytest.raises(ValueError, match=r"unknown loss 'hinge'; choose one of mse, bce"):
        losses.make_loss("hinge")
    with pytest.raises(ValueError, match=r"no parameter 'temp'; it takes \['tau'"):
        losses.make_loss("softmax", temp=0.1)
    with pytest.raises(ValueError, match="needs a value for tau_pos, tau_neg"):
        losses.make_loss("bilateral_softmax")
