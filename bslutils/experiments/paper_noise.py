"""Noise on the paper's data, from models that have converged: what is run.

The sweep ``paper_noise``.
"""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache

from ..config import TrainConfig
from . import every_loss
from .facts import facts_of
from .records import MissingRun, Records, lacks, recorded
from .runner import with_seeds
from .testbeds import DENSE, INTERCEPT
from .trial import Trial
from .verdicts import ADDED
from .walk import Knob, Walk

MAIN = ("softmax", "bilateral_softmax")
LOSSES = (*MAIN, "reweighted_softmax", "bpr", "bce", "mse", "ccl")
SHARES = (0.0, 0.05, 0.1, 0.2, 0.3)  # of false negatives among those drawn
FRACTIONS = (0.1, 0.2, 0.4)  # false positives, as a fraction of the positives
CLEAN = ("clean", 0.0)  # uniform negatives, which are false now and then, and no false positive
WORST = (("negatives", SHARES[-1]), ("positives", FRACTIONS[-1]))
LEVELS = (
    CLEAN,
    *(("negatives", share) for share in SHARES),
    *(("positives", fraction) for fraction in FRACTIONS),
)
Level = tuple[str, float]

# How each setting of a loss is moved when it is tuned, if it is set at all; last the L2 term.
# Beyond a tau_pos of 2 the bilateral loss is all but softmax loss in its risk form: a quarter of
# the variance of a row's positive scores is what is left between the two.
TAU, L2 = Knob(1.4), Knob(3.0)
KNOBS: dict[str, dict[str, Knob]] = {
    "softmax": {"tau": TAU},
    "bilateral_softmax": {"tau_neg": TAU, "tau_pos": Knob(1.7, high=2.1)},
    "reweighted_softmax": {"tau": TAU, "neg_weight": Knob(1.1)},
    "bpr": {"tau": TAU},
    "bce": {
        "tau": TAU,
        "neg_weight": Knob(2.0),
        "intercept": Knob(1.0, add=True, low=-12.0, high=0.0),
    },
    "mse": {"neg_weight": Knob(2.0)},
    "ccl": {"margin": Knob(0.1, add=True, high=0.9), "neg_weight": Knob(2.0)},
}
STEPS = 12  # trials of a loss at a level

# Where losses on Yelp2018 and Gowalla start from: what the sweep ``published`` chose on Yelp2018;
# for the bilateral loss and CCL, which it lacks, settings that are near enough to walk from.
STARTS: dict[str, dict[str, float | str]] = {
    "softmax": {"tau": 0.11},
    "bilateral_softmax": {"tau_neg": 0.11, "tau_pos": 0.5},
    "reweighted_softmax": {"tau": 0.14, "neg_weight": 1.2},
    "bpr": {"tau": 1.0, "score": "dot", "lr": 1e-2},
    "bce": {"tau": 1.0, "neg_weight": 10.0, "score": "dot", "lr": 2e-2},
    "mse": {"neg_weight": 25.0, "score": "dot", "lr": 1e-2},
    "ccl": {"margin": 0.8, "neg_weight": 50.0},
}
START_L2 = {"cosine": 3e-3, "dot": 1e-5}


@dataclass(frozen=True)
class Bench:
    """Data that losses are compared on under noise, and how they are trained there.

    Attributes:
        data: name of the data set.
        config: of the training, but for the L2 term; rows of several positives for every loss.
        tuning_epochs: of the trials that tune, on clean data and under noise.
        whole: every level with every seed, tuned at the ends, too; else, where runs are dear, one
            seed but for softmax and bilateral loss at the ends, and only these two tuned there.
    """

    data: str
    config: TrainConfig
    tuning_epochs: int
    whole: bool = True

    @property
    def in_field(self) -> bool:
        """Whether the sweep ``field`` has settings to start from."""
        return self.data in every_loss.TUNING


