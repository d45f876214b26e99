"""The sweep beside the authors' own logs: SL and BSL at their temperatures."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from ..config import TrainConfig
from .records import Records, recorded
from .trial import Trial


def reference(size: str, records: Records) -> Iterator[Trial]:
    """SL and BSL on matrix factorisation and LightGCN, at the temperatures of the authors' logs.

    ``BSL`` is what their code computes: softmax loss with a weight on the negatives. Amazon
    Electronics is not a data set of theirs; its temperature is that of PSL's table, and its
    weight is 1.1. On the other data there are runs closer to theirs, called ``long``: for
    hundreds of epochs at their constant rate, and with as many negatives, which are shared in 64
    lists where they are drawn (by matrix factorisation, and on MovieLens-1M by LightGCN). Their
    L2 term l2 counts every negative of a pair: 801 l2 / n_items is what a step takes from an item.
    ``8 lists`` shares them in eight, at the plain schedule, on Yelp2018 for twice as many epochs;
    for softmax loss there is the same with ``one list``.
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
    lists = {"n_negatives": 800, "n_lists": 8, "weight_decay": 1e-3}
    long = {"n_negatives": 800, "schedule": "constant", "eval_every": 1}
    dense = long | {"n_lists": 64, "optimizer": "adam", "lr": 1e-4}
    further = {
        ("yelp2018", "paper", "MF"): {
            "8 lists": lists | {"epochs": 60},
            "long": dense | {"epochs": 180, "weight_decay": 2e-5},
        },
        ("yelp2018", "honest", "MF"): {"8 lists": lists | {"epochs": 60}},
        ("gowalla", "paper", "MF"): {
            "8 lists": lists,
            "long": dense | {"epochs": 220, "weight_decay": 0.0},
        },
        ("ml-1m", "paper", "MF"): {
            "long": dense | {"epochs": 280, "batch_size": 2048, "weight_decay": 2.6e-4},
        },
        ("yelp2018", "paper", "LightGCN"): {"long": long | {"epochs": 300}},
        ("gowalla", "paper", "LightGCN"): {"long": long | {"epochs": 200}},
        ("ml-1m", "paper", "LightGCN"): {
            "long": long | {"n_lists": 64, "epochs": 130, "weight_decay": 2.6e-6},
        },
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
            trial = Trial(data, loss, params, config, backbone, model, protocol, label=label)
            yield trial
            changed = further.get((data, protocol, backbone), {})
            if name == "SL" and protocol == "paper" and "8 lists" in changed:
                changed = changed | {"one list": changed["8 lists"] | {"n_lists": 1}}
            for how, changes in changed.items():
                yield replace(trial, config=replace(config, **changes), label=f"{label} {how}")


def named(label: str, records: Records) -> dict[str, Any]:
    """The record of the run with a label, such as ``"yelp2018/paper/MF/SL"``.

    Raises:
        ValueError: no run has this label, or several.
        MissingRun: the run is not recorded.
    """
    trials = [trial for trial in reference("small", records) if trial.label == label]
    if len(trials) != 1:
        raise ValueError(f"one run must be called {label!r}, got {len(trials)}")
    return recorded(trials, records)[0]
