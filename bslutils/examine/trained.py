"""A loss trained beside those of the package, each with the same number of tries."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor, nn

from ..config import TrainConfig
from ..evaluate import evaluate
from ..experiments.verdicts import Estimate, estimate, ratio_of
from ..losses import make_loss
from ..models import MatrixFactorization
from ..store import fit_once
from .called import Called
from .rows import real_data
from .variants import FACTORS, copied, variants

METRIC, CPU = "ndcg@20", frozenset({"CPU"})
SEEDS, EPOCHS, POSITIVES, BATCH = 4, 10, 4, 1024
OTHERS = {
    "softmax": {"tau": 0.2},
    "bilateral_softmax": {"tau_neg": 0.2, "tau_pos": 0.5},
    "bpr": {"tau": 0.2},
}


@dataclass(frozen=True, eq=False)
class Trained:
    """What came out of training.

    Attributes:
        data: name of the data set.
        chosen: loss -> its setting, by validation; the loss in question is ``"yours"``.
        at_edge: those whose choice has nothing tried below it, or above.
        tries: settings of each loss.
        test: loss -> test NDCG@20, ``(seeds,)``.
        leads: other loss -> by how much the loss in question is above it, with its interval over
            users and seeds.
    """

    data: str
    chosen: dict[str, str]
    at_edge: list[str]
    tries: int
    test: dict[str, np.ndarray]
    leads: dict[str, Estimate]


class _AsTrained(nn.Module):
    """A loss that takes no masks, for the trainer, which gives them where there are any."""

    def __init__(self, loss: Callable[..., Any], flat: bool):
        super().__init__()
        self.loss, self.flat = loss, flat
        self.__name__ = getattr(loss, "__name__", type(loss).__name__)  # for messages

    def forward(self, pos: Tensor, neg: Tensor, pos_mask=None, neg_mask=None) -> Tensor:
        return self.loss(pos.squeeze(1) if self.flat else pos, neg)


def trained(loss: Called, *, takes_masks: bool) -> Trained:
    """Train matrix factorisation with the loss, softmax loss, BSL and BPR, and compare.

    Each loss has as many tries as the loss in question has :func:`variants`; validation chooses,
    with one seed, and the choice is trained with the others. Rows have several positives of a user
    where the loss takes several, and masks; else one.

    Raises:
        TypeError, ValueError, FloatingPointError: as :func:`bslutils.fit` says of the loss.
    """
    positives = POSITIVES if takes_masks and loss.positives == "many" else 1
    tries = {"yours": variants(loss.loss)}
    for name, params in OTHERS.items():
        tries[name] = variants(make_loss(name, **params))
    chosen, at_edge, users, n_tries = {}, [], {}, len(tries["yours"])
    for name, several in tries.items():
        wide = POSITIVES if name == "bilateral_softmax" else positives
        plain = name != "yours" or takes_masks

        def run(it: Callable, seed: int, wide: int = wide, plain: bool = plain) -> tuple:
            return _run(it if plain else _AsTrained(it, loss.positives == "flat"), wide, seed)

        first = {}
        for setting, it in [*several.items()][:n_tries]:
            try:
                first[setting] = run(it, 0)
            except (TypeError, ValueError, FloatingPointError):
                if not first:  # as it is; another setting may be outside what the loss allows
                    raise
        n_tries = len(first)  # of the loss in question, which comes first, and so of the others
        best = max(first, key=lambda setting: first[setting][0])
        chosen[name] = best
        as_it_is = next(iter(several))  # the one in the middle, where all were allowed
        if n_tries > 1 and (best != as_it_is or n_tries < len(FACTORS)):
            at_edge.append(name)
        more = [run(several[best], seed)[1] for seed in range(1, SEEDS)]
        users[name] = np.stack([first[best][1], *more])
    return Trained(
        real_data().name,
        chosen,
        at_edge,
        n_tries,
        {name: x.mean(1) for name, x in users.items()},
        {name: estimate(ratio_of(users["yours"], users[name], CPU).minus(1)) for name in OTHERS},
    )


def _run(loss: nn.Module, positives: int, seed: int) -> tuple[float, np.ndarray]:
    """The best validation, and the metric of each user on test."""
    data = real_data()
    model = MatrixFactorization(data.n_users, data.n_items, dim=64, seed=seed)
    config = TrainConfig(
        epochs=EPOCHS,
        batch_size=BATCH // positives,
        positives=positives,
        n_negatives=512,
        lr=1e-2,
        metric=METRIC,
        seed=seed,
        progress=False,
    )
    # What a loss learns starts where it did. Losses of the package are trained once for all.
    run = fit_once(model, data, copied(loss), config)
    if run.stopped == "interrupted":
        raise KeyboardInterrupt
    found = evaluate(model, data, split="test", ks=(20,), per_user=True)
    return run.best[METRIC], found[METRIC]
