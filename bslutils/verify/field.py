"""Claims on the losses beside softmax loss: other divergences, surrogates, weights, adversaries."""

import math

import numpy as np
import torch
from scipy.optimize import minimize_scalar

from .. import dro, losses
from . import evidence
from .claim import Claim, Finding
from .duality import PSL

DUCHI = "Duchi and Namkoong, Annals of Statistics 2021"
DRRL = "Zhang et al. (DrRL), AAAI 2025"
SLATK = "Yang et al. (SL@K), KDD 2025"
LLPAUC = "Shi et al. (LLPAUC), WWW 2024"
ADVINFONCE = "Zhang et al. (AdvInfoNCE), NeurIPS 2023"

SIGMA = {
    "psl_tanh": lambda x: 1 + np.tanh(x),
    "psl_atan": lambda x: 1 + np.arctan(x),
    "psl_relu": lambda x: np.maximum(1 + x, 1e-6),
}

# A setting of every loss on scores; the catalogue is given to those that ask for it below.
CASES = {
    "mse": {},
    "bce": {"tau": 0.2},
    "bpr": {"tau": 0.2},
    "ccl": {"margin": 0.3},
    "softmax": {"tau": 0.2},
    "softmax_risk": {"tau": 0.2},
    "bilateral_softmax": {"tau_pos": 0.3, "tau_neg": 0.2},
    "pessimistic_bilateral_softmax": {"tau_pos": 0.3, "tau_neg": 0.2},
    "reweighted_softmax": {"tau": 0.2, "neg_weight": 1.2},
    "pooled_softmax": {"tau": 0.2, "neg_weight": 1.2},
    "rescaled_softmax": {"tau_pos": 0.3, "tau_neg": 0.2},
    "psl_tanh": {"tau": 0.2},
    "psl_atan": {"tau": 0.2},
    "psl_relu": {"tau": 0.2},
    "slatk": {"tau": 0.2, "tau_weight": 0.5, "n_items": 2000},
    "llpauc": {"beta": 0.1, "alpha": 0.5},
    "advinfonce": {"tau": 0.2, "radius": 0.1},
    "chi2": {"tau": 0.1},
    "cvar": {"level": 0.1},
    "renyi": {"radius": 1.0, "order": 2.0},
}
SEE_A_SHIFT = ("mse", "bce", "ccl", "reweighted_softmax", "pooled_softmax")
NOT_MONOTONE = ("mse", "slatk")
NO_UNIT = ("cvar", "renyi")  # parameters without a unit, and yet no fixed scale
FIXED_SCALE = ("mse", "psl_tanh", "psl_atan", "psl_relu", "llpauc")
IN_SCORE_UNITS = ("tau", "tau_pos", "tau_neg", "tau_weight", "margin")


def _loss(name):
    return getattr(losses, f"{name}_loss")


def _gradients(name, pos, neg, **params):
    """Gradients ``(P,)`` and ``(N,)`` of one row."""
    x, y = pos.clone().requires_grad_(), neg.clone().requires_grad_()
    found = torch.autograd.grad(_loss(name)(x, y, **params), (x, y))
    return tuple(g[0].numpy() for g in found)


def _least(dual, f):
    """The minimum of a convex function of a threshold, searched without derivatives."""
    low, high = f.max() - 30 * np.ptp(f), f.max()
    options = {"xatol": 1e-11, "maxiter": 300}
    return minimize_scalar(dual, bounds=(low, high), method="bounded", options=options).fun


def _norm(x, power):
    return np.mean(np.maximum(x, 0) ** power) ** (1 / power)


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
    worst = 0.0
    for _, neg in evidence.rows(8):
        f, p = neg[0].numpy(), np.full(neg.shape[1], 1 / neg.shape[1])
        zero = torch.zeros(1, 1, dtype=neg.dtype)
        for name, (params, pays, dual) in cases.items():
            value = _loss(name)(zero, neg, **params).item()
            q = _gradients(name, zero, neg, **params)[1]
            worst = max(worst, abs(q.sum() - 1), -q.min())
            q = np.maximum(q, 0) / np.maximum(q, 0).sum()
            worst = max(worst, abs(q @ f - pays(q, p) - value), abs(_least(dual(f), f) - value))
    return Finding(f"largest gap of loss, what its gradient earns and the dual {worst:.0e}", worst)


