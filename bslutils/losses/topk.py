"""Losses that aim at the top of the list: SL@K and the lower-left partial AUC.

Shapes, masks and reductions are those of :mod:`bslutils.losses`.
"""

import math

import torch
from torch import Tensor

from ..checks import check_positive, check_share, check_tensors
from .base import Loss
from .masks import check_scores, log_sum_exp, masked_mean, over, reduce
from .worst_case import upper_share


def slatk_loss(
    pos: Tensor,
    neg: Tensor,
    *,
    tau: float,
    tau_weight: float,
    n_items: int,
    k: int = 20,
    threshold: Tensor | None = None,
    pos_mask: Tensor | None = None,
    neg_mask: Tensor | None = None,
    reduction: str = "mean",
) -> Tensor:
    r"""SL@K: softmax loss, each positive weighted by how far it is into the user's top K.

    .. math:: \ell = \frac1P \sum_i \operatorname{sigmoid}\Big( \frac{f_i - \beta}{\tau_w} \Big)
              \cdot \log \sum_j e^{(f_j - f_i)/\tau}

    The threshold ``β`` stands for the score of the user's K-th item. It is estimated from the
    negatives of the row, taken as a uniform sample of the catalogue: the score at rank
    ``ceil(N k / n_items)``, which is exact where the row holds every item. Below
    ``n_items / k`` negatives it is their maximum, too low on average. ``β`` is a constant to the
    gradient, the weight is not.

    ``tau_weight`` to infinity gives half of :func:`softmax_loss`; to 0, only positives in the top
    K count. As the sum is part of the weight's gradient, the number of negatives matters here, and
    a better positive may cost more: its weight grows.

    The published training keeps a threshold for each user, renewed every 5 or 20 epochs from all
    of the user's positives and a sample of negatives; pass ``threshold`` for that.

    Args:
        pos: scores of positives, ``(B,)`` or ``(B, P)``, any floating dtype.
        neg: scores of negatives, ``(B, N)``.
        tau: temperature of the softmax, in score units, ``> 0``; a 0-dim tensor may carry a
            gradient.
        tau_weight: temperature of the weight, in score units, ``> 0``, likewise.
        n_items: size of the catalogue that the negatives are a sample of.
        k: length of the list, from above 0 to ``n_items``.
        threshold: ``(B,)``, in place of the estimate.
        pos_mask, neg_mask: bool, shaped as the scores, True where a score counts.
        reduction: ``"none"`` (a value per row, ``(B,)``), ``"mean"`` or ``"sum"`` over rows.

    Raises:
        ValueError: shapes that do not fit, an empty batch, a parameter that is not positive and
            finite, ``k`` above ``n_items``, an unknown reduction.

    Example:
        >>> import torch
        >>> pos, neg = torch.tensor([0.5]), torch.tensor([[0.5, 0.0]])
        >>> slatk_loss(pos, neg, tau=0.5, tau_weight=1.0, n_items=100)  # log(1 + 1/e) / 2
        tensor(0.1566)

    Source: Yang et al., *Breaking the Top-K Barrier: Advancing Top-K Ranking Metrics
    Optimization in Recommender Systems*, KDD 2025, eq. 3.5. Derived in the chapter *Beyond KL*.
    """
    check_positive(tau=tau, tau_weight=tau_weight, n_items=n_items, k=k)
    if k > n_items:
        raise ValueError(f"k must be at most n_items, got k={k!r} and n_items={n_items!r}")
    pos, neg, pos_mask, neg_mask, live = check_scores(pos, neg, pos_mask, neg_mask)
    if threshold is None:
        threshold = _score_at_share(neg.detach(), neg_mask, k / n_items)
    else:
        check_tensors(threshold=threshold)
        if threshold.shape != pos.shape[:1]:
            raise ValueError(f"threshold must be ({len(pos)},), got {tuple(threshold.shape)}")
    weights = torch.sigmoid(over(pos - threshold.unsqueeze(1), tau_weight))  # (B, P)
    log_sum = log_sum_exp(over(neg, tau), neg_mask).unsqueeze(1)  # (B, 1)
    return reduce(masked_mean(weights * (log_sum - pos / tau), pos_mask), live, reduction)


