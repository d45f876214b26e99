"""What a loss pays for variance, and whether that goes with fairness, over the settings of losses.

Read off the records of the sweep ``fairness`` (:mod:`bslutils.experiments.fairness`).
"""

import numpy as np
import torch
from scipy import stats

from .. import dro, losses
from .accuracy import grid
from .fairness import Cloud, cloud, compared
from .records import Records
from .testbeds import INTERCEPT, Testbed

Changed = tuple[str, str | float]  # what is changed of a correlation, and to what


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

    Source: this book, chapter *Does variance explain fairness?*
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
        found[f"{name}, Gini | accuracy, without either BCE"] = at_fixed_accuracy(clouds, rest)
    return found


def link_without(testbed: Testbed, records: Records) -> dict[str, np.ndarray]:
    """How the link of variance and Gini index at fixed accuracy hangs on the losses.

    Returns:
        loss -> the rank correlation of :func:`links` over the settings of all other losses, by
        seed.
    """
    clouds = _clouds(testbed, records)
    scaled = {loss: points.scaled for loss, points in clouds.items()}
    return {loss: values for (_, loss), values in _each_left_out(clouds, scaled).items()}


# Where prices are taken beside: the score of the positive, and that of the negatives. Cosines of
# trained models have their negatives at -0.4 (BCE) to about zero (MSE), in the mean.
POSITIVES = (0.0, 0.25, 0.75)
NEGATIVES = (-0.4, -0.2, -0.1, 0.05, 0.1)


def link_per_pull(testbed: Testbed, records: Records) -> dict[Changed, np.ndarray]:
    """How the link of the price per pull with the Gini index hangs on what it is taken of.

    Returns:
        what is changed of :func:`links` -> the correlation at fixed accuracy, by seed:
        ``("without", loss)`` leaves a loss out, ``("positive at", score)`` takes the price there.
    """
    clouds = _clouds(testbed, records)
    found = _each_left_out(clouds, _per_pull(testbed))
    for score in POSITIVES:
        found["positive at", score] = at_fixed_accuracy(clouds, _per_pull(testbed, score))
    return found


def link_per_push(testbed: Testbed, records: Records) -> dict[Changed, np.ndarray]:
    """How the link of the price per push with the Gini index hangs on what it is taken of.

    Returns:
        what is changed of :func:`links` -> the correlation at fixed accuracy, by seed:
        ``("without", loss)`` leaves a loss out; ``("negatives at", score)`` takes the price there,
        below zero without MSE, whose price means nothing there; ``("BCE alone at", score)`` takes
        only that of BCE without an intercept there, whose models score their negatives lower than
        others do.
    """
    clouds, x = _clouds(testbed, records), _per_push(testbed)
    found = _each_left_out(clouds, x)
    for score in NEGATIVES:
        there = _per_push(testbed, score)
        found["negatives at", score] = at_fixed_accuracy(clouds, there)
        if score < 0:
            lower = x | {"bce": there["bce"]}
            found["BCE alone at", score] = at_fixed_accuracy(clouds, lower)
    return found


def _clouds(testbed: Testbed, records: Records) -> dict[str, Cloud]:
    return {loss: cloud(testbed, loss, records) for loss in compared(testbed)}


def _each_left_out(clouds: dict[str, Cloud], x: dict[str, np.ndarray]) -> dict[Changed, np.ndarray]:
    """A quantity's correlation with the Gini index at fixed accuracy, with one loss left out."""
    return {("without", loss): at_fixed_accuracy(clouds, _without(x, loss)) for loss in clouds}


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
