"""Claims on recorded experiments: models that are tested on another distribution of items."""

from collections.abc import Callable
from contextlib import suppress

import numpy as np

from ..data import SOURCES
from ..experiments import shift_readings, verdicts
from ..experiments.judged import Judged
from ..experiments.records import MissingRun
from ..experiments.shift import SCORES, SPLITS, Runs
from ..experiments.testbeds import measured
from ..experiments.trial import Trial
from ..experiments.verdicts import METRIC
from ..intervals import Interval
from .claim import PSL, WU_1, Finding, claim
from .paper_data import over_data
from .recorded import best, found, records
from .scope import Scope


def _scope(runs: Runs, *softmax: Callable[[], list[list[Trial]]]) -> Scope:
    """What a claim on a split was seen on; the level is that of softmax loss at its best."""
    data, level, seeds = runs.split.data, 0.0, 0
    for read in softmax:
        with suppress(MissingRun):
            for trials in read():
                values = measured(trials, records(), METRIC, "test")
                if values.mean() > level:
                    level, seeds = float(values.mean()), len(values)
    return Scope(data, "MF", seeds, level, best(data), by_level=False)


def word_of(ratio: Interval) -> str:
    """Whether a temperature falls, by the rule of :mod:`bslutils.experiments.shift`.

    Example:
        >>> word_of(Interval(0.6, 0.4, 0.8)), word_of(Interval(0.6, 0.4, 1.2))
        ('holds', 'undecided')
    """
    if ratio.high < 1:
        return "holds"
    return "does not hold" if ratio.low > 1 else "undecided"


def _fall(runs: Runs) -> tuple[np.ndarray, str]:
    """How the best temperature moves, by seed, and why that has no verdict; empty if it has."""
    return shift_readings.moved(runs), shift_readings.move_is_preliminary(runs)


def _with_twice_the_epochs(runs: Runs) -> str:
    """The same ratio from longer runs; empty where these are not recorded."""
    with suppress(MissingRun):
        twice = 2 * shift_readings.over_tau(runs).epochs
        longer = shift_readings.moved_interval(shift_readings.moved(runs, twice))
        return f" (with twice the epochs {longer.text(2)})"
    return ""


@claim(
    "shift-temperature",
    "When the test is shifted to unpopular items, the best temperature of softmax loss falls.",
    source="this book",
    verdict="",
    about=1,
    conditions="by the rule, as runs arrive; it is the positives of the test that shift, of which "
    "the equivalence says nothing; on cosines, Recall@20 on the shifted test against validation",
    records=("shift",),
)
def temperature():
    """The ratio of the two best temperatures on each data set with several seeds."""
    texts, words, scopes = [], [], []
    for split in SPLITS:
        runs = Runs(split, records())
        try:
            ratios, why = found("shift", lambda known, r=runs: _fall(r))
        except MissingRun:
            texts.append(f"{SOURCES[split.data].title}: not run")
            scopes.append(Scope(split.data, "MF", 0))
            continue
        if len(ratios) > 1:
            interval = shift_readings.moved_interval(ratios)
            words.append("undecided" if why else word_of(interval))
            word = f"{words[-1]} ({why})" if why else words[-1]
            said = f"{SOURCES[split.data].title}: times {interval.text(2)}, {word}"
            texts.append(said + _with_twice_the_epochs(runs))
        else:
            texts.append(f"{SOURCES[split.data].title}: times {ratios[0]:.2f}, one seed")
        scopes.append(_scope(runs, lambda r=runs: shift_readings.over_tau(r).trials))
    return Finding("; ".join(texts), [], tuple(scopes), over_data(words))


def _word(x: Judged | None, runs: Runs, score: str) -> str:
    """What the lead on a score is called."""
    try:
        return (
            ("preliminary" if shift_readings.lead_is_preliminary(runs, score) else x.word)
            if x
            else "not run"
        )
    except MissingRun:
        return "not run"


@claim(
    "shift-lead",
    "When the test is shifted to unpopular items, softmax loss leads BPR with the same score and a "
    "tuned temperature.",
    source=f"{WU_1}, read as a claim on a shift; {PSL}, Table 2",
    verdict="",
    about=1,
    conditions="by the rules, as runs arrive; it is the positives of the test that shift, of which "
    "the equivalence says nothing; settings chosen on validation, which is not shifted",
    records=("shift",),
)
def lead():
    """The comparisons on each data set and either score."""
    texts, words, scopes = [], [], []
    judged, beside = (shift_readings.leads(records(), goal=goal) for goal in ("validation", "test"))
    for split in SPLITS:
        runs, said, here = Runs(split, records()), [], []
        for score, name in (("cosine", "cosines"), ("dot", "inner products")):
            x, if_test = (found.get((split.data, score)) for found in (judged, beside))
            here.append(_word(x, runs, score))
            leads = f" {x.estimate.interval.percent()}" if x else ""
            if if_test:
                leads += f", if test chose {if_test.estimate.interval.percent()}"
            said.append(f"{name}{leads} ({here[-1]})")
        texts.append(f"{SOURCES[split.data].title}: {'; '.join(said)}")
        if set(here) <= set(verdicts.WORDS):
            words.append(verdicts.verdict(here))
        scopes.append(
            _scope(
                runs,
                *(lambda r=runs, s=s: shift_readings.compared(r, s).trials[:1] for s in SCORES),
            )
        )
    return Finding("; ".join(texts), [], tuple(scopes), over_data(words))
