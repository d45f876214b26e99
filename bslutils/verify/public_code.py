"""Claims on what public code calls bilateral softmax loss."""

import copy
import inspect
import math

import numpy as np
import torch

from .. import dro, losses
from ..published import FOLLOW_UPS, OFFICIAL_LOGS
from ..sampling import batches, expected_partners
from . import trained_models
from .claim import CODE, PSL, SLATK, WU, WU_3, Finding, claim, fails, holds


@claim(
    "bsl-one-line",
    "BSL is SL with one line of code changed.",
    source=WU_3,
    verdict="holds under conditions",
    about=3,
    conditions="the batch must bring several positives of a user in a row; else the line is idle",
)
def one_line():
    """SL with one line changed: the mean over positives becomes a log-mean-exp."""

    def sl(pos, neg, tau_pos, tau_neg):
        gain = pos.mean(1)
        return tau_neg * (torch.logsumexp(neg / tau_neg, 1) - math.log(neg.shape[1])) - gain

    def bsl(pos, neg, tau_pos, tau_neg):
        gain = tau_pos * (torch.logsumexp(pos / tau_pos, 1) - math.log(pos.shape[1]))
        return tau_neg * (torch.logsumexp(neg / tau_neg, 1) - math.log(neg.shape[1])) - gain

    changed = [
        a != b
        for a, b in zip(
            inspect.getsource(sl).splitlines()[1:],
            inspect.getsource(bsl).splitlines()[1:],
            strict=True,
        )
    ]
    to_bsl, to_sl, apart, alone = [], [], [], []
    for pos, neg in trained_models.rows():
        ask, one = {"tau_pos": 0.3, "tau_neg": 0.2}, pos[:, :1]
        theirs = losses.bilateral_softmax_loss(pos, neg, **ask)
        to_bsl.append(abs(bsl(pos, neg, **ask) - theirs).item())
        to_sl.append(abs(sl(pos, neg, **ask) - losses.softmax_risk_loss(pos, neg, tau=0.2)).item())
        apart.append(abs(bsl(pos, neg, **ask) - sl(pos, neg, **ask)).item())
        alone.append(abs(bsl(one, neg, **ask) - sl(one, neg, **ask)).item())
    return Finding(
        f"{sum(changed)} line differs; the losses are up to {max(apart):.2f} apart",
        [
            holds("lines that differ, less one", abs(sum(changed) - 1), at_most=0),
            holds("gap of the lines and BSL", to_bsl, at_most=1e-12),
            holds("gap of the lines and SL", to_sl, at_most=1e-12),
            holds("gap of BSL and SL", max(apart), at_least=0.01),
            fails("gap of BSL and SL with one positive", alone, at_most=1e-12),
        ],
    )


@claim(
    "bsl-reweight",
    "In the official `reweight` mode t₂ is a temperature on negatives.",
    source=f"{CODE}, parameter names",
    verdict="does not hold",
    about=3,
    conditions="it is a weight: the distribution over negatives does not depend on it, and "
    "the loss is no longer invariant to a shift",
)
def reweight():
    """``w`` changes neither the weights among negatives nor keeps the shift invariance."""
    weights, shifts, errors = [], [], []
    for pos, neg in trained_models.rows():
        for w in (0.8, 1.2):
            x = neg.clone().requires_grad_()
            ask = {"tau": 0.2, "neg_weight": w}
            value = losses.reweighted_softmax_loss(pos, x, **ask)
            (push,) = torch.autograd.grad(value, x)
            q = dro.worst_case_weights(neg[0].numpy(), tau=0.2)
            weights.append(np.abs((push / push.sum())[0].numpy() - q).max())
            moved = losses.reweighted_softmax_loss(pos + 0.3, neg + 0.3, **ask) - value
            shifts.append(abs(moved.item()))
            errors.append(abs(moved.item() - (w - 1) * 0.3 / 0.2))
    return Finding(
        f"weights among negatives as at w = 1; a shift of 0.3 moves the loss by {max(shifts):.1f}",
        [
            fails("what w changes of the weights among negatives", weights, at_most=1e-10),
            fails("what a shift of 0.3 changes", shifts, at_least=0.1),
            fails("what a shift of 0.3 changes, less (w − 1) 0.3/τ", errors, at_most=1e-10),
        ],
    )


