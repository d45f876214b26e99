"""The experiments of the paper, as far as they are known, and how much of each is run here.

Known are its abstract, its first figure, its code, the logs and the notebook beside it, and what
later papers say of it. What else it tables is not known here and is not listed.
"""

from collections.abc import Callable, Iterable
from typing import NamedTuple

from ..experiments import beside_published
from ..experiments.beside_published import BARS, LOGS, NOTEBOOK, Row
from ..experiments.paper_benches import BENCHES
from ..experiments.records import Records
from .paper_better import BACKBONES, better_on_clean
from .paper_data import DECIDED, on_paper_data
from .recorded import records

RUN, BEGUN, NOT_RUN = ORDER = ("run", "begun", "not run")  # of a part of an experiment
WHOLE, PARTLY = "repeated", "partly"  # of the whole, which may be ``NOT_RUN``, too
# Losses and models that the authors' code has beside those of this book's tables.
OTHER_METHODS = ("LR-GCCF", "DGCF", "ENMF", "UltraGCN", "SGL", "SimGCL", "NCL", "LightGCL")
FEWEST = 3  # weights that make a curve over the weight


class Experiment(NamedTuple):
    """An experiment of the paper.

    Attributes:
        what: of which losses, models and data.
        known: where its being there is known from.
        unit: what its parts are, in the plural.
        page: of the book, on the same question.
        parts: gives the state of each part, from published figures with the runs beside them.
    """

    what: str
    known: str
    unit: str
    page: str
    parts: Callable[[list[Row]], list[str]]


def _published(source: str, backbone: str) -> Callable[[list[Row]], list[str]]:
    """The published figures of a source and a model; begun are those under another protocol."""

    def parts(rows: list[Row]) -> list[str]:
        found: dict[beside_published.Figure, str] = {}
        for row in rows:
            if (row.figure.source, row.figure.backbone) != (source, backbone):
                continue
            state = NOT_RUN
            if row.state == "recorded":
                state = RUN if row.alike else BEGUN
            found[row.figure] = min(state, found.get(row.figure, NOT_RUN), key=ORDER.index)
        return [*found.values()]

    return parts


def _claim(number: int) -> Callable[[list[Row]], list[str]]:
    """The data sets of the paper; run are those on which the rules give a claim a verdict."""

    def parts(_: list[Row]) -> list[str]:
        words = [cell.word for cell in on_paper_data(number).values()]
        return [RUN if x in DECIDED else NOT_RUN if x == NOT_RUN else BEGUN for x in words]

    return parts


def _better(_: list[Row]) -> list[str]:
    """BSL against SL without noise, by data and model; begun are those without a verdict."""
    found = better_on_clean()
    cells = [(b.data, backbone) for backbone in BACKBONES for b in BENCHES]
    return [
        NOT_RUN if cell not in found else BEGUN if found[cell].word == "preliminary" else RUN
        for cell in cells
    ]


def _methods(_: list[Row]) -> list[str]:
    """Methods that have a record on data of the paper."""
    return [RUN if x in _models(records()) else NOT_RUN for x in OTHER_METHODS]


def _models(known: Records) -> set[str]:
    data = {b.data for b in BENCHES}
    return {r["backbone"] for r in known.values() if r["data"] in data}


def _weights(_: list[Row]) -> list[str]:
    """Data of the study over the weight of the negatives; the Amazon of it is another split."""
    tried = {
        r["params"]["neg_weight"]
        for r in records().values()
        if (r["data"], r["backbone"], r["loss"]) == ("gowalla", "LightGCN", "reweighted_softmax")
    }
    return [RUN if len(tried) >= FEWEST else NOT_RUN, NOT_RUN]


def _nothing(_: list[Row]) -> list[str]:
    """No sweep asks for it."""
    return [NOT_RUN] * len(BENCHES)


EXPERIMENTS = (
    Experiment(
        "BPR, MSE, BCE and SL on Yelp2018, matrix factorisation",
        "Figure 1",
        "bars",
        "15-overall",
        _published(BARS, "MF"),
    ),
    Experiment(
        "the same with LightGCN", "Figure 1", "bars", "15-overall", _published(BARS, "LightGCN")
    ),
    Experiment(
        "SL and BSL on four data sets, matrix factorisation",
        "logs",
        "figures",
        "reproducibility",
        _published(LOGS, "MF"),
    ),
    Experiment(
        "the same with LightGCN", "logs", "figures", "reproducibility", _published(LOGS, "LightGCN")
    ),
    Experiment(
        "BSL against SL on four data sets and three models",
        "abstract",
        "comparisons",
        "15-overall",
        _better,
    ),
    Experiment(
        "longer vectors, SL and BSL",
        "notebook",
        "figures",
        "21-knobs",
        _published(NOTEBOOK, "MF"),
    ),
    Experiment(
        "false negatives: own positives are drawn more often",
        "code; called Figure 8 by a later paper",
        "data sets",
        "17-negative-noise",
        _claim(1),
    ),
    Experiment(
        "false negatives: likes of the test are drawn more often",
        "code",
        "data sets",
        "17-negative-noise",
        _nothing,
    ),
    Experiment(
        "false positives: 10 to 40 % are added", "code", "data sets", "18-positive-noise", _claim(3)
    ),
    Experiment(
        "fairness over ten groups of items", "abstract, code", "data sets", "19-fairness", _claim(2)
    ),
    Experiment(
        "the ratio of BSL's two temperatures, LightGCN on Gowalla and Amazon",
        "code",
        "data sets",
        "21-knobs",
        _weights,
    ),
    Experiment(
        f"other methods: {', '.join(OTHER_METHODS)}",
        "code",
        "methods",
        "30-every-loss",
        _methods,
    ),
)


def state(parts: Iterable[str]) -> str:
    """What is said of an experiment by the states of its parts.

    Example:
        >>> state(["run", "run"]), state(["run", "not run"]), state(["not run"]), state([])
        ('repeated', 'partly', 'not run', 'not run')
    """
    states = {*parts}
    if states == {RUN}:
        return WHOLE
    return PARTLY if states & {RUN, BEGUN} else NOT_RUN


def counted(parts: list[str], unit: str) -> str:
    """How many parts are run, and how many begun.

    Example:
        >>> counted(["run", "begun", "not run"], "bars"), counted(["not run"], "bars")
        ('1 of 3 bars, 1 begun', '0 of 1 bars')
    """
    text = f"{parts.count(RUN)} of {len(parts)} {unit}"
    return text + (f", {parts.count(BEGUN)} begun" if BEGUN in parts else "")


def table() -> str:
    """All of it as a table in Markdown, with a link to the page on each."""
    rows = beside_published.compare(records())
    lines = [("the paper's experiment", "known from", "here", "run of its parts", "page")]
    lines.append(("---",) * len(lines[0]))
    for e in EXPERIMENTS:
        parts = e.parts(rows)
        page = "below" if e.page == "reproducibility" else f"{{doc}}`{e.page}`"
        lines.append((e.what, e.known, f"**{state(parts)}**", counted(parts, e.unit), page))
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
