"""The table `frontier`: which accuracy a way reaches in which time, on two data sets.

Settings come from the records, where a sweep has tuned them: softmax and bilateral loss on
MovieLens-1M are those of the sweep `field`; on Yelp2018, and for what needs no loss, those of
`paper_noise` and `without_loss`, or what these start from while they are not at their end. Every
way trains on the training pairs of the honest protocol, and nothing is chosen on test.
"""

import gc
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import bslutils as bsl
from bslutils.config import TrainConfig
from bslutils.experiments import every_loss, without_loss as methods
from bslutils.experiments.paper_benches import CLEAN, bench
from bslutils.experiments.paper_noise import Runs
from bslutils.experiments.paper_trials import start
from bslutils.experiments.records import MissingRun, Records, known_records, path_of
from bslutils.experiments.trial import NO_LOSS, Trial

from .curves import (
    ALS,
    BPR,
    Literal,
    Package,
    Point,
    chosen,
    implicit,
    literal,
    threads,
    training,
    without_loss,
)
from .engine import BATCH, TAU

THREADS = 2  # of every way
BUDGET = 40.0  # seconds of the algorithm as published
LEVELS = (0.9, 0.95, 0.99)  # in parts of the highest NDCG@20 of softmax loss

LOSSES = {"SL": "softmax", "BSL": "bilateral_softmax"}
METHODS = ("GF-CF", "graph filter", "iALS", "EASE")
PACKAGES = {"implicit ALS": ALS, "implicit BPR": BPR}
LITERAL = "SL as published"
# The logs that BSL's authors published in November 2023, of softmax loss on matrix factorisation.
LOGS = {
    "ml-1m": Literal(tau=0.17, batch_size=2048, user_dropout=0.0),
    "yelp2018": Literal(tau=TAU, batch_size=BATCH, user_dropout=0.1),
}


@dataclass(frozen=True)
class Plan:
    """What is measured on a data set.

    Attributes:
        data: its name.
        trials: way -> the run that it is at full length.
        source: way -> where its settings are from.
        log: settings of the algorithm as published.
        budget: seconds of that.
        packages: way -> a model of another package.
        n_threads: of every way.
    """

    data: str
    trials: dict[str, Trial]
    source: dict[str, str]
    log: Literal
    budget: float = BUDGET
    packages: dict[str, Package] = field(default_factory=lambda: dict(PACKAGES))
    n_threads: int = THREADS


def plan(data: str, records: Records) -> Plan:
    """The ways on a data set, with the settings that the records have."""
    trials, source = {}, {}
    for way, loss in LOSSES.items():
        trials[way], source[way] = _with_loss(data, loss, records)
    for way in METHODS:
        trials[way], source[way] = _method(data, way, records)
    return Plan(data, trials, source, LOGS[data])


def _with_loss(data: str, loss: str, records: Records) -> tuple[Trial, str]:
    if data in every_loss.TUNING:
        final = every_loss.choice(data, loss, records).final
        if not final:
            raise MissingRun(f"a run is missing: of the tuning of {loss} on {data}")
        return final[0], "sweep field"
    try:
        runs = Runs(bench(data), records)
        return runs.kept(loss, CLEAN)[0], "sweep paper_noise"
    except MissingRun:
        found = start(bench(data), loss, records)  # a short one
        config = replace(found.config, epochs=bench(data).config.epochs)
        return replace(found, config=config, label=""), "what the sweep paper_noise starts from"


def _method(data: str, title: str, records: Records) -> tuple[Trial, str]:
    [method] = [m for m in methods.METHODS if m.title == title]
    begin = Trial(data, NO_LOSS, method.fixed | method.start, TrainConfig(), method.fit)
    if not method.knobs:
        return begin, "nothing to set"
    try:
        return methods.final(data, method, "honest", records)[0], "sweep without_loss"
    except MissingRun:
        return begin, "what the sweep without_loss starts from"


