"""The paper's claims on the paper's data: what the rules give, as far as runs are recorded."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from ..experiments import judged
from ..experiments.fairness import Equal
from ..experiments.judged import Judged
from ..experiments.paper_at_length import AtLength
from ..experiments.paper_benches import BENCHES, bench
from ..experiments.paper_noise import Runs, valid_ndcg
from ..experiments.verdicts import EQUAL, EQUAL_GINI, estimate, lead
from ..experiments.walk import valid
from ..intervals import Interval
from .recorded import records

DECIDED = ("holds", "mixed", "does not hold", "undecided")  # what the rules call a data set
TUNED_FOR_NDCG = "tuned for NDCG@20 instead of Recall@20"
# Readings that decide nothing: in words, and how the comparison is made.
AT_LENGTH = "with settings chosen among final runs"
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
        on_valid, on_test: of the second claim: loss -> by how much softmax loss is above it in
            validation Recall@20 and in test NDCG@20 where the two are compared, in parts.
    """

    word: str
    compared: dict[str, Judged]
    beside: Mapping[str, Judged] = MappingProxyType({})
    on_valid: Mapping[str, float] = MappingProxyType({})
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
        on_valid, on_test = (
            {loss: _above(equal[b.data, loss], where) for loss in compared if equal}
            for where in ("valid", "test")
        )
        cells[b.data] = Cell(word, compared, again, on_valid, on_test)
    return cells


def _above(equal: Equal, where: str) -> float:
    """By how much the first is above the second on validation or test, in parts; one seed each."""
    return float(equal.first[where][0] / equal.second[where][0] - 1)


def how_accurate(cell: Cell) -> str:
    """In words how accurate softmax loss is where the second claim compares it.

    On validation it is equal to the other loss, or above it where its fairest setting is.

    Example:
        >>> test = {"bpr": -0.043, "ccl": 0.038}
        >>> how_accurate(Cell("holds", {}, on_valid={"bpr": 0.0, "ccl": 0.0}, on_test=test))
        'equal in validation Recall@20; in test NDCG@20 SL is 4.3 % below BPR and 3.8 % above CCL'
        >>> how_accurate(Cell("holds", {}, on_valid={"bpr": 0.11}, on_test={"bpr": 0.07}))
        'in validation Recall@20 SL is 11.0 % above BPR; in test NDCG@20 it is 7.0 % above BPR'
        >>> how_accurate(Cell("holds", {}))
        ''
    """
    if not cell.on_test:
        return ""
    valid, test = (listed(_beside(found)) for found in (cell.on_valid, cell.on_test))
    if max(map(abs, cell.on_valid.values())) < SEEN:
        return f"equal in validation Recall@20; in test NDCG@20 SL is {test}"
    return f"in validation Recall@20 SL is {valid}; in test NDCG@20 it is {test}"


SEEN = 0.0005  # what is less is 0.0 %


def _beside(above: Mapping[str, float]) -> Iterator[str]:
    for loss, x in above.items():
        if abs(x) < SEEN:
            yield f"equal to {loss.upper()}"
        else:
            yield f"{100 * abs(x):.1f} % {'above' if x > 0 else 'below'} {loss.upper()}"


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
