"""What the runs of ``paper_noise`` say of the paper's claims, by the rules of :mod:`.verdicts`."""

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

from ..data import SOURCES
from ..intervals import Interval
from . import verdicts
from .convergence import of_bench
from .fairness import Cloud, Equal, at_equal_accuracy, points
from .paper_benches import BENCHES, CLEAN, LOSSES, OTHERS, WORST, Bench, Level, bench
from .paper_noise import Runs
from .records import MissingRun, Records, recorded
from .testbeds import measured
from .trial import Trial
from .verdicts import EQUAL_GINI, Estimate, Ratio, below, change, estimate, lead, pooled
from .walk import Goal, valid

NEGATIVES, POSITIVES = WORST
RunsOf = Callable[[Bench, Records, Goal], Runs]


class Judged(NamedTuple):
    """A comparison on a data set: the difference with its interval, and what it is called."""

    estimate: Estimate
    word: str
    seeds: int


def first_claim(
    records: Records, *, tuned: bool = False, goal: Goal = valid, runs: RunsOf = Runs
) -> dict[tuple[str, str], Judged]:
    """By how much less softmax loss falls under the most false negatives, by data and loss.

    With settings kept from clean data, or ``tuned`` at the noise, either way for a ``goal``, or
    chosen in another way by ``runs``; a comparison that lacks a run is left out.
    """

    def compare(runs: Runs, loss: str) -> Ratio:
        return less_lost(runs, loss, tuned=tuned)

    return _judged(OTHERS, compare, lambda bench: runs(bench, records, goal))


def less_lost(runs: Runs, loss: str, *, tuned: bool = False) -> Ratio:
    """By how much less softmax loss falls under the most false negatives than another loss.

    Raises:
        MissingRun: a run is not recorded, or not with its users.
    """
    pairs = [(_at(runs, x, NEGATIVES, tuned), runs.kept(x, CLEAN)) for x in ("softmax", loss)]
    return change(*(tuple(with_users(runs, *pair)) for pair in _same_seeds(pairs)))


def second_claim(
    records: Records,
    *,
    losses: Iterable[str] = OTHERS,
    goal: Goal = valid,
    runs: RunsOf = Runs,
) -> dict[tuple[str, str], Judged]:
    """By how much the Gini index of softmax loss is below that of another loss that is as accurate
    on validation, by data and loss; a comparison that lacks a run is left out.

    The rule has validation Recall@20 and the frontiers of the tuning. Another ``goal`` takes
    another accuracy, other ``runs`` other frontiers.
    """
    estimates = {}
    for (data, loss), equal in equal_on_clean(records, losses=losses, goal=goal, runs=runs).items():
        with suppress(MissingRun):
            first, second = (side["gini"][0] for side in (equal.first, equal.second))
            spread, freedom = _spread_of_gini(Runs(bench(data), records))
            estimates[data, loss] = below(first, second, spread=spread, freedom=freedom)
    words = verdicts.words(estimates, equal=EQUAL_GINI)
    return {x: Judged(estimates[x], words[x], 1) for x in estimates}


def equal_on_clean(
    records: Records,
    *,
    losses: Iterable[str] = OTHERS,
    goal: Goal = valid,
    runs: RunsOf = Runs,
) -> dict[tuple[str, str], Equal]:
    """Softmax loss and another where both are as accurate on validation, by data and loss.

    Arguments as of :func:`second_claim`.
    """
    found = {}
    for place in BENCHES:
        there = runs(place, records, goal)
        for loss in losses:
            with suppress(MissingRun):
                pair = (clean_cloud(there, x) for x in ("softmax", loss))
                found[place.data, loss] = at_equal_accuracy(*pair)
    return found


def clean_cloud(runs: Runs, loss: str) -> Cloud:
    """What is measured of a loss on the frontier of its tuning on clean data, ``(1, n_trials)``.

    Its accuracy on validation is what the runs are chosen by.

    Raises:
        MissingRun: the tuning has not come to its end, or a run of the frontier is not recorded.
    """
    trials = runs.frontier(loss)
    accuracy = [runs.goal(record) for record in recorded(trials, runs.records)]
    found = points(([trial] for trial in trials), runs.records)
    return found._replace(valid=np.array([accuracy]))


def _spread_of_gini(runs: Runs) -> tuple[float, int]:
    """Over the seeds of final runs on clean data, of all losses that have several."""
    several = [loss for loss in LOSSES if len(runs.seeds(loss, CLEAN)) > 1]
    return pooled(
        measured(runs.kept(loss, CLEAN), runs.records, "gini", "exposure") for loss in several
    )


