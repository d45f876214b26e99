"""What each decision of somebody who trains a recommender is worth, wherever it was measured.

A row for a decision on a data set: the relative gain in NDCG@20 on test over what is done without
it. Every setting is chosen on validation, so that test chooses nothing, but where a row says so.
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np

from ..data import SOURCES
from ..intervals import Interval, t_interval
from . import ablations, accuracy, every_loss, fairness, noise, temperatures, without_loss
from .figure1 import BASELINES
from .noise import CURVE_TAUS, NEGATIVE, POSITIVE
from .ranking import best_first
from .records import MissingRun, Records
from .testbeds import TAUS, Testbed, measured

HALF, TWICE = -2, 2  # steps of the grid of temperatures: a factor of 1.96
FEW, MANY = 32, 512  # negatives
METRIC = "ndcg@20"


class Gain(NamedTuple):
    """What a decision is worth on a data set.

    Attributes:
        data: its title.
        by: the relative gain, with its 95 % interval over seeds.
        seeds: how many.
        note: what was chosen, or compared with.
    """

    data: str
    by: Interval
    seeds: int
    note: str = ""


@dataclass(frozen=True)
class Decision:
    """Something to decide.

    Attributes:
        do: what is done.
        beside: what it is compared with.
        sweeps: that it rests on.
        read: gives the gain on a data set, from its testbed or its name and the records.
        where: those.
    """

    do: str
    beside: str
    sweeps: tuple[str, ...]
    read: Callable[..., Gain]
    where: Callable[[], list]

    def gains(self, records: Records) -> list[Gain]:
        """The gain on each data set; one that lacks a run is left out."""
        found = []
        for place in self.where():
            with suppress(MissingRun):
                found.append(self.read(place, records))
        return found


def _gain(place: Testbed | str, ours: np.ndarray, theirs: np.ndarray, note: str = "") -> Gain:
    data = place if isinstance(place, str) else place.data
    return Gain(SOURCES[data].title, t_interval(ours / theirs - 1), len(ours), note)


def off(testbed: Testbed, records: Records, steps: int) -> Gain:
    """Softmax loss at the temperature that validation chose, beside one some steps away.

    Raises:
        MissingRun: a run is not recorded, or the grid does not reach as far; here and below.
    """
    runs, kept = temperatures.one(testbed, records), temperatures.kept(testbed, records)
    best = TAUS.index(kept)
    if not 0 <= best + steps < len(TAUS):
        raise MissingRun(f"a run is missing: {testbed.data} at a temperature beyond the grid")
    return _gain(testbed, runs[:, best], runs[:, best + steps], f"τ = {kept:g}")


def no_loss(data: str, records: Records) -> Gain:
    """The method without a loss that validation prefers, beside softmax loss tuned at length."""
    method = without_loss.preferred(data, records)
    ours = without_loss.reached(data, method, "honest", records).test[METRIC].mean()
    theirs = every_loss.level(data, "softmax", records)
    return _gain(data, np.full(len(theirs), ours), theirs, method.title)


def either_score(testbed: Testbed, records: Records) -> Gain:
    """Softmax loss on the score that validation prefers, beside cosines."""
    both, cosines = (
        accuracy.level(testbed, "softmax", records, settings=settings)
        for settings in (accuracy.either, accuracy.grid)
    )
    score = "cosines" if np.array_equal(both, cosines) else "inner products"
    return _gain(testbed, both, cosines, score)


def more_negatives(testbed: Testbed, records: Records, few: int, many: int) -> Gain:
    """More negatives, each number at the temperature that validation prefers."""
    found = []
    for n in (many, few):
        valid = ablations.over_taus(testbed, n, records, metric="valid", view="").mean(0)
        found.append(ablations.over_taus(testbed, n, records)[:, valid.argmax()])
    return _gain(testbed, *found)


def softmax_loss(data: str, records: Records) -> Gain:
    """Softmax loss, beside that of BPR, MSE and BCE which validation prefers."""
    valid = {
        loss: measured(every_loss.choice(data, loss, records).final, records, "valid").mean()
        for loss in BASELINES
    }
    over = best_first(valid)[0]
    return at_length(data, records, "softmax", over)._replace(note=over)


def at_length(data: str, records: Records, loss: str, over: str = "softmax") -> Gain:
    """A loss beside another, by default softmax loss, both tuned at length on clean data."""
    ours, theirs = (every_loss.choice(data, x, records).final for x in (loss, over))
    by = every_loss.difference(ours, theirs, records, METRIC, relative=True)
    return Gain(SOURCES[data].title, by, len(ours))


def bilateral(testbed: Testbed, records: Records, level: float) -> Gain:
    """BSL beside softmax loss under false positives, both tuned there."""
    ours, theirs = (
        POSITIVE.values(testbed, x, level, records, tuned=True)
        for x in ("bilateral_softmax", "softmax")
    )
    return _gain(testbed, ours, theirs)


def over_best_tau(testbed: Testbed, records: Records) -> Gain:
    """The same against the temperature of softmax loss that *test* prefers."""
    ours = POSITIVE.values(testbed, "bilateral_softmax", FALSE, records, tuned=True)
    theirs = noise.by_tau(testbed, records, metric=METRIC, view="test", fraction=FALSE)
    best = theirs.mean(0).argmax()
    return _gain(testbed, ours, theirs[:, best], f"τ = {CURVE_TAUS[best]:g}")


def instead(testbed: Testbed, records: Records, loss: str) -> Gain:
    """A loss beside softmax loss where no positive was made false, both on cosines."""
    return _gain(testbed, *(accuracy.level(testbed, x, records) for x in (loss, "softmax")))


def tuned_again(testbed: Testbed, records: Records, **level: float) -> Gain:
    """The temperature that validation prefers under noise, beside that of clean data."""
    kept, again = (int(noise.by_tau(testbed, records, **at).mean(0).argmax()) for at in ({}, level))
    runs = noise.by_tau(testbed, records, metric=METRIC, view="test", **level)
    note = f"τ = {CURVE_TAUS[again]:g} for {CURVE_TAUS[kept]:g}"
    return _gain(testbed, runs[:, again], runs[:, kept], note)


def _matrix_factorisation() -> list[Testbed]:
    return [testbed for testbed in accuracy.testbeds() if testbed.backbone == "MF"]


FALSE, DRAWN = POSITIVE.levels[-1], NEGATIVE.levels[-1]
DECISIONS = (
    Decision(
        "tune τ",
        "half of it",
        ("fairness",),
        lambda place, records: off(place, records, HALF),
        fairness.testbeds,
    ),
    Decision(
        "tune τ",
        "twice of it",
        ("fairness",),
        lambda place, records: off(place, records, TWICE),
        fairness.testbeds,
    ),
    Decision(
        f"{MANY} negatives a batch",
        f"{FEW}",
        ("negatives",),
        lambda place, records: more_negatives(place, records, FEW, MANY),
        ablations.testbeds,
    ),
    Decision(
        f"{4 * MANY:,} negatives a batch",
        f"{MANY}",
        ("negatives",),
        lambda place, records: more_negatives(place, records, MANY, 4 * MANY),
        ablations.testbeds,
    ),
    Decision(
        "choose the score, too",
        "cosines",
        ("overall", "score"),
        either_score,
        _matrix_factorisation,
    ),
    Decision(
        "a method without a loss",
        "softmax loss on MF, tuned at length",
        ("without_loss", "field"),
        no_loss,
        lambda: list(every_loss.TUNING),
    ),
    Decision(
        "softmax loss",
        "the best of BPR, MSE and BCE, tuned at length",
        ("field",),
        softmax_loss,
        lambda: list(every_loss.TUNING),
    ),
    Decision(
        f"BSL, {FALSE:.0%} false positives",
        "softmax loss",
        ("positive_noise",),
        lambda place, records: bilateral(place, records, FALSE),
        noise.testbeds,
    ),
    Decision(
        f"BSL, {FALSE:.0%} false positives",
        "softmax loss at the τ that test prefers",
        ("positive_noise", "temperature"),
        over_best_tau,
        noise.testbeds,
    ),
    *(
        Decision(f"{name}, no false positives", beside, sweeps, partial(read, loss=loss), where)
        for name, loss in (("BSL", "bilateral_softmax"), ("reweighted SL", "reweighted_softmax"))
        for beside, sweeps, read, where in (
            ("softmax loss", ("overall",), instead, _matrix_factorisation),
            ("softmax loss, tuned at length", ("field",), at_length, lambda: [*every_loss.TUNING]),
        )
    ),
    Decision(
        f"τ tuned again, {FALSE:.0%} false positives",
        "τ of clean data",
        ("temperature",),
        lambda place, records: tuned_again(place, records, fraction=FALSE),
        noise.testbeds,
    ),
    Decision(
        f"τ tuned again, false negatives drawn {DRAWN:g} times as often",
        "τ of clean data",
        ("temperature",),
        lambda place, records: tuned_again(place, records, negative_noise=DRAWN),
        noise.testbeds,
    ),
)


def every_gain(records: Records) -> list[tuple[Decision, Gain]]:
    """All decisions with their gains, in the order of :data:`DECISIONS`."""
    return [(decision, gain) for decision in DECISIONS for gain in decision.gains(records)]
