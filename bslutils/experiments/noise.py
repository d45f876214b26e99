"""The sweeps of the chapters on noise: what they compare, and at which levels."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from ..config import TrainConfig
from .records import Records
from .sweeps import best, with_seeds
from .trial import Trial

RATIOS = (0.0, 1.0, 3.0, 10.0)  # weight of a positive among the negatives; 1 is uniform sampling
FRACTIONS = (0.0, 0.1, 0.2, 0.4)  # false positives, as a fraction of the positives
TAUS = (0.1, 0.14, 0.2, 0.28, 0.39, 0.55)  # steps of a factor 1.4

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
ON_NEGATIVES = ("softmax", "bpr", "bce", "mse", "ccl")  # losses that negative noise compares
BILATERAL = {
    "bilateral_softmax": (0.1, 0.3, 1.0),  # tau_pos
    "pessimistic_bilateral_softmax": (0.3, 1.0),
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

    def tuning(self, loss: str, **noise: float) -> list[Trial]:
        """The trials among which validation chooses the settings of a loss."""
        return [self.trial(loss, params, **noise) for params in SETTINGS[loss]]

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


def _noisy(
    bench: Bench, losses: Sequence[str], noise: str, levels: Sequence[float], clean: float, records
) -> Iterator[Trial]:
    """Every loss at every level with the settings that were best when clean.

    At the first and the last level it is tuned once more.
    """
    for loss in losses:
        trials = bench.tuning(loss, **{noise: clean})
        yield from trials
        kept = best(trials, records)
        if kept is None:
            continue
        for level in levels:
            if noise == "fraction":
                yield from bench.seeds(replace(kept, false_positives=level, label=""))
            else:
                config = replace(kept.config, negative_noise=level)
                yield from bench.seeds(replace(kept, config=config, label=""))
            if level == clean or level not in (levels[0], levels[-1]) or not bench.whole:
                continue
            trials = bench.tuning(loss, **{noise: level})
            yield from trials
            chosen = best(trials, records)
            if chosen is not None:
                yield from bench.seeds(chosen)


def negative_noise(size: str, records: Records) -> Iterator[Trial]:
    """Losses while a user's own positives are drawn as negatives more and more often."""
    for bench in benches(size):
        levels = RATIOS if bench.whole else (1.0, 10.0)
        yield from _noisy(bench, ON_NEGATIVES, "negative_noise", levels, 1.0, records)


def positive_noise(size: str, records: Records) -> Iterator[Trial]:
    """Losses while random pairs are added to the positives."""
    for bench in benches(size):
        levels = FRACTIONS if bench.whole else (0.0, 0.4)
        yield from _noisy(bench, list(SETTINGS), "fraction", levels, 0.0, records)


def temperature(size: str, records: Records) -> Iterator[Trial]:
    """Softmax loss at six temperatures, without noise and at the ends of either."""
    for bench in benches(size):
        if not bench.whole:
            continue
        for tau in TAUS:
            for ratio in (RATIOS[0], 1.0, RATIOS[-1]):
                yield from bench.seeds(bench.trial("softmax", {"tau": tau}, negative_noise=ratio))
            noisy = bench.trial("softmax", {"tau": tau}, fraction=FRACTIONS[-1])
            yield from bench.seeds(noisy)


def bilateral(size: str, records: Records) -> Iterator[Trial]:
    """Optimism and pessimism over positives, by how many positives of a user share a row.

    ``softmax_risk`` is the same without an opinion (``tau_pos`` infinite); with one positive in
    a row all of them are that loss, so it alone is run there.
    """
    for bench in benches(size):
        if not bench.whole:
            continue
        for positives in (1, 4, 16):
            rows = {"positives": positives, "batch_size": 1024 // positives}
            # Softmax loss is best at these temperatures, where positives are clean and noisy.
            for fraction, tau in ((0.0, 0.2), (FRACTIONS[-1], 0.28)):
                trials = [("softmax_risk", {"tau": tau})]
                if positives > 1:
                    trials += [
                        (loss, {"tau_pos": tau_pos, "tau_neg": tau})
                        for loss, grid in BILATERAL.items()
                        for tau_pos in grid
                    ]
                for loss, params in trials:
                    yield from bench.seeds(bench.trial(loss, params, fraction=fraction, **rows))
