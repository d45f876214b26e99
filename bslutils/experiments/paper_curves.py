"""What the runs of ``paper_noise`` lose, level by level."""

from typing import NamedTuple

import numpy as np

from ..intervals import Interval
from ..provenance import device_kind
from .facts import facts_of
from .judged import one_kind, with_users
from .paper_benches import CLEAN, LEVELS, Level
from .paper_noise import Runs
from .records import recorded
from .trial import Trial
from .verdicts import METRIC, Ratio, estimate, lead


class Curve(NamedTuple):
    """The change of NDCG@20 from clean data on, over the levels of a noise.

    Attributes:
        amounts: of noise, rising: shares of the negatives that are false, or false positives in
            parts of the positives.
        changes: relative, with the intervals of :func:`bslutils.experiments.verdicts.estimate`;
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
        MissingRun: a run is not recorded, or not on the kind of device of the others.
    """
    if kind not in ("negatives", "positives"):
        raise ValueError(f"kind must be 'negatives' or 'positives', got {kind!r}")
    levels = [CLEAN, *(level for level in LEVELS if level[0] == kind)]
    found = sorted((amount(runs.bench.data, level, kind), level) for level in levels)
    trials = [runs.kept(loss, level) for _, level in found]
    seeds = min(map(len, trials))
    clean = runs.kept(loss, CLEAN)[:seeds]
    alone = {"spread": 0.0, "freedom": 1} if seeds == 1 else {}
    changes = [estimate(_change(runs, some[:seeds], clean), **alone).interval for some in trials]
    return Curve([x for x, _ in found], changes)


def _change(runs: Runs, noisy: list[Trial], clean: list[Trial]) -> Ratio:
    """The relative change over all seeds, and how much the users of the first one move it."""
    sides = [recorded(trials, runs.records) for trials in (noisy, clean)]
    top, bottom = (np.array([record["test"][METRIC] for record in side]) for side in sides)
    return one_kind(
        Ratio(
            float(top.mean() / bottom.mean()) - 1,
            top / bottom - 1,
            lead(*with_users(runs, noisy[:1], clean[:1])).users,
            frozenset(device_kind(record["hardware"]) for side in sides for record in side),
        )
    )


def amount(data: str, level: Level, kind: str) -> float:
    """How much noise of a kind there is at a level."""
    if level != CLEAN:
        return level[1]
    return facts_of(data)["share of false negatives"] if kind == "negatives" else 0.0
