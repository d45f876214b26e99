"""Checks of arguments. Each raises a ``ValueError`` that names the offender and what is allowed.

What has a singular name gives the value back in Python's own type, so that a number from numpy can
be kept and written down; ``check_…`` takes several at once and gives nothing back.
:mod:`bslutils.dro` has its own, without torch.
"""

import math
import os
import re
import tempfile
from collections.abc import Collection
from numbers import Integral
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

LARGEST = 2**53  # a size or a count: a record holds no larger number exactly
SEEDS = 2**63  # torch and numpy take one from 0 to below it
# A positive number that float32 makes 0 or infinite, or holds with few digits, gives NaN later; so
# does one that is learned, if its square does: a gradient goes with one over that.
TINY, HUGE = torch.finfo(torch.float32).tiny, torch.finfo(torch.float32).max
LEARNED = 1e-18


def shown(value: Any) -> str:
    """``repr(value)`` on one line that is not too long."""
    try:
        text = " ".join(repr(value).split())
    except Exception:  # as of a whole number of thousands of digits
        return f"a value of type {type(value).__name__}"
    return text if len(text) <= 100 else f"{text[:97]}..."


def whole(
    name: str, value: int, *, least: int = 1, most: int = LARGEST, or_none: bool = False
) -> int | None:
    """A whole number from ``least`` to ``most``; with ``or_none`` None, too.

    Example:
        >>> whole("epochs", 0)
        Traceback (most recent call last):
        ValueError: epochs must be at least 1, got 0
    """
    if (value is None and or_none) or (type(value) is int and least <= value <= most):
        return value  # at once: a plan makes thousands of configurations
    else_none = " or None" if or_none else ""
    if not isinstance(value, Integral) or isinstance(value, bool):
        kind = f"a whole number of at least {least}{else_none}"
        raise ValueError(f"{name} must be {kind}, got {shown(value)}")
    if value < least:
        raise ValueError(f"{name} must be at least {least}{else_none}, got {shown(value)}")
    if value > most:
        raise ValueError(f"{name} must be at most {most}{else_none}, got {shown(value)}")
    return int(value)


def seed_of(name: str, value: int) -> int:
    """A seed: a whole number from 0 to below 2⁶³."""
    return whole(name, value, least=0, most=SEEDS - 1)


def positive(name: str, value: float) -> float:
    """A positive finite number that float32 holds."""
    check_positive(**{name: value})
    return float(value)


def not_negative(name: str, value: float) -> float:
    """A finite number of at least 0."""
    number = as_number(value)
    if number is None or not 0 <= number < math.inf:
        raise ValueError(f"{name} must be at least 0 and finite, got {shown(value)}")
    return number


def finite(name: str, value: float) -> float:
    """A finite number."""
    number = as_number(value)
    if number is None or not math.isfinite(number):
        raise ValueError(f"{name} must be a finite number, got {shown(value)}")
    return number


def part(name: str, value: float) -> float:
    """A number in [0, 1)."""
    number = as_number(value)
    if number is None or not 0 <= number < 1:
        raise ValueError(f"{name} must lie in [0, 1), got {shown(value)}")
    return number


def switch(name: str, value: bool, *, or_none: bool = False) -> bool | None:
    """True or False; with ``or_none`` None, too."""
    if value is None and or_none:
        return None
    if not isinstance(value, bool | np.bool_):
        kind = "True, False or None" if or_none else "True or False"
        raise ValueError(f"{name} must be {kind}, got {shown(value)}")
    return bool(value)


def choice(name: str, value: str, choices: Collection[str]) -> str:
    """A string that is among the choices."""
    if not isinstance(value, str) or value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(choices)}, got {shown(value)}")
    return str(value)


def device_of(name: str, value: str | torch.device) -> str:
    """The name of a device that torch knows and sees here."""
    if isinstance(value, torch.device):
        value = str(value)
    if value == "cpu":
        return "cpu"
    try:
        if not isinstance(value, str) or not re.fullmatch(r"[a-z]+(:\d{1,3})?", value, re.ASCII):
            raise RuntimeError
        device = torch.device(value)
    except RuntimeError:
        raise ValueError(
            f"{name} must be cpu, cuda or another that torch knows, got {shown(value)}"
        ) from None
    kind = getattr(torch, device.type, None)
    count = kind.device_count() if hasattr(kind, "device_count") else 0
    if (device.index or 0) >= count:
        has = f"{count} of the kind {device.type}" if count else f"no {device.type.upper()} device"
        raise ValueError(f"{name} must be one that torch sees, got {value!r}, and it sees {has}")
    return str(value)


def path_of(name: str, value: str | os.PathLike) -> Path:
    """A path, from a text or what stands for one."""
    if not isinstance(value, str | os.PathLike) or not str(value) or "\0" in str(value):
        raise ValueError(f"{name} must be a path, got {shown(value)}")
    return Path(value)


