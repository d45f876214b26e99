"""The sweeps of the chapter on ablations: number of negatives, samplers, length of a vector."""

from collections.abc import Iterator
from dataclasses import replace

from .bench import Bench
from .comparison import chosen, fair_benches, grid
from .records import Records
from .sweeps import with_seeds
from .trial import Trial

NEGATIVES = (8, 32, 128, 512, 2048)
NEGATIVE_TAUS = (0.1, 0.14, 0.2, 0.28, 0.39)
SAMPLERS = ("shared", "independent", "in-batch", "full")
SAMPLED = ("softmax", "ccl", "mse", "bce", "bpr")  # losses over the number of negatives
DIMS = (32, 64, 128, 256, 512)
SIZED = ("softmax", "bilateral_softmax", "mse", "bpr")  # losses over the length of a vector


def benches(size: str) -> list[Bench]:
    """The data of the frontiers, the smallest alone on two cores; three seeds."""
    real = [bench for bench in fair_benches(size) if bench.data != "synthetic"]
    return [replace(bench, n_seeds=3) for bench in (real[:1] if size == "small" else real)]


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

    The settings of the others are those that :func:`comparison.chosen` has at 512 negatives.
    """
    for bench in benches(size):
        for n in NEGATIVES:
            for tau in NEGATIVE_TAUS:
                trial = bench.trial("softmax", {"tau": tau})
                yield from with_seeds(with_negatives(trial, n), range(bench.n_seeds))
        for loss in SAMPLED[1:]:
            yield from grid(bench, loss)
            for trial in chosen(bench, loss, records):
                for n in NEGATIVES:
                    yield with_negatives(trial, n)
        trial = bench.trial("softmax", {"tau": 0.2})
        for n in NEGATIVES[:-1]:
            yield from bench.seeds(with_negatives(trial, n, "independent"))
        for sampler in ("in-batch", "full"):
            yield from bench.seeds(with_negatives(trial, 512, sampler))


def dimension(size: str, records: Records) -> Iterator[Trial]:
    """Losses over the length of a vector, at the settings chosen at 64."""
    for bench in benches(size):
        for loss in SIZED:
            yield from grid(bench, loss)
            for trial in chosen(bench, loss, records):
                for dim in DIMS:
                    yield with_dim(trial, dim)
