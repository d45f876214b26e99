"""Claims on softmax loss as a robust loss over negatives."""

import math

import numpy as np
import torch
from scipy.optimize import minimize_scalar

from .. import dro, losses
from . import trained_models
from .claim import DUCHI, FAURY, GIBBS, HU, LAM, OCE, PSL, WU_1, Finding, claim, fails, holds

TAUS = (0.05, 0.1, 0.2, 0.5, 2.0)
SAMPLES = 10_000  # of negatives, to see how many a ball covers


def _objective(f, p, q, tau):
    return q @ f - tau * dro.divergence(q, p)


@claim(
    "dro-penalty",
    "Softmax loss is distributionally robust optimisation over the negatives: "
    "τ log E exp(f/τ) is the largest E_Q f − τ KL(Q‖P).",
    source=WU_1,
    verdict="holds exactly",
    about=1,
)
def penalty():
    to_game, to_formula = [], []
    for f, p in zip(*trained_models.some(), strict=True):
        for tau in TAUS:
            q = dro.worst_case_weights(f, tau=tau, weights=p)
            direct = tau * math.log(p @ np.exp((f - f.max()) / tau)) + f.max()
            value = dro.robust_value(f, tau=tau, weights=p)
            to_game.append(abs(value - _objective(f, p, q, tau)))
            to_formula.append(abs(value - direct))
    return Finding(
        f"largest gap of loss and worst case {max(to_game + to_formula):.0e}",
        [
            holds("gap of value and worst case", to_game, at_most=1e-12),
            holds("gap of value and formula", to_formula, at_most=1e-12),
        ],
    )


@claim(
    "dro-gibbs",
    "Every adversary Q falls short of the worst case Q* by exactly τ KL(Q‖Q*), so Q* is unique.",
    source=f"{GIBBS}; this book",
    verdict="holds exactly",
)
def gibbs():
    """Any other adversary falls short by exactly ``τ KL(Q‖Q*)``."""
    rng, gaps, short = np.random.default_rng(0), [], []
    for f, p in zip(*trained_models.some(), strict=True):
        for tau in TAUS:
            best = dro.worst_case_weights(f, tau=tau, weights=p)
            noise = rng.normal(size=f.shape) * 0.5
            q = best * np.exp(noise)
            q /= q.sum()
            short.append(dro.robust_value(f, tau=tau, weights=p) - _objective(f, p, q, tau))
            gaps.append(abs(short[-1] - tau * dro.divergence(q, best)))
    return Finding(
        f"every adversary tried falls short, by at least {min(short):.0e}; identity to "
        f"{max(gaps):.0e}",
        [
            holds("gap of shortfall and τ KL(Q‖Q*)", gaps, at_most=1e-12),
            holds("shortfall of an adversary", short, at_least=0),
        ],
    )


@claim(
    "dro-radius",
    "With a radius η instead of a price: max over KL(Q‖P) ≤ η of E_Q f equals "
    "min over τ of τη + τ log E exp(f/τ).",
    source=f"{HU}; {PSL}, Lemma A.3",
    verdict="holds exactly",
)
def radius():
    gaps, beyond = [], []
    for f, p in zip(*trained_models.some(20), strict=True):
        for eta in (1e-3, 0.1, 1.0, 4.0):
            dual = minimize_scalar(
                lambda x, f=f, p=p, eta=eta: (
                    math.exp(x) * eta + dro.robust_value(f, tau=math.exp(x), weights=p)
                ),
                bounds=(-9, 6),
                method="bounded",
                options={"xatol": 1e-9},
            ).fun
            q = dro.worst_case_weights(f, radius=eta, weights=p)
            gaps.append(abs(dual - q @ f))
            beyond.append(dro.divergence(q, p) - eta)
    return Finding(
        f"largest gap of primal and dual {max(gaps + beyond):.0e}",
        [
            holds("gap of primal and dual", gaps, at_most=1e-8),
            holds("how far the worst case leaves the ball", beyond, at_most=1e-8),
        ],
    )


@claim(
    "dro-gradient",
    "The push of softmax loss on each negative is the weight that the worst-case adversary "
    "gives it.",
    source="this book",
    verdict="holds exactly",
)
def gradient():
    gaps = []
    for pos, neg in trained_models.rows():
        for tau in TAUS:
            x = neg.clone().requires_grad_()
            (push,) = torch.autograd.grad(losses.softmax_risk_loss(pos, x, tau=tau), x)
            q = dro.worst_case_weights(neg.numpy(), tau=tau)
            gaps.append(np.abs(push.numpy() - q).max())
    return Finding(
        f"largest difference of push and weight {max(gaps):.0e}",
        [holds("difference of push and weight", gaps, at_most=1e-12)],
    )


