"""A metric over a knob: where it is best, how flat its top is, what a wrong setting costs."""

from collections.abc import Sequence

import numpy as np
from scipy.integrate import quad
from scipy.special import ndtr


def best_cell(grid: np.ndarray) -> tuple[int, ...]:
    """Where the mean over runs is best in a grid ``(n_runs, …)``, the first of equals.

    Example:
        >>> best_cell(np.array([[0.1, 0.3, 0.2]])), best_cell(np.array([[[1, 2], [4, 3]]]))
        ((1,), (1, 0))
    """
    return tuple(int(k) for k in np.unravel_index(grid.mean(0).argmax(), grid.shape[1:]))


def at_best(grid: np.ndarray) -> np.ndarray:
    """The runs ``(n_runs,)`` of the setting whose mean is best (:func:`best_cell`)."""
    return grid[:, *best_cell(grid)]


def against(settings: Sequence[float], runs: np.ndarray, base: float) -> np.ndarray:
    """Relative change, run by run, from the setting ``base``, ``(n_runs, n_settings)``.

    Raises:
        ValueError: as :func:`summits`, or no such setting.

    Example:
        >>> against((1, 2, 4), np.array([[0.5, 1.0, 0.75]]), 2).tolist()
        [[-0.5, 0.0, -0.25]]
    """
    _log_settings(settings, runs)
    if base not in settings:
        raise ValueError(f"base must be one of {settings}, got {base}")
    return runs / runs[:, [list(settings).index(base)]] - 1


def is_hump(runs: np.ndarray) -> bool:
    """Whether the mean over runs never rises again once it has stopped to.

    Example:
        >>> is_hump(np.array([[1, 3, 2]])), is_hump(np.array([[3, 1, 2]]))
        (True, False)
    """
    return bool((np.diff(np.sign(np.diff(runs.mean(0)))) <= 0).all())


def summits(settings: Sequence[float], runs: np.ndarray) -> np.ndarray:
    """Where each run ``(n_runs, n_settings)`` is best, finer than the grid of positive settings.

    The vertex of the parabola in the logarithm of the setting through the best point and its two
    neighbours, kept within the grid.

    Raises:
        ValueError: not one column for every setting, fewer than three, or settings that are not
            positive and rising.

    Example:
        >>> taus = (0.1, 0.2, 0.4)
        >>> summits(taus, -np.log(np.array([taus]) / 0.25) ** 2).round(6).tolist()
        [0.25]
    """
    at = _log_settings(settings, runs)
    if len(at) < 3:
        raise ValueError(f"settings must be at least three, got {len(at)}")
    found = []
    for run in runs:
        k = int(np.clip(run.argmax(), 1, len(at) - 2))
        a, b, _ = np.polyfit(at[k - 1 : k + 2], run[k - 1 : k + 2], 2)
        vertex = -b / (2 * a) if a < 0 else at[run.argmax()]
        found.append(np.exp(np.clip(vertex, at[0], at[-1])))
    return np.array(found)


def plateau(
    settings: Sequence[float], runs: np.ndarray, *, share: float = 0.01
) -> tuple[float, float]:
    """The settings between which the mean of the runs is within ``share`` of its best.

    The mean is taken as straight between the settings, in their logarithm. An end of the plateau
    that is an end of the grid says no more than that the plateau goes at least that far.

    Raises:
        ValueError: as :func:`summits`, or a share outside (0, 1).

    Example:
        >>> low, high = plateau((1, 2, 4), np.array([[0.98, 1.0, 0.995]]))
        >>> round(low, 3), high
        (1.414, 4.0)
    """
    at = _log_settings(settings, runs)
    if not 0 < share < 1:
        raise ValueError(f"share must lie in (0, 1), got {share}")
    mean = runs.mean(0)
    floor = (1 - share) * mean.max()

    def end(step: int) -> float:
        k = int(mean.argmax())
        while 0 <= k + step < len(at):
            if mean[k + step] < floor:
                part = (mean[k] - floor) / (mean[k] - mean[k + step])
                return float(np.exp(at[k] + part * (at[k + step] - at[k])))
            k += step
        return float(settings[k])

    return end(-1), end(1)


