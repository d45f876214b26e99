"""The trainer: one loop that reads from top to bottom."""

import dataclasses
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from tqdm import tqdm

from .data import Interactions
from .evaluate import METRICS, embeddings, evaluate
from .losses import BilateralSoftmaxLoss, PessimisticBilateralSoftmaxLoss
from .sampling import SAMPLERS, NoisyNegatives, batches, in_batch_mask, uniform_negatives
from .scoring import pair_scores, shared_scores


@dataclass(frozen=True)
class TrainConfig:
    """All settings of a training run; they are saved with its result.

    Args:
        epochs: passes over the training pairs, at most.
        batch_size: rows in a batch.
        positives: positives of one user in a row; the bilateral loss needs more than one.
        sampler: ``"shared"`` (one list of uniform negatives for the whole batch, a matrix
            product), ``"independent"`` (a list for every row, the literal algorithm of most
            papers) or ``"in-batch"`` (the other rows' positives).
        n_negatives: negatives in a list; in-batch sampling ignores it.
        negative_noise: relative weight with which a user's training positives are drawn as
            negatives, for ``"shared"``: 1 is uniform, 0 true negatives only, more is noise.
        lr: learning rate of Adam.
        weight_decay: L2 term of Adam on all embeddings.
        metric: chooses the epoch on the validation split, such as ``"ndcg@20"``.
        eval_every: epochs between two validations.
        patience: validations without improvement before training stops; ``None`` never stops.
        seed: seeds batches, negatives and dropout (the model has its own seed).
        device: ``"cpu"``, ``"cuda"``, ``"cuda:1"``, …
        progress: show a progress bar; ``None`` shows it on a terminal only.

    Raises:
        ValueError: a setting outside its domain; the message names it.

    Example:
        >>> TrainConfig(epochs=0)
        Traceback (most recent call last):
        ValueError: epochs must be at least 1, got 0
    """

    epochs: int = 30
    batch_size: int = 1024
    positives: int = 1
    sampler: str = "shared"
    n_negatives: int = 1024
    negative_noise: float = 1.0
    lr: float = 1e-3
    weight_decay: float = 0.0
    metric: str = "ndcg@20"
    eval_every: int = 1
    patience: int | None = 5
    seed: int = 0
    device: str = "cpu"
    progress: bool | None = None

    def __post_init__(self):
        for name in ("epochs", "batch_size", "positives", "n_negatives", "eval_every"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        if self.patience is not None and self.patience < 1:
            raise ValueError(f"patience must be at least 1 or None, got {self.patience}")
        if not 0 < self.lr < float("inf"):
            raise ValueError(f"lr must be positive and finite, got {self.lr}")
        if not 0 <= self.weight_decay < float("inf"):
            raise ValueError(f"weight_decay must be at least 0, got {self.weight_decay}")
        if not 0 <= self.negative_noise < float("inf"):
            raise ValueError(f"negative_noise must be at least 0, got {self.negative_noise}")
        if self.negative_noise != 1 and self.sampler != "shared":
            raise ValueError(f"negative_noise needs sampler='shared', got {self.sampler!r}")
        if self.sampler not in SAMPLERS:
            raise ValueError(f"sampler must be one of {', '.join(SAMPLERS)}, got {self.sampler!r}")
        name, _, k = self.metric.partition("@")
        if name not in METRICS or not k.isdigit() or int(k) < 1:
            raise ValueError(f"metric must be one of {METRICS} with '@K', got {self.metric!r}")
        if torch.device(self.device).type == "cuda" and not torch.cuda.is_available():
            raise ValueError(f"device {self.device!r} was asked for, but torch sees no CUDA device")


@dataclass
class Run:
    """What :func:`fit` gives back.

    Attributes:
        model: the model with the weights of the best epoch (the last one without validation).
        config: its settings.
        history: a dict per epoch: ``epoch``, ``loss``, ``seconds`` of training so far and,
            where validated, the metrics.
        best_epoch: the epoch whose weights were kept.
        stopped: ``"epochs"``, ``"patience"`` or ``"interrupted"``.
        data: name, hash and protocol of the data.
    """

    model: nn.Module
    config: TrainConfig
    data: dict[str, str]
    history: list[dict[str, float]] = field(default_factory=list, repr=False)
    best_epoch: int = 0
    stopped: str = "epochs"

    @property
    def best(self) -> dict[str, float]:
        """The history entry of the best epoch; empty if training was interrupted before one."""
        return self.history[self.best_epoch - 1] if self.best_epoch else {}

    def record(self) -> dict[str, Any]:
        """Everything but the weights, ready for JSON."""
        return {
            "data": self.data,
            "model": str(self.model),
            "config": dataclasses.asdict(self.config),
            "history": self.history,
            "best_epoch": self.best_epoch,
            "stopped": self.stopped,
        }


def batch_scores(
    model: nn.Module,
    user: Tensor,
    pos: Tensor,
    pos_mask: Tensor | None,
    config: TrainConfig,
    n_items: int,
    generator: torch.Generator,
    noise: NoisyNegatives | None = None,
) -> tuple[Tensor, Tensor, Tensor | None]:
    """Scores of a batch: positives ``(B, P)``, negatives ``(B, N)``, and the negatives' mask."""
    batch, n_pos = pos.shape
    if config.sampler == "shared":
        neg = uniform_negatives(n_items, (config.n_negatives,), generator=generator)
        users, items = model(user, torch.cat([pos.flatten(), neg]))
        pos_items, neg_items = items.split([batch * n_pos, config.n_negatives])
        pos_scores = pair_scores(users, pos_items.view(batch, n_pos, -1))
        neg_scores, neg_mask = shared_scores(users, neg_items), None
        if noise is not None and noise.ratio < 1:
            neg_mask = noise.kept(user, neg, generator)
        elif noise is not None:
            where, false = noise.replaced(user, config.n_negatives, generator)
            _, false_items = model(user[:0], false)
            false_users = F.embedding(where.nonzero()[:, 0], users)  # faster backward than [...]
            false_scores = (false_users * false_items).sum(1)
            neg_scores = neg_scores.masked_scatter(where, false_scores)
        return pos_scores, neg_scores, neg_mask
    if config.sampler == "independent":
        neg = uniform_negatives(n_items, (batch, config.n_negatives), generator=generator)
        scores = pair_scores(*model(user, torch.cat([pos, neg], 1)))  # (B, P + N)
        return scores[:, :n_pos], scores[:, n_pos:], None
    users, items = model(user, pos.flatten())
    neg_mask = in_batch_mask(pos)  # (B, B·P)
    if pos_mask is not None:
        neg_mask = neg_mask & pos_mask.flatten()
    pos_scores = pair_scores(users, items.view(batch, n_pos, -1))
    return pos_scores, shared_scores(users, items), neg_mask


def fit(
    model: nn.Module,
    data: Interactions,
    loss: nn.Module,
    config: TrainConfig,
    *,
    on_epoch: Callable[[int, nn.Module], None] | None = None,
) -> Run:
    """Train a model on the training pairs and keep the epoch that is best on validation.

    The test split is never looked at. Without validation pairs the last epoch is kept. An
    interrupt (Ctrl-C) ends training and keeps the best epoch so far.

    Args:
        model: ``model(users, items)`` and ``model.embed()``; trained in place.
        data: the interactions.
        loss: ``loss(pos, neg, pos_mask=…, neg_mask=…)`` to a scalar: any loss of
            :mod:`bslutils.losses`, or your own.
        config: the settings.
        on_epoch: called as ``on_epoch(epoch, model)`` after every epoch, to watch the model.

    Raises:
        ValueError: no training pair, or a model whose sizes are not those of the data.
        FloatingPointError: the loss became NaN or infinite; the message says at which step,
            and the model is left with the weights of the last good epoch.

    Example:
        >>> import bslutils as bsl
        >>> data = bsl.load("synthetic")
        >>> model = bsl.models.MatrixFactorization(data.n_users, data.n_items, dim=16)
        >>> run = fit(model, data, bsl.losses.SoftmaxLoss(tau=0.1), TrainConfig(epochs=1, lr=0.01))
        >>> run.best_epoch, run.stopped
        (1, 'epochs')

    Used from the chapter *A tour of losses* on.
    """
    embeddings(model, data)  # sizes that do not fit fail here, not in the middle of an epoch
    pools = isinstance(loss, BilateralSoftmaxLoss | PessimisticBilateralSoftmaxLoss)
    if pools and config.positives == 1:
        warnings.warn(
            "with one positive per row the bilateral loss is softmax loss at tau_neg, whatever "
            "tau_pos: set TrainConfig(positives=…) to pool several positives of a user",
            stacklevel=2,
        )
    device = torch.device(config.device)
    model.to(device)
    generator = torch.Generator(device).manual_seed(config.seed)
    optimizer = torch.optim.Adam(
        model.parameters(), lr=config.lr, weight_decay=config.weight_decay, fused=True
    )
    run = Run(
        model,
        config,
        {"name": data.name, "hash": data.hash, "protocol": data.protocol},
    )
    noise = None
    if config.negative_noise != 1:
        noise = NoisyNegatives(data.train, config.negative_noise, device)
    validate = data.valid.nnz > 0
    cutoff = int(config.metric.partition("@")[2])
    rows = int((-(-data.user_degree // config.positives)).sum())
    steps = -(-rows // config.batch_size)
    best_value, best_state = -float("inf"), _state(model)
    last_good = best_state
    seconds = 0.0
    progress = tqdm(
        total=config.epochs * steps,
        disable=None if config.progress is None else not config.progress,
        unit="step",
    )
    # Dropout draws from the global generator: seed it for this run, and give it back after.
    with progress, torch.random.fork_rng([device] if device.type == "cuda" else []):
        torch.manual_seed(config.seed)
        try:
            for epoch in range(1, config.epochs + 1):
                start, losses = time.perf_counter(), []
                epoch_batches = batches(
                    data.train,
                    config.batch_size,
                    positives=config.positives,
                    generator=generator,
                )
                model.train()
                for user, pos, pos_mask in epoch_batches:
                    pos_scores, neg_scores, neg_mask = batch_scores(
                        model, user, pos, pos_mask, config, data.n_items, generator, noise
                    )
                    value = loss(pos_scores, neg_scores, pos_mask=pos_mask, neg_mask=neg_mask)
                    optimizer.zero_grad(set_to_none=True)
                    value.backward()
                    optimizer.step()
                    losses.append(value.detach())
                    progress.update()
                values = torch.stack(losses).cpu()
                seconds += time.perf_counter() - start
                _check_finite(values, epoch, model, last_good)
                last_good = _state(model)

                entry = {"epoch": epoch, "loss": float(values.mean()), "seconds": seconds}
                run.history.append(entry)
                if on_epoch is not None:
                    on_epoch(epoch, model)
                if not validate:
                    run.best_epoch, best_state = epoch, last_good
                elif epoch % config.eval_every == 0 or epoch == config.epochs:
                    entry |= evaluate(model, data, split="valid", ks=(cutoff,))
                    if entry[config.metric] > best_value:
                        best_value, best_state = entry[config.metric], last_good
                        run.best_epoch = epoch
                    progress.set_postfix_str(
                        f"epoch {epoch}, loss {entry['loss']:.4f}, "
                        f"valid {config.metric} {entry[config.metric]:.4f}"
                    )
                    stale = (epoch - run.best_epoch) // config.eval_every
                    if config.patience is not None and stale >= config.patience:
                        run.stopped = "patience"
                        break
        except KeyboardInterrupt:
            run.stopped = "interrupted"
    model.load_state_dict(best_state)
    model.eval()
    return run


def _state(model: nn.Module) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in model.state_dict().items()}


def _check_finite(
    losses: Tensor, epoch: int, model: nn.Module, last_good: dict[str, Tensor]
) -> None:
    bad = (~losses.isfinite()).nonzero()
    if len(bad) == 0:
        return
    step = int(bad[0])
    model.load_state_dict(last_good)
    raise FloatingPointError(
        f"the loss became {losses[step].item()} at step {step + 1} of epoch {epoch}; "
        f"the model holds the weights of epoch {epoch - 1}"
    )
