"""The sweeps of the chapter on ablations: number of negatives, samplers, length of a vector.

And what is read off them: curves over a knob, the best setting, what a wrong one costs.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

import numpy as np

from .bench import Bench, measured
from .comparison import chosen, fair_benches, grid
from .records import Records
from .sweeps import with_seeds
from .trial import Trial

NEGATIVES = (8, 32, 128, 512, 2048)
NEGATIVE_TAUS = (0.1, 0.14, 0.2, 0.28, 0.39)
SAMPLERS = ("shared", "independent", "in-batch", "full")
SAMPLER_TAU = 0.2  # of softmax loss, where samplers are compared
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
        for n in NEGATIVES[:-1]:
            yield from sampled(bench, "independent", n)
        for sampler in ("in-batch", "full"):
            yield from sampled(bench, sampler)


def sampled(bench: Bench, sampler: str, n: int = 512) -> list[Trial]:
    """Softmax loss with negatives of a sampler, every seed; in-batch and full ignore ``n``."""
    trial = bench.trial("softmax", {"tau": SAMPLER_TAU})
    return bench.seeds(with_negatives(trial, n, sampler))


def dimension(size: str, records: Records) -> Iterator[Trial]:
    """Losses over the length of a vector, at the settings chosen at 64."""
    for bench in benches(size):
        for loss in SIZED:
            yield from grid(bench, loss)
            for trial in chosen(bench, loss, records):
                for dim in DIMS:
                    yield with_dim(trial, dim)


# What the records say --------------------------------------------------------------------------


def over_taus(
    bench: Bench, n: int, records: Records, metric: str = "ndcg@20", view: str = "test"
) -> np.ndarray | None:
    """Softmax loss with ``n`` shared negatives over ``NEGATIVE_TAUS``, ``(n_seeds, n_taus)``.

    ``None`` while a run is missing, here and below.
    """
    trials = [with_negatives(bench.trial("softmax", {"tau": tau}), n) for tau in NEGATIVE_TAUS]
    return _columns((bench.seeds(trial) for trial in trials), records, metric, view)


def over_negatives(
    bench: Bench, loss: str, records: Records, metric: str = "ndcg@20", view: str = "test"
) -> np.ndarray | None:
    """A loss at the setting chosen at 512 negatives, over ``NEGATIVES``, ``(n_seeds, n_counts)``.

    Softmax loss is taken at ``SAMPLER_TAU``.
    """
    if loss == "softmax":
        trials = sampled(bench, "shared")
    else:
        trials = chosen(bench, loss, records)
    counts = ([with_negatives(trial, n) for trial in trials] for n in NEGATIVES)
    return _columns(counts, records, metric, view)


def over_dims(
    bench: Bench, loss: str, records: Records, metric: str = "ndcg@20", view: str = "test"
) -> np.ndarray | None:
    """A loss at the setting chosen at length 64, over ``DIMS``, ``(n_seeds, n_dims)``."""
    trials = chosen(bench, loss, records)
    return _columns(([with_dim(t, dim) for t in trials] for dim in DIMS), records, metric, view)


def _columns(
    settings: Iterable[list[Trial]], records: Records, metric: str, view: str
) -> np.ndarray | None:
    """A column for each setting, of the metric by seed."""
    columns = [measured(trials, records, metric, view) for trials in settings]
    return None if any(column is None for column in columns) else np.stack(columns, axis=1)


def missing(bench: Bench, records: Records) -> list[str]:
    """The lines of the two sweeps that cannot be drawn yet, in words."""
    lines = {f"SL with {n} negatives": over_taus(bench, n, records) for n in NEGATIVES}
    for loss in SAMPLED[1:]:
        lines[f"{loss} over negatives"] = over_negatives(bench, loss, records)
    for n in NEGATIVES[:-1]:
        trials = sampled(bench, "independent", n)
        lines[f"{n} independent negatives"] = measured(trials, records, "valid")
    for sampler in ("in-batch", "full"):
        lines[f"{sampler} negatives"] = measured(sampled(bench, sampler), records, "valid")
    for loss in SIZED:
        lines[f"{loss} over length"] = over_dims(bench, loss, records)
    return [line for line, values in lines.items() if values is None]


def summits(settings: Sequence[float], runs: np.ndarray) -> np.ndarray:
    """Where each run ``(n_runs, n_settings)`` is best, finer than the grid of positive settings.

    The vertex of the parabola in the logarithm of the setting through the best point and its two
    neighbours, kept within the grid.

    Raises:
        ValueError: not one column for every setting, fewer than three, or settings that are not
            positive and rising.

    Example:
        >>> taus = (0.1, 0.2, 0.4)
        >>> summits(taus, -np.log(np.array([taus]) / 0.25) ** 2).round(6).tolist()
        [0.25]
    """
    at = _log_settings(settings, runs)
    if len(at) < 3:
        raise ValueError(f"settings must be at least three, got {len(at)}")
    found = []
    for run in runs:
        k = int(np.clip(run.argmax(), 1, len(at) - 2))
        a, b, _ = np.polyfit(at[k - 1 : k + 2], run[k - 1 : k + 2], 2)
        vertex = -b / (2 * a) if a < 0 else at[run.argmax()]
        found.append(np.exp(np.clip(vertex, at[0], at[-1])))
    return np.array(found)


def plateau(
    settings: Sequence[float], runs: np.ndarray, *, share: float = 0.01
) -> tuple[float, float]:
    """The settings between which the mean of the runs is within ``share`` of its best.

    The mean is taken as straight between the settings, in their logarithm. An end of the plateau
    that is an end of the grid says no more than that the plateau goes at least that far.

    Raises:
        ValueError: as :func:`summits`, or a share outside (0, 1).

    Example:
        >>> low, high = plateau((1, 2, 4), np.array([[0.98, 1.0, 0.995]]))
        >>> round(low, 3), high
        (1.414, 4.0)
    """
    at = _log_settings(settings, runs)
    if not 0 < share < 1:
        raise ValueError(f"share must lie in (0, 1), got {share}")
    mean = runs.mean(0)
    floor = (1 - share) * mean.max()

    def end(step: int) -> float:
        k = int(mean.argmax())
        while 0 <= k + step < len(at):
            if mean[k + step] < floor:
                part = (mean[k] - floor) / (mean[k] - mean[k + step])
                return float(np.exp(at[k] + part * (at[k + step] - at[k])))
            k += step
        return float(settings[k])

    return end(-1), end(1)


def off_by(runs: np.ndarray, steps: int) -> np.ndarray | None:
    """Relative loss, by seed, of the setting that lies ``steps`` from the best; negative is below.

    The best is that of the mean over seeds. ``None`` outside the grid.

    Example:
        >>> off_by(np.array([[0.5, 1.0, 0.75], [1.0, 2.0, 1.5]]), 1).tolist()
        [0.25, 0.25]
    """
    best = int(runs.mean(0).argmax())
    if not 0 <= best + steps < runs.shape[1]:
        return None
    return 1 - runs[:, best + steps] / runs[:, best]


def one_step(runs: np.ndarray) -> np.ndarray:
    """Relative loss, by seed, one step from the best, mean over the neighbours it has."""
    sides = [off_by(runs, step) for step in (-1, 1)]
    return np.mean([side for side in sides if side is not None], axis=0)


def span(runs: np.ndarray) -> np.ndarray:
    """Relative loss, by seed, of the worst setting of the grid against the best.

    Which these are, the mean over seeds says, so a grid of equals has a positive span too.

    Example:
        >>> span(np.array([[0.5, 1.0, 0.75], [1.0, 2.0, 1.5]])).tolist()
        [0.5, 0.5]
    """
    mean = runs.mean(0)
    return 1 - runs[:, mean.argmin()] / runs[:, mean.argmax()]


def _log_settings(settings: Sequence[float], runs: np.ndarray) -> np.ndarray:
    at = np.asarray(settings, dtype=float)
    if at.ndim != 1 or not (at > 0).all() or not (np.diff(at) > 0).all():
        raise ValueError(f"settings must be positive and rising, got {settings}")
    if runs.ndim != 2 or runs.shape[1] != len(at):
        raise ValueError(f"runs must be (n_runs, {len(at)}), got {runs.shape}")
    return np.log(at)
