"""Which loss is best: what is compared, on what, and what the records say.

The sweeps ``overall`` and ``score``.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from ..data import SOURCES
from .figure1 import final
from .records import MissingRun, Records, recorded
from .runner import best
from .testbeds import (
    DENSE,
    LARGE,
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

BACKBONES = (("MF", "row-adam"), ("NGCF", "adam"), ("LightGCN", "adam"))


def testbeds(size: str) -> list[Testbed]:
    """Where losses are ranked: matrix factorisation on real data, and graph models."""
    if size == "small":
        graph = replace(SMALL, batch_size=256)
        return [
            Testbed("movielens-small", LONGER),
            Testbed("amazon-electronics", replace(SPARSE, epochs=7), n_seeds=3),
            Testbed("ml-1m", DENSE, whole=False, n_seeds=3),
            Testbed("movielens-small", graph, "LightGCN", n_seeds=3),
            Testbed("movielens-small", graph, "NGCF", whole=False, n_seeds=3),
        ]
    return [
        Testbed(data, replace(LARGE, optimizer=optimizer), backbone, n_seeds=3)
        for data in ("ml-1m", "amazon-electronics", "gowalla", "yelp2018")
        for backbone, optimizer in BACKBONES
    ]


def grid(testbed: Testbed, loss: str) -> list[Trial]:
    """The six settings of a loss, with the first seed."""
    settings = SETTINGS.get(loss) or NEWER[loss]
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
    for testbed in testbeds(size):
        for loss in compared(testbed):
            yield from grid(testbed, loss)
            with suppress(MissingRun):
                yield from chosen(testbed, loss, records)


def score(size: str, records: Records) -> Iterator[Trial]:
    """The losses of the figure on inner products; on cosines they are in ``overall``."""
    for testbed in testbeds(size):
        if testbed.backbone == "MF":
            for loss in FIGURE:
                yield from inner(testbed, loss)
                with suppress(MissingRun):
                    yield from chosen(testbed, loss, records, inner)


# What the records say --------------------------------------------------------------------------


# Where the grid is nearest to the textbook: no weight on the negatives, and, since textbooks have a
# temperature of 1 without saying so, the highest one.
TEXTBOOK: dict[str, dict[str, float]] = {
    "bpr": {"tau": 0.55},
    "mse": {"neg_weight": 1},
    "bce": {"tau": 0.28, "neg_weight": 1},
}


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


class Tuning(NamedTuple):
    """A loss at its settings, with the first seed.

    Attributes:
        params: of each setting, in the order of the grid.
        test: the metric on test, ``(n_settings,)``.
        kept: which one validation chose.
    """

    params: list[dict[str, float]]
    test: np.ndarray
    kept: int

    def at(self, params: Mapping[str, float]) -> float:
        """The metric on test at one of the settings.

        Raises:
            ValueError: a setting that is not among them.
        """
        if dict(params) not in self.params:
            raise ValueError(f"params must be one of {self.params}, got {params}")
        return float(self.test[self.params.index(dict(params))])


def tuning(testbed: Testbed, loss: str, records: Records, *, metric: str = "ndcg@20") -> Tuning:
    """What each setting of a loss is worth on test."""
    trials = grid(testbed, loss)
    test, kept = measured(trials, records, metric, "test"), trials.index(best(trials, records))
    return Tuning([t.params for t in trials], test, kept)


class Protocols(NamedTuple):
    """One setting under two protocols; a metric on test each.

    Attributes:
        honest: trained without the validation pairs, which choose the epoch.
        paper: trained on all of them; test chooses the epoch.
        same_epoch: trained on all of them, at the epoch of the honest run.
        last: trained on all of them, at the last epoch.
    """

    honest: float
    paper: float
    same_epoch: float
    last: float

    @property
    def whole(self) -> float:
        """What the protocol adds, in parts of the honest figure."""
        return self.paper / self.honest - 1

    @property
    def pairs(self) -> float:
        """The part of it that is more training pairs."""
        return self.same_epoch / self.honest - 1

    @property
    def choosing(self) -> float:
        """The part of it that is choosing the epoch by test; the parts sum to the whole.

        Example:
            >>> found = Protocols(honest=0.10, paper=0.12, same_epoch=0.11, last=0.11)
            >>> round(found.whole, 3), round(found.pairs, 3), round(found.choosing, 3)
            (0.2, 0.1, 0.1)
        """
        return (self.paper - self.same_epoch) / self.honest


def long_run(data: str, loss: str, protocol: str, records: Records) -> dict[str, Any]:
    """The record of the long run of a loss in the sweep ``published``."""
    [record] = recorded([final(data, loss, protocol, records)], records)
    return record


def protocols(data: str, loss: str, records: Records, *, metric: str = "recall@20") -> Protocols:
    """The two long runs of a loss in the sweep ``published``.

    Under the paper protocol validation *is* test, so the history of a run has the test metric at
    every epoch that was looked at.
    """
    honest, paper = (long_run(data, loss, name, records) for name in ("honest", "paper"))
    seen = {entry["epoch"]: entry[metric] for entry in paper["history"] if metric in entry}
    return Protocols(
        honest["test"][metric],
        paper["test"][metric],
        seen[honest["best_epoch"]],
        seen[max(seen)],
    )


def lead(values: Mapping[str, float], *, of: str = "softmax") -> tuple[str, float]:
    """The best of the others, and by how much one loss is above it, in parts of it.

    Args:
        values: loss -> what is the better, the larger.
        of: the one.

    Raises:
        ValueError: the loss is not among the values, or alone.

    Example:
        >>> other, ahead = lead({"softmax": 0.06, "bpr": 0.05, "mse": 0.04})
        >>> other, round(ahead, 3)
        ('bpr', 0.2)
    """
    others = {name: value for name, value in values.items() if name != of}
    if of not in values or not others:
        raise ValueError(f"values must have {of!r} and another loss, got {', '.join(values)}")
    top = max(others, key=others.__getitem__)
    return top, values[of] / others[top] - 1
