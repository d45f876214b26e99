"""Claims on variance and fairness."""

import math

import numpy as np
import torch

from .. import dro, losses
from . import trained_models
from .claim import HOEFFDING, WU, WU_2, Finding, claim
from .negatives import TAUS

# Loss, parameters, a point where its curvature is that of its table row.
CASES = (
    ("mse", {"neg_weight": 3.0}),
    ("bce", {"tau": 0.3, "neg_weight": 2.0}),
    ("bpr", {"tau": 0.4}),
    ("ccl", {"margin": 0.3, "neg_weight": 5.0}),
    ("softmax", {"tau": 0.2}),
    ("softmax_risk", {"tau": 0.2}),
    ("bilateral_softmax", {"tau_pos": 0.5, "tau_neg": 0.2}),
    ("pessimistic_bilateral_softmax", {"tau_pos": 0.5, "tau_neg": 0.2}),
    ("reweighted_softmax", {"tau": 0.2, "neg_weight": 1.3}),
    ("pooled_softmax", {"tau": 0.2, "neg_weight": 1.3}),
    ("rescaled_softmax", {"tau_pos": 0.5, "tau_neg": 0.2}),
)


@claim(
    "variance-identity",
    "Softmax loss is the mean score plus a variance over 2τ, the variance being an average "
    "over all tilts between P and the worst case.",
    source=f"this book; to second order {WU}",
    verdict="holds exactly",
    tolerance=1e-7,
)
def identity():
    nodes, w = np.polynomial.legendre.leggauss(40)
    nodes, w = (nodes + 1) / 2, w / 2
    f, p = trained_models.some()
    worst = 0.0
    for tau in TAUS:
        variances = np.stack(
            [dro.tilted_moments(f, tau=tau / x, weights=p).variance for x in nodes]
        )
        average = 2 * (w * (1 - nodes)) @ variances
        value = dro.robust_value(f, tau=tau, weights=p)
        right = (p * f).sum(1) + average / (2 * tau)
        worst = max(worst, np.abs(value - right).max())
        at = dro.penalised_variance(f, tau=tau, weights=p)
        worst = max(worst, np.abs(at / average - 1).max())
    for row, weights in zip(f[::8], p[::8], strict=True):
        xi = dro.tilt_of_identity(row, tau=0.2, weights=weights)
        at = dro.tilted_moments(row, tau=1 / xi, weights=weights).variance
        gap = at / dro.penalised_variance(row, tau=0.2, weights=weights) - 1
        worst = max(worst, abs(gap))
        if not 0 < xi < 5:
            worst = math.inf
    return Finding(f"largest deviation {worst:.0e}", worst)


def _orders(order):
    f, p = trained_models.some()
    f = f - (p * f).sum(1, keepdims=True)  # about the mean: nothing to cancel
    errors = []
    for tau in (5.0, 10.0):
        exact = dro.robust_value(f, tau=tau, weights=p)
        errors.append(np.abs(exact - dro.expansion(f, tau=tau, order=order, weights=p).value))
    return float(np.median(np.log2(errors[0] / errors[1])))


@claim(
    "variance-second",
    "Softmax loss penalises the variance of predictions: E f + Var f / (2τ).",
    source=WU_2,
    verdict="holds to the stated order",
    tolerance=0.1,
    conditions="τ large against the range of scores; at working temperatures see the effect",
)
def second_order():
    slope = _orders(2)
    f, p = trained_models.some()
    exact = dro.penalised_variance(f, tau=0.2, weights=p)
    plain = dro.tilted_moments(f, tau=math.inf, weights=p).variance
    low, middle, high = np.quantile(exact / plain, [0.05, 0.5, 0.95])
    effect = (
        f"error falls as τ^−{slope:.2f}; at τ = 0.2 the penalised variance is {middle:.2f} times "
        f"the plain one ({low:.2f} to {high:.2f})"
    )
    return Finding(effect, abs(slope - 2))


@claim(
    "variance-remainder",
    "To third order the error is at most w⁴/(192 τ³), w the range of the scores.",
    source="this book",
    verdict="holds to the stated order",
    tolerance=0.1,
)
def remainder():
    slope, worst = _orders(3), 0.0
    f, p = trained_models.some()
    for tau in (*TAUS, 10.0):
        for order in (1, 2, 3):
            value, bound = dro.expansion(f, tau=tau, order=order, weights=p)
            used = np.abs(dro.robust_value(f, tau=tau, weights=p) - value) / (bound + 1e-14)
            worst = max(worst, used.max())
    effect = f"error falls as τ^−{slope:.2f}; at most {worst:.0%} of the bound is used"
    return Finding(effect, max(abs(slope - 3), 0 if worst <= 1 else worst))


@claim(
    "variance-hoeffding",
    "Softmax loss is at most the mean plus w²/(8τ), and no smaller constant will do.",
    source=HOEFFDING,
    verdict="holds exactly",
    tolerance=1e-12,
)
def hoeffding():
    f, p = trained_models.some()
    worst = -math.inf
    for tau in TAUS:
        over = dro.robust_value(f, tau=tau, weights=p) - dro.hoeffding_bound(f, tau=tau, weights=p)
        worst = max(worst, over.max())
    two = np.array([0.0, 1.0])
    gain = dro.robust_value(two, tau=50.0) - 0.5
    attained = gain / (dro.hoeffding_bound(two, tau=50.0) - 0.5)
    effect = f"always below, by at least {-worst:.3f}; two points attain {attained:.2%} of it"
    return Finding(effect, max(worst, abs(1 - attained) - 1e-3, 0.0))


