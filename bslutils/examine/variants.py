"""A loss at other values of its temperature, as far as it can be seen where that is."""

import copy
import inspect
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from torch import Tensor, nn

from ..losses.base import Loss

FACTORS = (1.0, 0.5, 2.0)
FIRST = ("tau", "tau_neg", "temperature")  # of the parameters, the one that is moved


def variants(loss: Callable[..., Any]) -> dict[str, Callable[..., Any]]:
    """The loss as it is, and with its temperature halved and doubled; description -> loss.

    Moved is a parameter of a function that has a number by default, one that :func:`partial` has
    set, or a number that a module holds: the one called ``tau``, ``tau_neg`` or ``temperature``,
    else the first that is a positive float. Where there is none the loss alone comes back.

    Example:
        >>> def my_loss(pos, neg, tau=0.2):
        ...     return (neg.logsumexp(1) - pos.mean(1) / tau).mean()
        >>> list(variants(my_loss)), list(variants(abs))
        (['tau=0.2', 'tau=0.1', 'tau=0.4'], ['as it is'])
    """
    numbers = _numbers(loss)
    names = [n for n in FIRST if n in numbers] + list(numbers)
    if not names:
        return {"as it is": loss}
    name, value = names[0], numbers[names[0]]
    return {f"{name}={value:g}": loss} | dict(_moved(loss, name, value))


def copied(loss: Callable[..., Any]) -> Callable[..., Any]:
    """A deep copy of a loss, which may have kept a value from its last call, with its graph."""
    parts = loss.modules() if isinstance(loss, nn.Module) else [loss]
    kept = [x for part in parts for x in vars(part).values()] if hasattr(loss, "__dict__") else []
    memo = {id(x): x.detach().clone() for x in kept if isinstance(x, Tensor) and not x.is_leaf}
    return copy.deepcopy(loss, memo)


def _moved(loss: Callable, name: str, value: float) -> Iterator[tuple[str, Callable]]:
    for factor in FACTORS[1:]:
        try:
            yield f"{name}={factor * value:g}", _with(loss, name, factor * value)
        except Exception:  # outside what the loss allows
            continue


def _with(loss: Callable, name: str, value: float) -> Callable:
    if isinstance(loss, Loss):
        return type(loss)(**(loss.params | {name: value}))
    if isinstance(loss, nn.Module):
        other = copied(loss)
        setattr(other, name, value)
        return other
    return partial(loss, **{name: value})


def _numbers(loss: Callable) -> dict[str, float]:
    if isinstance(loss, Loss):
        held = loss.params
    elif isinstance(loss, nn.Module):
        held = vars(loss)
    else:
        try:
            held = {p.name: p.default for p in inspect.signature(loss).parameters.values()}
        except (TypeError, ValueError):
            held = {}
    return {name: x for name, x in held.items() if isinstance(x, float) and x > 0}