def chi2():
    """Exactly a variance as long as the price exceeds the gap from the mean to the lowest score."""
    worst, below, idle = 0.0, [], []
    for _, neg in evidence.rows(20):
        zero = torch.zeros(1, 1, dtype=neg.dtype)
        mean, variance = neg.mean().item(), neg.var(correction=0).item()
        reach = mean - neg.min().item()
        for tau in (1.001 * reach, 2 * reach):
            value = losses.chi2_loss(zero, neg, tau=tau).item()
            worst = max(worst, abs(value - mean - variance / (2 * tau)))
        tau = 0.05
        value = losses.chi2_loss(zero, neg, tau=tau).item()
        below.append((mean + variance / (2 * tau) - value) / (variance / (2 * tau)))
        idle.append((_gradients("chi2", zero, neg, tau=tau)[1] == 0).mean())
    effect = (
        f"equal to {worst:.0e} where all negatives count; at τ = 0.05 {np.median(idle):.0%} of "
        f"them do not, and it is {np.median(below):.0%} of the variance term below (medians)"
    )
    return Finding(effect, worst, float(min(*below, *idle)))


def cvar():
    """CCL with each row's own quantile for a margin; a margin for all is higher."""
    worst, apart = 0.0, []
    for level in (0.01, 0.1, 0.3):
        found = []
        for pos, neg in evidence.rows(20):
            n = neg.shape[1]
            own = neg.sort(descending=True).values[0, math.ceil(level * n) - 1].item()
            found.append((pos, neg, own, losses.cvar_loss(pos, neg, level=level).item()))
        common = float(np.median([own for _, _, own, _ in found]))
        for pos, neg, own, value in found:
            ccl = [
                losses.ccl_loss(pos, neg, margin=m, neg_weight=1 / level).item() - 1 + m
                for m in (own, common, own - 0.05, own + 0.05)
            ]
            worst = max(worst, abs(ccl[0] - value), *(value - other for other in ccl[1:]))
            apart.append(ccl[1] - value)
    effect = (
        f"equal to {worst:.0e} at the row's quantile; with the median quantile for everybody up to "
        f"{max(apart):.3f} above"
    )
    return Finding(effect, worst, max(apart))


def renyi():
    """One end is the KL ball, SL at each row's own temperature; the other is CVaR."""
    exact, slopes, taus = 0.0, [], []
    for pos, neg in evidence.rows(8):
        for eta in (0.1, 1.0):
            value = losses.renyi_loss(pos, neg, radius=eta, order=1.0).item()
            tau = dro.tau_of_radius(neg[0].numpy(), radius=eta)
            sl = losses.softmax_risk_loss(pos, neg, tau=tau).item() + tau * eta
            push = _gradients("renyi", pos, neg, radius=eta, order=1.0)[1]
            other = _gradients("softmax_risk", pos, neg, tau=tau)[1]
            exact = max(exact, abs(value - sl), np.abs(push - other).max())
            taus.append(tau)
            end = losses.cvar_loss(pos, neg, level=math.exp(-eta)).item()
            gaps = [
                losses.renyi_loss(pos, neg, radius=eta, order=a).item() - end for a in (1e2, 1e3)
            ]
            slopes.append(math.log10(gaps[0] / gaps[1]))
    slope = float(np.median(slopes))
    effect = (
        f"order 1: SL at the row's temperature ({min(taus):.2f} to {max(taus):.2f}) to "
        f"{exact:.0e}; distance from CVaR falls as order^−{slope:.2f}"
    )
    return Finding(effect, max(abs(slope - 1), 1e5 * exact))


