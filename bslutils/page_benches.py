"""What pages say of benches: their titles, what was tuned on them, and what was judged."""

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from . import plots
from .data import SOURCES
from .experiments import MissingRun
from .experiments.convergence import of_bench, of_testbed
from .experiments.judged import Judged, lines
from .experiments.paper_benches import BENCHES, CLEAN, LOSSES, Level
from .experiments.paper_curves import curve
from .experiments.paper_noise import Runs, valid_ndcg
from .experiments.records import Records
from .experiments.testbeds import Testbed, at_edge
from .experiments.trial import Trial
from .experiments.walk import valid
from .page import Readings, color, label

SYMBOLS = {
    "tau": "τ",
    "tau_pos": "τ₁",
    "tau_neg": "τ₂",
    "neg_weight": "w",
    "margin": "m",
    "intercept": "b",
    "weight_decay": "L2",
}
ARROWS = {"lowest": " ↓", "highest": " ↑", "alone": " ↕"}  # beyond which nothing was tried


def tuned_setting(chosen: Trial, among: Sequence[Trial]) -> str:
    """The parameters of a trial that were tuned, with an arrow at each that ends its grid.

    Args:
        chosen: of which trial.
        among: all trials that it was chosen from, of the same loss.

    Example:
        >>> from bslutils.experiments.accuracy import grid, testbeds
        >>> offered = grid(testbeds()[0], "ccl")
        >>> tuned_setting(offered[4], offered)
        'm = 0.5 ↑, w = 5'
    """
    grid = [trial.params for trial in among]
    tuned = [name for name in chosen.params if len({params[name] for params in grid}) > 1]
    return _setting({name: chosen.params[name] for name in tuned}, at_edge(chosen.params, grid))


def _setting(values: dict[str, float], edges: dict[str, str]) -> str:
    return ", ".join(
        f"{SYMBOLS.get(name, name)} = {x:g}{ARROWS.get(edges.get(name, ''), '')}"
        for name, x in values.items()
    )


def walked_setting(runs: Runs, loss: str, level: Level = CLEAN) -> str:
    """What the tuning of a loss chose at a level of a bench of ``paper_noise``.

    With an arrow at each value beside which the next one in that direction was not tried.

    Raises:
        MissingRun: the tuning has not come to its end.
    """
    edges, (found, _) = runs.open_ends(loss, level), runs.tuning_at(loss, level).best(runs.records)
    values = found.params | {"weight_decay": found.config.weight_decay}
    return _setting({name: float(f"{x:.3g}") for name, x in values.items()}, edges)


def ends_at_edge(runs: Runs, loss: str, level: Level = CLEAN) -> bool:
    """Whether the tuning of softmax loss or of another loss ended at an edge of what it tried."""
    return any(runs.open_ends(x, level) for x in ("softmax", loss))


def bench_title(testbed: Testbed, records: Records, between: str = "\n") -> str:
    """The name of the data for a figure or a table, which says if a bench is preliminary."""
    try:
        preliminary = of_testbed(testbed, records).preliminary
    except MissingRun:
        return testbed.title
    return f"{testbed.title}{between}(preliminary)" if preliminary else testbed.title


def bench_facts(testbeds: Iterable[Testbed], records: Records) -> str:
    """What benches are, and how far training on each went, for a caption: a sentence for each."""
    found = []
    for testbed in testbeds:
        title = bench_title(testbed, records, " ")
        try:
            row = of_testbed(testbed, records).line(label)
        except MissingRun:
            found.append(f"{title}: how far training went is not recorded.")
            continue
        found.append(
            f"{title}: {row['users']} users, {row['items']} items, {row['model']}, "
            f"{row['epochs']} epochs; softmax loss at {row['level (%)'].replace(' of', ' % of')}; "
            f"twice the epochs add to validation {row['twice adds (%)']} %."
        )
    return " ".join(found)


