"""What public code calls BSL: three losses, each with two parameters.

They are kept under names that say what they compute. Shapes, masks and reductions are those of
:mod:`bslutils.losses`.
"""

from torch import Tensor

from ..checks import check_positive
from .base import Loss
from .masks import check_scores, log_mean_exp, log_sum_exp, masked_mean, over, reduce


def reweighted_softmax_loss(
    pos: Tensor,
    neg: Tensor,
    *,
    tau: float,
    neg_weight: float,
    pos_mask: Tensor | None = None,
    neg_mask: Tensor | None = None,
    reduction: str = "mean",
) -> Tensor:
    r"""SL with a weight on its negative term: what the ``reweight`` mode of the BSL code computes.

    .. math:: \ell = \frac1P \sum_i -\frac{f_i}{\tau} + w \log \sum_j e^{f_j/\tau}

    ``w = 1`` is :func:`softmax_loss`. For any other weight the loss is not invariant to a shift
    of all scores, and ``w`` is no temperature: the distribution over negatives does not depend
    on it. In the public code ``tau`` is called t1 and ``w`` t2.

    Args:
        pos: scores of positives, ``(B,)`` or ``(B, P)``, any floating dtype.
        neg: scores of negatives, ``(B, N)``.
        tau: temperature in score units, ``> 0``; a 0-dim tensor may carry a gradient.
        neg_weight: the weight ``w > 0`` of the negative term.
        pos_mask, neg_mask: bool, shaped as the scores, True where a score counts.
        reduction: ``"none"`` (a value per row, ``(B,)``), ``"mean"`` or ``"sum"`` over rows.

    Raises:
        ValueError: shapes that do not fit, an empty batch, ``tau`` or ``neg_weight`` not
            positive and finite, an unknown reduction.

    Example:
        >>> import torch
        >>> pos, neg = torch.tensor([1.0]), torch.tensor([[0.0, 0.0]])
        >>> reweighted_softmax_loss(pos, neg, tau=1.0, neg_weight=2.0)  # 2 log 2 - 1
        tensor(0.3863)

    Source: the authors' public code of Wu et al., *BSL: Understanding and Improving Softmax
    Loss for Recommendation*, ICDE 2024. Taken apart in the chapter *One name, several
    losses*.
    """
    check_positive(tau=tau, neg_weight=neg_weight)
    pos, neg, pos_mask, neg_mask, live = check_scores(pos, neg, pos_mask, neg_mask)
    rows = neg_weight * log_sum_exp(over(neg, tau), neg_mask) - masked_mean(pos / tau, pos_mask)
    return reduce(rows, live, reduction)


class ReweightedSoftmaxLoss(Loss):
    """Module twin of :func:`reweighted_softmax_loss`."""

    function = staticmethod(reweighted_softmax_loss)
    negatives = ("tau", False)


def pooled_softmax_loss(
    pos: Tensor,
    neg: Tensor,
    *,
    tau: float,
    neg_weight: float,
    pos_mask: Tensor | None = None,
    neg_mask: Tensor | None = None,
    reduction: str = "mean",
) -> Tensor:
    r"""Positives pooled at the negatives' temperature: the ``multi`` mode of the BSL code.

    .. math:: \ell = -\log \frac1P \sum_i e^{f_i/\tau} + w \log \frac1N \sum_j e^{f_j/\tau}

    ``w = 1`` is :func:`bilateral_softmax_loss` with both temperatures ``tau``, divided by ``tau``.
    The public code pools those positives of a random batch that belong to the same user, given
    here by :func:`bslutils.sampling.same_user_mask`; where a user occurs once it is
    :func:`reweighted_softmax_loss` up to a constant. There ``tau`` is called t1 and ``w`` t2.

    Args, errors: as :func:`reweighted_softmax_loss`, with the positives of one user in a row.

    Example:
        >>> import torch
        >>> pos, neg = torch.tensor([[1.0, 1.0]]), torch.tensor([[0.5, 0.5]])
        >>> pooled_softmax_loss(pos, neg, tau=0.5, neg_weight=1.5)
        tensor(-0.5000)

    Source: the authors' public code of Wu et al., *BSL: Understanding and Improving Softmax
    Loss for Recommendation*, ICDE 2024. Taken apart in the chapter *One name, several losses*.
    """
    check_positive(tau=tau, neg_weight=neg_weight)
    pos, neg, pos_mask, neg_mask, live = check_scores(pos, neg, pos_mask, neg_mask)
    gain = log_mean_exp(over(pos, tau), pos_mask)  # (B,)
    return reduce(neg_weight * log_mean_exp(over(neg, tau), neg_mask) - gain, live, reduction)


class PooledSoftmaxLoss(Loss):
    """Module twin of :func:`pooled_softmax_loss`."""

    function = staticmethod(pooled_softmax_loss)
    negatives = ("tau", True)


def rescaled_softmax_loss(
    pos: Tensor,
    neg: Tensor,
    *,
    tau_pos: float,
    tau_neg: float,
    pos_mask: Tensor | None = None,
    neg_mask: Tensor | None = None,
    reduction: str = "mean",
) -> Tensor:
    r"""What the code of later papers trains under the name of BSL: SL times a constant.

    .. math:: \ell = \frac1P \sum_i -\frac{f_i}{\tau_1}
              + \frac{\tau_2}{\tau_1} \log \sum_j e^{f_j/\tau_2}

    It equals ``tau_neg / tau_pos * softmax_loss(..., tau=tau_neg)``: ``tau_pos`` scales the
    gradient and does nothing else.

    Args:
        pos: scores of positives, ``(B,)`` or ``(B, P)``, any floating dtype.
        neg: scores of negatives, ``(B, N)``.
        tau_pos, tau_neg: temperatures in score units, ``> 0``; 0-dim tensors may carry a
            gradient.
        pos_mask, neg_mask: bool, shaped as the scores, True where a score counts.
        reduction: ``"none"`` (a value per row, ``(B,)``), ``"mean"`` or ``"sum"`` over rows.

    Raises:
        ValueError: shapes that do not fit, an empty batch, a temperature not positive and
            finite, an unknown reduction.

    Example:
        >>> import torch
        >>> pos, neg = torch.tensor([1.0]), torch.tensor([[0.0, 0.0]])
        >>> rescaled_softmax_loss(pos, neg, tau_pos=0.5, tau_neg=1.0)  # 2 (log 2 - 1)
        tensor(-0.6137)

    Source: the public code of Yang et al., *PSL: Rethinking and Improving Softmax Loss from
    Pairwise Perspective for Recommendation*, NeurIPS 2024. Taken apart in the chapter *One name,
    several losses*.
    """
    check_positive(tau_pos=tau_pos, tau_neg=tau_neg)
    pos, neg, pos_mask, neg_mask, live = check_scores(pos, neg, pos_mask, neg_mask)
    risk = tau_neg / tau_pos * log_sum_exp(over(neg, tau_neg), neg_mask)  # (B,)
    return reduce(risk - masked_mean(pos / tau_pos, pos_mask), live, reduction)


class RescaledSoftmaxLoss(Loss):
    """Module twin of :func:`rescaled_softmax_loss`."""

    function = staticmethod(rescaled_softmax_loss)
    negatives = ("tau_neg", False)
