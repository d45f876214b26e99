"""Public functions with arguments that work, of which the attack spoils one or two."""

import inspect

import numpy as np
import torch

import bslutils as bsl
from bslutils import adapters, distributed, dro, losses, scoring
from bslutils.losses import LOSSES, loss_parameters

GOOD = {"n_items": 100, "k": 20, "radius": 0.1, "order": 2.0, "margin": 0.0}
OF_DRO = {"tau": 0.2, "radius": 0.1, "n_negatives": 5, "loss": "mse", "n": 9, "mean": 0.3}


def functions(data):
    """``(function, arguments)`` by name."""
    found = {}
    for name in dro.__all__:
        function = getattr(dro, name)
        if inspect.isfunction(function):
            wanted = inspect.signature(function).parameters.values()
            scores = [[0.0, 0.5, 1.0]] * 2 if name.startswith("joint") else [0.0, 0.5, 1.0]
            found[f"dro.{name}"] = (
                function,
                {p.name: OF_DRO.get(p.name, scores) for p in wanted if p.default is p.empty},
            )
    pair = {"pos": torch.ones(2, 1), "neg": torch.ones(2, 3)}
    for name in LOSSES:
        params = [p for p in loss_parameters(name) if p != "pos_in_denominator"]
        given = pair | {p: GOOD.get(p, 0.5) for p in params}
        found[f"losses.{name}"] = getattr(losses, f"{name}_loss"), given
    square, both = torch.eye(3), {"users": torch.eye(3), "items": torch.eye(3)}
    for function, given in (
        (losses.alignment, both),
        (losses.uniformity, {"vectors": square}),
        (losses.direct_au_loss, both | {"gamma": 1.0}),
        (scoring.ready, {"vectors": square, "score": "cosine"}),
        (scoring.soft_maximum, both | {"tau": 0.5}),
        (scoring.shared_scores, both),
        (scoring.pair_scores, both | {"items": torch.ones(3, 2, 3)}),
        (distributed.gather, {"vectors": square}),
        (adapters.public_loss, {"code": "bsl-multi", "t1": 0.5, "t2": 0.5}),
        (data.with_false_positives, {"fraction": 0.2, "seed": 0}),
        *((getattr(bsl.baselines, name), {"data": data}) for name in ("popularity", "item_knn")),
        *((getattr(bsl.baselines, name), {"data": data}) for name in ("ease", "gf_cf")),
    ):
        found[function.__name__] = function, given
    return found


def is_right(result):
    """A function gives something, and never NaN where it was given numbers."""
    return result is not None and not (isinstance(result, float) and np.isnan(result))
