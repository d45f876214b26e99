"""Pointwise and pairwise losses: MSE, BCE, BPR and the cosine contrastive loss.

Shapes, masks and reductions are those of :mod:`bslutils.losses`.
"""

import torch.nn.functional as F
from torch import Tensor

from ..checks import as_number, check_finite, check_positive, shown
from .base import Loss
from .masks import check_scores, masked_mean, over, reduce


def mse_loss(
    pos: Tensor,
    neg: Tensor,
    *,
    neg_weight: float = 1.0,
    pos_mask: Tensor | None = None,
    neg_mask: Tensor | None = None,
    reduction: str = "mean",
) -> Tensor:
    r"""Squared error with target 1 for positives and 0 for negatives.

    .. math:: \ell = \frac1P \sum_i (1 - f_i)^2 + \frac{w}{N} \sum_j f_j^2

    Args:
        pos: scores of positives, ``(B,)`` or ``(B, P)``, any floating dtype.
        neg: scores of negatives, ``(B, N)``.
        neg_weight: the weight ``w > 0`` of the negative term.
        pos_mask, neg_mask: bool, shaped as the scores, True where a score counts.
        reduction: ``"none"`` (a value per row, ``(B,)``), ``"mean"`` or ``"sum"`` over rows.

    Raises:
        ValueError: shapes that do not fit, an empty batch, ``neg_weight`` not positive,
            an unknown reduction.

    Example:
        >>> import torch
        >>> mse_loss(torch.tensor([0.5]), torch.tensor([[0.0, 1.0]]))
        tensor(0.7500)

    Source: Hu, Koren and Volinsky, *Collaborative Filtering for Implicit Feedback Datasets*,
    ICDM 2008, in its sampled form. Derived in the chapter *A tour of losses*.
    """
    check_positive(neg_weight=neg_weight)
    pos, neg, pos_mask, neg_mask, live = check_scores(pos, neg, pos_mask, neg_mask)
    rows = masked_mean((1 - pos) ** 2, pos_mask) + neg_weight * masked_mean(neg**2, neg_mask)
    return reduce(rows, live, reduction)


class MSELoss(Loss):
    """Module twin of :func:`mse_loss`."""

    function = staticmethod(mse_loss)


def bce_loss(
    pos: Tensor,
    neg: Tensor,
    *,
    tau: float = 1.0,
    neg_weight: float = 1.0,
    intercept: float = 0.0,
    pos_mask: Tensor | None = None,
    neg_mask: Tensor | None = None,
    reduction: str = "mean",
) -> Tensor:
    r"""Binary cross-entropy on the logits ``f / tau + intercept``.

    .. math:: \ell = \frac1P \sum_i \log(1 + e^{-(f_i/\tau + b)})
              + \frac{w}{N} \sum_j \log(1 + e^{f_j/\tau + b})

    The loss asks that negatives lie below the level :math:`-\tau b`. Without an intercept that is
    0, and cosines can get there by popularity alone.

    Args:
        pos: scores of positives, ``(B,)`` or ``(B, P)``, any floating dtype.
        neg: scores of negatives, ``(B, N)``.
        tau: the score that counts as one logit, ``> 0``; 1 is the textbook loss.
        neg_weight: the weight ``w > 0`` of the negative term.
        intercept: the logit ``b`` of a score of 0; below 0 where few items are positives.
        pos_mask, neg_mask: bool, shaped as the scores, True where a score counts.
        reduction: ``"none"`` (a value per row, ``(B,)``), ``"mean"`` or ``"sum"`` over rows.

    Raises:
        ValueError: shapes that do not fit, an empty batch, ``tau`` or ``neg_weight`` not
            positive, an ``intercept`` that is not finite, an unknown reduction.

    Example:
        >>> import torch
        >>> bce_loss(torch.zeros(1), torch.zeros(1, 3))  # 2 log 2
        tensor(1.3863)
        >>> bce_loss(torch.ones(1), torch.ones(1, 3), intercept=-1.0)  # the same, a score higher
        tensor(1.3863)

    Source: He et al., *Neural Collaborative Filtering*, WWW 2017, eq. 7 (mean over negatives
    instead of their sum; no intercept there). Derived in the chapter *A tour of losses*; the
    intercept in *Fairness at equal accuracy*.
    """
    check_positive(tau=tau, neg_weight=neg_weight)
    check_finite(intercept=intercept)
    pos, neg, pos_mask, neg_mask, live = check_scores(pos, neg, pos_mask, neg_mask)
    rows = masked_mean(F.softplus(over(-pos, tau) - intercept), pos_mask)
    rows = rows + neg_weight * masked_mean(F.softplus(over(neg, tau) + intercept), neg_mask)
    return reduce(rows, live, reduction)


