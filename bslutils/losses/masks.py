"""Scores, masks and reductions: what every loss shares."""

import math

import torch
from torch import Tensor

from ..checks import check_choice, check_mask, check_positive, check_tensors, least_of

REDUCTIONS = ("none", "mean", "sum")


def check_scores(
    pos: Tensor, neg: Tensor, pos_mask: Tensor | None, neg_mask: Tensor | None
) -> tuple[Tensor, Tensor, Tensor | None, Tensor | None, Tensor | None]:
    """Check shapes and apply masks; return ``pos (B, P)``, ``neg (B, N)``, masks and live rows.

    A masked score may hold anything, NaN included: it is replaced by zero before any
    arithmetic, so it changes neither the value nor the gradient. A row without a single
    positive or negative left is *dead*: its mask is opened on those zeros, which keeps every
    intermediate finite, and :func:`reduce` then drops it.
    """
    check_tensors(pos=pos, neg=neg)
    if pos.ndim == 1:
        pos = pos.unsqueeze(1)  # (B, 1)
        if isinstance(pos_mask, Tensor) and pos_mask.ndim == 1:
            pos_mask = pos_mask.unsqueeze(1)
    if pos.ndim != 2 or neg.ndim != 2 or pos.shape[0] != neg.shape[0]:
        raise ValueError(
            "pos must be (B,) or (B, P) and neg (B, N) with the same B, "
            f"got pos {tuple(pos.shape)} and neg {tuple(neg.shape)}"
        )
    if pos.numel() == 0 or neg.numel() == 0:
        raise ValueError(
            "the batch is empty: B, P and N must be at least 1, "
            f"got pos {tuple(pos.shape)} and neg {tuple(neg.shape)}"
        )
    for name, mask, scores in (("pos_mask", pos_mask, pos), ("neg_mask", neg_mask, neg)):
        if mask is not None:
            counts = "a score counts"
            if name == "pos_mask" and getattr(mask, "shape", None) == neg.shape != scores.shape:
                counts += " (neg_mask=… is the mask of the negatives)"
            check_mask(name, mask, scores.shape, counts)
    if pos_mask is None and neg_mask is None:
        return pos, neg, None, None, None
    live = torch.ones(pos.shape[0], dtype=torch.bool, device=pos.device)  # (B,)
    if pos_mask is not None:
        live = live & pos_mask.any(1)
        pos = pos.masked_fill(~pos_mask, 0)
    if neg_mask is not None:
        live = live & neg_mask.any(1)
        neg = neg.masked_fill(~neg_mask, 0)
    dead = ~live.unsqueeze(1)  # (B, 1)
    pos_mask = None if pos_mask is None else pos_mask | dead
    neg_mask = None if neg_mask is None else neg_mask | dead
    return pos, neg, pos_mask, neg_mask, live


def at_least_float32(values: Tensor) -> Tensor:
    """Float16 holds no count beyond 65,504, and a sum of many scores with few digits."""
    return values.to(torch.promote_types(values.dtype, torch.float32))


def masked_mean(values: Tensor, mask: Tensor | None) -> Tensor:
    """Mean over the last dimension of the entries where ``mask`` is True: ``(…, N) -> (…)``."""
    wide = at_least_float32(values)
    if mask is None:
        return wide.mean(-1).to(values.dtype)
    return (wide.masked_fill(~mask, 0).sum(-1) / mask.sum(-1)).to(values.dtype)


def over(scores: Tensor, tau: float | Tensor) -> Tensor:
    """``scores / tau``. What is as low as ``-inf`` takes no part in a sum of exponentials, and so
    none in the gradient ``-f/τ²`` of a temperature that is learned, where the product of 0 and
    infinity would be NaN.
    """
    if not isinstance(tau, Tensor) or not tau.requires_grad:
        return scores / tau
    gone = scores.detach() / tau.detach() / tau.detach() == -math.inf
    return (scores.masked_fill(gone, 0) / tau).masked_fill(gone, -math.inf)


