"""Checks of what a loss for ranking should want."""

import math

import torch

from .called import Called
from .finding import FEW, Finding, differ, fault, fine, pull_and_push, warning
from .rows import Rows

WORST = 21  # points between the best and the worst order of a positive and its negatives


def has_right_signs(loss: Called, rows: Rows) -> Finding:
    """Whether it pulls positives up and pushes negatives down."""
    worst = pull_and_push(loss, -torch.ones_like(rows.pos), torch.ones_like(rows.neg))
    real = pull, push = pull_and_push(loss, rows.pos, rows.neg)
    for k, (name, way) in enumerate((("positives", "up"), ("negatives", "down"))):
        # MSE moves negatives up on average where most of them are below 0.
        if real[k].sum() < 0 and worst[k].sum() <= 0:
            return fault(
                "signs", f"moves {name} the wrong way", f"a step down the loss must move them {way}"
            )
    said = []
    for name, g in (("positives down", pull), ("negatives up", push)):
        share = (g < -1e-6 * g.abs().max()).double().mean().item()
        if share:
            said.append(f"{share:.1%} of {name}")
    if said:
        return warning(
            "signs",
            f"moves {' and '.join(said)} at real scores",
            "an order asks for no more than positives up and negatives down; a loss of numbers, as "
            "MSE, asks for more, and a positive in the denominator of another positive does, too",
        )
    return fine("signs", "pulls every positive up and pushes every negative down")


def has_separate_rows(loss: Called, rows: Rows) -> Finding:
    """Whether the loss of a batch is the mean of those of its rows."""
    pos, neg = rows.pos[:FEW], rows.neg[:FEW]
    whole = loss(pos, neg)
    each = torch.stack([loss(pos[i : i + 1], neg[i : i + 1]) for i in range(FEW)])
    if not differ(whole, each.mean()):
        return fine("rows", "the loss of a batch is the mean over its rows")
    if not differ(whole, each.sum()):
        return warning(
            "rows",
            "the loss of a batch is the sum over its rows",
            "take the mean, so that a rate that suits one batch size suits another",
        )
    return fault(
        "rows",
        f"the loss of {FEW} rows is {whole:.4g}, and the mean of each by itself {each.mean():.4g}",
        "sum over the items of a row, dim=1, never over the users, and take the mean over rows at "
        "the end",
    )


def ignores_order(loss: Called, rows: Rows) -> Finding:
    """Whether the order in which items stand in a row matters."""
    draw = torch.Generator().manual_seed(0)
    value = loss(rows.pos, rows.neg)
    for name, x in (("positives", rows.pos), ("negatives", rows.neg)):
        mixed = x.gather(1, torch.rand(x.shape, generator=draw).argsort(1))
        pair = (mixed, rows.neg) if x is rows.pos else (rows.pos, mixed)
        if differ(value, moved := loss(*pair)):
            return fault(
                "order",
                f"the order of {name} in a row moves it from {value:.4g} to {moved:.4g}",
                "treat the items of a row alike",
            )
    return fine("order", "the order of the items in a row does not matter")


def ignores_level(loss: Called, rows: Rows) -> Finding:
    """Whether a shift of all scores of a user matters, which does not change a ranking."""
    value, moved = loss(rows.pos, rows.neg), loss(rows.pos + 0.1, rows.neg + 0.1)
    slope = (moved - value).item() / 0.1
    pull, _ = pull_and_push(loss, rows.pos, rows.neg)
    if abs(slope) > 1e-3 * pull.sum().item():
        return warning(
            "shift",
            f"raising all scores of a user by 0.1 moves it by {slope * 0.1:+.3g}",
            "a ranking does not change: part of the gradient goes into the level of the scores, as "
            "with MSE, BCE and weights on one side",
        )
    return fine("shift", "blind to a shift of all scores of a user, as a ranking is")


def wants_the_worst(loss: Called, rows: Rows) -> Finding:
    """Whether it gives up on a positive that stands far below its negatives."""
    pulls = []
    for gap in torch.linspace(2, -2, WORST, dtype=torch.float64):  # of a positive, above the rest
        pos, neg = torch.full((1, 1), gap / 2), torch.full((1, 50), -gap / 2)
        pulls.append(-loss.gradients(pos.float(), neg.float()).or_zero(pos, neg)[0].item())
    most = max(abs(x) for x in pulls)
    if pulls[-1] < -1e-3 * most:
        return warning(
            "saturates",
            "a positive at -1 below negatives at 1 is pushed further down",
            "what is ordered worst is learned the wrong way: look at the sign of the difference; a "
            "loss whose weights fall with the score, as SL@K, does so by design",
        )
    left = abs(pulls[-1]) / most if most else 0.0
    if left < 1e-3:
        return warning(
            "saturates",
            f"a positive at -1 below negatives at 1 is pulled with {left:.1g} of the largest pull",
            "what is ordered worst is not learned: log(x + 1e-10) does that; use logsigmoid",
        )
    return fine("saturates", f"what is ordered worst keeps {left:.0%} of the largest pull")


def counts_fairly(loss: Called, rows: Rows) -> Finding:
    """Whether the balance of pull and push depends on how many negatives there are."""
    one, two = (
        torch.stack([x.sum() for x in pull_and_push(loss, rows.pos, neg)])
        for neg in (rows.neg, rows.neg.repeat(1, 2))
    )
    factor = ((two[1] / two[0]) / (one[1] / one[0])).item() if one.all() and two.all() else 1.0
    if abs(math.log(max(factor, 1e-9))) > math.log(1.5):
        return warning(
            "count",
            f"twice the negatives make the push {factor:.2g} times as strong beside the pull",
            "take the mean over negatives, or tune again when their number changes",
        )
    return fine("count", "the balance of pull and push does not depend on the number of negatives")