class SLAtKLoss(Loss):
    """Module twin of :func:`slatk_loss`."""

    function = staticmethod(slatk_loss)


def _score_at_share(scores: Tensor, mask: Tensor | None, share: float) -> Tensor:
    """The lowest score of the upper ``share`` of a row, at least its best: ``(B,)``."""

    def rank(n: float) -> int:
        return max(1, math.ceil(n * share - 1e-9))  # 0.3 * 10 is above 3

    n = scores.shape[1]
    if mask is None:
        return scores.topk(rank(n), 1).values[:, -1]
    top = scores.masked_fill(~mask, -math.inf).topk(rank(n), 1).values
    ranks = (mask.sum(1, keepdim=True) * share - 1e-9).ceil().long().clamp(min=1)
    return top.gather(1, ranks - 1).squeeze(1)


def llpauc_loss(
    pos: Tensor,
    neg: Tensor,
    *,
    beta: float,
    alpha: float = 1.0,
    pos_mask: Tensor | None = None,
    neg_mask: Tensor | None = None,
    reduction: str = "mean",
) -> Tensor:
    r"""Lower-left partial AUC: a squared loss on the best positives against the worst negatives.

    .. math:: \ell = \sum_{i,j} a_i b_j \Big( 1 - \frac{f_i - f_j}{2} \Big)^2

    where ``a`` is uniform on the upper share ``alpha`` of the row's positives and ``b`` on the
    upper share ``beta`` of its negatives, the last of each with the weight that is left. Both
    shares 1 give the surrogate of the whole AUC. With one positive in a row ``alpha`` is idle.

    The shares are taken exactly, by sorting, and the sum over pairs is one over scores:
    ``(1 - (m_a - m_b)/2)² + (v_a + v_b)/4`` with the means and variances of the two sides. The
    paper has the same loss for scores in [0, 1], the half here, as a minimax problem: two learned
    thresholds select the shares, softly, and the square is split by three more learned numbers,
    all of them shared between users. In public code the positives of the whole batch form one
    list, so ``alpha`` acts there across users.

    Args:
        pos: cosine scores of positives, ``(B,)`` or ``(B, P)``, any floating dtype. The square
            grows again where ``f_i - f_j`` exceeds 2.
        neg: cosine scores of negatives, ``(B, N)``.
        beta: share of the negatives, in (0, 1].
        alpha: share of the positives, in (0, 1].
        pos_mask, neg_mask: bool, shaped as the scores, True where a score counts.
        reduction: ``"none"`` (a value per row, ``(B,)``), ``"mean"`` or ``"sum"`` over rows.

    Raises:
        ValueError: shapes that do not fit, an empty batch, a share outside (0, 1], an unknown
            reduction.

    Example:
        >>> import torch
        >>> pos, neg = torch.tensor([1.0]), torch.tensor([[1.0, -1.0]])
        >>> llpauc_loss(pos, neg, beta=0.5), llpauc_loss(pos, neg, beta=1.0)
        (tensor(1.), tensor(0.5000))

    Source: Shi et al., *Lower-Left Partial AUC: An Effective and Efficient Optimization Metric
    for Recommendation*, WWW 2024. Derived in the chapter *Beyond KL*.
    """
    check_share(alpha=alpha, beta=beta)
    pos, neg, pos_mask, neg_mask, live = check_scores(pos, neg, pos_mask, neg_mask)
    mean_pos, variance_pos = _moments(*upper_share(pos, pos_mask, alpha))
    mean_neg, variance_neg = _moments(*upper_share(neg, neg_mask, beta))
    rows = (1 - (mean_pos - mean_neg) / 2) ** 2 + (variance_pos + variance_neg) / 4
    return reduce(rows, live, reduction)


class LLPAUCLoss(Loss):
    """Module twin of :func:`llpauc_loss`."""

    function = staticmethod(llpauc_loss)


def _moments(scores: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
    """Weighted mean and variance of a row: ``(B, K), (B, K) -> (B,), (B,)``."""
    mean = (weights * scores).sum(1)
    return mean, (weights * (scores - mean.unsqueeze(1)) ** 2).sum(1)
