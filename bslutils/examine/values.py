"""Checks of the value and the gradient as numbers."""

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from .called import Called
from .finding import FEW, Finding, fault, fine, warning
from .rows import Rows


def _grid(rows: Rows) -> Iterator[tuple[str, Tensor, Tensor]]:
    """Scores at which a loss of cosines has to be finite."""
    pos, neg = rows.pos[:FEW].float(), rows.neg[:FEW].float()
    yield "real scores", pos, neg
    for value in (-1.0, 0.0, 1.0):
        what = f"all scores equal, {value:g}"
        yield what, torch.full_like(pos, value), torch.full_like(neg, value)
    yield "the worst order, -1 below 1", torch.full_like(pos, -1.0), torch.full_like(neg, 1.0)
    yield "the best order, 1 above -1", torch.full_like(pos, 1.0), torch.full_like(neg, -1.0)
    tied = neg.clone()
    tied[:, : pos.shape[1]] = pos
    yield "negatives that tie with positives", pos, tied
    yield "one negative", pos, neg[:, :1]
    yield "one row", pos[:1], neg[:1]


def is_finite(loss: Called, rows: Rows) -> Finding:
    """Whether value and gradient are numbers for cosines, in float32, and for inner products."""
    for what, pos, neg in _grid(rows):
        if bad := _not_finite(loss, pos, neg):
            return fault(
                "finite",
                f"{bad} for {what}",
                "stay in log space: torch.logsumexp, logsigmoid, softplus in place of exp and log",
            )
    pos, neg = rows.pos[:FEW].float(), rows.neg[:FEW].float()
    for scale in (10.0, 100.0):
        if bad := _not_finite(loss, scale * pos, scale * neg):
            return warning(
                "finite",
                f"finite for cosines; {bad} for scores {scale:g} times as large",
                "inner products, or a lower temperature, reach that: stay in log space",
            )
    return fine("finite", "value and gradient are finite, up to 100 times the scores of cosines")


def _not_finite(loss: Called, pos: Tensor, neg: Tensor) -> str:
    found = loss.gradients(pos, neg)
    named = zip(
        ("the value is", "a gradient by pos is", "a gradient by neg is"), found, strict=True
    )
    for name, x in named:
        if x is not None and not x.isfinite().all():
            return f"{name} {x[~x.isfinite()].flatten()[0].item()}"
    return ""


def has_gradient(loss: Called, rows: Rows) -> Finding:
    """Whether the gradient reaches both sides, and is the derivative of the value."""
    found = loss.gradients(rows.pos, rows.neg)
    hard = loss.gradients(-torch.ones_like(rows.pos), torch.ones_like(rows.neg))
    for side, name in ((1, "pos"), (2, "neg")):
        if all(g[side] is None or not g[side].any() for g in (found, hard)):
            return fault(
                "gradient",
                f"none reaches {name}",
                "use the scores without detach(), item() or comparisons",
            )
    grads = found.or_zero(rows.pos, rows.neg)
    worst, draw = 0.0, torch.Generator().manual_seed(0)
    most = max(g.norm() for g in grads)
    if not most:
        return warning(
            "gradient", "none at real scores, though some at the worst order", "look at its range"
        )
    for along in ((grads[0], 0 * grads[1]), (0 * grads[0], grads[1]), None):
        if along is None:
            along = tuple(torch.randn(g.shape, generator=draw, dtype=g.dtype) for g in grads)
        length = math.hypot(*(x.norm() for x in along))
        if not length:
            continue
        step = (1e-2 if loss.dtype else 1e-4) / max(x.abs().max() for x in along)
        up, down = (loss(rows.pos + s * along[0], rows.neg + s * along[1]) for s in (step, -step))
        slope = (up - down).item() / (2 * step)
        said = sum((g * x).sum() for g, x in zip(grads, along, strict=True)).item()
        worst = max(worst, abs(slope - said) / (length * most.item()))
    if worst > 0.02:
        return warning(
            "gradient",
            f"is {worst:.0%} off the slope of the value",
            "a part is detached or has a backward of its own: right only if you mean it, as for "
            "weights that shall not be learned",
        )
    return fine("gradient", "reaches both sides, and is the slope of the value")


def suits_adam(loss: Called, rows: Rows) -> Finding:
    """Whether Adam, which takes no notice of a factor, takes the same steps with a factor."""
    moved = {}
    for factor in (1.0, 1000.0):
        draw = torch.Generator().manual_seed(0)
        users, items = (
            torch.randn(n, 16, generator=draw).requires_grad_() for n in (len(rows.pos), 64)
        )
        optimizer = torch.optim.Adam([users, items], lr=1e-2)
        before = users.detach().clone()
        for _ in range(10):
            u, i = (torch.nn.functional.normalize(x, dim=1) for x in (users, items))
            pos, neg = (u @ i.T).split((4, 60), 1)
            grads = loss.gradients(pos, neg).or_zero(pos, neg)
            optimizer.zero_grad()
            torch.autograd.backward((pos, neg), [factor * g for g in grads])
            optimizer.step()
        moved[factor] = users.detach() - before
    if not moved[1000.0].any():
        return warning("adam", "ten steps of Adam move nothing", "its gradient is zero there")
    off = ((moved[1.0] - moved[1000.0]).norm() / moved[1000.0].norm()).item()
    if not off < 0.05:
        return warning(
            "adam",
            f"ten steps of Adam go {off:.0%} elsewhere than with 1,000 times the loss",
            "its gradients are as small as Adam's epsilon, 1e-8: multiply the loss by a constant",
        )
    return fine("adam", f"a factor of 1,000 changes ten steps of Adam by {off:.1%}")
