"""Losses that take the worst case of the negatives in another divergence than KL.

``P`` is uniform on the negatives of a row. Shapes, masks and reductions are those of
:mod:`bslutils.losses`.
"""

import math

from torch import Tensor

from ..checks import as_number, check_positive, check_share, shown
from .base import Loss
from .masks import at_least_float32, check_scores, masked_mean, reduce
from .worst_case import (
    KnownGradient,
    ball_worst_case,
    chi2_support,
    count,
    upper_share,
)


def chi2_loss(
    pos: Tensor,
    neg: Tensor,
    *,
    tau: float,
    pos_mask: Tensor | None = None,
    neg_mask: Tensor | None = None,
    reduction: str = "mean",
) -> Tensor:
    r"""Worst case of the negatives at a chi-square price: their mean plus their variance.

    .. math::
        \ell = -\frac1P \sum_i f_i + \max_{Q \ll P} \Big\{ \mathbb{E}_Q f
               - \frac{\tau}{2} \chi^2(Q \| P) \Big\}, \qquad
        \chi^2(Q \| P) = \mathbb{E}_P \Big( \frac{dQ}{dP} - 1 \Big)^2

    The maximum is attained at ``Q ∝ (f - λ)₊``. On its support, a share ``s`` of the negatives with
    mean ``m`` and variance ``v``, it is ``m + s v/(2τ) - (τ/2)(1/s - 1)``, and this is what is
    computed, exactly. Where ``tau`` exceeds the gap from the mean to the lowest score the support
    is everything and the loss penalises the variance by ``1/(2τ)``: SL's coefficient, to all
    orders. For ``tau`` to 0 the value tends to the maximum, for large ``tau`` to the mean.

    Args:
        pos: scores of positives, ``(B,)`` or ``(B, P)``, any floating dtype.
        neg: scores of negatives, ``(B, N)``.
        tau: price in score units, ``> 0``; a 0-dim tensor may carry a gradient.
        pos_mask, neg_mask: bool, shaped as the scores, True where a score counts.
        reduction: ``"none"`` (a value per row, ``(B,)``), ``"mean"`` or ``"sum"`` over rows.

    Raises:
        ValueError: shapes that do not fit, an empty batch, ``tau`` not positive and finite,
            an unknown reduction.

    Example:
        >>> import torch
        >>> pos, neg = torch.zeros(1), torch.tensor([[-1.0, 1.0]])
        >>> chi2_loss(pos, neg, tau=2.0)  # variance 1, over 2 tau
        tensor(0.2500)

    Source: Duchi and Namkoong, *Learning Models with Uniform Performance via Distributionally
    Robust Optimization*, Annals of Statistics 2021, in its penalised form. Derived in the
    chapter *Beyond KL*.
    """
    check_positive(tau=tau)
    pos, neg, pos_mask, neg_mask, live = check_scores(pos, neg, pos_mask, neg_mask)
    support = chi2_support(neg, neg_mask, tau)  # (B, N)
    wide = at_least_float32(neg)
    size = count(wide, support)  # (B, 1)
    share = (size / count(wide, neg_mask)).squeeze(1).to(neg.dtype)  # (B,)
    weights = (support / size).to(neg.dtype)
    mean = (weights * neg.masked_fill(~support, 0)).sum(1)  # no product of zero and infinity
    gaps = (neg - mean.unsqueeze(1)).masked_fill(~support, 0)
    spread = (weights * gaps * (gaps / (2 * tau))).sum(1)  # so that no square overflows
    worst = mean + share * spread - tau / 2 * (1 / share - 1)
    return reduce(worst - masked_mean(pos, pos_mask), live, reduction)


class Chi2Loss(Loss):
    """Module twin of :func:`chi2_loss`."""

    function = staticmethod(chi2_loss)
    solves = True


def cvar_loss(
    pos: Tensor,
    neg: Tensor,
    *,
    level: float,
    pos_mask: Tensor | None = None,
    neg_mask: Tensor | None = None,
    reduction: str = "mean",
) -> Tensor:
    r"""Mean of the hardest negatives: conditional value at risk.

    .. math::
        \ell = -\frac1P \sum_i f_i + \max_{Q \ll P,\, dQ/dP \le 1/a} \mathbb{E}_Q f
             = -\frac1P \sum_i f_i + \min_\lambda \Big\{ \lambda
               + \frac{1}{aN} \sum_j (f_j - \lambda)_+ \Big\}

    It is the mean of the upper ``a N`` negatives, the last of them with the weight that is left
    of ``a N``. Level 1 is the mean; any level up to ``1/N`` is the maximum. The second form is
    :func:`ccl_loss` with weight ``1/a`` and each row's own quantile for a margin.

    Args:
        pos: scores of positives, ``(B,)`` or ``(B, P)``, any floating dtype.
        neg: scores of negatives, ``(B, N)``.
        level: the share ``a`` of the negatives, in (0, 1].
        pos_mask, neg_mask: bool, shaped as the scores, True where a score counts.
        reduction: ``"none"`` (a value per row, ``(B,)``), ``"mean"`` or ``"sum"`` over rows.

    Raises:
        ValueError: shapes that do not fit, an empty batch, ``level`` outside (0, 1], an unknown
            reduction.

    Example:
        >>> import torch
        >>> pos, neg = torch.zeros(1), torch.tensor([[0.0, 0.2, 0.4, 0.8]])
        >>> cvar_loss(pos, neg, level=0.375)  # (0.8 + 0.4 / 2) / 1.5
        tensor(0.6667)

    Source: Rockafellar and Uryasev, *Optimization of Conditional Value-at-Risk*, Journal of Risk
    2000. Derived in the chapter *Beyond KL*.
    """
    check_share(level=level)
    pos, neg, pos_mask, neg_mask, live = check_scores(pos, neg, pos_mask, neg_mask)
    top, weights = upper_share(neg, neg_mask, level)  # (B, K)
    rows = (top * weights).sum(1) - masked_mean(pos, pos_mask)
    return reduce(rows, live, reduction)


