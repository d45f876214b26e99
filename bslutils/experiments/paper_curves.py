"""What the runs of ``paper_noise`` lose, level by level."""

import itertools
from typing import NamedTuple

import numpy as np

from ..intervals import Interval
from ..provenance import device_kind
from .facts import facts_of
from .judged import interval, with_users
from .paper_benches import CLEAN, LEVELS, Level
from .paper_noise import Runs
from .records import MissingRun, recorded
from .trial import Trial
from .verdicts import METRIC, Ratio, lead


class Curve(NamedTuple):
    """The change of NDCG@20 from clean data on, over the levels of a noise that are recorded.

    Attributes:
        amounts: of noise, rising: shares of the negatives that are false, or false positives in
            parts of the positives.
        changes: relative, with the intervals of :func:`bslutils.experiments.judged.interval`;
            over seeds, where there are several, and the users of the first, which keeps them at
            every level.
    """

    amounts: list[float]
    changes: list[Interval]


def curve(runs: Runs, loss: str, kind: str) -> Curve:
    """What a loss loses with the settings of clean data, over the levels of a noise.

    Clean data have uniform negatives, and those their own share of false ones.

    Args:
        runs: of a bench.
        loss: which.
        kind: ``"negatives"`` or ``"positives"``.

    Raises:
        ValueError: another kind.
        MissingRun: a run on clean data is not recorded, or one at every other level; or not on
            the kind of device of those.
    """
    if kind not in ("negatives", "positives"):
        raise ValueError(f"kind must be 'negatives' or 'positives', got {kind!r}")
    levels = [CLEAN, *(level for level in LEVELS if level[0] == kind)]
    clean = first_seeds(runs, loss, CLEAN)
    found: dict[float, Interval] = {}
    missing = None
    for level in levels:
        try:
            noisy = first_seeds(runs, loss, level)[: len(clean)]
            change = _change(runs, noisy, clean[: len(noisy)])
        except MissingRun as error:
            missing = error
        else:
            found[amount(runs.bench.data, level, kind)] = interval(change)
    if len(found) < 2 and missing:
        raise missing
    amounts = sorted(found)
    return Curve(amounts, [found[x] for x in amounts])


def first_seeds(runs: Runs, loss: str, level: Level) -> list[Trial]:
    """A loss at a level with the settings of clean data: the seeds that are recorded, from the
    first one on, which may be missing itself.
    """
    trials = runs.kept(loss, level)
    return [*itertools.takewhile(lambda t: t.id in runs.records, trials)] or trials[:1]


def _change(runs: Runs, noisy: list[Trial], clean: list[Trial]) -> Ratio:
    """The relative change over all seeds, and how much the users of the first one move it."""
    sides = [recorded(trials, runs.records) for trials in (noisy, clean)]
    top, bottom = (np.array([record["test"][METRIC] for record in side]) for side in sides)
    return Ratio(
        float(top.mean() / bottom.mean()) - 1,
        top / bottom - 1,
        lead(*with_users(runs, noisy[:1], clean[:1])).users,
        frozenset(device_kind(record["hardware"]) for side in sides for record in side),
    )


def amount(data: str, level: Level, kind: str) -> float:
    """How much noise of a kind there is at a level."""
    if level != CLEAN:
        return level[1]
    return facts_of(data)["share of false negatives"] if kind == "negatives" else 0.0
