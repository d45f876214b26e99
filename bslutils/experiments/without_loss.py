"""What needs no loss, on the data that losses are compared on: the sweep ``without_loss``.

Every method of :mod:`bslutils.baselines` is tuned on the validation of the honest protocol; what it
chose is tested there, and fitted once more as the paper's protocol has it, to all training pairs.
So test chooses nothing here, under either protocol.
"""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np

from ..config import TrainConfig
from .records import MissingRun, Records, lacks, recorded
from .runner import with_seeds
from .testbeds import measured
from .trial import NO_LOSS, Trial
from .walk import Knob, Walk

DATA = ("ml-1m", "amazon-electronics", "yelp2018", "gowalla")
SEEDS = 3  # of what draws its start


@dataclass(frozen=True)
class Method:
    """A recommender and how it is tuned.

    Attributes:
        fit: its name in :data:`bslutils.baselines.BASELINES`.
        title: for people.
        start: what it sets, where its tuning starts.
        knobs: how each is moved.
        fixed: what is set and not tuned.
        steps: fits that tune it.
        seeded: whether its start is drawn.
        published: its name in :data:`bslutils.published.WITHOUT_LOSS`, if any.
        later: whether it was added when all others were recorded; it counts where it is, too.
    """

    fit: str
    title: str
    start: dict[str, float] = field(default_factory=dict)
    knobs: dict[str, Knob] = field(default_factory=dict)
    fixed: dict[str, float] = field(default_factory=dict)
    steps: int = 1
    seeded: bool = False
    published: str = ""
    later: bool = False


METHODS = (
    Method("popularity", "popularity"),
    Method(
        "item_knn",
        "ItemKNN",
        {"neighbours": 128, "shrink": 10.0},
        {"neighbours": Knob(2.0, low=4), "shrink": Knob(3.0)},
        steps=12,
    ),
    # The form of the published list, which was added when the other was found to be behind it.
    Method(
        "item_knn",
        "ItemKNN (candidate)",
        {"neighbours": 128, "shrink": 10.0},
        {"neighbours": Knob(2.0, low=4), "shrink": Knob(3.0)},
        {"of_candidate": True},
        steps=12,
        published="item_knn",
        later=True,
    ),
    Method("ease", "EASE", {"l2": 300.0}, {"l2": Knob(2.0)}, steps=6, published="ease"),
    Method(
        "ials",
        "iALS",
        {"unobserved": 0.1, "l2": 0.003},
        {"unobserved": Knob(2.0), "l2": Knob(2.0)},
        {"dim": 64, "epochs": 16},
        steps=12,
        seeded=True,
    ),
    Method("gf_cf", "graph filter", fixed={"rank": 0}),
    Method(
        "gf_cf",
        "GF-CF",
        {"rank": 64, "weight": 0.3},
        {"rank": Knob(2.0, low=4), "weight": Knob(1.7)},
        steps=12,
        published="gf_cf",
    ),
)


def tuning(data: str, method: Method) -> Walk:
    """The search for the settings of a method on a data set, on validation."""

    def trial(values: dict[str, float]) -> Trial:
        return Trial(data, NO_LOSS, method.fixed | values, TrainConfig(), method.fit)

    return Walk(method.start, method.knobs, trial, method.steps)


def final(data: str, method: Method, protocol: str, records: Records) -> list[Trial]:
    """A method as validation chose it, with every seed that it has.

    Raises:
        MissingRun: its tuning has not come to its end.
    """
    best, _ = tuning(data, method).best(records)
    best = replace(best, protocol=protocol, label="")
    return with_seeds(best, range(SEEDS if method.seeded else 1))


def without_loss(size: str, records: Records) -> Iterator[Trial]:
    """All trials; ``small`` is MovieLens-1M and Amazon-Electronics, ``full`` adds the others."""
    for data in DATA if size == "full" else DATA[:2]:
        for method in METHODS:
            yield from tuning(data, method).tried(records).values()
            for protocol in ("honest", "paper"):
                with suppress(MissingRun):
                    yield from final(data, method, protocol, records)


# What the records say --------------------------------------------------------------------------


class Reached(NamedTuple):
    """What a method reaches.

    Attributes:
        params: as validation chose them.
        closed: whether everything beside them was tried.
        test: metric -> its value for every seed.
        seconds: of a fit.
    """

    params: dict[str, float]
    closed: bool
    test: dict[str, np.ndarray]
    seconds: float


def reached(data: str, method: Method, protocol: str, records: Records) -> Reached:
    """What a method reaches on a data set.

    Raises:
        MissingRun: a run is not recorded.
    """
    trials = final(data, method, protocol, records)
    found = recorded(trials, records)
    _, closed = tuning(data, method).best(records)
    test = {x: np.array([r["test"][x] for r in found]) for x in ("recall@20", "ndcg@20")}
    return Reached(trials[0].params, closed, test, found[0]["train_seconds"])


def so_far(data: str, method: Method, records: Records) -> dict[str, Any]:
    """The record that validation prefers in a tuning that may not have come to its end.

    Raises:
        MissingRun: none is recorded.
    """
    tried = [t for t in tuning(data, method).tried(records).values() if t.id in records]
    return max(recorded(tried, records), key=lambda record: record["valid"])


def preferred(data: str, records: Records) -> Method:
    """The method that validation prefers on a data set, each as it was tuned.

    Raises:
        MissingRun: a run is not recorded, of one that is no later one.
    """
    offered = [m for m in METHODS if not (m.later and lacks(reached, data, m, "honest", records))]
    valid = [measured(final(data, m, "honest", records), records, "valid").mean() for m in offered]
    return offered[int(np.argmax(valid))]
