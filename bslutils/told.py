"""What a model and a loss are, ready for JSON: by this one alike is made, or compared."""

from typing import Any

from torch import Tensor, nn

from .losses import LOSSES, VECTOR_LOSSES
from .models import MODELS, model_settings


def told_of_model(model: nn.Module) -> dict[str, Any]:
    """Name, sizes and settings of a model of this package; of another one its class.

    Example:
        >>> from bslutils.models import MatrixFactorization
        >>> told_of_model(MatrixFactorization(3, 4, dim=2))["name"], told_of_model(nn.Identity())
        ('MF', {'name': None, 'class': 'Identity'})
    """
    name = next((name for name, kind in MODELS.items() if type(model) is kind), None)
    if name is None:
        return {"name": None, "class": type(model).__name__}
    return {"name": name, **model_settings(model)}


def told_of_loss(loss: Any) -> dict[str, Any] | None:
    """Name and parameters of a loss of this package, and which it learns; of another its class.

    Example:
        >>> from bslutils.losses import SoftmaxLoss
        >>> told_of_loss(SoftmaxLoss(tau=0.5))["params"]
        {'tau': 0.5, 'pos_in_denominator': False, 'reduction': 'mean'}
    """
    every = LOSSES | VECTOR_LOSSES
    name = next((name for name, kind in every.items() if type(loss) is kind), None)
    if name is None:
        return None if loss is None else {"name": None, "class": type(loss).__name__}
    params, learned = {}, []
    for key, value in loss.params.items():
        if isinstance(value, Tensor):
            learned += [key] if value.requires_grad else []
            value = value.item()
        params[key] = value
    return {"name": name, "params": params, "learned": learned}
