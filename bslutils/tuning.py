"""A temperature in a handful of runs."""

from collections.abc import Callable
from dataclasses import dataclass

from .checks import finite, positive, shown, whole


@dataclass(frozen=True)
class Choice:
    """What :func:`choose_tau` found.

    Attributes:
        tau: the best of the temperatures that were tried.
        inside: whether a lower one and a higher one were tried, too. Where none was, the best may
            lie beyond: call again with ``start=choice.tau``.
        tried: temperature -> validation, in the order of the runs.
    """

    tau: float
    inside: bool
    tried: dict[float, float]


def choose_tau(validate: Callable[[float], float], *, start: float = 0.2, runs: int = 5) -> Choice:
    r"""The temperature that is best on validation, in a few runs.

    The start and half of it are tried. While the best so far stands at an edge of what was tried,
    it is halved, or doubled, again. When a lower and a higher one are known, the temperatures a
    factor :math:`\sqrt 2` from the best are tried, the better side first, until none is left or the
    runs are used up. Where the start is good, five runs are the start, its half, its double, and
    both at :math:`\sqrt 2` in between. Steps so small differ by little more than seeds do.

    Args:
        validate: trains at a temperature and gives a metric of the *validation* split; more is
            better.
        start: where to begin. For cosines 0.2, or 0.1 with tens of thousands of items.
        runs: calls of ``validate`` at most, at least 3.

    Returns:
        a choice: ``tau``; whether it is ``inside``, with a lower one and a higher one tried; and
        ``tried``, the validation at each temperature.

    Raises:
        ValueError: ``start`` not positive and finite, ``runs`` below 3, ``validate`` no function or
            one that gives no finite number.

    Example:
        >>> choice = choose_tau(lambda tau: -abs(tau - 0.3))
        >>> choice.tau, choice.inside, [*choice.tried]
        (0.28, True, [0.2, 0.1, 0.4, 0.28])
    """
    if not callable(validate):
        raise ValueError(f"validate must be a function of a temperature, got {shown(validate)}")
    start, runs = positive("start", start), whole("runs", runs, least=3)
    found: dict[int, float] = {}  # by steps of √2 from the start

    def tau(step: int) -> float:
        return start if step == 0 else float(f"{start * 2 ** (step / 2):.2g}")

    step: int | None = 0
    while step is not None and len(found) < runs:
        found[step] = finite(f"validate({tau(step):g})", validate(tau(step)))
        step = _next(found)
    best = max(found, key=found.__getitem__)  # of equals the first
    inside = min(found) < best < max(found)
    return Choice(tau(best), inside, {tau(step): value for step, value in found.items()})


def _next(found: dict[int, float]) -> int | None:
    """The step to try after these; ``None`` when both beside the best are tried."""
    best = max(found, key=found.__getitem__)
    for bound, beyond in ((min(found), best - 2), (max(found), best + 2)):
        if best == bound:
            return beyond
    sides = sorted((-1, 1), key=lambda side: -found.get(best + 2 * side, -float("inf")))
    return next((best + side for side in sides if best + side not in found), None)
