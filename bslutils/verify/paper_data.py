"""The paper's claims on the paper's data: what the rules give, as far as runs are recorded.

The runs are still being made, so no verdict is recorded here: each is found from the records, by
the rules that were written down before (:mod:`bslutils.experiments.verdicts`).
"""

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from types import MappingProxyType
from typing import Any, NamedTuple

from ..data import SOURCES
from ..experiments import judged
from ..experiments.convergence import of_bench
from ..experiments.fairness import Equal
from ..experiments.judged import Judged
from ..experiments.paper_at_length import AtLength
from ..experiments.paper_benches import BENCHES, CLEAN, bench
from ..experiments.paper_noise import Runs, valid_ndcg
from ..experiments.records import MissingRun
from ..experiments.testbeds import measured
from ..experiments.verdicts import EQUAL, EQUAL_GINI, METRIC, estimate, lead
from ..experiments.walk import valid
from ..intervals import Interval
from .claim import WU_1, WU_2, WU_3, Finding, claim
from .recorded import best, records
from .scope import Scope

DECIDED = ("holds", "mixed", "does not hold", "undecided")  # what the rules call a data set
TUNED_FOR_NDCG = "tuned for NDCG@20 instead of Recall@20"
# Readings that decide nothing: in words, and how the comparison is made.
AT_LENGTH = "with settings chosen among the runs as long as the bench"
LONGER = {AT_LENGTH: {"runs": AtLength}}
BY_NDCG = {"the same at equal validation NDCG@20": {"runs": AtLength, "goal": valid_ndcg}}


def in_unit(unit: str, interval: Interval) -> str:
    """An interval in per cent or points, or as it is where there is no unit."""
    return interval.percent(unit=unit) if unit else interval.text(3)


class Compared(NamedTuple):
    """How losses are compared for a claim on the paper's data.

    Attributes:
        compare: gives the comparisons, by data and loss; with a ``goal`` or other ``runs``, with
            settings that were chosen in another way.
        losses: those that decide.
        unit: of the difference: per cent; points, of two changes in per cent; or none.
        beside: whether they are shown with settings tuned for NDCG@20, too.
        readings: in the ledger: what else is read and decides nothing -> how it is compared.
    """

    compare: Callable[..., dict[tuple[str, str], Judged]]
    losses: tuple[str, ...]
    unit: str
    beside: bool = True
    readings: Mapping[str, dict[str, Any]] = MappingProxyType(LONGER)

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
    1: Compared(lambda known, **how: judged.first_claim(known, **how), judged.OTHERS, "points"),
    2: Compared(
        lambda known, **how: judged.second_claim(known, **how),
        judged.OTHERS,
        "",
        beside=False,
        readings=LONGER | BY_NDCG,
    ),
    3: Compared(lambda known, **how: judged.third_claim(known, **how), ("bilateral_softmax",), "%"),
}


