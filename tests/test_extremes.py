"""Losses and prices at the ends of the range of floats: right in the limit, or refused."""

import math

import numpy as np
import pytest
import torch

from bslutils import dro
from bslutils.checks import HUGE, LEARNED, TINY
from bslutils.losses import LOSSES, loss_parameters, make_loss, softmax_loss
from bslutils.scoring import soft_maximum

GOOD = {"n_items": 100, "k": 20, "radius": 0.1, "level": 0.5, "alpha": 0.5, "beta": 0.5,
        "order": 2.0, "neg_weight": 1.0, "intercept": 0.0, "margin": 0.0}  # fmt: skip
POS, NEG = [[0.7, 0.2]], [[0.0, 0.3, 0.5]]


def made(name, tau):
    return make_loss(
        name, **{k: GOOD.get(k, tau) for k in loss_parameters(name) if k != "pos_in_denominator"}
    )


def both(dtype=torch.float64, pos=POS, neg=NEG):
    return (torch.tensor(x, dtype=dtype, requires_grad=True) for x in (pos, neg))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", LOSSES)
def test_every_temperature_that_is_allowed_is_finite(name, dtype):
    for learned in (False, True):
        for tau in (LEARNED if learned else TINY, 1e-9, 1e9, HUGE):
            value = torch.nn.Parameter(torch.tensor(tau, dtype=dtype)) if learned else tau
            loss, (pos, neg) = made(name, value), both(dtype)
            got = loss(pos, neg)
            got.backward()
            for x in (got, pos.grad, neg.grad, *(p.grad for p in loss.parameters())):
                assert x.isfinite().all(), (learned, tau, x)


def test_a_temperature_too_low_to_be_learned_is_refused():
    low = torch.nn.Parameter(torch.tensor(LEARNED / 2))
    with pytest.raises(ValueError, match=r"^tau must be from 1e-18 to .*holds its gradient, got"):
        made("bpr", low)
    with pytest.raises(ValueError, match=r"in every row, got 5.0.*e-19; the least is 1e-18"):
        softmax_loss(*both(torch.float32), tau=low.expand(1))
    assert made("bpr", low.detach()).tau == low.detach()


@pytest.mark.parametrize("lowest", [-math.inf, -1e30, -3e38])
@pytest.mark.parametrize("name", ["psl_tanh", "psl_atan", "psl_relu", "chi2", "slatk", "bpr"])
def test_a_negative_out_of_sight_changes_no_temperature(name, lowest):
    """As one at -1e4 does not, from which nothing is left either."""
    slopes = []
    for low in (-1e4, lowest):
        loss = made(name, torch.nn.Parameter(torch.tensor(0.2)))
        pos, neg = both(torch.float32, neg=[[0.0, low, 0.5]])
        value = loss(pos, neg)
        value.backward()
        slopes.append([value.detach(), pos.grad, neg.grad, *(p.grad for p in loss.parameters())])
        assert all(x.isfinite().all() for x in slopes[-1])
    torch.testing.assert_close(*slopes, rtol=1e-5, atol=1e-6)


def test_a_ball_and_scores_of_minus_infinity():
    """Weight 0 is allowed to one of three from log 1.5 on; in a smaller ball it has some."""
    neg = [[0.0, -math.inf, 0.5]]
    for radius, order in ((0.5, 1.0), (0.5, 2.0), (1.0, 3.0)):
        found = [
            make_loss("renyi", radius=radius, order=order)(*both(neg=[[0.0, low, 0.5]])).item()
            for low in (-math.inf, -1e6)
        ]
        assert found[0] == pytest.approx(found[1], abs=1e-5)
    assert make_loss("renyi", radius=0.4, order=2.0)(*both(neg=neg)).item() == -math.inf
    masked = make_loss("renyi", radius=0.4, order=2.0)(
        *both(neg=neg), neg_mask=torch.tensor([[True, False, True]])
    )
    assert masked.isfinite()


@pytest.mark.parametrize("scale", [1e-25, 1e-20, 1e20, 1e25])
def test_a_ball_scales_with_the_scores(scale):
    loss = make_loss("renyi", radius=0.1, order=2.0)
    pos, neg = (x.detach().float() for x in both())
    assert loss(pos * scale, neg * scale).item() / scale == pytest.approx(
        loss(pos, neg).item(), rel=1e-5
    )


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize(
    "name", ["softmax_risk", "bilateral_softmax", "pessimistic_bilateral_softmax"]
)
def test_the_limit_of_a_high_temperature_is_the_mean(name, masked, dtype):
    pos, neg = both(dtype, neg=[[0.0, 0.3, 0.5, 99.0]])
    mask = torch.tensor([[True, True, True, not masked]])
    kept = neg[mask].detach().double().numpy()
    for tau in (1.5, 1e3, 1e6, 1e19, 1e30):
        loss = made(name, torch.nn.Parameter(torch.tensor(tau, dtype=dtype)))
        got = loss(pos, neg, neg_mask=mask)
        risk = dro.robust_value(kept, tau=tau)
        gain = {"softmax_risk": 0.45, "bilateral_softmax": dro.robust_value(POS[0], tau=tau)}.get(
            name, -dro.robust_value([-x for x in POS[0]], tau=tau)
        )
        assert got.item() == pytest.approx(risk - gain, rel=1e-5)
        (slope,) = torch.autograd.grad(got, neg)
        weights = np.exp(kept / tau) / np.exp(kept / tau).sum()
        np.testing.assert_allclose(slope[mask].numpy(), weights, rtol=1e-5)


