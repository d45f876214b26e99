"""The claims at a glance: the paper's three claims in theory, on small data and on the paper's.

Of records alone: verdicts on theory are those of the ledger, and no program of a claim is run.
"""

from collections.abc import Mapping
from contextlib import suppress

from ..data import SOURCES
from ..experiments.records import MissingRun
from ..experiments.verdicts import EQUAL
from ..intervals import Interval
from ..plots import LOSS_STYLES, loss_style
from . import CLAIMS
from .glance_readings import FALSE_TOO, OTHER_HALF, READINGS, WHEN, short
from .glance_rows import ROWS, UNDER, Row
from .paper_better import SMALL
from .paper_data import (
    COMPARED,
    DECIDED,
    SAID,
    TUNED_FOR_NDCG,
    Cell,
    how_accurate,
    in_words,
    listed,
    on_paper_data,
    over_softmax_by_ndcg,
)

MISSING = "(a run is missing)"
NOT_RUN = "no converged runs for this claim yet"
OVER_ALL = "Over several data sets the ledger says:"
INSTEAD = {1: "tuned under the noise instead", 3: f"settings kept instead, {FALSE_TOO}"}
POINTS = "points: a fall is in per cent of the loss's own NDCG@20 without noise"


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


def lines(row: Row) -> list[str]:
    """Three sentences on a claim: in theory, on the small data, on the paper's data.

    Numbers are in :func:`table`.
    """
    theory = "; ".join(f"that {said} {CLAIMS[x].verdict}" for x, said in row.theory.items())
    return [f"{theory[0].upper()}{theory[1:]}.", _small_line(row), _paper_line(row)]


def _small_line(row: Row) -> str:
    seen, where = on_small_data(row.number), SOURCES[SMALL].title
    if not seen:
        return f"On {where}: {MISSING}."
    if row.number == 3:
        other = {
            f"with settings kept from clean data under {FALSE_TOO}": x for x in _other(3).values()
        }
        text = f"BSL {_when(other | {WHEN[name]: x for name, x in seen.items()})}"
    else:
        text = f"SL {_sides(row.number, seen)}"
        if other := _other(row.number):
            text += f"; {INSTEAD[1]}, SL {_sides(row.number, other)}"
    text += f" {MISSING}" if len(seen) < len(READINGS[row.number]) else ""
    return f"On {where}, {row.how}, {text}. {OVER_ALL} {row.verdict}."


def _when(seen: dict[str, Interval]) -> str:
    """When the bilateral loss is above softmax loss beyond the interval, and when it is not."""
    said = ("is above SL", "is below SL", "cannot be told from SL")
    groups = zip(said, _split(seen), strict=True)
    return "; it ".join(f"{x} {', and '.join(when)}" for x, when in groups if when)


def on_small(number: int) -> str:
    """What softmax loss does on the small data beside other losses, of the claims 1 and 2."""
    return _sides(number, on_small_data(number)) or MISSING


def _sides(number: int, seen: dict[str, Interval]) -> str:
    """Which losses softmax loss is better than beyond the interval, and which it is not."""
    said = (*WORDS[number], "cannot be told from")
    groups = zip(said, _split(seen), strict=True)
    return listed(f"{x} {listed(map(label, names))}" for x, names in groups if names)


def _split(seen: dict[str, Interval]) -> tuple[list[str], list[str], list[str]]:
    """What is above zero beyond the interval, what is below, and what cannot be told."""
    return (
        [name for name, x in seen.items() if x.low > 0],
        [name for name, x in seen.items() if x.high < 0],
        [name for name, x in seen.items() if x.low <= 0 <= x.high],
    )


def _other(number: int) -> dict[str, Interval]:
    """The same with settings tuned under the noise where they are kept, and the reverse."""
    with suppress(MissingRun):
        return {name: read() for name, read in OTHER_HALF.get(number, {}).items()}
    return {}


WORDS = {
    1: ("loses less than", "loses more than"),
    2: ("is fairer than", "is less fair than"),
}


def _paper_line(row: Row) -> str:
    parts = [f"On the paper's data: {on_paper(row.number, brief=True)}", short(row.number)]
    return f"{'; '.join(filter(None, parts))}."


def on_paper(number: int, *, brief: bool = False) -> str:
    """The paper's data sets by what the rules say on them of a claim; with its comparisons in words
    where they differ, and what is begun with what is in so far.

    Args:
        number: of the claim.
        brief: name the losses, without sizes and without readings that decide nothing.
    """
    by_word: dict[str, dict[str, list[str]]] = {}  # word -> clause -> data sets
    for data, cell in on_paper_data(number).items():
        clause = ""
        if cell.compared and cell.word in DECIDED:
            clause = _briefly(number, data, cell) if brief else _said(number, data, cell)
        elif cell.word == "begun":
            clause = f", where {_so_far(number, cell)}"
        by_word.setdefault(cell.word, {}).setdefault(clause, []).append(SOURCES[data].title)
    said = {word: f"the claim is {word}" for word in ("mixed", "undecided")}
    said |= {"preliminary": "no verdict, since preliminary,"}
    said |= {"not run": NOT_RUN, "begun": "runs have begun"}
    return "; ".join(
        f"{said.get(word, f'the claim {word}')} on "
        + "; and on ".join(f"{listed(data)}{clause}" for clause, data in clauses.items())
        for word, clauses in by_word.items()
    )


