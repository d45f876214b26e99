"""Intervals and paired comparisons of per-user (or per-seed) values."""

from collections.abc import Hashable, Mapping
from typing import NamedTuple

import numpy as np
from scipy import stats


def number(x: float, digits: int = 2, sign: str = "") -> str:
    """A number with so many digits after the point, and no minus before a zero.

    Args:
        x: the number.
        digits: after the point.
        sign: ``"+"`` to have one before every number.

    Example:
        >>> number(-0.001), number(-0.001, 3), number(-0.001, sign="+")
        ('0.00', '-0.001', '+0.00')
    """
    return f"{round(x, digits) + 0.0:{sign}.{digits}f}"


class Interval(NamedTuple):
    """A mean with its interval."""

    mean: float
    low: float
    high: float

    def text(self, digits: int = 2) -> str:
        """The mean and, in brackets, the interval.

        With one digit or two more where an end that is not zero would read as if it were.

        Example:
            >>> Interval(1.4, 1.25, 1.5).text()
            '1.40 (1.25 to 1.50)'
            >>> Interval(-0.12, -0.23, -0.004).text()
            '-0.120 (-0.230 to -0.004)'
        """
        digits = self._digits(digits, 1)
        mean, low, high = (number(x, digits) for x in self)
        return f"{mean} ({low} to {high})"

    def _digits(self, digits: int, unit: float) -> int:
        """As many, and up to two more, as show on which side of zero an interval ends."""
        ends = self.low, self.high
        if not (min(ends) > 0 or max(ends) < 0):
            return digits
        hidden = [d for d in range(3) if any(round(unit * x, digits + d) == 0 for x in ends)]
        return digits + min(len(hidden), 2)

    def percent(self, digits: int = 1, *, unit: str = "%") -> str:
        """The same for a relative change, in per cent and with its sign.

        A difference of two relative changes is in points: ``unit="points"``.

        Example:
            >>> Interval(-0.05, -0.08, -0.02).percent()
            '-5.0 % (-8.0 to -2.0)'
            >>> Interval(-0.05, -0.1, -0.0001).percent()
            '-5.00 % (-10.00 to -0.01)'
            >>> Interval(-0.05, -0.08, -0.02).percent(unit="points")
            '-5.0 points (-8.0 to -2.0)'
        """
        digits = self._digits(digits, 100)
        mean, low, high = (number(100 * x, digits, "+") for x in self)
        return f"{mean} {unit} ({low} to {high})"

    def plus_minus(self, digits: int = 1) -> str:
        """A relative change in per cent with half its interval, which must be symmetric.

        Raises:
            ValueError: an interval that is not, such as a bootstrap's.

        Example:
            >>> Interval(-0.05, -0.08, -0.02).plus_minus()
            '-5.0 ± 3.0'
        """
        below, above = self.mean - self.low, self.high - self.mean
        if abs(below - above) > 1e-9 * max(1, abs(self.mean)):
            raise ValueError(f"the interval must be symmetric, got {self}")
        return f"{number(100 * self.mean, digits, '+')} ± {100 * above:.{digits}f}"


class PairedDifference(NamedTuple):
    """A mean difference with its interval and the p-value of 'no difference'."""

    mean: float
    low: float
    high: float
    p_value: float


def _values(name: str, values: np.ndarray) -> np.ndarray:
    array = np.asarray(values, dtype=float)
    if array.ndim != 1 or len(array) == 0 or not np.isfinite(array).all():
        raise ValueError(f"{name} must be a non-empty list of finite numbers, got {array.shape}")
    return array


def mean_interval(values: np.ndarray, *, level: float = 0.95, seed: int = 0) -> Interval:
    """Mean of ``values`` with its percentile bootstrap interval (2,000 resamples).

    A single value, or equal ones, gives an interval of width zero: there is nothing to resample.

    Args:
        values: ``(n,)``, one per user or one per seed.
        level: coverage in (0, 1).
        seed: seeds the resampling.

    Raises:
        ValueError: an empty or non-finite array, ``level`` outside (0, 1).

    Example:
        >>> mean_interval([0.0, 1.0, 1.0, 0.0])
        Interval(mean=0.5, low=0.0, high=1.0)

    Source: Efron and Tibshirani, *An Introduction to the Bootstrap*, 1993, chapter 13.
    """
    array = _values("values", values)
    if not 0 < level < 1:
        raise ValueError(f"level must lie in (0, 1), got {level}")
    mean = float(array.mean())
    if np.ptp(array) == 0:
        return Interval(mean, mean, mean)
    result = stats.bootstrap(
        (array,),
        np.mean,
        n_resamples=2000,
        batch=100,
        confidence_level=level,
        method="percentile",
        rng=np.random.default_rng(seed),
    ).confidence_interval
    return Interval(mean, float(result.low), float(result.high))