def psl():
    """The KL game on ``log σ`` of half the gap; to first order the gap itself."""
    exact, above, slopes = 0.0, -math.inf, []
    for pos, neg in evidence.rows(8):
        for name, sigma in SIGMA.items():
            one, tau = pos[:, :1], 0.2
            gaps = (neg - one)[0].numpy()
            value = _loss(name)(one, neg, tau=tau).item()
            played = dro.robust_value(np.log(sigma(gaps / 2)), tau=tau / 2) * 2 / tau
            exact = max(exact, abs(value - played - math.log(neg.shape[1])))
            left = []
            for scale in (1.0, 1e-2, 1e-3):
                sl = losses.softmax_loss(scale * pos, scale * neg, tau=scale * tau).item()
                tamed = _loss(name)(scale * pos, scale * neg, tau=scale * tau).item()
                left.append(sl - tamed)
                above = max(above, tamed - sl)
            slopes.append(math.log10(left[1] / left[2]))
    slope = float(np.median(slopes))
    effect = (
        f"game to {exact:.0e}; below SL everywhere, by a distance that falls as scale^{slope:.2f}"
    )
    return Finding(effect, max(abs(slope - 1), 1e5 * exact, max(0.0, above)))


def psl_rank():
    """Both bound the logarithm of a rank; the surrogate counts, the temperature counts more."""
    data, taus = evidence.data(), (0.05, 0.1, 0.15, 0.2, 0.3)
    excess = {(name, tau): [] for name in ("softmax", *SIGMA) for tau in taus}
    for user in range(0, data.n_users, 20):
        liked = data.test[[user]].indices
        others = np.setdiff1d(np.flatnonzero(evidence.negatives()[user] > 0), liked)
        pos = torch.tensor(evidence.scores()[user, liked])[:, None]
        neg = torch.tensor(evidence.scores()[user, others]).expand(len(liked), -1)
        ahead = (neg >= pos).sum(1)
        if len(liked) == 0 or not ahead.any():
            continue
        for (name, tau), found in excess.items():
            values = _loss(name)(pos, neg, tau=tau, reduction="none")
            found += (values - ahead.log())[ahead > 0].tolist()
    broken = -min(min(found) for found in excess.values())
    mean = {key: float(np.mean(found)) for key, found in excess.items()}
    tighter = [mean["softmax", tau] - mean[name, tau] for name in SIGMA for tau in taus]
    of_tau = max(mean["softmax", tau] for tau in taus) - min(mean["softmax", tau] for tau in taus)
    at_best = min(mean["softmax", t] for t in taus) - min(mean[n, t] for n in SIGMA for t in taus)
    effect = (
        f"PSL is nearer to the log-rank of later likes at every temperature, by {min(tighter):.2f} "
        f"to {max(tighter):.2f} nats, and by {at_best:.2f} if each has its best; the temperature "
        f"moves SL by {of_tau:.1f}"
    )
    return Finding(effect, max(broken, float(min(tighter) <= 0), 0.0), of_tau / at_best)


def advinfonce():
    """A KL ball, but the adversary's scores are exponentials: a small radius goes far."""
    worst, sharper, tau, eta = 0.0, [], 0.2, 0.1
    for pos, neg in evidence.rows(20):
        one, f = pos[:, :1], neg[0].numpy()
        ask = {"tau": tau, "radius": eta}
        value = losses.advinfonce_loss(one, neg, **ask).item()
        odds = dro.robust_value(np.exp(f / tau), radius=eta) * len(f) * math.exp(-one.item() / tau)
        worst = max(worst, abs(value - math.log1p(odds)))
        push = _gradients("advinfonce", one, neg, **ask)[1]
        weights = dro.worst_case_weights(np.exp(f / tau), radius=eta) * np.exp(f / tau)
        worst = max(worst, np.abs(push / push.sum() - weights / weights.sum()).max())
        counts = [
            math.exp(-np.sum(q * np.log(np.where(q > 0, q, 1))))
            for q in (push / push.sum(), _gradients("softmax_risk", one, neg, tau=tau)[1])
        ]
        sharper.append(counts[1] / counts[0])
    effect = (
        f"equal to {worst:.0e}; a tenth of a nat leaves one in {np.median(sharper):.1f} of the "
        f"negatives that count for SL at the same temperature (median)"
    )
    return Finding(effect, worst, float(np.median(sharper)))


