"""Claims on softmax loss in other currencies: adversaries of the negatives, by divergence."""

import math

import numpy as np
import torch
from scipy.optimize import minimize_scalar

from .. import dro, losses
from . import trained_models
from .claim import DRRL, DUCHI, ROCKAFELLAR, Finding, claim, fails, holds
from .every_loss import gradients, loss_of


def _least(dual, f):
    """The minimum of a convex function of a threshold, searched without derivatives."""
    low, high = f.max() - 30 * np.ptp(f), f.max()
    options = {"xatol": 1e-11, "maxiter": 300}
    return minimize_scalar(dual, bounds=(low, high), method="bounded", options=options).fun


def _norm(x, power):
    return np.mean(np.maximum(x, 0) ** power) ** (1 / power)


@claim(
    "field-game",
    "Softmax loss, the χ², CVaR and Rényi losses are each the value of a game against an "
    "adversary of the negatives: the gradient is a distribution that earns the loss, and the "
    "dual shows that none earns more.",
    source=f"{DUCHI}; this book",
    verdict="holds exactly",
)
def game():
    """A distribution that earns the loss, and a threshold that shows that none earns more."""
    tau, level, eta, order = 0.1, 0.1, 1.0, 3.0
    star = order / (order - 1)
    # Loss -> its parameters, what Q pays, the dual as a function of the threshold.
    cases = {
        "softmax_risk": (
            {"tau": tau},
            lambda q, p: tau * dro.divergence(q, p),
            lambda f: lambda x: x + tau * np.mean(np.exp((f - x) / tau) - 1),
        ),
        "chi2": (
            {"tau": tau},
            lambda q, p: tau / 2 * dro.divergence(q, p, divergence="chi2"),
            lambda f: lambda x: x + tau / 2 * np.mean(np.maximum(1 + (f - x) / tau, 0) ** 2 - 1),
        ),
        "cvar": (
            {"level": level},
            lambda q, p: max(0, dro.divergence(q, p, divergence="cvar") + math.log(level)),
            lambda f: lambda x: x + _norm(f - x, 1) / level,
        ),
        "renyi": (
            {"radius": eta, "order": order},
            lambda q, p: max(0, dro.divergence(q, p, divergence="renyi", order=order) - eta),
            lambda f: lambda x: x + math.exp(eta / star) * _norm(f - x, star),
        ),
    }
    sums, least, earned, duals = [], [], [], []
    for _, neg in trained_models.rows(8):
        f, p = neg[0].numpy(), np.full(neg.shape[1], 1 / neg.shape[1])
        zero = torch.zeros(1, 1, dtype=neg.dtype)
        for name, (params, pays, dual) in cases.items():
            value = loss_of(name)(zero, neg, **params).item()
            q = gradients(name, zero, neg, **params)[1]
            sums.append(abs(q.sum() - 1))
            least.append(q.min())
            q = np.maximum(q, 0) / np.maximum(q, 0).sum()
            earned.append(abs(q @ f - pays(q, p) - value))
            duals.append(abs(_least(dual(f), f) - value))
    return Finding(
        f"largest gap of loss, what its gradient earns and the dual {max(earned + duals):.0e}",
        [
            holds("sum of the gradient, less one", sums, at_most=1e-8),
            holds("smallest entry of the gradient", least, at_least=-1e-8),
            holds("gap of loss and what the gradient earns", earned, at_most=1e-8),
            holds("gap of loss and dual", duals, at_most=1e-8),
        ],
    )


@claim(
    "field-chi2",
    "The χ² price is the mean of the negatives plus their variance over 2τ.",
    source=DUCHI,
    verdict="holds under conditions",
    conditions="τ at least the gap from the mean to the lowest score; below it easy negatives "
    "have no weight at all, and the loss is lower",
)
def chi2():
    """Exactly a variance as long as the price exceeds the gap from the mean to the lowest score."""
    gaps, below, idle = [], [], []
    for _, neg in trained_models.rows(20):
        zero = torch.zeros(1, 1, dtype=neg.dtype)
        mean, variance = neg.mean().item(), neg.var(correction=0).item()
        reach = mean - neg.min().item()
        for tau in (1.001 * reach, 2 * reach):
            value = losses.chi2_loss(zero, neg, tau=tau).item()
            gaps.append(abs(value - mean - variance / (2 * tau)))
        tau = 0.05
        value = losses.chi2_loss(zero, neg, tau=tau).item()
        below.append((mean + variance / (2 * tau) - value) / (variance / (2 * tau)))
        idle.append((gradients("chi2", zero, neg, tau=tau)[1] == 0).mean())
    return Finding(
        f"equal to {max(gaps):.0e} where all negatives count; at τ = 0.05 {np.median(idle):.0%} of "
        f"them do not, and it is {np.median(below):.0%} of the variance term below (medians)",
        [
            holds("gap to mean plus variance", gaps, at_most=1e-10),
            fails("share of the variance term that is missing", below, at_least=0.05),
            fails("share of negatives without weight", idle, at_least=0.05),
        ],
    )


