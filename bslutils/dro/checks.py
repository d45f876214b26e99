"""What every function of :mod:`bslutils.dro` asks of its scores and weights."""

import math
import sys

import numpy as np
from numpy.typing import ArrayLike

LARGEST = 5e307  # of a score: the difference of larger ones overflows
POWERS = 1e70  # of a score or a temperature whose fourth power is taken


def as_floats(name: str, values: ArrayLike) -> np.ndarray:
    """Numbers as float64; a tensor is taken off its graph and its device."""
    try:
        if hasattr(values, "detach"):
            values = values.detach().cpu().double()
        array = np.asarray(values)
        if array.dtype.kind not in "fiub":
            raise TypeError(f"got {array.dtype}")
        return array.astype(np.float64)
    except (TypeError, ValueError, RuntimeError) as error:
        raise ValueError(f"{name} must be an array of numbers: {error}") from None


def scale_of(f: np.ndarray, p: np.ndarray) -> float:
    """By what scores are divided before a search: 1, but where their squares would get lost."""
    best = top(f, p)
    spread = float(np.where(p > 0, best - f, 0).max())
    return 1.0 if 1e-100 < spread < 1e100 or spread == 0 else spread


def check_scores(scores: ArrayLike, weights: ArrayLike | None) -> tuple[np.ndarray, np.ndarray]:
    """Check; return float64 ``scores (…, n)`` and a distribution ``weights`` of the same shape.

    ``weights`` may be ``(n,)`` for all rows; ``None`` is uniform. They are divided by their sum,
    so that their rounding does not enter what follows.
    """
    scores = as_floats("scores", scores)
    if scores.ndim == 0 or scores.size == 0:
        raise ValueError(f"scores must be (n,) or (…, n) with n at least 1, got {scores.shape}")
    if not np.isfinite(scores).all():
        raise ValueError(f"scores must be finite, got {scores[~np.isfinite(scores)][0]}")
    if np.abs(scores).max() > LARGEST:
        large = scores[np.abs(scores) > LARGEST][0]
        raise ValueError(f"scores must be at most {LARGEST:g} in size, got {large}")
    if weights is None:
        return scores, np.full(scores.shape, 1 / scores.shape[-1])
    weights = as_floats("weights", weights)
    if weights.ndim == 0 or weights.shape not in (scores.shape, scores.shape[-1:]):
        raise ValueError(
            f"weights must be {scores.shape[-1:]} or {scores.shape}, as the scores, "
            f"got {weights.shape}"
        )
    if not (weights >= 0).all():
        raise ValueError(f"weights must be at least 0, got {weights[~(weights >= 0)][0]}")
    total = weights.sum(-1, keepdims=True)
    if not (np.abs(total - 1) <= 1e-6).all():
        wrong = total[~(np.abs(total - 1) <= 1e-6)][0]
        raise ValueError(f"weights must sum to 1 over the last axis, got {wrong}")
    return scores, np.broadcast_to(weights / total, scores.shape)


def check_number(name: str, value: float, *, least: float = 0.0, open_end: bool = False) -> float:
    """A number of at least ``least`` (more than it if ``open_end``); infinity is allowed."""
    bound = f"greater than {least:g}" if open_end else f"at least {least:g}"
    try:
        if isinstance(value, str | bytes | bool):
            raise TypeError
        number = float(value)
    except OverflowError:
        number = math.inf if value > 0 else -math.inf
    except (TypeError, ValueError, RuntimeError):
        raise ValueError(f"{name} must be a number {bound}, got {value!r}") from None
    if not (number > least or (number == least and not open_end)):
        raise ValueError(f"{name} must be {bound}, got {value!r}")
    return number


def temperature(value: float, scores: np.ndarray) -> float:
    """A temperature of at least 0; 0 where it is so low that scores over it are beyond float64.

    That changes no digit of anything.
    """
    tau = check_number("tau", value)
    lost = 4 * np.abs(scores / 4).max() > tau * sys.float_info.max
    return 0.0 if lost or tau < sys.float_info.min else tau


def check_tau(value: float) -> float:
    """A temperature whose powers fit float64."""
    tau = check_number("tau", value, open_end=True)
    if math.isinf(tau):
        raise ValueError("tau must be finite here, got inf")
    return check_powers("tau", tau)


def check_powers(name: str, value: float) -> float:
    """A positive number whose powers fit float64."""
    if not 1 / POWERS <= value <= POWERS:
        raise ValueError(
            f"{name} must be from {1 / POWERS:g} to {POWERS:g} here, as powers of it are taken, "
            f"got {value!r}"
        )
    return value


def check_small(name: str, values: ArrayLike) -> None:
    """Numbers whose powers fit float64."""
    values = np.asarray(values)
    large = values[~(np.abs(values) <= POWERS)]
    if large.size:
        raise ValueError(
            f"{name} must be at most {POWERS:g} in size here, as powers are taken, got {large[0]}"
        )


def check_count(name: str, value: int) -> int:
    """An integer of at least 1, and no larger than float64 holds exactly."""
    fits = isinstance(value, int | np.integer) and not isinstance(value, bool)
    if not fits or not 1 <= value <= 2**53:
        got = "a larger one" if fits and value > 0 else repr(value)
        raise ValueError(f"{name} must be an integer of at least 1 and at most 2**53, got {got}")
    return int(value)


def one_row(scores: np.ndarray) -> None:
    """Refuse more than one row, where the answer is found by a search."""
    if scores.ndim != 1:
        raise ValueError(f"scores must be (n,) here, one row at a time, got {scores.shape}")


def top(scores: np.ndarray, p: np.ndarray) -> np.ndarray:
    """Largest score of an item with positive weight: ``(…, n) -> (…, 1)``."""
    return np.where(p > 0, scores, -np.inf).max(-1, keepdims=True)
