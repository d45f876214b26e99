"""The claims at a glance: the paper's three claims in theory, on small data and on the paper's.

Of records alone: verdicts on theory are those of the ledger, and no program of a claim is run.
"""

from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass

from ..data import SOURCES
from ..experiments import fairness, noise
from ..experiments.judged import OTHERS
from ..experiments.noise import FRACTIONS, NEGATIVE, POSITIVE
from ..experiments.records import MissingRun
from ..experiments.testbeds import Testbed
from ..intervals import Interval, t_interval
from ..plots import LOSS_STYLES, loss_style
from . import CLAIMS
from .paper_data import SMALL, STATES, Cell, better_on_clean, grid, on_paper_data
from .recorded import found, less
from .recorded_fairness import less_unequal

MISSING = "(a run is missing)"
BSL = "bilateral_softmax"
FALSE = FRACTIONS[-1]  # false positives


@dataclass(frozen=True)
class Row:
    """One of the paper's claims.

    Attributes:
        number: 1, 2 or 3.
        title: the claim in a few words.
        theory: name of a claim of the ledger -> what it says, to go on with its verdict.
        training: the claim of the ledger on training that the small data belong to.
        how: the comparison on the small data is made.
        axis: what is compared, with its unit.
        beside: goes before what it is compared with, or before when.
        percent: whether that is a relative change.
        advice: what to do.
        rests_on: the claim of the ledger that the advice follows from.
    """

    number: int
    title: str
    theory: dict[str, str]
    training: str
    how: str
    axis: str
    beside: str
    percent: bool
    advice: str
    rests_on: str

    def text(self, interval: Interval) -> str:
        """An interval in the unit of the claim."""
        return interval.percent() if self.percent else interval.text(3)

    @property
    def verdict(self) -> str:
        """That of the ledger on training."""
        return CLAIMS[self.training].verdict


ROWS = (
    Row(
        1,
        "Softmax loss (SL) is robust to noisy negatives",
        {
            "dro-penalty": "SL is distributionally robust optimisation over the negatives",
            "dro-false-negatives": "it therefore plays false negatives down",
        },
        "trained-negatives",
        f"with false negatives drawn {NEGATIVE.levels[-1]:g} times as often and settings kept",
        "how much less SL falls (%)",
        "than ",
        True,
        "If negatives may be false, raise τ before you change the loss, tuned under the noise; if "
        "those that users meet differ from those of training, expect a lower one, and measure.",
        "trained-temperature",
    ),
    Row(
        2,
        "SL penalises the variance of predictions, and is fairer",
        {
            "variance-second": "SL penalises the variance of predictions",
            "variance-only-sl": "other losses leave variance alone",
        },
        "trained-fairness",
        "at equal accuracy and for BCE without an intercept",
        "how much lower the Gini index of SL is",
        "than that of ",
        False,
        "Choose the loss for its accuracy; compare the fairness of losses at equal accuracy.",
        "trained-fairness",
    ),
    Row(
        3,
        "Bilateral softmax loss (BSL) is robust to noisy positives, and better",
        {
            "bsl-one-line": "BSL is SL with one line of code changed",
            "bsl-optimism": "this line is optimism about the positives",
        },
        "trained-bilateral",
        "with each loss tuned on the same data",
        "lead of BSL over SL (%)",
        "with ",
        True,
        "If positives are noisy, raise τ; then try BSL with many positives of a user in a row and "
        "τ₁ near 1.",
        "trained-optimism",
    ),
)


def _on(testbeds: Iterable[Testbed]) -> Testbed:
    return next(testbed for testbed in testbeds if testbed.data == SMALL)


def _lead() -> Interval:
    """Of BSL over softmax loss under the most false positives, both tuned there."""
    ours, theirs = (
        found("positive_noise", POSITIVE.values, _on(noise.testbeds()), x, FALSE, tuned=True)
        for x in (BSL, "softmax")
    )
    return t_interval(ours / theirs - 1)


def _better() -> Interval:
    cells = better_on_clean()
    if (SMALL, "MF") not in cells:
        raise MissingRun("a run is missing: python -m bslutils sweep overall")
    return cells[SMALL, "MF"].lead


# Claim -> what is compared on the small data. A name is the loss that softmax loss is compared
# with, or says when the bilateral loss is.
READINGS: dict[int, dict[str, Callable[[], Interval]]] = {
    1: {x: lambda x=x: less(NEGATIVE, _on(noise.testbeds()), "softmax", x) for x in OTHERS},
    2: {x: lambda x=x: less_unequal(_on(fairness.testbeds()), x) for x in OTHERS},
    3: {f"{100 * FALSE:g} % false positives": _lead, "no noise": _better},
}


def on_small_data(number: int) -> dict[str, Interval]:
    """What is compared on the small data, with its interval, where it is recorded."""
    seen = {}
    for name, read in READINGS[number].items():
        with suppress(MissingRun):
            seen[name] = read()
    return seen


def label(name: str) -> str:
    """How figure and table call what is compared."""
    return loss_style(name)["label"] if name in LOSS_STYLES else name