@claim(
    "field-cvar-ccl",
    "The CVaR loss at level a is CCL with the weight 1/a and each row's own upper a-quantile "
    "for a margin.",
    source=f"{ROCKAFELLAR}; this book",
    verdict="holds exactly",
    conditions="up to 1 less the margin, which has no gradient; one margin for all rows is "
    "another loss",
)
def cvar():
    """CCL with each row's own quantile for a margin; a margin for all is higher."""
    gaps, others, apart = [], [], []
    for level in (0.01, 0.1, 0.3):
        found = []
        for pos, neg in trained_models.rows(20):
            n = neg.shape[1]
            own = neg.sort(descending=True).values[0, math.ceil(level * n) - 1].item()
            found.append((pos, neg, own, losses.cvar_loss(pos, neg, level=level).item()))
        common = float(np.median([own for _, _, own, _ in found]))
        for pos, neg, own, value in found:
            ccl = [
                losses.ccl_loss(pos, neg, margin=m, neg_weight=1 / level).item() - 1 + m
                for m in (own, common, own - 0.05, own + 0.05)
            ]
            gaps.append(abs(ccl[0] - value))
            others += [other - value for other in ccl[1:]]
            apart.append(ccl[1] - value)
    return Finding(
        f"equal to {max(gaps):.0e} at the row's quantile; with the median quantile for everybody "
        f"up to {max(apart):.3f} above",
        [
            holds("gap of CVaR and CCL at the row's quantile", gaps, at_most=1e-10),
            holds("CCL at another margin, less CVaR", others, at_least=-1e-10),
            fails("CCL at one margin for all, less CVaR", max(apart), at_least=1e-3),
        ],
    )


@claim(
    "field-renyi",
    "The Rényi ball goes from softmax loss at a temperature of each row's own (order 1) to "
    "CVaR at level e^−η (order to infinity).",
    source=f"{DRRL}; {DUCHI}",
    verdict="holds to the stated order",
)
def renyi():
    """One end is the KL ball, SL at each row's own temperature; the other is CVaR."""
    gaps, pushes, slopes, taus = [], [], [], []
    for pos, neg in trained_models.rows(8):
        for eta in (0.1, 1.0):
            value = losses.renyi_loss(pos, neg, radius=eta, order=1.0).item()
            tau = dro.tau_of_radius(neg[0].numpy(), radius=eta)
            sl = losses.softmax_risk_loss(pos, neg, tau=tau).item() + tau * eta
            push = gradients("renyi", pos, neg, radius=eta, order=1.0)[1]
            other = gradients("softmax_risk", pos, neg, tau=tau)[1]
            gaps.append(abs(value - sl))
            pushes.append(np.abs(push - other).max())
            taus.append(tau)
            end = losses.cvar_loss(pos, neg, level=math.exp(-eta)).item()
            left = [
                losses.renyi_loss(pos, neg, radius=eta, order=a).item() - end for a in (1e2, 1e3)
            ]
            slopes.append(math.log10(left[0] / left[1]))
    slope = float(np.median(slopes))
    return Finding(
        f"order 1: SL at the row's temperature ({min(taus):.2f} to {max(taus):.2f}) to "
        f"{max(gaps + pushes):.0e}; distance from CVaR falls as order^−{slope:.2f}",
        [
            holds("gap to SL at order 1", gaps, at_most=5e-7),
            holds("difference to the push of SL at order 1", pushes, at_most=5e-7),
            holds("distance of the slope from 1", abs(slope - 1), at_most=0.05),
        ],
    )