def temperature(rows: int, **named: float | Tensor) -> float | Tensor:
    """A temperature of ``B`` rows: one number, or one for each row as ``(B, 1)``.

    Raises:
        ValueError: neither a positive finite number nor ``(B,)`` or ``(B, 1)`` of them.
    """
    [(name, tau)] = named.items()
    if not isinstance(tau, Tensor) or tau.ndim == 0:
        check_positive(**named)
        return tau
    if tau.shape not in ((rows,), (rows, 1)) or not tau.is_floating_point():
        raise ValueError(
            f"{name} must be a number or, with one for each row, a floating-point tensor "
            f"({rows},) or ({rows}, 1), got {tau.dtype} {tuple(tau.shape)}"
        )
    bad = ~((tau >= least_of(tau)) & (tau < math.inf))
    if bad.any():
        raise ValueError(
            f"{name} must be positive and finite in every row, got {tau[bad][0].item()}; "
            f"the least is {least_of(tau):.3g}"
        )
    return tau.view(rows, 1)


def log_sum_exp(values: Tensor, mask: Tensor | None) -> Tensor:
    """``log Σ exp`` over the last dimension where ``mask`` is True: ``(…, N) -> (…)``."""
    dtype = values.dtype
    if mask is not None:
        values = values.masked_fill(~mask, -math.inf)
    values = at_least_float32(values)
    # The gradient of torch.logsumexp is exp(value - result), and the rounding of a large result
    # would take it off a sum of one: by a factor of N where scores are 10⁷ temperatures high.
    best = values.detach().amax(-1, keepdim=True)
    best = best.masked_fill(best.isinf(), 0)
    return (torch.logsumexp(values - best, -1) + best.squeeze(-1)).to(dtype)


def log_mean_exp(values: Tensor, mask: Tensor | None) -> Tensor:
    """``log (1/N) Σ exp`` over the last dimension where ``mask`` is True: ``(…, N) -> (…)``."""
    if mask is None:
        return log_sum_exp(values, None) - math.log(values.shape[-1])
    count = mask.sum(-1).to(torch.promote_types(values.dtype, torch.float32))
    return log_sum_exp(values, mask) - count.log().to(values.dtype)


def soft_mean(scores: Tensor, mask: Tensor | None, tau: float | Tensor) -> Tensor:
    """``τ log (1/N) Σ exp(f/τ)`` of each row, with ``tau`` a number or ``(B, 1)``: ``(B,)``.

    It tends to the mean for large τ. There the logarithm is nearly 0, and rounding errors in it are
    multiplied by τ: it is taken of 1 plus the mean of ``exp(f/τ) - 1``, of scores less the best.
    """
    if not (tau > 1 if not isinstance(tau, Tensor) else bool((tau > 1).any())):
        return _times(tau, log_mean_exp(over(scores, tau), mask))
    if mask is not None:
        scores = scores.masked_fill(~mask, -math.inf)
    best = scores.detach().amax(1, keepdim=True)  # (B, 1), a constant: any would do
    gaps = over(scores - best, tau)
    fall = masked_mean(at_least_float32(gaps).expm1(), mask)  # (B,), in [-1, 0]
    near = fall.clamp(min=-0.5).log1p().to(gaps.dtype)
    log_mean = torch.where(fall < -0.5, log_mean_exp(gaps, mask), near)
    return best.squeeze(1) + _times(tau, log_mean)


def _times(tau: float | Tensor, rows: Tensor) -> Tensor:
    """``tau`` times a value of each row ``(B,)``."""
    return tau * rows if not isinstance(tau, Tensor) else (tau * rows.unsqueeze(1)).squeeze(1)


def reduce(rows: Tensor, live: Tensor | None, reduction: str) -> Tensor:
    """Reduce a loss per row ``(B,)``; dead rows count zero in a sum and not at all in a mean."""
    check_choice(REDUCTIONS, reduction=reduction)
    if live is not None:
        rows = torch.where(live, rows, torch.zeros_like(rows))
    if reduction == "none":
        return rows
    if reduction == "sum":
        return rows.sum()
    return rows.mean() if live is None else rows.sum() / live.sum().clamp(min=1)
