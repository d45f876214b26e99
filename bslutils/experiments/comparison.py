"""The sweeps of the chapters on accuracy and on fairness: what they compare, and on what."""

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from .bench import LARGE, N_ITEMS, SETTINGS, SMALL, SPARSE, TAUS, Bench, columns
from .records import Records
from .sweeps import best
from .trial import Trial

LOSSES = ("softmax", "bilateral_softmax", "reweighted_softmax", "ccl", "mse", "bce", "bpr")
FAIR = tuple(loss for loss in LOSSES if loss != "reweighted_softmax")  # whose frontier is drawn
FIGURE = ("softmax", "mse", "bce", "bpr")  # of the paper's first figure; all, where runs are dear
# Later losses, with six settings as those have.
NEWER: dict[str, list[dict[str, float]]] = {
    "psl_relu": [{"tau": t} for t in TAUS],
    "slatk": [{"tau": t, "tau_weight": w} for t in (0.2, 0.28, 0.39) for w in (1.0, 2.25)],
    "advinfonce": [{"tau": t, "radius": r} for t in (0.2, 0.28, 0.39) for r in (0.001, 0.01)],
    "llpauc": [{"beta": b} for b in (0.03, 0.1, 0.2, 0.3, 0.5, 1.0)],
}

# Losses of the figure on inner products: two settings each, with four L2 terms, eight in all.
# That term decides about the length of a vector, which cosines do not see.
INNER: dict[str, list[dict[str, float]]] = {
    "softmax": [{"tau": 0.3}, {"tau": 1.0}],
    "mse": [{"neg_weight": 5}, {"neg_weight": 20}],
    "bce": [{"tau": 1.0, "neg_weight": 1}, {"tau": 1.0, "neg_weight": 5}],
    "bpr": [{"tau": 0.3}, {"tau": 1.0}],
}
INNER_L2 = (1e-5, 1e-4, 1e-3, 1e-2)

Settings = Callable[[Bench, str], list[Trial]]  # the trials of a loss to choose among

LONGER = replace(SMALL, epochs=25)
DENSE = replace(
    SMALL,
    epochs=6,
    batch_size=256,
    positives=16,
    n_negatives=256,
    optimizer="row-adam",
    lr=1e-2,
    weight_decay=3e-3,
)
BACKBONES = (("MF", "row-adam"), ("NGCF", "adam"), ("LightGCN", "adam"))


def fair_benches(size: str) -> list[Bench]:
    """Where the frontiers are drawn: matrix factorisation on real and on planted data."""
    if size == "small":
        return [
            Bench("movielens-small", LONGER),
            Bench("amazon-electronics", replace(SPARSE, epochs=7), n_seeds=3),
            Bench("ml-1m", DENSE, whole=False, n_seeds=3),
            Bench("synthetic", LONGER, n_seeds=3),
        ]
    return [bench for bench in overall_benches("full") if bench.backbone == "MF"]


def overall_benches(size: str) -> list[Bench]:
    """Where losses are ranked: the real data of the frontiers, and graph models on one of them."""
    if size == "small":
        real = [bench for bench in fair_benches("small") if bench.data != "synthetic"]
        graph = replace(SMALL, batch_size=256)
        return [
            *real,
            Bench("movielens-small", graph, "LightGCN", n_seeds=3),
            Bench("movielens-small", graph, "NGCF", whole=False, n_seeds=3),
        ]
    return [
        Bench(data, replace(LARGE, optimizer=optimizer), backbone, n_seeds=3)
        for data in ("ml-1m", "amazon-electronics", "gowalla", "yelp2018")
        for backbone, optimizer in BACKBONES
    ]


def grid(bench: Bench, loss: str) -> list[Trial]:
    """The six settings of a loss, with the first seed."""
    settings = SETTINGS.get(loss) or NEWER[loss]
    if loss == "slatk":
        settings = [setting | {"n_items": N_ITEMS[bench.data]} for setting in settings]
    return [bench.trial(loss, setting) for setting in settings]


def inner(bench: Bench, loss: str) -> list[Trial]:
    """The eight settings of a loss on inner products, with the first seed."""
    trials = []
    for setting in INNER[loss]:
        for l2 in INNER_L2:
            trial = bench.trial(loss, setting, weight_decay=l2)
            label = f"{trial.label} inner product L2={l2:g}"
            trials.append(replace(trial, model={"score": "dot"}, label=label))
    return trials


def chosen(
    bench: Bench,
    loss: str,
    records: Records,
    settings: Settings = grid,
) -> list[Trial]:
    """The setting that validation chose, with every seed; none while one is not recorded.

    Args:
        bench, loss: of which runs.
        records: by id.
        settings: gives the trials to choose among, :func:`grid`, :func:`inner` or :func:`either`.
    """
    found = best(settings(bench, loss), records)
    return [] if found is None else bench.seeds(found)


def either(bench: Bench, loss: str) -> list[Trial]:
    """The fourteen settings of a loss on cosines and on inner products, with the first seed."""
    return [*grid(bench, loss), *inner(bench, loss)]


def compared(bench: Bench) -> tuple[str, ...]:
    """The losses that are compared on a bench: the later ones on the smallest alone."""
    if not bench.whole:
        return FIGURE
    both = bench.data == "movielens-small" and bench.backbone == "MF"
    return (*LOSSES, *NEWER) if both else LOSSES


def fair(bench: Bench) -> tuple[str, ...]:
    """The losses whose frontiers are drawn on a bench, softmax loss first."""
    return FAIR if bench.whole else FIGURE


def overall(size: str, records: Records) -> Iterator[Trial]:
    """Every loss at its best setting."""
    for bench in overall_benches(size):
        for loss in compared(bench):
            yield from grid(bench, loss)
            yield from chosen(bench, loss, records)


def score(size: str, records: Records) -> Iterator[Trial]:
    """The losses of the figure on inner products; on cosines they are in ``overall``."""
    for bench in overall_benches(size):
        if bench.backbone == "MF":
            for loss in FIGURE:
                yield from inner(bench, loss)
                yield from chosen(bench, loss, records, inner)


def fairness(size: str, records: Records) -> Iterator[Trial]:
    """Losses at all of their settings, with every seed: accuracy against fairness."""
    for bench in fair_benches(size):
        for loss in fair(bench):
            for trial in grid(bench, loss):
                yield from bench.seeds(trial)


def over_settings(
    bench: Bench, loss: str, records: Records, metric: str, view: str = ""
) -> np.ndarray | None:
    """A metric at all settings of a loss, ``(n_seeds, n_settings)``; ``None`` while one lacks."""
    trials = (bench.seeds(trial) for trial in grid(bench, loss))
    return columns(trials, records, metric, view)
