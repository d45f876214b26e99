"""Pairwise softmax losses: SL with a tamer function than the exponential of the gap.

Shapes, masks and reductions are those of :mod:`bslutils.losses`.
"""

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from ..checks import check_positive
from .base import Loss
from .masks import check_scores, log_sum_exp, masked_mean, over, reduce

# A surrogate at or below zero (a gap of -2 for ReLU, of -3.1 for arctan) counts as this, without
# a gradient: its logarithm would be infinite, and a row has nothing to learn from such a pair.
FLOOR = 1e-6


def _pairwise(
    log_surrogate: Callable[[Tensor], Tensor],
    pos: Tensor,
    neg: Tensor,
    tau: float,
    pos_mask: Tensor | None,
    neg_mask: Tensor | None,
    reduction: str,
) -> Tensor:
    check_positive(tau=tau)
    pos, neg, pos_mask, neg_mask, live = check_scores(pos, neg, pos_mask, neg_mask)
    gaps = neg.unsqueeze(1) - pos.unsqueeze(2)  # (B, P, N)
    neg_mask = None if neg_mask is None else neg_mask.unsqueeze(1)
    rows = log_sum_exp(2 * over(log_surrogate(gaps / 2), tau), neg_mask)  # (B, P)
    return reduce(masked_mean(rows, pos_mask), live, reduction)


def psl_tanh_loss(
    pos: Tensor,
    neg: Tensor,
    *,
    tau: float,
    pos_mask: Tensor | None = None,
    neg_mask: Tensor | None = None,
    reduction: str = "mean",
) -> Tensor:
    r"""Pairwise softmax loss with ``tanh``.

    .. math:: \ell = \frac1P \sum_i \log \sum_j \sigma\big(\tfrac{f_j - f_i}{2}\big)^{2/\tau},
              \qquad \sigma(x) = 1 + \tanh x = \frac{e^x}{\cosh x}

    With ``exp`` in place of ``σ`` it is :func:`softmax_loss` at the same ``tau``. It lies below
    that loss, since ``σ(x) ≤ exp(x)``, and meets it where gaps and ``tau`` are small together. The
    paper scores by half the cosine: its temperature is half of ``tau``.

    Args:
        pos: cosine scores of positives, ``(B,)`` or ``(B, P)``, any floating dtype.
        neg: cosine scores of negatives, ``(B, N)``. The loss forms ``(B, P, N)`` differences.
        tau: temperature in score units, ``> 0``; a 0-dim tensor may carry a gradient.
        pos_mask, neg_mask: bool, shaped as the scores, True where a score counts.
        reduction: ``"none"`` (a value per row, ``(B,)``), ``"mean"`` or ``"sum"`` over rows.

    Raises:
        ValueError: shapes that do not fit, an empty batch, ``tau`` not positive and finite,
            an unknown reduction.

    Example:
        >>> import torch
        >>> psl_tanh_loss(torch.zeros(1), torch.zeros(1, 3), tau=0.1)  # log 3
        tensor(1.0986)

    Source: Yang et al., *PSL: Rethinking and Improving Softmax Loss from Pairwise Perspective
    for Recommendation*, NeurIPS 2024, eq. 4.1. Derived in the chapter *Beyond KL*.
    """

    def log_surrogate(x: Tensor) -> Tensor:
        return math.log(2) + F.logsigmoid(2 * x)

    return _pairwise(log_surrogate, pos, neg, tau, pos_mask, neg_mask, reduction)


class PSLTanhLoss(Loss):
    """Module twin of :func:`psl_tanh_loss`."""

    function = staticmethod(psl_tanh_loss)


def psl_atan_loss(
    pos: Tensor,
    neg: Tensor,
    *,
    tau: float,
    pos_mask: Tensor | None = None,
    neg_mask: Tensor | None = None,
    reduction: str = "mean",
) -> Tensor:
    r"""Pairwise softmax loss with the arctangent.

    .. math:: \ell = \frac1P \sum_i \log \sum_j \sigma\big(\tfrac{f_j - f_i}{2}\big)^{2/\tau},
              \qquad \sigma(x) = \max(1 + \arctan x, 10^{-6})

    Between two cosines ``σ`` is at least 0.21, and the floor is idle: it serves scores whose gap
    is below -3.1.

    Args, errors: as :func:`psl_tanh_loss`.

    Example:
        >>> import torch
        >>> psl_atan_loss(torch.zeros(1), torch.zeros(1, 3), tau=0.1)  # log 3
        tensor(1.0986)

    Source: Yang et al., *PSL: Rethinking and Improving Softmax Loss from Pairwise Perspective
    for Recommendation*, NeurIPS 2024, eq. 4.1. Derived in the chapter *Beyond KL*.
    """

    def log_surrogate(x: Tensor) -> Tensor:
        return (1 + torch.atan(x)).clamp(min=FLOOR).log()

    return _pairwise(log_surrogate, pos, neg, tau, pos_mask, neg_mask, reduction)


class PSLAtanLoss(Loss):
    """Module twin of :func:`psl_atan_loss`."""

    function = staticmethod(psl_atan_loss)


def psl_relu_loss(
    pos: Tensor,
    neg: Tensor,
    *,
    tau: float,
    pos_mask: Tensor | None = None,
    neg_mask: Tensor | None = None,
    reduction: str = "mean",
) -> Tensor:
    r"""Pairwise softmax loss with the shifted ReLU.

    .. math:: \ell = \frac1P \sum_i \log \sum_j \sigma\big(\tfrac{f_j - f_i}{2}\big)^{2/\tau},
              \qquad \sigma(x) = \max(1 + x, 10^{-6})

    It is the ``2/τ``-norm of ``1 + x``, on a log scale. A positive at 1 and a negative at -1 have
    ``σ = 0``; the floor keeps a row of such pairs finite, with gradient zero.

    Args, errors: as :func:`psl_tanh_loss`.

    Example:
        >>> import torch
        >>> psl_relu_loss(torch.ones(1), torch.tensor([[1.0, -1.0]]), tau=0.1)  # log(1 + 0)
        tensor(0.)

    Source: Yang et al., *PSL: Rethinking and Improving Softmax Loss from Pairwise Perspective
    for Recommendation*, NeurIPS 2024, eq. 4.1. Derived in the chapter *Beyond KL*.
    """

    def log_surrogate(x: Tensor) -> Tensor:
        return (1 + x).clamp(min=FLOOR).log()

    return _pairwise(log_surrogate, pos, neg, tau, pos_mask, neg_mask, reduction)


class PSLReluLoss(Loss):
    """Module twin of :func:`psl_relu_loss`."""

    function = staticmethod(psl_relu_loss)
