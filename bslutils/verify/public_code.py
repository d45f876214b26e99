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
from .claim import CODE, PSL, SLATK, WU, WU_3, Finding, claim


@claim(
    "bsl-one-line",
    "BSL is SL with one line of code changed.",
    source=WU_3,
    verdict="holds under conditions",
    tolerance=1e-12,
    least=0.01,
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
    worst, apart = 0.0, 0.0
    for pos, neg in trained_models.rows():
        ask = {"tau_pos": 0.3, "tau_neg": 0.2}
        worst = max(
            worst,
            abs(bsl(pos, neg, **ask) - losses.bilateral_softmax_loss(pos, neg, **ask)).item(),
            abs(sl(pos, neg, **ask) - losses.softmax_risk_loss(pos, neg, tau=0.2)).item(),
        )
        one = abs(bsl(pos[:, :1], neg, **ask) - sl(pos[:, :1], neg, **ask)).item()
        worst = max(worst, one)
        apart = max(apart, abs(bsl(pos, neg, **ask) - sl(pos, neg, **ask)).item())
    effect = f"{sum(changed)} line differs; the losses are up to {apart:.2f} apart"
    return Finding(effect, max(worst, abs(sum(changed) - 1)), apart)


@claim(
    "bsl-reweight",
    "In the official `reweight` mode t₂ is a temperature on negatives.",
    source=f"{CODE}, parameter names",
    verdict="does not hold",
    tolerance=1e-10,
    least=0.1,
    conditions="it is a weight: the distribution over negatives does not depend on it, and "
    "the loss is no longer invariant to a shift",
)
def reweight():
    """``w`` changes neither the weights among negatives nor keeps the shift invariance."""
    worst, apart = 0.0, 0.0
    for pos, neg in trained_models.rows():
        for w in (0.8, 1.2):
            x = neg.clone().requires_grad_()
            ask = {"tau": 0.2, "neg_weight": w}
            value = losses.reweighted_softmax_loss(pos, x, **ask)
            (push,) = torch.autograd.grad(value, x)
            q = dro.worst_case_weights(neg[0].numpy(), tau=0.2)
            worst = max(worst, np.abs((push / push.sum())[0].numpy() - q).max())
            moved = losses.reweighted_softmax_loss(pos + 0.3, neg + 0.3, **ask) - value
            worst = max(worst, abs(moved.item() - (w - 1) * 0.3 / 0.2))
            apart = max(apart, abs(moved.item()))
    effect = f"weights among negatives as at w = 1; a shift of 0.3 moves the loss by {apart:.1f}"
    return Finding(effect, worst, apart)


@claim(
    "bsl-reweight-order",
    "To second order that weight w does two things: the temperature τ/w, and w − 1 times the "
    "mean score of negatives.",
    source="this book",
    verdict="holds to the stated order",
    tolerance=0.1,
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
    return Finding(f"difference falls as τ^−{slope:.2f}", abs(slope - 2))


@claim(
    "bsl-multi-form",
    "The official `multi` mode at t₂ = 1 is BSL with both temperatures t₁, and for a user who "
    "is alone in a batch it is the `reweight` mode.",
    source="this book",
    verdict="holds exactly",
    tolerance=1e-10,
    least=0.1,
)
def pooled():
    """The ``multi`` mode: BSL at one temperature, or `reweight` where a user is alone."""
    worst, apart = 0.0, 0.0
    for pos, neg in trained_models.rows():
        ask = {"tau": 0.2, "neg_weight": 1.0}
        both = losses.bilateral_softmax_loss(pos, neg, tau_pos=0.2, tau_neg=0.2)
        worst = max(worst, abs(losses.pooled_softmax_loss(pos, neg, **ask) - both / 0.2).item())
        ask, alone = {"tau": 0.2, "neg_weight": 1.2}, pos[:, :1]
        theirs = losses.pooled_softmax_loss(alone, neg, **ask)
        shift = 1.2 * math.log(neg.shape[1])
        one = losses.reweighted_softmax_loss(alone, neg, **ask) - shift
        worst = max(worst, abs(theirs - one).item())
        several = losses.pooled_softmax_loss(pos, neg, **ask)
        mean = losses.reweighted_softmax_loss(pos, neg, **ask) - shift
        apart = max(apart, abs(several - mean).item())
    effect = f"equal to {worst:.0e}; with several positives up to {apart:.1f} below `reweight`"
    return Finding(effect, worst, apart)


@claim(
    "bsl-multi-idle",
    "The official `multi` mode pools (b − 1) Σ n_u(n_u − 1) / (n(n − 1)) other positives of a "
    "user, on average, in a random batch of b of n pairs.",
    source=f"{CODE}; this book",
    verdict="holds exactly",
    tolerance=0.02,
    conditions="far below one on large data, where the pooling is idle",
)
def idle_pooling():
    """Expected other pairs of the same user in a random batch, against counted ones."""
    data = trained_models.data()
    generator = torch.Generator().manual_seed(0)
    worst, effect = 0.0, []
    for size in (256, 1024):
        counted = []
        for _ in range(20):
            for user, _, _ in batches(data.train, size, generator=generator):
                if len(user) == size:
                    same = torch.bincount(user)
                    counted.append((same * (same - 1)).sum().item() / size)
        said = expected_partners(data.train, size)
        worst = max(worst, abs(np.mean(counted) / said - 1))
        effect.append(f"{said:.2f} at {size}")
    return Finding(f"partners expected on movielens-small: {', '.join(effect)}", worst)


@claim(
    "bsl-powered",
    "The form with a power w inside the positive mean, in the public code of DrRL, is BSL at "
    "τ₁ = τ/w, τ₂ = τ, times w/τ.",
    source="public code of DrRL; this book",
    verdict="holds exactly",
    tolerance=1e-10,
    conditions="where it pools; a user who is alone in a batch gets w times softmax loss",
)
def powered():
    """``−log mean exp(w f/τ) + w log mean exp(f/τ)``: the power is inside the positive side."""
    worst, tau = 0.0, 0.2
    for pos, neg in trained_models.rows():
        for w in (0.5, 0.9, 1.5):
            gain = torch.logsumexp(w * pos / tau, 1) - math.log(pos.shape[1])
            risk = torch.logsumexp(neg / tau, 1) - math.log(neg.shape[1])
            theirs = (w * risk - gain).item()
            ours = losses.bilateral_softmax_loss(pos, neg, tau_pos=tau / w, tau_neg=tau).item()
            worst = max(worst, abs(theirs - w / tau * ours))
    return Finding(f"largest difference {worst:.0e}", worst)


@claim(
    "bsl-follow-ups",
    "The 'BSL' of follow-up code is softmax loss at τ₂ times τ₂/τ₁.",
    source="IR-Benchmark (PSL, SL@K), Talos; this book",
    verdict="holds exactly",
    tolerance=1e-10,
)
def rescaled():
    worst = 0.0
    for pos, neg in trained_models.rows():
        for tau_pos in (0.1, 0.4):
            theirs = losses.rescaled_softmax_loss(pos, neg, tau_pos=tau_pos, tau_neg=0.2)
            ours = losses.softmax_loss(pos, neg, tau=0.2) * 0.2 / tau_pos
            worst = max(worst, abs(theirs - ours).item())
    return Finding(f"largest difference {worst:.0e}", worst)


def trajectory(loss, *, optimiser="adam", scale=1.0, steps=40):
    """Item vectors after some steps on real pairs, in float64."""
    data = trained_models.data()
    model = copy.deepcopy(trained_models.trained("softmax", (("tau", 0.2),), epochs=1)).double()
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
    tolerance=1e-5,
    least=1e-3,
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
    apart = min((sgd[0] - sgd[1]).abs().max().item(), (sl - other).abs().max().item())
    effect = f"after 40 steps of Adam {same:.0e} apart; with SGD, or `reweight`, {apart:.0e}"
    return Finding(effect, same, apart)


@claim(
    "bsl-follow-ups-published",
    "Hence the 'BSL' rows of later papers repeat their rows of softmax loss wherever both were "
    "tuned to the same temperature and learning rate.",
    source=f"this book, on the tables of {PSL} and {SLATK}",
    verdict="holds under conditions",
    tolerance=0.006,
    least=0.05,
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
    effect = (
        f"at most {max(blind):.2%} apart in {len(blind)} pairs; where an auxiliary loss makes the "
        f"scale count, {min(seeing):.1%}"
    )
    return Finding(effect, max(blind), min(seeing))


@claim(
    "bsl-published",
    "BSL improves on SL on four data sets.",
    source=f"{WU}, abstract; {CODE}, training logs",
    verdict="holds under conditions",
    tolerance=0.0,
    least=1.0,
    conditions="NDCG@20 in every run, Recall@20 not on MovieLens with MF; single runs of the "
    "`reweight` and `multi` modes, the epoch mostly chosen on test",
)
def published():
    recall = [bsl[0] - sl[0] for sl, bsl in OFFICIAL_LOGS.values()]
    ndcg = [bsl[1] - sl[1] for sl, bsl in OFFICIAL_LOGS.values()]
    relative = [bsl[1] / sl[1] - 1 for sl, bsl in OFFICIAL_LOGS.values()]
    effect = (
        f"NDCG@20 higher in {sum(x > 0 for x in ndcg)} of {len(ndcg)} published runs "
        f"({min(relative):+.1%} to {max(relative):+.1%}), Recall@20 in {sum(x > 0 for x in recall)}"
    )
    return Finding(effect, float(sum(x <= 0 for x in ndcg)), float(sum(x <= 0 for x in recall)))
