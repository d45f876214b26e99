"""Checks of arguments. Each raises a ``ValueError`` that names the offender and what is allowed.

:mod:`bslutils.dro` has its own, without torch.
"""

import math
from collections.abc import Iterable
from numbers import Integral, Real

from torch import Tensor


def check_positive(**values: float | Tensor) -> None:
    """Positive finite numbers; a 0-dim tensor is one."""
    for name, value in values.items():
        if not _is_number(value) or not 0 < value < math.inf:
            raise ValueError(f"{name} must be a positive finite number, got {_shown(name, value)}")


def _shown(name: str, value: float | Tensor) -> str:
    """A value and, where it was learned out of its domain, what to do."""
    if not isinstance(value, Tensor) or not value.requires_grad:
        return repr(value)
    return (
        f"{value.tolist()}; to learn one that stays positive, learn its logarithm and give "
        f"{name}=log.exp()"
    )


def check_finite(**values: float | Tensor) -> None:
    """Finite numbers; a 0-dim tensor is one."""
    for name, value in values.items():
        if not _is_number(value) or not -math.inf < value < math.inf:
            raise ValueError(f"{name} must be a finite number, got {value!r}")


def _is_number(value: float | Tensor) -> bool:
    return isinstance(value, Real) or (isinstance(value, Tensor) and value.ndim == 0)


def check_not_negative(**values: float) -> None:
    """Finite numbers of at least 0."""
    for name, value in values.items():
        if not 0 <= value < math.inf:
            raise ValueError(f"{name} must be at least 0 and finite, got {value!r}")


def check_sizes(**values: int) -> None:
    """Whole numbers of at least 1."""
    for name, value in values.items():
        if not isinstance(value, Integral) or isinstance(value, bool):
            raise ValueError(f"{name} must be a whole number, got {value!r}")
        if value < 1:
            raise ValueError(f"{name} must be at least 1, got {value}")


def check_share(**values: float) -> None:
    """Numbers in (0, 1]."""
    for name, value in values.items():
        if not isinstance(value, Real) or not 0 < value <= 1:
            raise ValueError(f"{name} must lie in (0, 1], got {value!r}")


def check_dropout(**values: float) -> None:
    """Numbers in [0, 1)."""
    for name, value in values.items():
        if not 0 <= value < 1:
            raise ValueError(f"{name} must lie in [0, 1), got {value!r}")


def check_choice(choices: Iterable[str], **values: str) -> None:
    """Values that are among the choices."""
    for name, value in values.items():
        if value not in choices:
            raise ValueError(f"{name} must be one of {', '.join(choices)}, got {value!r}")
