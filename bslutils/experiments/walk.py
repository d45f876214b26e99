"""Tuning by steps: from one setting to those beside it, as far as a budget goes."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from .records import MissingRun, Records
from .trial import Trial

Point = tuple[int, ...]  # steps from the start, one number for every knob
Goal = Callable[[dict[str, Any]], float]  # what is to be best, of a record


@dataclass(frozen=True)
class Knob:
    """A setting that is moved in steps.

    Attributes:
        by: what a step up does: a factor, or with ``add`` a summand.
        low, high: values beyond are not tried.
    """

    by: float
    add: bool = False
    low: float = 0.0
    high: float = float("inf")

    def moved(self, value: float, steps: int) -> float | None:
        """The value some steps up or, if negative, down; ``None`` where that is not tried.

        Example:
            >>> Knob(2).moved(0.1, -1), Knob(0.1, add=True, high=0.9).moved(0.8, 2)
            (0.05, None)
        """
        value = value + steps * self.by if self.add else value * self.by**steps
        value = float(f"{value:.4g}")  # so that equal settings are equal trials
        return value if self.low <= value <= self.high else None


def valid(record: dict[str, Any]) -> float:
    """The validation of a run."""
    return record["valid"]


def at_kept_epoch(record: dict[str, Any], metric: str) -> float:
    """A metric on validation at the epoch that a run keeps, whatever metric chose it."""
    return record["history"][record["best_epoch"] - 1][metric]


@dataclass(frozen=True)
class Walk:
    """The search for the best setting near a start; every loss gets as many trials.

    One trial at a time: a step from the best trial so far whose neighbours are not all tried, in
    one knob, up before down, the first knob first. So it climbs, looks around where it cannot,
    and never ends at an edge of what it tried unless the budget does.

    Attributes:
        start: the values of the knobs to start from.
        knobs: how each is moved.
        trial: the trial at some values.
        budget: number of trials.
        goal: what is to be best, of a record.
    """

    start: Mapping[str, float]
    knobs: Mapping[str, Knob]
    trial: Callable[[dict[str, float]], Trial]
    budget: int
    goal: Goal = valid

    def __post_init__(self):
        # What a plan asks for again and again, while it is made.
        object.__setattr__(self, "at", cache(self.at))
        object.__setattr__(self, "beside", cache(self.beside))

    def values(self, point: Point) -> dict[str, float | None]:
        """The values of the knobs at a point; ``None`` for one that does not go there."""
        return {
            name: self.knobs[name].moved(self.start[name], steps)
            for name, steps in zip(self.knobs, point, strict=True)
        }

    def at(self, point: Point) -> Trial:
        """The trial at a point."""
        return self.trial(self.values(point))

    def beside(self, point: Point) -> list[Point]:
        """The points one step away, in the order in which they are tried."""
        moved = [
            (*point[:k], point[k] + step, *point[k + 1 :])
            for k in range(len(point))
            for step in (1, -1)
        ]
        return [other for other in moved if None not in self.values(other).values()]

    def tried(self, records: Records) -> dict[Point, Trial]:
        """The trials so far, in order; the last one may be missing yet."""
        origin = (0,) * len(self.knobs)
        tried = {origin: self.at(origin)}
        while len(tried) < self.budget and all(t.id in records for t in tried.values()):
            ranked = sorted(tried, key=lambda p: -self.goal(records[tried[p].id]))
            new = next((q for p in ranked for q in self.beside(p) if q not in tried), None)
            if new is None:
                break
            tried[new] = self.at(new)
        return tried

    def best(self, records: Records) -> tuple[Trial, bool]:
        """The trial that is best, and whether all beside it were tried.

        Raises:
            MissingRun: the walk has not come to its end.
        """
        tried, top = self._top(records)
        return tried[top], all(q in tried for q in self.beside(top))

    def ranked(self, records: Records) -> list[Trial]:
        """The trials, the best first; of equals the first that was tried.

        Raises:
            MissingRun: the walk has not come to its end.
        """
        tried, _ = self._top(records)
        return sorted(tried.values(), key=lambda t: -self.goal(records[t.id]))

    def open_ends(self, records: Records) -> dict[str, str]:
        """The knobs of the best trial that were not moved both ways from it, where they go both.

        Each is ``"highest"`` if no step up was tried, ``"lowest"`` if none down, or ``"alone"``.

        Raises:
            MissingRun: the walk has not come to its end.
        """
        tried, top = self._top(records)
        untried = [q for q in self.beside(top) if q not in tried]
        found: dict[str, str] = {}
        for k, name in enumerate(self.knobs):
            steps = {q[k] - top[k] for q in untried} - {0}
            if steps:
                found[name] = {(1,): "highest", (-1,): "lowest"}.get((*steps,), "alone")
        return found

    def _top(self, records: Records) -> tuple[dict[Point, Trial], Point]:
        tried = self.tried(records)
        for trial in tried.values():
            if trial.id not in records:
                raise MissingRun(f"a run is missing: {trial.label}, seed {trial.config.seed}")
        # Of equals the first.
        return tried, max(tried, key=lambda p: self.goal(records[tried[p].id]))
