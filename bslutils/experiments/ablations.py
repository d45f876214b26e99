"""The sweeps of the chapter on ablations: number of negatives, samplers, length of a vector.

And the curves that are read off them.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial

import numpy as np

from ..data import Interactions
from ..published import DIMENSIONS, OFFICIAL_LOGS
from . import accuracy, noise
from .accuracy import chosen, grid
from .knobs import against, at_best, best_cell, summits
from .records import MissingRun, Records, lacks, recorded
from .testbeds import Testbed, columns, measured
from .trial import Trial

NEGATIVES = (8, 32, 128, 512, 2048)
NEGATIVE_TAUS = (0.1, 0.14, 0.2, 0.28, 0.39)
SAMPLER_TAU = 0.2  # of softmax loss, where samplers are compared
SAMPLED = ("softmax", "ccl", "mse", "bce", "bpr")  # losses over the number of negatives
DIMS = (32, 64, 128, 256, 512)
POSITIVES = (1, 4, 16)  # of a user in a row, in the sweep ``bilateral``
# What lists are judged by -> where a record has it.
VIEWS = {"ndcg@20": "test", "popularity": "exposure", "gini": "exposure"}
SIZED = ("softmax", "bilateral_softmax", "mse", "bpr")  # losses over the length of a vector


def testbeds() -> list[Testbed]:
    """The smallest of the real data sets, with three seeds."""
    return [replace(accuracy.testbeds()[0], n_seeds=3)]


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
    for testbed in testbeds():
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
    for testbed in testbeds():
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


def over_samplers(
    testbed: Testbed,
    samplers: Sequence[str],
    records: Records,
    metric: str = "ndcg@20",
    view: str = "test",
) -> np.ndarray:
    """Softmax loss over ways to draw 512 negatives, ``(n_seeds, n_samplers)``."""
    return columns((sampled(testbed, way) for way in samplers), records, metric, view)


def over_positives(
    testbed: Testbed, records: Records, metric: str = "ndcg@20", view: str = "test"
) -> np.ndarray:
    """Softmax loss over ``POSITIVES``, ``(n_seeds, n_counts)``, on a testbed of ``noise``."""
    trials = [
        testbed.trial("softmax_risk", {"tau": SAMPLER_TAU}, **noise.in_rows(n)) for n in POSITIVES
    ]
    return columns(map(testbed.seeds, trials), records, metric, view)


def best_tau(testbed: Testbed, n: int, records: Records) -> np.ndarray:
    """The best temperature with ``n`` shared negatives by seed, off a parabola."""
    return summits(NEGATIVE_TAUS, over_taus(testbed, n, records))


def moved(testbed: Testbed, n: int, records: Records) -> np.ndarray:
    """:func:`best_tau` over that with the most negatives, by seed; below 1 is colder."""
    return best_tau(testbed, n, records) / best_tau(testbed, NEGATIVES[-1], records)


def fewer(testbed: Testbed, n: int, records: Records) -> np.ndarray:
    """Relative change from the most negatives to ``n``, each at its best temperature, by seed."""
    few, many = (at_best(over_taus(testbed, k, records)) for k in (n, NEGATIVES[-1]))
    return few / many - 1


def fewer_at_equal_tau(testbed: Testbed, n: int, records: Records) -> np.ndarray:
    """Relative change from the most negatives to ``n``, ``(n_seeds, n_taus)``."""
    return over_taus(testbed, n, records) / over_taus(testbed, NEGATIVES[-1], records) - 1


def equally_blunt(
    taus: Sequence[float], acts_as: Mapping[int, Sequence[float]], tau: float
) -> dict[int, float]:
    """The temperature at which few negatives act as the most of them act at ``tau``.

    Args:
        taus: temperatures, rising.
        acts_as: number of negatives -> the temperature at which so many would act as all items
            do, for each of ``taus``; rising.
        tau: of the most negatives.

    Returns:
        By number of negatives, interpolated; a number that cannot act so within ``taus`` is left
        out.

    Example:
        >>> equally_blunt((1, 2, 3), {8: (3, 4, 5), 512: (2, 3, 4)}, 2.5)
        {8: 1.5, 512: 2.5}
    """
    goal = np.interp(tau, taus, acts_as[max(acts_as)])
    return {
        n: float(np.interp(goal, reach, taus))
        for n, reach in acts_as.items()
        if reach[0] <= goal <= reach[-1]
    }


def need(testbed: Testbed, loss: str, records: Records) -> np.ndarray:
    """:func:`over_negatives`, relative to 512 of them, at which the settings were chosen."""
    return against(NEGATIVES, over_negatives(testbed, loss, records), 512)


def drawn(testbed: Testbed, sampler: str, n: int, records: Records) -> dict[str, np.ndarray]:
    """Softmax loss with ``n`` negatives of a sampler: each of ``VIEWS``, by seed."""
    trials = sampled(testbed, sampler, n)
    return {metric: measured(trials, records, metric, view) for metric, view in VIEWS.items()}


def way_change(
    testbed: Testbed,
    way: tuple[str, int],
    base: tuple[str, int],
    records: Records,
    metric: str = "ndcg@20",
) -> np.ndarray:
    """Relative change, by seed, from one sampler and number of negatives to another."""
    return drawn(testbed, *way, records)[metric] / drawn(testbed, *base, records)[metric] - 1


def false_negatives(data: Interactions, positives: int) -> tuple[float, float]:
    """Share of negatives that are training pairs of the row's own user, expected.

    Of a row of ``positives`` training pairs, of which a user gets as many rows as its pairs fill.
    Uniform negatives are false with the share of all items that the user has. In-batch ones are
    drawn by popularity; the pairs in the row itself are no negatives of it.

    Returns:
        Of uniform negatives, and of in-batch ones.
    """
    has = data.train.toarray() > 0  # (n_users, n_items)
    rows = np.ceil(data.user_degree / positives)
    rows = rows / rows.sum()
    popular = data.item_degree / data.item_degree.sum()
    elsewhere = np.clip(1 - positives / np.maximum(data.user_degree, 1), 0, 1)
    return float(rows @ has.mean(1)), float(rows @ (has @ popular * elsewhere))


def longer(testbed: Testbed, loss: str, records: Records, base: int = 64) -> np.ndarray:
    """:func:`over_dims`, relative to a length."""
    return against(DIMS, over_dims(testbed, loss, records), base)


def best_dim(testbed: Testbed, loss: str, records: Records) -> int:
    """The length with the best mean, by test."""
    return DIMS[best_cell(over_dims(testbed, loss, records))[0]]


def published_lengths(base: int = 128) -> dict[tuple[str, str], dict[int, float]]:
    """NDCG@20 over the length as its authors published it, relative to a length.

    Length 64 is from their training logs, the others from their notebook: matrix factorisation,
    each the best by test over settings of unknown number.

    Returns:
        (data, loss) -> length -> relative change.
    """
    found = {}
    for (data, loss), values in DIMENSIONS.items():
        log = OFFICIAL_LOGS["ml" if data == "ml-1m" else data, "MF"]
        ndcg = {64: log[loss == "BSL"][1]} | {dim: pair[1] for dim, pair in values.items()}
        found[data, loss] = {dim: value / ndcg[base] - 1 for dim, value in ndcg.items()}
    return found


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
