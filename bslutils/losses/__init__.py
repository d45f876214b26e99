"""Losses for recommendation from implicit feedback: pure functions of scores.

Every loss is ``f(pos, neg, *, …)``:

* ``pos`` holds the scores of positives, ``(B,)`` or ``(B, P)``; ``neg`` those of negatives,
  ``(B, N)``. A row is a user; the N negatives of a row may be shared with the others or not.
* A row's loss averages over its positives (the bilateral losses pool them instead).
* ``pos_mask`` and ``neg_mask`` are True where a score counts. A row with no positive or no
  negative left is worth 0 in ``none`` and ``sum`` and is left out of ``mean``.
* ``reduction`` is ``"none"``, ``"mean"`` or ``"sum"`` over rows.

Each has an ``nn.Module`` twin that holds its parameters, and a name in ``LOSSES``. A loss on
vectors in place of scores has one in ``VECTOR_LOSSES``.
"""

from .adversarial import advinfonce_loss
from .classic import bce_loss, bpr_loss, ccl_loss, mse_loss
from .divergences import chi2_loss, cvar_loss, renyi_loss
from .modules import (
    AdvInfoNCELoss,
    BCELoss,
    BilateralSoftmaxLoss,
    BPRLoss,
    CCLLoss,
    Chi2Loss,
    CVaRLoss,
    LLPAUCLoss,
    MSELoss,
    PessimisticBilateralSoftmaxLoss,
    PooledSoftmaxLoss,
    PSLAtanLoss,
    PSLReluLoss,
    PSLTanhLoss,
    RenyiLoss,
    RescaledSoftmaxLoss,
    ReweightedSoftmaxLoss,
    SLAtKLoss,
    SoftmaxLoss,
    SoftmaxRiskLoss,
)
from .psl import psl_atan_loss, psl_relu_loss, psl_tanh_loss
from .registry import LOSSES, VECTOR_LOSSES, loss_parameters, make_loss, negative_form
from .softmax import (
    bilateral_softmax_loss,
    pessimistic_bilateral_softmax_loss,
    softmax_loss,
    softmax_risk_loss,
)
from .topk import llpauc_loss, slatk_loss
from .variants import pooled_softmax_loss, rescaled_softmax_loss, reweighted_softmax_loss
from .vectors import DirectAULoss, alignment, direct_au_loss, uniformity

__all__ = [
    "LOSSES",
    "VECTOR_LOSSES",
    "AdvInfoNCELoss",
    "BCELoss",
    "BPRLoss",
    "BilateralSoftmaxLoss",
    "CCLLoss",
    "CVaRLoss",
    "Chi2Loss",
    "DirectAULoss",
    "LLPAUCLoss",
    "MSELoss",
    "PSLAtanLoss",
    "PSLReluLoss",
    "PSLTanhLoss",
    "PessimisticBilateralSoftmaxLoss",
    "PooledSoftmaxLoss",
    "RenyiLoss",
    "RescaledSoftmaxLoss",
    "ReweightedSoftmaxLoss",
    "SLAtKLoss",
    "SoftmaxLoss",
    "SoftmaxRiskLoss",
    "advinfonce_loss",
    "alignment",
    "bce_loss",
    "bilateral_softmax_loss",
    "bpr_loss",
    "ccl_loss",
    "chi2_loss",
    "cvar_loss",
    "direct_au_loss",
    "llpauc_loss",
    "loss_parameters",
    "make_loss",
    "mse_loss",
    "negative_form",
    "pessimistic_bilateral_softmax_loss",
    "pooled_softmax_loss",
    "psl_atan_loss",
    "psl_relu_loss",
    "psl_tanh_loss",
    "renyi_loss",
    "rescaled_softmax_loss",
    "reweighted_softmax_loss",
    "slatk_loss",
    "softmax_loss",
    "softmax_risk_loss",
    "uniformity",
]