@claim(
    "bsl-reweight-order",
    "To second order that weight w does two things: the temperature τ/w, and w − 1 times the "
    "mean score of negatives.",
    source="this book",
    verdict="holds to the stated order",
)
def reweight_order():
    """What ``w`` does do: ``(w − 1) E f`` on the level and ``w Var / (2 τ)`` on the spread."""
    slopes, w = [], 1.2
    for pos, neg in trained_models.rows():
        m = math.log(neg.shape[1])
        level, errors = neg.mean().item(), []
        for tau in (5.0, 10.0):
            ask = {"tau": tau, "neg_weight": w}
            theirs = tau * (losses.reweighted_softmax_loss(pos, neg, **ask).item() - w * m)
            ours = losses.softmax_risk_loss(pos, neg, tau=tau / w).item() + (w - 1) * level
            errors.append(abs(theirs - ours))
        slopes.append(math.log2(errors[0] / errors[1]))
    slope = float(np.median(slopes))
    return Finding(
        f"difference falls as τ^−{slope:.2f}",
        [holds("distance of the slope from 2", abs(slope - 2), at_most=0.1)],
    )


@claim(
    "bsl-multi-form",
    "The official `multi` mode at t₂ = 1 is BSL with both temperatures t₁, and for a user who "
    "is alone in a batch it is the `reweight` mode.",
    source="this book",
    verdict="holds exactly",
    about=3,
)
def pooled():
    """The ``multi`` mode: BSL at one temperature, or `reweight` where a user is alone."""
    to_bsl, to_reweight, apart = [], [], []
    for pos, neg in trained_models.rows():
        ask = {"tau": 0.2, "neg_weight": 1.0}
        both = losses.bilateral_softmax_loss(pos, neg, tau_pos=0.2, tau_neg=0.2)
        to_bsl.append(abs(losses.pooled_softmax_loss(pos, neg, **ask) - both / 0.2).item())
        ask, alone = {"tau": 0.2, "neg_weight": 1.2}, pos[:, :1]
        theirs = losses.pooled_softmax_loss(alone, neg, **ask)
        shift = 1.2 * math.log(neg.shape[1])
        one = losses.reweighted_softmax_loss(alone, neg, **ask) - shift
        to_reweight.append(abs(theirs - one).item())
        several = losses.pooled_softmax_loss(pos, neg, **ask)
        mean = losses.reweighted_softmax_loss(pos, neg, **ask) - shift
        apart.append(abs(several - mean).item())
    return Finding(
        f"equal to {max(to_bsl + to_reweight):.0e}; with several positives up to "
        f"{max(apart):.1f} below `reweight`",
        [
            holds("gap of `multi` and BSL", to_bsl, at_most=1e-10),
            holds("gap of `multi` and `reweight`, alone", to_reweight, at_most=1e-10),
            fails("gap of `multi` and `reweight`, with others", max(apart), at_least=0.1),
        ],
    )


@claim(
    "bsl-multi-idle",
    "The official `multi` mode pools (b − 1) Σ n_u(n_u − 1) / (n(n − 1)) other positives of a "
    "user, on average, in a random batch of b of n pairs.",
    source=f"{CODE}; this book",
    verdict="holds exactly",
    about=3,
    conditions="far below one on large data, where the pooling is idle",
)
def idle_pooling():
    """Expected other pairs of the same user in a random batch, against counted ones."""
    data = trained_models.data()
    generator = torch.Generator().manual_seed(0)
    errors, effect = [], []
    for size in (256, 1024):
        counted = []
        for _ in range(20):
            for user, _, _ in batches(data.train, size, generator=generator):
                if len(user) == size:
                    same = torch.bincount(user)
                    counted.append((same * (same - 1)).sum().item() / size)
        said = expected_partners(data.train, size)
        errors.append(abs(np.mean(counted) / said - 1))
        effect.append(f"{said:.2f} at {size}")
    return Finding(
        f"partners expected on movielens-small: {', '.join(effect)}",
        [holds("relative difference to counted partners", errors, at_most=0.02)],
    )