def measure(plan: Plan) -> dict[str, Any]:
    """The curve of every way, one after the other, and what each was set to."""
    data = bsl.load(plan.data)
    points: list[Point] = []
    settings: dict[str, dict[str, Any]] = {}

    def add(way: str, curve: list[Point], source: str, values: dict[str, Any]) -> None:
        gc.collect()  # a fit can hold gigabytes
        points.extend({"data": plan.data, "way": way} | point for point in curve)
        settings[way] = {"from": source} | values
        print(f"{plan.data}: {way}", file=sys.stderr)  # it takes a while

    with threads(plan.n_threads):
        for way, trial in plan.trials.items():
            curve = training if trial.trains else without_loss
            values = {"params": trial.params}
            if trial.trains:
                values |= {"config": asdict(trial.config), "model": trial.model}
            add(way, curve(data, trial), plan.source[way], values)
        for way, package in plan.packages.items():
            best, seen = chosen(data, package, plan.n_threads)
            curve = implicit(data, package, plan.n_threads, best)
            add(way, curve, "validation, by NDCG@20", {"params": best, "seen": seen})
        curve, whole = literal(data, plan.log, plan.budget)
        add(LITERAL, curve, "the authors' log", asdict(plan.log))
    return {
        "threads": plan.n_threads,
        "points": points,
        "settings": settings,
        "literal": _whole(plan, points, whole),
    }


def _whole(plan: Plan, points: list[Point], steps: dict[str, float]) -> dict[str, float]:
    """How long as many epochs as those of softmax loss take as published: not run, but reckoned."""
    epochs = plan.trials["SL"].config.epochs
    seconds = epochs * steps["seconds_of_an_epoch"]
    ours = max(p["seconds"] for p in points if p["way"] == "SL")
    return steps | {"epochs": epochs, "extrapolated_seconds": seconds, "times SL": seconds / ours}


def reached(points: list[Point]) -> list[dict[str, Any]]:
    """When a way is at a level, in parts of the time in which softmax loss is, on one data set.

    A level is a part of the highest NDCG@20 of softmax loss; a way is at it from its first point
    on that is. ``None`` stands for a level that is not reached. ``highest`` is that
    of the way over that of softmax loss.
    """
    ways = list(dict.fromkeys(point["way"] for point in points))
    top = {way: max(p["ndcg@20"] for p in points if p["way"] == way) for way in ways}
    lines = []
    for way in ways:
        for level in LEVELS:
            found, ours = (_seconds(points, name, level * top["SL"]) for name in (way, "SL"))
            lines.append(
                {
                    "way": way,
                    "level": level,
                    "seconds": found,
                    "times SL": None if found is None else found / ours,
                    "highest": top[way] / top["SL"],
                }
            )
    return lines


def _seconds(points: list[Point], way: str, value: float) -> float | None:
    seconds = [p["seconds"] for p in points if p["way"] == way and p["ndcg@20"] >= value]
    return min(seconds, default=None)


def table(measured: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """The record of what :func:`measure` found on each data set."""
    return {
        "threads": next(iter(measured.values()))["threads"],
        "levels": LEVELS,
        "literal": {data: found["literal"] for data, found in measured.items()},
        "settings": {data: found["settings"] for data, found in measured.items()},
        "reached": [
            {"data": data} | line
            for data, found in measured.items()
            for line in reached(found["points"])
        ],
        "rows": [point for found in measured.values() for point in found["points"]],
    }


def small(n_threads: int = THREADS) -> Plan:
    """Every way on made data, in seconds."""
    config = TrainConfig(epochs=2, lr=1e-2, positives=2, n_negatives=64, optimizer="row-adam")
    params = {"SL": {"tau": 0.2}, "BSL": {"tau_pos": 0.5, "tau_neg": 0.2}}
    trials = {
        way: Trial("synthetic", loss, params[way], config, model={"dim": 16})
        for way, loss in LOSSES.items()
    }
    options = {"GF-CF": {"rank": 16}, "iALS": {"dim": 8, "epochs": 2}, "graph filter": {"rank": 0}}
    for method in methods.METHODS:
        if method.title in METHODS:
            values = options.get(method.title, {})
            trials[method.title] = Trial("synthetic", NO_LOSS, values, TrainConfig(), method.fit)
    packages = {
        "implicit ALS": Package("ALS", 2, {"alpha": (1.0, 4.0)}),
        "implicit BPR": Package("BPR", 2, {"learning_rate": (0.01,)}),
    }
    log = Literal(tau=0.2, batch_size=256, user_dropout=0.1, n_negatives=16)
    return Plan(
        "synthetic", trials, dict.fromkeys(trials, "made up"), log, 0.1, packages, n_threads
    )


def frontier() -> Iterator[dict]:
    """Test NDCG@20 over seconds of fitting on two threads, way by way, on two data sets."""
    records = known_records(path_of(""))
    plans = [plan(data, records) for data in LOGS]
    measure(small())  # loads what a first call loads
    measured = {}
    for each in plans:
        measured[each.data] = measure(each)
        yield table(measured)