ROWS = TrainConfig(
    epochs=30,
    batch_size=256,
    positives=4,
    n_negatives=1024,
    optimizer="row-adam",
    lr=1e-2,
    schedule="cosine",
    metric="recall@20",
    eval_every=5,
    patience=None,
)
FULL = replace(ROWS, epochs=16, batch_size=512, lr=5e-3, eval_every=4)
BENCHES = (
    Bench("ml-1m", replace(DENSE, epochs=30, eval_every=5, metric="recall@20"), 30),
    Bench("amazon-electronics", ROWS, 30),
    Bench("yelp2018", FULL, 4, whole=False),
    Bench("gowalla", FULL, 4, whole=False),
)
SEEDS = range(3)
# Rows of a random batch in the authors' commands, where their loss pools the positives of a user.
POOLED = {"ml-1m": 2048, "yelp2018": 1024}
TWICE = (1, 2, 4)  # lengths of training that are tried, in parts of the first


def bench(data: str) -> Bench:
    """The bench on a data set.

    Raises:
        ValueError: there is none; the message lists them.
    """
    for found in BENCHES:
        if found.data == data:
            return found
    raise ValueError(f"data must be one of {', '.join(b.data for b in BENCHES)}, got {data!r}")


def ratio(data: str, share: float) -> float:
    """The weight of a positive among the negatives at which a share of them is false."""
    if share == 0:
        return 0.0
    return float(f"{facts_of(data)['ratio of a share'][str(share)]:.3g}")


def at(trial: Trial, level: Level) -> Trial:
    """The trial at a level of noise."""
    kind, amount = level
    weight = ratio(trial.data, amount) if kind == "negatives" else 1.0
    config = replace(trial.config, negative_noise=weight)
    fraction = amount if kind == "positives" else 0.0
    score = " inner product" if trial.score == "dot" else ""
    noisy = replace(trial, config=config, false_positives=fraction, label="")
    extra = f"{score} L2={config.weight_decay:g} {config.epochs} epochs"
    return replace(noisy, label=noisy.label + extra)


def start(bench: Bench, loss: str, records: Records) -> Trial:
    """The trial that tuning on clean data starts from.

    On MovieLens-1M and Amazon-Electronics it has the settings that the sweep ``field`` found.

    Raises:
        MissingRun: a run of that sweep is not recorded.
    """
    config = replace(bench.config, epochs=bench.tuning_epochs)
    if bench.in_field:
        found = every_loss.choice(bench.data, loss, records).final
        if not found:
            raise MissingRun(f"a run is missing: of the tuning of {loss} on {bench.data}")
        params, model, l2 = found[0].params, found[0].model, found[0].config.weight_decay
    else:
        params = dict(STARTS[loss])
        config = replace(config, lr=params.pop("lr", config.lr))
        score = params.pop("score", "cosine")
        model = {"user_dropout": 0.1} | ({"score": score} if score != "cosine" else {})
        l2 = START_L2[score]
        if score == "cosine" and loss in every_loss.IN_SCORES:
            l2 /= 5
    return Trial(bench.data, loss, params, replace(config, weight_decay=l2), "MF", model)


def walk(origin: Trial, level: Level, names: tuple[str, ...] = ()) -> Walk:
    """The tuning of a loss at a level, from a trial on; by default in all that the trial sets."""
    begin = {**origin.params, "weight_decay": origin.config.weight_decay}
    knobs = KNOBS[origin.loss] | {"weight_decay": L2}
    knobs = {name: knobs[name] for name in knobs if name in (names or begin)}

    def trial(values: dict[str, float]) -> Trial:
        l2 = values.pop("weight_decay", origin.config.weight_decay)
        config = replace(origin.config, weight_decay=l2)
        return at(replace(origin, params=origin.params | values, config=config), level)

    return Walk({name: begin[name] for name in knobs}, knobs, trial, STEPS)


def rise(record: dict) -> float:
    """What validation gained between the last two looks, in parts."""
    metric = record["config"]["metric"]
    *_, before, last = (entry[metric] for entry in record["history"] if metric in entry)
    return last / before - 1


