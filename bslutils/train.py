"""The trainer: one loop that reads from top to bottom."""

import dataclasses
import hashlib
import os
import time
import warnings
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from tqdm import tqdm

from .batch import batch_scores
from .checkpoint import Checkpoint
from .checks import shown
from .config import TrainConfig
from .data import Interactions, check_data
from .evaluate import evaluate
from .first_batch import first_value, out_of_memory
from .in_batch import LogQ
from .losses import negative_temperature
from .optim import RowAdam, Together
from .rank import BLOCK, bound_on_scores, check_cutoff, embeddings
from .replay import Replay, replayable
from .sampling import NoisyNegatives, batches, same_user_mask
from .told import told_of_loss, told_of_model
from .updates import (
    make_optimizer,
    own_parameters,
    part_of_update,
    row_updates,
    set_lr,
    update,
)

CHECK_EVERY = 100  # steps between two looks at the losses: on a GPU a look waits for the step


@dataclass
class Run:
    """What :func:`fit` gives back.

    Attributes:
        model: the model with the weights of the best epoch (the last one without validation).
        config: its settings.
        history: a dict per epoch: ``epoch``, ``loss``, ``seconds`` of training so far, every
            number that the loss learns, as ``loss.tau``, and, where validated, the metrics.
        best_epoch: the epoch whose weights were kept.
        stopped: ``"epochs"``, ``"patience"`` or ``"interrupted"``.
        loss: the loss, with the parameters of the best epoch where it learned any.
        data: name, hash and protocol of the data.
    """

    model: nn.Module
    config: TrainConfig
    data: dict[str, str]
    history: list[dict[str, float]] = field(default_factory=list, repr=False)
    best_epoch: int = 0
    stopped: str = "epochs"
    loss: nn.Module | None = field(default=None, repr=False)

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