def on_paper_data(kind: str, records: Records) -> tuple[Figure | None, list[str]]:
    """A panel of what each loss loses to a noise for each data set of ``paper_noise`` with runs.

    Levels between clean data and the most noise that are not run are left out.

    Args:
        kind: ``"negatives"`` or ``"positives"``.
        records: by id.

    Returns:
        The figure, none without a run, and the names of the data sets that have no panel.
    """
    found = {}
    for bench in BENCHES:
        runs = Runs(bench, records)
        found[bench] = Readings(lambda loss, r=runs: curve(r, loss, kind), LOSSES)
    lacking = [SOURCES[bench.data].title for bench, curves in found.items() if not curves]
    drawn = {bench: curves for bench, curves in found.items() if curves}
    if not drawn:
        return None, lacking
    n, m = (len(drawn) + 1) // 2, min(len(drawn), 2)
    fig, axes = plt.subplots(
        n, m, figsize=(5.1, 1.3 + 2.5 * n), sharex=True, sharey=True, squeeze=False
    )
    what = {"negatives": "false ones\n(% of the negatives)", "positives": "false ones added (%)"}
    for ax, (bench, curves) in zip(axes.flat, drawn.items(), strict=False):
        for loss, (amounts, changes) in curves.items():
            mean, low, high = 100 * np.array(changes).T
            x = 100 * np.array(amounts)
            ax.plot(x, mean, marker="o", ms=3, **plots.loss_style(loss))
            ax.fill_between(x, low, high, color=color(loss), alpha=0.2, linewidth=0)
        try:
            preliminary = of_bench(bench, records).preliminary
        except MissingRun:  # how far training went is not recorded
            preliminary = True
        title = SOURCES[bench.data].title + ("\n(preliminary)" if preliminary else "")
        ax.axhline(0, color="black", linewidth=0.8)
        ax.set(title=title, xlim=(-1, {"negatives": 31, "positives": 41}[kind]))
    for ax in axes.flat[len(drawn) :]:
        ax.remove()
    for ax in axes.flat[len(drawn) - m : len(drawn)]:  # the lowest of each column
        ax.set(xlabel=what[kind])
        ax.tick_params(labelbottom=True)
    for ax in axes[:, 0]:
        ax.set(ylabel="change of NDCG@20 (%)")
    of_losses = {c.get_label(): c for ax in fig.axes for c in ax.get_lines()}
    named = {label(loss): of_losses[label(loss)] for loss in LOSSES if label(loss) in of_losses}
    fig.legend(named.values(), named.keys(), loc="outside lower center", ncols=4)
    return fig, lacking


def verdicts_on(
    judged: dict[tuple[str, str], Judged],
    records: Records,
    losses: Iterable[str],
    unit: str = "%",
    by_ndcg: dict[tuple[str, str], Judged] | None = None,
    at_length: dict[tuple[str, str], Judged] | None = None,
    level: Level = CLEAN,
) -> pd.DataFrame:
    """What was judged of a claim on the paper's data; what is not run shares a line.

    A difference says "edge" where the tuning that it rests on ended at one (:func:`ends_at_edge`).

    Args:
        judged, records, losses, by_ndcg, at_length: as
            :func:`bslutils.experiments.judged.lines` takes them.
        unit: of the differences: ``"points"`` where they are of two changes in per cent.
        level: where settings were tuned.
    """
    rows: list[dict[str, str]] = []
    losses = tuple(losses)
    benches = {SOURCES[bench.data].title: bench for bench in BENCHES}
    for row in lines(judged, records, losses, by_ndcg or {}, at_length or {}):
        for name, goal in (("difference (%)", valid), ("tuned for NDCG@20 (%)", valid_ndcg)):
            if "seeds" in row and name in row:
                runs = Runs(benches[row["data"]], records, goal)
                row[name] += " (edge)" * ends_at_edge(runs, row["loss"], level)
        if "seeds" in row and "verdict" in row and len(losses) > 1:
            row["verdict"] += f", on all {len(losses)}"  # not on the loss of this line alone
        row = row | {"loss": label(row["loss"])}
        alike = ("data", "difference (%)")
        if "seeds" not in row and rows and all(rows[-1][x] == row[x] for x in alike):
            rows[-1] |= row | {"loss": f"{rows[-1]['loss']}, {row['loss']}"}  # not run either
        else:
            rows.append(row)
    table = pd.DataFrame(_together(rows)).fillna("").set_index(["data", "loss"])
    return table.rename(columns=lambda name: name.replace("(%)", f"({unit})"))


def _together(rows: Iterable[dict[str, str]]) -> list[dict[str, str]]:
    """Rows that follow each other and differ in the data alone, as one row."""
    found: list[dict[str, str]] = []
    for row in rows:
        alike = found and found[-1] | {"data": ""} == row | {"data": ""}
        found.append(row | {"data": f"{found.pop()['data']}, {row['data']}"} if alike else row)
    return found


def states(records: Records) -> pd.DataFrame:
    """The table of how far training went on the benches of ``paper_noise``."""
    rows = []
    for bench in BENCHES:
        try:
            state = of_bench(bench, records)
        except MissingRun:
            rows.append({"data": SOURCES[bench.data].title, "preliminary": "runs are missing"})
            continue
        rows.append(state.line(label))
    return pd.DataFrame(_together(rows)).fillna("").set_index("data")