def plateau_widths(settings: Sequence[float], curves: Sequence[np.ndarray]) -> list[float]:
    """Upper over lower end of each :func:`plateau` that ends within the grid on both sides.

    Example:
        >>> hump, slope = np.array([[0.5, 1.0, 0.5]]), np.array([[0.5, 0.75, 1.0]])
        >>> [round(width, 3) for width in plateau_widths((1, 2, 4), [hump, slope])]
        [1.028]
    """
    ends = [plateau(settings, runs) for runs in curves]
    return [high / low for low, high in ends if settings[0] < low and high < settings[-1]]


def off_by(runs: np.ndarray, steps: int) -> np.ndarray | None:
    """Relative loss, by seed, of the setting that lies ``steps`` from the best; negative is below.

    The best is that of the mean over seeds. ``None`` outside the grid.

    Example:
        >>> off_by(np.array([[0.5, 1.0, 0.75], [1.0, 2.0, 1.5]]), 1).tolist()
        [0.25, 0.25]
    """
    best = int(runs.mean(0).argmax())
    if not 0 <= best + steps < runs.shape[1]:
        return None
    return 1 - runs[:, best + steps] / runs[:, best]


def costs(curves: Sequence[np.ndarray], *steps: int) -> list[float]:
    """Mean relative loss of each curve at each of the ``steps`` from its best that its grid has.

    Example:
        >>> costs([np.array([[0.5, 1.0, 0.75]]), np.array([[1.0, 0.75]])], -1, 1)
        [0.5, 0.25, 0.25]
    """
    lost = [off_by(runs, step) for runs in curves for step in steps]
    return [float(values.mean()) for values in lost if values is not None]


def copied(curves: Sequence[np.ndarray]) -> float:
    """What the best setting of one curve costs on another at most, mean of the relative loss.

    All curves ``(n_runs, n_settings)`` are over the same settings; runs may differ in number.

    Example:
        >>> copied([np.array([[1.0, 0.75]]), np.array([[0.5, 1.0]])])
        0.5
    """
    tops = [best_cell(runs)[0] for runs in curves]
    return max(float((1 - runs[:, k] / at_best(runs)).mean()) for runs in curves for k in tops)


def one_step(runs: np.ndarray) -> np.ndarray:
    """Relative loss, by seed, one step from the best, mean over the neighbours it has."""
    sides = [off_by(runs, step) for step in (-1, 1)]
    return np.mean([side for side in sides if side is not None], axis=0)


def span(runs: np.ndarray) -> np.ndarray:
    """Relative loss, by seed, of the worst setting of the grid against the best.

    Which these are, the mean over seeds says, so a grid of equals has a positive span too.

    Example:
        >>> span(np.array([[0.5, 1.0, 0.75], [1.0, 2.0, 1.5]])).tolist()
        [0.5, 0.5]
    """
    mean = runs.mean(0)
    return 1 - runs[:, mean.argmin()] / runs[:, mean.argmax()]


def luck(runs: np.ndarray) -> float:
    """The relative span to expect of as many settings that are equally good.

    For ``k`` equal settings the range of ``k`` independent standard normal values,
    ``∫ 1 − Φ^k − (1 − Φ)^k``, times the standard error of a mean. That is read off what is left
    of the runs ``(n_runs, n_settings)`` without the effects of settings and of seeds: a seed is
    shared by all settings, and what it does to all of them makes no span.

    Raises:
        ValueError: fewer than two runs or settings.
    """
    n, k = runs.shape
    if min(n, k) < 2:
        raise ValueError(f"runs must be two of two settings at least, got {runs.shape}")
    rest = runs - runs.mean(0) - runs.mean(1, keepdims=True) + runs.mean()
    error = np.sqrt((rest**2).sum() / ((n - 1) * (k - 1)) / n)
    width, _ = quad(lambda x: 1 - ndtr(x) ** k - ndtr(-x) ** k, -9, 9)
    return float(width * error / runs.mean(0).max())


def _log_settings(settings: Sequence[float], runs: np.ndarray) -> np.ndarray:
    at = np.asarray(settings, dtype=float)
    if at.ndim != 1 or not (at > 0).all() or not (np.diff(at) > 0).all():
        raise ValueError(f"settings must be positive and rising, got {settings}")
    if runs.ndim != 2 or runs.shape[1] != len(at):
        raise ValueError(f"runs must be (n_runs, {len(at)}), got {runs.shape}")
    return np.log(at)
