r"""One ball around what all users are shown, with the distribution of users fixed.

``scores`` are ``(U, n)``, a row for each user; ``users`` is the distribution of the users, uniform
by default, and ``weights`` that of the items of each, as in :mod:`bslutils.dro.kl`. An adversary
takes from each user's items a distribution of its own, and pays for all of them together.
"""

import math

import numpy as np
from numpy.typing import ArrayLike

from .checks import as_floats, check_number, check_scores, scale_of, temperature
from .kl import kl_value, most, solve_tau, worst_case_radius, worst_case_slack


def joint_radius_of_tau(
    scores: ArrayLike,
    *,
    tau: float,
    users: ArrayLike | None = None,
    weights: ArrayLike | None = None,
) -> float:
    r"""The radius of the joint ball that a temperature spends: the mean of the users' radii.

    .. math:: \eta(\tau) = \mathbb{E}_u \mathrm{KL}(Q_{u,\tau} \| P_u), \qquad
              Q_{u,\tau}(j) \propto P_u(j)\, e^{f(u,j)/\tau}

    Args:
        scores: ``(U, n)``, finite.
        tau: temperature in score units, at least 0.
        users: distribution of the users, ``(U,)``; uniform by default.
        weights: ``P_u``, ``(n,)`` or ``(U, n)``; uniform by default.

    Returns:
        radius in nats.

    Raises:
        ValueError: scores that are not ``(U, n)`` or not finite, weights or users that are
            negative or do not sum to one, a negative ``tau``.

    Example:
        >>> quiet, loud = [0.0, 0.1], [0.0, 1.0]
        >>> round(joint_radius_of_tau([quiet, loud], tau=0.5), 4)  # of .0050 and .3278
        0.1664

    Source: this book, chapter *Temperature is a radius*; for one distribution, Hu and Hong,
    *Kullback-Leibler Divergence Constrained Distributionally Robust Optimization*, 2013.
    """
    f, p, a = _checked(scores, weights, users)
    return _radius(f, p, a, temperature(tau, f))


def joint_tau_of_radius(
    scores: ArrayLike,
    *,
    radius: float,
    users: ArrayLike | None = None,
    weights: ArrayLike | None = None,
) -> float:
    r"""The temperature that solves the dual of the joint ball.

    .. math:: \tau^* = \arg\min_{\tau \ge 0} \; \tau\eta
              + \mathbb{E}_u\, \tau \log \mathbb{E}_{P_u} e^{f/\tau}

    The inverse of :func:`joint_radius_of_tau`: infinity for a radius of 0, and 0 for a radius at
    or beyond the largest one, at which every user's worst case is the largest score.

    Args:
        scores, users, weights: as :func:`joint_radius_of_tau`.
        radius: in nats, at least 0.

    Raises:
        ValueError: as :func:`joint_radius_of_tau`; a negative radius.

    Example:
        >>> quiet, loud = [0.0, 0.1], [0.0, 1.0]
        >>> round(joint_tau_of_radius([quiet, loud], radius=0.1664), 3)
        0.5

    Source: as :func:`joint_radius_of_tau`.
    """
    f, p, a = _checked(scores, weights, users)
    return _tau(f, p, a, check_number("radius", radius))


def joint_robust_value(
    scores: ArrayLike,
    *,
    radius: float,
    users: ArrayLike | None = None,
    weights: ArrayLike | None = None,
) -> float:
    r"""The worst mean score over the joint ball.

    .. math:: \max_{(Q_u):\; \mathbb{E}_u \mathrm{KL}(Q_u \| P_u) \le \eta}
              \mathbb{E}_u \mathbb{E}_{Q_u} f
              = \min_{\tau \ge 0} \; \tau\eta + \mathbb{E}_u\, \tau \log \mathbb{E}_{P_u} e^{f/\tau}

    It is at least the mean of the users' worst cases over balls of that radius each, since the
    adversary may spend more where it gains more.

    Args, errors: as :func:`joint_tau_of_radius`.

    Example:
        >>> quiet, loud = [0.0, 0.1], [0.0, 1.0]
        >>> round(joint_robust_value([quiet, loud], radius=0.1664), 4)
        0.4679

    Source: as :func:`joint_radius_of_tau`.
    """
    f, p, a = _checked(scores, weights, users)
    radius = check_number("radius", radius)
    tau = _tau(f, p, a, radius)
    paid = tau * radius if 0 < tau < math.inf else 0.0
    return float(paid + a @ kl_value(f, p, tau))


def _radius(f: np.ndarray, p: np.ndarray, a: np.ndarray, tau: float) -> float:
    if tau == 0:
        return float(a @ most(f, p))
    return 0.0 if math.isinf(tau) else float(a @ worst_case_radius(f, p, 1 / tau))


def _tau(f: np.ndarray, p: np.ndarray, a: np.ndarray, radius: float) -> float:
    largest = _radius(f, p, a, 0.0)
    if radius >= largest or radius == 0:
        return math.inf if radius == 0 else 0.0
    scale = scale_of(f, p)
    f = f / scale
    return scale * solve_tau(
        lambda s: float(a @ worst_case_radius(f, p, s)),
        lambda s: float(a @ worst_case_slack(f, p, s)),
        radius=radius,
        slack=largest - radius,
        variance=float(a @ (p * (f - (p * f).sum(-1, keepdims=True)) ** 2).sum(-1)),
    )


def _checked(
    scores: ArrayLike, weights: ArrayLike | None, users: ArrayLike | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    f, p = check_scores(scores, weights)
    if f.ndim != 2:
        raise ValueError(f"scores must be (U, n), a row for each user, got {f.shape}")
    if users is None:
        return f, p, np.full(len(f), 1 / len(f))
    a = as_floats("users", users)
    if a.shape != f.shape[:1]:
        raise ValueError(f"users must be {f.shape[:1]}, one for each row, got {a.shape}")
    if not (a >= 0).all():
        raise ValueError(f"users must be at least 0, got {a[~(a >= 0)][0]}")
    if not abs(a.sum() - 1) <= 1e-6:
        raise ValueError(f"users must sum to 1, got {a.sum()}")
    return f, p, a / a.sum()
