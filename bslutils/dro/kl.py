r"""The Kullback-Leibler ball around a distribution of scores, and its worst case.

``scores`` are the values ``f_j`` that an adversary wants large; ``weights`` is the reference
distribution ``P`` over them, uniform by default. Items of weight zero take no part.
Everything is NumPy in float64.
"""

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import brentq
from scipy.special import logsumexp

from .checks import check_count, check_number, check_scores, one_row, scale_of, temperature, top


def log_mean_exp(f: np.ndarray, p: np.ndarray, s: float) -> np.ndarray:
    """``K(s) = log E_P exp(s f)`` over the last axis; exact to rounding for small ``s`` too."""
    centre = (p * f).sum(-1, keepdims=True)
    x = np.where(p > 0, s * (f - centre), 0)
    small = np.abs(x).max(-1) < 0.5
    near = np.log1p((p * np.expm1(np.where(small[..., None], x, 0))).sum(-1))
    far = logsumexp(np.where(p > 0, s * f, -np.inf), b=p, axis=-1)
    return np.where(small, near + s * centre[..., 0], far)


def tilt(f: np.ndarray, p: np.ndarray, s: float) -> np.ndarray:
    """``Q(j) ∝ P(j) exp(s f_j)`` over the last axis; for ``s = inf``, P given the largest score."""
    best = top(f, p)
    with np.errstate(invalid="ignore"):
        x = np.where(f == best, 0.0, s * (f - best))
    q = p * np.exp(np.where(p > 0, x, -np.inf))
    return q / q.sum(-1, keepdims=True)


def kl_value(f: np.ndarray, p: np.ndarray, tau: float) -> np.ndarray:
    """``τ log E_P exp(f/τ)`` with its limits at 0 and infinity: ``(…, n) -> (…)``."""
    if tau == 0:
        return top(f, p)[..., 0]
    if math.isinf(tau):
        return (p * f).sum(-1)
    best = top(f, p)
    shifted = np.where(p > 0, f - best, 0)  # below zero: a cold tau cannot overflow
    return best[..., 0] + tau * log_mean_exp(shifted, p, 1 / tau)


def most(f: np.ndarray, p: np.ndarray) -> np.ndarray:
    """``-log P(argmax f)``, the largest radius that changes anything; 0 where all are equal."""
    best = top(f, p)
    here, rest = (p * (f == best)).sum(-1), (p * (f < best)).sum(-1)  # take the small one
    return -np.where(rest < 0.5, np.log1p(-np.minimum(rest, 0.5)), np.log(here))


def worst_case_radius(f: np.ndarray, p: np.ndarray, s: float) -> np.ndarray:
    """``KL(Q‖P)`` of the tilt by ``s``, as a sum of terms that are never negative."""
    f = f - top(f, p)  # the items that count get the smallest exponents: least rounding
    u = np.where(p > 0, s * f - log_mean_exp(np.where(p > 0, f, 0), p, s)[..., None], 0)  # log Q/P
    # h log h - h + 1 at h = exp(u); its series where the difference would cancel.
    tiny = np.abs(u) < 1e-2
    v = np.where(tiny, u, 0)
    series = v**2 * (1 / 2 + v * (1 / 3 + v * (1 / 8 + v * (1 / 30 + v * (1 / 144 + v / 840)))))
    w = np.where(tiny, 0, u)
    return (p * np.where(tiny, series, w * np.exp(w) - np.expm1(w))).sum(-1)


def worst_case_slack(f: np.ndarray, p: np.ndarray, s: float) -> np.ndarray:
    """``-log P(argmax) - KL(Q‖P)`` of the tilt by ``s``, without cancellation."""
    best = top(f, p)
    q = tilt(f, p, s)
    below = q * (f < best) * (p > 0)
    rest, here = below.sum(-1), (q * (f == best)).sum(-1)  # they add up to one: take the small one
    log_here = np.where(rest < 0.5, np.log1p(-np.minimum(rest, 0.5)), np.log(here))
    return (below * s * (best - f)).sum(-1) - log_here


