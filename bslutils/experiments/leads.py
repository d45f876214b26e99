"""The lead of softmax loss over the best of its baselines, wherever it was measured.

A row for every data set, model, score and budget, published and recorded here. Every loss is at the
setting that validation chose, and the baseline is the one of BPR, MSE and BCE that has the best
Recall@20 on validation, so that test chooses nothing; but for published figures, where it is the
best one, and for Yelp2018, which was trained under the paper's protocol, so that test chose the
epoch.
"""

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

import numpy as np

from ..data import SOURCES
from ..intervals import Interval
from ..published import FIGURE_1
from . import accuracy, every_loss, figure1, paper_noise
from .accuracy import grid
from .figure1 import BASELINES
from .paper_benches import BENCHES, CLEAN, Bench, bench as bench_on
from .ranking import best_first, lead
from .records import MissingRun, Records, recorded as recorded_runs
from .score import SCORES
from .testbeds import measured
from .trial import Trial
from .walk import at_kept_epoch

METRIC = "recall@20"
BESIDE = "ndcg@20"
COSINES = next(iter(SCORES))
EITHER = "each its own"  # the one that validation prefers for the loss
AS_PUBLISHED = "as published"
TRAINED = "trained on cosines"  # and ranked by these or by inner products

# Budgets, as columns call them.
PUBLISHED = "published"
SMALL = "six or eight settings, short training"
LONGER = "six settings, long training"
LARGE = "sixteen settings or more, 30 epochs"
EIGHT = "eight settings, 30 epochs"
CONVERGED = "converged"


@dataclass(frozen=True)
class Row:
    """One comparison.

    Attributes:
        data: its title.
        model: the model.
        score: what vectors are compared by.
        budget: how losses were tuned and trained.
        over: the baseline.
        by: the lead in Recall@20, in parts of the baseline; where there is one run of each, or a
            published figure, no wider than its mean.
        seeds: how many; 0 of a published figure.
        ndcg_over: the baseline that has the best NDCG@20 on validation.
        ndcg: the lead over that one in NDCG@20; None of a published figure. On Yelp2018 the
            baseline is the same, since only Recall@20 was validated.
        level: test NDCG@20 of softmax loss; 0 of a published figure.
    """

    data: str
    model: str
    score: str
    budget: str
    over: str
    by: Interval
    seeds: int
    ndcg_over: str = ""
    ndcg: Interval | None = None
    level: float = 0.0


def published() -> list[Row]:
    """The leads in the first figure of the paper, and in a later one that has BPR alone.

    Example:
        >>> [(row.data, row.model, round(row.by.mean, 2)) for row in published()][:2]
        [('Yelp2018', 'MF', 0.31), ('Yelp2018', 'LightGCN', 0.13)]
    """
    rows = []
    for model, values in FIGURE_1.items():
        over, by = lead(values)
        rows.append(Row("Yelp2018", model, AS_PUBLISHED, PUBLISHED, over, _point(by), 0))
    for data, by in figure1.later_leads().items():
        title = data.replace("Electronic", "Electronics")
        rows.append(Row(f"{title} (PSL)", "MF", AS_PUBLISHED, PUBLISHED, "bpr", _point(by), 0))
    return rows


def recorded(records: Records) -> list[Row]:
    """The leads in our own runs; a comparison that lacks a run is left out."""
    rows = []
    with suppress(MissingRun):
        rows.append(_headline("yelp2018", records))
    for comparison in _comparisons(records):
        with suppress(MissingRun):
            rows.append(comparison.read(records))
    return rows


def converged(data: str, records: Records, baselines: tuple[str, ...] = BASELINES) -> Row:
    """The comparison with converged training on a data set, over some baselines.

    Raises:
        MissingRun: a run is not recorded.
    """
    return _converged(bench_on(data), records, baselines).read(records)


@dataclass(frozen=True)
class _Comparison:
    """What a row is read off; ``runs`` gives those of a loss, with all their seeds."""

    data: str
    model: str
    score: str
    budget: str
    runs: Callable[[str], list[Trial]]
    baselines: tuple[str, ...] = BASELINES

    def read(self, records: Records) -> Row:
        title = SOURCES[self.data].title
        over, by, seeds = self._lead(METRIC, records)
        beside = self._lead(BESIDE, records)[:2]
        level = float(measured(self.runs("softmax"), records, BESIDE, "test").mean())
        return Row(title, self.model, self.score, self.budget, over, by, seeds, *beside, level)

    def _lead(self, metric: str, records: Records) -> tuple[str, Interval, int]:
        """Over the baseline that has the best value of the metric on validation."""
        valid = {x: np.mean(_valid(self.runs(x), records, metric)) for x in self.baselines}
        over = best_first(valid)[0]
        ours, theirs = self.runs("softmax"), self.runs(over)
        seeds = min(len(ours), len(theirs))
        sides = ours[:seeds], theirs[:seeds]
        if seeds > 1:
            by = every_loss.difference(*sides, records, metric, relative=True)
        else:
            a, b = (measured(x, records, metric, "test").item() for x in sides)
            by = _point(a / b - 1)
        return over, by, seeds


def _point(by: float) -> Interval:
    """Of one run of each, or a published figure: no wider than its mean."""
    return Interval(by, by, by)


def _comparisons(records: Records) -> Iterator[_Comparison]:
    """What is planned and has seeds."""
    for bench in accuracy.testbeds():
        ways = {**SCORES, EITHER: accuracy.either} if bench.backbone == "MF" else {COSINES: grid}
        for score, settings in ways.items():
            runs = partial(accuracy.chosen, bench, records=records, settings=settings)
            yield _Comparison(bench.data, bench.backbone, score, SMALL, runs)
    for data in every_loss.TUNING:
        runs = partial(_field, data, "MF", records)
        yield _Comparison(data, "MF", EITHER, LARGE, runs)
    for bench in BENCHES:
        yield _converged(bench, records)
    for model in every_loss.BACKBONES:
        data = "amazon-electronics"
        runs = partial(_field, data, model, records)
        yield _Comparison(data, model, TRAINED, EIGHT, runs, ("bpr",))


def _converged(
    bench: Bench, records: Records, baselines: tuple[str, ...] = BASELINES
) -> _Comparison:
    runs = partial(paper_noise.Runs(bench, records).kept, level=CLEAN)
    return _Comparison(bench.data, "MF", EITHER, CONVERGED, runs, baselines)


def _valid(trials: list[Trial], records: Records, metric: str = METRIC) -> list[float]:
    """A metric on validation, by seed."""
    return [at_kept_epoch(record, metric) for record in recorded_runs(trials, records)]


def _field(data: str, model: str, records: Records, loss: str) -> list[Trial]:
    return every_loss.choice(data, loss, records, model).final


def _headline(data: str, records: Records) -> Row:
    """The comparison of the paper's first figure, under its protocol: one run of each loss."""
    short = {x: figure1.after_short(data, x, records, "cosine", "dot") for x in BASELINES}
    over = best_first(short)[0]
    ours, theirs = (figure1.long_run(data, x, "paper", records)["test"] for x in ("softmax", over))
    by, ndcg = (_point(ours[metric] / theirs[metric] - 1) for metric in (METRIC, BESIDE))
    title, level = SOURCES[data].title, ours[BESIDE]
    return Row(title, "MF", EITHER, LONGER, over, by, 1, over, ndcg, level)
