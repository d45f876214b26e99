"""Noise on the paper's data, from models that have converged: what is run.

The sweep ``paper_noise``, whose order is that of :mod:`.paper_plan`.
"""

import itertools
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from functools import cache

import numpy as np

from . import every_loss
from .paper_benches import (
    CLEAN,
    LEVELS,
    LOSSES,
    MAIN,
    OTHERS,
    POOLED,
    WORST,
    Bench,
    Level,
    bench,
)
from .paper_trials import KNOBS, at, start, walk
from .records import MissingRun, Records, lacks, recorded
from .runner import with_seeds
from .testbeds import INTERCEPT, measured
from .trial import Trial
from .verdicts import ADDED, METRIC
from .walk import Goal, Walk, at_kept_epoch, valid

SEEDS = range(3)
TWICE = (1, 2, 4)  # lengths of training that are tried, in parts of the first


def valid_ndcg(record: dict) -> float:
    """NDCG@20 on validation, at the epoch that a run keeps; 0 of a run that diverged."""
    return at_kept_epoch(record, METRIC) if record["valid"] else 0.0


def rise(record: dict) -> float:
    """What validation gained between the last two looks, in parts."""
    metric = record["config"]["metric"]
    *_, before, last = (entry[metric] for entry in record["history"] if metric in entry)
    return last / before - 1


