"""Claims on bilateral softmax loss, its variants in public code, and noisy positives."""

import copy
import inspect
import math

import numpy as np
import torch

from .. import dro, losses
from ..intervals import paired_difference
from ..sampling import batches, expected_partners
from . import evidence
from .claim import Claim, Finding
from .duality import PAPER, PSL
from .published import OFFICIAL_LOGS

SL, BSL = "softmax_risk", "bilateral_softmax"
CODE = "official code of BSL"


def optimism():
    """The positive side: the most favourable distribution, and nothing is more favourable."""
    worst, rng = 0.0, np.random.default_rng(0)
    for pos, neg in evidence.rows():
        f = pos[0].numpy()
        p = np.full(len(f), 1 / len(f))
        for tau in (0.1, 0.3, 1.0):
            both = losses.bilateral_softmax_loss(pos, neg, tau_pos=tau, tau_neg=0.2).item()
            side = both - dro.robust_value(neg[0].numpy(), tau=0.2)
            q = dro.worst_case_weights(f, tau=tau)
            worst = max(worst, abs(side - (-q @ f + tau * dro.divergence(q, p))))
            other = q * np.exp(rng.normal(size=len(f)))
            other /= other.sum()
            worst = max(worst, side - (-other @ f + tau * dro.divergence(other, p)))
    return Finding(f"largest gap {worst:.0e}", worst)


def rewards_variance():
    """``-mean - Var/(2 τ₁)``: the error falls as τ₁ squared."""
    slopes = []
    for pos, neg in evidence.rows():
        f = pos[0].numpy() - pos.mean().item()
        if len(f) < 5:
            continue
        base = dro.robust_value(neg[0].numpy(), tau=0.2)
        errors = []
        for tau in (5.0, 10.0):
            both = losses.bilateral_softmax_loss(
                torch.tensor(f)[None], neg, tau_pos=tau, tau_neg=0.2
            ).item()
            coefficient = dro.variance_coefficient(BSL, side="pos", tau_pos=tau, tau_neg=0.2)
            errors.append(abs(both - base - coefficient * f.var()))
        slopes.append(math.log2(errors[0] / errors[1]))
    slope = float(np.median(slopes))
    return Finding(f"coefficient −1/(2τ₁); error falls as τ₁^−{slope:.2f}", abs(slope - 2))


def one_positive():
    worst = 0.0
    for pos, neg in evidence.rows():
        one = pos[:, :1]
        sl = losses.softmax_risk_loss(one, neg, tau=0.2)
        for tau in (0.05, 0.5, 5.0):
            both = losses.bilateral_softmax_loss(one, neg, tau_pos=tau, tau_neg=0.2)
            worst = max(worst, abs(both - sl).item())
    return Finding(f"largest difference {worst:.0e}", worst)


def limit():
    slopes, over = [], 0.0
    for pos, neg in evidence.rows():
        if pos.shape[1] < 5:
            continue
        width = (pos.max() - pos.min()).item()
        gaps = []
        for tau in (20.0, 40.0):
            both = losses.bilateral_softmax_loss(pos, neg, tau_pos=tau, tau_neg=0.2)
            gaps.append((losses.softmax_risk_loss(pos, neg, tau=0.2) - both).item())
            over = max(over, gaps[-1] - width**2 / (8 * tau), -gaps[-1])
        slopes.append(math.log2(gaps[0] / gaps[1]))
    slope = float(np.median(slopes))
    effect = f"below SL by τ₁^−{slope:.2f}, and by w²/(8τ₁) at most"
    return Finding(effect, max(abs(slope - 1), 1e9 * max(over, 0)))


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
    for pos, neg in evidence.rows():
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


def reweight():
    """``w`` changes neither the weights among negatives nor keeps the shift invariance."""
    worst, apart = 0.0, 0.0
    for pos, neg in evidence.rows():
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


def follow_up_form(pos, neg, tau_pos, tau_neg):
    """``-f/τ₁ + (τ₂/τ₁) log Σ exp(f_j/τ₂)``, as the code of later papers has it."""
    negative = torch.logsumexp(neg / tau_neg, 1)
    return (-pos.mean(1) / tau_pos + tau_neg / tau_pos * negative).mean()


