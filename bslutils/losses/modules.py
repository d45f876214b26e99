"""``nn.Module`` twins of the losses, and their registry by name."""

import inspect
from collections.abc import Callable

import torch
from torch import Tensor, nn

from .classic import bce_loss, bpr_loss, ccl_loss, mse_loss
from .softmax import (
    bilateral_softmax_loss,
    pessimistic_bilateral_softmax_loss,
    softmax_loss,
    softmax_risk_loss,
)
from .variants import pooled_softmax_loss, rescaled_softmax_loss, reweighted_softmax_loss


class _LossModule(nn.Module):
    """Holds the parameters of one function; forward calls it.

    ``negatives`` names the temperature at which the loss takes the soft maximum of its
    negatives and says whether it is that of a mean; ``None`` where the loss needs every score.
    """

    function: Callable[..., Tensor]
    negatives: tuple[str, bool] | None = None

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


LOSSES: dict[str, type[_LossModule]] = {
    "mse": MSELoss,
    "bce": BCELoss,
    "bpr": BPRLoss,
    "ccl": CCLLoss,
    "softmax": SoftmaxLoss,
    "softmax_risk": SoftmaxRiskLoss,
    "bilateral_softmax": BilateralSoftmaxLoss,
    "pessimistic_bilateral_softmax": PessimisticBilateralSoftmaxLoss,
    "reweighted_softmax": ReweightedSoftmaxLoss,
    "pooled_softmax": PooledSoftmaxLoss,
    "rescaled_softmax": RescaledSoftmaxLoss,
}


def loss_parameters(name: str) -> dict[str, inspect.Parameter]:
    """The keyword parameters of the loss called ``name``, ``reduction`` left out.

    Raises:
        ValueError: an unknown name; the message lists the choices.

    Example:
        >>> list(loss_parameters("bilateral_softmax"))
        ['tau_pos', 'tau_neg']
    """
    if name not in LOSSES:
        raise ValueError(f"unknown loss {name!r}; choose one of {', '.join(LOSSES)}")
    params = dict(inspect.signature(LOSSES[name]).parameters)
    params.pop("reduction")
    return params


def make_loss(name: str, **params) -> _LossModule:
    """Build a loss from its name in ``LOSSES`` and its parameters.

    Raises:
        ValueError: an unknown name, an unknown or missing parameter, or a value outside its
            domain; the message lists the choices.

    Example:
        >>> make_loss("softmax", tau=0.1)
        SoftmaxLoss(tau=0.1, pos_in_denominator=False, reduction='mean')
    """
    known = loss_parameters(name)
    unknown = [p for p in params if p not in known]
    if unknown:
        raise ValueError(f"loss {name!r} has no parameter {unknown[0]!r}; it takes {list(known)}")
    missing = [p for p, spec in known.items() if spec.default is spec.empty and p not in params]
    if missing:
        raise ValueError(f"loss {name!r} needs a value for {', '.join(missing)}")
    return LOSSES[name](**params)


def negative_form(loss: nn.Module | None) -> dict[str, float | bool] | None:
    """How a loss sees its negatives, as arguments of :func:`bslutils.scoring.soft_maximum`.

    ``None`` for a loss that needs every score, a loss that is not of this package or changes
    one of it, and a temperature that is a tensor and may want a gradient.

    Example:
        >>> negative_form(SoftmaxLoss(tau=0.1)), negative_form(BPRLoss())
        ({'tau': 0.1, 'mean': False}, None)
    """
    if type(loss) not in LOSSES.values() or type(loss).negatives is None:
        return None
    name, mean = type(loss).negatives
    tau = loss.params[name]
    return None if isinstance(tau, Tensor) else {"tau": tau, "mean": mean}
