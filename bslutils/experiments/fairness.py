"""Accuracy against fairness over the settings of a loss: what is run, and what the records say.

The sweep ``fairness``.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from scipy import stats

from .. import dro, losses
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


def partial(x: np.ndarray, y: np.ndarray, given: np.ndarray) -> float:
    r"""Rank correlation of two quantities once a third is held fixed.

    .. math:: r_{xy \cdot z} = \frac{r_{xy} - r_{xz} r_{yz}}
              {\sqrt{(1 - r_{xz}^2)(1 - r_{yz}^2)}}

    of Spearman's correlations.

    Raises:
        ValueError: shapes that do not fit, or fewer than four values.

    Example:
        >>> z = np.array([1.0, 2.0, 3.0, 4.0, 5.0])
        >>> noise = np.array([0.1, -0.2, 0.3, -0.1, 0.2])
        >>> round(partial(noise, -noise, z), 6)
        -1.0

    Source: Kendall, *Partial Rank Correlation*, Biometrika 1942, with Spearman's coefficient.
    """
    arrays = [np.asarray(v, dtype=float) for v in (x, y, given)]
    if len({a.shape for a in arrays}) != 1 or arrays[0].ndim != 1 or len(arrays[0]) < 4:
        raise ValueError(f"x, y, given must be (n,), n >= 4, got {[a.shape for a in arrays]}")
    xy, xz, yz = (
        stats.spearmanr(arrays[i], arrays[j]).statistic for i, j in ((0, 1), (0, 2), (1, 2))
    )
    return float((xy - xz * yz) / np.sqrt((1 - xz**2) * (1 - yz**2)))


def price(loss: str, params: dict[str, float], *, other: float = 0.5) -> float:
    r"""What a loss pays for the variance of negatives, per unit of its pull on a positive.

    .. math:: \frac{c}{-\partial \ell / \partial f_i}
              \quad\text{at}\quad f_i = o, \; f_j = 0

    with ``c`` the implicit variance coefficient (:func:`bslutils.dro.variance_coefficient`). A
    weight on the negatives raises it, and so does a positive whose pull is nearly spent.

    Args:
        loss: a name of ``bslutils.losses.LOSSES``.
        params: its parameters.
        other: the score ``o`` of the positive.

    Raises:
        ValueError: a loss or a parameter that is not known, or a positive that is not pulled.

    Example:
        >>> round(price("softmax", {"tau": 0.1}), 6)
        5.0
        >>> [round(price("bce", {"tau": 0.14}, other=o), 1) for o in (0.0, 0.5)]
        [1.8, 32.6]

    Source: this book, chapter *Fairness at equal accuracy*.
    """
    pull = -_slopes(loss, params, 0.0, other)[0]
    if not pull > 0:
        raise ValueError(f"loss {loss!r} does not pull a positive at {other:g}: no price per pull")
    return dro.variance_coefficient(loss, mean=0.0, other=other, **params) / pull


def price_per_push(
    loss: str, params: dict[str, float], *, mean: float = 0.0, other: float = 0.5
) -> float:
    r"""What a loss pays for the variance of negatives, per unit of its push on them.

    .. math:: \rho = \frac{c}{\sum_j \partial \ell / \partial f_j}
              \quad\text{at}\quad f_i = o, \; f_j = m

    with ``c`` as in :func:`price`. A weight on the negatives leaves it alone, and so does the
    positive, but for BPR. Infinite where a loss does not push and has a price: that of MSE at zero,
    as the limit from above.

    Args:
        loss: a name of ``bslutils.losses.LOSSES``.
        params: its parameters.
        mean: the score ``m`` of the negatives.
        other: the score ``o`` of the positive.

    Raises:
        ValueError: a loss or a parameter that is not known, or negatives that are pulled up on the
            whole, as by MSE below zero: a rate of exchange means nothing there.

    Example:
        >>> [round(price_per_push(x, {"tau": 0.1}), 6) for x in ("softmax", "bce")]
        [5.0, 2.5]
        >>> round(price_per_push("mse", {"neg_weight": 3.0}, mean=0.05), 6)
        10.0

    Source: this book, chapter *The price of spread, loss by loss*.
    """
    coefficient = dro.variance_coefficient(loss, mean=mean, other=other, **params)
    push = _slopes(loss, params, mean, other)[1]
    if push < 0:
        raise ValueError(f"loss {loss!r} pulls negatives at {mean:g} up: no price per push")
    if coefficient == 0:
        return 0.0
    return coefficient / push if push else float("inf")


def _slopes(loss: str, params: dict[str, float], mean: float, other: float) -> tuple[float, float]:
    """Derivatives for a positive, and for eight negatives that move together."""
    pos = torch.full((1, 1), other, dtype=torch.float64, requires_grad=True)
    neg = torch.full((1, 8), mean, dtype=torch.float64, requires_grad=True)
    grads = torch.autograd.grad(losses.make_loss(loss, **params)(pos, neg), (pos, neg))
    return grads[0].item(), grads[1].sum().item()


def at_fixed_accuracy(clouds: dict[str, Cloud], x: dict[str, np.ndarray]) -> np.ndarray:
    """Rank correlation of a quantity with the Gini index, test NDCG@20 held fixed, by seed.

    Args:
        clouds: loss -> what is measured at its settings.
        x: loss -> the quantity, ``(n_settings,)`` or ``(n_seeds, n_settings)``. A loss that is not
            in it is left out.

    Raises:
        ValueError: fewer than four settings in all, or a loss without a cloud.
    """
    lacking = [loss for loss in x if loss not in clouds]
    if lacking:
        raise ValueError(f"no cloud for {lacking[0]!r}; there are {', '.join(clouds)}")
    values = [np.broadcast_to(v, clouds[loss].gini.shape) for loss, v in x.items()]
    unfair, good = ([getattr(clouds[loss], name) for loss in x] for name in ("gini", "test"))
    seeds = zip(*map(np.hstack, (values, unfair, good)), strict=True)
    return np.array([partial(*seed) for seed in seeds])


def links(testbed: Testbed, records: Records) -> dict[str, np.ndarray]:
    """Rank correlations over all settings of all losses of a sweep on fairness, by seed.

    Between either price of variance (:func:`price` and, with negatives at zero,
    :func:`price_per_push`), the variance of scores (over the squared gap), and the Gini index;
    after a bar, at fixed accuracy (:func:`at_fixed_accuracy`). Without BCE is without an intercept
    and with one.
    """
    clouds = _clouds(testbed, records)
    pull, push = _per_pull(testbed), _per_push(testbed)
    costs = {"price per pull": pull, "price per push": push}
    scaled = {loss: points.scaled for loss, points in clouds.items()}

    def raw(x: dict[str, np.ndarray], name: str) -> np.ndarray:
        shape = clouds["softmax"].gini.shape
        first = np.hstack([np.broadcast_to(x[loss], shape) for loss in clouds])
        second = np.hstack([getattr(points, name) for points in clouds.values()])
        pairs = zip(first, second, strict=True)
        return np.array([stats.spearmanr(*pair).statistic for pair in pairs])

    found = {f"{name}, variance": raw(x, "scaled") for name, x in costs.items()}
    found["variance, Gini"] = raw(scaled, "gini")
    found |= {f"{name}, Gini": raw(x, "gini") for name, x in costs.items()}
    found["variance, Gini | accuracy"] = at_fixed_accuracy(clouds, scaled)
    for name, x in costs.items():
        rest = _without(x, "bce", INTERCEPT)
        found[f"{name}, Gini | accuracy"] = at_fixed_accuracy(clouds, x)
        found[f"{name}, Gini | accuracy, without BCE"] = at_fixed_accuracy(clouds, rest)
    return found


def link_without(testbed: Testbed, records: Records) -> dict[str, np.ndarray]:
    """How the link of variance and Gini index at fixed accuracy hangs on the losses.

    Returns:
        loss -> the rank correlation of :func:`links` over the settings of all other losses, by
        seed.
    """
    clouds = _clouds(testbed, records)
    scaled = {loss: points.scaled for loss, points in clouds.items()}
    return {loss: at_fixed_accuracy(clouds, _without(scaled, loss)) for loss in clouds}


# Where prices are taken beside: the score of the positive, and that of the negatives. Cosines of
# trained models have their negatives at -0.4 (BCE) to about zero (MSE), in the mean.
POSITIVES = (0.0, 0.25, 0.75)
NEGATIVES = (-0.4, -0.2, -0.1, 0.05, 0.1)


def link_per_pull(testbed: Testbed, records: Records) -> dict[tuple[str, str | float], np.ndarray]:
    """How the link of the price per pull with the Gini index hangs on what it is taken of.

    Returns:
        what is changed of :func:`links` -> the correlation at fixed accuracy, by seed:
        ``("without", loss)`` leaves a loss out, ``("positive at", score)`` takes the price there.
    """
    clouds, x = _clouds(testbed, records), _per_pull(testbed)
    found: dict[tuple[str, str | float], np.ndarray] = {
        ("without", loss): at_fixed_accuracy(clouds, _without(x, loss)) for loss in clouds
    }
    for score in POSITIVES:
        found["positive at", score] = at_fixed_accuracy(clouds, _per_pull(testbed, score))
    return found


def link_per_push(testbed: Testbed, records: Records) -> dict[tuple[str, str | float], np.ndarray]:
    """How the link of the price per push with the Gini index hangs on what it is taken of.

    Returns:
        what is changed of :func:`links` -> the correlation at fixed accuracy, by seed:
        ``("without", loss)`` leaves a loss out; ``("negatives at", score)`` takes the price there,
        below zero without MSE, whose price means nothing there; ``("BCE alone at", score)`` takes
        only that of BCE without an intercept there, whose models score their negatives lower than
        others do.
    """
    clouds, x = _clouds(testbed, records), _per_push(testbed)
    found: dict[tuple[str, str | float], np.ndarray] = {
        ("without", loss): at_fixed_accuracy(clouds, _without(x, loss)) for loss in clouds
    }
    for score in NEGATIVES:
        there = _per_push(testbed, score)
        found["negatives at", score] = at_fixed_accuracy(clouds, there)
        if score < 0:
            lower = x | {"bce": there["bce"]}
            found["BCE alone at", score] = at_fixed_accuracy(clouds, lower)
    return found


def _clouds(testbed: Testbed, records: Records) -> dict[str, Cloud]:
    return {loss: cloud(testbed, loss, records) for loss in compared(testbed)}


def _without(x: dict[str, np.ndarray], *names: str) -> dict[str, np.ndarray]:
    return {loss: values for loss, values in x.items() if loss not in names}


def _per_pull(testbed: Testbed, other: float = 0.5) -> dict[str, np.ndarray]:
    """loss -> the price per pull at its settings."""
    return {
        loss: np.array([price(t.loss, t.params, other=other) for t in grid(testbed, loss)])
        for loss in compared(testbed)
    }


def _per_push(testbed: Testbed, mean: float = 0.0) -> dict[str, np.ndarray]:
    """loss -> the price per push at its settings, without MSE where it has none."""
    return {
        loss: np.array([price_per_push(t.loss, t.params, mean=mean) for t in grid(testbed, loss)])
        for loss in compared(testbed)
        if mean >= 0 or loss != "mse"
    }
