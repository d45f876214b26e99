"""How large a ball has to be to hold what a sample leaves open, and no more."""

from numbers import Real

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats
from scipy.special import logsumexp

from .checks import LARGEST, check_count, check_number, check_scores
from .kl import tilt


def covering_radius(n: int, *, level: float = 0.95) -> float:
    r"""The radius of the KL ball around a sample whose worst case is above the true mean as often
    as ``level`` says.

    .. math:: \eta = \frac{\chi^2_{1,\, 2c - 1}}{2 N}

    for N independent draws: the largest mean over the ball around them exceeds the mean of the
    distribution that they come from with a probability that tends to c as N grows. It is a
    one-sided confidence bound without an assumption on the shape of the scores.

    Args:
        n: draws, N.
        level: c, in (0.5, 1); at one half the bound is the mean of the sample.

    Returns:
        radius in nats.

    Raises:
        ValueError: ``n`` below 1, ``level`` outside (0.5, 1).

    Example:
        >>> round(covering_radius(128), 5)
        0.01057

    Source: Duchi, Glynn and Namkoong, *Statistics of Robust Optimization: A Generalized Empirical
    Likelihood Approach*, Mathematics of Operations Research 2021. Tried in the chapter
    *Temperature is a radius*.
    """
    n = check_count("n", n)
    if not isinstance(level, Real) or not 0.5 < level < 1:
        raise ValueError(f"level must lie in (0.5, 1), got {level!r}")
    return float(stats.chi2.ppf(2 * level - 1, 1) / (2 * n))


def covers(draws: ArrayLike, mean: float, *, radius: float) -> bool | np.ndarray:
    r"""Whether the worst case over a KL ball around a sample is above a mean.

    .. math:: \max_{\mathrm{KL}(Q \| P_N) \le \eta} \mathbb{E}_Q f > \mu

    Far from it the ball need not be solved: the question is whether the distribution on the draws
    that has the mean μ and is nearest to them lies in the ball, at ``sup_s {s μ − K(s)} < η``
    with ``K(s) = log E exp(s f)``.

    Args:
        draws: ``(N,)`` or ``(…, N)``, finite; one answer per row.
        mean: μ.
        radius: η in nats, at least 0.

    Returns:
        bool, or ``(…)``.

    Raises:
        ValueError: draws that are empty or not finite, a mean that is not finite, a negative
            radius.

    Example:
        >>> covers([0.0, 1.0], 0.6, radius=0.01), covers([0.0, 1.0], 0.6, radius=0.03)
        (False, True)

    Source: as :func:`covering_radius`.
    """
    f, p = check_scores(draws, None)
    radius = check_number("radius", radius)
    if not isinstance(mean, Real) or not abs(mean) <= LARGEST:
        raise ValueError(f"mean must be finite, got {mean!r}")
    f = f - mean  # the tilted mean is sought at 0
    scale = np.abs(f).max(-1, keepdims=True)
    f = f / np.where(scale > 0, scale, 1)  # each row in units of its own
    s = np.zeros(f.shape[:-1])
    for _ in range(40):  # Newton for K'(s) = 0, in steps that cannot run away
        q = tilt(f, p, s[..., None])
        gap = (q * f).sum(-1)
        spread = np.sqrt((q * (f - gap[..., None]) ** 2).sum(-1))
        spread = np.maximum(spread, 1e-9)  # where the mean is out of reach
        step = np.clip(-gap / spread**2, -1 / spread, 1 / spread)
        s = np.maximum(s + step, 0)
        if (np.abs(step * spread) < 1e-9).all():
            break
    spent = np.log(f.shape[-1]) - logsumexp(s[..., None] * f, axis=-1)  # s μ - K(s), f less μ
    held = (f.mean(-1) > 0) | ((f.max(-1) > 0) & (spent < radius))
    return held if f.ndim > 1 else bool(held)