class BCELoss(Loss):
    """Module twin of :func:`bce_loss`."""

    function = staticmethod(bce_loss)


def bpr_loss(
    pos: Tensor,
    neg: Tensor,
    *,
    tau: float = 1.0,
    pos_mask: Tensor | None = None,
    neg_mask: Tensor | None = None,
    reduction: str = "mean",
) -> Tensor:
    r"""Bayesian personalised ranking: a logistic loss on every difference of scores.

    .. math:: \ell = \frac1{PN} \sum_{i,j} \log(1 + e^{(f_j - f_i)/\tau})

    Args:
        pos: scores of positives, ``(B,)`` or ``(B, P)``, any floating dtype.
        neg: scores of negatives, ``(B, N)``. The loss forms ``(B, P, N)`` differences.
        tau: the difference that counts as one logit, ``> 0``; 1 is the textbook loss.
        pos_mask, neg_mask: bool, shaped as the scores, True where a score counts.
        reduction: ``"none"`` (a value per row, ``(B,)``), ``"mean"`` or ``"sum"`` over rows.

    Raises:
        ValueError: shapes that do not fit, an empty batch, ``tau`` not positive, an unknown
            reduction.

    Example:
        >>> import torch
        >>> bpr_loss(torch.zeros(1), torch.zeros(1, 3))  # log 2
        tensor(0.6931)

    Source: Rendle et al., *BPR: Bayesian Personalized Ranking from Implicit Feedback*,
    UAI 2009, section 4.1, without the regulariser. Derived in the chapter *A tour of losses*.
    """
    check_positive(tau=tau)
    pos, neg, pos_mask, neg_mask, live = check_scores(pos, neg, pos_mask, neg_mask)
    gaps = over(neg.unsqueeze(1) - pos.unsqueeze(2), tau)  # (B, P, N)
    neg_mask = None if neg_mask is None else neg_mask.unsqueeze(1)
    rows = masked_mean(masked_mean(F.softplus(gaps), neg_mask), pos_mask)
    return reduce(rows, live, reduction)


class BPRLoss(Loss):
    """Module twin of :func:`bpr_loss`."""

    function = staticmethod(bpr_loss)


def ccl_loss(
    pos: Tensor,
    neg: Tensor,
    *,
    margin: float = 0.5,
    neg_weight: float = 1.0,
    pos_mask: Tensor | None = None,
    neg_mask: Tensor | None = None,
    reduction: str = "mean",
) -> Tensor:
    r"""Cosine contrastive loss: pull positives to 1, push negatives above a margin down.

    .. math:: \ell = \frac1P \sum_i (1 - f_i) + \frac{w}{N} \sum_j \max(0, f_j - m)

    Args:
        pos: cosine scores of positives, ``(B,)`` or ``(B, P)``, any floating dtype.
        neg: cosine scores of negatives, ``(B, N)``.
        margin: the score ``m`` in [-1, 1) below which a negative is left alone.
        neg_weight: the weight ``w > 0`` of the negative term.
        pos_mask, neg_mask: bool, shaped as the scores, True where a score counts.
        reduction: ``"none"`` (a value per row, ``(B,)``), ``"mean"`` or ``"sum"`` over rows.

    Raises:
        ValueError: shapes that do not fit, an empty batch, a margin outside [-1, 1),
            ``neg_weight`` not positive, an unknown reduction.

    Example:
        >>> import torch
        >>> ccl_loss(torch.tensor([1.0]), torch.tensor([[0.25, 1.0]]), margin=0.5)
        tensor(0.2500)

    Source: Mao et al., *SimpleX: A Simple and Strong Baseline for Collaborative Filtering*,
    CIKM 2021, eq. 2. Derived in the chapter *A tour of losses*.
    """
    check_positive(neg_weight=neg_weight)
    number = as_number(margin)
    if number is None or not -1 <= number < 1:
        raise ValueError(f"margin must lie in [-1, 1), got {shown(margin)}")
    pos, neg, pos_mask, neg_mask, live = check_scores(pos, neg, pos_mask, neg_mask)
    rows = masked_mean(1 - pos, pos_mask) + neg_weight * masked_mean(F.relu(neg - margin), neg_mask)
    return reduce(rows, live, reduction)


class CCLLoss(Loss):
    """Module twin of :func:`ccl_loss`."""

    function = staticmethod(ccl_loss)