def check_place(name: str, path: Path) -> None:
    """What ``path`` is to be made in is a folder, and one that can be written to."""
    folder = path.resolve().parent
    if not folder.is_dir():
        raise ValueError(f"{name}: the folder {folder} does not exist")
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise ValueError(
            f"{name}: the folder {folder} cannot be written to: {error.strerror}"
        ) from None


def check_file(name: str, path: Path) -> None:
    """``path`` can be written to as a file."""
    if path.is_dir():
        raise ValueError(f"{name}: {path} is a folder, and what is written is a file")
    check_place(name, path)


def plain(value: Any) -> Any:
    """A number of numpy as one of Python, which JSON can hold; anything else as it is."""
    return value.item() if isinstance(value, np.generic) else value


def check_positive(**values: float | Tensor) -> None:
    """Positive finite numbers that float32 holds; a 0-dim tensor is one."""
    for name, value in values.items():
        number = value if isinstance(value, Tensor) and _is_number(value) else as_number(value)
        if number is None or not 0 < number < math.inf:
            raise ValueError(f"{name} must be a positive finite number, got {_given(name, value)}")
        least = least_of(value)
        if not least <= number <= HUGE:
            holds = "it" if least == TINY else "its gradient"
            raise ValueError(
                f"{name} must be from {least:.3g} to {HUGE:.3g}, as float32 holds {holds}, "
                f"got {shown(value)}"
            )


def least_of(value: float | Tensor) -> float:
    """The least that a positive number may be: more for one that is learned."""
    return LEARNED if isinstance(value, Tensor) and value.requires_grad else TINY


def check_tensors(**values: Tensor) -> None:
    """Floating-point tensors."""
    for name, value in values.items():
        if not isinstance(value, Tensor) or not value.is_floating_point():
            kind = value.dtype if isinstance(value, Tensor) else type(value).__name__
            raise ValueError(f"{name} must be a floating-point tensor, got {kind}")


def check_mask(name: str, mask: Tensor, shape: tuple[int, ...], counts: str) -> None:
    """A bool tensor of a shape, True where something ``counts``."""
    fits = isinstance(mask, Tensor) and mask.dtype == torch.bool and mask.shape == shape
    if not fits:
        got = type(mask).__name__
        if hasattr(mask, "dtype") and hasattr(mask, "shape"):
            got = f"{'' if isinstance(mask, Tensor) else got + ' '}{mask.dtype} {tuple(mask.shape)}"
        raise ValueError(f"{name} must be bool {tuple(shape)}, True where {counts}, got {got}")


def _given(name: str, value: Any) -> str:
    """A value and, where it was learned out of its domain, what to do."""
    if not isinstance(value, Tensor) or not value.requires_grad:
        return shown(value)
    return (
        f"{value.tolist()}; to learn one that stays positive, learn its logarithm and give "
        f"{name}=log.exp()"
    )


def check_finite(**values: float | Tensor) -> None:
    """Finite numbers; a 0-dim tensor is one."""
    for name, value in values.items():
        number = value if isinstance(value, Tensor) and _is_number(value) else as_number(value)
        if number is None or not -math.inf < number < math.inf:
            raise ValueError(f"{name} must be a finite number, got {shown(value)}")


def _is_number(value: float | Tensor) -> bool:
    if isinstance(value, Tensor):
        return value.ndim == 0 and not value.is_complex() and value.dtype != torch.bool
    return isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)


def as_number(value: float) -> float | None:
    """The number as a float, None if it is none; infinite is an integer that torch cannot take."""
    if type(value) is float:
        return value
    if isinstance(value, Tensor) or not _is_number(value):
        return None
    if isinstance(value, int | np.integer) and not -SEEDS <= int(value) < SEEDS:
        return math.inf if value > 0 else -math.inf
    return float(value)


def check_not_negative(**values: float) -> None:
    """Finite numbers of at least 0."""
    for name, value in values.items():
        not_negative(name, value)


def check_sizes(**values: int) -> None:
    """Whole numbers of at least 1."""
    for name, value in values.items():
        whole(name, value)


def check_share(**values: float) -> None:
    """Numbers in (0, 1]."""
    for name, value in values.items():
        number = as_number(value)
        if number is None or not 0 < number <= 1:
            raise ValueError(f"{name} must lie in (0, 1], got {shown(value)}")


def check_dropout(**values: float) -> None:
    """Numbers in [0, 1)."""
    for name, value in values.items():
        part(name, value)


def check_choice(choices: Collection[str], **values: str) -> None:
    """Values that are among the choices."""
    for name, value in values.items():
        choice(name, value, choices)


def check_switch(**values: bool) -> None:
    """True or False."""
    for name, value in values.items():
        switch(name, value)
