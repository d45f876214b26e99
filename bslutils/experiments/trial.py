"""One run, declared: everything that decides its outcome, and what is recorded of it."""

import datetime
import hashlib
import json
import math
import time
from dataclasses import dataclass, field, fields, replace
from functools import cache, cached_property
from typing import Any

import numpy as np
from torch import nn

from ..config import TrainConfig
from ..data import SOURCES, Interactions, load
from ..evaluate import embeddings, evaluate
from ..exposure import exposure
from ..losses import make_loss
from ..models import MODELS, make_model
from ..provenance import provenance
from ..train import Run, fit
from .per_user import METRIC, pack

# Enters the identity of every run. Raise it when a change of the code changes what equal settings
# compute: the records made before are then kept apart. tests/test_experiments.py pins a run.
CODE = 1

# SHA-256 of the data sets that experiments are defined on.
HASHES = {name: source.hash for name, source in SOURCES.items()}

FREE = ("device", "replay", "progress")  # settings that do not change what is computed


@dataclass(frozen=True)
class Trial:
    """A run before it is run: data, model, loss and settings. Equal trials have equal ids.

    The seed of ``config`` also seeds the model and the false positives.

    Args:
        data: name of a data set in ``HASHES``.
        loss: name of a loss, as :func:`bslutils.losses.make_loss` knows it.
        params: its parameters.
        config: settings of the training.
        backbone: name of a model in :data:`bslutils.models.MODELS`.
        model: arguments of the model beside its sizes and its seed.
        protocol: ``"honest"`` or ``"paper"`` (:meth:`bslutils.Interactions.paper_protocol`).
        false_positives: pairs added to train, as a fraction of each user's training pairs.
        label: how people call the run; not part of its identity.

    Raises:
        ValueError: an unknown data set, backbone, loss or protocol, or a bad fraction.

    Example:
        >>> trial = Trial("synthetic", "softmax", {"tau": 0.2}, TrainConfig(epochs=1))
        >>> trial.label, trial.id == replace(trial, label="mine").id
        ('synthetic/honest/MF/softmax tau=0.2', True)
    """

    data: str
    loss: str
    params: dict[str, float]
    config: TrainConfig
    backbone: str = "MF"
    model: dict[str, Any] = field(default_factory=dict)
    protocol: str = "honest"
    false_positives: float = 0.0
    label: str = field(default="", compare=False)

    def __post_init__(self):
        for name, choices in (
            ("data", HASHES),
            ("backbone", MODELS),
            ("protocol", ("honest", "paper")),
        ):
            if getattr(self, name) not in choices:
                raise ValueError(
                    f"{name} must be one of {', '.join(choices)}, got {getattr(self, name)!r}"
                )
        if not 0 <= self.false_positives < float("inf"):
            raise ValueError(f"false_positives must be at least 0, got {self.false_positives}")
        _check_loss(self.loss, tuple(self.params.items()))
        if not self.label:
            params = " ".join(f"{name}={value:g}" for name, value in self.params.items())
            label = f"{self.data}/{self.protocol}/{self.backbone}/{self.loss} {params}"
            if self.noise != "clean":
                label += f" {self.noise}"
            object.__setattr__(self, "label", label.strip())

    @property
    def score(self) -> str:
        """What vectors are compared by in training: ``"cosine"``, the default, or ``"dot"``."""
        return self.model.get("score", "cosine")

    @classmethod
    def of(cls, record: dict[str, Any]) -> "Trial":
        """The trial that a record is of.

        Raises:
            ValueError: a record of other code or other data, or not a record.

        Example:
            >>> trial = Trial("synthetic", "softmax", {"tau": 0.2}, TrainConfig(epochs=3))
            >>> Trial.of({"id": trial.id, "label": "mine", **trial.settings}) == trial
            True
        """
        try:
            trial = cls(
                record["data"],
                record["loss"],
                _whole(record["params"]),
                TrainConfig(**_whole(record["config"])),
                record["backbone"],
                _whole(record["model"]),
                record["protocol"],
                record["false_positives"],
                record["label"],
            )
        except (KeyError, TypeError) as error:
            raise ValueError(f"not a record: {error!r}") from None
        if trial.id != record["id"]:
            raise ValueError(f"{record['id']} is a record of other code or other data")
        return trial

    @property
    def noise(self) -> str:
        """The noise that it is trained with, in short: ``"clean"``, or r and p as in labels."""
        parts = []
        if self.config.negative_noise != 1:
            parts.append(f"r={self.config.negative_noise:g}")
        if self.false_positives:
            parts.append(f"p={self.false_positives:g}")
        return " ".join(parts) or "clean"

    @property
    def settings(self) -> dict[str, Any]:
        """All that decides the outcome, ready for JSON."""
        # By hand: ``asdict`` copies deeply, and a plan asks for the ids of thousands of trials.
        settings = {name: value for name, value in vars(self).items() if name in FIELDS}
        settings["config"] = {n: x for n, x in vars(self.config).items() if n not in FREE}
        # Runs that were recorded before there were these settings.
        for name, usual in (("n_lists", 1), ("pool_users", False)):
            if settings["config"][name] == usual:
                del settings["config"][name]
        for part in ("params", "config", "model"):  # 1 and 1.0 are one setting
            settings[part] = {name: _number(value) for name, value in settings[part].items()}
        return {"code": CODE, "data_hash": HASHES[self.data], **settings}

    @cached_property
    def id(self) -> str:
        """Hash of the settings, 16 hexadecimal digits."""
        return identity(self.settings)

    def load(self) -> tuple[Interactions, Interactions]:
        """The data to train on, and the clean data to test on.

        Raises:
            ValueError: data that is not what the experiments are defined on.
        """
        clean = load(self.data)
        if clean.hash != HASHES[self.data]:
            raise ValueError(
                f"{self.data} has hash {clean.hash}, the experiments are defined on "
                f"{HASHES[self.data]}"
            )
        if self.protocol == "paper":
            clean = clean.paper_protocol()
        if not self.false_positives:
            return clean, clean
        return clean.with_false_positives(self.false_positives, self.config.seed), clean

    def build(self, data: Interactions) -> nn.Module:
        """The model before training."""
        return make_model(self.backbone, data, seed=self.config.seed, **self.model)


