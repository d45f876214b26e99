"""Recorded runs: what they are, how to make them, and how to read what was recorded.

A record is a line of JSON in ``results/runs.jsonl``. It is written when its run is over, in one
piece, so a program that is killed loses the run that it was in and nothing else; started again,
it goes on with what is missing.
"""

import json
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from .data import Interactions
from .datasets import load
from .evaluate import evaluate
from .losses import make_loss
from .models import LightGCN, MatrixFactorization
from .provenance import ROOT, provenance
from .train import TrainConfig, fit

# In a source checkout the records of the repository, else a file below the working directory.
RECORDS = (ROOT if (ROOT / "pyproject.toml").exists() else Path()) / "results" / "runs.jsonl"


@dataclass(frozen=True)
class Experiment:
    """A run that is worth recording.

    Args:
        data: name of the data set.
        protocol: ``"honest"`` or ``"paper"`` (:meth:`bslutils.Interactions.paper_protocol`).
        backbone: ``"MF"`` or ``"LightGCN"``.
        label: the loss as the figures call it, ``"SL"`` or ``"BSL"``.
        loss: its name and parameters.
        model: arguments of the model beside its sizes.
        config: settings of the training.
    """

    data: str
    protocol: str
    backbone: str
    label: str
    loss: tuple[str, dict[str, float]]
    config: TrainConfig
    model: dict[str, Any] = field(default_factory=dict)

    @property
    def id(self) -> str:
        """Such as ``yelp2018/paper/MF/SL``."""
        return "/".join((self.data, self.protocol, self.backbone, self.label))

    def load(self) -> Interactions:
        """The data under the protocol."""
        data = load(self.data)
        return data.paper_protocol() if self.protocol == "paper" else data

    def build(self, data: Interactions) -> torch.nn.Module:
        """The model before training."""
        if self.backbone == "MF":
            return MatrixFactorization(data.n_users, data.n_items, **self.model)
        return LightGCN(data.train, **self.model)


def run_experiment(
    experiment: Experiment, *, device: str = "cpu", progress: bool | None = None
) -> dict[str, Any]:
    """Train, look at test once, and give the record; nothing is written.

    Example:
        >>> config = TrainConfig(epochs=1, n_negatives=64)
        >>> small = Experiment("synthetic", "honest", "MF", "SL", ("softmax", {"tau": 0.2}), config)
        >>> record = run_experiment(small)
        >>> record["id"], sorted(record["test"])[-1], len(record["history"])
        ('synthetic/honest/MF/SL', 'recall@20', 1)
    """
    config = replace(experiment.config, device=device, progress=progress)
    data = experiment.load()
    name, params = experiment.loss
    source = provenance(device)  # of the code that is loaded, whatever happens to the files later
    start = time.perf_counter()
    run = fit(experiment.build(data), data, make_loss(name, **params), config)
    seconds = time.perf_counter() - start
    return {
        "id": experiment.id,
        "backbone": experiment.backbone,
        "label": experiment.label,
        **run.record(),
        "loss": {"name": name, **params},
        "test": evaluate(run.model, data, split="test"),
        "train_seconds": run.history[-1]["seconds"],
        "seconds": seconds,
        "made_by": f"python -m bslutils results --run {experiment.id}",
        **source,
    }


def read_records(path: Path = RECORDS) -> dict[str, dict[str, Any]]:
    """Records by id; of several with one id the last counts.

    Raises:
        ValueError: a line that is not a record; the message gives its number.
    """
    records = {}
    if path.exists():
        for number, line in enumerate(path.read_text().splitlines(), 1):
            try:
                record = json.loads(line)
                records[record["id"]] = record
            except (json.JSONDecodeError, KeyError, TypeError) as error:
                raise ValueError(f"line {number} of {path} is not a record: {error!r}") from error
    return records


def run_missing(
    ids: list[str] | None = None,
    *,
    path: Path = RECORDS,
    device: str = "cpu",
    again: bool = False,
    progress: bool | None = None,
) -> Iterator[dict[str, Any]]:
    """Run and record what is missing, one after the other; yields each record once it is kept.

    Args:
        ids: which experiments, as ids or beginnings of ids (``"yelp2018/paper"``); by default
            all of them.
        path: file of the records.
        device: where to train.
        again: run what is recorded already, too.
        progress: show a progress bar.

    Raises:
        ValueError: an id that no experiment begins with; nothing is run then.
    """
    chosen = select(ids)
    done = read_records(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    for experiment in chosen:
        if experiment.id in done and not again:
            continue
        record = run_experiment(experiment, device=device, progress=progress)
        if record["stopped"] == "interrupted":
            return
        with path.open("a") as file:  # one write, pushed to the disk before the next run
            file.write(json.dumps(record) + "\n")
            file.flush()
            os.fsync(file.fileno())
        yield record


def select(ids: list[str] | None = None) -> list[Experiment]:
    """The experiments whose id is, or begins with, one of ``ids``; all without ``ids``."""
    if not ids:
        return list(EXPERIMENTS.values())
    for wanted in ids:
        if not any(_matches(id, wanted) for id in EXPERIMENTS):
            raise ValueError(f"no experiment {wanted!r}; there are {', '.join(EXPERIMENTS)}")
    return [e for id, e in EXPERIMENTS.items() if any(_matches(id, wanted) for wanted in ids)]


def _matches(id: str, wanted: str) -> bool:
    return id == wanted or id.startswith(wanted.rstrip("/") + "/")


def _overall() -> Iterator[Experiment]:
    """SL and BSL on matrix factorisation and LightGCN, at the temperatures of the authors' logs.

    ``BSL`` is what their code computes: softmax loss with a weight on the negatives.
    """
    # data, protocol, backbone: tau, weight of BSL, then what differs from the settings below.
    table = {
        ("yelp2018", "paper", "MF"): (0.11, 1.10, {"epochs": 65}),
        ("gowalla", "paper", "MF"): (0.08, 1.22, {"epochs": 60, "weight_decay": 1e-3}),
        ("ml-1m", "paper", "MF"): (0.17, 1.06, {"epochs": 60, "weight_decay": 3e-4}),
        ("amazon-electronics", "honest", "MF"): (0.14, 1.32, {"epochs": 40, "weight_decay": 1e-3}),
        ("yelp2018", "paper", "LightGCN"): (0.15, 1.12, {"epochs": 60}),
        ("gowalla", "paper", "LightGCN"): (0.12, 0.84, {"epochs": 60, "batch_size": 2048}),
        ("ml-1m", "paper", "LightGCN"): (0.15, 1.10, {"epochs": 40}),
        ("amazon-electronics", "honest", "LightGCN"): (0.3, 0.8, {"epochs": 40}),
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
        for label, loss in losses.items():
            yield Experiment(data, protocol, backbone, label, loss, config, model)
            if (data, backbone) == ("yelp2018", "MF"):
                yield Experiment(data, "honest", backbone, label, loss, config, model)


EXPERIMENTS: dict[str, Experiment] = {e.id: e for e in _overall()}