def fit(
    model: nn.Module,
    data: Interactions,
    loss: nn.Module,
    config: TrainConfig,
    *,
    on_epoch: Callable[[int, nn.Module], None] | None = None,
    checkpoint: str | os.PathLike | None = None,
) -> Run:
    """Train a model on the training pairs and keep the epoch that is best on validation.

    The test split is never looked at. A loss is looked at more closely at its first batch, before
    anything is updated (:func:`bslutils.first_batch.first_value`). Without validation pairs the
    last epoch is kept. An interrupt (Ctrl-C) ends training and keeps the best epoch so far.

    Args:
        model: ``model(users, items)`` and ``model.embed()``; trained in place. What
            ``model.auxiliary(users, items)`` gives, where there is one, is added to the loss of
            a batch, in training and in the history (:mod:`bslutils.models`).
        data: the interactions.
        loss: ``loss(pos, neg, pos_mask=…, neg_mask=…)`` to a scalar: any loss of
            :mod:`bslutils.losses`, or your own. One with a true ``on_vectors`` gets the vectors
            of the users ``(B, d)`` and of their positives ``(B, P, d)`` instead of scores.
            Parameters of its own, such as a temperature, are trained in place by dense Adam at
            the rate of the model and without L2, and kept at the best epoch like the weights.
        config: the settings.
        on_epoch: called as ``on_epoch(epoch, model)`` after every epoch, to watch the model.
        checkpoint: a folder in which training is kept after every epoch, whole or not at all.
            Stopped in whatever way and called again alike, ``fit`` goes on behind the last epoch
            that is kept there, and on a CPU ends with the same bits; a training that is through
            is given back at once. A model that is not of this package must be alike by itself.

    Raises:
        TypeError: a loss that cannot be called as above, or gives back no tensor.
        ValueError: a loss that fails at its first batch, changes its scores, gives no single
            number or no gradient to the scores; no training pair, a model whose sizes are
            not those of the data, a metric with more places than there are items, or row-wise
            updates of a model that has no rows to update; a checkpoint that is damaged, of another
            training, or in use.
        OSError: a checkpoint cannot be written, as on a full disk; the one before is still there.
        MemoryError: memory ran out; the message names the settings that ask for it, and the model
            is left with the weights of the last good epoch.
        FloatingPointError: the loss, a weight or a score became NaN or infinite; the message says
            where, and the model is left with the weights of the last good epoch.

    Example:
        >>> import bslutils as bsl
        >>> data = bsl.load("synthetic")
        >>> model = bsl.models.MatrixFactorization(data.n_users, data.n_items, dim=16)
        >>> run = fit(model, data, bsl.losses.SoftmaxLoss(tau=0.1), TrainConfig(epochs=1, lr=0.01))
        >>> run.best_epoch, run.stopped
        (1, 'epochs')

    Used from the chapter *A tour of losses* on.
    """
    _check_arguments(model, data, loss, config, on_epoch)
    embeddings(model, data)  # sizes that do not fit fail here, not in the middle of an epoch
    if getattr(loss, "bilateral", False) and config.positives == 1 and not config.pool_users:
        warnings.warn(
            "with one positive per row the bilateral loss is softmax loss at tau_neg, whatever "
            "tau_pos: set TrainConfig(positives=…) to pool several positives of a user",
            stacklevel=2,
        )
    auxiliary = getattr(model, "auxiliary", None)
    device = torch.device(config.device)
    learner = nn.ModuleList(part for part in (model, loss) if isinstance(part, nn.Module))
    learner.to(device)  # whatever is trained, kept and given back
    generator = torch.Generator(device).manual_seed(config.seed)
    tables = optimizer = make_optimizer(model, config)
    if own := own_parameters(loss, model):
        optimizer = Together(tables, torch.optim.Adam(own, lr=config.lr))
    told = {"name": data.name, "hash": data.hash, "protocol": data.protocol}
    told["numbering"] = model.numbering = data.numbering
    run = Run(model, config, told, loss=loss)
    kept = None
    if checkpoint is not None:
        kept = Checkpoint(checkpoint, _training(run), learner, optimizer, generator)
    noise = None
    if config.negative_noise != 1:
        noise = NoisyNegatives(data.train, config.negative_noise, device)

    log_q = LogQ(data.train, device) if config.log_q else None
    if config.log_q and negative_temperature(loss) is None:
        raise ValueError(
            "log_q needs a loss that takes a soft maximum of its negatives, and says so by "
            f"'negatives', such as SoftmaxLoss; got {loss}"
        )
    judge = partial(first_value, loss)  # of the first batch; from then on the loss itself

    def step(user: Tensor, pos: Tensor, pos_mask: Tensor | None, *part: float | bool) -> Tensor:
        nonlocal judge
        places = (model, user, pos, pos_mask, config, data.n_items, generator)
        scores = batch_scores(*places, noise=noise, log_q=log_q, loss=loss)
        if config.pool_users:
            pos_mask = same_user_mask(user)
        extra = auxiliary(user, pos) if auxiliary is not None else None
        value = update(judge, optimizer, scores, pos_mask, extra, *part)
        judge = loss
        return value

    if replayable(config, model, loss):
        step = Replay(step, generator)
    validate = data.valid.nnz > 0
    cutoff = int(config.metric.partition("@")[2])
    if validate:
        check_cutoff(cutoff, data, f"the cut-off of metric={config.metric!r}")
    rows = int((-(-data.user_degree // config.positives)).sum())
    steps = -(-rows // config.batch_size)  # of an epoch
    updates = -(-steps // config.accumulate)
    best_value, best_state = -float("inf"), _state(learner)
    last_good = best_state
    seconds = 0.0
    progress = tqdm(
        total=config.epochs * steps,
        disable=None if config.progress is None else not config.progress,
        unit="step",
    )
    begin = 1
    # Dropout and noise draw from the global generator: seed it for this run, then give it back.
    with (
        nullcontext() if kept is None else kept.held(),
        progress,
        row_updates(model, tables),
        torch.random.fork_rng([device] if device.type == "cuda" else []),
    ):
        torch.manual_seed(config.seed)
        if kept is not None and (found := kept.read()) is not None:
            before, best_state = found
            run.history, run.best_epoch = before["history"], before["best_epoch"]
            run.stopped = before["stopped"]
            best_value = run.best.get(config.metric, best_value)
            last_good, seconds = _state(learner), run.history[-1]["seconds"]
            begin = len(run.history) + 1 if run.stopped == "epochs" else config.epochs + 1
            progress.update((begin - 1) * steps)
        try:
            for epoch in range(begin, config.epochs + 1):
                start = time.perf_counter()
                epoch_batches = batches(
                    data.train,
                    config.batch_size,
                    positives=config.positives,
                    generator=generator,
                )
                model.train()
                for n, batch in enumerate(epoch_batches):
                    made = (epoch - 1) * updates + n // config.accumulate
                    set_lr(optimizer, config, made, updates)
                    part = part_of_update(n, rows, config) if config.accumulate > 1 else ()
                    value = step(*batch, *part)
                    if n == 0:  # a tensor for each step would break up memory, 100 kB a step
                        losses = value.new_empty(steps)
                    losses[n] = value
                    progress.update()
                    if (n + 1) % CHECK_EVERY == 0:
                        _check_finite(losses[: n + 1], n + 1 - CHECK_EVERY, epoch)
                _check_finite(losses, 0, epoch)
                if isinstance(tables, RowAdam):
                    tables.catch_up()
                mean = float(losses.mean())
                seconds += time.perf_counter() - start
                _check_weights(model, loss, data, epoch)
                last_good = _state(learner)

                entry = {"epoch": epoch, "loss": mean, "seconds": seconds} | _learned(loss)
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
                if kept is not None:
                    so_far = {
                        name: getattr(run, name) for name in ("history", "best_epoch", "stopped")
                    }
                    kept.write(epoch, so_far, None if best_state is last_good else best_state)
                if run.stopped == "patience":
                    break
        except KeyboardInterrupt:
            run.stopped = "interrupted"
        except (FloatingPointError, ValueError):  # as of a temperature that was learned below 0
            learner.load_state_dict(last_good)
            raise
        except (RuntimeError, MemoryError) as error:
            learner.load_state_dict(last_good)
            if not out_of_memory(error):
                raise
            raise MemoryError(
                f"memory ran out with batch_size={config.batch_size}, "
                f"n_negatives={config.n_negatives}, sampler={config.sampler!r}: lower the first "
                "two, or share the negatives; the model holds the weights of epoch "
                f"{len(run.history)}"
            ) from error
    learner.load_state_dict(best_state)
    model.eval()
    return run


def _check_arguments(model, data, loss, config, on_epoch) -> None:
    check_data(data)
    if not isinstance(model, nn.Module):
        raise ValueError(f"model must be a torch.nn.Module, got {shown(model)}")
    if not callable(loss):
        raise ValueError(f"loss must be a module or a function, got {shown(loss)}")
    if not isinstance(config, TrainConfig):
        raise ValueError(f"config must be a TrainConfig, got {shown(config)}")
    if on_epoch is not None and not callable(on_epoch):
        raise ValueError(f"on_epoch must be a function or None, got {shown(on_epoch)}")


def _training(run: Run) -> dict[str, Any]:
    """What decides the result of a training, to tell it from others."""
    config = dataclasses.asdict(run.config)
    del config["progress"]
    model = told_of_model(run.model)
    if model["name"] is not None:  # its weights come from its seed, and will be the same again
        digest = hashlib.sha256()
        for value in run.model.state_dict().values():
            digest.update(value.detach().cpu().contiguous().flatten().view(torch.uint8).numpy())
        model["first weights"] = digest.hexdigest()
    return {"data": run.data, "model": model, "loss": told_of_loss(run.loss), "config": config}


def _learned(loss: nn.Module) -> dict[str, float]:
    """The single numbers that a loss learns, as they are now."""
    named = loss.named_parameters() if isinstance(loss, nn.Module) else ()
    return {f"loss.{name}": p.item() for name, p in named if p.requires_grad and p.numel() == 1}


def _state(model: nn.Module) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in model.state_dict().items()}


def _check_finite(losses: Tensor, begin: int, epoch: int) -> None:
    """Raise if a loss of an epoch's steps is not finite, from the step at ``begin`` on."""
    values = losses[begin:].cpu()
    bad = (~values.isfinite()).nonzero()
    if len(bad):
        step = int(bad[0])
        raise FloatingPointError(
            f"the loss became {values[step].item()} at step {begin + step + 1} of epoch {epoch}; "
            f"the model holds the weights of epoch {epoch - 1}"
        )


@torch.no_grad()
def _check_weights(model: nn.Module, loss: nn.Module, data: Interactions, epoch: int) -> None:
    """Raise if the last update of an epoch, which no loss has seen, left what gives no scores."""
    said = f"in the last update of epoch {epoch}; the model holds the weights of epoch {epoch - 1}"
    modules = (model, loss) if isinstance(loss, nn.Module) else (model,)
    for name, value in (named for module in modules for named in module.named_parameters()):
        # Squares, since a length that overflows would make a cosine 0; in blocks, without a copy.
        for block in torch.atleast_1d(value).split(BLOCK):
            if not block.square().sum(-1).isfinite().all():
                raise FloatingPointError(f"{name} became NaN or too large {said}")
    if (
        not bound_on_scores(*embeddings(model, data))
        <= torch.finfo(next(model.parameters()).dtype).max
    ):
        raise FloatingPointError(f"scores became NaN or infinite {said}")