# Claim -> what softmax loss does beside other losses, by the word of the comparison.
SUBJECT = {1: "SL loses", 2: "SL is"}
MARGINS = {1: f"{100 * EQUAL:g} points", 2: f"{EQUAL_GINI:g}"}
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
        on_test: of the second claim: loss -> by how much softmax loss is above it in test NDCG@20
            where the two are as accurate on validation, in parts.
    """

    word: str
    compared: dict[str, Judged]
    beside: Mapping[str, Judged] = MappingProxyType({})
    on_test: Mapping[str, float] = MappingProxyType({})


def on_paper_data(number: int) -> dict[str, Cell]:
    """A claim of the paper, 1, 2 or 3, on each of its data sets."""
    how = COMPARED[number]
    found, cells = how.compare(records()), {}
    other = how.compare(records(), goal=valid_ndcg) if how.beside else {}
    equal = judged.equal_on_clean(records(), losses=how.losses) if number == 2 else {}
    for b in BENCHES:
        compared = {loss: found[b.data, loss] for loss in how.losses if (b.data, loss) in found}
        again = {loss: other[b.data, loss] for loss in how.losses if (b.data, loss) in other}
        again = again if len(again) == len(how.losses) else {}
        word = judged.verdict(found, b, records(), how.losses)
        word = "begun" if compared and word == "not run" else word
        on_test = {loss: _on_test(equal[b.data, loss]) for loss in compared if equal}
        cells[b.data] = Cell(word, compared, again, on_test)
    return cells


def _on_test(equal: Equal) -> float:
    """By how much the first is above the second in test NDCG@20, in parts; one seed each."""
    return float(equal.first["test"][0] / equal.second["test"][0] - 1)


def on_test(cell: Cell) -> str:
    """In words how accurate softmax loss is on test, where the second claim compares it.

    Example:
        >>> on_test(Cell("holds", {}, on_test={"bpr": -0.043, "ccl": 0.038}))
        'equal in validation Recall@20; in test NDCG@20 SL is 4.3 % below BPR and 3.8 % above CCL'
        >>> on_test(Cell("holds", {}))
        ''
    """
    if not cell.on_test:
        return ""
    parts = (
        f"{100 * abs(x):.1f} % {'above' if x > 0 else 'below'} {loss.upper()}"
        for loss, x in cell.on_test.items()
    )
    return f"equal in validation Recall@20; in test NDCG@20 SL is {listed(parts)}"


def over_softmax_by_ndcg(data: str) -> Interval:
    """BSL as the third claim has it over softmax loss that was tuned for NDCG@20 under the noise.

    Of a reading beside the verdict, which decides nothing: validation Recall@20 may hardly tell
    the two settings of softmax loss apart.

    Raises:
        MissingRun: one of the two is not recorded.
    """
    runs, other = (Runs(bench(data), records(), goal) for goal in (valid, valid_ndcg))
    sides = (
        runs.tuned("bilateral_softmax", judged.POSITIVES),
        other.tuned("softmax", judged.POSITIVES),
    )
    return estimate(judged.one_kind(lead(*judged.with_users(runs, *sides)))).interval


def listed(words: Iterable[str]) -> str:
    """Words as a list in a sentence.

    Example:
        >>> listed(["BPR", "BCE", "MSE"]), listed(["BPR"]), listed([])
        ('BPR, BCE and MSE', 'BPR', 'none')
    """
    *first, last = [*words] or ["none"]
    return f"{', '.join(first)} and {last}" if first else last


def in_words(number: int, compared: dict[str, Judged], *, sizes: bool = True) -> str:
    """Which losses softmax loss is better than, and which it is worse than, and by how much.

    Args:
        number: of the claim, 1 or 2.
        compared: loss -> its comparison.
        sizes: whether to say by how much.

    Example:
        >>> from bslutils.experiments.verdicts import Estimate
        >>> def judged(mean, word):
        ...     return Judged(Estimate(Interval(mean, mean - 0.01, mean + 0.01), 0.0), word, 3)
        >>> worse = {"bpr": judged(-0.092, "worse"), "mse": judged(-0.103, "worse")}
        >>> in_words(1, worse | {"ccl": judged(0.096, "better")})
        'SL loses less than CCL (by 9.6 points) and more than BPR and MSE (by 9.2 and 10.3 points)'
        >>> in_words(2, {"ccl": judged(-0.009, "equal")})
        'SL is as fair as CCL (0.009 apart)'
        >>> in_words(2, {"ccl": judged(-0.015, "equal")})
        'SL is less fair than CCL (by 0.015; under 0.02 counts as equal)'
        >>> in_words(2, {"ccl": judged(-0.015, "equal")}, sizes=False)
        'SL is less fair than CCL (by under 0.02, which counts as equal)'
        >>> in_words(1, worse, sizes=False)
        'SL loses more than BPR and MSE'
    """
    groups: dict[tuple[str, str], dict[str, Interval]] = {}
    for loss, x in compared.items():
        interval, way = x.estimate.interval, x.word
        if way == "equal" and not interval.low <= 0 <= interval.high:
            way = "better" if interval.low > 0 else "worse"  # a difference that is seen, and small
        groups.setdefault((x.word, way), {})[loss] = interval
    order = [*SAID[number]]
    parts = []
    for word, way in sorted(groups, key=lambda pair: [*map(order.index, pair)]):
        found = groups[word, way]
        said = []
        if sizes:
            by = COMPARED[number].sizes(found.values())
            said.append(f"by {by}" if way in ("better", "worse") else f"{by} apart")
        if word != way:
            if sizes:
                said = [f"{said[0]}; under {MARGINS[number]} counts as equal"]
            else:
                said = [f"by under {MARGINS[number]}, which counts as equal"]
        more = f" ({', '.join(said)})" if said else ""
        parts.append(f"{SAID[number][way]} {listed(map(str.upper, found))}{more}")
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
    again = {name: how.compare(records(), **kind) for name, kind in how.readings.items()}
    for data, cell in cells.items():
        text = cell.word
        if cell.compared and cell.word in DECIDED and number in SAID:
            text += f", {in_words(number, cell.compared)}"
        if cell.compared:
            text += f": {_leads(how, cell.compared)}"
        if cell.on_test:
            text += f"; {on_test(cell)}"
        if cell.beside:
            text += f"; {TUNED_FOR_NDCG}: {_leads(how, cell.beside)}"
        for name, found in again.items():
            there = {loss: found[data, loss] for loss in how.losses if (data, loss) in found}
            if there:
                text += f"; {name}: {_leads(how, there)}"
        if number == 3 and cell.compared:
            with suppress(MissingRun):
                text += f"; with only SL {TUNED_FOR_NDCG}: {how.text(over_softmax_by_ndcg(data))}"
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
    return scope_of(data, min(x.seeds for x in cell.compared.values()))


def scope_of(data: str, seeds: int) -> Scope:
    """What was seen on converged runs on a data set; the level is that of softmax loss."""
    level, unsettled = 0.0, ""
    with suppress(MissingRun):
        clean = Runs(bench(data), records()).kept("softmax", CLEAN)
        level = float(measured(clean, records(), METRIC, "test").mean())
        unsettled = of_bench(bench(data), records()).preliminary
    return Scope(data, "MF", seeds, level, best(data), unsettled)


@claim(
    "paper-negatives",
    "On the paper's data, softmax loss loses less than BPR, BCE, MSE and CCL when negatives get "
    "noisier.",
    source=WU_1,
    verdict="",
    about=1,
    conditions="by the rules, as runs arrive; settings kept from clean data, 30 % of the negatives "
    "false; by how much less softmax loss falls than each; with settings chosen in another way it "
    "decides nothing",
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
    "validation Recall@20, where test NDCG@20 need not be equal; each setting is one seed, and the "
    "interval is of the index alone; what is chosen among the runs as "
    "long as the bench decides nothing",
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
    "added; by how much BSL is above softmax loss; with settings chosen in another way it decides "
    "nothing",
    records=("paper_noise",),
)
def positives():
    """The third claim, by the rules."""
    return _found(3)
