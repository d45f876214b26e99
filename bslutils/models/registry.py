"""The models by name."""

import inspect
from typing import Any

from torch import nn

from ..checks import plain, shown
from ..data import Interactions, check_data
from . import contrastive, factorization, lightgcn, ngcf

MODELS: dict[str, type[nn.Module]] = {
    "MF": factorization.MatrixFactorization,
    "NGCF": ngcf.NGCF,
    "LightGCN": lightgcn.LightGCN,
    "LightGCN++": lightgcn.LightGCNPlusPlus,
    "SimGCL": contrastive.SimGCL,
    "XSimGCL": contrastive.XSimGCL,
}


def model_parameters(name: str) -> dict[str, inspect.Parameter]:
    """The keyword parameters of the model called ``name``: all but its data.

    Raises:
        ValueError: an unknown name; the message lists the choices.

    Example:
        >>> list(model_parameters("MF"))
        ['dim', 'score', 'user_dropout', 'seed']
    """
    if not isinstance(name, str) or name not in MODELS:
        raise ValueError(f"unknown model {shown(name)}; choose one of {', '.join(MODELS)}")
    params = inspect.signature(MODELS[name]).parameters
    return {key: spec for key, spec in params.items() if spec.kind is spec.KEYWORD_ONLY}


def model_settings(model: nn.Module) -> dict[str, Any]:
    """Sizes and settings of a model of this package, by which one alike is made; but for its seed.

    Example:
        >>> import bslutils as bsl
        >>> model_settings(make_model("MF", bsl.load("synthetic"), dim=8))["user_dropout"]
        0.0
    """
    (n_users, dim), n_items = model.user_table.shape, len(model.item_table)
    name = next(name for name, kind in MODELS.items() if type(model) is kind)
    known = {
        key: getattr(model, key) for key in model_parameters(name) if key not in {"dim", "seed"}
    }
    return {"n_users": n_users, "n_items": n_items, "dim": dim, **known}


def make_model(name: str, data: Interactions, **params) -> nn.Module:
    """Build a model for ``data`` from its name in ``MODELS`` and its parameters.

    Raises:
        ValueError: an unknown name, an unknown parameter, or a value outside its domain.

    Example:
        >>> import bslutils as bsl
        >>> make_model("MF", bsl.load("synthetic"), dim=8)
        MatrixFactorization(n_users=500, n_items=800, dim=8, score='cosine')
    """
    known = model_parameters(name)
    unknown = [p for p in params if p not in known]
    if unknown:
        raise ValueError(f"model {name!r} has no parameter {unknown[0]!r}; it takes {list(known)}")
    check_data(data)
    params = {key: plain(value) for key, value in params.items()}
    model = MODELS[name]
    if getattr(model, "on_graph", False):
        return model(data.train, **params)
    return model(data.n_users, data.n_items, **params)
