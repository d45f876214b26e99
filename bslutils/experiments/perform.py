"""A run, made: training or fitting, one look at test, and the record."""

import datetime
import inspect
import math
import time
from dataclasses import replace
from typing import Any

import numpy as np

from ..baselines import BASELINES
from ..config import TrainConfig
from ..data import Interactions
from ..evaluate import evaluate
from ..exposure import exposure
from ..losses import make_loss
from ..provenance import provenance
from ..rank import table_of
from ..train import Run, fit
from .per_user import METRIC, pack
from .trial import Trial, whole


class Late(Exception):
    """A run was not through in time."""


def perform(
    trial: Trial,
    *,
    device: str = "cpu",
    progress: bool | None = None,
    within: float = math.inf,
) -> dict[str, Any]:
    """Train or fit, look at test once, and give the record; nothing is written.

    Validation masks what was added to train, as it would in practice. Test is ranked among all
    items that are not in the *clean* training pairs (``test``), and, where pairs were added,
    with these masked, too (``test masked``). ``exposure`` says who is in the lists of ``test``
    (:func:`bslutils.exposure.exposure`). Where the truth is known, ``truth`` says how far the
    ranking of the candidates of ``test`` agrees with it (:meth:`Truth.agreement`). A loss that
    became NaN or infinite is recorded as ``stopped``, with 0 as its validation. Of a trial that
    says so the record keeps NDCG@20 of every user of ``test``, too
    (:func:`bslutils.experiments.per_user.pack`).

    Raises:
        KeyboardInterrupt: training was interrupted; there is no record then.
        Late: training was not through ``within`` as many seconds; nor is there one then.

    Example:
        >>> config = TrainConfig(epochs=1, n_negatives=64, progress=False)
        >>> record = perform(Trial("synthetic", "softmax", {"tau": 0.2}, config))
        >>> record["label"], len(record["history"]), len(record["test"]["recall@20 by group"])
        ('synthetic/honest/MF/softmax tau=0.2', 1, 10)
    """
    end = time.monotonic() + within
    device = device if trial.trains else "cpu"
    source = provenance(device)  # of the code that is loaded, whatever happens to the files later
    config = replace(trial.config, device=device, progress=progress)
    noisy, clean = trial.load()
    start = time.perf_counter()
    trained = _trained(trial, noisy, config, end) if trial.trains else _fitted(trial, noisy)
    seconds = time.perf_counter() - start
    if trained.stopped == "interrupted":
        raise KeyboardInterrupt
    groups = clean.popularity_groups()

    def test(data: Interactions) -> dict[str, np.ndarray]:
        found = evaluate(trained.model, data, split="test", groups=groups, per_user=True)
        del found["user"]
        return found

    def means(found: dict[str, np.ndarray]) -> dict[str, Any]:
        return {name: values.mean(0).round(6).tolist() for name, values in found.items()}

    of_users = test(clean)

    record = {
        "id": trial.id,
        "label": trial.label,
        **trial.settings,
        "history": [_rounded(entry) for entry in trained.history],
        "best_epoch": trained.best_epoch,
        "stopped": trained.stopped,
        "valid": trained.best.get(config.metric, 0.0),
        "test": means(of_users),
    }
    if trial.users:
        record["users"] = {METRIC: pack(of_users[METRIC])}
    if noisy is not clean:
        record["test masked"] = means(test(noisy))
    record["exposure"] = _rounded(exposure(trained.model, clean))
    if clean.truth is not None:
        scores, _ = table_of(trained.model, clean)
        table = scores(np.arange(clean.n_users)).cpu().numpy()
        found = clean.truth.agreement(table, clean.seen("test").toarray() == 0)
        record["truth"] = _rounded(found)
    return record | {
        "train_seconds": round(trained.history[-1]["seconds"], 2) if trained.history else 0.0,
        "seconds": round(seconds, 2),
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        **source,
    }


def _trained(trial: Trial, data: Interactions, config: TrainConfig, end: float) -> Run:
    model, loss = trial.build(data), make_loss(trial.loss, **trial.params)

    def look_at_the_clock(*_) -> None:
        if time.monotonic() > end:
            raise Late(f"{trial.label} was not through in time")

    # After each epoch, and in each step but those that a GPU replays.
    loss.register_forward_pre_hook(look_at_the_clock)
    try:
        return fit(model, data, loss, config, on_epoch=look_at_the_clock)
    except FloatingPointError as error:  # a setting that diverges is a finding, too
        return Run(model, config, {}, stopped=f"diverged: {error}")


def _fitted(trial: Trial, data: Interactions) -> Run:
    """A recommender without a loss, as a run of one epoch."""
    method, options = BASELINES[trial.backbone], whole(trial.params)
    if "seed" in inspect.signature(method).parameters:
        options["seed"] = trial.config.seed
    start = time.perf_counter()
    model = method(data, **options)
    entry = {"epoch": 1, "seconds": time.perf_counter() - start}
    cutoff = int(trial.config.metric.partition("@")[2])
    entry |= evaluate(model, data, split="valid", ks=(cutoff,))
    return Run(model, trial.config, {}, [entry], best_epoch=1, stopped="fitted")


def _rounded(entry: dict[str, float]) -> dict[str, float]:
    digits = {"seconds": 2}
    return {name: round(value, digits.get(name, 6)) for name, value in entry.items()}
