"""What a run will take, learned from records of the like."""

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import numpy as np

from ..provenance import device_kind
from .trial import NO_LOSS, Trial

CAREFUL = 0.9  # the quantile of what like runs took that a run is expected to take


class Costs:
    """Expected seconds of trials on one kind of device.

    An epoch takes what the runs that are most alike took for one: on the same kind of device if
    there are any, of these with the same data and backbone, of these with the same batches, of
    these with the same loss, and of these with the same kind of noise. Of what they took the
    upper end counts, since a run that is not through in time is lost.

    Args:
        records: to learn from.
        kind: of the device, as :func:`bslutils.provenance.device_kind` calls it.

    Example:
        >>> from bslutils import TrainConfig
        >>> trial = Trial("synthetic", "bpr", {"tau": 0.2}, TrainConfig(epochs=3))
        >>> costs = Costs([], "CPU")
        >>> costs.of(trial) is None
        True
        >>> costs.add(trial.settings | {"history": [{}] * 3, "seconds": 6.0, "hardware": "2 cores"})
        >>> costs.of(trial)
        6.0
    """

    def __init__(self, records: Iterable[dict[str, Any]], kind: str):
        self.kind = kind
        # Seconds of an epoch, by likeness.
        self._rates: dict[tuple, list[float]] = defaultdict(list)
        for record in records:
            self.add(record)

    def add(self, record: dict[str, Any]) -> None:
        """Learn from one more record."""
        if record["history"]:
            rate = record["seconds"] / len(record["history"])
            for key in _likeness(record, device_kind(record["hardware"])):
                self._rates[key].append(rate)

    def of(self, trial: Trial, quantile: float = CAREFUL) -> float | None:
        """Seconds that the trial is expected to take; ``None`` before the first record."""
        for key in _likeness(trial.settings, self.kind):
            if key in self._rates:
                epochs = trial.config.epochs if trial.trains else 1
                return epochs * float(np.quantile(self._rates[key], quantile))
        return None


def _likeness(settings: dict[str, Any], kind: str) -> list[tuple]:
    """What a run has in common with others, from the closest likeness to none."""
    if settings["loss"] == NO_LOSS:  # nothing is trained: like the same fit, on the same data
        fit = NO_LOSS, settings["backbone"]
        return [(kind, *fit, settings["data"]), ("anywhere", *fit, settings["data"])]
    config = settings["config"]
    batches = "batch_size", "positives", "n_negatives", "n_lists", "sampler", "optimizer"
    noise = config["negative_noise"]
    parts = [
        (settings["data"], settings["backbone"]),
        tuple(config.get(name, 1) for name in batches),
        (settings["loss"], settings["model"].get("score")),
        ((noise > 1) - (noise < 1), settings["false_positives"] > 0),
    ]
    shared = [tuple(parts[:k]) for k in range(len(parts), -1, -1)]
    return [(where, *what) for where in (kind, "anywhere") for what in shared]