def _all(words: Iterable[str]) -> str:
    """Words as a list in a sentence.

    Example:
        >>> _all(["BPR", "BCE", "MSE"]), _all(["BPR"]), _all([])
        ('BPR, BCE and MSE', 'BPR', 'none')
    """
    *first, last = [*words] or ["none"]
    return f"{', '.join(first)} and {last}" if first else last


def lines(row: Row) -> list[str]:
    """Three sentences on a claim: in theory, on the small data, on the paper's data."""
    theory = "; ".join(f"that {said} {CLAIMS[x].verdict}" for x, said in row.theory.items())
    return [f"{theory[0].upper()}{theory[1:]}.", _small_line(row), _paper_line(row)]


def _small_line(row: Row) -> str:
    seen, where = on_small_data(row.number), SOURCES[SMALL].title
    if not seen:
        return f"On {where}: {MISSING}."
    if row.number == 3:
        said = _all(f"{x.percent()} with {name}" for name, x in seen.items())
        text = f"the lead of BSL over SL is {said}"
    else:
        ahead = [label(name) for name, x in seen.items() if x.low > 0]
        behind = [label(name) for name, x in seen.items() if x.high < 0]
        unclear = [label(name) for name, x in seen.items() if x.low <= 0 <= x.high]
        better, worse = WORDS[row.number]
        parts = [f"{better} {_all(ahead)}"] if ahead else []
        parts += [f"{worse} {_all(behind)}"] if behind else []
        parts += [f"cannot be told from {_all(unclear)}"] if unclear else []
        text = f"SL {_all(parts)}"
    lacking = len(READINGS[row.number]) - len(seen)
    text += f" {MISSING}" if lacking else ""
    verdict = f"the ledger's verdict on training, with other data: {row.verdict}"
    return f"On {where}, {row.how}, {text}; {verdict}."


WORDS = {
    1: ("loses less than", "loses more than"),
    2: ("is fairer than", "is less fair than"),
}


def _paper_line(row: Row) -> str:
    text = f"On the paper's data: {_grouped(on_paper_data(row.number))}"
    if row.number == 3:
        wanted = [cell for cell in grid() if cell[0] != SMALL]
        seen = [x.word for cell, x in better_on_clean().items() if cell in wanted]
        counts = ", ".join(f"{word} in {seen.count(word)}" for word in STATES if word in seen)
        text += f"; without any noise, {len(seen)} of {len(wanted)} pairs of data and backbone"
        text += " are run"
        text += f", and BSL is {counts}" if counts else ""
    return f"{text}."


def _grouped(cells: dict[str, Cell]) -> str:
    """Data sets by what the rules say on them."""
    by_word: dict[str, list[str]] = {}
    for data, cell in cells.items():
        by_word.setdefault(cell.word, []).append(SOURCES[data].title)
    said = {"not run": "not run"} | {
        word: f"the claim is {word}" for word in ("mixed", "undecided", "preliminary")
    }
    return "; ".join(
        f"{said.get(word, f'the claim {word}')} on {_all(data)}" for word, data in by_word.items()
    )


def table() -> str:
    """All of it as a table in Markdown."""
    heads = (
        "the paper's claim",
        "in theory",
        SOURCES[SMALL].title,
        "the paper's data",
        "what to do",
    )
    rows = [heads, ("---",) * len(heads)]
    for row in ROWS:
        theory = "; ".join(f"{said}: **{CLAIMS[x].verdict}**" for x, said in row.theory.items())
        seen = on_small_data(row.number)
        small = "; ".join(
            f"{row.beside}{label(name)}: {row.text(seen[name]) if name in seen else MISSING}"
            for name in READINGS[row.number]
        )
        paper = "; ".join(_cells(row))
        small = f"**{row.verdict}**; {row.how}: {row.axis.split(' (')[0]} {small}"
        rows.append((f"{row.number}. {row.title}", theory, small, paper, row.advice))
    return "\n".join(f"| {' | '.join(cells)} |" for cells in rows)


def _cells(row: Row) -> list[str]:
    """What the rules say on each data set with its comparisons; those without one together."""
    said, without = [], {}
    for data, (word, compared) in on_paper_data(row.number).items():
        title = SOURCES[data].title
        leads = [f"{label(loss)} {row.text(x.estimate.interval)}" for loss, x in compared.items()]
        if leads:
            said.append(f"{title} **{word}**: {', '.join(leads)}")
        else:
            without.setdefault(word, []).append(title)
    return said + [f"**{word}**: {', '.join(titles)}" for word, titles in without.items()]


BEGIN, END = "<!-- The claims at a glance -->\n\n", "\n\n<!-- written by: python -m bslutils verify"


def renew(text: str) -> str:
    """A text with the table in it made new, between its two marks.

    Raises:
        ValueError: a text that does not have both.
    """
    before, mark, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (mark and end):
        raise ValueError(f"the text has no place for the table, between {BEGIN!r} and {END!r}")
    return before + BEGIN + table() + END + after
