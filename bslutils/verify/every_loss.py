"""Claims on every loss on scores at once: what it is blind to, and which way it pulls."""

import numpy as np
import torch

from .. import losses
from . import trained_models
from .claim import Finding, claim, fails, holds

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
CONVEX = ("mse", "bce", "bpr", "softmax")  # in the positives
LINEAR = ("ccl", "softmax_risk")
CONCAVE = ("bilateral_softmax",)
IN_SCORE_UNITS = ("tau", "tau_pos", "tau_neg", "tau_weight", "margin")


def loss_of(name: str):
    """The function of the loss called ``name``."""
    return getattr(losses, f"{name}_loss")


def gradients(name, pos, neg, **params):
    """Gradients ``(P,)`` and ``(N,)`` of one row."""
    x, y = pos.clone().requires_grad_(), neg.clone().requires_grad_()
    found = torch.autograd.grad(loss_of(name)(x, y, **params), (x, y))
    return tuple(g[0].numpy() for g in found)


@claim(
    "field-invariant",
    "A loss for ranking is blind to a shift of all scores of a user, and never asks for a "
    "lower positive or a higher negative.",
    source="this book, on every loss on scores",
    verdict="holds under conditions",
    conditions="MSE, BCE, CCL and softmax losses with a weight on their negatives see a shift; "
    "MSE pulls low negatives up, and SL@K may ask for a lower positive, since that lowers its "
    "weight",
)
def invariant():
    """Which losses see a shift of all scores, and which ever ask for a worse order."""
    moved, wrong = {}, {}
    for name, params in CASES.items():
        moves, signs = [], []
        for pos, neg in trained_models.rows(12):
            value = loss_of(name)(pos, neg, **params)
            moves.append(abs(loss_of(name)(pos + 0.1, neg + 0.1, **params) - value).item())
            up, down = gradients(name, pos, neg, **params)
            signs += [up.max(), -down.min()]
        moved[name], wrong[name] = np.max(moves), np.max(signs)
    blind = [moved[name] for name in CASES if name not in SEE_A_SHIFT]
    seeing = [moved[name] for name in SEE_A_SHIFT]
    monotone = [wrong[name] for name in CASES if name not in NOT_MONOTONE]
    effect = (
        f"a shift of 0.1 moves {len(blind)} losses by at most {max(blind):.0g}, the other "
        f"{len(seeing)} by {min(seeing):.3f} or more; {len(monotone)} are monotone, "
        f"{' and '.join(NOT_MONOTONE)} are not"
    )
    return Finding(
        effect,
        [
            holds("what a shift moves", blind, at_most=1e-9),
            holds("largest pull the wrong way", monotone, at_most=1e-9),
            fails(f"what a shift moves {', '.join(SEE_A_SHIFT)}", seeing, at_least=1e-3),
            *(
                fails(f"largest pull the wrong way of {name}", wrong[name], at_least=1e-6)
                for name in NOT_MONOTONE
            ),
        ],
    )


@claim(
    "field-doubt",
    "A loss that is convex in the scores of its positives pulls the doubtful ones harder (MSE, "
    "BCE, BPR, InfoNCE), a linear one pulls all alike (CCL, SL), a concave one less (BSL).",
    source="this book",
    verdict="holds exactly",
    conditions="on one row, at given scores; what training makes of it is another claim",
)
def doubt():
    """How the pull on two positives of a row compares, the higher score against the lower."""
    rises, falls = ({name: [] for name in CONVEX + LINEAR + CONCAVE} for _ in range(2))
    for pos, neg in trained_models.rows(12):
        pos = pos.sort().values
        for name in rises:
            # InfoNCE is softmax loss with its positive in the denominator.
            params = {"pos_in_denominator": True} if name == "softmax" else {}
            pull = -gradients(name, pos, neg, **CASES[name], **params)[0]
            steps = np.diff(pull) / pull.max()
            rises[name].append(steps.max())
            falls[name].append(-steps.min())
    rise, fall = ({k: float(np.max(v)) for k, v in found.items()} for found in (rises, falls))
    wrong = [rise[n] for n in CONVEX + LINEAR] + [fall[n] for n in LINEAR + CONCAVE]
    return Finding(
        f"on the positives of real people, sorted: largest step the wrong way {max(wrong):.1g}; "
        f"{', '.join(CONVEX)} (InfoNCE) fall, {', '.join(CONCAVE)} rises",
        [
            holds("rise of the pull, convex", [rise[n] for n in CONVEX], at_most=1e-9),
            holds("fall of the pull, convex", [fall[n] for n in CONVEX], at_least=1e-4),
            holds("rise of the pull, linear", [rise[n] for n in LINEAR], at_most=1e-9),
            holds("fall of the pull, linear", [fall[n] for n in LINEAR], at_most=1e-9),
            holds("rise of the pull, concave", [rise[n] for n in CONCAVE], at_least=1e-4),
            holds("fall of the pull, concave", [fall[n] for n in CONCAVE], at_most=1e-9),
        ],
    )


@claim(
    "field-scale",
    "A change of the scale of scores is undone by the same change of the temperatures.",
    source="this book, on every loss on scores",
    verdict="holds under conditions",
    conditions="CVaR and Rényi need no change at all; MSE, PSL and LLPAUC have a scale of "
    "their own, for which no parameter makes up",
)
def scale():
    """What happens to the direction of a gradient when scores shrink by two."""

    def turned(name, factor, params):
        found = []
        for pos, neg in trained_models.rows(8):
            whole = np.concatenate(gradients(name, pos, neg, **CASES[name]))
            small = np.concatenate(gradients(name, factor * pos, factor * neg, **params))
            gap = whole / np.linalg.norm(whole) - small / np.linalg.norm(small)
            found.append(np.linalg.norm(gap))
        return np.max(found)

    factor, with_unit, without = 0.5, {}, {}
    for name, params in CASES.items():
        units = {k: v * (factor if k in IN_SCORE_UNITS else 1) for k, v in params.items()}
        with_unit[name] = turned(name, factor, units)
        without[name] = turned(name, factor, params)
    free = [with_unit[name] for name in CASES if name not in FIXED_SCALE]
    idle = [without[name] for name in NO_UNIT]
    fixed = [with_unit[name] for name in FIXED_SCALE]
    needy = [without[name] for name in CASES if name not in NO_UNIT]
    return Finding(
        f"gradients turn by at most {max(free + idle):.0g} where they should not, by "
        f"{min(fixed + needy):.3f} or more where they should",
        [
            holds("turn of the gradient, temperatures changed", free, at_most=1e-5),
            holds("turn of the gradient, nothing changed", needy, at_least=1e-3),
            fails(f"turn of {', '.join(NO_UNIT)}, nothing changed", idle, at_most=1e-5),
            fails(f"turn of {', '.join(FIXED_SCALE)}, shrunk", fixed, at_least=1e-3),
        ],
    )