def curvature(name, params, side, mean=0.1, other=0.5):
    """Half the second derivative of the package's loss along scores of unit variance."""
    z = torch.tensor([[1.0, -1.0, 0.0, 2.0, -2.0]], dtype=torch.float64)
    z = z / z.square().mean().sqrt()
    step = torch.zeros((), dtype=torch.float64, requires_grad=True)
    level, one = torch.full_like(z, mean), torch.full((1, 1), other, dtype=torch.float64)
    moved = level + step * z
    pos, neg = (moved, one) if side == "pos" else (one, moved)
    value = losses.make_loss(name, **params)(pos, neg)
    (first,) = torch.autograd.grad(value, step, create_graph=True)
    if not first.requires_grad:
        return 0.0
    (second,) = torch.autograd.grad(first, step, allow_unused=True)
    return 0.0 if second is None else second.item() / 2


@claim(
    "variance-coefficients",
    "The implicit variance coefficient of every loss is half its curvature at the mean.",
    source="this book",
    verdict="holds exactly",
    tolerance=1e-10,
)
def coefficients():
    worst = 0.0
    for name, params in CASES:
        for side in ("neg", "pos"):
            said = dro.variance_coefficient(name, side=side, mean=0.1, other=0.5, **params)
            worst = max(worst, abs(said - curvature(name, params, side)))
    covered = {name for name, _ in CASES} == set(dro.COEFFICIENTS)
    return Finding(f"{len(CASES)} losses, both sides: {worst:.0e}", worst if covered else math.inf)


@claim(
    "variance-only-sl",
    "Softmax loss penalises variance, and pointwise and pairwise losses do not.",
    source=f"a common reading of {WU}",
    verdict="does not hold",
    least=0.9,
    conditions="a matter of degree: every strictly convex loss on negatives does",
)
def others():
    found = {
        "SL (τ = 0.1)": curvature("softmax_risk", {"tau": 0.1}, "neg"),
        "MSE": curvature("mse", {}, "neg"),
        "BCE": curvature("bce", {}, "neg"),
        "BPR": curvature("bpr", {}, "neg"),
    }
    effect = ", ".join(f"{name} {value:.2g}" for name, value in found.items())
    least = min(found["MSE"], found["BCE"] * 8, found["BPR"] * 8)
    return Finding(f"coefficients of the variance: {effect}", counter=least)


@claim(
    "sampling-bias",
    "On N sampled negatives softmax loss is too small by τ χ²(Q‖P)/(2N).",
    source="this book",
    verdict="holds to the stated order",
    tolerance=0.2,
)
def sampling():
    rng = np.random.default_rng(0)
    tau, errors, effect = 0.2, [], []
    for user in (100, 300, 500):
        p = trained_models.negatives()[user]
        f = trained_models.scores()[user][p > 0]
        mean = np.exp(f / tau).mean()
        for n in (64, 256):
            draws = np.exp(rng.choice(f, size=(20_000, n)) / tau).mean(1) / mean
            # log x less its own first-order term, whose mean is zero: far less noise.
            bias = tau * (np.log(draws) - (draws - 1)).mean()
            said = dro.sampling_bias(f, tau=tau, n_negatives=n)
            errors.append(abs(bias / said - 1) * n / 64)
            effect.append(bias / said)
    return Finding(f"measured over predicted: {min(effect):.2f} to {max(effect):.2f}", max(errors))


@claim(
    "variance-temperature",
    "A lower temperature, hence a dearer variance, leaves a trained model with less of it.",
    source="this book",
    verdict="holds under conditions",
    tolerance=0.9,
    conditions="matrix factorisation on movielens-small, τ from 0.1 to 0.5",
)
def after_training():
    at = [
        trained_models.spread(trained_models.trained("softmax", (("tau", t),)))
        for t in (0.1, 0.2, 0.5)
    ]
    effect = "variance of a person's scores at τ = 0.1, 0.2, 0.5: " + ", ".join(
        f"{v:.3f}" for v in at
    )
    return Finding(effect, max(at[0] / at[1], at[1] / at[2]))


def _models():
    return {
        "SL": trained_models.trained("softmax", (("tau", 0.2),)),
        "BPR": trained_models.trained("bpr", ()),
        "BCE": trained_models.trained("bce", ()),
        "MSE": trained_models.trained("mse", (("neg_weight", 10.0),)),
    }


@claim(
    "variance-least",
    "A model trained with softmax loss predicts with less variance than one trained with "
    "another loss.",
    source=WU_2,
    verdict="holds under conditions",
    tolerance=0.6,
    least=1.5,
    conditions="against BPR and BCE at temperature 1; not against weighted MSE",
)
def least_variance():
    at = {name: trained_models.spread(model) for name, model in _models().items()}
    effect = ", ".join(f"{name} {value:.3f}" for name, value in at.items())
    below = max(at["SL"] / at["BPR"], at["SL"] / at["BCE"])
    return Finding(f"variance of a person's scores: {effect}", below, at["SL"] / at["MSE"])


@claim(
    "fairness",
    "Hence softmax loss is fairer: it recommends less popular items, and a wider choice.",
    source=WU_2,
    verdict="holds under conditions",
    tolerance=0.95,
    least=0.01,
    conditions="against BPR and BCE at temperature 1; weighted MSE offers a wider choice. "
    "One small data set, not at equal accuracy",
)
def fairer():
    models = _models()
    seen = {name: trained_models.popularity(model) for name, model in models.items()}
    unequal = {name: trained_models.gini(model) for name, model in models.items()}
    effect = ", ".join(f"{name} {seen[name]:.0f} and {unequal[name]:.3f}" for name in models)
    below = max(seen["SL"] / seen["BPR"], seen["SL"] / seen["BCE"])
    return Finding(
        f"popularity of what is recommended, and Gini of exposure: {effect}",
        below,
        unequal["SL"] - unequal["MSE"],
    )
