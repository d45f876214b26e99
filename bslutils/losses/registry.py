"""The losses by name."""

import inspect

from torch import Tensor, nn

from ..checks import shown
from . import adversarial, classic, divergences, psl, softmax, topk, variants, vectors
from .base import Loss

LOSSES: dict[str, type[Loss]] = {
    "mse": classic.MSELoss,
    "bce": classic.BCELoss,
    "bpr": classic.BPRLoss,
    "ccl": classic.CCLLoss,
    "softmax": softmax.SoftmaxLoss,
    "softmax_risk": softmax.SoftmaxRiskLoss,
    "bilateral_softmax": softmax.BilateralSoftmaxLoss,
    "pessimistic_bilateral_softmax": softmax.PessimisticBilateralSoftmaxLoss,
    "reweighted_softmax": variants.ReweightedSoftmaxLoss,
    "pooled_softmax": variants.PooledSoftmaxLoss,
    "rescaled_softmax": variants.RescaledSoftmaxLoss,
    "psl_tanh": psl.PSLTanhLoss,
    "psl_atan": psl.PSLAtanLoss,
    "psl_relu": psl.PSLReluLoss,
    "slatk": topk.SLAtKLoss,
    "llpauc": topk.LLPAUCLoss,
    "advinfonce": adversarial.AdvInfoNCELoss,
    "chi2": divergences.Chi2Loss,
    "cvar": divergences.CVaRLoss,
    "renyi": divergences.RenyiLoss,
}
# Of the vectors of a batch in place of scores; `fit` trains with them, too.
VECTOR_LOSSES: dict[str, type[Loss]] = {"direct_au": vectors.DirectAULoss}


def loss_parameters(name: str) -> dict[str, inspect.Parameter]:
    """The keyword parameters of a loss on scores or on vectors, ``reduction`` left out.

    Raises:
        ValueError: an unknown name; the message lists the choices.

    Example:
        >>> list(loss_parameters("bilateral_softmax"))
        ['tau_pos', 'tau_neg']
    """
    every = LOSSES | VECTOR_LOSSES
    if not isinstance(name, str) or name not in every:
        raise ValueError(f"unknown loss {shown(name)}; choose one of {', '.join(every)}")
    params = dict(inspect.signature(every[name]).parameters)
    params.pop("reduction", None)
    return params


def make_loss(name: str, **params) -> nn.Module:
    """Build a loss from its name in ``LOSSES`` or ``VECTOR_LOSSES`` and its parameters.

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
    return (LOSSES | VECTOR_LOSSES)[name](**params)


def negative_form(loss: nn.Module | None) -> dict[str, float | bool] | None:
    """How a loss sees its negatives, as arguments of :func:`bslutils.scoring.soft_maximum`.

    ``None`` for a loss that needs every score, a loss that is not of this package or changes
    one of it, and a temperature that is a tensor and may want a gradient.

    Example:
        >>> negative_form(make_loss("softmax", tau=0.1)), negative_form(make_loss("bpr"))
        ({'tau': 0.1, 'mean': False}, None)
    """
    if type(loss) not in LOSSES.values() or type(loss).negatives is None:
        return None
    tau, mean = negative_temperature(loss)
    return None if isinstance(tau, Tensor) else {"tau": tau, "mean": mean}


def negative_temperature(loss: nn.Module | None) -> tuple[float | Tensor, bool] | None:
    """The temperature at which a loss takes the soft maximum of its negatives, as it is now, and
    whether it is that of a mean; ``None`` for a loss that needs every score.

    A loss of your own says so by an attribute, such as ``negatives = ("tau", False)``, and has
    the temperature under that name.

    Example:
        >>> negative_temperature(make_loss("softmax", tau=0.1)), negative_temperature(None)
        ((0.1, False), None)
    """
    if getattr(loss, "negatives", None) is None:
        return None
    name, mean = loss.negatives
    return loss.params[name] if isinstance(loss, Loss) else getattr(loss, name), mean
