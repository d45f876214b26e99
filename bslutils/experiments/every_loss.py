"""The sweeps of the chapter *Every loss at one budget*: all losses, and the other backbones."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from ..config import TrainConfig
from ..data import SOURCES
from ..intervals import Interval, t_interval, welch_interval
from ..provenance import device_kind
from .records import MissingRun, Records, recorded, superseded
from .runner import SIZES, best, with_seeds
from .testbeds import DENSE, measured, product
from .trial import Trial

Settings = dict[str, list[dict[str, float]]]

# What is tuned of each loss: four settings on cosines and four on inner products, each with the
# L2 terms of its scores: thirty-two trials for every loss on Amazon-Electronics, sixteen on
# MovieLens-1M.
COSINE: Settings = {
    "softmax": product(tau=(0.2, 0.25, 0.3, 0.4)),
    "bilateral_softmax": product(tau_pos=(0.3, 1.0), tau_neg=(0.2, 0.25)),
    "reweighted_softmax": product(tau=(0.2, 0.25), neg_weight=(1.1, 1.3)),
    "mse": product(neg_weight=(1, 5, 20, 100)),
    "bce": product(tau=(0.2, 0.3), neg_weight=(1, 10)),
    "bpr": product(tau=(0.1, 0.2, 0.3, 0.4)),
    "ccl": product(margin=(0.6, 0.8), neg_weight=(3, 10)),
    "psl_tanh": product(tau=(0.15, 0.2, 0.25, 0.3)),
    "psl_atan": product(tau=(0.15, 0.2, 0.25, 0.3)),
    "psl_relu": product(tau=(0.15, 0.2, 0.25, 0.3)),
    "slatk": product(tau=(0.2, 0.25), tau_weight=(1.0, 2.25)),
    "llpauc": product(beta=(0.1, 0.3, 0.5, 0.7)),
    "cvar": product(level=(0.01, 0.03, 0.1, 0.3)),
    "chi2": product(tau=(0.02, 0.05, 0.1, 0.2)),
    "advinfonce": product(tau=(0.2, 0.3), radius=(0.001, 0.01)),
    "renyi": product(radius=(1.0, 2.0), order=(1.5, 3.0)),
}
# On inner products, whose scores spread further: the same where a setting has no unit.
DOT: Settings = COSINE | {
    "softmax": product(tau=(0.2, 0.3, 0.5, 1.0)),
    "bilateral_softmax": product(tau_pos=(0.5, 2.0), tau_neg=(0.3, 0.5)),
    "reweighted_softmax": product(tau=(0.3, 0.5), neg_weight=(0.9, 1.1)),
    "bce": product(tau=(0.5, 1.0), neg_weight=(1, 5)),
    "bpr": product(tau=(0.3, 0.5, 1.0, 2.0)),
    "ccl": product(margin=(0.6, 0.9), neg_weight=(10, 100)),
    "psl_tanh": product(tau=(0.2, 0.3, 0.5, 1.0)),
    "psl_atan": product(tau=(0.2, 0.3, 0.5, 1.0)),
    "psl_relu": product(tau=(0.2, 0.3, 0.5, 1.0)),
    "slatk": product(tau=(0.3, 0.5), tau_weight=(1.0, 2.25)),
    "chi2": product(tau=(0.1, 0.2, 0.5, 1.0)),
    "advinfonce": product(tau=(0.3, 0.5), radius=(0.001, 0.01)),
}
SETTINGS = {"cosine": COSINE, "dot": DOT}
TAU_NAMES = ("tau", "tau_pos", "tau_neg")
# The term decides about the length of a vector, which cosines see as a learning rate only. Here it
# is on all rows.
L2 = {"cosine": (3e-4, 1e-3, 3e-3, 1e-2), "dot": (3e-6, 1e-5, 3e-5, 1e-4)}
# Losses in units of the score, or of its square, ask a fifth of a temperature's 1/tau of a vector,
# and of the term.
IN_SCORES = ("mse", "ccl", "llpauc", "cvar", "chi2", "renyi")
# The bilateral loss has several positives of a user in a row, so a user comes up that much less
# often. Before its first row the L2 term alone would move a user, at Adam's full rate, to where
# the first gradient is out of scale; so it is tuned with the term on the rows of the batch, and
# larger. All other losses are tuned with the term on all rows; the best run of every loss is made
# once more with the term in the other place.
SEVERAL = {"bilateral_softmax": 4}
ROW_L2 = {"cosine": (1e-3, 3e-3, 1e-2, 3e-2), "dot": (3e-5, 1e-4, 3e-4, 1e-3)}
# On MovieLens-1M, where users have many positives, every loss gets rows of several, and lower
# temperatures: validation has softmax loss best between 0.14 and 0.2 in the sweep ``fairness``.
ML_L2 = {"cosine": (1e-3, 1e-2), "dot": (1e-5, 1e-4)}
ML_TAU = 0.7  # relative to the settings above

# The other backbones, with the losses of the paper's comparison and a later one: the settings on
# cosines, each with two L2 terms.
BACKBONES: dict[str, dict[str, int]] = {
    "LightGCN": {"n_layers": 2},
    "LightGCN++": {},
    "NGCF": {},
    "XSimGCL": {},
    "SimGCL": {},
}
MAIN = ("softmax", "reweighted_softmax", "psl_relu", "bpr")
GRAPH_L2 = (1e-5, 1e-4)

TUNING = {
    "amazon-electronics": TrainConfig(
        epochs=10,
        batch_size=1024,
        n_negatives=1024,
        lr=1e-2,
        schedule="cosine",
        metric="recall@20",
        eval_every=10,
        patience=None,
    ),
    "ml-1m": replace(DENSE, metric="recall@20", eval_every=6),
}
LONG = 30  # epochs of the final runs

# Losses that had a second try, each because of how it had come out; tables mark them.
SECOND_TRY: dict[tuple[str, str], str] = {
    ("amazon-electronics", "bilateral_softmax"): "it came out last with the L2 term on all rows, "
    "and its whole grid was run again with the term on the rows of the batch",
    ("ml-1m", "softmax"): "it came out near the bottom with one run at full length, and every "
    "loss was given two",
}


def tuning(data: str, loss: str, backbone: str = "MF") -> list[Trial]:
    """The trials of a loss that validation chooses among: 32, on MovieLens-1M 16, on another
    backbone 8.
    """
    if backbone != "MF":
        return [
            _trial(data, loss, params, l2, backbone, BACKBONES[backbone])
            for params in COSINE[loss]
            for l2 in GRAPH_L2
        ]
    return _on_mf(data, loss, rows=loss in SEVERAL or _in_rows(data))


def _in_rows(data: str) -> bool:
    """Whether every loss has several positives of a user in a row."""
    return TUNING[data].positives > 1


def _on_mf(data: str, loss: str, *, rows: bool) -> list[Trial]:
    """The trials on matrix factorisation, with the L2 term on the rows of a batch or on all."""
    terms = ML_L2 if _in_rows(data) else ROW_L2 if rows else L2
    trials = []
    for score, settings in SETTINGS.items():
        model = {"user_dropout": 0.1} | ({"score": score} if score != "cosine" else {})
        for params in settings[loss]:
            if _in_rows(data):
                params = {
                    k: round(ML_TAU * v, 4) if k in TAU_NAMES else v for k, v in params.items()
                }
            for l2 in terms[score]:
                if score == "cosine" and loss in IN_SCORES:
                    l2 /= 5
                trials.append(_trial(data, loss, params, l2, "MF", model, rows=rows))
    return trials


def _trial(
    data: str,
    loss: str,
    params: dict[str, float],
    l2: float,
    backbone: str,
    model: dict[str, float | str],
    *,
    rows: bool = False,
) -> Trial:
    config = replace(TUNING[data], weight_decay=l2, optimizer="row-adam" if rows else "adam")
    if loss in SEVERAL and not _in_rows(data):
        several = SEVERAL[loss]
        config = replace(config, positives=several, batch_size=config.batch_size // several)
    if loss == "slatk":
        params = params | {"n_items": SOURCES[data].n_items}
    trial = Trial(data, loss, params, config, backbone, model)
    score = "inner product" if trial.score == "dot" else "cosine"
    return replace(trial, label=f"{trial.label} {score} L2={l2:g}{' on rows' if rows else ''}")


class Choice(NamedTuple):
    """The runs of a loss as far as records tell: in short, the best of these at full length, the
    best of those with one thing the other way, and the better one with three seeds. Validation
    chooses; a step waits for the one before.
    """

    short: list[Trial]
    long: list[Trial]
    other: list[Trial]
    final: list[Trial]


def choice(data: str, loss: str, records: Records, backbone: str = "MF") -> Choice:
    """The runs of a loss. At full length are the best three of the short ones; on MovieLens-1M the
    best on cosines and the best on inner products; and on another backbone than matrix
    factorisation the best one. The other way is the L2 term in the other place, or on another
    backbone to rank by inner products what was trained on cosines; MovieLens-1M has none.
    """
    short = tuning(data, loss, backbone)
    long, other, final = [], [], []
    with suppress(MissingRun):
        valid = [record["valid"] for record in recorded(short, records)]
        ranked = sorted(range(len(short)), key=lambda k: -valid[k])
        if backbone != "MF":
            ranked = ranked[:1]
        elif _in_rows(data):  # short runs favour inner products, which are sooner at their best
            ranked = list({short[k].score: k for k in reversed(ranked)}.values())
        else:
            ranked = ranked[:3]
        long = [_at_length(short[k]) for k in ranked]
        found = best(long, records)
        if backbone != "MF":
            model = found.model | {"rank_score": "dot"}
            other = [replace(found, model=model, label=f"{found.label} ranked by inner product")]
        elif not _in_rows(data):
            swapped = _on_mf(data, loss, rows=loss not in SEVERAL)
            other = [_at_length(swapped[ranked[long.index(found)]])]
        final = with_seeds(best([found, *other], records), range(3))
    return Choice(short, long, other, final)


def _at_length(trial: Trial) -> Trial:
    config = replace(trial.config, epochs=LONG, eval_every=5)
    return replace(trial, config=config, label=f"{trial.label} long")


def field(size: str, records: Records) -> Iterator[Trial]:
    """Every loss on matrix factorisation.

    ``small`` is Amazon-Electronics, ``full`` adds MovieLens-1M.
    """
    for data in tuple(TUNING)[: SIZES.index(size) + 1]:
        for loss in COSINE:
            for trials in choice(data, loss, records):
                yield from trials


def backbones(size: str, records: Records) -> Iterator[Trial]:
    """The main losses on the other backbones, on Amazon-Electronics at either size."""
    for backbone in BACKBONES:
        for loss in MAIN:
            for trials in choice("amazon-electronics", loss, records, backbone):
                yield from trials


# What the records say --------------------------------------------------------------------------


def level(data: str, loss: str, records: Records, *, metric: str = "ndcg@20") -> np.ndarray:
    """A metric on test of the final runs of a loss on matrix factorisation, by seed.

    Raises:
        MissingRun: a run is not recorded, here and below.
    """
    return measured(choice(data, loss, records).final, records, metric, "test")


def difference(
    first: list[Trial],
    second: list[Trial],
    records: Records,
    metric: str = "recall@20",
    *,
    relative: bool = False,
) -> Interval:
    """A metric of one loss less that of another on test, over seeds; ``relative`` in parts of it.

    Seed by seed where both ran on one kind of device. A GPU draws other batches from the same
    seed, so runs of different kinds are no pairs, and are compared as independent (Welch).

    Raises:
        MissingRun: a run is not recorded.
    """
    pairs = zip(recorded(first, records), recorded(second, records), strict=True)
    alike = all(
        device_kind(one["hardware"]) == device_kind(other["hardware"]) for one, other in pairs
    )
    a, b = (measured(trials, records, metric, "test") for trials in (first, second))
    if relative and alike:
        return t_interval(a / b - 1)
    if relative:
        return Interval(*(float(x) for x in np.expm1(welch_interval(np.log(a), np.log(b)))))
    return t_interval(a - b) if alike else welch_interval(a, b)


class InnerProducts(NamedTuple):
    """A loss on inner products, after the short runs, by validation.

    Attributes:
        by_term: L2 term -> the best with it, over the best of all on cosines.
        weakest_on_cosines: the weakest L2 term that cosines were offered.
    """

    by_term: dict[float, float]
    weakest_on_cosines: float

    @property
    def best(self) -> float:
        """With the best term."""
        return max(self.by_term.values())

    @property
    def with_strongest(self) -> float:
        """With the strongest term."""
        return self.by_term[max(self.by_term)]

    @property
    def times_weaker(self) -> float:
        """How many times the strongest term is below the weakest one of cosines."""
        return self.weakest_on_cosines / max(self.by_term)


def inner_products(data: str, loss: str, records: Records) -> InnerProducts:
    """What inner products reach on matrix factorisation with each L2 term, beside cosines."""
    best_with: dict[str, dict[float, float]] = {"cosine": {}, "dot": {}}
    trials = tuning(data, loss)
    for trial, value in zip(trials, measured(trials, records, "valid").tolist(), strict=True):
        terms, l2 = best_with[trial.score], trial.config.weight_decay
        terms[l2] = max(terms.get(l2, 0), value)
    cosine, dot = best_with["cosine"], best_with["dot"]
    top = max(cosine.values())
    return InnerProducts({l2: value / top for l2, value in dot.items()}, min(cosine))


def marked(data: str, loss: str, label: str) -> str:
    """How a table calls a loss: with a dagger if it had a second try on the data."""
    return f"{label} †" if (data, loss) in SECOND_TRY else label


def trials(data: str, loss: str) -> tuple[int, int]:
    """Trials that tune a loss on matrix factorisation, and those that were run and given up.

    The latter are in ``results/superseded.jsonl``, each with its reason.
    """
    gone = [
        record
        for record in superseded()
        if record["superseded"]["file"] == "field"
        and (record["data"], record["loss"]) == (data, loss)
        and record["backbone"] == "MF"
    ]
    return len(tuning(data, loss)), len(gone)