def rescaled():
    worst = 0.0
    for pos, neg in evidence.rows():
        for tau_pos in (0.1, 0.4):
            theirs = follow_up_form(pos, neg, tau_pos, 0.2)
            ours = losses.softmax_loss(pos, neg, tau=0.2) * 0.2 / tau_pos
            worst = max(worst, abs(theirs - ours).item())
    return Finding(f"largest difference {worst:.0e}", worst)


def trajectory(loss, *, optimiser="adam", scale=1.0, steps=40):
    """Item vectors after some steps on real pairs, in float64."""
    data = evidence.data()
    model = copy.deepcopy(evidence.trained("softmax", (("tau", 0.2),), epochs=1)).double()
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


def under_adam():
    """The follow-ups' form trains like SL(τ₂) under Adam; under SGD, and `reweight`, do not."""
    sl = trajectory(lambda pos, neg: losses.softmax_loss(pos, neg, tau=0.2))
    tau_pos = 0.3
    theirs = trajectory(
        lambda pos, neg: follow_up_form(pos, neg, tau_pos, 0.2), scale=0.2 / tau_pos
    )
    sgd = [
        trajectory(lambda pos, neg: losses.softmax_loss(pos, neg, tau=0.2), optimiser="sgd"),
        trajectory(lambda pos, neg: follow_up_form(pos, neg, tau_pos, 0.2), optimiser="sgd"),
    ]
    other = trajectory(
        lambda pos, neg: losses.reweighted_softmax_loss(pos, neg, tau=0.2, neg_weight=1.2)
    )
    same = (sl - theirs).abs().max().item()
    apart = min((sgd[0] - sgd[1]).abs().max().item(), (sl - other).abs().max().item())
    effect = f"after 40 steps of Adam {same:.0e} apart; with SGD, or `reweight`, {apart:.0e}"
    return Finding(effect, same, apart)


def idle_pooling():
    """Expected other pairs of the same user in a random batch, against counted ones."""
    data = evidence.data()
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


def plays_down():
    """Weight of known false positives under the positive side of a BSL model."""
    model = evidence.trained(BSL, (("tau_pos", 0.3), ("tau_neg", 0.2)), positives=8, noise=0.4)
    table = evidence.score_table(model)
    noisy, clean = evidence.noisy_data(0.4).train, evidence.data().train
    shares, fair = [], []
    for user in range(noisy.shape[0]):
        items = noisy[[user]].indices
        false = ~np.isin(items, clean[[user]].indices)
        if false.any():
            q = dro.worst_case_weights(table[user, items], tau=0.3)
            shares.append(q[false].sum())
            fair.append(false.mean())
    ratio = np.mean(shares) / np.mean(fair)
    effect = (
        f"false positives are {np.mean(fair):.0%} of the positives and get {np.mean(shares):.0%} "
        f"of the pull"
    )
    return Finding(effect, ratio)


def _gain(noise, positives=8):
    """NDCG@20 per seed of BSL (τ₁ = 0.3) and of SL, both at τ₂ = 0.2, user-grouped alike."""
    found = {}
    for name, params in ((BSL, (("tau_pos", 0.3), ("tau_neg", 0.2))), (SL, (("tau", 0.2),))):
        found[name] = [
            evidence.ndcg(
                evidence.trained(name, params, positives=positives, noise=noise, seed=seed)
            )
            for seed in (0, 1, 2)
        ]
    return paired_difference(found[BSL], found[SL]), np.mean(found[SL])


def noisy_positives():
    noisy, base = _gain(0.4)
    clean, clean_base = _gain(0.0)
    effect = (
        f"NDCG@20 with 40 % false positives {noisy.mean / base:+.1%} (p = {noisy.p_value:.3f}), "
        f"without {clean.mean / clean_base:+.1%}, against SL in the same batches, 3 seeds"
    )
    return Finding(effect, -noisy.mean / base, -clean.mean / clean_base)