def third_claim(
    records: Records,
    *,
    tuned: bool = True,
    loss: str = "bilateral_softmax",
    goal: Goal = valid,
    runs: RunsOf = Runs,
) -> dict[tuple[str, str], Judged]:
    """By how much a loss is above softmax loss under the most false positives, by data and loss.

    ``tuned`` under the noise, or with settings kept from clean data, either way for a ``goal``, or
    chosen in another way by ``runs``.
    """

    def compare(runs: Runs, loss: str) -> Ratio:
        [pair] = _same_seeds([[_at(runs, x, POSITIVES, tuned) for x in (loss, "softmax")]])
        return lead(*with_users(runs, *pair))

    return _judged((loss,), compare, lambda bench: runs(bench, records, goal))


def _at(runs: Runs, loss: str, level: Level, tuned: bool) -> list[Trial]:
    return runs.tuned(loss, level) if tuned else runs.kept(loss, level)


def _same_seeds(pairs: list) -> list[list[list[Trial]]]:
    """The trials with the seeds that all have, the first ones."""
    few = min(len(trials) for pair in pairs for trials in pair)
    return [[trials[:few] for trials in pair] for pair in pairs]


def with_users(runs: Runs, *sides: list[Trial]) -> list[list[dict[str, Any]]]:
    """The records of some trials, which must keep users."""
    found = [recorded(trials, runs.records) for trials in sides]
    for record in (record for side in found for record in side):
        if "users" not in record:
            raise MissingRun(f"a run is missing with its users: {record['label']}")
    return found


def one_kind(ratio: Ratio) -> Ratio:
    """The ratio itself, whose runs must be of one kind of device to be paired.

    Raises:
        MissingRun: they are not.
    """
    if len(ratio.kinds) > 1:
        raise MissingRun(f"a run is missing: all on one of {', '.join(sorted(ratio.kinds))}")
    return ratio


def interval(ratio: Ratio) -> Interval:
    """That of a difference beside the verdicts: where there is one seed, over users alone.

    Raises:
        MissingRun: its runs are of several kinds of device.
    """
    alone = {"spread": 0.0, "freedom": 1} if len(ratio.seeds) == 1 else {}
    return estimate(one_kind(ratio), **alone).interval


def _judged(
    losses: Iterable[str], compare: Callable[[Runs, str], Ratio], of: Callable[[Bench], Runs]
) -> dict[tuple[str, str], Judged]:
    found: dict[tuple[str, str], Ratio] = {}
    for place in BENCHES:
        runs = of(place)
        for loss in losses:
            with suppress(MissingRun):
                found[place.data, loss] = one_kind(compare(runs, loss))
    return judge(found)


def judge(found: Mapping[tuple[str, str], Ratio]) -> dict[tuple[str, str], Judged]:
    """Differences by data and by what is compared, each with its interval and its word.

    Where there is one seed, the spread over seeds is that of the same comparison on other data; a
    comparison without one is left out.
    """
    estimates = {}
    for (data, what), ratio in found.items():
        several = [r.seeds for (_, x), r in found.items() if x == what and len(r.seeds) > 1]
        if len(ratio.seeds) > 1:
            estimates[data, what] = estimate(ratio)
        elif several:
            spread, freedom = pooled(several)
            estimates[data, what] = estimate(ratio, spread=spread, freedom=freedom)
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
        if of_bench(bench, records).preliminary:
            return "preliminary"
    except (KeyError, MissingRun):
        return "not run"
    return verdicts.verdict(words)


def lines(
    judged: Mapping[tuple[str, str], Judged],
    records: Records,
    losses: Iterable[str] = OTHERS,
    by_ndcg: Mapping[tuple[str, str], Judged] = MappingProxyType({}),
    at_length: Mapping[tuple[str, str], Judged] = MappingProxyType({}),
) -> list[dict[str, str]]:
    """A table of what was judged: a row for a data set and a loss, run or not.

    Args:
        judged, records, losses: as of :func:`verdict`.
        by_ndcg: the same with settings tuned for NDCG@20: a column that decides nothing.
        at_length: the same with settings chosen among runs as long as the bench: likewise.
    """
    beside = {"tuned for NDCG@20 (%)": by_ndcg, "chosen at length (%)": at_length}
    table = []
    for place in BENCHES:
        for loss in losses:
            row = {"data": SOURCES[place.data].title, "loss": loss}
            found = judged.get((place.data, loss))
            if found is None:
                table.append(row | {"difference (%)": "not run"})
                continue
            row["difference (%)"] = found.estimate.interval.plus_minus()
            row |= {"seeds": str(found.seeds), "so it is": found.word}
            row |= {
                title: again[place.data, loss].estimate.interval.plus_minus()
                for title, again in beside.items()
                if (place.data, loss) in again
            }
            table.append(row)
        table[-1]["verdict"] = verdict(judged, place, records, losses)
    return table
