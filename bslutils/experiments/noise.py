"""The sweeps of the chapters on noise: what they compare, and at which levels."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from .bench import LARGE, SETTINGS, SMALL, SPARSE, TAUS, Bench, measured
from .records import Records
from .sweeps import best
from .trial import Trial

RATIOS = (0.0, 1.0, 3.0, 10.0)  # weight of a positive among the negatives; 1 is uniform sampling
FRACTIONS = (0.0, 0.1, 0.2, 0.4)  # false positives, as a fraction of the positives
CURVE_TAUS = (*TAUS, 0.77, 1.08)  # beyond the best one, however noisy

BILATERAL = {
    "bilateral_softmax": (0.1, 0.3, 1.0),  # tau_pos
    "pessimistic_bilateral_softmax": (0.3, 1.0),
}
# False positives -> tau_neg: near the best one of softmax loss on MovieLens.
BILATERAL_TAU = {0.0: 0.2, FRACTIONS[-1]: 0.28}


def benches(size: str) -> list[Bench]:
    """What a sweep runs on: three data sets on two cores, or four and two models."""
    if size == "small":
        return [
            Bench("movielens-small", SMALL),
            Bench("synthetic", SMALL),
            Bench("amazon-electronics", SPARSE, whole=False),
        ]
    return [
        Bench(data, replace(LARGE, optimizer=optimizer), backbone, n_seeds=3)
        for data in ("ml-1m", "amazon-electronics", "gowalla", "yelp2018")
        for backbone, optimizer in (("MF", "row-adam"), ("LightGCN", "adam"))
    ]


@dataclass(frozen=True)
class Cell:
    """A loss at a level of noise, over its seeds.

    Attributes:
        bench: what it is run on.
        loss: name of the loss.
        level: of the noise.
        tuned: whether the settings were chosen at this level, or kept from clean training.
        trials: one for every seed; none while the tuning is not recorded.
    """

    bench: Bench
    loss: str
    level: float
    tuned: bool
    trials: tuple[Trial, ...]

    def values(
        self, records: Records, metric: str = "ndcg@20", view: str = "test"
    ) -> np.ndarray | None:
        """The metric in a part of the records, by seed; ``None`` while one is missing."""
        return measured(self.trials, records, metric, view)


@dataclass(frozen=True)
class Noise:
    """A kind of noise: its levels, and the losses that are compared under it."""

    losses: tuple[str, ...]
    levels: tuple[float, ...]
    clean: float  # the level that settings are kept from

    def at(self, trial: Trial, level: float) -> Trial:
        """The trial at a level of the noise."""
        if self is POSITIVE:
            return replace(trial, false_positives=level, label="")
        return replace(trial, config=replace(trial.config, negative_noise=level), label="")

    def of(self, bench: Bench) -> tuple[float, ...]:
        """The levels that are run on a bench."""
        return self.levels if bench.whole else (self.clean, self.levels[-1])

    def tuning(self, bench: Bench, loss: str, level: float) -> list[Trial]:
        """The trials among which validation chooses the settings of a loss at a level."""
        params = SETTINGS[loss]
        return [self.at(bench.trial(loss, setting), level) for setting in params]

    def tuned(self, bench: Bench) -> list[float]:
        """The levels at which settings are chosen: the clean one, and on most data the ends."""
        levels = {self.clean, self.levels[0], self.levels[-1]} if bench.whole else {self.clean}
        return sorted(levels)

    def cells(self, bench: Bench, loss: str, records: Records) -> Iterator[Cell]:
        """The loss at every level, with settings kept and, where they are chosen, tuned."""
        kept = best(self.tuning(bench, loss, self.clean), records)
        for level in self.of(bench):
            trials = bench.seeds(self.at(kept, level)) if kept is not None else ()
            yield Cell(bench, loss, level, False, tuple(trials))
            if level in self.tuned(bench):
                chosen = best(self.tuning(bench, loss, level), records)
                trials = bench.seeds(chosen) if chosen is not None else ()
                yield Cell(bench, loss, level, True, tuple(trials))

    def plan(self, size: str, records: Records) -> Iterator[Trial]:
        """All trials, as far as the records tell which."""
        for bench in benches(size):
            for loss in self.losses:
                for level in self.tuned(bench):
                    yield from self.tuning(bench, loss, level)
                for cell in self.cells(bench, loss, records):
                    yield from cell.trials


# A user's own positives drawn as negatives; random pairs added to the positives.
NEGATIVE = Noise(("softmax", "bpr", "bce", "mse", "ccl"), RATIOS, clean=1.0)
POSITIVE = Noise(tuple(SETTINGS), FRACTIONS, clean=0.0)


def temperature(size: str, records: Records) -> Iterator[Trial]:
    """Softmax loss at eight temperatures, without noise and at the ends of either."""
    for bench in benches(size):
        if not bench.whole:
            continue
        for tau in CURVE_TAUS:
            for ratio in (RATIOS[0], 1.0, RATIOS[-1]):
                yield from bench.seeds(bench.trial("softmax", {"tau": tau}, negative_noise=ratio))
            noisy = bench.trial("softmax", {"tau": tau}, fraction=FRACTIONS[-1])
            yield from bench.seeds(noisy)


def in_rows(positives: int) -> dict[str, int]:
    """Settings of the training with ``positives`` of a user in a row, 1,024 in a batch."""
    return {"positives": positives, "batch_size": 1024 // positives}


def bilateral(size: str, records: Records) -> Iterator[Trial]:
    """Optimism and pessimism over positives, by how many positives of a user share a row.

    ``softmax_risk`` is the same without an opinion (``tau_pos`` infinite); with one positive in
    a row all of them are that loss, so it alone is run there.
    """
    for bench in benches(size):
        if not bench.whole:
            continue
        for positives in (1, 4, 16):
            rows = in_rows(positives)
            for fraction, tau in BILATERAL_TAU.items():
                trials = [("softmax_risk", {"tau": tau})]
                if positives > 1:
                    trials += [
                        (loss, {"tau_pos": tau_pos, "tau_neg": tau})
                        for loss, grid in BILATERAL.items()
                        for tau_pos in grid
                    ]
                for loss, params in trials:
                    yield from bench.seeds(bench.trial(loss, params, fraction=fraction, **rows))
