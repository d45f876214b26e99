r"""Balls of distributions in other divergences, so that KL is seen as one of a family.

Each ball holds the distributions ``Q ≪ P`` with ``D(Q‖P) ≤ radius``; its worst case maximises
``E_Q f``. With ``h = Q/P``:

============ ======================================================= ====================== =====
name         ``D(Q‖P)``                                              worst case ``h``       note
============ ======================================================= ====================== =====
``kl``       ``E_P h log h``                                         ``∝ exp(f/τ)``         SL
``chi2``     ``E_P (h - 1)²``                                        ``∝ (f - λ)₊``
``renyi``    ``log E_P h^α / (α - 1)``, ``order`` α                  ``∝ (f - λ)₊^(1/(α-1))`` α > 1
..                                                                   ``∝ (λ - f)^(-1/(1-α))`` α < 1
``cvar``     ``log max h``                                           ``e^radius`` on top    α → ∞
``tv``       ``E_P |h - 1| / 2``                                     the worst to the best
============ ======================================================= ====================== =====
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import brentq

from .checks import check_number, check_scores, one_row, scale_of, temperature, top
from .kl import kl_value, tau_of_radius, tilt


class Ball(NamedTuple):
    """One divergence: the worst case of a ball, the radius of a distribution, the largest one."""

    worst_case: Callable[[np.ndarray, np.ndarray, float, float], np.ndarray]
    divergence: Callable[[np.ndarray, np.ndarray, float], float]
    largest: Callable[[float], float]  # of the weight of the items of largest score


def robust_value(
    scores: ArrayLike,
    *,
    tau: float | None = None,
    radius: float | None = None,
    weights: ArrayLike | None = None,
    divergence: str = "kl",
    order: float | None = None,
) -> float | np.ndarray:
    r"""The worst case of a mean of scores, with a price or with a radius.

    .. math::
        \text{tau:}\quad \max_{Q \ll P} \mathbb{E}_Q f - \tau \mathrm{KL}(Q \| P)
            &= \tau \log \mathbb{E}_P e^{f/\tau} \\
        \text{radius:}\quad \max_{D(Q \| P) \le \eta} \mathbb{E}_Q f
            &= \min_{\tau \ge 0} \tau\eta + \tau \log \mathbb{E}_P e^{f/\tau}
            \quad (D = \mathrm{KL})

    Limits: ``tau=0`` or a radius at or beyond the largest gives the largest score of positive
    weight, ``tau=inf`` or ``radius=0`` the mean.

    Args:
        scores: ``(n,)``; with ``tau`` also ``(…, n)``, a value per row.
        tau: price of a nat in score units, at least 0; or else
        radius: of the ball, at least 0, in the unit of the divergence.
        weights: ``P``, ``(n,)`` or as ``scores``; uniform by default.
        divergence: ``"kl"``, ``"chi2"``, ``"renyi"``, ``"cvar"`` or ``"tv"``; ``tau`` is the
            price of the first only.
        order: of the Rényi divergence, positive and not 1.

    Raises:
        ValueError: empty or non-finite scores, weights that are negative or do not sum to one,
            a negative ``tau`` or ``radius``, both or none of the two, an unknown divergence,
            an order outside its domain or for another divergence.

    Example:
        >>> round(robust_value([0.0, 1.0], tau=1.0), 4)
        0.6201
        >>> robust_value([0.0, 1.0], radius=0.02, divergence="tv")
        0.52
        >>> robust_value([0.0, 1.0], radius=9)
        1.0

    Source: Hu and Hong, *Kullback-Leibler Divergence Constrained Distributionally Robust
    Optimization*, 2013; the family, Duchi and Namkoong, *Learning Models with Uniform
    Performance via Distributionally Robust Optimization*, 2021. Chapter *Softmax loss is a
    robust loss*.
    """
    f, p = check_scores(scores, weights)
    _check_question(f, tau, radius, divergence, order)
    if tau is not None:
        value = kl_value(f, p, temperature(tau, f))
        return value if f.ndim > 1 else float(value)
    q = worst_case_weights(f, radius=radius, weights=p, divergence=divergence, order=order)
    best = top(f, p)[0]
    return float(best - (q * (best - np.where(p > 0, f, best))).sum())  # exact at the top


def worst_case_weights(
    scores: ArrayLike,
    *,
    tau: float | None = None,
    radius: float | None = None,
    weights: ArrayLike | None = None,
    divergence: str = "kl",
    order: float | None = None,
) -> np.ndarray:
    r"""The distribution that attains :func:`robust_value`.

    .. math:: Q^*(j) = \frac{P(j) e^{f_j/\tau}}{\sum_k P(k) e^{f_k/\tau}}

    for KL; the table at the head of this module has the others. Where several attain it (ties
    at the top), the one that shares as ``P`` does.

    Args, errors: as :func:`robust_value`.

    Returns:
        the weights, as ``scores``; rows sum to one.

    Example:
        >>> worst_case_weights([0.0, 1.0], tau=1.0).round(4)
        array([0.2689, 0.7311])
        >>> worst_case_weights([0.0, 1.0, 2.0, 3.0], radius=np.log(2), divergence="cvar")
        array([0. , 0. , 0.5, 0.5])
    """
    f, p = check_scores(scores, weights)
    _check_question(f, tau, radius, divergence, order)
    if tau is not None:
        tau = temperature(tau, f)
        return tilt(f, p, math.inf if tau == 0 else 1 / tau)
    radius = check_number("radius", radius)
    ball = BALLS[divergence]
    p_top = (p * (f == top(f, p))).sum()
    if radius >= ball.largest(p_top):
        return tilt(f, p, math.inf)
    if radius == 0:
        return p.copy()
    return ball.worst_case(f / scale_of(f, p), p, radius, order)


def divergence(
    q: ArrayLike, p: ArrayLike, *, divergence: str = "kl", order: float | None = None
) -> float:
    r"""``D(Q‖P)`` of two distributions, in the divergence of that name.

    .. math::
        \text{kl:}\quad & \mathbb{E}_P\, h \log h, \qquad h_j = Q(j) / P(j) \\
        \text{chi2:}\quad & \mathbb{E}_P (h - 1)^2 \\
        \text{renyi:}\quad & \tfrac{1}{\alpha - 1} \log \mathbb{E}_P h^\alpha \\
        \text{cvar:}\quad & \log \max_j h_j \\
        \text{tv:}\quad & \tfrac12 \mathbb{E}_P |h - 1|

    Args:
        q, p: ``(n,)``, distributions.
        divergence: ``"kl"``, ``"chi2"``, ``"renyi"``, ``"cvar"`` or ``"tv"``.
        order: the ``α`` of the Rényi divergence, positive and not 1.

    Returns:
        the divergence, of ``kl``, ``renyi`` and ``cvar`` in nats; infinite if ``q`` has weight
        where ``p`` has none.

    Raises:
        ValueError: weights that are negative or do not sum to one, an unknown divergence, an
            order outside its domain.

    Example:
        >>> divergence([0.5, 0.5, 0.0], [0.25, 0.25, 0.5], divergence="chi2")
        1.0
    """
    _, p = check_scores(np.zeros(np.shape(p)), p)
    _, q = check_scores(np.zeros(p.shape), q)
    one_row(p)
    _check_name(divergence, order)
    if (q[p == 0] > 0).any():
        return math.inf
    return float(BALLS[divergence].divergence(q[p > 0] / p[p > 0], p[p > 0], order))


def _check_name(divergence: str, order: float | None) -> None:
    if not isinstance(divergence, str) or divergence not in BALLS:
        raise ValueError(f"divergence must be one of {', '.join(BALLS)}, got {divergence!r}")
    if (order is not None) != (divergence == "renyi"):
        raise ValueError("order belongs to divergence='renyi', which needs it")
    if order is not None and check_number("order", order, open_end=True) in (1.0, math.inf):
        other = "'kl'" if order == 1 else "'cvar'"
        raise ValueError(f"order must be positive and neither 1 nor infinite: that is {other}")


def _check_question(f, tau, radius, divergence, order) -> None:
    if (tau is None) == (radius is None):
        raise ValueError("give either tau or radius")
    _check_name(divergence, order)
    if tau is not None and divergence != "kl":
        raise ValueError(f"tau is the price of divergence='kl'; for {divergence!r} give radius")
    if radius is not None:
        one_row(f)


# Rényi's division by α - 1 would leave nothing but rounding here; KL differs by less than that.
NEAR_KL = 1e-8


def _kl(f, p, radius, order):
    tau = tau_of_radius(f, radius=radius, weights=p)
    return tilt(f, p, math.inf if tau == 0 else 1 / tau)


def _kl_divergence(h, p, order):
    u = np.log(np.where(h > 0, h, 1))
    return (p * np.where(h > 0, u * h - h + 1, 1)).sum()


def _chi2(f, p, radius, order):
    # With the active set A = {f > λ}: h = (f - λ)/(P(A)(m - λ)), m and v the mean and variance
    # of f given A, and the constraint says (m - λ)² (P(A)(1 + radius) - 1) = v.
    for level in np.unique(f[p > 0])[:-1]:  # does λ lie above this score?
        above = (f > level) * p
        mass, mean = above.sum(), (above * f).sum() / above.sum()
        if ((f - level) ** 2 * above).sum() / (mass * (mean - level)) ** 2 > 1 + radius:
            active = (f >= level) * p
            break
    else:
        return tilt(f, p, math.inf)  # the largest radius, but for rounding
    mass = active.sum()
    mean = (active * f).sum() / mass
    variance = (active * (f - mean) ** 2).sum() / mass
    distance = math.sqrt(variance / (mass * (1 + radius) - 1))
    q = active * np.maximum(1 + (f - mean) / distance, 0) / mass
    return q / q.sum()


def _renyi(f, p, radius, order):
    if abs(order - 1) < NEAR_KL:
        return _kl(f, p, radius, order)
    live = p > 0
    gap = top(f, p)[0] - f[live]
    q = np.zeros_like(p)
    q[live] = (_renyi_above if order > 1 else _renyi_below)(gap, p[live], radius, order)
    return q


def _renyi_below(gap, p, radius, order):
    """Order below 1: λ lies above the best score, at a distance of ``exp(x)``."""

    def tilted(x):
        q = p * (1 + gap / math.exp(x)) ** (1 / (order - 1))
        return q / q.sum()

    def excess(x):
        return _renyi_divergence(tilted(x) / p, p, order) - radius

    low = high = math.log(gap.max())
    while excess(low) < 0:
        low -= 1.0
    while excess(high) > 0:
        high += 1.0
    return tilted(brentq(excess, low, high, xtol=1e-14, rtol=1e-14))


def _renyi_above(gap, p, radius, order):
    """Order above 1: λ lies among the scores or below them, at ``exp(x)`` below one of them.

    Above order 2 a weight rises from λ with infinite slope, at high orders like a step: a
    rounding of λ itself would move it. What counts is the distance to the score next to λ.
    """
    levels = np.unique(gap)

    def tilted(k, x):
        distance = math.exp(x)
        scale = levels[k] + distance
        above = gap < levels[k]
        shape = np.full_like(gap, -math.inf)
        shape[above] = np.log((levels[k] - gap[above] + distance) / scale)
        shape[gap == levels[k]] = x - math.log(scale)  # exp(x) may be zero
        q = p * np.exp(shape / (order - 1))
        return q / q.sum()

    def excess(k, x):
        return _renyi_divergence(tilted(k, x) / p, p, order) - radius

    # The divergence falls as λ does. The last level at which it is still too large; with λ at the
    # second, all weight is on the best, and that is too large.
    k, end = 1, len(levels)
    while end - k > 1:
        middle = (k + end) // 2
        k, end = (middle, end) if excess(middle, -math.inf) > 0 else (k, middle)
    last = end == len(levels)
    high = math.log(levels[k] if last else levels[end] - levels[k])
    while last and excess(k, high) > 0 and high < 40 + math.log(levels[k]):
        high += 1.0
    low, step, zero = high, 1.0, -750 * max(1.0, order - 1)
    while excess(k, low) < 0 and low > zero:
        low, step = max(low - step, zero), 2 * step
    if excess(k, low) <= 0 or excess(k, high) >= 0:  # at an end, but for rounding
        return tilted(k, low if excess(k, low) <= 0 else high)
    return tilted(k, brentq(lambda x: excess(k, x), low, high, xtol=1e-14, rtol=1e-15))


def _renyi_divergence(h, p, order):
    if abs(order - 1) < NEAR_KL:
        return _kl_divergence(h, p, order)
    with np.errstate(divide="ignore"):
        x = np.where(h > 0, order * np.log(h), -np.inf)
    shift = x.max()
    return (shift + math.log((p * np.exp(x - shift)).sum())) / (order - 1)


def _cvar(f, p, radius, order):
    # Every weight may grow by exp(radius) at most: fill from the top until nothing is left.
    # Tied scores fill together, as P shares.
    cap = math.exp(radius) * p
    values, place = np.unique(f, return_inverse=True)
    group = np.bincount(place, weights=cap)  # in rising order of the score
    left = 1 - (np.cumsum(group[::-1])[::-1] - group)  # mass left when a group is reached
    part = np.clip(left, 0, group)
    q = cap * np.divide(part, group, out=np.zeros_like(group), where=group > 0)[place]
    return q / q.sum()


def _tv(f, p, radius, order):
    values, place = np.unique(f, return_inverse=True)
    group = np.bincount(place, weights=p)
    before = np.cumsum(group) - group
    taken = np.clip(radius - before, 0, group)  # from the lowest scores upward
    q = p * (1 - np.divide(taken, group, out=np.zeros_like(group), where=group > 0))[place]
    best = tilt(f, p, math.inf)
    q = q + (1 - q.sum()) * best
    return q / q.sum()


BALLS = {
    "kl": Ball(_kl, _kl_divergence, lambda p_top: -math.log(p_top)),
    "chi2": Ball(_chi2, lambda h, p, order: (p * (h - 1) ** 2).sum(), lambda p_top: 1 / p_top - 1),
    "renyi": Ball(_renyi, _renyi_divergence, lambda p_top: -math.log(p_top)),
    "cvar": Ball(_cvar, lambda h, p, order: math.log(h.max()), lambda p_top: -math.log(p_top)),
    "tv": Ball(_tv, lambda h, p, order: (p * np.abs(h - 1)).sum() / 2, lambda p_top: 1 - p_top),
}