def radius_of_tau(
    scores: ArrayLike, *, tau: float, weights: ArrayLike | None = None
) -> float | np.ndarray:
    r"""The KL radius that a temperature spends: how far the worst case is from ``P``.

    .. math:: \eta(\tau) = \mathrm{KL}(Q_\tau \| P), \qquad Q_\tau(j) \propto P(j) e^{f_j/\tau}

    It falls from :func:`largest_radius` at ``tau = 0`` to 0 at ``tau = inf``.

    Args:
        scores: ``(n,)`` or ``(…, n)``, finite; one radius per row.
        tau: temperature in score units, at least 0.
        weights: ``P``, ``(n,)`` or as ``scores``; uniform by default.

    Returns:
        radius in nats, a float or ``(…)``.

    Raises:
        ValueError: empty or non-finite scores, weights that are negative or do not sum to one,
            a negative ``tau``.

    Example:
        >>> round(radius_of_tau([0.0, 1.0], tau=0.5), 4)
        0.3278
        >>> round(radius_of_tau([0.0, 1.0], tau=0), 4)  # log 2
        0.6931

    Source: Hu and Hong, *Kullback-Leibler Divergence Constrained Distributionally Robust
    Optimization*, 2013. Derived in the chapter *Temperature is a radius*.
    """
    f, p = check_scores(scores, weights)
    tau = temperature(tau, f)
    if tau == 0:
        result = most(f, p)
    elif math.isinf(tau):
        result = np.zeros(f.shape[:-1])
    else:
        result = worst_case_radius(f, p, 1 / tau)
    return result if f.ndim > 1 else float(result)


def slack_of_tau(
    scores: ArrayLike, *, tau: float, weights: ArrayLike | None = None
) -> float | np.ndarray:
    r"""What is left between :func:`radius_of_tau` and the largest attainable radius.

    .. math:: \eta(0) - \eta(\tau) = -\log Q_\tau(A) + \frac{\max f - \mathbb{E}_{Q_\tau} f}{\tau}

    with ``A`` the items of largest score. At low temperatures the radius differs from the largest
    by less than the precision of a float; the slack keeps full relative precision.

    Args, errors: as :func:`radius_of_tau`.

    Example:
        >>> slack = slack_of_tau([0.0, 1.0], tau=0.02)  # far below the rounding of log 2
        >>> round(tau_of_radius([0.0, 1.0], slack=slack), 12)
        0.02
    """
    f, p = check_scores(scores, weights)
    tau = temperature(tau, f)
    if math.isinf(tau):
        result = most(f, p)
    else:
        result = np.zeros(f.shape[:-1]) if tau == 0 else worst_case_slack(f, p, 1 / tau)
    return result if f.ndim > 1 else float(result)


def tau_of_radius(
    scores: ArrayLike,
    *,
    radius: float | None = None,
    slack: float | None = None,
    weights: ArrayLike | None = None,
) -> float:
    r"""The temperature that solves the dual of a KL ball.

    .. math:: \tau^* = \arg\min_{\tau \ge 0} \; \tau\eta + \tau \log \mathbb{E}_P e^{f/\tau}

    The inverse of :func:`radius_of_tau`. A radius of 0 gives infinity. A radius at or beyond
    the largest attainable one, ``-log P(argmax f)``, gives 0: the worst case is then the largest
    score and a larger ball changes nothing. Equal scores have no worst case: 0 for every
    positive radius.

    Args:
        scores: ``(n,)``, finite.
        radius: in nats, at least 0; or else
        slack: the largest radius less the radius, at least 0: for low temperatures, where
            the radius itself cannot hold the difference (see :func:`slack_of_tau`).
        weights: ``P``, ``(n,)``; uniform by default.

    Raises:
        ValueError: empty or non-finite scores, bad weights, a negative radius or slack, both
            or none of the two.

    Example:
        >>> round(tau_of_radius([0.0, 1.0], radius=0.3278), 3)
        0.5
        >>> tau_of_radius([0.0, 1.0], radius=0.7), tau_of_radius([0.0, 1.0], radius=0)
        (0.0, inf)

    Source: as :func:`radius_of_tau`.
    """
    f, p = check_scores(scores, weights)
    one_row(f)
    if (radius is None) == (slack is None):
        raise ValueError("give either radius or slack")
    largest = float(most(f, p))
    if radius is None:
        slack = check_number("slack", slack)
        radius = max(largest - slack, 0.0)
    else:
        radius = check_number("radius", radius)
        slack = largest - radius
    if slack <= 0 or largest <= 0:
        return math.inf if radius == 0 else 0.0
    if radius == 0:
        return math.inf
    scale = scale_of(f, p)
    f = f / scale
    return scale * solve_tau(
        lambda s: float(worst_case_radius(f, p, s)),
        lambda s: float(worst_case_slack(f, p, s)),
        radius=radius,
        slack=slack,
        variance=float((p * (f - (p * f).sum()) ** 2).sum()),
    )


