"""``nn.Module`` twins of the losses."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from .adversarial import advinfonce_loss
from .classic import bce_loss, bpr_loss, ccl_loss, mse_loss
from .divergences import chi2_loss, cvar_loss, renyi_loss
from .psl import psl_atan_loss, psl_relu_loss, psl_tanh_loss
from .softmax import (
    bilateral_softmax_loss,
    pessimistic_bilateral_softmax_loss,
    softmax_loss,
    softmax_risk_loss,
)
from .topk import llpauc_loss, slatk_loss
from .variants import pooled_softmax_loss, rescaled_softmax_loss, reweighted_softmax_loss


class _LossModule(nn.Module):
    """Holds the parameters of one function; forward calls it.

    ``negatives`` names the temperature at which the loss takes the soft maximum of its
    negatives and says whether it is that of a mean; ``None`` where the loss needs every score.
    ``solves`` says that an equation is solved on the way, in as many steps as the scores need.
    """

    function: Callable[..., Tensor]
    negatives: tuple[str, bool] | None = None
    solves = False

    def __init__(self, **params):
        super().__init__()
        self.params = params
        # The function owns the checks: one call on a 1 x 1 batch runs them at construction.
        self(torch.zeros(1), torch.zeros(1, 1))

    def forward(
        self,
        pos: Tensor,
        neg: Tensor,
        pos_mask: Tensor | None = None,
        neg_mask: Tensor | None = None,
    ) -> Tensor:
        return type(self).function(pos, neg, pos_mask=pos_mask, neg_mask=neg_mask, **self.params)

    def extra_repr(self) -> str:
        return ", ".join(f"{name}={value!r}" for name, value in self.params.items())


class MSELoss(_LossModule):
    """Module twin of :func:`mse_loss`."""

    function = staticmethod(mse_loss)

    def __init__(self, *, neg_weight: float = 1.0, reduction: str = "mean"):
        super().__init__(neg_weight=neg_weight, reduction=reduction)


class BCELoss(_LossModule):
    """Module twin of :func:`bce_loss`."""

    function = staticmethod(bce_loss)

    def __init__(self, *, tau: float = 1.0, neg_weight: float = 1.0, reduction: str = "mean"):
        super().__init__(tau=tau, neg_weight=neg_weight, reduction=reduction)


class BPRLoss(_LossModule):
    """Module twin of :func:`bpr_loss`."""

    function = staticmethod(bpr_loss)

    def __init__(self, *, tau: float = 1.0, reduction: str = "mean"):
        super().__init__(tau=tau, reduction=reduction)


class CCLLoss(_LossModule):
    """Module twin of :func:`ccl_loss`."""

    function = staticmethod(ccl_loss)

    def __init__(self, *, margin: float = 0.5, neg_weight: float = 1.0, reduction: str = "mean"):
        super().__init__(margin=margin, neg_weight=neg_weight, reduction=reduction)


class SoftmaxLoss(_LossModule):
    """Module twin of :func:`softmax_loss`."""

    function = staticmethod(softmax_loss)
    negatives = ("tau", False)

    def __init__(self, *, tau: float, pos_in_denominator: bool = False, reduction: str = "mean"):
        super().__init__(tau=tau, pos_in_denominator=pos_in_denominator, reduction=reduction)


class SoftmaxRiskLoss(_LossModule):
    """Module twin of :func:`softmax_risk_loss`."""

    function = staticmethod(softmax_risk_loss)
    negatives = ("tau", True)

    def __init__(self, *, tau: float, reduction: str = "mean"):
        super().__init__(tau=tau, reduction=reduction)


class BilateralSoftmaxLoss(_LossModule):
    """Module twin of :func:`bilateral_softmax_loss`."""

    function = staticmethod(bilateral_softmax_loss)
    negatives = ("tau_neg", True)

    def __init__(self, *, tau_pos: float, tau_neg: float, reduction: str = "mean"):
        super().__init__(tau_pos=tau_pos, tau_neg=tau_neg, reduction=reduction)


class PessimisticBilateralSoftmaxLoss(_LossModule):
    """Module twin of :func:`pessimistic_bilateral_softmax_loss`."""

    function = staticmethod(pessimistic_bilateral_softmax_loss)
    negatives = ("tau_neg", True)

    def __init__(self, *, tau_pos: float, tau_neg: float, reduction: str = "mean"):
        super().__init__(tau_pos=tau_pos, tau_neg=tau_neg, reduction=reduction)


class ReweightedSoftmaxLoss(_LossModule):
    """Module twin of :func:`reweighted_softmax_loss`."""

    function = staticmethod(reweighted_softmax_loss)
    negatives = ("tau", False)

    def __init__(self, *, tau: float, neg_weight: float, reduction: str = "mean"):
        super().__init__(tau=tau, neg_weight=neg_weight, reduction=reduction)


class PooledSoftmaxLoss(_LossModule):
    """Module twin of :func:`pooled_softmax_loss`."""

    function = staticmethod(pooled_softmax_loss)
    negatives = ("tau", True)

    def __init__(self, *, tau: float, neg_weight: float, reduction: str = "mean"):
        super().__init__(tau=tau, neg_weight=neg_weight, reduction=reduction)


class RescaledSoftmaxLoss(_LossModule):
    """Module twin of :func:`rescaled_softmax_loss`."""

    function = staticmethod(rescaled_softmax_loss)
    negatives = ("tau_neg", False)

    def __init__(self, *, tau_pos: float, tau_neg: float, reduction: str = "mean"):
        super().__init__(tau_pos=tau_pos, tau_neg=tau_neg, reduction=reduction)


class PSLTanhLoss(_LossModule):
    """Module twin of :func:`psl_tanh_loss`."""

    function = staticmethod(psl_tanh_loss)

    def __init__(self, *, tau: float, reduction: str = "mean"):
        super().__init__(tau=tau, reduction=reduction)


class PSLAtanLoss(_LossModule):
    """Module twin of :func:`psl_atan_loss`."""

    function = staticmethod(psl_atan_loss)

    def __init__(self, *, tau: float, reduction: str = "mean"):
        super().__init__(tau=tau, reduction=reduction)


class PSLReluLoss(_LossModule):
    """Module twin of :func:`psl_relu_loss`."""

    function = staticmethod(psl_relu_loss)

    def __init__(self, *, tau: float, reduction: str = "mean"):
        super().__init__(tau=tau, reduction=reduction)


class SLAtKLoss(_LossModule):
    """Module twin of :func:`slatk_loss`."""

    function = staticmethod(slatk_loss)

    def __init__(
        self, *, tau: float, tau_weight: float, n_items: int, k: int = 20, reduction: str = "mean"
    ):
        super().__init__(tau=tau, tau_weight=tau_weight, n_items=n_items, k=k, reduction=reduction)


class LLPAUCLoss(_LossModule):
    """Module twin of :func:`llpauc_loss`."""

    function = staticmethod(llpauc_loss)

    def __init__(self, *, beta: float, alpha: float = 1.0, reduction: str = "mean"):
        super().__init__(beta=beta, alpha=alpha, reduction=reduction)


class AdvInfoNCELoss(_LossModule):
    """Module twin of :func:`advinfonce_loss`."""

    function = staticmethod(advinfonce_loss)
    solves = True

    def __init__(
        self, *, tau: float, radius: float, neg_weight: float = 1.0, reduction: str = "mean"
    ):
        super().__init__(tau=tau, radius=radius, neg_weight=neg_weight, reduction=reduction)


class Chi2Loss(_LossModule):
    """Module twin of :func:`chi2_loss`."""

    function = staticmethod(chi2_loss)
    solves = True

    def __init__(self, *, tau: float, reduction: str = "mean"):
        super().__init__(tau=tau, reduction=reduction)


class CVaRLoss(_LossModule):
    """Module twin of :func:`cvar_loss`."""

    function = staticmethod(cvar_loss)

    def __init__(self, *, level: float, reduction: str = "mean"):
        super().__init__(level=level, reduction=reduction)


class RenyiLoss(_LossModule):
    """Module twin of :func:`renyi_loss`."""

    function = staticmethod(renyi_loss)
    solves = True

    def __init__(self, *, radius: float, order: float, reduction: str = "mean"):
        super().__init__(radius=radius, order=order, reduction=reduction)
