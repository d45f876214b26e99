"""Worst cases over the negatives of a row: the upper share, chi-square and Rényi balls."""

import math

import torch
from torch import Tensor

from .masks import at_least_float32


class KnownGradient(torch.autograd.Function):
    """``value (B,)`` as a function of ``scores (B, N)`` whose gradient is ``weights (B, N)``.

    For a maximum, ``weights`` attains it (envelope theorem), and how it was found is not
    differentiated. A second derivative needs just that, so ``create_graph=True`` raises.
    """

    @staticmethod
    def forward(ctx, scores: Tensor, value: Tensor, weights: Tensor) -> Tensor:
        ctx.save_for_backward(weights.to(scores.dtype))
        return value.to(scores.dtype)

    @staticmethod
    def backward(ctx, grad: Tensor):
        if torch.is_grad_enabled():
            raise RuntimeError("a worst case that is found by search has no second derivative")
        (weights,) = ctx.saved_tensors
        return grad.unsqueeze(1) * weights, None, None


def count(scores: Tensor, mask: Tensor | None) -> Tensor:
    """How many scores of a row count: ``(B, 1)``, in the dtype of the scores."""
    if mask is None:
        return scores.new_full((scores.shape[0], 1), scores.shape[1])
    return mask.sum(1, keepdim=True).to(scores.dtype)


def upper_share(scores: Tensor, mask: Tensor | None, share: float) -> tuple[Tensor, Tensor]:
    """The upper ``share`` of a row ``(B, K)`` and its weights, which sum to one.

    All weigh the same but the last, which gets what is left of ``share * N``.
    """
    n = scores.shape[1]
    size = share * count(at_least_float32(scores), mask)  # (B, 1)
    if share == 1:
        weights = size.reciprocal().expand_as(scores)
        weights = weights if mask is None else weights * mask
        return scores, weights.to(scores.dtype)  # masked scores are zero already
    if mask is not None:
        scores = scores.masked_fill(~mask, -math.inf)
    top = scores.topk(math.ceil(share * n), 1).values  # (B, K)
    weights = (size - torch.arange(top.shape[1], device=top.device)).clamp(0, 1) / size
    if mask is not None:
        top = top.masked_fill(weights == 0, 0)  # no product of zero and infinity
    return top, weights.to(top.dtype)


@torch.no_grad()
def chi2_support(scores: Tensor, mask: Tensor | None, tau: float | Tensor) -> Tensor:
    """Where the worst case ``(f - λ)₊ / (τ N)`` of a chi-square price is positive: bool ``(B, N)``.

    With gaps ``g`` below the best score, ``ρ = max f - λ`` solves ``Σ (ρ - g)₊ = τ N``. The left
    side is convex and has a kink at each score: Newton's steps from the right only pass kinks, and
    the first that passes none is exact. The best scores are always inside, though a small τ may
    be lost in rounding; those of ``-inf`` never.
    """
    scores = at_least_float32(scores)
    n = count(scores, mask)  # (B, 1)
    if mask is not None:
        scores = scores.masked_fill(~mask, -math.inf)
    gaps = scores.amax(1, keepdim=True) - scores
    inside, rho = gaps < math.inf, math.inf
    size = inside.sum(1, keepdim=True).to(n)
    while True:
        step = tau * (n / size) + (gaps.masked_fill(~inside, 0) / size).sum(1, keepdim=True)
        rho = step.clamp(max=rho)  # rounding must not send it back
        inside = (gaps < rho) | (gaps == 0)
        last, size = size, inside.sum(1, keepdim=True).to(n)
        if torch.equal(size, last):
            return inside


@torch.no_grad()
def ball_worst_case(
    scores: Tensor, mask: Tensor | None, radius: float, order: float
) -> tuple[Tensor, Tensor]:
    r"""The largest mean in a Rényi ball and the weights that attain it: ``(B,), (B, N)``.

    With ``a = order - 1`` and ``t = g/τ``, ``g`` the gap below the best score, the weights are
    proportional to ``(1 - a t)₊^(1/a)``, which is ``exp(-t)`` for ``a = 0``. τ solves "divergence
    = radius" in each row.
    """
    scores = at_least_float32(scores)
    if mask is not None:
        scores = scores.masked_fill(~mask, -math.inf)
    best = scores.amax(1, keepdim=True)  # (B, 1)
    gaps = best - scores
    at_top = gaps == 0
    log_n = count(scores, mask).log()
    left = scores > -math.inf  # the others get no weight, like what is masked, but are counted
    if mask is not None or not left.all():
        mask, gaps = left, gaps.masked_fill(~left, 0)
    scale = gaps.amax(1, keepdim=True)  # the squares of large or small gaps would get lost
    scale = scale.masked_fill(scale == 0, 1)
    gaps = gaps / scale
    n_top = at_top.sum(1, keepdim=True).to(log_n)
    full = radius >= log_n - n_top.log()  # the ball holds the maximum: nothing to solve
    a = order - 1

    log_tau, at = _solve(gaps, mask, full, log_n, radius, order)
    # The dual objective is flat at its minimum, so an error in τ is squared in the value.
    value = radius / order + at.log_mean + a / order * at.divergence
    value = scale * log_tau.exp() * (value if a == 0 else torch.expm1(a * value) / a)
    weights = torch.where(full, at_top / n_top, at.weights.div_(at.total))
    value = torch.where(full, best, best + value)
    # The nearest distribution without -inf is uniform: where that is too far, all have some of it.
    lost = radius < log_n - left.sum(1, keepdim=True).to(log_n).log()
    return value.masked_fill(lost, -math.inf).squeeze(1), weights


