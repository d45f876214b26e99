"""One run, declared: everything that decides its outcome."""

import hashlib
import inspect
import json
from dataclasses import dataclass, field, fields
from functools import cache, cached_property
from typing import Any

from torch import nn

from ..baselines import BASELINES
from ..config import TrainConfig
from ..data import SOURCES, Interactions, load
from ..losses import make_loss
from ..models import MODELS, make_model

# Enters the identity of every run. Raise it when a change of the code changes what equal settings
# compute: the records made before are then kept apart. tests/test_experiments.py pins a run.
CODE = 1

# SHA-256 of the data sets that experiments are defined on.
HASHES = {name: source.hash for name, source in SOURCES.items()}

NO_LOSS = "none"  # in place of the name of a loss, for what needs none
FREE = ("device", "replay", "progress")  # settings that do not change what is computed


@dataclass(frozen=True)
class Trial:
    """A run before it is run: data, model, loss and settings. Equal trials have equal ids.

    The seed of ``config`` also seeds the model and the false positives.

    Args:
        data: name of a data set in ``HASHES``.
        loss: name of a loss, as :func:`bslutils.losses.make_loss` knows it, or ``NO_LOSS``.
        params: its parameters; without a loss those of the backbone.
        config: settings of the training; without a loss its ``seed`` and its ``metric`` count.
        backbone: name of a model in :data:`bslutils.models.MODELS`, or, without a loss, of a
            recommender in :data:`bslutils.baselines.BASELINES`.
        model: arguments of the model beside its sizes and its seed.
        protocol: ``"honest"`` or ``"paper"`` (:meth:`bslutils.Interactions.paper_protocol`).
        false_positives: pairs added to train, as a fraction of each user's training pairs.
        label: how people call the run; not part of its identity.
        users: whether its record is to keep a metric of every user; nor is this.

    Raises:
        ValueError: an unknown data set, backbone, loss or protocol, or a bad fraction.

    Example:
        >>> from dataclasses import replace
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
    users: bool = field(default=False, compare=False)

    def __post_init__(self):
        for name, choices in (
            ("data", HASHES),
            ("backbone", MODELS if self.trains else BASELINES),
            ("protocol", ("honest", "paper")),
        ):
            if getattr(self, name) not in choices:
                raise ValueError(
                    f"{name} must be one of {', '.join(choices)}, got {getattr(self, name)!r}"
                )
        if not 0 <= self.false_positives < float("inf"):
            raise ValueError(f"false_positives must be at least 0, got {self.false_positives}")
        if self.trains:
            _check_loss(self.loss, tuple(self.params.items()))
        else:
            try:
                inspect.signature(BASELINES[self.backbone]).bind(None, **self.params)
            except TypeError as error:
                raise ValueError(f"{self.backbone}: {error}") from None
        if not self.label:
            params = " ".join(f"{name}={value:g}" for name, value in self.params.items())
            what = f"{self.backbone}/{self.loss}" if self.trains else self.backbone
            label = f"{self.data}/{self.protocol}/{what} {params}"
            if self.noise != "clean":
                label += f" {self.noise}"
            object.__setattr__(self, "label", label.strip())

    @property
    def trains(self) -> bool:
        """Whether a model is trained with a loss, and not a recommender fitted without one."""
        return self.loss != NO_LOSS

    @property
    def score(self) -> str:
        """What vectors are compared by in training, ``"cosine"`` (the default) or ``"dot"``."""
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
                whole(record["params"]),
                TrainConfig(**whole(record["config"])),
                record["backbone"],
                whole(record["model"]),
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
        """The noise that it is trained with, in short, ``"clean"`` or r and p as in labels."""
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
        if not self.trains:
            settings["config"] = {name: settings["config"][name] for name in ("metric", "seed")}
        # Runs that were recorded before there were these settings.
        usual_ones = {"n_lists": 1, "pool_users": False, "accumulate": 1, "log_q": False}
        for name, usual in usual_ones.items():
            if settings["config"].get(name) == usual:
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


FIELDS = {field.name for field in fields(Trial)} - {"label", "users"}


@cache
def _check_loss(name: str, params: tuple[tuple[str, float], ...]) -> None:
    """Raise unless there is such a loss; remembered, since a plan has the same again and again."""
    make_loss(name, **dict(params))


def whole(settings: dict[str, Any]) -> dict[str, Any]:
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
