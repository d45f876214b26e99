"""The sweeps of the book."""

from collections.abc import Iterator
from dataclasses import replace

from ..config import TrainConfig
from . import ablations, comparison, noise
from .bench import N_ITEMS
from .published import published
from .records import Records
from .sweeps import SIZES, Sweep, best, with_seeds
from .trial import Trial


def reference(size: str, records: Records) -> Iterator[Trial]:
    """SL and BSL on matrix factorisation and LightGCN, at the temperatures of the authors' logs.

    ``BSL`` is what their code computes: softmax loss with a weight on the negatives. Amazon
    Electronics is not a data set of theirs; its temperature is that of PSL's table, and its
    weight is 1.1.
    """
    # data, protocol, backbone: tau, weight of BSL, then what differs from the settings below.
    table = {
        ("yelp2018", "paper", "MF"): (0.11, 1.10, {"epochs": 30, "n_negatives": 2048}),
        ("yelp2018", "honest", "MF"): (0.11, 1.10, {"epochs": 30, "n_negatives": 2048}),
        ("gowalla", "paper", "MF"): (0.08, 1.22, {"epochs": 30, "n_negatives": 2048}),
        ("ml-1m", "paper", "MF"): (0.17, 1.06, {"epochs": 60, "weight_decay": 3e-4}),
        ("amazon-electronics", "honest", "MF"): (
            0.25,
            1.1,
            {"epochs": 30, "lr": 3e-3, "weight_decay": 2e-3},
        ),
        ("yelp2018", "paper", "LightGCN"): (0.15, 1.12, {"epochs": 60}),
        ("gowalla", "paper", "LightGCN"): (0.12, 0.84, {"epochs": 60, "batch_size": 2048}),
        ("ml-1m", "paper", "LightGCN"): (0.15, 1.10, {"epochs": 40}),
        ("amazon-electronics", "honest", "LightGCN"): (0.2, 1.1, {"epochs": 40}),
    }
    for (data, protocol, backbone), (tau, weight, settings) in table.items():
        base = TrainConfig(
            batch_size=1024,
            n_negatives=1024,
            lr=1e-3,
            schedule="cosine",
            weight_decay=3e-3 if backbone == "MF" else 0.0,
            optimizer="row-adam" if backbone == "MF" else "adam",
            metric="recall@20",
            patience=None,
            eval_every=5,
        )
        config = replace(base, **settings)
        if backbone == "MF":
            model = {"user_dropout": 0.0 if data == "ml-1m" else 0.1}
        else:
            layers = {"yelp2018": 3, "amazon-electronics": 3}.get(data, 1)
            model = {"n_layers": layers, "rank_score": "cosine" if data == "ml-1m" else "dot"}
            if data != "ml-1m":
                config = replace(config, sampler="in-batch")
        losses = {
            "SL": ("softmax", {"tau": tau}),
            "BSL": ("reweighted_softmax", {"tau": tau, "neg_weight": weight}),
        }
        for name, (loss, params) in losses.items():
            label = f"{data}/{protocol}/{backbone}/{name}"
            yield Trial(data, loss, params, config, backbone, model, protocol, label=label)


