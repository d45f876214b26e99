"""What records of the sweeps on accuracy say: levels, what tuning is worth, what protocol is."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from .bench import Bench, measured
from .comparison import Settings, chosen, grid
from .published import final
from .records import Records
from .sweeps import best

# Where the grid is nearest to the textbook: no weight on the negatives, and, since textbooks have a
# temperature of 1 without saying so, the highest one.
TEXTBOOK: dict[str, dict[str, float]] = {
    "bpr": {"tau": 0.55},
    "mse": {"neg_weight": 1},
    "bce": {"tau": 0.28, "neg_weight": 1},
}


def level(
    bench: Bench,
    loss: str,
    records: Records,
    *,
    settings: Settings = grid,
    metric: str = "ndcg@20",
    view: str = "test",
) -> np.ndarray | None:
    """A metric of a loss at the setting that validation chose, by seed; ``None`` while one lacks.

    Args:
        bench, loss: of which runs.
        records: by id.
        settings: to choose among, as in :func:`bslutils.experiments.comparison.chosen`.
        metric, view: what to take of a record, such as ``"ndcg@20"`` of ``"test"``.
    """
    return measured(chosen(bench, loss, records, settings), records, metric, view)


def relative(bench: Bench, loss: str, records: Records, **which) -> np.ndarray | None:
    """By how much a loss is above softmax loss, in parts of it: both as chosen, paired by seed.

    ``which`` as in :func:`level`; ``None`` while a run is missing.
    """
    values, base = (level(bench, name, records, **which) for name in (loss, "softmax"))
    return None if values is None or base is None else values / base - 1


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


def tuning(bench: Bench, loss: str, records: Records, *, metric: str = "ndcg@20") -> Tuning | None:
    """What each setting of a loss is worth on test; ``None`` while a run is missing."""
    trials = grid(bench, loss)
    test, trial = measured(trials, records, metric, "test"), best(trials, records)
    if test is None or trial is None:
        return None
    return Tuning([t.params for t in trials], test, trials.index(trial))


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


def long_run(data: str, loss: str, protocol: str, records: Records) -> dict[str, Any] | None:
    """The record of the long run of a loss in the sweep ``published``; ``None`` while it lacks."""
    trial = final(data, loss, protocol, records)
    return None if trial is None else records.get(trial.id)


def protocols(
    data: str, loss: str, records: Records, *, metric: str = "recall@20"
) -> Protocols | None:
    """The two long runs of a loss in the sweep ``published``; ``None`` while one is missing.

    Under the paper protocol validation *is* test, so the history of a run has the test metric at
    every epoch that was looked at.
    """
    honest, paper = (long_run(data, loss, name, records) for name in ("honest", "paper"))
    if honest is None or paper is None:
        return None
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
