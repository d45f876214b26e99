"""How far the training on a bench went: what twice the epochs add, and how high it stands.

The sweep ``convergence``. The benches of ``paper_noise`` have the like among their own runs.
"""

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from ..data import SOURCES
from . import accuracy, fairness, noise, verdicts
from .facts import facts_of
from .paper_benches import CLEAN, Bench
from .paper_noise import Runs, rise
from .records import MissingRun, Records, lacks, recorded
from .runner import best
from .testbeds import Testbed, measured
from .trial import Trial
from .verdicts import METRIC


class State(NamedTuple):
    """A bench, and how far the training on it went.

    Attributes:
        data, backbone: its data set and its model.
        epochs: of its runs.
        seeds: how many.
        added: loss -> what twice the epochs add to validation, in parts; for softmax loss and for
            the loss whose validation rises most at the end. The mean over some seeds where runs
            are cheap.
        level: NDCG@20 of softmax loss on clean data, in parts of the best that is known.
        best: the loss of that best.
    """

    data: str
    backbone: str
    epochs: int
    seeds: int
    added: dict[str, float]
    level: float
    best: str

    @property
    def preliminary(self) -> str:
        """Why the bench carries no verdict; empty if it does."""
        return verdicts.preliminary(self.added, self.level)

    def line(self, label: Callable[[str], str] = str) -> dict[str, str]:
        """A row of a table, in which losses are called as ``label`` says."""
        counts = facts_of(self.data)
        more = ", ".join(f"{label(loss)} {100 * x:+.1f}" for loss, x in self.added.items())
        return {
            "data": SOURCES[self.data].title,
            "preliminary": "yes" if self.preliminary else "no",
            "model": self.backbone,
            "epochs": str(self.epochs),
            "twice adds (%)": more,
            "level (%)": f"{100 * self.level:.0f} of {label(self.best)}",
            "seeds": str(self.seeds),
            "users": f"{counts['users']:,}",
            "items": f"{counts['items']:,}",
        }


def testbeds() -> list[Testbed]:
    """Where losses are compared for the chapters on accuracy, noise and fairness, each once."""
    found = [*accuracy.testbeds(), *noise.testbeds(), *fairness.testbeds()]
    return list({replace(testbed, whole=True): testbed for testbed in found}.values())


def chosen(testbed: Testbed, records: Records) -> dict[str, Trial]:
    """The losses that were tuned on a testbed, softmax loss first, as validation chose."""
    losses = [x for x in accuracy.LOSSES if not lacks(best, accuracy.grid(testbed, x), records)]
    if "softmax" not in losses:
        raise MissingRun(f"a run is missing: of the tuning of softmax on {testbed.data}")
    return {loss: best(accuracy.grid(testbed, loss), records) for loss in losses}


SEEDS = 3  # that are run for twice the epochs; on small data one says little


def twice(testbed: Testbed, records: Records) -> dict[str, tuple[list[Trial], list[Trial]]]:
    """By loss the runs with the first seeds, and the same with twice the epochs.

    Of softmax loss, and of the one of the others whose validation rises most at the end of the
    run with the first seed.

    Raises:
        MissingRun: a run of the tuning is not recorded.
    """
    first = chosen(testbed, records)
    rises = {x: rise(records[trial.id]) for x, trial in first.items() if x != "softmax"}
    shown = ["softmax", *([max(rises, key=rises.__getitem__)] if rises else [])]
    found = {}
    for loss in shown:
        once = testbed.seeds(first[loss])[:SEEDS]
        found[loss] = once, [longer(trial) for trial in once]
    return found


def longer(trial: Trial) -> Trial:
    """The trial with twice the epochs."""
    epochs = 2 * trial.config.epochs
    config = replace(trial.config, epochs=epochs)
    return replace(trial, config=config, label=f"{trial.label} {epochs} epochs")


def convergence(size: str, records: Records) -> Iterator[Trial]:
    """Twice the epochs, on every testbed; first the tuning of softmax loss where it is missing."""
    for testbed in testbeds():
        yield from (t for t in accuracy.grid(testbed, "softmax") if t.id not in records)
        with suppress(MissingRun):
            for _, long in twice(testbed, records).values():
                yield from long


def of_testbed(testbed: Testbed, records: Records) -> State:
    """How far the training on a testbed went.

    Raises:
        MissingRun: a run is not recorded.
    """
    added = {}
    for loss, pair in twice(testbed, records).items():
        once, long = (measured(trials, records, "valid").mean() for trials in pair)
        added[loss] = float(long / once - 1)
    first = testbed.seeds(chosen(testbed, records)["softmax"])
    kind = testbed.data, testbed.backbone
    return _state(*kind, testbed.config.epochs, added, recorded(first, records), records)


def of_bench(bench: Bench, records: Records) -> State:
    """How far the training on a bench of ``paper_noise`` went.

    Raises:
        MissingRun: a run is not recorded.
    """
    runs = Runs(bench, records)
    epochs = runs.epochs()
    ours = recorded(runs.kept("softmax", CLEAN), records)
    return _state(bench.data, "MF", epochs, runs.added(epochs), ours, records)


def _state(
    data: str,
    backbone: str,
    epochs: int,
    added: dict[str, float],
    ours: list[dict[str, Any]],
    records: Records,
) -> State:
    top = best_known(data, records, backbone)
    level = float(np.mean([r["test"][METRIC] for r in ours]) / top["test"][METRIC])
    return State(data, backbone, epochs, len(ours), added, level, top["loss"])


def best_known(
    data: str, records: Records, backbone: str = "MF", protocol: str = "honest"
) -> dict[str, Any]:
    """The record that levels on a data set are measured by: the best on test of any loss.

    Of the same model at the usual length of vectors, on clean data, by the same protocol.

    Raises:
        MissingRun: there is none.
    """
    alike = [
        record
        for record in records.values()
        if (record["data"], record["backbone"]) == (data, backbone)
        and record["protocol"] == protocol
        and record["config"]["negative_noise"] == 1
        and not record["false_positives"]
        and record["model"].get("dim", 64) == 64
    ]
    if not alike:
        raise MissingRun(f"a run is missing: any of {backbone} on {data}")
    return max(alike, key=lambda record: record["test"][METRIC])
