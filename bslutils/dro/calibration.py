"""How large a ball has to be to hold what a sample leaves open, and no more."""

import numpy as np
from scipy import stats

from .checks import check_count


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
    if isinstance(level, bool) or not np.isscalar(level) or not 0.5 < level < 1:
        raise ValueError(f"level must lie in (0.5, 1), got {level!r}")
    return float(stats.chi2.ppf(2 * level - 1, 1) / (2 * n))
