"""What the claims on training with noise read off the records of the sweeps."""

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np

from ..experiments import effects, known_records, path_of
from ..experiments.bench import Bench
from ..experiments.noise import POSITIVE, Noise, benches
from ..experiments.records import Records
from ..intervals import Interval, t_interval


def found(sweep: str, read: Callable, *args, **kwargs):
    """What ``read`` finds in the records.

    Raises:
        ValueError: a run is missing; the message says how to make it.
    """
    values = read(*args, _records(), **kwargs)
    if values is None or (isinstance(values, dict) and not values):
        raise ValueError(f"a run is missing: python -m bslutils sweep {sweep}")
    return values


def _records() -> Records:
    files = sorted(path_of("").parent.glob("*.jsonl"))
    return _read(tuple((str(file), file.stat().st_mtime_ns) for file in files))


@lru_cache(maxsize=1)  # a claim asks for many cells of the same files
def _read(_: Any) -> Records:
    return known_records(path_of(""))


def dense() -> list[Bench]:
    """Where every sweep was run whole."""
    return [bench for bench in benches("small") if bench.whole]


def fall(noise: Noise, bench: Bench, loss: str, **which) -> np.ndarray:
    """Relative change from clean training to the most noise, by seed."""
    sweep = "positive_noise" if noise is POSITIVE else "negative_noise"
    return found(sweep, effects.change, noise, bench, loss, **which)


def less(noise: Noise, bench: Bench, loss: str, other: str, **which) -> Interval:
    """By how much less a loss falls than another one, in parts of what each starts from."""
    return t_interval(fall(noise, bench, loss, **which) - fall(noise, bench, other, **which))


def by_tau(bench: Bench, view: str, **noise) -> np.ndarray:
    """As :func:`bslutils.experiments.effects.by_tau`; validation where no view is named."""
    metric = "ndcg@20" if view else "valid"
    return found("temperature", effects.by_tau, bench, metric=metric, view=view, **noise)


def moves(bench: Bench, view: str, before: dict, after: dict) -> Interval:
    """Factor by which the best temperature moves; clean runs have nothing to mask."""
    clean = "test" if view == "test masked" else view
    top = effects.peaks(by_tau(bench, view, **after))
    return t_interval(top / effects.peaks(by_tau(bench, clean, **before)))
