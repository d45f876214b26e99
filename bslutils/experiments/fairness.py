"""Accuracy against fairness over the settings of a loss: what is run, and what the records say.

The sweep ``fairness``.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from . import accuracy
from .accuracy import FIGURE, grid
from .paper_benches import BENCHES
from .records import Records
from .testbeds import INTERCEPT, LONGER, Testbed, columns
from .trial import Trial

# Two that are drawn where runs are cheap: what the authors' code calls BSL, and BCE with an
# intercept, since a constant is most of what makes BCE look unfair.
ADDED = ("reweighted_softmax", INTERCEPT)
LOSSES = tuple(loss for loss in accuracy.LOSSES if loss not in ADDED)


def testbeds() -> list[Testbed]:
    """Where the frontiers are drawn: matrix factorisation on real and on planted data."""
    real = [testbed for testbed in accuracy.testbeds() if testbed.backbone == "MF"]
    return [*real, Testbed("synthetic", LONGER, n_seeds=3)]


def short(testbed: Testbed) -> bool:
    """Whether training on it ends early: the sweep ``paper_noise`` has the same data, converged."""
    return any(testbed.data == bench.data for bench in BENCHES)


def compared(testbed: Testbed) -> tuple[str, ...]:
    """The losses whose frontiers are drawn on a testbed, softmax loss first."""
    if not testbed.whole:
        return FIGURE
    return LOSSES if short(testbed) else (*LOSSES, *ADDED)


def fairness(size: str, records: Records) -> Iterator[Trial]:
    """Losses at all of their settings, with every seed: accuracy against fairness."""
    for testbed in testbeds():
        for loss in compared(testbed):
            for trial in grid(testbed, loss):
                yield from testbed.seeds(trial)


# What the records say --------------------------------------------------------------------------


def over_settings(
    testbed: Testbed, loss: str, records: Records, metric: str, view: str = ""
) -> np.ndarray:
    """A metric at all settings of a loss, ``(n_seeds, n_settings)``.

    Raises:
        MissingRun: a run is not recorded, here and below.
    """
    trials = (testbed.seeds(trial) for trial in grid(testbed, loss))
    return columns(trials, records, metric, view)


def mixture(accuracy: np.ndarray, unfairness: np.ndarray, *, at: float) -> np.ndarray:
    r"""The fairest way to reach an accuracy by showing each person one of several models.

    .. math:: \min_w \sum_k w_k g_k \quad\text{with}\quad \sum_k w_k a_k \ge a,
              \; \sum_k w_k = 1, \; w \ge 0

    Accuracy is a mean over people, so it mixes linearly, and so do shares of hits and the mean
    popularity of what is shown. A Gini index is convex in what is shown: the mixture has at most
    the mixed one. A solution needs no more than two models.

    Args:
        accuracy: ``(n,)``, of each model.
        unfairness: ``(n,)``, of each model.
        at: the accuracy to reach, at most the largest one.

    Returns:
        the weights, ``(n,)``.

    Raises:
        ValueError: shapes that do not fit, values that are not finite, or an accuracy that no
            model reaches.

    Example:
        >>> mixture(np.array([0.2, 0.3]), np.array([0.5, 0.9]), at=0.25).round(3).tolist()
        [0.5, 0.5]
    """
    a, g = np.asarray(accuracy, dtype=float), np.asarray(unfairness, dtype=float)
    if a.ndim != 1 or a.shape != g.shape or len(a) == 0:
        raise ValueError(f"accuracy and unfairness must be (n,), got {a.shape} and {g.shape}")
    if not (np.isfinite(a).all() and np.isfinite(g).all()):
        raise ValueError("accuracy and unfairness must be finite")
    if at > a.max():
        raise ValueError(f"no model reaches {at}, the best has {a.max()}")
    best, weights = np.inf, np.zeros(len(a))
    for i in np.flatnonzero(a >= at):
        for j in range(len(a)):
            share = 1.0 if a[j] >= at else (at - a[j]) / (a[i] - a[j])  # of i
            for w in {share, 1.0}:
                value = w * g[i] + (1 - w) * g[j]
                if value < best:
                    best = value
                    weights = np.zeros(len(a))
                    weights[i], weights[j] = w, (1 - w if i != j else w)
    return weights


def tail(records_by_group: np.ndarray) -> np.ndarray:
    """Share of a recall that the less popular half of the interactions has, ``(…, n_groups)``."""
    groups = np.asarray(records_by_group, dtype=float)
    return groups[..., : groups.shape[-1] // 2].sum(-1) / groups.sum(-1)


class Cloud(NamedTuple):
    """A loss at all of its settings with every seed; every array is ``(n_seeds, n_settings)``.

    Attributes:
        valid: the metric of validation: NDCG@20, in ``paper_noise`` Recall@20.
        test: NDCG@20 on test.
        gini: of how often items are shown.
        popularity: training pairs of what is shown.
        coverage: share of items shown.
        tail: share of the recall that the less popular half of the interactions has.
        variance: of a person's scores over items.
        scaled: the same over the squared gap between own items and all.
    """

    valid: np.ndarray
    test: np.ndarray
    gini: np.ndarray
    popularity: np.ndarray
    coverage: np.ndarray
    tail: np.ndarray
    variance: np.ndarray
    scaled: np.ndarray


def cloud(testbed: Testbed, loss: str, records: Records) -> Cloud:
    """What is measured of a loss on a testbed."""
    return points((testbed.seeds(trial) for trial in grid(testbed, loss)), records)


def points(settings: Iterable[Sequence[Trial]], records: Records) -> Cloud:
    """What is measured at some settings, for each the trials of all seeds."""
    settings = list(settings)

    def get(metric: str, view: str = "") -> np.ndarray:
        return columns(settings, records, metric, view)

    variance, gap = get("variance over items", "exposure"), get("gap", "exposure")
    return Cloud(
        get("valid"),
        get("ndcg@20", "test"),
        get("gini", "exposure"),
        get("popularity", "exposure"),
        get("coverage", "exposure"),
        tail(get("recall@20 by group", "test")),
        variance,
        variance / gap**2,
    )


class Equal(NamedTuple):
    """Two losses at equal validation accuracy; arrays by seed.

    Attributes:
        at: the accuracy.
        first, second: :class:`Cloud` entry -> its value, of either loss.
    """

    at: np.ndarray
    first: dict[str, np.ndarray]
    second: dict[str, np.ndarray]


def at_equal_accuracy(
    first: Cloud, second: Cloud, *, by: str = "gini", share: float = 1.0
) -> Equal:
    """Two losses where the less accurate of them is at its best, each as fair as it can be there.

    For every seed, the accuracy is ``share`` times the smaller of the two best validation
    scores; :func:`mixture` then chooses for each loss by validation and by ``by``, which looks at
    who is shown, and not at what is in test.

    Args:
        first, second: the losses.
        by: the entry of :class:`Cloud` that is minimised, ``"gini"`` or ``"popularity"``.
        share: of the accuracy, in (0, 1].

    Raises:
        ValueError: another entry, or a share outside its domain.
    """
    if by not in ("gini", "popularity"):
        raise ValueError(f"by must be 'gini' or 'popularity', got {by!r}")
    if not 0 < share <= 1:
        raise ValueError(f"share must lie in (0, 1], got {share}")
    at = share * np.minimum(first.valid.max(1), second.valid.max(1))

    def mixed(points: Cloud) -> dict[str, np.ndarray]:
        unfair = getattr(points, by)
        weights = np.array(
            [mixture(a, g, at=x) for a, g, x in zip(points.valid, unfair, at, strict=True)]
        )
        return {name: (weights * array).sum(1) for name, array in points._asdict().items()}

    return Equal(at, mixed(first), mixed(second))


def as_tuned(points: Cloud) -> dict[str, np.ndarray]:
    """Every entry at the setting that is best on validation for the first seed, by seed."""
    k = int(points.valid[0].argmax())
    return {name: array[:, k] for name, array in points._asdict().items()}