@claim(
    "dro-round-trip",
    "Temperature and radius determine each other, for one user's scores.",
    source="this book",
    verdict="holds exactly",
    conditions="scores that are not all equal; radius below −log P(argmax)",
)
def round_trip():
    errors = []
    for f, p in zip(*trained_models.some(10), strict=True):
        for tau in np.geomspace(1e-3, 1e3, 13):
            slack = dro.slack_of_tau(f, tau=tau, weights=p)
            if slack > 1e-3:
                ask = {"radius": dro.radius_of_tau(f, tau=tau, weights=p)}
            elif slack > 0:
                ask = {"slack": slack}
            else:
                continue
            errors.append(abs(dro.tau_of_radius(f, weights=p, **ask) / tau - 1))
    return Finding(
        f"temperature → radius → temperature: relative error {max(errors):.0e}",
        [holds("relative error of the temperature", errors, at_most=1e-8)],
    )


@claim(
    "dro-one-radius",
    "One temperature for all users is one radius of robustness for all users.",
    source="a common reading of the duality",
    verdict="does not hold",
    about=1,
    conditions="the price of a nat is the same for all, the radius bought with it is not; "
    "for all users together there is one ball, dro-joint-ball",
)
def one_radius():
    eta = dro.radius_of_tau(trained_models.scores(), tau=0.2, weights=trained_models.negatives())
    low, middle, high = np.quantile(eta, [0.05, 0.5, 0.95])
    return Finding(
        f"radii of people at τ = 0.2: median {middle:.2f}, middle 90 % {low:.2f} to {high:.2f}",
        [fails("radius of one person over that of another", high / low, at_least=2)],
    )


@claim(
    "dro-joint-ball",
    "One temperature for all users is one joint ball, whose radius is the mean of the users' "
    "radii: with the users' shares fixed, softmax loss is the dual of the worst case over it.",
    source=f"this book; for one user, {HU}",
    verdict="holds exactly",
    conditions="the adversary spends more on users whose scores spread further, and gains more "
    "than with the same radius for each",
)
def joint_ball():
    """The ball's worst case, its dual, and the way back to the temperature."""
    f, p = trained_models.some()
    shares = np.linspace(1, 3, len(f)) / np.linspace(1, 3, len(f)).sum()
    radii, gaps, back, more = [], [], [], []
    for tau in (0.05, 0.1, 0.2, 0.5):
        radius = dro.joint_radius_of_tau(f, tau=tau, users=shares, weights=p)
        q = dro.worst_case_weights(f, tau=tau, weights=p)
        spent = shares @ [dro.divergence(x, y) for x, y in zip(q, p, strict=True)]
        value = dro.joint_robust_value(f, radius=radius, users=shares, weights=p)
        each = [dro.robust_value(x, radius=radius, weights=y) for x, y in zip(f, p, strict=True)]
        radii.append(abs(spent / radius - 1))
        gaps.append(abs(shares @ (q * f).sum(1) - value))
        found = dro.joint_tau_of_radius(f, radius=radius, users=shares, weights=p)
        back.append(abs(found / tau - 1))
        more.append(value - shares @ each)
    return Finding(
        f"{len(f)} people with unequal shares: worst case and dual agree to {max(gaps):.0e}; "
        f"against the same radius for each, the joint adversary gains {min(more):.4f} or more",
        [
            holds("radius against the divergence spent, relative", radii, at_most=1e-9),
            holds("gap of worst case and dual", gaps, at_most=1e-9),
            holds("way back to the temperature, relative", back, at_most=1e-8),
            holds("gain over the same radius for each", more, at_least=1e-6),
        ],
    )