def t_interval(values: np.ndarray, *, level: float = 0.95) -> Interval:
    r"""Mean of a few independent values with Student's interval.

    .. math:: \bar x \pm t_{n-1, (1 + c)/2}\, s / \sqrt n

    For seeds: of a handful of values a bootstrap interval is too narrow.

    Args:
        values: ``(n,)``, at least two, one per seed; differences, where seeds are paired.
        level: coverage c in (0, 1).

    Raises:
        ValueError: fewer than two values, one that is not finite, ``level`` outside (0, 1).

    Example:
        >>> mean, low, high = t_interval([1.0, 2.0, 3.0])
        >>> mean, round(low, 2), round(high, 2)
        (2.0, -0.48, 4.48)

    Source: Student, *The Probable Error of a Mean*, Biometrika 1908.
    """
    array = _values("values", values)
    if len(array) < 2:
        raise ValueError(f"values must be at least two, got {len(array)}")
    if not 0 < level < 1:
        raise ValueError(f"level must lie in (0, 1), got {level}")
    half = stats.t.ppf((1 + level) / 2, len(array) - 1) * stats.sem(array)
    mean = float(array.mean())
    return Interval(mean, mean - float(half), mean + float(half))


def welch_interval(a: np.ndarray, b: np.ndarray, *, level: float = 0.95) -> Interval:
    r"""Mean of ``a`` less that of ``b``, of a few independent values each, with its interval.

    .. math:: \bar a - \bar b \pm t_{\nu, (1 + c)/2} \sqrt{s_a^2 / n_a + s_b^2 / n_b}

    with Welch's degrees of freedom ν: for seeds that are not pairs, such as those of different
    kinds of device.

    Args:
        a, b: at least two values each, one per seed.
        level: coverage c in (0, 1).

    Raises:
        ValueError: fewer than two values, one that is not finite, ``level`` outside (0, 1).

    Example:
        >>> mean, low, high = welch_interval([1.0, 2.0, 3.0], [0.0, 1.0, 2.0])
        >>> mean, round(low, 2), round(high, 2)
        (1.0, -1.27, 3.27)

    Source: Welch, *The Generalization of 'Student's' Problem when Several Different Population
    Variances are Involved*, Biometrika 1947.
    """
    a, b = _values("a", a), _values("b", b)
    if min(len(a), len(b)) < 2:
        raise ValueError(f"a and b must be at least two values each, got {len(a)} and {len(b)}")
    if not 0 < level < 1:
        raise ValueError(f"level must lie in (0, 1), got {level}")
    mean = float(a.mean() - b.mean())
    if np.ptp(a) == np.ptp(b) == 0:
        return Interval(mean, mean, mean)
    found = stats.ttest_ind(a, b, equal_var=False).confidence_interval(level)
    return Interval(mean, float(found.low), float(found.high))


def paired_difference(a: np.ndarray, b: np.ndarray, *, seed: int = 0) -> PairedDifference:
    """Mean of ``a - b`` over the same users, its bootstrap interval, and a paired t-test.

    Args:
        a, b: ``(n,)``, the same users in the same order.
        seed: seeds the resampling.

    Raises:
        ValueError: arrays that are empty, not finite, or of different length.

    Example:
        >>> difference = paired_difference([0.5, 0.7, 0.9], [0.4, 0.6, 0.7])
        >>> round(difference.mean, 3), difference.p_value < 0.1
        (0.133, True)
    """
    a, b = _values("a", a), _values("b", b)
    if a.shape != b.shape:
        raise ValueError(f"a and b must have the same length, got {len(a)} and {len(b)}")
    return PairedDifference(*mean_interval(a - b, seed=seed), p_value=_p_value(a - b))


def _p_value(differences: np.ndarray) -> float:
    """Of a mean of zero, by Student's t test; equal values leave no doubt."""
    if np.ptp(differences) == 0:
        return 1.0 if differences[0] == 0 else 0.0
    return float(stats.ttest_1samp(differences, 0).pvalue)


def adjusted(p_values: Mapping[Hashable, float]) -> dict[Hashable, float]:
    """P-values adjusted for how many there are, by the procedure of Benjamini and Hochberg.

    Example:
        >>> adjusted({"a": 0.01, "b": 0.04}), adjusted({})
        ({'a': 0.02, 'b': 0.04}, {})
    """
    if not p_values:
        return {}
    found = stats.false_discovery_control([*p_values.values()])
    return dict(zip(p_values, found.tolist(), strict=True))


def discoveries(differences: Mapping[Hashable, np.ndarray], *, rate: float = 0.05) -> set[Hashable]:
    """Which of many mean differences are not zero, at a false discovery rate.

    Each by Student's t test, :func:`adjusted` for how many there are.

    Args:
        differences: name -> ``(n,)``, at least two, such as paired differences by seed.
        rate: the expected share of false ones among what is found, in (0, 1).

    Raises:
        ValueError: fewer than two values, one that is not finite, ``rate`` outside (0, 1).

    Example:
        >>> discoveries({"clear": [1.0, 1.1, 0.9], "open": [1.0, -1.1, 0.2]})
        {'clear'}

    Source: Benjamini and Hochberg, *Controlling the False Discovery Rate*, JRSS B 1995.
    """
    if not 0 < rate < 1:
        raise ValueError(f"rate must lie in (0, 1), got {rate}")
    p_values = {}
    for name, values in differences.items():
        array = _values(f"differences of {name}", values)
        if len(array) < 2:
            raise ValueError(f"differences of {name} must be at least two, got {len(array)}")
        p_values[name] = _p_value(array)
    return {name for name, p in adjusted(p_values).items() if p < rate}