FIELDS = {field.name for field in fields(Trial)} - {"label"}


@cache
def _check_loss(name: str, params: tuple[tuple[str, float], ...]) -> None:
    """Raise unless there is such a loss; remembered, since a plan has the same again and again."""
    make_loss(name, **dict(params))


def _whole(settings: dict[str, Any]) -> dict[str, Any]:
    """Numbers as they are written in code: a record has floats alone."""
    return {
        name: int(value) if isinstance(value, float) and value.is_integer() else value
        for name, value in settings.items()
    }


def _number(value: Any) -> Any:
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value


def identity(settings: dict[str, Any]) -> str:
    """The id that belongs to ``settings``."""
    text = json.dumps(settings, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


class Late(Exception):
    """A run was not through in time."""


def perform(
    trial: Trial,
    *,
    device: str = "cpu",
    progress: bool | None = None,
    per_user: bool = False,
    until: float = math.inf,
) -> dict[str, Any]:
    """Train, look at test once, and give the record; nothing is written.

    Validation masks what was added to train, as it would in practice. Test is ranked among all
    items that are not in the *clean* training pairs (``test``), and, where pairs were added,
    with these masked, too (``test masked``). ``exposure`` says who is in the lists of ``test``
    (:func:`bslutils.exposure.exposure`). Where the truth is known, ``truth`` says how far the
    ranking of the candidates of ``test`` agrees with it (:meth:`Truth.agreement`). A loss that
    became NaN or infinite is recorded as ``stopped``, with 0 as its validation. With ``per_user``
    the record keeps NDCG@20 of every user of ``test``, too
    (:func:`bslutils.experiments.per_user.pack`).

    Raises:
        KeyboardInterrupt: training was interrupted; there is no record then.
        Late: training was not through at the time ``until``; nor is there one then.

    Example:
        >>> config = TrainConfig(epochs=1, n_negatives=64, progress=False)
        >>> record = perform(Trial("synthetic", "softmax", {"tau": 0.2}, config))
        >>> record["label"], len(record["history"]), len(record["test"]["recall@20 by group"])
        ('synthetic/honest/MF/softmax tau=0.2', 1, 10)
    """
    source = provenance(device)  # of the code that is loaded, whatever happens to the files later
    config = replace(trial.config, device=device, progress=progress)
    noisy, clean = trial.load()
    start = time.perf_counter()
    model, loss = trial.build(noisy), make_loss(trial.loss, **trial.params)

    def look_at_the_clock(*_) -> None:
        if time.time() > until:
            raise Late(f"{trial.label} was not through in time")

    # After each epoch, and in each step but those that a GPU replays.
    loss.register_forward_pre_hook(look_at_the_clock)
    try:
        trained = fit(model, noisy, loss, config, on_epoch=look_at_the_clock)
    except FloatingPointError as error:  # a setting that diverges is a finding, too
        trained = Run(model, config, {}, stopped=f"diverged: {error}")
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
    if per_user:
        record["users"] = {METRIC: pack(of_users[METRIC])}
    if noisy is not clean:
        record["test masked"] = means(test(noisy))
    record["exposure"] = _rounded(exposure(trained.model, clean))
    if clean.truth is not None:
        users, items = embeddings(trained.model, clean)
        found = clean.truth.agreement(
            (users @ items.T).cpu().numpy(), clean.seen("test").toarray() == 0
        )
        record["truth"] = _rounded(found)
    return record | {
        "train_seconds": round(trained.history[-1]["seconds"], 2) if trained.history else 0.0,
        "seconds": round(seconds, 2),
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        **source,
    }


def _rounded(entry: dict[str, float]) -> dict[str, float]:
    digits = {"seconds": 2}
    return {name: round(value, digits.get(name, 6)) for name, value in entry.items()}
