"""Losses for recommendation from implicit feedback: pure functions of scores.

Every loss is ``f(pos, neg, *, …)``:

* ``pos`` holds the scores of positives, ``(B,)`` or ``(B, P)``; ``neg`` those of negatives,
  ``(B, N)``. A row is a user; the N negatives of a row may be shared with the others or not.
* A row's loss averages over its positives (the bilateral losses pool them instead).
* ``pos_mask`` and ``neg_mask`` are True where a score counts. A row with no positive or no
  negative left is worth 0 in ``none`` and ``sum`` and is left out of ``mean``.
* ``reduction`` is ``"none"``, ``"mean"`` or ``"sum"`` over rows.

Each has an ``nn.Module`` twin that holds its parameters, and a name in ``LOSSES``.
"""

from .classic import bce_loss, bpr_loss, ccl_loss, mse_loss
from .modules import (
    LOSSES,
    BCELoss,
    BilateralSoftmaxLoss,
    BPRLoss,
    CCLLoss,
    MSELoss,
    PessimisticBilateralSoftmaxLoss,
    PooledSoftmaxLoss,
    RescaledSoftmaxLoss,
    ReweightedSoftmaxLoss,
    SoftmaxLoss,
    SoftmaxRiskLoss,
    loss_parameters,
    make_loss,
    negative_form,
)
from .softmax import (
    bilateral_softmax_loss,
    pessimistic_bilateral_softmax_loss,
    softmax_loss,
    softmax_risk_loss,
)
from .variants import pooled_softmax_loss, rescaled_softmax_loss, reweighted_softmax_loss

__all__ = [
    "LOSSES",
    "BCELoss",
    "BPRLoss",
    "BilateralSoftmaxLoss",
    "CCLLoss",
    "MSELoss",
    "PessimisticBilateralSoftmaxLoss",
    "PooledSoftmaxLoss",
    "RescaledSoftmaxLoss",
    "ReweightedSoftmaxLoss",
    "SoftmaxLoss",
    "SoftmaxRiskLoss",
    "bce_loss",
    "bilateral_softmax_loss",
    "bpr_loss",
    "ccl_loss",
    "loss_parameters",
    "make_loss",
    "mse_loss",
    "negative_form",
    "pessimistic_bilateral_softmax_loss",
    "pooled_softmax_loss",
    "rescaled_softmax_loss",
    "reweighted_softmax_loss",
    "softmax_loss",
    "softmax_risk_loss",
]
