r"""Softmax loss as mean plus variance: the identity, the expansion, the bounds.

``K(s) = log E_P exp(s f)`` is the cumulant generating function of the scores; the negative side
of softmax loss in its risk form is ``τ K(1/τ)``.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import brentq
from scipy.special import expit

from .checks import (
    check_count,
    check_number,
    check_powers,
    check_scores,
    check_small,
    check_tau,
    one_row,
    temperature,
    top,
)
from .kl import log_mean_exp, tilt


class Moments(NamedTuple):
    """Mean, variance and third central moment."""

    mean: float | np.ndarray
    variance: float | np.ndarray
    third: float | np.ndarray


class Expansion(NamedTuple):
    """An approximation and a bound on how far it can be from the truth."""

    value: float | np.ndarray
    bound: float | np.ndarray


def tilted_moments(scores: ArrayLike, *, tau: float, weights: ArrayLike | None = None) -> Moments:
    r"""Moments of the scores under the worst case ``Q_τ``; ``tau=inf`` gives those under ``P``.

    .. math:: K'(s) = \mathbb{E}_{Q} f, \quad K''(s) = \operatorname{Var}_{Q} f, \quad
              K'''(s) = \mathbb{E}_{Q} (f - \mathbb{E}_{Q} f)^3, \qquad s = 1/\tau

    Args:
        scores: ``(n,)`` or ``(…, n)``, finite.
        tau: temperature in score units, at least 0.
        weights: ``P``, ``(n,)`` or as ``scores``; uniform by default.

    Raises:
        ValueError: empty or non-finite scores, bad weights, a negative ``tau``.

    Example:
        >>> tilted_moments([0.0, 1.0], tau=float("inf"))
        Moments(mean=0.5, variance=0.25, third=0.0)
    """
    f, p = _checked(scores, weights)
    tau = temperature(tau, f)
    q = tilt(f, p, math.inf if tau == 0 else 1 / tau)
    mean = (q * f).sum(-1, keepdims=True)
    found = mean[..., 0], (q * (f - mean) ** 2).sum(-1), (q * (f - mean) ** 3).sum(-1)
    return Moments(*found) if f.ndim > 1 else Moments(*(float(x) for x in found))


def penalised_variance(
    scores: ArrayLike, *, tau: float, weights: ArrayLike | None = None
) -> float | np.ndarray:
    r"""The variance that softmax loss penalises, exactly.

    .. math:: \tau \log \mathbb{E}_P e^{f/\tau} = \mathbb{E}_P f + \frac{V}{2\tau}, \qquad
              V = 2 \int_0^1 (1 - x) \operatorname{Var}_{Q_{\tau/x}} f \, dx

    ``V`` is an average of the variances under all tilts between ``P`` and the worst case; it is
    computed here from the left-hand side.

    Args, errors: as :func:`tilted_moments`; ``tau`` must be positive and finite.

    Example:
        >>> round(penalised_variance([0.0, 1.0], tau=10.0), 6)
        0.249896

    Source: this book, chapter *The variance that softmax loss pays for*; to second order, Wu et
    al., *BSL: Understanding and Improving Softmax Loss for Recommendation*, ICDE 2024.
    """
    f, p = _checked(scores, weights)
    tau = check_tau(tau)
    centred = f - (p * f).sum(-1, keepdims=True)
    variance, third, fourth = _cumulants(centred, p)
    far = 2 * tau**2 * log_mean_exp(centred, p, 1 / tau)
    near = variance + third / (3 * tau) + fourth / (12 * tau**2)
    result = np.where(_near(centred, tau), near, far)
    return result if f.ndim > 1 else float(result)


def tilt_of_identity(scores: ArrayLike, *, tau: float, weights: ArrayLike | None = None) -> float:
    r"""A tilt ``ξ`` at which the penalised variance is a variance.

    .. math:: \tau \log \mathbb{E}_P e^{f/\tau} = \mathbb{E}_P f
              + \frac{\operatorname{Var}_{Q_\xi} f}{2\tau}, \qquad
              Q_\xi \propto P e^{\xi f}, \; 0 < \xi < 1/\tau

    Taylor's theorem promises one; there may be several. Equal scores give ``1 / (2 tau)``.

    Args, errors: as :func:`penalised_variance`, with scores ``(n,)``.

    Example:
        >>> 0 < tilt_of_identity([0.0, 0.2, 1.0], tau=0.1) < 10
        True
    """
    f, p = _checked(scores, weights)
    one_row(f)
    tau = check_tau(tau)
    target = penalised_variance(f, tau=tau, weights=p)
    if target == 0:
        return 1 / (2 * tau)

    def gap(xi):
        q = tilt(f, p, xi)
        return (q * (f - (q * f).sum()) ** 2).sum() - target

    # An average of the values of a continuous function lies between two of them.
    grid = np.linspace(0, 1 / tau, 129)
    signs = np.sign([gap(xi) for xi in grid])
    change = np.flatnonzero(signs[:-1] * signs[1:] < 0)
    if len(change) == 0:  # the variance hardly moves: the nearest point is as good as exact
        return float(grid[1 + np.argmin([abs(gap(xi)) for xi in grid[1:-1]])])
    k = change[0]
    return float(brentq(gap, grid[k], grid[k + 1], xtol=1e-15, rtol=1e-14, maxiter=1000))


def expansion(
    scores: ArrayLike, *, tau: float, order: int = 2, weights: ArrayLike | None = None
) -> Expansion:
    r"""Softmax loss in powers of ``1/τ``, with a bound on the remainder.

    .. math:: \tau \log \mathbb{E}_P e^{f/\tau} = \mathbb{E} f
              + \frac{\operatorname{Var} f}{2\tau} + \frac{\kappa_3}{6\tau^2} + R_3, \qquad
              |R_1| \le \frac{w^2}{8\tau}, \;
              |R_2| \le \frac{w^3}{24\tau^2}, \;
              |R_3| \le \frac{w^4}{192\tau^3}

    with ``w`` the range of the scores of positive weight and ``order`` the number of terms.

    Args:
        scores: ``(n,)`` or ``(…, n)``, finite.
        tau: temperature in score units, positive and finite.
        order: 1, 2 or 3.
        weights: ``P``, ``(n,)`` or as ``scores``; uniform by default.

    Raises:
        ValueError: empty or non-finite scores, bad weights, ``tau`` not positive and finite,
            another ``order``.

    Example:
        >>> expansion([0.0, 1.0], tau=1.0, order=2)
        Expansion(value=0.625, bound=0.041666666666666664)

    Source: this book, chapter *The variance that softmax loss pays for*.
    """
    f, p = _checked(scores, weights)
    tau = check_tau(tau)
    if check_count("order", order) > 3:
        raise ValueError(f"order must be 1, 2 or 3, got {order!r}")
    mean, variance, third = tilted_moments(f, tau=math.inf, weights=p)
    value = (mean, mean + variance / (2 * tau), mean + variance / (2 * tau) + third / (6 * tau**2))
    w = _range(f, p)
    bound = (w**2 / (8 * tau), w**3 / (24 * tau**2), w**4 / (192 * tau**3))
    return Expansion(value[order - 1], bound[order - 1])


def hoeffding_bound(
    scores: ArrayLike, *, tau: float, weights: ArrayLike | None = None
) -> float | np.ndarray:
    r"""The most that softmax loss can be, given the mean and the range of the scores.

    .. math:: \tau \log \mathbb{E}_P e^{f/\tau} \le \mathbb{E}_P f + \frac{(b - a)^2}{8\tau}

    Args, errors: as :func:`expansion`.

    Example:
        >>> hoeffding_bound([0.0, 1.0], tau=1.0)
        0.625

    Source: Hoeffding, *Probability Inequalities for Sums of Bounded Random Variables*, 1963.
    """
    f, p = _checked(scores, weights)
    result = (p * f).sum(-1) + _range(f, p) ** 2 / (8 * check_tau(tau))
    return result if f.ndim > 1 else float(result)


def sampling_bias(
    scores: ArrayLike, *, tau: float, n_negatives: int, weights: ArrayLike | None = None
) -> float | np.ndarray:
    r"""Bias of the loss on ``N`` sampled negatives, to first order in ``1/N``.

    .. math:: \mathbb{E} \Big[ \tau \log \frac1N \sum_{j=1}^N e^{f_j/\tau} \Big]
              - \tau \log \mathbb{E}_P e^{f/\tau}
              = -\frac{\tau \, \chi^2(Q_\tau \| P)}{2N} + O(N^{-2})

    for negatives drawn independently from ``P``. It is never positive: a sample sees too
    little of what is rare and hard. :math:`\chi^2(Q\|P) = e^{K(2/\tau) - 2K(1/\tau)} - 1`.

    Args:
        scores: ``(n,)`` or ``(…, n)``, finite.
        tau: temperature in score units, positive and finite.
        n_negatives: N, at least 1.
        weights: ``P``, ``(n,)`` or as ``scores``; uniform by default.

    Raises:
        ValueError: empty or non-finite scores, bad weights, ``tau`` not positive and finite,
            ``n_negatives`` not an integer of at least 1.

    Example:
        >>> round(sampling_bias([0.0, 1.0], tau=1.0, n_negatives=100), 6)
        -0.001068

    Source: the delta method; this book, chapter *Temperature is a radius*.
    """
    f, p = _checked(scores, weights)
    tau, n = check_tau(tau), check_count("n_negatives", n_negatives)
    centred = f - (p * f).sum(-1, keepdims=True)
    variance, third, fourth = _cumulants(centred, p)
    far = log_mean_exp(centred, p, 2 / tau) - 2 * log_mean_exp(centred, p, 1 / tau)
    near = variance / tau**2 + third / tau**3 + 7 / 12 * fourth / tau**4
    chi2 = np.expm1(np.where(_near(centred, tau), near, far))
    result = -tau * chi2 / (2 * n)
    return result if f.ndim > 1 else float(result)


def variance_coefficient(
    loss: str,
    *,
    side: str = "neg",
    mean: float = 0.0,
    other: float = 0.0,
    **params: float,
) -> float:
    r"""What a loss pays, to second order, for the variance of the scores on one side.

    .. math:: \ell(f) = \ell(m) + c \operatorname{Var} f + \dots, \qquad
              c = \tfrac12 \frac{d^2}{d\varepsilon^2} \ell(m + \varepsilon z)\Big|_{0}
              \text{ for } \operatorname{Var} z = 1, \; \mathbb{E} z = 0

    A positive coefficient penalises variance, a negative one rewards it. For a mean of a convex
    function of each score it is half the curvature at the mean.

    Args:
        loss: a name of ``bslutils.losses.LOSSES`` (``softmax`` without the positive in the
            denominator).
        side: ``"neg"`` or ``"pos"``: whose variance.
        mean: the mean score ``m`` of that side.
        other: the score of the other side, which BPR alone looks at.
        params: parameters of the loss, by their names there.

    Returns:
        the coefficient, in units of the loss per squared score.

    Raises:
        ValueError: an unknown loss or side, or a parameter that the loss does not have.

    Example:
        >>> [variance_coefficient(name) for name in ("mse", "bce", "bpr")]
        [1.0, 0.125, 0.125]
        >>> variance_coefficient("softmax_risk", tau=0.1)
        5.0

    Source: this book, chapter *The price of spread, loss by loss*.
    """
    if not isinstance(loss, str) or loss not in COEFFICIENTS:
        raise ValueError(f"unknown loss {loss!r}; choose one of {', '.join(COEFFICIENTS)}")
    if not isinstance(side, str) or side not in ("neg", "pos"):
        raise ValueError(f"side must be 'neg' or 'pos', got {side!r}")
    function, defaults = COEFFICIENTS[loss]
    wrong = [name for name in params if name not in defaults]
    if wrong:
        raise ValueError(f"loss {loss!r} has no parameter {wrong[0]!r}; it has {list(defaults)}")
    missing = [name for name, value in {**defaults, **params}.items() if value is None]
    if missing:
        raise ValueError(f"loss {loss!r} needs a value for {', '.join(missing)}")
    for name, value in params.items():
        if name not in ("margin", "intercept"):  # these may be any number
            check_powers(name, check_number(name, value, open_end=True))
    for name, value in (("mean", mean), ("other", other)):
        check_small(name, check_number(name, value, least=-math.inf))
    return float(function(side == "neg", mean, other, **{**defaults, **params}))


def _bend(x: float) -> float:
    """Half the curvature of ``log(1 + exp(x))``."""
    return expit(x) * expit(-x) / 2


def _mse(neg, mean, other, neg_weight):
    return neg_weight if neg else 1.0


def _bce(neg, mean, other, tau, neg_weight, intercept):
    return _bend(mean / tau + intercept) / tau**2 * (neg_weight if neg else 1.0)


def _bpr(neg, mean, other, tau):
    return _bend((mean - other) / tau) / tau**2


def _ccl(neg, mean, other, margin, neg_weight):
    return math.inf if neg and mean == margin else 0.0  # straight but for its kink


def _softmax(neg, mean, other, tau):
    return 1 / (2 * tau**2) if neg else 0.0


def _softmax_risk(neg, mean, other, tau):
    return 1 / (2 * tau) if neg else 0.0


def _bilateral(neg, mean, other, tau_pos, tau_neg):
    return 1 / (2 * tau_neg) if neg else -1 / (2 * tau_pos)


def _pessimistic(neg, mean, other, tau_pos, tau_neg):
    return 1 / (2 * tau_neg) if neg else 1 / (2 * tau_pos)


def _reweighted(neg, mean, other, tau, neg_weight):
    return neg_weight / (2 * tau**2) if neg else 0.0


def _pooled(neg, mean, other, tau, neg_weight):
    return neg_weight / (2 * tau**2) if neg else -1 / (2 * tau**2)


def _rescaled(neg, mean, other, tau_pos, tau_neg):
    return 1 / (2 * tau_pos * tau_neg) if neg else 0.0


# Loss -> its coefficient and its parameters with their defaults; None has to be given.
COEFFICIENTS = {
    "mse": (_mse, {"neg_weight": 1.0}),
    "bce": (_bce, {"tau": 1.0, "neg_weight": 1.0, "intercept": 0.0}),
    "bpr": (_bpr, {"tau": 1.0}),
    "ccl": (_ccl, {"margin": 0.5, "neg_weight": 1.0}),
    "softmax": (_softmax, {"tau": None}),
    "softmax_risk": (_softmax_risk, {"tau": None}),
    "bilateral_softmax": (_bilateral, {"tau_pos": None, "tau_neg": None}),
    "pessimistic_bilateral_softmax": (_pessimistic, {"tau_pos": None, "tau_neg": None}),
    "reweighted_softmax": (_reweighted, {"tau": None, "neg_weight": None}),
    "pooled_softmax": (_pooled, {"tau": None, "neg_weight": None}),
    "rescaled_softmax": (_rescaled, {"tau_pos": None, "tau_neg": None}),
}


def _checked(scores: ArrayLike, weights: ArrayLike | None) -> tuple[np.ndarray, np.ndarray]:
    f, p = check_scores(scores, weights)
    check_small("scores", f)
    return f, p


def _cumulants(centred: np.ndarray, p: np.ndarray) -> tuple[np.ndarray, ...]:
    """The second, third and fourth of scores less their mean: ``(…,)`` each."""
    second, third, fourth = ((p * centred**k).sum(-1) for k in (2, 3, 4))
    return second, third, fourth - 3 * second**2


def _near(centred: np.ndarray, tau: float) -> np.ndarray:
    """Where four terms in ``1/τ`` are more exact than ``K``, whose first ones cancel: ``(…,)``."""
    return np.abs(centred).max(-1) < 1e-4 * tau


def _range(f: np.ndarray, p: np.ndarray) -> np.ndarray | float:
    width = (top(f, p) + top(-f, p))[..., 0]
    return width if f.ndim > 1 else float(width)