class Runs:
    """The runs of a bench, as far as records tell which.

    Every method raises :class:`MissingRun` where a run that it rests on is not recorded.

    Attributes:
        bench: the data, and how is trained on them.
        records: of the runs.
        goal: what the tuning of every loss looks for. The length of training is chosen by
            :func:`valid` alone.
    """

    def __init__(self, bench: Bench, records: Records, goal: Goal = valid):
        self.bench, self.records, self.goal = bench, records, goal
        # What a plan asks for again and again, while it is made.
        self.clean, self._settings = cache(self.clean), cache(self._settings)
        self.epochs = cache(self.epochs if goal is valid else Runs(bench, records).epochs)

    def clean(self, loss: str) -> Walk:
        """The tuning of a loss on clean data; an intercept is added to what BCE was tuned to."""
        if loss == INTERCEPT:
            bce = self._settings("bce")
            bce = replace(bce, params=bce.params | {"intercept": -1.0})
            return walk(bce, CLEAN, goal=self.goal)
        return walk(start(self.bench, loss, self.records), CLEAN, goal=self.goal)

    def _settings(self, loss: str) -> Trial:
        return self.clean(loss).best(self.records)[0]

    def at_length(self, loss: str, epochs: int) -> Trial:
        """The settings of clean data, trained on it for so many epochs."""
        longer = epochs > self.bench.tuning_epochs
        return replace(trained_for(self._settings(loss), epochs, CLEAN), users=longer)

    def rising(self) -> list[str]:
        """Softmax loss, and of the others the one whose validation rises most at the end."""
        first = [self.at_length(loss, self.bench.config.epochs) for loss in LOSSES]
        rises = dict(zip(LOSSES, map(rise, recorded(first, self.records)), strict=True))
        return ["softmax", max(LOSSES[1:], key=rises.__getitem__)]

    def added(self, epochs: int) -> dict[str, float]:
        """What twice the epochs add to validation, in parts, for the two losses of ``rising``."""
        gains = {}
        for loss in self.rising():
            pair = [self.at_length(loss, n * epochs) for n in (1, 2)]
            once, twice = recorded(pair, self.records)
            gains[loss] = twice["valid"] / once["valid"] - 1
        return gains

    def epochs(self) -> int:
        """The first length of training of which twice as much adds less than 2 %.

        The longest that is tried if none is: the bench is preliminary then.
        """
        for times in TWICE:
            epochs = times * self.bench.config.epochs
            if max(self.added(epochs).values()) < ADDED:
                break
        return epochs

    def frontier(self, loss: str) -> list[Trial]:
        """The trials of the tuning on clean data of which no other is as good in both the
        validation and the Gini index of its lists, and better in one; at the length of the bench.
        """
        tuning = self.clean(loss)
        tuning.best(self.records)  # has come to its end
        trials = list(tuning.tried(self.records).values())
        found = recorded(trials, self.records)
        points = [(record["valid"], -record["exposure"]["gini"]) for record in found]
        return [
            trained_for(trial, self.epochs(), CLEAN)
            for trial, p in zip(trials, points, strict=True)
            if not any(q != p and q[0] >= p[0] and q[1] >= p[1] for q in points)
        ]

    def longer(self) -> Iterator[Trial]:
        """What tells the length: the two losses at one length after the other, and at twice it."""
        for times in TWICE:
            epochs = times * self.bench.config.epochs
            for loss in self.rising():
                yield from (self.at_length(loss, n * epochs) for n in (1, 2))
            if max(self.added(epochs).values()) < ADDED:
                return

    def kept(self, loss: str, level: Level) -> list[Trial]:
        """A loss at a level with the settings of clean data, every seed."""
        trial = trained_for(self._settings(loss), self.epochs(), level)
        return self._final(trial, level)

    def tuning(self, loss: str, level: Level) -> Walk:
        """The tuning of a loss at a level of noise, from the settings of clean data on.

        In trials as long as those on clean data; where runs are dear only temperatures are moved.
        """
        temperatures = tuple(name for name in KNOBS[loss] if name.startswith("tau"))
        names = () if self.bench.whole else temperatures
        return walk(at(self._settings(loss), level), level, names, goal=self.goal)

    def tuning_at(self, loss: str, level: Level) -> Walk:
        """The tuning of a loss on clean data, or at a level of noise."""
        return self.clean(loss) if level == CLEAN else self.tuning(loss, level)

    def open_ends(self, loss: str, level: Level = CLEAN) -> dict[str, str]:
        """The settings that the tuning of a loss at a level left at an edge of what it tried."""
        return self.tuning_at(loss, level).open_ends(self.records)

    def tuned(self, loss: str, level: Level) -> list[Trial]:
        """A loss at a level with the settings chosen at that level, every seed."""
        found, _ = self.tuning(loss, level).best(self.records)
        return self._final(trained_for(found, self.epochs(), level), level)

    def runner_up(self, loss: str, level: Level) -> Trial:
        """The second best settings of the tuning at a level, at the length of the bench; one seed.

        Trials are shorter than what is compared: this tells whether they missed the better one.
        """
        _, found, *_ = self.tuning(loss, level).ranked(self.records)
        return trained_for(found, self.epochs(), level)

    def _final(self, trial: Trial, level: Level) -> list[Trial]:
        """A trial that is compared, every seed.

        All keep their users at the ends, which claims rest on; between them the first does.
        """
        trials = with_seeds(trial, self.seeds(trial.loss, level))
        end = level in (CLEAN, *WORST)
        return [replace(each, users=end or i == 0) for i, each in enumerate(trials)]

    def seeds(self, loss: str, level: Level) -> range:
        """The seeds that are run of a loss at a level."""
        ends = level in (CLEAN, *WORST) and loss in MAIN
        return SEEDS if self.bench.whole or ends else SEEDS[:1]

    def pooled(self) -> list[list[Trial]]:
        """The authors' ``multi`` loss on their random batches, and the same without pooling.

        Each with every seed, at the settings that clean data chose for their other loss.
        """
        base = trained_for(self._settings("reweighted_softmax"), self.epochs(), CLEAN)
        config = replace(base.config, batch_size=POOLED[self.bench.data], positives=1)
        pooled = replace(base, loss="pooled_softmax", config=replace(config, pool_users=True))
        return [
            self._final(at(trial, CLEAN), CLEAN) for trial in (pooled, replace(base, config=config))
        ]

    def compared(self) -> Iterator[Trial]:
        """The final runs so far, which comparisons pair: at every level, kept and tuned; pooled.

        Until the length of training is known, those that are final if the first one is enough.
        """
        goals = (self, Runs(self.bench, self.records, valid_ndcg)) if self.bench.whole else (self,)
        readings = [
            *((runs.kept, loss, level) for runs in goals for loss in LOSSES for level in LEVELS),
            *((runs.tuned, loss, level) for runs in goals for loss in LOSSES for level in WORST),
            (self.kept, INTERCEPT, CLEAN),
        ]
        if lacks(self.epochs):
            for loss in LOSSES:
                with suppress(MissingRun):
                    yield self.at_length(loss, self.bench.config.epochs)
        for read, *which in readings:
            with suppress(MissingRun):
                yield from read(*which)
        if self.bench.data in POOLED and not lacks(self.pooled):
            yield from itertools.chain(*self.pooled())

    def tuning_on_clean(self) -> Iterator[Trial]:
        """The tuning of every loss; before it those runs of ``field`` that it starts from."""
        for loss in LOSSES if self.bench.in_field else ():
            for trials in every_loss.choice(self.bench.data, loss, self.records):
                yield from (trial for trial in trials if trial.id not in self.records)
        for loss in LOSSES:
            with suppress(MissingRun):
                yield from self.clean(loss).tried(self.records).values()

    def lengths(self) -> Iterator[Trial]:
        """Every loss at the first length, and what tells whether it is long enough."""
        for loss in LOSSES:
            with suppress(MissingRun):
                yield self.at_length(loss, self.bench.config.epochs)
        with suppress(MissingRun):
            yield from self.longer()

    def ends(self) -> Iterator[Trial]:
        """Every loss on clean data and under the most noise, with the settings of clean data."""
        if not lacks(self.epochs):
            yield from self._kept(CLEAN, *WORST)

    def with_intercept(self) -> Iterator[Trial]:
        """BCE with an intercept, beside the losses and on clean data alone: tuning, every seed."""
        if lacks(self.epochs):
            return
        with suppress(MissingRun):
            yield from self.clean(INTERCEPT).tried(self.records).values()
            yield from self.kept(INTERCEPT, CLEAN)

    def frontiers(self) -> Iterator[Trial]:
        """Accuracy against fairness, every loss."""
        if lacks(self.epochs):
            return
        for loss in (*LOSSES, INTERCEPT):
            with suppress(MissingRun):
                yield from self.frontier(loss)

    def tuned_ends(self) -> Iterator[Trial]:
        """Losses under the most noise, tuned at it."""
        if lacks(self.epochs):
            return
        for level in reversed(WORST):
            for loss in LOSSES if self.bench.whole else MAIN:
                with suppress(MissingRun):
                    yield from self.tuning(loss, level).tried(self.records).values()
                    yield from self.tuned(loss, level)

    def runners_up(self) -> Iterator[Trial]:
        """What the third claim rests on, with settings that were second; all seeds if they lead."""
        if lacks(self.epochs):
            return
        for loss in MAIN:
            with suppress(MissingRun):
                other = self.runner_up(loss, WORST[1])
                yield other
                ours, theirs = recorded([other, self.tuned(loss, WORST[1])[0]], self.records)
                if self.goal(ours) > self.goal(theirs):
                    yield from self._final(other, WORST[1])

    def by_ndcg(self) -> Iterator[Trial]:
        """What the first claim and the third rest on, tuned for the metric that they are judged by.

        Both losses of the third are trained on clean data, too, for what they are without noise.
        Only settings that the other tuning did not choose make runs of their own.
        """
        if lacks(self.epochs) or not self.bench.whole:
            return
        runs = Runs(self.bench, self.records, valid_ndcg)
        negatives, positives = WORST
        for loss in MAIN:
            with suppress(MissingRun):
                yield from runs.clean(loss).tried(self.records).values()
                yield from runs.tuning(loss, positives).tried(self.records).values()
                yield from runs.tuned(loss, positives)
                yield from runs.kept(loss, CLEAN)
        for loss in (MAIN[0], *OTHERS):
            with suppress(MissingRun):
                yield from runs.clean(loss).tried(self.records).values()
                for level in (CLEAN, negatives):
                    yield from runs.kept(loss, level)

    def rest(self) -> Iterator[Trial]:
        """What lies between clean data and the most noise, and the pooled loss."""
        if lacks(self.epochs):
            return
        yield from self._kept(*LEVELS)
        if self.bench.data in POOLED:
            for trials in self.pooled():
                yield from trials

    def _kept(self, *levels: Level) -> Iterator[Trial]:
        for level in levels:
            for loss in LOSSES:
                with suppress(MissingRun):
                    yield from self.kept(loss, level)


def reached(data: str, loss: str, records: Records, metric: str = "recall@20") -> np.ndarray:
    """A metric on test, by seed: the converged training on clean data, under the honest protocol.

    Raises:
        MissingRun: a run is not recorded.
    """
    return measured(Runs(bench(data), records).kept(loss, CLEAN), records, metric, "test")


def trained_for(trial: Trial, epochs: int, level: Level) -> Trial:
    """The settings of a trial at a level, trained for so many epochs."""
    return at(replace(trial, config=replace(trial.config, epochs=epochs)), level)