@claim(
    "dro-coverage",
    "The ball of softmax loss is as large as the sampling error of its negatives.",
    source="read into the duality; the radius that covers, Duchi, Glynn and Namkoong, 2021",
    verdict="does not hold",
    conditions="a ball of radius χ²₁,₀.₉₀/2N holds the mean of N draws with 95 %; at τ = 0.2 that "
    "of softmax loss is many times as large, so it is about sub-populations",
)
def coverage():
    """Coverage of the calibrated ball, and what a temperature in use buys."""
    rng, held, times = np.random.default_rng(0), [], []
    f, p = (x[len(x) // 2] for x in trained_models.some())
    f = f[p > 0]
    for n in (128, 512):
        radius = dro.covering_radius(n, level=0.95)
        drawn = f[rng.integers(len(f), size=(SAMPLES, n))]
        # In blocks that fit a cache.
        blocks = np.split(drawn, 100)
        held.append(np.mean([dro.covers(x, f.mean(), radius=radius) for x in blocks]))
        times.append(dro.radius_of_tau(f, tau=0.2) / radius)
    return Finding(
        f"of {SAMPLES:,} samples of 128 and 512 negatives the ball holds the mean in "
        f"{held[0]:.1%} and {held[1]:.1%}; for one person, at τ = 0.2, softmax loss has "
        f"{times[0]:.0f} and {times[1]:.0f} times its radius",
        [
            holds("coverage", held, at_least=0.93),
            holds("coverage, from above", held, at_most=0.96),
            fails("radius at τ = 0.2 over the one that covers", times, at_least=10),
        ],
    )


@claim(
    "dro-small-radius",
    "The temperature of a small ball is √(Var f / 2η).",
    source=f"{LAM}; {FAURY}; the error, this book",
    verdict="holds to the stated order",
    conditions="relative error of order √η, which κ₃/(3 Var f) removes",
)
def small_radius():
    slopes, second = [], []
    for f, p in zip(*trained_models.some(20), strict=True):
        small, large = 1e-8, 1e-6
        exact = [dro.tau_of_radius(f, radius=r, weights=p) for r in (small, large)]
        law = [dro.small_radius_tau(f, radius=r, weights=p) for r in (small, large)]
        error = [abs(x / y - 1) for x, y in zip(law, exact, strict=True)]
        slopes.append(math.log(error[1] / error[0]) / math.log(large / small))
        better = dro.small_radius_tau(f, radius=large, order=2, weights=p)
        second.append(abs(better / exact[1] - 1) / error[1])
    slope, left = np.median(slopes), np.median(second)
    return Finding(
        f"relative error falls as radius^{slope:.2f}; the next term leaves {left:.1%} of it",
        [
            holds("distance of the slope from 1/2", abs(slope - 0.5), at_most=0.1),
            holds("share of the error that the next term leaves", left, at_most=0.1),
        ],
    )


@claim(
    "tau-monotone",
    "The loss on negatives falls with τ, from their maximum to their mean.",
    source=f"{OCE}, of the entropic risk",
    verdict="holds exactly",
)
def monotone():
    f, p = trained_models.some()
    grid = np.geomspace(1e-3, 1e3, 40)
    values = np.stack([dro.robust_value(f, tau=tau, weights=p) for tau in grid])
    rise = np.diff(values, axis=0)
    best = np.where(p > 0, f, -np.inf).max(1)
    width = best + np.where(p > 0, -f, -np.inf).max(1)
    share = (p * (f == best[:, None])).sum(1)
    cold, hot = best - values[0], values[-1] - (p * f).sum(1)  # how far from the limits
    return Finding(
        f"falls everywhere; at τ = 10⁻³ within {cold.max():.4f} of the maximum, at 10³ within "
        f"{hot.max():.0e} of the mean",
        [
            holds("step to the next temperature", rise, at_most=1e-12),
            holds("maximum less loss at the lowest τ", cold, at_least=-1e-12),
            holds(
                "maximum less loss, beyond −τ log P", cold + grid[0] * np.log(share), at_most=1e-12
            ),
            holds("loss at the highest τ less mean", hot, at_least=-1e-12),
            holds("loss less mean, beyond w²/(8τ)", hot - width**2 / 8 / grid[-1], at_most=1e-12),
        ],
    )


@claim(
    "family-small",
    "Small balls of KL, χ² and Rényi divergence (radius η, 2η and αη for order α) have the "
    "same worst case, E f + √(2η Var f): softmax loss is one of a family.",
    source=f"{DUCHI}; this book",
    verdict="holds to the stated order",
)
def family():
    """Small balls of KL, χ² and Rényi divergence are the same ball."""
    gaps = {1e-4: [], 1e-6: []}
    for f, p in zip(*trained_models.some(10), strict=True):
        mean = p @ f
        deviation = math.sqrt(p @ (f - mean) ** 2)
        for eta, found in gaps.items():
            law = deviation * math.sqrt(2 * eta)
            for ask in (
                {"divergence": "kl", "radius": eta},
                {"divergence": "chi2", "radius": 2 * eta},
                {"divergence": "renyi", "order": 3, "radius": 3 * eta},
                {"divergence": "renyi", "order": 0.5, "radius": 0.5 * eta},
            ):
                gain = dro.robust_value(f, weights=p, **ask) - mean
                found.append(abs(gain / law - 1))
    slope = math.log10(max(gaps[1e-4]) / max(gaps[1e-6])) / 2
    return Finding(
        f"relative distance from √(2η Var): {max(gaps[1e-6]):.1e} at η = 10⁻⁶, as η^{slope:.2f}",
        [
            holds("distance of the slope from 1/2", abs(slope - 0.5), at_most=0.1),
            holds("relative distance at η = 10⁻⁶", gaps[1e-6], at_most=0.01),
        ],
    )