@claim(
    "bsl-powered",
    "The form with a power w inside the positive mean, in the public code of DrRL, is BSL at "
    "τ₁ = τ/w, τ₂ = τ, times w/τ.",
    source="public code of DrRL; this book",
    verdict="holds exactly",
    conditions="where it pools; a user who is alone in a batch gets w times softmax loss",
)
def powered():
    """``−log mean exp(w f/τ) + w log mean exp(f/τ)``: the power is inside the positive side."""
    gaps, tau = [], 0.2
    for pos, neg in trained_models.rows():
        for w in (0.5, 0.9, 1.5):
            gain = torch.logsumexp(w * pos / tau, 1) - math.log(pos.shape[1])
            risk = torch.logsumexp(neg / tau, 1) - math.log(neg.shape[1])
            theirs = (w * risk - gain).item()
            ours = losses.bilateral_softmax_loss(pos, neg, tau_pos=tau / w, tau_neg=tau).item()
            gaps.append(abs(theirs - w / tau * ours))
    return Finding(
        f"largest difference {max(gaps):.0e}",
        [holds("gap of their form and w/τ times BSL", gaps, at_most=1e-10)],
    )


@claim(
    "bsl-follow-ups",
    "The 'BSL' of follow-up code is softmax loss at τ₂ times τ₂/τ₁.",
    source="IR-Benchmark (PSL, SL@K), Talos; this book",
    verdict="holds exactly",
)
def rescaled():
    gaps = []
    for pos, neg in trained_models.rows():
        for tau_pos in (0.1, 0.4):
            theirs = losses.rescaled_softmax_loss(pos, neg, tau_pos=tau_pos, tau_neg=0.2)
            ours = losses.softmax_loss(pos, neg, tau=0.2) * 0.2 / tau_pos
            gaps.append(abs(theirs - ours).item())
    return Finding(
        f"largest difference {max(gaps):.0e}",
        [holds("gap of their form and τ₂/τ₁ times SL", gaps, at_most=1e-10)],
    )


def _start():
    """The model that a trajectory starts from."""
    return trained_models.trained("softmax", tau=0.2, epochs=1)


def trajectory(loss, *, optimiser="adam", scale=1.0, steps=40):
    """Item vectors after some steps on real pairs, in float64."""
    data = trained_models.data()
    model = copy.deepcopy(_start()).double()
    if optimiser == "adam":  # its epsilon is the one thing that is not free of scale
        step = torch.optim.Adam(model.parameters(), lr=1e-2, eps=1e-8 * scale)
    else:
        step = torch.optim.SGD(model.parameters(), lr=10.0)
    generator = torch.Generator().manual_seed(0)
    for n, (user, pos, _) in enumerate(batches(data.train, 512, generator=generator)):
        if n == steps:
            break
        neg = torch.randint(data.n_items, (256,), generator=generator)
        users, items = model(user, torch.cat([pos.flatten(), neg]))
        positive = (users * items[: len(user)]).sum(1, keepdim=True)
        value = loss(positive, users @ items[len(user) :].T)
        step.zero_grad()
        value.backward()
        step.step()
    return model.item_table.detach()