def limits():
    """Each newer loss ends in an older one: half of SL, InfoNCE, a squared AUC."""
    exact, slopes = 0.0, {"SL@K": [], "AdvInfoNCE": []}
    for pos, neg in evidence.rows(12):
        half = losses.softmax_loss(pos, neg, tau=0.2).item() / 2
        gaps = [
            losses.slatk_loss(pos, neg, tau=0.2, tau_weight=w, n_items=2000).item() - half
            for w in (1e2, 1e4)
        ]
        slopes["SL@K"].append(math.log10(abs(gaps[0] / gaps[1])) / 2)
        least = losses.softmax_loss(pos, neg, tau=0.2, pos_in_denominator=True).item()
        gaps = [
            losses.advinfonce_loss(pos, neg, tau=0.2, radius=r).item() - least for r in (1e-6, 1e-8)
        ]
        slopes["AdvInfoNCE"].append(math.log10(abs(gaps[0] / gaps[1])))
        pairs = (1 - (pos.unsqueeze(2) - neg.unsqueeze(1)) / 2) ** 2
        whole = losses.llpauc_loss(pos, neg, beta=1.0, alpha=1.0).item()
        exact = max(exact, abs(whole - pairs.mean().item()))
    slow = {name: float(np.median(found)) for name, found in slopes.items()}
    effect = (
        f"distances fall as τ_w^−{slow['SL@K']:.2f} and η^{slow['AdvInfoNCE'] / 2:.2f}; squared "
        f"AUC to {exact:.0e}"
    )
    return Finding(effect, max(*(abs(s - 1) for s in slow.values()), 1e5 * exact))


def invariant():
    """Which losses see a shift of all scores, and which ever ask for a worse order."""
    moved, wrong = {}, {}
    for name, params in CASES.items():
        moves, signs = [], []
        for pos, neg in evidence.rows(12):
            value = _loss(name)(pos, neg, **params)
            moves.append(abs(_loss(name)(pos + 0.1, neg + 0.1, **params) - value).item())
            up, down = _gradients(name, pos, neg, **params)
            signs.append(max(up.max(), -down.min(), 0.0))
        moved[name], wrong[name] = max(moves), max(signs)
    blind = [moved[name] for name in CASES if name not in SEE_A_SHIFT]
    seeing = [moved[name] for name in SEE_A_SHIFT]
    monotone = [wrong[name] for name in CASES if name not in NOT_MONOTONE]
    effect = (
        f"a shift of 0.1 moves {len(blind)} losses by at most {max(blind):.0e}, the other "
        f"{len(seeing)} by {min(seeing):.3f} or more; {len(monotone)} are monotone, "
        f"{' and '.join(NOT_MONOTONE)} are not"
    )
    counter = min(*seeing, *(1e3 * wrong[name] for name in NOT_MONOTONE))
    return Finding(effect, max(*blind, *monotone), counter)


def scale():
    """What happens to the direction of a gradient when scores shrink by two."""

    def turned(name, factor, params):
        found = 0.0
        for pos, neg in evidence.rows(8):
            whole = np.concatenate(_gradients(name, pos, neg, **CASES[name]))
            small = np.concatenate(_gradients(name, factor * pos, factor * neg, **params))
            gap = whole / np.linalg.norm(whole) - small / np.linalg.norm(small)
            found = max(found, float(np.linalg.norm(gap)))
        return found

    factor, with_unit, without = 0.5, {}, {}
    for name, params in CASES.items():
        units = {k: v * (factor if k in IN_SCORE_UNITS else 1) for k, v in params.items()}
        with_unit[name] = turned(name, factor, units)
        without[name] = turned(name, factor, params)
    free = [with_unit[name] for name in CASES if name not in FIXED_SCALE]
    free += [without[name] for name in NO_UNIT]
    fixed = [with_unit[name] for name in FIXED_SCALE]
    fixed += [without[name] for name in CASES if name not in NO_UNIT]
    effect = (
        f"gradients turn by at most {max(free):.0e} where they should not, by {min(fixed):.3f} or "
        f"more where they should"
    )
    return Finding(effect, max(free), min(fixed))