def solve_tau(
    spent: Callable[[float], float],
    left: Callable[[float], float],
    *,
    radius: float,
    slack: float,
    variance: float,
) -> float:
    """The temperature at which a radius is spent and a slack is left, both more than 0.

    ``spent(s)`` rises and ``left(s)`` falls in ``s = 1/τ``; they add up to the largest radius.
    """
    low = high = 0.5 * (math.log(2 * radius) - math.log(variance))  # the small-radius law

    # Solve in x = log s. Near either end the quantity that goes to zero is matched.
    def gap(x: float) -> float:
        if radius <= slack:
            return math.log(max(spent(math.exp(x)), 5e-324)) - math.log(radius)
        return math.log(slack) - math.log(max(left(math.exp(x)), 5e-324))

    while gap(low) > 0:
        low -= 1.0
    while gap(high) < 0:
        high += 1.0
    return 1 / math.exp(brentq(gap, low, high, xtol=1e-15, rtol=4 * np.finfo(float).eps))


def largest_radius(scores: ArrayLike, *, weights: ArrayLike | None = None) -> float | np.ndarray:
    r"""The largest KL radius that changes anything.

    .. math:: \eta(0) = -\log P(A), \qquad A = \operatorname{argmax}_{j:\, P(j) > 0} f_j

    The ball of that radius holds the distribution ``P`` given ``A``, whose mean is the largest
    score; no larger ball has a larger one.

    Args, errors: as :func:`radius_of_tau`.

    Example:
        >>> round(largest_radius([0.0, 1.0, 1.0, 0.0]), 4)  # log 2
        0.6931
    """
    return radius_of_tau(scores, tau=0, weights=weights)


def small_radius_tau(
    scores: ArrayLike, *, radius: float, order: int = 1, weights: ArrayLike | None = None
) -> float:
    r"""The temperature of a small KL ball, in closed form.

    .. math:: \tau^* = \sqrt{\frac{\operatorname{Var}_P f}{2\eta}}
              + \frac{\kappa_3}{3 \operatorname{Var}_P f} + O(\sqrt\eta)

    with the third central moment :math:`\kappa_3`. ``order=1`` is the first term, the law that
    is usually quoted; its error tends to the second term, a constant, as the radius shrinks.

    Args:
        scores: ``(n,)``, finite.
        radius: in nats, more than 0.
        order: 1 or 2 terms.
        weights: ``P``, ``(n,)``; uniform by default.

    Raises:
        ValueError: as :func:`tau_of_radius`; an ``order`` that is not 1 or 2.

    Example:
        >>> round(small_radius_tau([0.0, 1.0], radius=0.005), 6)
        5.0

    Source: the first term, Faury et al., *Distributionally Robust Counterfactual Risk
    Minimization*, AAAI 2020; the second, this book, chapter *Temperature is a radius*.
    """
    f, p = check_scores(scores, weights)
    one_row(f)
    radius = check_number("radius", radius, open_end=True)
    if check_count("order", order) > 2:
        raise ValueError(f"order must be 1 or 2, got {order!r}")
    scale = scale_of(f, p)
    centred = (f - (p * f).sum()) / scale
    variance = (p * centred**2).sum()
    tau = math.sqrt(variance / (2 * radius))
    if order == 2 and variance > 0:
        tau += (p * centred**3).sum() / (3 * variance)
    return float(scale * tau)
