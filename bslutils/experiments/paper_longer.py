"""Softmax loss alone trained twice as long, with and without false negatives.

A reading beside the first claim, which decides nothing: how much of what softmax loss loses slow
training may explain. It is a favour to softmax loss, since the others keep their length.
"""

from collections.abc import Iterator
from contextlib import suppress

from .paper_benches import CLEAN, WORST, Level
from .paper_noise import Runs, rise, trained_for
from .records import MissingRun, recorded
from .trial import Trial
from .verdicts import RISING

NEGATIVES, _ = WORST


class SoftmaxLonger(Runs):
    """The runs of a bench, where softmax loss has twice the epochs of the others, and one seed."""

    def kept(self, loss: str, level: Level) -> list[Trial]:
        """A loss at a level with the settings of clean data."""
        trials = super().kept(loss, level)
        if loss != "softmax":
            return trials
        return [trained_for(trials[0], 2 * self.epochs(), level)]


def longer(runs: Runs) -> Iterator[Trial]:
    """What the reading lacks, where softmax loss still rises under false negatives."""
    with suppress(MissingRun):
        [first, *_] = recorded(runs.kept("softmax", NEGATIVES)[:1], runs.records)
        if rise(first) >= RISING:
            twice = SoftmaxLonger(runs.bench, runs.records)
            for level in (CLEAN, NEGATIVES):
                yield from twice.kept("softmax", level)