@claim(
    "bsl-follow-ups-adam",
    "Under Adam without weight decay it trains exactly like softmax loss at τ₂.",
    source="this book",
    verdict="holds under conditions",
    conditions="Adam's ε scaled with the loss; not under SGD",
)
def under_adam():
    """The follow-ups' form trains like SL(τ₂) under Adam; under SGD, and `reweight`, do not."""
    sl = trajectory(lambda pos, neg: losses.softmax_loss(pos, neg, tau=0.2))
    tau_pos = 0.3
    theirs = trajectory(
        lambda pos, neg: losses.rescaled_softmax_loss(pos, neg, tau_pos=tau_pos, tau_neg=0.2),
        scale=0.2 / tau_pos,
    )
    sgd = [
        trajectory(lambda pos, neg: losses.softmax_loss(pos, neg, tau=0.2), optimiser="sgd"),
        trajectory(
            lambda pos, neg: losses.rescaled_softmax_loss(pos, neg, tau_pos=tau_pos, tau_neg=0.2),
            optimiser="sgd",
        ),
    ]
    other = trajectory(
        lambda pos, neg: losses.reweighted_softmax_loss(pos, neg, tau=0.2, neg_weight=1.2)
    )
    same = (sl - theirs).abs().max().item()
    by_sgd = (sgd[0] - sgd[1]).abs().max().item()
    by_weight = (sl - other).abs().max().item()
    return Finding(
        f"after 40 steps of Adam {same:.0e} apart; with SGD, or `reweight`, "
        f"{min(by_sgd, by_weight):.0e}",
        [
            holds("distance of item vectors after Adam", same, at_most=1e-5),
            fails("distance after SGD", by_sgd, at_least=1e-3),
            fails("distance of `reweight` after Adam", by_weight, at_least=1e-3),
        ],
        trained_models.scope(trained_models.ndcg(_start())),
    )


@claim(
    "bsl-follow-ups-published",
    "Hence the 'BSL' rows of later papers repeat their rows of softmax loss wherever both were "
    "tuned to the same temperature and learning rate.",
    source=f"this book, on the tables of {PSL} and {SLATK}",
    verdict="holds under conditions",
    conditions="no auxiliary loss beside it, or τ₁ = τ₂: with XSimGCL and τ₁ ≠ τ₂ the scale "
    "of the loss is a weight against the auxiliary one",
)
def follow_ups():
    """Published twins: same temperature and rate, with and without what sees the loss's scale."""
    blind, seeing = [], []
    for (_, backbone), (lr, other_lr, scale, sl, bsl) in FOLLOW_UPS.items():
        gap = max(abs(b / a - 1) for a, b in zip(sl, bsl, strict=True))
        if lr == other_lr and (backbone != "XSimGCL" or scale == 1):
            blind.append(gap)
        elif lr == other_lr:
            seeing.append(gap)
    return Finding(
        f"at most {max(blind):.2%} apart in {len(blind)} pairs; where an auxiliary loss makes the "
        f"scale count, {min(seeing):.1%}",
        [
            holds("relative distance of the rows", blind, at_most=0.006),
            fails("relative distance beside an auxiliary loss", seeing, at_least=0.05),
        ],
    )


@claim(
    "bsl-published",
    "BSL improves on SL on four data sets.",
    source=f"{WU}, abstract; {CODE}, training logs",
    verdict="holds under conditions",
    about=3,
    conditions="said of what the code computes by that name: single runs of the `reweight` and "
    "`multi` modes, which are another loss or pool next to nothing (`bsl-reweight`, "
    "`bsl-multi-idle`), the epoch mostly chosen on test; NDCG@20 in every run, Recall@20 not on "
    "MovieLens with MF",
)
def published():
    recall = [bsl[0] - sl[0] for sl, bsl in OFFICIAL_LOGS.values()]
    ndcg = [bsl[1] - sl[1] for sl, bsl in OFFICIAL_LOGS.values()]
    relative = [bsl[1] / sl[1] - 1 for sl, bsl in OFFICIAL_LOGS.values()]
    return Finding(
        f"NDCG@20 higher in {sum(x > 0 for x in ndcg)} of {len(ndcg)} published runs "
        f"({min(relative):+.1%} to {max(relative):+.1%}), Recall@20 in "
        f"{sum(x > 0 for x in recall)}",
        [
            holds("gain in NDCG@20", ndcg, at_least=1e-6),
            fails("least gain in Recall@20", min(recall), at_most=0),
        ],
    )