class Runs:
    """The runs of a bench, as far as records tell which.

    Every method raises :class:`MissingRun` where a run that it rests on is not recorded.
    """

    def __init__(self, bench: Bench, records: Records):
        self.bench, self.records = bench, records
        # What a plan asks for again and again, while it is made.
        self.clean, self._settings = cache(self.clean), cache(self._settings)
        self.epochs = cache(self.epochs)

    def clean(self, loss: str) -> Walk:
        """The tuning of a loss on clean data; an intercept is added to what BCE was tuned to."""
        if loss == INTERCEPT:
            bce = self._settings("bce")
            return walk(replace(bce, params=bce.params | {"intercept": -1.0}), CLEAN)
        return walk(start(self.bench, loss, self.records), CLEAN)

    def _settings(self, loss: str) -> Trial:
        return self.clean(loss).best(self.records)[0]

    def at_length(self, loss: str, epochs: int) -> Trial:
        """The settings of clean data, trained on it for so many epochs."""
        return _long(self._settings(loss), epochs, CLEAN)

    def rising(self) -> list[str]:
        """Softmax loss, and of the others the one whose validation rises most at the end."""
        first = [self.at_length(loss, self.bench.config.epochs) for loss in LOSSES]
        rises = dict(zip(LOSSES, map(rise, recorded(first, self.records)), strict=True))
        return ["softmax", max(LOSSES[1:], key=rises.__getitem__)]

    def added(self, epochs: int) -> dict[str, float]:
        """What twice the epochs add to validation, in parts, for the two losses of ``rising``."""
        gains = {}
        for loss in self.rising():
            pair = [self.at_length(loss, n * epochs) for n in (1, 2)]
            once, twice = recorded(pair, self.records)
            gains[loss] = twice["valid"] / once["valid"] - 1
        return gains

    def epochs(self) -> int:
        """The first length of training of which twice as much adds less than 2 %.

        The longest that is tried if none is: the bench is preliminary then.
        """
        for times in TWICE:
            epochs = times * self.bench.config.epochs
            if max(self.added(epochs).values()) < ADDED:
                break
        return epochs

    def frontier(self, loss: str) -> list[Trial]:
        """The trials of the tuning on clean data of which no other is as good in both the
        validation and the Gini index of its lists, and better in one; at the length of the bench.
        """
        tuning = self.clean(loss)
        tuning.best(self.records)  # has come to its end
        trials = list(tuning.tried(self.records).values())
        found = recorded(trials, self.records)
        points = [(record["valid"], -record["exposure"]["gini"]) for record in found]
        return [
            _long(trial, self.epochs(), CLEAN)
            for trial, p in zip(trials, points, strict=True)
            if not any(q != p and q[0] >= p[0] and q[1] >= p[1] for q in points)
        ]

    def longer(self) -> Iterator[Trial]:
        """What tells the length: the two losses at one length after the other, and at twice it."""
        for times in TWICE:
            epochs = times * self.bench.config.epochs
            for loss in self.rising():
                yield from (self.at_length(loss, n * epochs) for n in (1, 2))
            if max(self.added(epochs).values()) < ADDED:
                return

    def kept(self, loss: str, level: Level) -> list[Trial]:
        """A loss at a level with the settings of clean data, every seed."""
        trial = _long(self._settings(loss), self.epochs(), level)
        return with_seeds(trial, self.seeds(loss, level))

    def tuning(self, loss: str, level: Level) -> Walk:
        """The tuning of a loss at a level of noise, from the settings of clean data on.

        In trials as long as those on clean data; where runs are dear only temperatures are moved.
        """
        temperatures = tuple(name for name in KNOBS[loss] if name.startswith("tau"))
        names = () if self.bench.whole else temperatures
        return walk(at(self._settings(loss), level), level, names)

    def tuned(self, loss: str, level: Level) -> list[Trial]:
        """A loss at a level with the settings chosen at that level, every seed."""
        found, _ = self.tuning(loss, level).best(self.records)
        return with_seeds(_long(found, self.epochs(), level), self.seeds(loss, level))

    def seeds(self, loss: str, level: Level) -> range:
        """The seeds that are run of a loss at a level."""
        ends = level in (CLEAN, *WORST) and loss in MAIN
        return SEEDS if self.bench.whole or ends else SEEDS[:1]

    def pooled(self) -> list[list[Trial]]:
        """The authors' ``multi`` loss on their random batches, and the same without pooling.

        Each with every seed, at the settings that clean data chose for their other loss.
        """
        base = _long(self._settings("reweighted_softmax"), self.epochs(), CLEAN)
        config = replace(base.config, batch_size=POOLED[self.bench.data], positives=1)
        pooled = replace(base, loss="pooled_softmax", config=replace(config, pool_users=True))
        return [
            with_seeds(at(trial, CLEAN), self.seeds(trial.loss, CLEAN))
            for trial in (pooled, replace(base, config=config))
        ]

    def tuning_on_clean(self) -> Iterator[Trial]:
        """The tuning of every loss; before it those runs of ``field`` that it starts from."""
        for loss in LOSSES if self.bench.in_field else ():
            for trials in every_loss.choice(self.bench.data, loss, self.records):
                yield from (trial for trial in trials if trial.id not in self.records)
        for loss in LOSSES:
            with suppress(MissingRun):
                yield from self.clean(loss).tried(self.records).values()

    def lengths(self) -> Iterator[Trial]:
        """Every loss at the first length, and what tells whether it is long enough."""
        for loss in LOSSES:
            with suppress(MissingRun):
                yield self.at_length(loss, self.bench.config.epochs)
        with suppress(MissingRun):
            yield from self.longer()

    def ends(self) -> Iterator[Trial]:
        """Every loss on clean data and under the most noise, with the settings of clean data."""
        if not lacks(self.epochs):
            yield from self._kept(CLEAN, *WORST)

    def with_intercept(self) -> Iterator[Trial]:
        """BCE with an intercept, beside the losses and on clean data alone: tuning, every seed."""
        if lacks(self.epochs):
            return
        with suppress(MissingRun):
            yield from self.clean(INTERCEPT).tried(self.records).values()
            yield from self.kept(INTERCEPT, CLEAN)

    def frontiers(self) -> Iterator[Trial]:
        """Accuracy against fairness, every loss."""
        if lacks(self.epochs):
            return
        for loss in (*LOSSES, INTERCEPT):
            with suppress(MissingRun):
                yield from self.frontier(loss)

    def tuned_ends(self) -> Iterator[Trial]:
        """Losses under the most noise, tuned at it."""
        if lacks(self.epochs):
            return
        for level in reversed(WORST):
            for loss in LOSSES if self.bench.whole else MAIN:
                with suppress(MissingRun):
                    yield from self.tuning(loss, level).tried(self.records).values()
                    yield from self.tuned(loss, level)

    def rest(self) -> Iterator[Trial]:
        """What lies between clean data and the most noise, and the pooled loss."""
        if lacks(self.epochs):
            return
        yield from self._kept(*LEVELS)
        if self.bench.data in POOLED:
            for trials in self.pooled():
                yield from trials

    def _kept(self, *levels: Level) -> Iterator[Trial]:
        for level in levels:
            for loss in LOSSES:
                with suppress(MissingRun):
                    yield from self.kept(loss, level)


def _long(trial: Trial, epochs: int, level: Level) -> Trial:
    return at(replace(trial, config=replace(trial.config, epochs=epochs)), level)


STAGES = (
    Runs.tuning_on_clean,
    Runs.lengths,
    Runs.ends,
    Runs.with_intercept,
    Runs.tuned_ends,
    Runs.frontiers,
    Runs.rest,
)


def plan(benches: Iterable[Bench], records: Records) -> Iterator[Trial]:
    """All trials of some benches in the order of their value: stage after stage."""
    found = [Runs(bench, records) for bench in benches]
    for stage in STAGES:
        for runs in found:
            yield from stage(runs)


def paper_noise(size: str, records: Records) -> Iterator[Trial]:
    """All trials; ``small`` is MovieLens-1M and Amazon-Electronics, ``full`` adds the others."""
    yield from plan(BENCHES[:2], records)
    if size == "full":
        yield from plan(BENCHES[2:], records)