CLAIMS = (
    Claim(
        "field-game",
        "Softmax loss, the χ², CVaR and Rényi losses are each the value of a game against an "
        "adversary of the negatives: the gradient is a distribution that earns the loss, and the "
        "dual shows that none earns more.",
        f"{DUCHI}; this book",
        "holds exactly",
        game,
        tolerance=1e-8,
    ),
    Claim(
        "field-chi2",
        "The χ² price is the mean of the negatives plus their variance over 2τ.",
        DUCHI,
        "holds under conditions",
        chi2,
        tolerance=1e-10,
        least=0.05,
        conditions="τ at least the gap from the mean to the lowest score; below it easy negatives "
        "have no weight at all, and the loss is lower",
    ),
    Claim(
        "field-cvar-ccl",
        "The CVaR loss at level a is CCL with the weight 1/a and each row's own upper a-quantile "
        "for a margin.",
        "Rockafellar and Uryasev, 2000; this book",
        "holds exactly",
        cvar,
        tolerance=1e-10,
        least=1e-3,
        conditions="up to 1 less the margin, which has no gradient; one margin for all rows is "
        "another loss",
    ),
    Claim(
        "field-renyi",
        "The Rényi ball goes from softmax loss at a temperature of each row's own (order 1) to "
        "CVaR at level e^−η (order to infinity).",
        f"{DRRL}; {DUCHI}",
        "holds to the stated order",
        renyi,
        tolerance=0.05,
    ),
    Claim(
        "field-psl",
        "PSL is the same KL game with log σ in place of half the gap of scores; it lies below "
        "softmax loss and meets it, to first order, where gaps and temperature are small.",
        PSL,
        "holds to the stated order",
        psl,
        tolerance=0.05,
    ),
    Claim(
        "field-psl-rank",
        "PSL bounds the rank of a positive more tightly than softmax loss.",
        PSL,
        "holds under conditions",
        psl_rank,
        tolerance=0.0,
        least=3.0,
        conditions="at one temperature, between cosines; the choice of the temperature moves the "
        "bound many times as far",
    ),
    Claim(
        "field-advinfonce",
        "The hardness of AdvInfoNCE is the worst case of a KL ball around uniform, for the "
        "exponentials of the scores.",
        f"{ADVINFONCE}; this book",
        "holds exactly",
        advinfonce,
        tolerance=1e-8,
        least=1.2,
        conditions="at the exact maximum; the published training stops a small network short of it",
    ),
    Claim(
        "field-limits",
        "SL@K tends to half of softmax loss as the weight's temperature grows, AdvInfoNCE to "
        "InfoNCE as its radius falls; LLPAUC with both shares 1 is the squared loss on all pairs.",
        f"{SLATK}; {ADVINFONCE}; {LLPAUC}",
        "holds to the stated order",
        limits,
        tolerance=0.05,
    ),
    Claim(
        "field-invariant",
        "A loss for ranking is blind to a shift of all scores of a user, and never asks for a "
        "lower positive or a higher negative.",
        "this book, on every loss on scores",
        "holds under conditions",
        invariant,
        tolerance=1e-9,
        least=1e-3,
        conditions="MSE, BCE, CCL and softmax losses with a weight on their negatives see a shift; "
        "MSE pulls low negatives up, and SL@K may ask for a lower positive, since that lowers its "
        "weight",
    ),
    Claim(
        "field-scale",
        "A change of the scale of scores is undone by the same change of the temperatures.",
        "this book, on every loss on scores",
        "holds under conditions",
        scale,
        tolerance=1e-5,
        least=1e-3,
        conditions="CVaR and Rényi need no change at all; MSE, PSL and LLPAUC have a scale of "
        "their own, for which no parameter makes up",
    ),
)
