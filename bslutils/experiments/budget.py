"""What tuning is worth: losses at each of their settings, at the chosen one, and at the textbook's.

Read off the first seed of the sweep ``overall``.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from .accuracy import LOSSES, compared, grid
from .figure1 import BASELINES
from .ranking import Lead, lead
from .records import Records
from .runner import best
from .testbeds import Testbed, measured

# Where the grid is nearest to the textbook: no weight on the negatives, and, since textbooks have a
# temperature of 1 without saying so, the highest one.
TEXTBOOK: dict[str, dict[str, float]] = {
    "bpr": {"tau": 0.55},
    "mse": {"neg_weight": 1},
    "bce": {"tau": 0.28, "neg_weight": 1},
}


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

    @property
    def chosen(self) -> float:
        """The metric on test at the setting that validation chose."""
        return float(self.test[self.kept])

    @property
    def spread(self) -> float:
        """How far the best setting by test is above the worst, in parts of the worst."""
        return float(self.test.max() / self.test.min() - 1)

    def place(self, params: Mapping[str, float]) -> int:
        """Where in the grid a setting is.

        Raises:
            ValueError: a setting that is not among them.
        """
        if dict(params) not in self.params:
            raise ValueError(f"params must be one of {self.params}, got {params}")
        return self.params.index(dict(params))

    def at(self, params: Mapping[str, float]) -> float:
        """The metric on test at one of the settings; ``ValueError`` for another."""
        return float(self.test[self.place(params)])


def tuning(testbed: Testbed, loss: str, records: Records, *, metric: str = "ndcg@20") -> Tuning:
    """What each setting of a loss is worth on test.

    Raises:
        MissingRun: a run is not recorded, here and below.
    """
    trials = grid(testbed, loss)
    test, kept = measured(trials, records, metric, "test"), trials.index(best(trials, records))
    return Tuning([t.params for t in trials], test, kept)


def tunings(testbed: Testbed, records: Records) -> dict[str, Tuning]:
    """Every loss of the first parts of the book that is compared on a testbed."""
    losses = [loss for loss in LOSSES if loss in compared(testbed)]
    return {loss: tuning(testbed, loss, records) for loss in losses}


class Worth(NamedTuple):
    """Settings against losses, on one testbed.

    Attributes:
        within: how far the best setting of a loss is above its worst, for the median loss.
        between: how far the best loss, as chosen, is above the worst one.
        over_tuned: the lead of softmax loss over the best baseline, both as chosen.
        over_textbook: its lead, as chosen, over the best baseline at ``TEXTBOOK``.
    """

    within: float
    between: float
    over_tuned: Lead
    over_textbook: Lead


def worth(found: Mapping[str, Tuning]) -> Worth:
    """What tuning is worth beside the choice of a loss, all in parts of the lower value.

    Args:
        found: as :func:`tunings` gives them; softmax loss and the ``BASELINES`` are among them.

    Example:
        >>> def one(*test, kept=0, **params):
        ...     return Tuning([params, {"tau": 9}], np.array(test), kept)
        >>> found = {
        ...     "softmax": one(0.3, 0.2, tau=1),
        ...     "bpr": one(0.2, 0.25, kept=1, **TEXTBOOK["bpr"]),
        ...     "mse": one(0.1, 0.05, **TEXTBOOK["mse"]),
        ...     "bce": one(0.15, 0.1, **TEXTBOOK["bce"]),
        ... }
        >>> within, between, tuned, textbook = worth(found)
        >>> round(within, 3), round(between, 3)
        (0.5, 2.0)
        >>> tuned.over, round(tuned.by, 3), round(textbook.by, 3)
        ('bpr', 0.2, 0.5)
    """
    chosen = {name: one.chosen for name, one in found.items()}
    figure = {name: chosen[name] for name in (*BASELINES, "softmax")}
    textbook = {name: found[name].at(TEXTBOOK[name]) for name in BASELINES}
    return Worth(
        float(np.median([one.spread for one in found.values()])),
        max(chosen.values()) / min(chosen.values()) - 1,
        lead(figure),
        lead(textbook | {"softmax": chosen["softmax"]}),
    )
