"""Scores of user-item pairs: cosine or inner product, of pairs or of all against all.

A model hands out vectors that are *ready to score*: a score is always their inner product.
Cosine similarity is the inner product of vectors of unit length.
"""

import math

import torch
from torch import Tensor

from .checks import (
    check_choice,
    check_mask,
    check_positive,
    check_switch,
    check_tensors,
    whole,
)

SCORES = ("cosine", "dot")
SHORTEST = 1e-12  # length by which a shorter vector is divided
FEW = 16  # items of a user, below which a product for every user costs more than it computes
# soft_maximum holds all scores up to 64 MB of float32, and beyond that a cache full at a time; a
# GPU, which waits for launches rather than for memory, 1 GB and 256 MB.
WHOLE, BLOCK = {"cpu": 1 << 24, "cuda": 1 << 28}, {"cpu": 1 << 20, "cuda": 1 << 26}


def ready(vectors: Tensor, score: str) -> Tensor:
    r"""Make raw embeddings ready to score: ``"cosine"`` divides by the length, ``"dot"`` does not.

    Args:
        vectors: raw embeddings, ``(…, d)``, floating.
        score: ``"cosine"`` or ``"dot"``.

    Raises:
        ValueError: an unknown ``score``, or no floating-point tensor.

    Example:
        >>> import torch
        >>> ready(torch.tensor([[3.0, 4.0]]), "cosine")
        tensor([[0.6000, 0.8000]])
    """
    check_choice(SCORES, score=score)
    check_tensors(vectors=vectors)
    return _Unit.apply(vectors)[0] if score == "cosine" else vectors


class _Unit(torch.autograd.Function):
    """``y = x / |x|`` and ``|x|``, with the gradient ``(g - y (y·g)) / |x|`` written out.

    ``F.normalize`` gives the same, in several more passes over the vectors on the way back.
    """

    generate_vmap_rule = True

    @staticmethod
    def forward(vectors: Tensor) -> tuple[Tensor, Tensor]:
        length = torch.linalg.vector_norm(vectors, dim=-1, keepdim=True).clamp_min(SHORTEST)
        return vectors / length, length

    @staticmethod
    def setup_context(ctx, inputs, output) -> None:
        ctx.save_for_backward(*output)

    @staticmethod
    def backward(ctx, grad: Tensor, grad_length: Tensor) -> Tensor:
        unit, length = ctx.saved_tensors
        along = (grad * unit).sum(-1, keepdim=True) - grad_length * length
        along = along.masked_fill(length <= SHORTEST, 0)  # a constant there
        return torch.addcmul(grad, unit, along, value=-1) / length


def pair_scores(users: Tensor, items: Tensor) -> Tensor:
    r"""Score each user with items of its own: ``(B, d), (B, M, d) -> (B, M)``.

    .. math:: s_{bm} = \langle u_b, x_{bm} \rangle = \sum_k u_{bk}\, x_{bmk}

    This is what *independent* negatives need: a vector gathered for every pair.

    Raises:
        ValueError: shapes that do not fit.

    Example:
        >>> import torch
        >>> pair_scores(torch.ones(2, 3), torch.ones(2, 4, 3)).shape
        torch.Size([2, 4])
    """
    check_tensors(users=users, items=items)
    if users.ndim != 2 or items.ndim != 3 or users.shape != items.shape[::2]:
        raise ValueError(
            "users must be (B, d) and items (B, M, d) with the same B and d, "
            f"got {tuple(users.shape)} and {tuple(items.shape)}"
        )
    return _PairScores.apply(users, items)


class _PairScores(torch.autograd.Function):
    """``a_b · x_bm``, with a gradient that does not multiply a matrix by a single column."""

    generate_vmap_rule = True

    @staticmethod
    def forward(users: Tensor, items: Tensor) -> Tensor:
        if items.shape[1] < FEW:
            return (users.unsqueeze(1) * items).sum(2)
        return (users.unsqueeze(1) @ items.transpose(1, 2)).squeeze(1)

    @staticmethod
    def setup_context(ctx, inputs, output) -> None:
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx, grad: Tensor) -> tuple[Tensor, Tensor]:
        users, items = ctx.saved_tensors
        grad = grad.to(items.dtype)  # under autocast scores are of a shorter type
        if items.shape[1] < FEW:
            grad_users = (grad.unsqueeze(2) * items).sum(1)
        else:
            grad_users = (grad.unsqueeze(1) @ items).squeeze(1)
        return grad_users, grad.unsqueeze(2) * users.unsqueeze(1)


