"""What the runs of ``paper_noise`` say of the paper's claims, by the rules of :mod:`.verdicts`."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np

from . import verdicts
from .paper_noise import BENCHES, CLEAN, WORST, Bench, Level, Runs
from .records import MissingRun, Records, recorded
from .trial import Trial
from .verdicts import METRIC, Estimate, Ratio, change, estimate, lead

NEGATIVES, POSITIVES = WORST
OTHERS = ("bpr", "bce", "mse", "ccl")  # that softmax loss is compared with in the first claim


class State(NamedTuple):
    """How far the training of a bench went.

    Attributes:
        epochs: of its runs.
        added: loss -> what twice the epochs add to validation, in parts.
        level: NDCG@20 of softmax loss on clean data, in parts of the best that is known.
        best: the loss of that best.
        preliminary: why the bench carries no verdict; empty if it does.
    """

    epochs: int
    added: dict[str, float]
    level: float
    best: str
    preliminary: str


def state(bench: Bench, records: Records) -> State:
    """Whether a bench has converged, and how high it stands.

    Raises:
        MissingRun: a run is not recorded.
    """
    runs = Runs(bench, records)
    epochs = runs.epochs()
    added = runs.added(epochs)
    ours = np.mean([r["test"][METRIC] for r in recorded(runs.kept("softmax", CLEAN), records)])
    top = best_known(bench.data, records)
    level = float(ours / top["test"][METRIC])
    return State(epochs, added, level, top["loss"], verdicts.preliminary(added, level))


def best_known(data: str, records: Records) -> dict[str, Any]:
    """The record that levels on a data set are measured by: the best on test of any loss.

    Of matrix factorisation at the usual length of vectors, on clean data, by the same protocol.

    Raises:
        MissingRun: there is none.
    """
    alike = [
        record
        for record in records.values()
        if record["data"] == data
        and record["backbone"] == "MF"
        and record["protocol"] == "honest"
        and record["config"]["negative_noise"] == 1
        and not record["false_positives"]
        and record["model"].get("dim", 64) == 64
    ]
    if not alike:
        raise MissingRun(f"a run is missing: any of matrix factorisation on {data}")
    return max(alike, key=lambda record: record["test"][METRIC])


class Judged(NamedTuple):
    """A comparison on a data set: the difference with its interval, and what it is called."""

    estimate: Estimate
    word: str
    seeds: int


def first_claim(records: Records, *, tuned: bool = False) -> dict[tuple[str, str], Judged]:
    """By how much less softmax loss falls under the most false negatives, by data and loss.

    With settings kept from clean data, or ``tuned`` at the noise; a comparison that lacks a run
    is left out.
    """

    def compare(runs: Runs, loss: str) -> Ratio:
        pairs = [(_at(runs, x, NEGATIVES, tuned), runs.kept(x, CLEAN)) for x in ("softmax", loss)]
        return change(*(tuple(_users(runs, *pair)) for pair in _same_seeds(pairs)))

    return _judged(OTHERS, compare, records)


def third_claim(
    records: Records, *, tuned: bool = True, loss: str = "bilateral_softmax"
) -> dict[tuple[str, str], Judged]:
    """By how much a loss is above softmax loss under the most false positives, by data and loss."""

    def compare(runs: Runs, loss: str) -> Ratio:
        [pair] = _same_seeds([[_at(runs, x, POSITIVES, tuned) for x in (loss, "softmax")]])
        return lead(*_users(runs, *pair))

    return _judged((loss,), compare, records)


def _at(runs: Runs, loss: str, level: Level, tuned: bool) -> list[Trial]:
    return runs.tuned(loss, level) if tuned else runs.kept(loss, level)


def _same_seeds(pairs: list) -> list[list[list[Trial]]]:
    """The trials with the seeds that all have, the first ones."""
    few = min(len(trials) for pair in pairs for trials in pair)
    return [[trials[:few] for trials in pair] for pair in pairs]


def _users(runs: Runs, *sides: list[Trial]) -> list[list[dict[str, Any]]]:
    """The records of some trials, which must keep users."""
    found = [recorded(trials, runs.records) for trials in sides]
    for record in (record for side in found for record in side):
        if "users" not in record:
            raise MissingRun(f"a run is missing with its users: {record['label']}")
    return found


def _judged(
    losses: Iterable[str], compare: Callable[[Runs, str], Ratio], records: Records
) -> dict[tuple[str, str], Judged]:
    """Compare on every data set; where there is one seed, its spread is that of the others."""
    found: dict[tuple[str, str], Ratio] = {}
    for bench in BENCHES:
        runs = Runs(bench, records)
        for loss in losses:
            try:
                found[bench.data, loss] = compare(runs, loss)
            except MissingRun:
                continue
    estimates = {}
    for (data, loss), ratio in found.items():
        several = [r.seeds for (_, x), r in found.items() if x == loss and len(r.seeds) > 1]
        if len(ratio.seeds) > 1:
            estimates[data, loss] = estimate(ratio)
        elif several:
            freedom = sum(len(seeds) - 1 for seeds in several)
            squares = sum(((seeds - seeds.mean()) ** 2).sum() for seeds in several)
            spread = float(np.sqrt(squares / freedom))
            estimates[data, loss] = estimate(ratio, spread=spread, freedom=freedom)
    words = verdicts.words(estimates)
    return {x: Judged(estimates[x], words[x], len(found[x].seeds)) for x in estimates}


def verdict(
    judged: Mapping[tuple[str, str], Judged],
    bench: Bench,
    records: Records,
    losses: Iterable[str] = OTHERS,
) -> str:
    """What a claim is called on a data set: a verdict, ``"preliminary"``, or ``"not run"`` where
    a comparison with one of the ``losses`` lacks a run.
    """
    try:
        words = [judged[bench.data, loss].word for loss in losses]
        if state(bench, records).preliminary:
            return "preliminary"
    except (KeyError, MissingRun):
        return "not run"
    return verdicts.verdict(words)