@pytest.mark.parametrize("name", ["softmax", "pooled_softmax", "softmax_risk", "psl_relu"])
@pytest.mark.parametrize("shift", [1e4, 1e8])
def test_high_scores_leave_the_weights_of_negatives_what_they_are(name, shift):
    """Their sum is the share of the negatives, one over tau or one, whatever the shift."""
    pos, neg = both(torch.float32, pos=[[shift]], neg=[[shift] * 1000])
    made(name, 0.5)(pos, neg).backward()
    assert neg.grad.sum().item() == pytest.approx(-pos.grad.item(), rel=1e-4)


@pytest.mark.parametrize("block", [None, 7])
def test_high_scores_leave_the_weights_of_a_soft_maximum_what_they_are(block):
    users, items = torch.full((1, 1), 1e8), torch.ones(1000, 1, requires_grad=True)
    soft_maximum(users, items, tau=0.5, block=block).backward()
    assert items.grad.sum().item() == pytest.approx(1e8, rel=1e-4)


SCORES = np.array([0.0, 0.2, 1.0, 0.7])


def test_the_penalised_variance_from_a_low_temperature_to_a_high_one():
    f = SCORES - SCORES.mean()
    for tau in (3e3, 9e3, 1.1e4, 1e6, 1e9, 1e17, 1e60):
        series = (f**2).mean() + (f**3).mean() / (3 * tau)
        assert dro.penalised_variance(SCORES, tau=tau) == pytest.approx(series, rel=2e-8)
        bias = dro.sampling_bias(SCORES, tau=tau, n_negatives=10)
        assert bias * tau == pytest.approx(-((f**2).mean() + (f**3).mean() / tau) / 20, rel=2e-7)
    for tau in (1e-9, 1e-60):
        limit = 2 * tau * (1.0 - SCORES.mean())
        assert dro.penalised_variance(SCORES, tau=tau) == pytest.approx(limit, rel=1e-7)
    assert dro.tilt_of_identity(3e38 * SCORES, tau=1e-20) > 0


POWERS = {
    "penalised_variance": {},
    "tilt_of_identity": {},
    "expansion": {"order": 3},
    "hoeffding_bound": {},
    "sampling_bias": {"n_negatives": 10},
    "tilted_moments": {},
}


@pytest.mark.parametrize("name", POWERS)
def test_what_has_powers_that_float64_does_not_hold_is_refused(name):
    function = getattr(dro, name)
    with pytest.raises(ValueError, match=r"scores must be at most 1e\+70 in size here"):
        function(SCORES * 1e71, tau=1.0, **POWERS[name])
    if name != "tilted_moments":
        for tau in (1e-300, 1e300, 1.7e308, 5e-324):
            with pytest.raises(ValueError, match=r"tau must be from 1e-70 to 1e\+70 here"):
                function(SCORES, tau=tau, **POWERS[name])


def test_coefficients_have_a_range():
    for name, tau in (("softmax", 1e300), ("softmax", 1e-300), ("bpr", 1e155), ("bce", math.inf)):
        with pytest.raises(ValueError, match=r"tau must be from 1e-70 to 1e\+70 here"):
            dro.variance_coefficient(name, tau=tau)
    for mean in (1e300, math.nan, -math.inf):
        with pytest.raises(ValueError, match="mean must be"):
            dro.variance_coefficient("bce", mean=mean)


@pytest.mark.parametrize("tau", [5e-324, 1e-310, 1e-300])
@pytest.mark.parametrize("scale", [0.0, 1.0, 1e30, 1e300])
def test_a_temperature_next_to_zero_is_zero(tau, scale):
    scores = scale * SCORES
    for f in (dro.robust_value, dro.radius_of_tau, dro.slack_of_tau, dro.worst_case_weights):
        np.testing.assert_allclose(f(scores, tau=tau), f(scores, tau=0), rtol=1e-12, atol=1e-250)
    two = np.stack([scores, scores / 2])
    assert dro.joint_radius_of_tau(two, tau=tau) == dro.joint_radius_of_tau(two, tau=0)