def shared_scores(users: Tensor, items: Tensor) -> Tensor:
    r"""Score every user with every item of one list: ``(B, d), (N, d) -> (B, N)``.

    .. math:: s_{bn} = \langle u_b, x_n \rangle = \sum_k u_{bk}\, x_{nk}

    One matrix product: *shared* and in-batch negatives, full softmax, ranking.

    Raises:
        ValueError: shapes that do not fit.

    Example:
        >>> import torch
        >>> shared_scores(torch.ones(2, 3), torch.ones(5, 3)).shape
        torch.Size([2, 5])
    """
    check_lists(users, items)
    return users @ items.T


def check_lists(users: Tensor, items: Tensor) -> None:
    """Raise ``ValueError`` unless ``users`` is ``(B, d)`` and ``items`` ``(N, d)``."""
    check_tensors(users=users, items=items)
    if users.ndim != 2 or items.ndim != 2 or users.shape[1] != items.shape[1]:
        raise ValueError(
            "users must be (B, d) and items (N, d) with the same d, "
            f"got {tuple(users.shape)} and {tuple(items.shape)}"
        )


def soft_maximum(
    users: Tensor,
    items: Tensor,
    *,
    tau: float,
    mean: bool = False,
    mask: Tensor | None = None,
    dtype: torch.dtype | None = None,
    block: int | None = None,
) -> Tensor:
    r"""The soft maximum of each user's scores over a list of items: ``(B, d), (N, d) -> (B,)``.

    .. math:: s_u = \tau \log \sum_j e^{f(u,j)/\tau}
              \qquad\text{or, with mean,}\qquad
              s_u = \tau \log \frac1N \sum_j e^{f(u,j)/\tau}

    It is all that a softmax loss asks of its negatives: given as a single negative score, it
    yields the value and the gradient of the whole list. Here the gradient is written out, so a
    step reads the scores once forward and twice backward. Beyond ``block`` scores they are
    computed in blocks of items, forward and again backward, and never held together: memory
    does not grow with the list.

    Args:
        users, items: vectors ready to score.
        tau: temperature, ``> 0``.
        mean: divide the sum by the number of items that count.
        mask: ``(B, N)`` bool, True where an item counts. A row without any gives 0 and no
            gradient.
        dtype: multiply in this type (``torch.bfloat16``), add up in float32.
        block: scores held at a time; by default all, up to 16 million, else a million, and on
            a GPU all, up to 268 million, else 67 million.

    Raises:
        ValueError: shapes that do not fit, ``tau`` not positive and finite, ``block`` below 1.

    Example:
        >>> users, items = torch.ones(1, 1), torch.tensor([[0.0], [0.0]])
        >>> soft_maximum(users, items, tau=1.0), soft_maximum(users, items, tau=1.0, mean=True)
        (tensor([0.6931]), tensor([0.]))

    Derived in the chapter *Speed and memory*.
    """
    check_lists(users, items)
    check_positive(tau=tau)
    check_switch(mean=mean)
    if dtype is not None and not (isinstance(dtype, torch.dtype) and dtype.is_floating_point):
        raise ValueError(f"dtype must be a floating-point type of torch or None, got {dtype!r}")
    whole("block", block, or_none=True)
    if block is None:
        kind = "cuda" if users.device.type == "cuda" else "cpu"
        few = len(users) * len(items) <= WHOLE[kind]
        block = (WHOLE if few else BLOCK)[kind]
    if mask is not None:
        check_mask("mask", mask, (len(users), len(items)), "an item counts")
    log_sum = _LogSumExp.apply(users / tau, items, mask, dtype or users.dtype, block)
    if mean:
        if mask is None:
            log_sum = log_sum - math.log(len(items))
        else:  # a count beyond 65,504 is none in float16
            wide = torch.promote_types(log_sum.dtype, torch.float32)
            log_sum = log_sum - mask.sum(1).clamp(min=1).to(wide).log().to(log_sum.dtype)
    return tau * log_sum


