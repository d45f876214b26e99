"""Adversarial InfoNCE: the negatives of a softmax loss weighed by an adversary.

Shapes, masks and reductions are those of :mod:`bslutils.losses`.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from ..checks import check_positive
from .base import Loss
from .masks import at_least_float32, check_scores, masked_mean, over, reduce
from .worst_case import KnownGradient, ball_worst_case, count


def advinfonce_loss(
    pos: Tensor,
    neg: Tensor,
    *,
    tau: float,
    radius: float,
    neg_weight: float = 1.0,
    pos_mask: Tensor | None = None,
    neg_mask: Tensor | None = None,
    reduction: str = "mean",
) -> Tensor:
    r"""Adversarial InfoNCE: each negative gets a hardness, the worst within a KL ball.

    .. math::
        \ell = \frac1P \sum_i \max_{\mathrm{KL}(p \| 1/N) \le \eta}
               \log \Big( 1 + w \sum_j e^{\delta_j} e^{(f_j - f_i)/\tau} \Big),
        \qquad \delta_j = \log (N p_j)

    A radius towards 0 forces :math:`\delta = 0`: InfoNCE, that is :func:`softmax_loss` with the
    positive in the denominator (at ``w = 1``). A radius of ``log N`` or more leaves the hardest
    negative, N times.

    The maximum is exact. It asks for the largest mean of :math:`e^{f_j/\tau}` in the ball, so
    :math:`p_j \propto \exp(e^{f_j/\tau}/\nu)`, the same for all positives of a row; its gradient
    holds ``p`` fixed (envelope theorem), and a second derivative raises. The published training
    does not solve it: there a small network of users and items gives ``p``, is trained to raise
    the loss for a few epochs in between, and is stopped early, which bounds the KL divergence.

    Args:
        pos: scores of positives, ``(B,)`` or ``(B, P)``, any floating dtype.
        neg: scores of negatives, ``(B, N)``.
        tau: temperature in score units, ``> 0``; a 0-dim tensor may carry a gradient.
        radius: of the ball, η in nats, ``> 0``.
        neg_weight: the weight ``w > 0`` of the negatives in the sum; 64 in the public code.
        pos_mask, neg_mask: bool, shaped as the scores, True where a score counts.
        reduction: ``"none"`` (a value per row, ``(B,)``), ``"mean"`` or ``"sum"`` over rows.

    Raises:
        ValueError: shapes that do not fit, an empty batch, ``tau``, ``radius`` or ``neg_weight``
            not positive and finite, an unknown reduction.

    Example:
        >>> import torch
        >>> pos, neg = torch.zeros(1), torch.tensor([[0.0, 1.0]])
        >>> advinfonce_loss(pos, neg, tau=1.0, radius=1e-9)  # log(1 + 1 + e)
        tensor(1.5515)
        >>> advinfonce_loss(pos, neg, tau=1.0, radius=1.0)  # log(1 + 2 e)
        tensor(1.8620)

    Source: Zhang et al., *Empowering Collaborative Filtering with Principled Adversarial
    Contrastive Loss*, NeurIPS 2023. Derived in the chapter *Beyond KL*.
    """
    check_positive(tau=tau, radius=radius, neg_weight=neg_weight)
    pos, neg, pos_mask, neg_mask, live = check_scores(pos, neg, pos_mask, neg_mask)
    logits = over(neg, tau)  # (B, N)
    with torch.no_grad():
        wide = at_least_float32(logits)
        if neg_mask is not None:
            wide = wide.masked_fill(~neg_mask, wide.min())
        best = wide.amax(1, keepdim=True)  # (B, 1)
        odds = (wide - best).exp()  # at most 1
        odds *= ball_worst_case(odds, neg_mask, radius, 1.0)[1]
        worst = odds.sum(1, keepdim=True)  # of small balls more exact than the dual value
        weights = odds / worst
        log_odds = (worst.log() + best).squeeze(1)
        log_odds = log_odds + (neg_weight * count(wide, neg_mask).squeeze(1)).log()
    log_odds = KnownGradient.apply(logits, log_odds, weights)  # (B,)
    rows = F.softplus(log_odds.unsqueeze(1) + over(-pos, tau))  # (B, P)
    return reduce(masked_mean(rows, pos_mask), live, reduction)


class AdvInfoNCELoss(Loss):
    """Module twin of :func:`advinfonce_loss`."""

    function = staticmethod(advinfonce_loss)
    solves = True
