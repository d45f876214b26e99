"""The sweeps of the chapter on ablations: number of negatives, samplers, length of a vector.

And the curves that are read off them.
"""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from functools import partial

import numpy as np

from . import accuracy
from .accuracy import chosen, grid
from .records import MissingRun, Records, lacks, recorded
from .testbeds import Testbed, columns
from .trial import Trial

NEGATIVES = (8, 32, 128, 512, 2048)
NEGATIVE_TAUS = (0.1, 0.14, 0.2, 0.28, 0.39)
SAMPLER_TAU = 0.2  # of softmax loss, where samplers are compared
SAMPLED = ("softmax", "ccl", "mse", "bce", "bpr")  # losses over the number of negatives
DIMS = (32, 64, 128, 256, 512)
SIZED = ("softmax", "bilateral_softmax", "mse", "bpr")  # losses over the length of a vector


def testbeds(size: str) -> list[Testbed]:
    """The data of the frontiers, the smallest alone on two cores; three seeds."""
    real = [testbed for testbed in accuracy.testbeds(size) if testbed.backbone == "MF"]
    return [replace(testbed, n_seeds=3) for testbed in (real[:1] if size == "small" else real)]


def with_negatives(trial: Trial, n: int, sampler: str = "shared") -> Trial:
    """The trial with ``n`` negatives in a list, drawn by a sampler."""
    config = replace(trial.config, n_negatives=n, sampler=sampler)
    return replace(trial, config=config, label=f"{trial.label} {sampler} N={n}")


def with_dim(trial: Trial, dim: int) -> Trial:
    """The trial with vectors of length ``dim``; 64 is the trial itself."""
    if dim == 64:
        return trial
    return replace(trial, model=trial.model | {"dim": dim}, label=f"{trial.label} d={dim}")


def negatives(size: str, records: Records) -> Iterator[Trial]:
    """Softmax loss over its temperature and the number of negatives; every sampler; other losses.

    The settings of the others are those chosen at 512 negatives
    (:func:`bslutils.experiments.accuracy.chosen`).
    """
    for testbed in testbeds(size):
        for n in NEGATIVES:
            for tau in NEGATIVE_TAUS:
                trial = testbed.trial("softmax", {"tau": tau})
                yield from testbed.seeds(with_negatives(trial, n))
        for loss in SAMPLED[1:]:
            yield from grid(testbed, loss)
            with suppress(MissingRun):
                for trial in chosen(testbed, loss, records):
                    for n in NEGATIVES:
                        yield with_negatives(trial, n)
        for n in NEGATIVES[:-1]:
            yield from sampled(testbed, "independent", n)
        for sampler in ("in-batch", "full"):
            yield from sampled(testbed, sampler)


def sampled(testbed: Testbed, sampler: str, n: int = 512) -> list[Trial]:
    """Softmax loss with negatives of a sampler, every seed; in-batch and full ignore ``n``."""
    trial = testbed.trial("softmax", {"tau": SAMPLER_TAU})
    return testbed.seeds(with_negatives(trial, n, sampler))


def dimension(size: str, records: Records) -> Iterator[Trial]:
    """Losses over the length of a vector, at the settings chosen at 64."""
    for testbed in testbeds(size):
        for loss in SIZED:
            yield from grid(testbed, loss)
            with suppress(MissingRun):
                for trial in chosen(testbed, loss, records):
                    for dim in DIMS:
                        yield with_dim(trial, dim)


# What the records say --------------------------------------------------------------------------


def over_taus(
    testbed: Testbed, n: int, records: Records, metric: str = "ndcg@20", view: str = "test"
) -> np.ndarray:
    """Softmax loss with ``n`` shared negatives over ``NEGATIVE_TAUS``, ``(n_seeds, n_taus)``.

    Raises:
        MissingRun: a run is not recorded, here and below.
    """
    trials = [with_negatives(testbed.trial("softmax", {"tau": tau}), n) for tau in NEGATIVE_TAUS]
    return columns((testbed.seeds(trial) for trial in trials), records, metric, view)


def over_negatives(
    testbed: Testbed, loss: str, records: Records, metric: str = "ndcg@20", view: str = "test"
) -> np.ndarray:
    """A loss at the setting chosen at 512 negatives, over ``NEGATIVES``, ``(n_seeds, n_counts)``.

    Softmax loss is taken at ``SAMPLER_TAU``.
    """
    if loss == "softmax":
        trials = sampled(testbed, "shared")
    else:
        trials = chosen(testbed, loss, records)
    counts = ([with_negatives(trial, n) for trial in trials] for n in NEGATIVES)
    return columns(counts, records, metric, view)


def over_dims(
    testbed: Testbed, loss: str, records: Records, metric: str = "ndcg@20", view: str = "test"
) -> np.ndarray:
    """A loss at the setting chosen at length 64, over ``DIMS``, ``(n_seeds, n_dims)``."""
    trials = chosen(testbed, loss, records)
    return columns(([with_dim(t, dim) for t in trials] for dim in DIMS), records, metric, view)


def missing(testbed: Testbed, records: Records) -> list[str]:
    """The lines of the two sweeps that cannot be drawn yet, in words."""
    lines = {f"SL with {n} negatives": partial(over_taus, testbed, n) for n in NEGATIVES}
    for loss in SAMPLED[1:]:
        lines[f"{loss} over negatives"] = partial(over_negatives, testbed, loss)
    for n in NEGATIVES[:-1]:
        lines[f"{n} independent negatives"] = partial(recorded, sampled(testbed, "independent", n))
    for sampler in ("in-batch", "full"):
        lines[f"{sampler} negatives"] = partial(recorded, sampled(testbed, sampler))
    for loss in SIZED:
        lines[f"{loss} over length"] = partial(over_dims, testbed, loss)
    return [line for line, read in lines.items() if lacks(read, records)]