# What is tuned of each loss: four settings, each with four L2 terms, sixteen trials for every loss.
FIELD: dict[str, list[dict[str, float | str]]] = {
    "mse": [{"neg_weight": w} for w in (1, 5, 20, 100)],
    "bce": [{"tau": t, "neg_weight": w} for t in (0.1, 0.2) for w in (1, 10)],
    "bpr": [*({"tau": t} for t in (0.2, 0.4, 1.0)), {"tau": 1.0, "score": "dot"}],
    "ccl": [{"margin": m, "neg_weight": w} for m in (0.3, 0.6) for w in (10, 100)],
    "softmax": [{"tau": t} for t in (0.15, 0.2, 0.25, 0.3)],
    "reweighted_softmax": [{"tau": t, "neg_weight": w} for t in (0.15, 0.2) for w in (0.9, 1.1)],
    "bilateral_softmax": [{"tau_pos": p, "tau_neg": n} for p in (0.3, 1.0) for n in (0.15, 0.2)],
    "psl_relu": [{"tau": t} for t in (0.15, 0.2, 0.25, 0.3)],
    "advinfonce": [{"tau": t, "radius": r} for t in (0.2, 0.3) for r in (0.001, 0.01)],
    "llpauc": [{"beta": b} for b in (0.03, 0.1, 0.3, 1.0)],
    "slatk": [{"tau": t, "tau_weight": w} for t in (0.15, 0.2) for w in (1.0, 2.25)],
    "cvar": [{"level": a} for a in (0.01, 0.03, 0.1, 0.3)],
    "renyi": [{"radius": r, "order": a} for r in (1.0, 2.0) for a in (1.5, 3.0)],
    "chi2": [{"tau": t} for t in (0.02, 0.05, 0.1, 0.2)],
    "psl_tanh": [{"tau": t} for t in (0.15, 0.2, 0.25, 0.3)],
    "psl_atan": [{"tau": t} for t in (0.15, 0.2, 0.25, 0.3)],
}


def field(size: str, records: Records) -> Iterator[Trial]:
    """Every loss on matrix factorisation: tuned on validation with ten epochs, then in full.

    ``small`` is Amazon-Electronics, ``full`` adds MovieLens-1M.
    """
    config = TrainConfig(
        epochs=10,
        batch_size=1024,
        n_negatives=1024,
        optimizer="row-adam",
        lr=3e-3,
        schedule="cosine",
        metric="recall@20",
        eval_every=10,
        patience=None,
    )
    for data in ("amazon-electronics", "ml-1m")[: SIZES.index(size) + 1]:
        for loss, settings in FIELD.items():
            # The bilateral loss needs several positives of a user in a row.
            several = 4 if loss == "bilateral_softmax" else 1
            base = replace(config, positives=several, batch_size=1024 // several)
            tune = [
                _trial(data, loss, setting, replace(base, weight_decay=decay))
                for setting in settings
                for decay in (1e-5, 2e-4, 2e-3, 1e-2)
            ]
            yield from tune
            chosen = best(tune, records)
            if chosen is not None:
                final = replace(chosen.config, epochs=30, eval_every=5)
                yield from with_seeds(replace(chosen, config=final), range(3))


def _trial(data: str, loss: str, setting: dict[str, float | str], config: TrainConfig) -> Trial:
    params, model = dict(setting), {"user_dropout": 0.1}
    if "score" in params:
        model["score"] = params.pop("score")
    if loss == "slatk":
        params["n_items"] = N_ITEMS[data]
    return Trial(data, loss, params, config, "MF", model)


SWEEPS: dict[str, Sweep] = {
    "reference": Sweep("reference", "SL and BSL beside the authors' own logs", reference),
    "field": Sweep("field", "every loss on Amazon-Electronics", field),
    "negative_noise": Sweep(
        "negative_noise", "losses while negatives get noisier", noise.NEGATIVE.plan
    ),
    "positive_noise": Sweep(
        "positive_noise", "losses while positives get noisier", noise.POSITIVE.plan
    ),
    "temperature": Sweep("temperature", "the best tau over either noise", noise.temperature),
    "bilateral": Sweep(
        "bilateral", "optimism, pessimism and idle pooling on noisy positives", noise.bilateral
    ),
    "overall": Sweep("overall", "every loss at its best setting", comparison.overall),
    "score": Sweep("score", "cosines or inner products", comparison.score),
    "fairness": Sweep("fairness", "accuracy against fairness over settings", comparison.fairness),
    "published": Sweep("published", "the losses of the paper's first figure", published),
    "negatives": Sweep(
        "negatives", "number of negatives and how they are drawn", ablations.negatives
    ),
    "dimension": Sweep("dimension", "losses over the length of a vector", ablations.dimension),
}


def sweep(name: str) -> Sweep:
    """The sweep called ``name``.

    Raises:
        ValueError: an unknown name; the message lists the choices.
    """
    if name not in SWEEPS:
        raise ValueError(f"unknown sweep {name!r}; choose one of {', '.join(SWEEPS)}")
    return SWEEPS[name]
