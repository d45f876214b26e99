"""Losses that put a log-expectation-exp on one side or on both: SL and BSL.

Shapes, masks and reductions are those of :mod:`bslutils.losses`. All of them work in log
space: no exponential of a score is ever formed that can overflow.
"""

import torch
from torch import Tensor

from ..checks import check_switch
from .base import Loss
from .masks import (
    check_scores,
    log_sum_exp,
    masked_mean,
    over,
    reduce,
    soft_mean,
    temperature,
)


def softmax_loss(
    pos: Tensor,
    neg: Tensor,
    *,
    tau: float,
    pos_in_denominator: bool = False,
    pos_mask: Tensor | None = None,
    neg_mask: Tensor | None = None,
    reduction: str = "mean",
) -> Tensor:
    r"""Softmax loss (SL), the per-sample form.

    .. math:: \ell = \frac1P \sum_i \Big( -\frac{f_i}{\tau} + \log \sum_j e^{f_j/\tau} \Big)

    With ``pos_in_denominator`` the sum gains the term :math:`e^{f_i/\tau}`: sampled softmax or
    InfoNCE, never negative. Where ``neg`` already holds every item (full softmax) the positive
    is among the columns, so leave the flag off.

    The risk form is this loss times ``tau``, up to a constant: see :func:`softmax_risk_loss`.

    A learned ``tau`` goes where the negatives, weighted by ``softmax(neg / tau)``, score what the
    positives do on average. That fits training pairs, and is lower than what ranks best: on
    movielens-small by a factor of three to four. See the risk form for one that does better.

    Args:
        pos: scores of positives, ``(B,)`` or ``(B, P)``, any floating dtype.
        neg: scores of negatives, ``(B, N)``.
        tau: temperature in score units, ``> 0``; a tensor may carry a gradient, and one of shape
            ``(B,)`` or ``(B, 1)`` gives each row its own.
        pos_in_denominator: whether the positive joins the sum.
        pos_mask, neg_mask: bool, shaped as the scores, True where a score counts.
        reduction: ``"none"`` (a value per row, ``(B,)``), ``"mean"`` or ``"sum"`` over rows.

    Raises:
        ValueError: shapes that do not fit, those of temperatures too; an empty batch, ``tau`` not
            positive and finite, an unknown reduction.

    Example:
        >>> import torch
        >>> softmax_loss(torch.tensor([1.0]), torch.tensor([[0.0, 0.0]]), tau=1.0)  # log 2 - 1
        tensor(-0.3069)

    Source: Wu et al., *BSL: Understanding and Improving Softmax Loss for Recommendation*,
    ICDE 2024; with the positive in the denominator, van den Oord et al., *Representation
    Learning with Contrastive Predictive Coding*, 2018, eq. 4. Derived in the chapter
    *A tour of losses*.
    """
    check_switch(pos_in_denominator=pos_in_denominator)
    pos, neg, pos_mask, neg_mask, live = check_scores(pos, neg, pos_mask, neg_mask)
    tau = temperature(len(pos), tau=tau)
    pos = pos / tau  # (B, P)
    log_sum = log_sum_exp(over(neg, tau), neg_mask).unsqueeze(1)  # (B, 1)
    if pos_in_denominator:
        log_sum = torch.logaddexp(pos, log_sum)  # (B, P)
    return reduce(masked_mean(log_sum - pos, pos_mask), live, reduction)


class SoftmaxLoss(Loss):
    """Module twin of :func:`softmax_loss`."""

    function = staticmethod(softmax_loss)
    negatives = ("tau", False)


def softmax_risk_loss(
    pos: Tensor,
    neg: Tensor,
    *,
    tau: float,
    pos_mask: Tensor | None = None,
    neg_mask: Tensor | None = None,
    reduction: str = "mean",
) -> Tensor:
    r"""Softmax loss (SL), the risk form: in score units, independent of the number of negatives.

    .. math:: \ell = -\frac1P \sum_i f_i + \tau \log \frac1N \sum_j e^{f_j/\tau}

    It equals ``tau * softmax_loss(...) - tau * log(N)``, tends to the mean of the negatives as
    ``tau`` grows and to their maximum as ``tau`` falls to zero.

    It falls as ``tau`` grows, by the divergence of the worst case: alone, it cannot teach ``tau``.
    With the price of a ball, as ``softmax_risk_loss(…, tau=tau) + radius * tau``, a learned
    ``tau`` is the one that belongs to the radius (:func:`bslutils.dro.joint_tau_of_radius`), and
    the radius is chosen on validation in its place. Learn the logarithm, so that no step makes
    ``tau`` negative.

    Args:
        pos: scores of positives, ``(B,)`` or ``(B, P)``, any floating dtype.
        neg: scores of negatives, ``(B, N)``.
        tau: temperature in score units, ``> 0``; a tensor may carry a gradient, and one of shape
            ``(B,)`` or ``(B, 1)`` gives each row its own.
        pos_mask, neg_mask: bool, shaped as the scores, True where a score counts.
        reduction: ``"none"`` (a value per row, ``(B,)``), ``"mean"`` or ``"sum"`` over rows.

    Raises:
        ValueError: shapes that do not fit, those of temperatures too; an empty batch, ``tau`` not
            positive and finite, an unknown reduction.

    Example:
        >>> import torch
        >>> softmax_risk_loss(torch.tensor([1.0]), torch.tensor([[0.0, 0.0]]), tau=0.1)
        tensor(-1.)

    Source: Wu et al., *BSL: Understanding and Improving Softmax Loss for Recommendation*,
    ICDE 2024. Derived in the chapter *A tour of losses*.
    """
    pos, neg, pos_mask, neg_mask, live = check_scores(pos, neg, pos_mask, neg_mask)
    tau = temperature(len(pos), tau=tau)
    rows = soft_mean(neg, neg_mask, tau) - masked_mean(pos, pos_mask)
    return reduce(rows, live, reduction)


