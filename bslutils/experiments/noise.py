"""The sweeps of the chapters on noise: what they compare, and at which levels."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..config import TrainConfig
from .records import Records
from .sweeps import best, with_seeds
from .trial import Trial

RATIOS = (0.0, 1.0, 3.0, 10.0)  # weight of a positive among the negatives; 1 is uniform sampling
FRACTIONS = (0.0, 0.1, 0.2, 0.4)  # false positives, as a fraction of the positives
TAUS = (0.1, 0.14, 0.2, 0.28, 0.39, 0.55)  # to choose among; steps of a factor 1.4
CURVE_TAUS = (*TAUS, 0.77, 1.08)  # beyond the best one, however noisy

# Six settings of every loss, for what a loss has to set.
SETTINGS: dict[str, list[dict[str, float]]] = {
    "mse": [{"neg_weight": w} for w in (1, 2, 5, 10, 20, 50)],
    "bce": [{"tau": t, "neg_weight": w} for t in (0.14, 0.2, 0.28) for w in (1, 5)],
    "bpr": [{"tau": t} for t in TAUS],
    "ccl": [{"margin": m, "neg_weight": w} for m in (0.2, 0.5) for w in (2, 5, 20)],
    "softmax": [{"tau": t} for t in TAUS],
    "reweighted_softmax": [
        {"tau": t, "neg_weight": w} for t in (0.2, 0.28, 0.39) for w in (0.9, 1.1)
    ],
    "bilateral_softmax": [
        {"tau_pos": p, "tau_neg": n} for p in (0.3, 1.0) for n in (0.2, 0.28, 0.39)
    ],
}
BILATERAL = {
    "bilateral_softmax": (0.1, 0.3, 1.0),  # tau_pos
    "pessimistic_bilateral_softmax": (0.3, 1.0),
}
# False positives -> tau_neg: near the best one of softmax loss on MovieLens.
BILATERAL_TAU = {0.0: 0.2, FRACTIONS[-1]: 0.28}


TITLES = {
    "movielens-small": "MovieLens (small)",
    "synthetic": "planted preferences",
    "ml-1m": "MovieLens-1M",
    "amazon-electronics": "Amazon-Electronics",
    "gowalla": "Gowalla",
    "yelp2018": "Yelp2018",
}


@dataclass(frozen=True)
class Bench:
    """Data and model that noise is put into, and how they are trained.

    Every loss gets rows of several positives of one user: the bilateral loss needs them, and
    all see the same batches.
    """

    data: str
    config: TrainConfig
    backbone: str = "MF"
    whole: bool = True  # all levels of noise and all sweeps, or two levels of what is compared
    n_seeds: int = 5

    @property
    def title(self) -> str:
        """The name of the data in a figure."""
        return TITLES[self.data]

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
LARGE = replace(SMALL, epochs=30, batch_size=256, n_negatives=1024, lr=3e-3)


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


def measured(
    trials: Sequence[Trial], records: Records, metric: str, view: str = ""
) -> np.ndarray | None:
    """The metric of each trial, ``(n_trials,)``: an entry of its record, or of a ``view`` in it.

    ``None`` without trials, or while one is not recorded.
    """
    if not trials or any(trial.id not in records for trial in trials):
        return None
    found = [records[trial.id] for trial in trials]
    return np.array([(record[view] if view else record)[metric] for record in found])


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
