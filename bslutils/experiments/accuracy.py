"""Which loss is best: what is compared, on what, and what the records say.

The sweeps ``overall`` and ``score``.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import replace

import numpy as np

from ..data import SOURCES
from .figure1 import BASELINES
from .ranking import Lead, best_first
from .records import MissingRun, Records
from .runner import best
from .testbeds import (
    DENSE,
    INTERCEPT,
    LONGER,
    SETTINGS,
    SMALL,
    SPARSE,
    TAUS,
    Testbed,
    measured,
    product,
)
from .trial import Trial

LOSSES = ("softmax", "bilateral_softmax", "reweighted_softmax", "ccl", "mse", "bce", "bpr")
FIGURE = ("softmax", "mse", "bce", "bpr")  # of the paper's first figure; all, where runs are dear
# Later losses, with six settings as those have.
NEWER: dict[str, list[dict[str, float]]] = {
    "psl_relu": product(tau=TAUS),
    "slatk": product(tau=(0.2, 0.28, 0.39), tau_weight=(1.0, 2.25)),
    "advinfonce": product(tau=(0.2, 0.28, 0.39), radius=(0.001, 0.01)),
    "llpauc": product(beta=(0.03, 0.1, 0.2, 0.3, 0.5, 1.0)),
}
# Losses with a parameter of their own: name -> the loss, and six settings. An intercept of BCE
# does what a weight on the negatives does, and spares the vectors a level.
FORMS: dict[str, tuple[str, list[dict[str, float]]]] = {
    INTERCEPT: ("bce", product(tau=(0.14, 0.2, 0.28), neg_weight=(5,), intercept=(-1, -3))),
}

# Losses of the figure on inner products: two settings each, with four L2 terms, eight in all.
# That term decides about the length of a vector, which cosines do not see.
INNER: dict[str, list[dict[str, float]]] = {
    "softmax": product(tau=(0.3, 1.0)),
    "mse": product(neg_weight=(5, 20)),
    "bce": product(tau=(1.0,), neg_weight=(1, 5)),
    "bpr": product(tau=(0.3, 1.0)),
}
INNER_L2 = (1e-5, 1e-4, 1e-3, 1e-2)

Settings = Callable[[Testbed, str], list[Trial]]  # the trials of a loss to choose among


def testbeds() -> list[Testbed]:
    """Where losses are ranked: matrix factorisation on real data, and graph models."""
    graph = replace(SMALL, batch_size=256)
    return [
        Testbed("movielens-small", LONGER),
        Testbed("amazon-electronics", replace(SPARSE, epochs=7), n_seeds=3),
        Testbed("ml-1m", DENSE, whole=False, n_seeds=3),
        Testbed("movielens-small", graph, "LightGCN", n_seeds=3),
        Testbed("movielens-small", graph, "NGCF", whole=False, n_seeds=3),
    ]


def grid(testbed: Testbed, loss: str) -> list[Trial]:
    """The six settings of a loss, with the first seed."""
    loss, settings = FORMS.get(loss) or (loss, SETTINGS.get(loss) or NEWER[loss])
    if loss == "slatk":
        settings = [setting | {"n_items": SOURCES[testbed.data].n_items} for setting in settings]
    return [testbed.trial(loss, setting) for setting in settings]


def inner(testbed: Testbed, loss: str) -> list[Trial]:
    """The eight settings of a loss on inner products, with the first seed."""
    trials = []
    for setting in INNER[loss]:
        for l2 in INNER_L2:
            trial = testbed.trial(loss, setting, weight_decay=l2)
            label = f"{trial.label} inner product L2={l2:g}"
            trials.append(replace(trial, model={"score": "dot"}, label=label))
    return trials


def chosen(
    testbed: Testbed,
    loss: str,
    records: Records,
    settings: Settings = grid,
) -> list[Trial]:
    """The setting that validation chose, with every seed.

    Args:
        testbed, loss: of which runs.
        records: by id.
        settings: gives the trials to choose among, :func:`grid`, :func:`inner` or :func:`either`.

    Raises:
        MissingRun: one of these is not recorded.
    """
    return testbed.seeds(best(settings(testbed, loss), records))


def either(testbed: Testbed, loss: str) -> list[Trial]:
    """The fourteen settings of a loss on cosines and on inner products, with the first seed."""
    return [*grid(testbed, loss), *inner(testbed, loss)]


def compared(testbed: Testbed) -> tuple[str, ...]:
    """The losses that are compared on a testbed: the later ones on the smallest alone."""
    if not testbed.whole:
        return FIGURE
    both = testbed.data == "movielens-small" and testbed.backbone == "MF"
    return (*LOSSES, *NEWER) if both else LOSSES


def overall(size: str, records: Records) -> Iterator[Trial]:
    """Every loss at its best setting."""
    for testbed in testbeds():
        for loss in compared(testbed):
            yield from grid(testbed, loss)
            with suppress(MissingRun):
                yield from chosen(testbed, loss, records)


def score(size: str, records: Records) -> Iterator[Trial]:
    """The losses of the figure on inner products; on cosines they are in ``overall``."""
    for testbed in testbeds():
        if testbed.backbone == "MF":
            for loss in FIGURE:
                yield from inner(testbed, loss)
                with suppress(MissingRun):
                    yield from chosen(testbed, loss, records, inner)


# What the records say; more of it in ``budget`` and ``score`` -----------------------------------


def level(
    testbed: Testbed,
    loss: str,
    records: Records,
    *,
    settings: Settings = grid,
    metric: str = "ndcg@20",
    view: str = "test",
) -> np.ndarray:
    """A metric of a loss at the setting that validation chose, by seed.

    Args:
        testbed, loss: of which runs.
        records: by id.
        settings: to choose among, as in :func:`bslutils.experiments.accuracy.chosen`.
        metric, view: what to take of a record, such as ``"ndcg@20"`` of ``"test"``.

    Raises:
        MissingRun: a run is not recorded, here and below.
    """
    return measured(chosen(testbed, loss, records, settings), records, metric, view)


def relative(testbed: Testbed, loss: str, records: Records, **which) -> np.ndarray:
    """By how much a loss is above softmax loss, in parts of it: both as chosen, paired by seed.

    ``which`` as in :func:`level`.
    """
    values, base = (level(testbed, name, records, **which) for name in (loss, "softmax"))
    return values / base - 1


def levels(testbed: Testbed, losses: Iterable[str], records: Records, **which) -> dict[str, float]:
    """Loss -> mean over seeds of :func:`level`; ``which`` as there."""
    return {loss: float(level(testbed, loss, records, **which).mean()) for loss in losses}


def preferred(testbed: Testbed, records: Records, *, settings: Settings = grid) -> str:
    """The one of ``BASELINES`` that validation prefers, at its chosen setting, over all seeds."""
    valid = levels(testbed, BASELINES, records, settings=settings, metric="valid", view="")
    return best_first(valid)[0]


def ahead(testbed: Testbed, records: Records, *, settings: Settings = grid) -> Lead:
    """The lead of softmax loss over the baseline that validation prefers, by seed.

    Each loss is at the setting that validation chose among ``settings``.
    """
    other = preferred(testbed, records, settings=settings)
    ours, theirs = (level(testbed, name, records, settings=settings) for name in ("softmax", other))
    return Lead(other, ours / theirs - 1)