def _said(number: int, data: str, cell: Cell) -> str:
    """What the comparisons say that carry a verdict, and with settings tuned for NDCG@20."""
    if number in SAID:
        text = f", where {in_words(number, cell.compared)}{_against(cell)}"
        again = in_words(number, cell.beside) if cell.beside else ""
    else:
        text, again = (
            ", ".join(COMPARED[number].text(x.estimate.interval) for x in found.values())
            for found in (cell.compared, cell.beside)
        )
        text = f", where the lead of BSL is {text}"
    text += f"; {how_accurate(cell)}" if cell.on_test else ""
    text += f"; {TUNED_FOR_NDCG}, {again}" if again else ""
    return text + (_with_softmax_by_ndcg(data) if number == 3 else "")


def _briefly(number: int, data: str, cell: Cell) -> str:
    """What the comparisons say that carry a verdict, and what speaks against them, in few words."""
    if number not in SAID:
        [lead] = cell.compared.values()
        text = f", where the lead of BSL is {COMPARED[number].text(lead.estimate.interval)}"
        with suppress(MissingRun):
            other = over_softmax_by_ndcg(data)
            if other.low <= 0:
                lead = "behind SL" if other.high < 0 else "no clear one"
                text += f" ({lead} if only SL is {TUNED_FOR_NDCG})"
        return text
    text = f", where {in_words(number, cell.compared, sizes=False)}"
    above = [label(x) for x in cell.on_test if min(cell.on_valid[x], cell.on_test[x]) > EQUAL]
    text += f", finding more than {listed(above)}" if above else ""
    return text + (f", while {below}" if (below := _below_on_test(cell)) else "")


def _below_on_test(cell: Cell) -> str:
    """Which losses find more than softmax loss on test, by more than counts as equal."""
    below = [label(loss) for loss, x in cell.on_test.items() if x < -EQUAL]
    return f"in test NDCG@20 SL is over {100 * EQUAL:g} % below {listed(below)}" if below else ""


def _against(cell: Cell) -> str:
    """How many comparisons go against a claim that is mixed; empty if it is not."""
    if cell.word != "mixed":
        return ""
    against = sum(x.word == "worse" for x in cell.compared.values())
    return f", so that {against} of {len(cell.compared)} comparisons go against it"


def _with_softmax_by_ndcg(data: str) -> str:
    """The lead of BSL where SL alone is tuned for NDCG@20; empty where it is not recorded."""
    with suppress(MissingRun):
        ahead = over_softmax_by_ndcg(data)
        unclear = ", no clear lead" if ahead.low <= 0 <= ahead.high else ""
        return f"; with only SL so tuned, {COMPARED[3].text(ahead)}{unclear}"
    return ""


def _so_far(number: int, cell: Cell) -> str:
    """What the comparisons say that are in, of a claim that lacks some."""
    texts = []
    for loss, compared in cell.compared.items():
        mean, other = compared.estimate.interval.mean, label(loss)
        if number == 1:
            way = "less" if mean > 0 else "more"
            texts.append(f"SL falls {100 * abs(mean):.1f} points {way} than {other}")
        elif number == 2:
            way = "below" if mean > 0 else "above"
            texts.append(f"the Gini index of SL is {abs(mean):.3f} {way} that of {other}")
        else:
            way = "above" if mean > 0 else "below"
            texts.append(f"{other} is {100 * abs(mean):.1f} % {way} SL")
    return f"{listed(texts)} ({len(texts)} of {len(COMPARED[number].losses)} comparisons)"


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
        if other := _other(row.number):
            leads = ", ".join(f"{label(name)} {row.text(x)}" for name, x in other.items())
            small += f" ({INSTEAD[row.number]}: {leads})"
        paper = "; ".join(filter(None, [*_cells(row), short(row.number)]))
        if any(x.compared for x in on_paper_data(row.number).values()):
            paper = f"{UNDER[row.number]}: {paper}"
        measured = f"{row.measured} ({POINTS})" if row.unit == "points" else row.measured
        small = f"{row.how}: {measured} {small}. {OVER_ALL} **{row.verdict}**"
        rows.append((f"{row.number}. {row.title}", theory, small, paper, row.advice))
    return "\n".join(f"| {' | '.join(cells)} |" for cells in rows)


def _cells(row: Row) -> list[str]:
    """What the rules say on each data set with its comparisons; those without one together."""
    said, cells = [], on_paper_data(row.number)
    for data, cell in cells.items():
        title = SOURCES[data].title
        leads, again = (
            ", ".join(f"{label(x)} {row.text(y.estimate.interval)}" for x, y in found.items())
            for found in (cell.compared, cell.beside)
        )
        if again and row.number == 3:
            again = f" (both {TUNED_FOR_NDCG}: {again}{_with_softmax_by_ndcg(data)})"
        elif again:
            again = f" ({TUNED_FOR_NDCG}: {again})"
        if leads:
            test = f" ({below})" if (below := _below_on_test(cell)) else ""
            said.append(f"{title} **{cell.word}**: {leads}{again}{test}")
    return said + [f"**{word}**: {', '.join(titles)}" for word, titles in uncompared(cells).items()]


def uncompared(cells: Mapping[str, Cell]) -> dict[str, list[str]]:
    """The data sets without a comparison, by what is said of them."""
    titles: dict[str, list[str]] = {}
    for data, cell in cells.items():
        if not cell.compared:
            word = NOT_RUN if cell.word == "not run" else cell.word
            titles.setdefault(word, []).append(SOURCES[data].title)
    return titles


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
