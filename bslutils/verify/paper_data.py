"""The paper's claims on the paper's data: what the rules give, as far as runs are recorded.

The runs are still being made, so no verdict is recorded here: each is found from the records, by
the rules that were written down before (:mod:`bslutils.experiments.verdicts`).
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from functools import partial
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
from scipy import stats

from ..data import SOURCES
from ..experiments import accuracy, every_loss, judged, verdicts
from ..experiments.convergence import of_bench
from ..experiments.judged import Judged
from ..experiments.paper_benches import BENCHES, CLEAN, bench
from ..experiments.paper_noise import Runs, valid_ndcg
from ..experiments.records import MissingRun
from ..experiments.testbeds import measured
from ..experiments.trial import Trial
from ..experiments.verdicts import METRIC, Estimate
from ..intervals import Interval
from .claim import WU_1, WU_2, WU_3, Finding, claim
from .recorded import best, records, unsettled
from .scope import Scope

SMALL = "movielens-small"
BACKBONES = ("MF", "LightGCN", "NGCF")
DECIDED = ("holds", "mixed", "does not hold", "undecided")  # what the rules call a data set
TUNED_FOR_NDCG = "tuned for NDCG@20 instead of Recall@20"
STATES = (*verdicts.WORDS, "preliminary")  # of a comparison without noise


def in_unit(unit: str, interval: Interval) -> str:
    """An interval in per cent or points, or as it is where there is no unit."""
    return interval.percent(unit=unit) if unit else interval.text(3)


class Compared(NamedTuple):
    """How losses are compared for a claim on the paper's data.

    Attributes:
        compare: gives the comparisons, by data and loss; with a ``goal``, with settings that were
            tuned for it.
        losses: those that decide.
        unit: of the difference: per cent; points, of two changes in per cent; or none.
        beside: whether they are shown with settings tuned for NDCG@20, too.
    """

    compare: Callable[..., dict[tuple[str, str], Judged]]
    losses: tuple[str, ...]
    unit: str
    beside: bool = True

    def text(self, interval: Interval) -> str:
        """An interval in the unit of the comparison."""
        return in_unit(self.unit, interval)

    def sizes(self, intervals: Iterable[Interval]) -> str:
        """How large differences are, in words."""
        means = (abs(x.mean) for x in intervals)
        if self.unit:
            return f"{listed(f'{100 * mean:.1f}' for mean in means)} {self.unit}"
        return listed(f"{mean:.3f}" for mean in means)


COMPARED = {  # by claim of the paper
    1: Compared(lambda known, **goal: judged.first_claim(known, **goal), judged.OTHERS, "points"),
    2: Compared(lambda known: judged.second_claim(known), judged.OTHERS, "", beside=False),
    3: Compared(
        lambda known, **goal: judged.third_claim(known, **goal), ("bilateral_softmax",), "%"
    ),
}


# Claim -> what softmax loss does beside other losses, by the word of the comparison.
SUBJECT = {1: "SL loses", 2: "SL is"}
SAID = {
    1: {
        "better": "less than",
        "worse": "more than",
        "equal": "as much as",
        "undecided": "an amount that cannot be told from that of",
    },
    2: {
        "better": "fairer than",
        "worse": "less fair than",
        "equal": "as fair as",
        "undecided": "not to be told from",
    },
}


class Cell(NamedTuple):
    """A claim of the paper on one of its data sets.

    Attributes:
        word: a verdict by the rules, "preliminary", "not run", or "begun" where some comparisons
            are run and others not.
        compared: loss -> its comparison with softmax loss, as far as it is recorded.
        beside: the same with settings tuned for NDCG@20; empty where one of them is missing.
    """

    word: str
    compared: dict[str, Judged]
    beside: Mapping[str, Judged] = MappingProxyType({})


def on_paper_data(number: int) -> dict[str, Cell]:
    """A claim of the paper, 1, 2 or 3, on each of its data sets."""
    how = COMPARED[number]
    found, cells = how.compare(records()), {}
    other = how.compare(records(), goal=valid_ndcg) if how.beside else {}
    for b in BENCHES:
        compared = {loss: found[b.data, loss] for loss in how.losses if (b.data, loss) in found}
        again = {loss: other[b.data, loss] for loss in how.losses if (b.data, loss) in other}
        again = again if len(again) == len(how.losses) else {}
        word = judged.verdict(found, b, records(), how.losses)
        cells[b.data] = Cell("begun" if compared and word == "not run" else word, compared, again)
    return cells


def listed(words: Iterable[str]) -> str:
    """Words as a list in a sentence.

    Example:
        >>> listed(["BPR", "BCE", "MSE"]), listed(["BPR"]), listed([])
        ('BPR, BCE and MSE', 'BPR', 'none')
    """
    *first, last = [*words] or ["none"]
    return f"{', '.join(first)} and {last}" if first else last


def in_words(number: int, compared: dict[str, Judged]) -> str:
    """Which losses softmax loss is better than, and which it is worse than, and by how much.

    Args:
        number: of the claim, 1 or 2.
        compared: loss -> its comparison.

    Example:
        >>> def judged(mean, word):
        ...     return Judged(Estimate(Interval(mean, mean - 0.01, mean + 0.01), 0.0), word, 3)
        >>> worse = {"bpr": judged(-0.092, "worse"), "mse": judged(-0.103, "worse")}
        >>> in_words(1, worse | {"ccl": judged(0.096, "better")})
        'SL loses less than CCL (by 9.6 points) and more than BPR and MSE (by 9.2 and 10.3 points)'
        >>> in_words(2, {"ccl": judged(-0.009, "equal")})
        'SL is as fair as CCL (0.009 apart)'
    """
    parts = []
    for word, said in SAID[number].items():
        found = {x: y.estimate.interval for x, y in compared.items() if y.word == word}
        if found:
            by = COMPARED[number].sizes(found.values())
            by = f"by {by}" if word in ("better", "worse") else f"{by} apart"
            parts.append(f"{said} {listed(map(str.upper, found))} ({by})")
    return f"{SUBJECT[number]} {listed(parts)}"


def over_data(words: Iterable[str]) -> str:
    """The verdict of the ledger, from those on several data sets.

    What was seen to hold on one of them holds under conditions; what was seen to hold in part is
    mixed, and :func:`in_words` says which comparisons go against it; what was only seen to fail
    does not hold; and without a data set that says any of this it is undecided.

    Example:
        >>> over_data(["holds", "mixed", "not run"]), over_data(["mixed", "does not hold"])
        ('holds under conditions', 'mixed')
    """
    words = set(words)
    if "holds" in words:
        return "holds under conditions"
    return next((word for word in ("mixed", "does not hold") if word in words), "undecided")


def _found(number: int) -> Finding:
    cells, how, texts = on_paper_data(number), COMPARED[number], []
    for data, cell in cells.items():
        text = cell.word
        if cell.compared and cell.word in DECIDED and number in SAID:
            text += f", {in_words(number, cell.compared)}"
        if cell.compared:
            text += f": {_leads(how, cell.compared)}"
        if cell.beside:
            text += f"; {TUNED_FOR_NDCG}: {_leads(how, cell.beside)}"
        texts.append(f"{SOURCES[data].title}: {text}")
    scope = tuple(_scope(data, cell) for data, cell in cells.items())
    return Finding("; ".join(texts), [], scope, over_data(cell.word for cell in cells.values()))


def _leads(how: Compared, compared: dict[str, Judged]) -> str:
    """The comparisons one by one, with the name of the loss where there are several."""
    leads = {loss: how.text(x.estimate.interval) for loss, x in compared.items()}
    if len(how.losses) > 1:
        leads = {loss: f"{loss.upper()} {lead}" for loss, lead in leads.items()}
    return ", ".join(leads.values())


def _scope(data: str, cell: Cell) -> Scope:
    if not cell.compared:
        return Scope(data, "MF", 0)
    level, seeds = 0.0, min(x.seeds for x in cell.compared.values())
    with suppress(MissingRun):
        clean = Runs(bench(data), records()).kept("softmax", CLEAN)
        level = float(measured(clean, records(), METRIC, "test").mean())
    return Scope(data, "MF", seeds, level, best(data))


@claim(
    "paper-negatives",
    "On the paper's data, softmax loss loses less than BPR, BCE, MSE and CCL when negatives get "
    "noisier.",
    source=WU_1,
    verdict="",
    about=1,
    conditions="by the rules, as runs arrive; settings kept from clean data, 30 % of the negatives "
    "false; by how much less softmax loss falls than each",
    records=("paper_noise",),
)
def negatives():
    """The first claim, by the rules."""
    return _found(1)


@claim(
    "paper-fairness",
    "On the paper's data, softmax loss is fairer to items than BPR, BCE, MSE and CCL.",
    source=WU_2,
    verdict="",
    about=2,
    conditions="by the rules, as runs arrive; by how much its Gini index is lower at equal "
    "validation accuracy",
    records=("paper_noise",),
)
def fairness():
    """The second claim, by the rules."""
    return _found(2)


@claim(
    "paper-positives",
    "On the paper's data, BSL is better than softmax loss when positives are noisy.",
    source=WU_3,
    verdict="",
    about=3,
    conditions="by the rules, as runs arrive; both tuned under the noise, 40 % of false positives "
    "added; by how much BSL is above softmax loss",
    records=("paper_noise",),
)
def positives():
    """The third claim, by the rules."""
    return _found(3)


# Better on clean data --------------------------------------------------------------------------


class Better(NamedTuple):
    """Bilateral softmax loss against softmax loss without noise, on one data set and backbone.

    Attributes:
        lead: in parts of softmax loss, with its interval over seeds.
        word: "better", "equal", "worse", "undecided", or "preliminary".
        scope: what it was seen on.
        users: the same with its interval over users and seeds, where runs keep users; it decides
            nothing.
    """

    lead: Interval
    word: str
    scope: Scope
    users: Interval | None = None


def grid() -> list[tuple[str, str]]:
    """Data and backbones: the small data, and those of the paper."""
    names = (SMALL, *(b.data for b in BENCHES))
    return [(data, backbone) for backbone in BACKBONES for data in names]


def better_on_clean() -> dict[tuple[str, str], Better]:
    """The comparison for each data set and backbone, where both losses are recorded."""
    seen = {cell: found for cell in grid() if (found := _compared(*cell))}
    words = verdicts.words({x: _estimate(lead, scope.seeds) for x, (lead, scope) in seen.items()})
    return {
        cell: Better(
            lead, "preliminary" if scope.preliminary else words[cell], scope, _over_users(*cell)
        )
        for cell, (lead, scope) in seen.items()
    }


def _over_users(data: str, backbone: str) -> Interval | None:
    """The lead on a bench of the paper with the interval of the rules, over users and seeds."""
    if backbone != "MF" or data == SMALL:
        return None
    with suppress(MissingRun, ValueError):
        runs = Runs(bench(data), records())
        pair = [runs.kept(loss, CLEAN) for loss in ("bilateral_softmax", "softmax")]
        return verdicts.estimate(verdicts.lead(*judged.with_users(runs, *pair))).interval
    return None


def _compared(data: str, backbone: str) -> tuple[Interval, Scope] | None:
    """By the first experiment that has both losses, those with the longest training first."""
    for runs_of, preliminary in _experiments(data, backbone):
        with suppress(MissingRun):
            ours, theirs = (runs_of(loss) for loss in ("bilateral_softmax", "softmax"))
            base = measured(theirs, records(), METRIC, "test")
            apart = every_loss.difference(ours, theirs, records(), METRIC)
            level, known = float(base.mean()), best(data, backbone)
            scope = Scope(data, backbone, len(base), level, known, preliminary())
            return Interval(*(x / level for x in apart)), scope
    return None


def verdict_on_better() -> str:
    """The verdict of the ledger: where it is not better, the claim is seen to fail."""
    seen = {"better": "holds", "worse": "does not hold", "equal": "does not hold"}
    found = better_on_clean()
    return over_data(seen.get(x.word, x.word) for (data, _), x in found.items() if data != SMALL)


OfLoss = Callable[[str], list[Trial]]


def _experiments(data: str, backbone: str) -> Iterator[tuple[OfLoss, Callable[[], str]]]:
    """The runs of a loss, and why they carry no verdict, where that was looked at."""
    known = records()
    if backbone == "MF" and data != SMALL:
        runs = Runs(bench(data), known)
        yield partial(runs.kept, level=CLEAN), lambda: of_bench(runs.bench, known).preliminary
    if backbone == "MF" and data in every_loss.TUNING:
        yield lambda loss: every_loss.choice(data, loss, known).final, str
    for testbed in accuracy.testbeds():
        if (testbed.data, testbed.backbone) == (data, backbone):
            yield (
                lambda loss, where=testbed: accuracy.chosen(where, loss, known),
                partial(unsettled, testbed),
            )


def _estimate(lead: Interval, seeds: int) -> Estimate:
    """Student's interval over seeds with the chance that goes with it.

    As of pairs: where the runs are no pairs there are more degrees of freedom, and it is less.
    """
    half, freedom = lead.high - lead.mean, seeds - 1
    t = abs(lead.mean) / half * stats.t.ppf(0.975, freedom) if half else np.inf
    return Estimate(lead, float(2 * stats.t.sf(t, freedom)))


@claim(
    "paper-better",
    "BSL is better than softmax loss on four data sets and with three backbones.",
    source=WU_3,
    verdict="",
    about=3,
    conditions="without noise, by our own runs, as they arrive; test NDCG@20 of BSL as its formula "
    "says, relative to softmax loss, with intervals over seeds alone; the small data are shown "
    "beside, and decide nothing",
    records=("overall", "field"),
)
def better():
    """Where it is better, worse, equal, undecided, and what is not run."""
    found = better_on_clean()
    small = {cell: x for cell, x in found.items() if cell[0] == SMALL}
    paper = {cell: x for cell, x in found.items() if cell[0] != SMALL}
    counts = {word: sum(x.word == word for x in paper.values()) for word in STATES}
    planned = sum(data != SMALL for data, _ in grid())
    decide = [
        f"{SOURCES[data].title} with {backbone}"
        for (data, backbone), x in paper.items()
        if x.word != "preliminary"
    ]
    texts = [f"of {planned} planned, {', '.join(f'{n} {word}' for word, n in counts.items())}"]
    texts += [f"so the verdict rests on {listed(decide)}"]
    for prefix, of_kind in (("", paper), ("beside: ", small)):
        texts += [
            f"{prefix}{SOURCES[data].title} with {backbone} {x.lead.percent()}, {x.word}"
            + (f" (over users too, {x.users.percent()})" if x.users else "")
            for (data, backbone), x in of_kind.items()
        ]
    for backbone in BACKBONES:
        lacking = [SOURCES[d].title for d, b in grid() if b == backbone and (d, b) not in found]
        if lacking:
            texts.append(f"not run with {backbone}: {', '.join(lacking)}")
    return Finding(
        "; ".join(texts), [], tuple(x.scope for x in found.values()), verdict_on_better()
    )
