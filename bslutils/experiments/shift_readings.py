"""What the records of the sweep ``shift`` say; the rules stand in :mod:`.shift`."""

from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from itertools import chain, product
from typing import NamedTuple

import numpy as np

from ..intervals import Interval, t_interval
from . import verdicts
from .judged import Judged, judge, one_kind, with_users
from .knobs import summits
from .records import MissingRun, Records, recorded
from .shift import GOALS, LEAD, SCORES, SL, SPLITS, TAUS, Runs, on_test
from .testbeds import columns, measured
from .trial import Trial
from .verdicts import Ratio, lead
from .walk import valid


class Settled(NamedTuple):
    """The runs that a verdict rests on.

    Attributes:
        epochs: how long they are trained.
        trials: as they are compared, each with every seed.
    """

    epochs: int
    trials: list[list[Trial]]


def over_tau(runs: Runs) -> Settled:
    """Softmax loss on cosines at each of ``TAUS``; for :func:`moved`.

    Raises:
        MissingRun: a run is not recorded, here and below.
    """
    return _settled(runs, "cosine", SL, runs.over_tau)


def compared(runs: Runs, score: str, goal: str = "validation") -> Settled:
    """Softmax loss and BPR; for :func:`leads`."""
    return _settled(runs, score, LEAD, partial(runs.compared, score, goal))


def _settled(
    runs: Runs, score: str, losses: Iterable[str], trials_at: Callable[[int], list[list[Trial]]]
) -> Settled:
    """The length that the rule asks for if all of it is recorded, else the first one."""
    with suppress(MissingRun):
        epochs = runs.epochs(losses, score)
        trials = trials_at(epochs)
        recorded(chain.from_iterable(trials), runs.records)
        return Settled(epochs, trials)
    epochs = runs.split.config.epochs
    return Settled(epochs, trials_at(epochs))


def curves(runs: Runs, epochs: int | None = None) -> dict[str, np.ndarray]:
    """Recall@20 of softmax loss on cosines over ``TAUS``, on validation and on the shifted test.

    Args:
        epochs: of runs of another length than the rule asks for.

    Returns:
        ``"validation"`` and ``"test"`` -> ``(n_seeds, n_taus)``.
    """
    settings = over_tau(runs).trials if epochs is None else runs.over_tau(epochs)
    return {
        "validation": columns(settings, runs.records, "valid"),
        "test": columns(settings, runs.records, "recall@20", "test"),
    }


def moved(runs: Runs, epochs: int | None = None) -> np.ndarray:
    """The best temperature on the shifted test over the best one on validation, by seed."""
    found = curves(runs, epochs)
    return summits(TAUS, found["test"]) / summits(TAUS, found["validation"])


def moved_interval(ratios: np.ndarray) -> Interval:
    """Mean of ratios over seeds, in logarithms, with Student's 95 % interval.

    Raises:
        ValueError: fewer than two.
    """
    return Interval(*(float(np.exp(x)) for x in t_interval(np.log(ratios))))


def leads(records: Records, *, goal: str = "validation") -> dict[tuple[str, str], Judged]:
    """The lead of softmax loss over BPR on the shifted test, by data and score.

    Args:
        records: by id; a comparison that lacks a run is left out.
        goal: what chose the settings, ``"validation"`` or ``"test"``.
    """
    found: dict[tuple[str, str], Ratio] = {}
    for split, score in product(SPLITS, SCORES):
        runs = Runs(split, records)
        with suppress(MissingRun):
            sides = with_users(runs, *compared(runs, score, goal).trials)
            found[split.data, score] = one_kind(lead(*sides))
    return judge(found)


def move_is_preliminary(runs: Runs) -> str:
    """Why the move of the best temperature carries no verdict; empty if it does."""
    edge = "a top at the edge" if at_an_edge(runs) else ""
    return _preliminary(runs, "cosine", SL, over_tau(runs).epochs) or edge


def lead_is_preliminary(runs: Runs, score: str) -> str:
    """Why the lead of softmax loss on a score carries no verdict; empty if it does."""
    return _preliminary(runs, score, LEAD, compared(runs, score).epochs)


def _preliminary(runs: Runs, score: str, losses: Iterable[str], epochs: int) -> str:
    added = {}
    for loss in losses:
        _, closed = runs.tuning(loss, score, "validation").best(runs.records)
        if not closed:
            return f"the tuning of {loss} has not come to a top"
        added[loss] = runs.added(loss, score, epochs)
    return verdicts.preliminary(added, level=1.0)  # a score has a level of its own


def at_an_edge(runs: Runs) -> bool:
    """Whether a best temperature of :func:`moved` is an end of the grid."""
    tops = [values.argmax(1) for values in curves(runs).values()]
    return bool(np.isin(tops, (0, len(TAUS) - 1)).any())


def steps(runs: Runs) -> dict[str, list[Trial]]:
    """From BPR as it is usually trained to softmax loss, one thing changed at a time.

    Raises:
        MissingRun: a run of a tuning is not recorded.
    """
    final = partial(runs.final, goal="validation")
    return {
        "BPR on inner products, τ = 1": runs.plain(),
        "… with its temperature tuned": final("bpr", "dot"),
        "… on cosines": final("bpr", "cosine"),
        "SL on cosines": final("softmax", "cosine"),
    }


class Kept(NamedTuple):
    """What validation chose for a loss on a score, trained to the end; means over seeds.

    Attributes:
        valid: Recall@20 on validation.
        test: Recall@20 on the shifted test, by seed.
        groups: what the groups of items add to it, the least popular first, ``(n_groups,)``. A
            group has a tenth of the training pairs.
    """

    valid: float
    test: np.ndarray
    groups: np.ndarray


def kept(runs: Runs, loss: str, score: str) -> Kept:
    """What validation chose for a loss on a score, with the epochs of the split.

    Raises:
        MissingRun: a run is not recorded.
    """
    trials = runs.final(loss, score, "validation")
    return Kept(
        float(measured(trials, runs.records, "valid").mean()),
        measured(trials, runs.records, "recall@20", "test"),
        measured(trials, runs.records, "recall@20 by group", "test").mean(0),
    )


def published_way(runs: Runs, loss: str) -> list[Trial]:
    """A loss as the published table has it: of either score the one that the test has better.

    Raises:
        MissingRun: a run is not recorded.
    """
    either = [runs.as_published(loss, score) for score in SCORES]
    return max(
        either, key=lambda trials: measured(trials, runs.records, "recall@20", "test").mean()
    )


def tried(runs: Runs, loss: str) -> np.ndarray:
    """Recall@20 on validation and on the shifted test of every trial of a loss, ``(n_trials, 2)``.

    Raises:
        MissingRun: a tuning has not come to its end.
    """
    trials = {}
    for score, goal in product(SCORES, GOALS):
        runs.best(loss, score, goal)  # has come to its end
        trials |= {t.id: t for t in runs.tuning(loss, score, goal).tried(runs.records).values()}
    return np.array([(valid(r), on_test(r)) for r in map(runs.records.get, trials)])
