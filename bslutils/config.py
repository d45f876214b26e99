"""The settings of a training run."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from .checks import choice, device_of, not_negative, positive, seed_of, shown, switch, whole
from .evaluate import METRICS
from .sampling import SAMPLERS


def _metric(name: str, value: str) -> str:
    """A metric and its cut-off, such as ``"ndcg@20"``."""
    metric, _, k = value.partition("@") if isinstance(value, str) else ("", "", "")
    # As `evaluate` spells it: `ndcg@020` would never be found among its results.
    if metric not in METRICS or not re.fullmatch("[1-9][0-9]{0,8}", k, re.ASCII):
        raise ValueError(f"{name} must be one of {METRICS} with '@K', got {shown(value)}")
    return str(value)


# What each setting has to be: ``check(name, value)`` gives it in Python's own type, or raises.
CHECKS: dict[str, Callable[[str, Any], Any]] = {
    "epochs": whole,
    "batch_size": whole,
    "accumulate": whole,
    "positives": whole,
    "pool_users": switch,
    "sampler": partial(choice, choices=SAMPLERS),
    "n_negatives": whole,
    "n_lists": whole,
    "replacement": switch,
    "negative_noise": not_negative,
    "log_q": switch,
    "optimizer": partial(choice, choices=("adam", "row-adam")),
    "lr": positive,
    "schedule": partial(choice, choices=("constant", "cosine")),
    "weight_decay": not_negative,
    "precision": partial(choice, choices=("float32", "bfloat16")),
    "metric": _metric,
    "eval_every": whole,
    "patience": partial(whole, or_none=True),
    "seed": seed_of,
    "device": device_of,
    "replay": switch,
    "progress": partial(switch, or_none=True),
}


@dataclass(frozen=True)
class TrainConfig:
    """All settings of a training run; they are saved with its result.

    Each is checked by type and range, and kept in Python's own type: a number of numpy will do.

    Args:
        epochs: passes over the training pairs, at most.
        batch_size: rows in a batch.
        accumulate: batches whose gradients make one update, as one batch of all their rows would:
            for memory. Each batch has its own negatives, and in-batch ones are of one batch.
        positives: positives of one user in a row; the bilateral loss needs more than one.
        pool_users: give every row all positives of its user that the batch has, instead of one, as
            the ``multi`` mode of the BSL code does; in a random batch there are few.
        sampler: ``"shared"`` (one list of uniform negatives for the whole batch, a matrix
            product), ``"independent"`` (a list for every row, the literal algorithm of most
            papers), ``"in-batch"`` (the other rows' positives) or ``"full"`` (all items).
        n_negatives: negatives in a list; in-batch and full sampling ignore it.
        n_lists: lists of a batch, for ``"shared"``: its rows share them in as many parts. The
            gradient is that much less noisy at the same arithmetic, and more rows are read.
        replacement: whether an item may be drawn twice into a shared list.
        negative_noise: relative weight with which a user's training positives are drawn as
            negatives, for ``"shared"``: 1 is uniform, 0 true negatives only, more is noise. For
            ``"in-batch"`` 0 masks every item of the batch that is a positive of the row's user.
        log_q: for ``"in-batch"``: correct the scores of negatives for their popularity, so that the
            loss estimates that over all items (:mod:`bslutils.in_batch`). The positive stays as it
            is, in ``SoftmaxLoss(pos_in_denominator=True)`` too.
        optimizer: ``"adam"`` updates every parameter in every step; ``"row-adam"`` does the same
            row by row when a row is read, at a cost that does not grow with the tables
            (:class:`bslutils.optim.RowAdam`). With ``weight_decay`` the two train differently.
        lr: learning rate.
        schedule: ``"constant"``, or ``"cosine"``: from ``lr`` to 0 over all ``epochs``.
        weight_decay: L2 term of Adam on all embeddings, of row-wise Adam on those of the batch.
        precision: of the product of users with a list of negatives, ``"float32"`` or
            ``"bfloat16"``; everything else is in the type of the model.
        metric: chooses the epoch on the validation split, such as ``"ndcg@20"``.
        eval_every: epochs between two validations.
        patience: validations without improvement before training stops; ``None`` never stops.
        seed: seeds batches, negatives and dropout; a model is seeded where it is made.
        device: ``"cpu"``, ``"cuda"``, ``"cuda:1"``, …
        replay: on a GPU, record a training step and repeat it at one launch, where that can be
            (:func:`bslutils.replay.replayable`); it changes no result beyond rounding.
        progress: show a progress bar; ``None`` shows it on a terminal only.

    Raises:
        ValueError: a setting of another type or outside its domain; the message names it.

    Example:
        >>> TrainConfig(epochs=0)
        Traceback (most recent call last):
        ValueError: epochs must be at least 1, got 0
    """

    epochs: int = 30
    batch_size: int = 1024
    accumulate: int = 1
    positives: int = 1
    pool_users: bool = False
    sampler: str = "shared"
    n_negatives: int = 1024
    n_lists: int = 1
    replacement: bool = True
    negative_noise: float = 1.0
    log_q: bool = False
    optimizer: str = "adam"
    lr: float = 1e-3
    schedule: str = "constant"
    weight_decay: float = 0.0
    precision: str = "float32"
    metric: str = "ndcg@20"
    eval_every: int = 1
    patience: int | None = 5
    seed: int = 0
    device: str = "cpu"
    replay: bool = True
    progress: bool | None = None

    def __post_init__(self):
        for name, check in CHECKS.items():
            object.__setattr__(self, name, check(name, getattr(self, name)))
        masks = self.sampler == "in-batch" and self.negative_noise == 0
        if self.negative_noise != 1 and self.sampler != "shared" and not masks:
            raise ValueError(
                "negative_noise needs sampler='shared' (or, to mask positives, 0 and 'in-batch'), "
                f"got {self.negative_noise:g} and {self.sampler!r}"
            )
        if self.log_q and (self.sampler != "in-batch" or self.positives > 1 or self.pool_users):
            raise ValueError(
                "log_q needs sampler='in-batch', positives=1 and pool_users=False, got "
                f"{self.sampler!r}, {self.positives} and {self.pool_users}"
            )
        if self.pool_users and self.positives != 1:
            raise ValueError(f"pool_users needs positives=1, got {self.positives}")
        if self.pool_users and self.sampler == "independent":
            raise ValueError("pool_users needs shared negatives, got sampler='independent'")
        if self.n_lists > 1 and (self.sampler != "shared" or self.negative_noise != 1):
            raise ValueError(
                "n_lists above 1 needs sampler='shared' and negative_noise=1, got "
                f"{self.sampler!r} and {self.negative_noise}"
            )
        if not self.replacement and self.sampler != "shared":
            raise ValueError(f"replacement=False needs sampler='shared', got {self.sampler!r}")
