"""What the claims on training read off the records of the sweeps."""

from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any

import numpy as np

from ..experiments import file_of, known_records, noise, path_of
from ..experiments.convergence import best_known, of_testbed
from ..experiments.noise import POSITIVE, Noise, testbeds
from ..experiments.records import MissingRun, Records, record_files
from ..experiments.testbeds import Testbed
from ..experiments.verdicts import METRIC
from ..intervals import Interval, t_interval
from .scope import Scope

NEAR = 0.2  # how far a factor of the best temperature may be from another that counts as the same


def found(sweep: str, read: Callable, *args, **kwargs):
    """What ``read`` finds in the records.

    Raises:
        MissingRun: the message says how to make it.
    """
    try:
        return read(*args, records(), **kwargs)
    except MissingRun as missing:
        command = f"a run is missing: python -m bslutils sweep {sweep}"
        raise MissingRun(command) from missing


def records() -> Records:
    """Of all sweeps there are, by id.

    Raises:
        FileNotFoundError: there is no file of records at all.
    """
    files = record_files() or [file_of("results/overall.jsonl")]  # which says what to do
    return _read(tuple((str(file), file.stat().st_mtime_ns) for file in files))


@lru_cache(maxsize=1)  # a claim asks for many cells of the same files
def _read(_: Any) -> Records:
    return known_records(path_of(""))


def scopes(testbeds: Iterable[Testbed], level: Callable[[Testbed], np.ndarray]) -> tuple:
    """The scope of a claim: ``level`` gives NDCG@20 of softmax loss without noise, by seed."""
    found = ((testbed, level(testbed)) for testbed in testbeds)
    return tuple(
        Scope(
            b.data,
            b.backbone,
            len(values),
            float(values.mean()),
            best(b.data, b.backbone),
            unsettled(b),
        )
        for b, values in found
    )


def unsettled(testbed: Testbed) -> str:
    """Why models on a testbed have not converged; empty if they have, or if nobody looked."""
    try:
        return of_testbed(testbed, records()).preliminary
    except MissingRun:
        return ""


def best(data: str, backbone: str = "MF", protocol: str = "honest") -> float:
    """NDCG@20 of the best record that levels are measured by; 0 without one."""
    try:
        return best_known(data, records(), backbone, protocol)["test"][METRIC]
    except MissingRun:
        return 0.0


def dense() -> list[Testbed]:
    """Where every sweep was run whole, and models are good enough to carry a verdict."""
    return [testbed for testbed in testbeds() if testbed.whole]


def fall(kind: Noise, testbed: Testbed, loss: str, **which) -> np.ndarray:
    """Relative change from clean training to the most noise, by seed."""
    sweep = "positive_noise" if kind is POSITIVE else "negative_noise"
    return found(sweep, noise.change, kind, testbed, loss, **which)


def less(kind: Noise, testbed: Testbed, loss: str, other: str, **which) -> Interval:
    """By how much less a loss falls than another one, in parts of what each starts from."""
    return t_interval(fall(kind, testbed, loss, **which) - fall(kind, testbed, other, **which))


def by_tau(testbed: Testbed, view: str, **level) -> np.ndarray:
    """As :func:`bslutils.experiments.noise.by_tau`; validation where no view is named."""
    metric = "ndcg@20" if view else "valid"
    return found("temperature", noise.by_tau, testbed, metric=metric, view=view, **level)


def at_best_tau(testbed: Testbed) -> np.ndarray:
    """Test NDCG@20 of softmax loss by seed, at the temperature that validation prefers."""
    valid, test = (by_tau(testbed, view, negative_noise=1.0) for view in ("", "test"))
    return test[:, valid.mean(0).argmax()]


def moves(testbed: Testbed, view: str, before: dict, after: dict) -> Interval:
    """Factor by which the best temperature moves; clean runs have nothing to mask."""
    clean = "test" if view == "test masked" else view
    top = noise.peaks(by_tau(testbed, view, **after))
    return t_interval(top / noise.peaks(by_tau(testbed, clean, **before)))


def low_ends(intervals: Iterable[Interval]) -> list[float]:
    """Lower ends of intervals."""
    return [interval.low for interval in intervals]


def high_ends(intervals: Iterable[Interval]) -> list[float]:
    """Upper ends of intervals."""
    return [interval.high for interval in intervals]
