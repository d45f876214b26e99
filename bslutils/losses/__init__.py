"""Losses for recommendation from implicit feedback: pure functions of scores.

Every loss is ``f(pos, neg, *, …)``:

* ``pos`` holds the scores of positives, ``(B,)`` or ``(B, P)``; ``neg`` those of negatives,
  ``(B, N)``. A row is a user; the N negatives of a row may be shared with the others or not.
* A row's loss averages over its positives (the bilateral losses pool them instead).
* ``pos_mask`` and ``neg_mask`` are True where a score counts. A row with no positive or no
  negative left is worth 0 in ``none`` and ``sum`` and is left out of ``mean``.
* ``reduction`` is ``"none"``, ``"mean"`` or ``"sum"`` over rows.
* Scores are finite. Where they, their squares or their quotients by a temperature are beyond what
  their type holds, so is the loss, or its gradient: :func:`bslutils.fit` says so. A negative of
  ``-inf`` is one so low that it takes no part in a sum of exponentials, if there is another; a
  loss that squares it, or takes its mean, is infinite.
* A temperature is from 1.2e-38 to 3.4e38, one that is learned from 1e-18.

Each has a twin beside it, an ``nn.Module`` that holds its parameters
(:mod:`bslutils.losses.base`), and a name in ``LOSSES``. A loss on vectors in place of scores has
its name in ``VECTOR_LOSSES``.
"""

# `X as X` is how a type checker knows that a name is exported.

from .adversarial import AdvInfoNCELoss as AdvInfoNCELoss, advinfonce_loss as advinfonce_loss
from .classic import (
    BCELoss as BCELoss,
    BPRLoss as BPRLoss,
    CCLLoss as CCLLoss,
    MSELoss as MSELoss,
    bce_loss as bce_loss,
    bpr_loss as bpr_loss,
    ccl_loss as ccl_loss,
    mse_loss as mse_loss,
)
from .divergences import (
    Chi2Loss as Chi2Loss,
    CVaRLoss as CVaRLoss,
    RenyiLoss as RenyiLoss,
    chi2_loss as chi2_loss,
    cvar_loss as cvar_loss,
    renyi_loss as renyi_loss,
)
from .psl import (
    PSLAtanLoss as PSLAtanLoss,
    PSLReluLoss as PSLReluLoss,
    PSLTanhLoss as PSLTanhLoss,
    psl_atan_loss as psl_atan_loss,
    psl_relu_loss as psl_relu_loss,
    psl_tanh_loss as psl_tanh_loss,
)
from .registry import (
    LOSSES as LOSSES,
    VECTOR_LOSSES as VECTOR_LOSSES,
    loss_parameters as loss_parameters,
    make_loss as make_loss,
    negative_form as negative_form,
    negative_temperature as negative_temperature,
)
from .softmax import (
    BilateralSoftmaxLoss as BilateralSoftmaxLoss,
    PessimisticBilateralSoftmaxLoss as PessimisticBilateralSoftmaxLoss,
    SoftmaxLoss as SoftmaxLoss,
    SoftmaxRiskLoss as SoftmaxRiskLoss,
    bilateral_softmax_loss as bilateral_softmax_loss,
    pessimistic_bilateral_softmax_loss as pessimistic_bilateral_softmax_loss,
    softmax_loss as softmax_loss,
    softmax_risk_loss as softmax_risk_loss,
)
from .topk import (
    LLPAUCLoss as LLPAUCLoss,
    SLAtKLoss as SLAtKLoss,
    llpauc_loss as llpauc_loss,
    slatk_loss as slatk_loss,
)
from .variants import (
    PooledSoftmaxLoss as PooledSoftmaxLoss,
    RescaledSoftmaxLoss as RescaledSoftmaxLoss,
    ReweightedSoftmaxLoss as ReweightedSoftmaxLoss,
    pooled_softmax_loss as pooled_softmax_loss,
    rescaled_softmax_loss as rescaled_softmax_loss,
    reweighted_softmax_loss as reweighted_softmax_loss,
)
from .vectors import (
    DirectAULoss as DirectAULoss,
    alignment as alignment,
    direct_au_loss as direct_au_loss,
    uniformity as uniformity,
)
