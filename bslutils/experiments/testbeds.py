"""What experiments run on, and what they set of every loss."""

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..config import TrainConfig
from ..data import SOURCES
from .records import Records, recorded
from .runner import with_seeds
from .trial import Trial


def product(**values: Iterable) -> list[dict]:
    """Every setting of some values, in the order of nested loops.

    Example:
        >>> product(tau=(0.2, 0.3), weight=(1, 10))[:3]
        [{'tau': 0.2, 'weight': 1}, {'tau': 0.2, 'weight': 10}, {'tau': 0.3, 'weight': 1}]
    """
    return [dict(zip(values, point, strict=True)) for point in itertools.product(*values.values())]


TAUS = (0.1, 0.14, 0.2, 0.28, 0.39, 0.55)  # to choose among; steps of a factor 1.4

INTERCEPT = "bce_intercept"  # BCE with an intercept, which is compared as a loss of its own

# Six settings of every loss, for what a loss has to set.
SETTINGS: dict[str, list[dict[str, float]]] = {
    "mse": product(neg_weight=(1, 2, 5, 10, 20, 50)),
    "bce": product(tau=(0.14, 0.2, 0.28), neg_weight=(1, 5)),
    "bpr": product(tau=TAUS),
    "ccl": product(margin=(0.2, 0.5), neg_weight=(2, 5, 20)),
    "softmax": product(tau=TAUS),
    "reweighted_softmax": product(tau=(0.2, 0.28, 0.39), neg_weight=(0.9, 1.1)),
    "bilateral_softmax": product(tau_pos=(0.3, 1.0), tau_neg=(0.2, 0.28, 0.39)),
}


def at_edge(params: Mapping[str, float], grid: Sequence[Mapping[str, float]]) -> dict[str, str]:
    """Which parameters stand at an end of the values that were offered, and at which.

    A best value at an edge may have better ones beyond. Of two values each is an edge; a
    parameter with one value was not tuned and has none.

    Args:
        params: the setting that was chosen.
        grid: all settings that were offered, with the same parameters.

    Returns:
        Name of a parameter -> ``"lowest"`` or ``"highest"``.

    Raises:
        ValueError: a setting that is not in the grid.

    Example:
        >>> at_edge({"margin": 0.5, "neg_weight": 5}, SETTINGS["ccl"])
        {'margin': 'highest'}
    """
    if dict(params) not in [dict(setting) for setting in grid]:
        raise ValueError(f"params must be a setting of the grid, got {dict(params)}")
    found = {}
    for name, value in params.items():
        ends = min(s[name] for s in grid), max(s[name] for s in grid)
        if ends[0] < ends[1] and value in ends:
            found[name] = "lowest" if value == ends[0] else "highest"
    return found


@dataclass(frozen=True)
class Testbed:
    """Data and model that losses are compared on, and how they are trained.

    Every loss gets rows of several positives of one user: the bilateral loss needs them, and
    all see the same batches.
    """

    data: str
    config: TrainConfig
    backbone: str = "MF"
    whole: bool = True  # all that a sweep compares, or, where runs are dear, a part of it
    n_seeds: int = 5

    @property
    def title(self) -> str:
        """The name of the data in a figure."""
        return SOURCES[self.data].title

    def trial(self, loss: str, params: dict[str, float], *, fraction: float = 0.0, **config):
        """One trial of it; ``config`` replaces settings of the training."""
        return Trial(
            self.data,
            loss,
            params,
            replace(self.config, **config),
            self.backbone,
            false_positives=fraction,
        )

    def seeds(self, trial: Trial) -> list[Trial]:
        """The trial with every seed."""
        return with_seeds(trial, range(self.n_seeds))


SMALL = TrainConfig(
    epochs=15,
    batch_size=128,
    positives=8,
    n_negatives=512,
    lr=1e-2,
    schedule="cosine",
    weight_decay=1e-3,
    eval_every=5,
    patience=None,
)
SPARSE = replace(
    SMALL, epochs=8, batch_size=512, positives=4, optimizer="row-adam", weight_decay=1e-2
)
LONGER = replace(SMALL, epochs=25)
DENSE = replace(
    SMALL,
    epochs=6,
    batch_size=256,
    positives=16,
    n_negatives=256,
    optimizer="row-adam",
    lr=1e-2,
    weight_decay=3e-3,
)


def measured(trials: Sequence[Trial], records: Records, metric: str, view: str = "") -> np.ndarray:
    """The metric of each trial, ``(n_trials,)``: an entry of its record, or of a ``view`` in it.

    Raises:
        MissingRun: one is not recorded.
    """
    found = recorded(trials, records)
    return np.array([(record[view] if view else record)[metric] for record in found])


def columns(
    settings: Iterable[Sequence[Trial]], records: Records, metric: str, view: str = ""
) -> np.ndarray:
    """The metric over settings, ``(n_seeds, n_settings)``.

    Args:
        settings: for each the trials of all seeds.
        records, metric, view: as in :func:`measured`.

    Raises:
        MissingRun: a run is not recorded.
    """
    return np.stack([measured(trials, records, metric, view) for trials in settings], axis=1)
