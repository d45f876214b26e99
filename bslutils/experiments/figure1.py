"""The sweep beside the first figure of the paper: losses on matrix factorisation, full size.

And what its records say: what a loss reaches after the long run, and after the short ones.
"""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from typing import Any

from ..config import TrainConfig
from ..published import FOLLOW_UPS, OFFICIAL_LOGS, PSL_BPR
from .ranking import Lead, lead
from .records import MissingRun, Records, recorded
from .runner import SIZES, best
from .testbeds import measured, product
from .trial import Trial

CONFIG = TrainConfig(
    epochs=4,
    batch_size=512,
    positives=4,
    n_negatives=1024,
    optimizer="row-adam",
    lr=5e-3,
    schedule="cosine",
    weight_decay=3e-3,
    metric="recall@20",
    eval_every=4,
    patience=None,
)
# The final runs are longer, and have one positive in a row: twice the steps, at a lower rate. In
# the short ones four positives share a row of negatives, which is cheap.
LONG = {"epochs": 16, "batch_size": 1024, "positives": 1}
LOWER = 0.4  # the rate of a final run, in parts of that of the short one
FEWER = {"bpr": 128}  # negatives in a list; BPR costs as many pairs as positives times negatives
INNER_DECAY = 1e-5  # the L2 term with inner products: what keeps cosines steady pulls those to zero


def _inner(**params: float) -> list[dict[str, float | str]]:
    """A setting on inner products, at two rates: two settings."""
    return [params | {"score": "dot", "lr": lr} for lr in (0.01, 0.02)]


# As many settings of every loss. ``score`` is the model's, ``lr`` the training's; all else is the
# loss's.
SETTINGS: dict[str, dict[str, list[dict[str, float | str]]]] = {
    "yelp2018": {
        "softmax": product(tau=(0.08, 0.11, 0.14, 0.2)) + _inner(tau=1.0),
        "bpr": product(tau=(0.1, 0.14, 0.2, 0.4)) + _inner(tau=1.0),
        "mse": product(neg_weight=(10, 25, 50, 200)) + _inner(neg_weight=25),
        "bce": product(tau=(0.1, 0.2), neg_weight=(1, 10)) + _inner(tau=1.0, neg_weight=10),
        "reweighted_softmax": product(tau=(0.11, 0.14), neg_weight=(1.1, 1.2))
        + _inner(tau=1.0, neg_weight=1.1),
    },
    # Cosines alone: a long run on inner products stopped rising after half of its epochs here.
    "gowalla": {
        "softmax": product(tau=(0.06, 0.08, 0.11, 0.14)),
        "reweighted_softmax": product(tau=(0.08, 0.11), neg_weight=(1.1, 1.2)),
    },
}
BASELINES = ("bpr", "mse", "bce")  # what softmax loss is set against
HONEST = ("softmax", "mse")  # losses that are run under the honest protocol, too


def tuning(data: str, loss: str) -> list[Trial]:
    """The short runs among which validation chooses the setting of a loss."""
    return [_trial(data, loss, setting) for setting in SETTINGS[data][loss]]


def final(data: str, loss: str, protocol: str, records: Records) -> Trial:
    """The long run with the setting that validation chose.

    Raises:
        MissingRun: a short run is not recorded.
    """
    found = best(tuning(data, loss), records)
    config = replace(found.config, **LONG, lr=LOWER * found.config.lr)
    return _named(replace(found, config=config, protocol=protocol, label=""))


def finals(data: str) -> list[tuple[str, str]]:
    """Which long runs there are: loss and protocol."""
    losses = SETTINGS[data]
    return [(x, "paper") for x in losses] + [(x, "honest") for x in HONEST if x in losses]


def published(size: str, records: Records) -> Iterator[Trial]:
    """Losses tuned on validation, then trained longer; ``small`` is Yelp2018, ``full`` Gowalla too.

    All are trained under the paper protocol, some under the honest one, too.
    """
    for data in ("yelp2018", "gowalla")[: SIZES.index(size) + 1]:
        for loss in SETTINGS[data]:
            yield from tuning(data, loss)
        for loss, protocol in finals(data):
            with suppress(MissingRun):
                yield final(data, loss, protocol, records)


def _trial(data: str, loss: str, setting: dict[str, float | str]) -> Trial:
    params, model = dict(setting), {"user_dropout": 0.1}
    config = replace(CONFIG, n_negatives=FEWER.get(loss, CONFIG.n_negatives))
    if "score" not in params:
        return Trial(data, loss, params, config, "MF", model)
    model = {"score": params.pop("score")}
    config = replace(config, lr=params.pop("lr"), weight_decay=INNER_DECAY)
    return _named(Trial(data, loss, params, config, "MF", model))


def _named(trial: Trial) -> Trial:
    """With what tells settings on inner products apart in its label."""
    if "score" not in trial.model:
        return trial
    return replace(trial, label=f"{trial.label} inner product lr={trial.config.lr:g}")


# What the records say --------------------------------------------------------------------------


def long_run(data: str, loss: str, protocol: str, records: Records) -> dict[str, Any]:
    """The record of the long run of a loss.

    Raises:
        MissingRun: a run is not recorded, here and below.
    """
    [record] = recorded([final(data, loss, protocol, records)], records)
    return record


def reached(data: str, loss: str, records: Records) -> float:
    """Test Recall@20 of the long run under the paper protocol."""
    return long_run(data, loss, "paper", records)["test"]["recall@20"]


def beside_softmax(data: str, loss: str, records: Records) -> float:
    """The same relative to softmax loss, in parts of it."""
    ours, base = (reached(data, name, records) for name in (loss, "softmax"))
    return ours / base - 1


def after_short(data: str, loss: str, records: Records, *scores: str) -> float:
    """The best validation Recall@20 of the short runs on some scores, ``"cosine"`` or ``"dot"``.

    Raises:
        ValueError: no run on these scores is planned.
    """
    trials = [trial for trial in tuning(data, loss) if trial.score in scores]
    if not trials:
        raise ValueError(f"{loss} has no run on {data} with one of the scores {scores}")
    return float(measured(trials, records, "valid").max())


def score_gain(data: str, loss: str, records: Records) -> float:
    """What inner products add after the short runs, in parts of the best on cosines."""
    dot, cosine = (after_short(data, loss, records, score) for score in ("dot", "cosine"))
    return dot / cosine - 1


def lead_after_short(data: str, records: Records, *scores: str) -> Lead:
    """The lead of softmax loss after the short runs, each loss on the best of these scores."""
    names = (*BASELINES, "softmax")
    return lead({name: after_short(data, name, records, *scores) for name in names})


# What others published --------------------------------------------------------------------------


def official_step(data: str) -> float:
    """What BSL adds to SL with matrix factorisation in the authors' logs, in Recall@20.

    Example:
        >>> round(official_step("gowalla"), 3)
        0.07
    """
    (sl, _), (bsl, _) = OFFICIAL_LOGS[data, "MF"]
    return bsl / sl - 1


def later_leads() -> dict[str, float]:
    """Data -> lead of SL over BPR with matrix factorisation in a later paper (PSL), in Recall@20.

    Example:
        >>> round(later_leads()["Gowalla"], 2)
        0.52
    """
    return {data: FOLLOW_UPS[data, "MF"][3][0] / bpr - 1 for data, bpr in PSL_BPR.items()}
