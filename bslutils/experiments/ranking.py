"""Losses by what they reach: who leads and by how much, in which order, whether orders agree.

Of values alone, the larger the better, whether they are published or read off records.
"""

import itertools
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from scipy import stats


class Lead(NamedTuple):
    """One loss against the best of some others.

    Attributes:
        over: that best one.
        by: how far the one is above it, in parts of it; an array where values are by seed.
    """

    over: str
    by: float | np.ndarray


def lead(values: Mapping[str, float], *, of: str = "softmax") -> Lead:
    """The best of the others, the first of equals, and by how much one loss is above it.

    Args:
        values: loss -> what is the better, the larger.
        of: the one.

    Raises:
        ValueError: the loss is not among the values, or alone.

    Example:
        >>> other, ahead = lead({"softmax": 0.06, "bpr": 0.05, "mse": 0.04})
        >>> other, round(ahead, 3)
        ('bpr', 0.2)
    """
    others = _others(values, of)
    top = max(others, key=others.__getitem__)
    return Lead(top, values[of] / others[top] - 1)


def better_of(first: Mapping[str, float], second: Mapping[str, float]) -> dict[str, float]:
    """The better of two values of every loss: each is a lower bound of what the loss can do.

    Raises:
        ValueError: a loss that has only one.

    Example:
        >>> better_of({"bpr": 0.05, "mse": 0.06}, {"bpr": 0.07, "mse": 0.04})
        {'bpr': 0.07, 'mse': 0.06}
    """
    if first.keys() != second.keys():
        alone = ", ".join(sorted(first.keys() ^ second.keys()))
        raise ValueError(f"every loss must have two values, these have one: {alone}")
    return {name: max(value, second[name]) for name, value in first.items()}


def best_first(values: Mapping[str, float]) -> list[str]:
    """Names of losses, the best first; equals stay in their order.

    Example:
        >>> best_first({"bpr": 0.05, "softmax": 0.07, "mse": 0.05})
        ['softmax', 'bpr', 'mse']
    """
    return sorted(values, key=values.__getitem__, reverse=True)


def shortfall(values: Mapping[str, float], *, of: str = "softmax") -> float:
    """How far one loss is below the best of all, in parts of that; zero if it is the best.

    Raises:
        ValueError: as :func:`lead`.

    Example:
        >>> shortfall({"softmax": 0.06, "bpr": 0.08}), shortfall({"softmax": 0.08, "bpr": 0.06})
        (0.25, 0.0)
    """
    _others(values, of)
    return 1 - values[of] / max(values.values())


class Standing(NamedTuple):
    """Where one loss stands among others.

    Attributes:
        best: the loss with the best mean.
        shortfall: how far the one is below it, in parts of it.
        above, below: the others that are clearly above the one, and clearly below.
        open: those that cannot be told from it.
    """

    best: str
    shortfall: float
    above: list[str]
    below: list[str]
    open: list[str]


def standing(
    values: Mapping[str, float], clear: Mapping[str, float], *, of: str = "softmax"
) -> Standing:
    """Where one loss stands, and which others can be told from it.

    Args:
        values: loss -> mean.
        clear: loss -> mean difference to the one, of those for which it is no chance
            (:func:`bslutils.intervals.discoveries`).
        of: the one.

    Raises:
        ValueError: as :func:`lead`.

    Example:
        >>> values = {"softmax": 0.06, "bpr": 0.03, "mse": 0.08, "bce": 0.05}
        >>> standing(values, {"bpr": -0.5, "mse": 0.33})
        Standing(best='mse', shortfall=0.25, above=['mse'], below=['bpr'], open=['bce'])
    """
    others = _others(values, of)
    return Standing(
        best_first(values)[0],
        shortfall(values, of=of),
        [name for name in others if clear.get(name, 0) > 0],
        [name for name in others if clear.get(name, 0) < 0],
        [name for name in others if not clear.get(name, 0)],
    )


def agreement(first: Mapping[str, float], second: Mapping[str, float]) -> float:
    """Spearman's rank correlation of two orders of the same losses; equals share their rank.

    Raises:
        ValueError: other losses, or fewer than two.

    Example:
        >>> here, there = {"bpr": 1, "mse": 2, "bce": 3}, {"bpr": 1, "mse": 3, "bce": 2}
        >>> agreement(here, there)
        0.5
    """
    if first.keys() != second.keys() or len(first) < 2:
        raise ValueError(f"orders must be of the same losses, got {[*first]} and {[*second]}")
    values = [*first.values()], [second[name] for name in first]
    return float(stats.spearmanr(*values).statistic)


def agreement_by_chance(n: int, *, share: float = 0.025) -> float:
    """The rank correlation that no more than a ``share`` of random orders of ``n`` exceeds.

    Over all orders without ties, one by one.

    Raises:
        ValueError: fewer than 2, more than 9 (9! are 362,880), or a share outside (0, 1).

    Example:
        >>> agreement_by_chance(3, share=0.2)  # of 1, 0.5, 0.5, -0.5, -0.5, -1
        0.5
    """
    if not 2 <= n <= 9:
        raise ValueError(f"n must lie in 2 to 9, got {n}")
    if not 0 < share < 1:
        raise ValueError(f"share must lie in (0, 1), got {share}")
    orders = np.array([*itertools.permutations(range(n))])
    rho = 1 - 6 * ((orders - np.arange(n)) ** 2).sum(1) / (n * (n**2 - 1))
    return float(np.quantile(rho, 1 - share, method="inverted_cdf"))


def _others(values: Mapping[str, float], of: str) -> dict[str, float]:
    others = {name: value for name, value in values.items() if name != of}
    if of not in values or not others:
        raise ValueError(f"values must have {of!r} and another loss, got {', '.join(values)}")
    return others