class _LogSumExp(torch.autograd.Function):
    """``log Σ_j exp(a_u · b_j)`` by row, with the gradient written out."""

    @staticmethod
    def forward(ctx, a: Tensor, b: Tensor, mask: Tensor | None, dtype, block: int) -> Tensor:
        columns = max(1, block // len(a))
        ctx.whole, ctx.columns, ctx.dtype, ctx.mask = len(b) <= columns, columns, dtype, mask
        if ctx.whole and a.is_cuda:
            weights, log_sum = _softmax(a.to(dtype) @ b.to(dtype).T, mask)
            ctx.save_for_backward(a, b, weights.to(dtype), torch.ones_like(log_sum), None)
            return log_sum.squeeze(1).to(a.dtype)
        top = total = None
        for scores, _ in _blocks(a, b, mask, dtype, columns):
            peak = scores.amax(1, keepdim=True)  # (B, 1)
            if top is not None:
                peak = torch.maximum(top, peak)
            peak = peak.masked_fill(peak == -math.inf, 0)  # nothing counts so far
            part = scores.sub_(peak).exp_().sum(1, keepdim=True)
            total = part if top is None else part + total * (top - peak).exp()
            top = peak
        dead = total == 0  # a row without an item that counts
        scale = total.masked_fill(dead, 1)
        log_sum = (top + scale.log()).masked_fill(dead, 0)
        ctx.save_for_backward(a, b, scores.to(dtype) if ctx.whole else None, scale, top)
        return log_sum.squeeze(1).to(a.dtype)

    @staticmethod
    def backward(ctx, grad: Tensor):
        a, b, weights, scale, top = ctx.saved_tensors
        grad = grad.unsqueeze(1)  # (B, 1)
        if torch.is_grad_enabled():  # a second derivative is wanted: of plain operations
            weights = _plain_softmax(a, b, ctx.mask, ctx.dtype)
            return grad * (weights @ b), weights.T @ (a * grad), None, None, None
        grad = grad / scale
        rows = (a * grad).to(ctx.dtype)
        if ctx.whole:
            grad_a = (weights @ b.to(ctx.dtype)).to(a.dtype) * grad
            return grad_a, (weights.T @ rows).to(b.dtype), None, None, None
        grad_a, grad_b = torch.zeros_like(a), torch.empty_like(b)
        for scores, part in _blocks(a, b, ctx.mask, ctx.dtype, ctx.columns):
            weights = scores.sub_(top).exp_().to(ctx.dtype)
            grad_a += weights @ b[part].to(ctx.dtype)
            grad_b[part] = weights.T @ rows
        return grad_a * grad, grad_b, None, None, None


def _plain_softmax(a: Tensor, b: Tensor, mask: Tensor | None, dtype: torch.dtype) -> Tensor:
    """Weights ``(B, N)`` that autograd can differentiate; 0 in a row where nothing counts."""
    scores = (a.to(dtype) @ b.to(dtype).T).to(a.dtype)
    if mask is None:
        return scores.softmax(1)
    live = mask.any(1, keepdim=True)
    return scores.masked_fill(~mask & live, -math.inf).softmax(1).masked_fill(~mask, 0)


def _softmax(scores: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor]:
    """Softmax of each row and log of its sum, ``(B, N), (B, 1)``, at least in float32.

    A GPU makes the softmax in one pass, where the steps of it would take five over memory; its
    largest entry is one over the sum.
    """
    if mask is not None:
        scores.masked_fill_(~mask, -math.inf)
    top, where = scores.max(1, keepdim=True)
    weights = torch.softmax(scores, 1, dtype=torch.promote_types(scores.dtype, torch.float32))
    log_sum = top - weights.gather(1, where).log()
    if mask is not None:
        dead = top == -math.inf  # a row without an item that counts
        weights, log_sum = weights.masked_fill_(dead, 0), log_sum.masked_fill(dead, 0)
    return weights, log_sum


def _blocks(a: Tensor, b: Tensor, mask: Tensor | None, dtype: torch.dtype, columns: int):
    """Scores ``(B, ≤ columns)``, at least in float32, and the slice of items that they are of."""
    a = a.to(dtype)
    for start in range(0, len(b), columns):
        part = slice(start, start + columns)
        scores = a @ b[part].to(dtype).T
        if dtype in (torch.bfloat16, torch.float16):
            scores = scores.float()
        if mask is not None:
            scores.masked_fill_(~mask[:, part], -math.inf)
        yield scores, part