class CVaRLoss(Loss):
    """Module twin of :func:`cvar_loss`."""

    function = staticmethod(cvar_loss)


def renyi_loss(
    pos: Tensor,
    neg: Tensor,
    *,
    radius: float,
    order: float,
    pos_mask: Tensor | None = None,
    neg_mask: Tensor | None = None,
    reduction: str = "mean",
) -> Tensor:
    r"""Worst case of the negatives in a Rényi ball: DrRL, each row with its own best threshold.

    .. math::
        \ell &= -\frac1P \sum_i f_i + \max_{D_\alpha(Q \| P) \le \eta} \mathbb{E}_Q f \\
             &= -\frac1P \sum_i f_i + \min_\lambda \Big\{ \lambda + e^{\eta/\alpha^*}
               \Big( \frac1N \sum_j (f_j - \lambda)_+^{\alpha^*} \Big)^{1/\alpha^*} \Big\},
        \qquad \alpha^* = \frac{\alpha}{\alpha - 1}

    with :math:`D_\alpha(Q \| P) = \frac{1}{\alpha - 1} \log \mathbb{E}_P (dQ/dP)^\alpha`. Order 1
    is the KL ball: SL at a temperature of each row's own, the one that its radius buys. Order 2 is
    the ball ``χ² ≤ exp(radius) - 1``. As the order grows the loss falls to :func:`cvar_loss` at
    level ``exp(-radius)``, which is CCL with each row's quantile for a margin. A radius of
    ``log N`` or more gives the maximum.

    The minimum is found to machine precision in each row, and the gradient of the loss is the
    worst case ``Q`` (envelope theorem); a second derivative raises. Orders above 5 or so take
    several times as long, and there the weight of the score next to the threshold is less exact.

    The published training keeps a threshold for each user and moves it by gradient steps, adds
    0.1 to each ``(f - λ)₊``, and cuts ``1 - f_i`` off at 0. Its parameters are ``α`` and the weight
    :math:`e^{\eta/\alpha^*}`.

    Args:
        pos: scores of positives, ``(B,)`` or ``(B, P)``, any floating dtype.
        neg: scores of negatives, ``(B, N)``.
        radius: of the ball, η in nats, ``> 0``.
        order: α, at least 1.
        pos_mask, neg_mask: bool, shaped as the scores, True where a score counts.
        reduction: ``"none"`` (a value per row, ``(B,)``), ``"mean"`` or ``"sum"`` over rows.

    Raises:
        ValueError: shapes that do not fit, an empty batch, ``radius`` not positive and finite,
            ``order`` below 1 or infinite, an unknown reduction.

    Example:
        >>> import torch
        >>> pos, neg = torch.zeros(1), torch.tensor([[-1.0, 0.0, 1.0]])
        >>> renyi_loss(pos, neg, radius=0.1, order=2.0)  # sqrt(variance (exp(radius) - 1))
        tensor(0.2648)

    Source: Zhang et al., *Advancing Loss Functions in Recommender Systems: A Comparative Study
    with a Rényi Divergence-Based Solution*, AAAI 2025, after the authors' public code; the dual,
    Duchi and Namkoong, *Learning Models with Uniform Performance via Distributionally Robust
    Optimization*, Annals of Statistics 2021. Derived in the chapter *Beyond KL*.
    """
    check_positive(radius=radius)
    number = as_number(order)
    if number is None or not 1 <= number < math.inf:
        raise ValueError(f"order must be a finite number of at least 1, got {shown(order)}")
    pos, neg, pos_mask, neg_mask, live = check_scores(pos, neg, pos_mask, neg_mask)
    worst = KnownGradient.apply(neg, *ball_worst_case(neg, neg_mask, radius, order))  # (B,)
    return reduce(worst - masked_mean(pos, pos_mask), live, reduction)


class RenyiLoss(Loss):
    """Module twin of :func:`renyi_loss`."""

    function = staticmethod(renyi_loss)
    solves = True
