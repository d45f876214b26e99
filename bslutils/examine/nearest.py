"""Which loss of the package a loss is like."""

from collections.abc import Iterator
from functools import lru_cache
from itertools import product
from typing import NamedTuple

import torch
from torch import Tensor

from ..losses import LOSSES, loss_parameters, make_loss
from .called import Called
from .rows import Rows

TAUS = tuple(0.05 * 2 ** (k / 2) for k in range(11))  # 0.05 to 1.6
PEOPLE = 12
# Parameters that are not temperatures, or that need not have as many values.
VALUES = {
    "neg_weight": (0.8, 1.0, 1.2),
    "margin": (0.0, 0.2, 0.4, 0.6),
    "intercept": (0.0,),
    "tau_pos": (0.1, 0.3, 1.0),
    "tau_weight": (0.1, 0.5),
    "n_items": (2000,),
    "beta": (0.1, 0.3, 1.0),
    "alpha": (0.5, 1.0),
    "level": (0.05, 0.1, 0.3),
    "radius": (0.1, 0.5, 1.0),
    "order": (2.0,),
}


class Alike(NamedTuple):
    """A loss of the package, and the cosine of its gradient with that of the loss in question."""

    name: str
    params: dict[str, float]
    cosine: float


def nearest(loss: Called, rows: Rows, *, most: int = 3) -> list[Alike]:
    """The losses of the package whose gradients point most nearly the same way, each at its best.

    The gradient of a row is what training follows: two losses whose gradients have the same
    direction in every row train much alike under Adam, whatever their values. Of losses that are
    equally near, the first in :data:`bslutils.losses.LOSSES` is named.

    Raises:
        Unusable: the loss fails.
    """
    pos, neg = rows.pos[:PEOPLE], rows.neg[:PEOPLE]
    if loss.positives != "many":
        pos = pos[:, :1]
    ours = _directions(loss, pos, neg)
    best: dict[str, Alike] = {}
    for name, params, theirs in _known(pos.shape[1], rows):
        cosine = float((ours * theirs).sum(1).mean())
        if name not in best or cosine > best[name].cosine + 1e-9:
            best[name] = Alike(name, params, cosine)
    distinct: dict[float, Alike] = {}  # of those that are alike to rounding, the first
    for alike in best.values():
        distinct.setdefault(round(alike.cosine, 6), alike)
    return sorted(distinct.values(), key=lambda x: -x.cosine)[:most]


def _settings() -> Iterator[tuple[str, dict[str, float]]]:
    for name in LOSSES:
        knobs = [
            [(p, value) for value in (TAUS if p in ("tau", "tau_neg") else VALUES[p])]
            for p, spec in loss_parameters(name).items()
            if spec.default is spec.empty or p in VALUES or p == "tau"
        ]
        yield from ((name, dict(values)) for values in product(*knobs))


@lru_cache
def _known(positives: int, rows: Rows) -> list[tuple[str, dict[str, float], Tensor]]:
    """Every loss at every setting, with its directions."""
    pos, neg = rows.pos[:PEOPLE, :positives], rows.neg[:PEOPLE]
    return [
        (name, params, _directions(Called(make_loss(name, **params)), pos, neg))
        for name, params in _settings()
    ]


def _directions(loss: Called, pos: Tensor, neg: Tensor) -> Tensor:
    """The gradient of each row, of length 1: ``(B, P + N)``."""
    whole = torch.cat(loss.gradients(pos, neg).or_zero(pos, neg), 1)
    return torch.nn.functional.normalize(whole, dim=1)