def published():
    recall = [bsl[0] - sl[0] for sl, bsl in OFFICIAL_LOGS.values()]
    ndcg = [bsl[1] - sl[1] for sl, bsl in OFFICIAL_LOGS.values()]
    relative = [bsl[1] / sl[1] - 1 for sl, bsl in OFFICIAL_LOGS.values()]
    effect = (
        f"NDCG@20 higher in {sum(x > 0 for x in ndcg)} of {len(ndcg)} published runs "
        f"({min(relative):+.1%} to {max(relative):+.1%}), Recall@20 in {sum(x > 0 for x in recall)}"
    )
    return Finding(effect, float(sum(x <= 0 for x in ndcg)), float(sum(x <= 0 for x in recall)))


CLAIMS = (
    Claim(
        "bsl-optimism",
        "The positive side of BSL is the most favourable −E_Q f + τ₁ KL(Q‖P⁺): optimistic, "
        "where the negative side is pessimistic.",
        "this book",
        "holds exactly",
        optimism,
        tolerance=1e-12,
    ),
    Claim(
        "bsl-variance",
        "BSL rewards the variance of positive scores: −E f − Var f / (2τ₁).",
        "this book",
        "holds to the stated order",
        rewards_variance,
        tolerance=0.1,
    ),
    Claim(
        "bsl-one-positive",
        "With one positive per row BSL is SL at τ₂, whatever τ₁.",
        "this book",
        "holds exactly",
        one_positive,
        tolerance=1e-12,
    ),
    Claim(
        "bsl-limit",
        "BSL tends to SL as τ₁ grows.",
        "this book",
        "holds to the stated order",
        limit,
        tolerance=0.1,
    ),
    Claim(
        "bsl-one-line",
        "BSL is SL with one line of code changed.",
        f"{PAPER}, abstract (claim 3)",
        "holds under conditions",
        one_line,
        tolerance=1e-12,
        least=0.01,
        conditions="the batch must bring several positives of a user in a row; else the line is "
        "idle",
    ),
    Claim(
        "bsl-reweight",
        "In the official `reweight` mode t₂ is a temperature on negatives.",
        f"{CODE}, parameter names",
        "does not hold",
        reweight,
        tolerance=1e-10,
        least=0.1,
        conditions="it is a weight: the distribution over negatives does not depend on it, and "
        "the loss is no longer invariant to a shift",
    ),
    Claim(
        "bsl-multi-idle",
        "The official `multi` mode pools (b − 1) Σ n_u(n_u − 1) / (n(n − 1)) other positives of a "
        "user, on average, in a random batch of b of n pairs.",
        f"{CODE}; this book",
        "holds exactly",
        idle_pooling,
        tolerance=0.02,
        conditions="far below one on large data, where the pooling is idle",
    ),
    Claim(
        "bsl-follow-ups",
        "The 'BSL' of follow-up code is softmax loss at τ₂ times τ₂/τ₁.",
        "IR-Benchmark (PSL, SL@K), Talos; this book",
        "holds exactly",
        rescaled,
        tolerance=1e-10,
    ),
    Claim(
        "bsl-follow-ups-adam",
        "Under Adam without weight decay it trains exactly like softmax loss at τ₂.",
        "this book",
        "holds under conditions",
        under_adam,
        tolerance=1e-5,
        least=1e-3,
        conditions="Adam's ε scaled with the loss; not under SGD",
    ),
    Claim(
        "bsl-plays-down",
        "BSL plays false positives down.",
        f"{PAPER}, abstract (claim 3)",
        "holds under conditions",
        plays_down,
        tolerance=0.8,
        conditions="matrix factorisation on movielens-small, 40 % false positives, 8 positives "
        "in a row, τ₁ = 0.3",
    ),
    Claim(
        "bsl-noisy-positives",
        "Hence BSL is robust to noisy positives: it beats SL when positives are noisy.",
        f"{PAPER}, abstract (claim 3); disputed by {PSL}",
        "holds under conditions",
        noisy_positives,
        tolerance=-0.05,
        least=0.01,
        conditions="true bilateral loss with 8 positives in a row, movielens-small; without "
        "noise the same τ₁ costs accuracy",
    ),
    Claim(
        "bsl-published",
        "BSL improves on SL on four data sets.",
        f"{PAPER}, abstract; {CODE}, training logs",
        "holds under conditions",
        published,
        tolerance=0.0,
        least=1.0,
        conditions="NDCG@20 in every run, Recall@20 not on MovieLens with MF; single runs of the "
        "`reweight` and `multi` modes, the epoch mostly chosen on test",
    ),
)
