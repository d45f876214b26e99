"""The paper's claims on the paper's data, in the ledger.

The runs are still being made, so no verdict is recorded here: each is found from the records, by
the rules that were written down before (:mod:`bslutils.experiments.verdicts`).
"""

from contextlib import suppress

from ..data import SOURCES
from ..experiments.convergence import of_bench
from ..experiments.judged import Judged
from ..experiments.paper_benches import CLEAN, bench
from ..experiments.paper_noise import Runs
from ..experiments.records import MissingRun
from ..experiments.testbeds import measured
from ..experiments.verdicts import METRIC
from .claim import WU_1, WU_2, WU_3, Finding, claim
from .paper_data import (
    COMPARED,
    DECIDED,
    SAID,
    TUNED_FOR_NDCG,
    Cell,
    Compared,
    how_accurate,
    in_words,
    on_paper_data,
    over_data,
    over_softmax_by_ndcg,
)
from .recorded import best, records
from .scope import Scope


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
            text += f"; {how_accurate(cell)}"
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
    "validation Recall@20 or more, where test NDCG@20 need not be equal; each setting is one seed, "
    "and the interval is of the index alone; settings chosen among final runs, or at equal "
    "validation NDCG@20, decide nothing",
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