class _Tilt:
    """The weights at some ``log τ (B, 1)``, and what is read off them.

    ``weights (B, N)`` are one at the best score, ``total`` is their sum and ``log_mean`` the
    logarithm of their mean.
    """

    def __init__(self, gaps: Tensor, mask: Tensor | None, log_tau: Tensor, log_n: Tensor, a: float):
        self.t = t = gaps / log_tau.exp()  # (B, N)
        self.weights = _power(t, a)
        if mask is not None:
            self.weights.masked_fill_(~mask, 0)
        self.total = self.weights.sum(1, keepdim=True)
        self.mean = torch.linalg.vecdot(self.weights, t).unsqueeze(1) / self.total  # of t
        self.log_mean = self.total.log() - log_n
        self.divergence = (
            -self.mean if a == 0 else torch.log1p(-a * self.mean) / a
        ) - self.log_mean


def _power(t: Tensor, a: float) -> Tensor:
    """``(1 - a t)₊^(1/a)``, or ``exp(-t)`` for ``a = 0``."""
    if a == 0:
        return torch.exp(-t)
    power = 1 / a
    if power in (0.5, 1, 2):  # many times cheaper than a logarithm and an exponential
        return torch.mul(t, -a).add_(1).clamp_(min=0).pow_(power)
    return torch.mul(t, -a).clamp_(min=-1).log1p_().mul_(power).exp_()


def _solve(
    gaps: Tensor, mask: Tensor | None, full: Tensor, log_n: Tensor, radius: float, order: float
) -> tuple[Tensor, _Tilt]:
    """``x = log τ (B, 1)`` at which the divergence is the radius, anything where ``full``; and the
    weights there.

    The logarithm of the divergence is nearly linear in ``x``: a few Newton steps find it, or
    halvings of the bracket where a step is no good. Once half of the rows are done the others go
    on alone: the last take twice as many steps as most.
    """
    a, eps, tiny = order - 1, torch.finfo(gaps.dtype).eps, torch.finfo(gaps.dtype).tiny
    # Where small radii have it. Masked scores come in as zeros: it is a start only.
    mean = gaps.mean(1, keepdim=True)
    std = (gaps - mean).square_().mean(1, keepdim=True).sqrt()  # torch.std takes ten times as long
    x = torch.where(full, 1, a * mean + math.sqrt(order / 2 / radius) * std + tiny).log()
    low, high = torch.full_like(x, -math.inf), torch.full_like(x, math.inf)
    last = high
    whole, solved = (gaps, mask, log_n), x
    rows = torch.arange(len(x), device=x.device)  # those that go on
    for _ in range(200):
        at = _Tilt(gaps, mask, x, log_n, a)
        off = (at.divergence.clamp(min=tiny) / radius).log()
        low, high = torch.where(off > 0, x, low), torch.where(off < 0, x, high)
        done = full | ((at.divergence - radius).abs() <= 8 * eps * (1 + log_n))
        done |= high - low <= 4 * eps * (1 + x.abs())
        left = len(done) - int(done.sum())
        if left == 0:
            break
        spread = (at.t - at.mean).square_().mul_(at.weights)
        if a > 0:
            spread.div_(torch.mul(at.t, -a).add_(1).clamp_(min=tiny))
        slope = order * spread.sum(1, keepdim=True) / at.total / (1 - a * at.mean) ** 2
        slope = slope / at.divergence.clamp(min=1e-3 * radius)  # -d log divergence / dx
        step = (off / slope).nan_to_num(0).clamp(-2, 2)
        good = (x + step > low) & (x + step < high) & (off.abs() <= last / 2)
        half = (low + high) / 2
        good |= ~half.isfinite()  # no bracket yet
        x = torch.where(done, x, torch.where(good, x + step, half))
        last = torch.where(good, off.abs(), math.inf)
        if 2 * left <= len(done):
            solved, going = solved.index_put((rows,), x), ~done.squeeze(1)
            state = (rows, gaps, mask, full, log_n, x, low, high, last)
            rows, gaps, mask, full, log_n, x, low, high, last = (
                None if v is None else v[going] for v in state
            )
    if len(rows) == len(solved):
        return x, at
    solved = solved.index_put((rows,), x)
    gaps, mask, log_n = whole
    return solved, _Tilt(gaps, mask, solved, log_n, a)
