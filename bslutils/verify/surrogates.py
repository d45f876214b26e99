"""Claims on losses that change something else than the divergence: surrogates, weights, limits."""

import math

import numpy as np
import torch

from .. import dro, losses
from . import trained_models
from .claim import ADVINFONCE, LLPAUC, PSL, SLATK, Finding, claim, fails, holds
from .every_loss import gradients, loss_of

SIGMA = {
    "psl_tanh": lambda x: 1 + np.tanh(x),
    "psl_atan": lambda x: 1 + np.arctan(x),
    "psl_relu": lambda x: np.maximum(1 + x, 1e-6),
}


@claim(
    "field-psl",
    "PSL is the same KL game with log σ in place of half the gap of scores; it lies below "
    "softmax loss and meets it, to first order, where gaps and temperature are small.",
    source=PSL,
    verdict="holds to the stated order",
)
def psl():
    """The KL game on ``log σ`` of half the gap; to first order the gap itself."""
    gaps, below, slopes = [], [], []
    for pos, neg in trained_models.rows(8):
        for name, sigma in SIGMA.items():
            one, tau = pos[:, :1], 0.2
            f = (neg - one)[0].numpy()
            value = loss_of(name)(one, neg, tau=tau).item()
            played = dro.robust_value(np.log(sigma(f / 2)), tau=tau / 2) * 2 / tau
            gaps.append(abs(value - played - math.log(neg.shape[1])))
            left = []
            for scale in (1.0, 1e-2, 1e-3):
                sl = losses.softmax_loss(scale * pos, scale * neg, tau=scale * tau).item()
                tamed = loss_of(name)(scale * pos, scale * neg, tau=scale * tau).item()
                left.append(sl - tamed)
            below += left
            slopes.append(math.log10(left[1] / left[2]))
    slope = float(np.median(slopes))
    return Finding(
        f"game to {max(gaps):.0e}; below SL everywhere, by a distance that falls as "
        f"scale^{slope:.2f}",
        [
            holds("gap of PSL and the game", gaps, at_most=5e-7),
            holds("SL less PSL", below, at_least=0),
            holds("distance of the slope from 1", abs(slope - 1), at_most=0.05),
        ],
    )


@claim(
    "field-psl-rank",
    "PSL bounds the rank of a positive more tightly than softmax loss.",
    source=PSL,
    verdict="holds under conditions",
    conditions="at one temperature, between cosines; the choice of the temperature moves the "
    "bound many times as far",
)
def psl_rank():
    """Both bound the logarithm of a rank; the surrogate counts, the temperature counts more."""
    data, taus = trained_models.data(), (0.05, 0.1, 0.15, 0.2, 0.3)
    excess = {(name, tau): [] for name in ("softmax", *SIGMA) for tau in taus}
    for user in range(0, data.n_users, 20):
        liked = data.test[[user]].indices
        others = np.setdiff1d(np.flatnonzero(trained_models.negatives()[user] > 0), liked)
        pos = torch.tensor(trained_models.scores()[user, liked])[:, None]
        neg = torch.tensor(trained_models.scores()[user, others]).expand(len(liked), -1)
        ahead = (neg >= pos).sum(1)
        if len(liked) == 0 or not ahead.any():
            continue
        for (name, tau), found in excess.items():
            values = loss_of(name)(pos, neg, tau=tau, reduction="none")
            found += (values - ahead.log())[ahead > 0].tolist()
    mean = {key: float(np.mean(found)) for key, found in excess.items()}
    tighter = [mean["softmax", tau] - mean[name, tau] for name in SIGMA for tau in taus]
    of_tau = max(mean["softmax", tau] for tau in taus) - min(mean["softmax", tau] for tau in taus)
    at_best = min(mean["softmax", t] for t in taus) - min(mean[n, t] for n in SIGMA for t in taus)
    return Finding(
        f"PSL is nearer to the log-rank of test likes at every temperature, by {min(tighter):.2f} "
        f"to {max(tighter):.2f} nats, and by {at_best:.2f} if each has its best; the temperature "
        f"moves SL by {of_tau:.1f}",
        [
            holds("loss less log-rank", list(excess.values()), at_least=0),
            holds("SL less PSL, mean over likes", tighter, at_least=1e-3),
            fails("what the temperature moves over what PSL does", of_tau / at_best, at_least=3),
        ],
    )


@claim(
    "field-advinfonce",
    "The hardness of AdvInfoNCE is the worst case of a KL ball around uniform, for the "
    "exponentials of the scores.",
    source=f"{ADVINFONCE}; this book",
    verdict="holds exactly",
    conditions="at the exact maximum; the published training stops a small network short of it",
)
def advinfonce():
    """A KL ball, but the adversary's scores are exponentials: a small radius goes far."""
    gaps, pushes, sharper, tau, eta = [], [], [], 0.2, 0.1
    for pos, neg in trained_models.rows(20):
        one, f = pos[:, :1], neg[0].numpy()
        ask = {"tau": tau, "radius": eta}
        value = losses.advinfonce_loss(one, neg, **ask).item()
        odds = dro.robust_value(np.exp(f / tau), radius=eta) * len(f) * math.exp(-one.item() / tau)
        gaps.append(abs(value - math.log1p(odds)))
        push = gradients("advinfonce", one, neg, **ask)[1]
        weights = dro.worst_case_weights(np.exp(f / tau), radius=eta) * np.exp(f / tau)
        pushes.append(np.abs(push / push.sum() - weights / weights.sum()).max())
        counts = [
            math.exp(-np.sum(q * np.log(np.where(q > 0, q, 1))))
            for q in (push / push.sum(), gradients("softmax_risk", one, neg, tau=tau)[1])
        ]
        sharper.append(counts[1] / counts[0])
    fewer = np.median(sharper)
    return Finding(
        f"equal to {max(gaps + pushes):.0e}; a tenth of a nat leaves one in {fewer:.1f} of the "
        f"negatives that count for SL at the same temperature (median)",
        [
            holds("gap of the loss and the game", gaps, at_most=1e-8),
            holds("difference of push and worst-case weight", pushes, at_most=1e-8),
            holds("negatives that count for SL over those left", fewer, at_least=1.2),
        ],
    )


@claim(
    "field-limits",
    "SL@K tends to half of softmax loss as the weight's temperature grows, AdvInfoNCE to "
    "InfoNCE as its radius falls; LLPAUC with both shares 1 is the squared loss on all pairs.",
    source=f"{SLATK}; {ADVINFONCE}; {LLPAUC}",
    verdict="holds to the stated order",
)
def limits():
    """Each newer loss ends in an older one: half of SL, InfoNCE, a squared AUC."""
    exact, slopes = [], {"SL@K": [], "AdvInfoNCE": []}
    for pos, neg in trained_models.rows(12):
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
        exact.append(abs(whole - pairs.mean().item()))
    slow = {name: float(np.median(found)) for name, found in slopes.items()}
    return Finding(
        f"distances fall as τ_w^−{slow['SL@K']:.2f} and η^{slow['AdvInfoNCE'] / 2:.2f}; squared "
        f"AUC to {max(exact):.0e}",
        [
            holds("distance of the slope of SL@K from 1", abs(slow["SL@K"] - 1), at_most=0.05),
            holds(
                "distance of the slope of AdvInfoNCE in √η from 1",
                abs(slow["AdvInfoNCE"] - 1),
                at_most=0.05,
            ),
            holds("gap of LLPAUC and the squared AUC", exact, at_most=5e-7),
        ],
    )
