"""Losses for recommendation from implicit feedback: pure functions of scores.

Every loss is ``f(pos, neg, *, …)``:

* ``pos`` holds the scores of positives, ``(B,)`` or ``(B, P)``; ``neg`` those of negatives,
  ``(B, N)``. A row is a user; the N negatives of a row may be shared with the others or not.
* A row's loss averages over its positives (the bilateral losses pool them instead).
* ``pos_mask`` and ``neg_mask`` are True where a score counts. A row with no positive or no
  negative left is worth 0 in ``none`` and ``sum`` and is left out of ``mean``.
* ``reduction`` is ``"none"``, ``"mean"`` or ``"sum"`` over rows.

Each has a twin beside it, an ``nn.Module`` that holds its parameters
(:mod:`bslutils.losses.base`), and a name in ``LOSSES``. A loss on vectors in place of scores has
its name in ``VECTOR_LOSSES``.
"""

# What is imported here is exported.
# ruff: noqa: F401

from .adversarial import AdvInfoNCELoss, advinfonce_loss
from .classic import BCELoss, BPRLoss, CCLLoss, MSELoss, bce_loss, bpr_loss, ccl_loss, mse_loss
from .divergences import Chi2Loss, CVaRLoss, RenyiLoss, chi2_loss, cvar_loss, renyi_loss
from .psl import PSLAtanLoss, PSLReluLoss, PSLTanhLoss, psl_atan_loss, psl_relu_loss, psl_tanh_loss
from .registry import (
    LOSSES,
    VECTOR_LOSSES,
    loss_parameters,
    make_loss,
    negative_form,
    negative_temperature,
)
from .softmax import (
    BilateralSoftmaxLoss,
    PessimisticBilateralSoftmaxLoss,
    SoftmaxLoss,
    SoftmaxRiskLoss,
    bilateral_softmax_loss,
    pessimistic_bilateral_softmax_loss,
    softmax_loss,
    softmax_risk_loss,
)
from .topk import LLPAUCLoss, SLAtKLoss, llpauc_loss, slatk_loss
from .variants import (
    PooledSoftmaxLoss,
    RescaledSoftmaxLoss,
    ReweightedSoftmaxLoss,
    pooled_softmax_loss,
    rescaled_softmax_loss,
    reweighted_softmax_loss,
)
from .vectors import DirectAULoss, alignment, direct_au_loss, uniformity