class SoftmaxRiskLoss(Loss):
    """Module twin of :func:`softmax_risk_loss`."""

    function = staticmethod(softmax_risk_loss)
    negatives = ("tau", True)


def bilateral_softmax_loss(
    pos: Tensor,
    neg: Tensor,
    *,
    tau_pos: float,
    tau_neg: float,
    pos_mask: Tensor | None = None,
    neg_mask: Tensor | None = None,
    reduction: str = "mean",
) -> Tensor:
    r"""Bilateral softmax loss (BSL), the risk form: log-expectation-exp on both sides.

    .. math:: \ell = -\tau_1 \log \frac1P \sum_i e^{f_i/\tau_1}
              + \tau_2 \log \frac1N \sum_j e^{f_j/\tau_2}

    The positive side weighs the positives of a row by ``softmax(pos / tau_pos)``: those with low
    scores, among them the false ones, count less. It needs several positives of one user in a
    row; with ``P = 1`` it is :func:`softmax_risk_loss` at ``tau_neg``, whatever ``tau_pos``, and
    it tends to that loss as ``tau_pos`` grows.

    Args:
        pos: scores of positives of one user, ``(B,)`` or ``(B, P)``, any floating dtype.
        neg: scores of negatives, ``(B, N)``.
        tau_pos, tau_neg: temperatures in score units, ``> 0``; tensors may carry a gradient, and
            those of shape ``(B,)`` or ``(B, 1)`` give each row its own.
        pos_mask, neg_mask: bool, shaped as the scores, True where a score counts.
        reduction: ``"none"`` (a value per row, ``(B,)``), ``"mean"`` or ``"sum"`` over rows.

    Raises:
        ValueError: shapes that do not fit, an empty batch, a temperature not positive and
            finite, an unknown reduction.

    Example:
        >>> import torch
        >>> pos, neg = torch.tensor([[0.9, 0.8, -0.5]]), torch.tensor([[0.1, -0.2]])
        >>> bilateral_softmax_loss(pos, neg, tau_pos=0.2, tau_neg=0.1)
        tensor(-0.7397)

    Source: Wu et al., *BSL: Understanding and Improving Softmax Loss for Recommendation*,
    ICDE 2024. Introduced in the chapter *A tour of losses*.
    """
    pos, neg, pos_mask, neg_mask, live = check_scores(pos, neg, pos_mask, neg_mask)
    tau_pos = temperature(len(pos), tau_pos=tau_pos)
    tau_neg = temperature(len(pos), tau_neg=tau_neg)
    gain = soft_mean(pos, pos_mask, tau_pos)  # (B,)
    risk = soft_mean(neg, neg_mask, tau_neg)  # (B,)
    return reduce(risk - gain, live, reduction)


class BilateralSoftmaxLoss(Loss):
    """Module twin of :func:`bilateral_softmax_loss`."""

    function = staticmethod(bilateral_softmax_loss)
    negatives = ("tau_neg", True)
    bilateral = True


def pessimistic_bilateral_softmax_loss(
    pos: Tensor,
    neg: Tensor,
    *,
    tau_pos: float,
    tau_neg: float,
    pos_mask: Tensor | None = None,
    neg_mask: Tensor | None = None,
    reduction: str = "mean",
) -> Tensor:
    r"""The twin of BSL that takes the worst case of the positives too.

    .. math:: \ell = \tau_1 \log \frac1P \sum_i e^{-f_i/\tau_1}
              + \tau_2 \log \frac1N \sum_j e^{f_j/\tau_2}

    The positive side weighs the positives of a row by ``softmax(-pos / tau_pos)``: those with low
    scores count *more*, it penalises the variance of positive scores. With ``P = 1`` it is
    :func:`softmax_risk_loss` at ``tau_neg``, and it tends to that loss as ``tau_pos`` grows.

    Args, errors: as :func:`bilateral_softmax_loss`.

    Example:
        >>> import torch
        >>> pos, neg = torch.tensor([[0.9, 0.8, -0.5]]), torch.tensor([[0.1, -0.2]])
        >>> pessimistic_bilateral_softmax_loss(pos, neg, tau_pos=0.2, tau_neg=0.1)
        tensor(0.3163)

    Source: this book, chapter *Bilateral softmax loss*.
    """
    pos, neg, pos_mask, neg_mask, live = check_scores(pos, neg, pos_mask, neg_mask)
    tau_pos = temperature(len(pos), tau_pos=tau_pos)
    tau_neg = temperature(len(pos), tau_neg=tau_neg)
    shortfall = soft_mean(-pos, pos_mask, tau_pos)  # (B,)
    risk = soft_mean(neg, neg_mask, tau_neg)  # (B,)
    return reduce(risk + shortfall, live, reduction)


class PessimisticBilateralSoftmaxLoss(Loss):
    """Module twin of :func:`pessimistic_bilateral_softmax_loss`."""

    function = staticmethod(pessimistic_bilateral_softmax_loss)
    negatives = ("tau_neg", True)
    bilateral = True
