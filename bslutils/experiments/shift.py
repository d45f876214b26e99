"""Trained on one distribution of items, tested on another: the sweep ``shift``.

The data are two splits of Yang et al. (PSL), NeurIPS 2024, section 5: the test pairs are drawn
uniformly over items, and the training pairs that are left follow the popularity of items.
Validation is a tenth of the training pairs, so it is *not* shifted. It chooses what one can choose;
the shifted test chooses what was published (there is no shifted validation split). What chose is
said of every number.

In the shifted test the *positives* are other ones; the negatives, all that a user has not chosen,
are what they were. What robust optimisation bounds is a mean over negatives, so nothing is proved
about this test. It is the shift that published tables speak of.

How records become verdicts. A pilot of eight runs had been looked at when the rules were written
(softmax loss at τ = 0.1 and 0.2, and BPR at τ = 1, on Amazon-Electronics), and no recorded run.
The rule on preliminary comparisons, the larger number of trials, and what is said of a top at an
edge were added when 53 trials of the tuning on Amazon-Electronics and no final run were recorded.

* Settings are tuned for Recall@20, twice from the same start and with the same number of trials:
  on validation, and on the shifted test.
* *The best temperature falls with shift*, on a data set with several seeds: of softmax loss on
  cosines over :data:`TAUS`, all else as validation chose it, the best temperature on the shifted
  test over the best one on validation, both by Recall@20. They are vertices of a parabola
  (:func:`bslutils.experiments.knobs.summits`), seed by seed, in logarithms. It *holds* if Student's
  95 % interval of the ratio is below 1, *does not hold* if it is above, and is *undecided* else,
  or where a top lies at an end of the grid. With one seed the ratio is described.
* *Softmax loss leads BPR under shift*, at equal score: on cosines and on inner products, each with
  its own temperature. What counts is NDCG@20 of the final runs on the shifted test: the relative
  lead with the interval of
  :func:`bslutils.experiments.verdicts.estimate`, over users and seeds; where there is one seed, the
  spread over seeds is that of the other data. It is *equal*, *better*, *worse* or *undecided* as
  :func:`bslutils.experiments.verdicts.words` has it, all data sets and scores together. Settings
  chosen on validation decide; with settings chosen on test it is shown beside.
* A comparison is *preliminary*, and has no verdict, if the tuning of one of its losses ended
  before all settings beside the chosen one were tried, or if twice the epochs add 2 % or more to
  the validation of one.
* On a data set the lead has the verdict of :func:`bslutils.experiments.verdicts.verdict` over both
  scores; over the data sets a claim *holds under conditions* if it holds on one, else it is
  *mixed* if it is on one.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache, partial
from itertools import product
from typing import Any

import numpy as np

from ..config import TrainConfig
from ..intervals import Interval, t_interval
from . import verdicts
from .judged import Judged, judge, one_kind, with_users
from .knobs import summits
from .paper_benches import CLEAN, FULL, ROWS
from .paper_trials import at, walk
from .records import MissingRun, Records
from .runner import with_seeds
from .testbeds import columns, measured
from .trial import Trial
from .verdicts import Ratio, lead
from .walk import Goal, Walk, valid

MAIN = ("softmax", "bpr", "psl_relu")  # which a published table has, too
LOSSES = (*MAIN, "bilateral_softmax", "mse", "bce", "ccl")
SCORES = ("cosine", "dot")
TAUS = (0.05, 0.07, 0.1, 0.14, 0.2, 0.28, 0.39, 0.55)


def on_test(record: dict[str, Any]) -> float:
    """Recall@20 on the shifted test; 0 of a run that diverged, as its validation is.

    Such a run is tested at the weights that it last had, and a longer one may not get so far.
    """
    return record["test"]["recall@20"] if record["valid"] else 0.0


GOALS: dict[str, Goal] = {"validation": valid, "test": on_test}  # what chooses settings


@dataclass(frozen=True)
class Split:
    """Data whose test is shifted, and how losses are trained on it.

    Attributes:
        data: name of the data set.
        config: of the final runs, but for the L2 term.
        tuning_epochs: of the trials that tune.
        steps: trials of a loss, a score and a goal.
        n_seeds: of the final runs.
        published_as: its name in :data:`bslutils.published.SHIFTED`.
    """

    data: str
    config: TrainConfig
    tuning_epochs: int
    steps: int
    n_seeds: int
    published_as: str


SPLITS = (
    Split("amazon-electronics-shift", ROWS, 15, 16, 3, "Amazon-Electronic"),
    Split("gowalla-shift", FULL, 8, 12, 1, "Gowalla"),
)

# Where the tuning of a loss starts from, on either data set.
STARTS: dict[tuple[str, str], dict[str, float]] = {
    ("softmax", "cosine"): {"tau": 0.14},
    ("softmax", "dot"): {"tau": 0.5},
    ("bpr", "cosine"): {"tau": 0.14},
    ("bpr", "dot"): {"tau": 1.0},
    ("psl_relu", "cosine"): {"tau": 0.14},
    ("psl_relu", "dot"): {"tau": 0.5},
    ("bilateral_softmax", "cosine"): {"tau_neg": 0.14, "tau_pos": 0.5},
    ("bilateral_softmax", "dot"): {"tau_neg": 0.5, "tau_pos": 1.0},
    ("mse", "cosine"): {"neg_weight": 20.0},
    ("mse", "dot"): {"neg_weight": 20.0},
    ("bce", "cosine"): {"tau": 0.2, "neg_weight": 5.0},
    ("bce", "dot"): {"tau": 1.0, "neg_weight": 5.0},
    ("ccl", "cosine"): {"margin": 0.7, "neg_weight": 10.0},
    ("ccl", "dot"): {"margin": 0.7, "neg_weight": 20.0},
}
START_L2 = {"cosine": 1e-3, "dot": 1e-5}


class Runs:
    """The runs on a split, as far as records tell which.

    Every method raises :class:`MissingRun` where a run that it rests on is not recorded.
    """

    def __init__(self, split: Split, records: Records):
        self.split, self.records = split, records
        # What a plan asks for again and again, while it is made.
        self.tuning, self.best = cache(self.tuning), cache(self.best)

    def tuning(self, loss: str, score: str, goal: str) -> Walk:
        """The tuning of a loss on a score, for validation or for the shifted test."""
        config = replace(self.split.config, epochs=self.split.tuning_epochs)
        config = replace(config, eval_every=config.epochs, weight_decay=START_L2[score])
        model = {"user_dropout": 0.1} | ({"score": score} if score != "cosine" else {})
        origin = Trial(self.split.data, loss, STARTS[loss, score], config, "MF", model)
        return walk(origin, CLEAN, steps=self.split.steps, goal=GOALS[goal])

    def best(self, loss: str, score: str, goal: str) -> Trial:
        """What the tuning chose."""
        return self.tuning(loss, score, goal).best(self.records)[0]

    def final(self, loss: str, score: str, goal: str) -> list[Trial]:
        """The setting that was chosen, trained to the end, with every seed."""
        return self._long(self.best(loss, score, goal))

    def plain(self) -> list[Trial]:
        """BPR on inner products at τ = 1, as it is usually trained: the best L2 term tried."""
        tried = self.tuning("bpr", "dot", "validation").tried(self.records).values()
        plain = [trial for trial in tried if trial.params["tau"] == 1]
        self.best("bpr", "dot", "validation")  # has come to its end
        return self._long(max(plain, key=lambda trial: valid(self.records[trial.id])))

    def over_tau(self) -> list[list[Trial]]:
        """Softmax loss on cosines at each of ``TAUS``, else as validation chose it, every seed."""
        best = self.best("softmax", "cosine", "validation")
        return [self._long(replace(best, params=best.params | {"tau": tau})) for tau in TAUS]

    def doubled(self, loss: str, score: str) -> list[Trial]:
        """The first final run of what validation chose, and the same with twice the epochs."""
        once = self.final(loss, score, "validation")[0]
        config = replace(once.config, epochs=2 * once.config.epochs)
        return [once, at(replace(once, config=config), CLEAN)]

    def as_published(self, loss: str, score: str) -> list[Trial]:
        """What test chose, trained on all training pairs; test chooses the epoch, too."""
        best = replace(self.best(loss, score, "test"), protocol="paper")
        return self._long(best)

    def tunings(self, losses: Iterable[str]) -> Iterator[Trial]:
        """The tuning of some losses on either score and for either goal."""
        for goal, loss, score in product(GOALS, losses, SCORES):
            yield from self.tuning(loss, score, goal).tried(self.records).values()

    def finals(self, losses: Iterable[str]) -> Iterator[Trial]:
        """The final runs of some losses."""
        for goal, loss, score in product(GOALS, losses, SCORES):
            with suppress(MissingRun):
                yield from self.final(loss, score, goal)

    def rest(self) -> Iterator[Trial]:
        """The curve over the temperature, and what stands beside published figures."""
        with suppress(MissingRun):
            for trials in self.over_tau():
                yield from trials
        with suppress(MissingRun):
            yield from self.plain()
        for loss, score in product(MAIN, SCORES):
            with suppress(MissingRun):
                yield from self.doubled(loss, score)
                yield from self.as_published(loss, score)

    def _long(self, trial: Trial) -> list[Trial]:
        l2 = trial.config.weight_decay
        trial = at(replace(trial, config=replace(self.split.config, weight_decay=l2)), CLEAN)
        return with_seeds(trial, range(self.split.n_seeds))


STAGES: tuple[Callable[[Runs], Iterator[Trial]], ...] = (
    lambda runs: runs.tunings(MAIN),
    lambda runs: runs.finals(MAIN),
    Runs.rest,
    lambda runs: runs.tunings(LOSSES),
    lambda runs: runs.finals(LOSSES),
)


def shift(size: str, records: Records) -> Iterator[Trial]:
    """All trials, what decides first; ``small`` is Amazon-Electronics, ``full`` adds Gowalla."""
    for split in SPLITS if size == "full" else SPLITS[:1]:
        runs = Runs(split, records)
        for stage in STAGES:
            yield from stage(runs)


def is_final(settings: dict[str, Any]) -> bool:
    """Whether a run is a final one, whose users are kept; the trials of a tuning are shorter."""
    return settings["config"]["epochs"] in {split.config.epochs for split in SPLITS}


# What the records say --------------------------------------------------------------------------


def curves(runs: Runs) -> dict[str, np.ndarray]:
    """Recall@20 of softmax loss on cosines over ``TAUS``, on validation and on the shifted test.

    Returns:
        ``"validation"`` and ``"test"`` -> ``(n_seeds, n_taus)``.

    Raises:
        MissingRun: a run is not recorded, here and below.
    """
    settings = runs.over_tau()
    return {
        "validation": columns(settings, runs.records, "valid"),
        "test": columns(settings, runs.records, "recall@20", "test"),
    }


def moved(runs: Runs) -> np.ndarray:
    """The best temperature on the shifted test over the best one on validation, by seed."""
    found = curves(runs)
    return summits(TAUS, found["test"]) / summits(TAUS, found["validation"])


def moved_interval(ratios: np.ndarray) -> Interval:
    """Mean of ratios over seeds, in logarithms, with Student's 95 % interval.

    Raises:
        ValueError: fewer than two.
    """
    return Interval(*(float(np.exp(x)) for x in t_interval(np.log(ratios))))


def leads(records: Records, *, goal: str = "validation") -> dict[tuple[str, str], Judged]:
    """The lead of softmax loss over BPR on the shifted test, by data and score.

    Args:
        records: by id; a comparison that lacks a run is left out.
        goal: what chose the settings, ``"validation"`` or ``"test"``.
    """
    found: dict[tuple[str, str], Ratio] = {}
    for split, score in product(SPLITS, SCORES):
        runs = Runs(split, records)
        with suppress(MissingRun):
            sides = with_users(runs, *(runs.final(x, score, goal) for x in ("softmax", "bpr")))
            found[split.data, score] = one_kind(lead(*sides))
    return judge(found)


def preliminary(runs: Runs, score: str, losses: Iterable[str] = ("softmax", "bpr")) -> str:
    """Why what losses do on a score carries no verdict; empty if it does."""
    added = {}
    for loss in losses:
        _, closed = runs.tuning(loss, score, "validation").best(runs.records)
        if not closed:
            return f"the tuning of {loss} has not come to a top"
        once, twice = measured(runs.doubled(loss, score), runs.records, "valid")
        added[loss] = twice / once - 1
    return verdicts.preliminary(added, level=1.0)  # a score has a level of its own


def at_an_edge(runs: Runs) -> bool:
    """Whether a best temperature of :func:`moved` is an end of the grid."""
    tops = [values.argmax(1) for values in curves(runs).values()]
    return bool(np.isin(tops, (0, len(TAUS) - 1)).any())


def steps(runs: Runs) -> dict[str, list[Trial]]:
    """From BPR as it is usually trained to softmax loss, one thing changed at a time.

    Raises:
        MissingRun: a run of a tuning is not recorded.
    """
    final = partial(runs.final, goal="validation")
    return {
        "BPR on inner products, τ = 1": runs.plain(),
        "… with its temperature tuned": final("bpr", "dot"),
        "… on cosines": final("bpr", "cosine"),
        "SL on cosines": final("softmax", "cosine"),
    }


def published_way(runs: Runs, loss: str) -> list[Trial]:
    """A loss as the published table has it: of either score the one that the test has better.

    Raises:
        MissingRun: a run is not recorded.
    """
    either = [runs.as_published(loss, score) for score in SCORES]
    return max(
        either, key=lambda trials: measured(trials, runs.records, "recall@20", "test").mean()
    )


def tried(runs: Runs, loss: str) -> np.ndarray:
    """Recall@20 on validation and on the shifted test of every trial of a loss, ``(n_trials, 2)``.

    Raises:
        MissingRun: a tuning has not come to its end.
    """
    trials = {}
    for score, goal in product(SCORES, GOALS):
        runs.best(loss, score, goal)  # has come to its end
        trials |= {t.id: t for t in runs.tuning(loss, score, goal).tried(runs.records).values()}
    return np.array([(valid(r), on_test(r)) for r in map(runs.records.get, trials)])
