"""One update of a model: the optimiser, its rate, and a step down the gradient of a batch."""

import math
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from .config import TrainConfig
from .optim import RowAdam


def update(
    loss: nn.Module,
    optimizer: torch.optim.Optimizer,
    scores: tuple[Tensor, Tensor, Tensor | None],
    pos_mask: Tensor | None = None,
    extra: Tensor | None = None,
    share: float = 1.0,
    first: bool = True,
    last: bool = True,
) -> Tensor:
    """One step down the gradient of the loss of a batch, plus ``extra``; returns their sum.

    Of several batches that make one step, each has a ``share`` in the gradient; the ``first``
    forgets the one before, and the ``last`` takes the step.
    """
    pos, neg, neg_mask = scores
    value = loss(pos, neg, pos_mask=pos_mask, neg_mask=neg_mask)
    if extra is not None:
        value = value + extra
    if first:
        optimizer.zero_grad(set_to_none=True)
    (value if share == 1 else share * value).backward()
    if last:
        optimizer.step()
    return value.detach()


def part_of_update(n: int, rows: int, config: TrainConfig) -> tuple[float, bool, bool]:
    """What batch n of an epoch of ``rows`` is to its update: its share of the rows, and whether
    it is the first or the last one."""
    size, of = config.batch_size, config.accumulate
    begin, end = n - n % of, min((n - n % of + of) * size, rows)
    share = (min((n + 1) * size, rows) - n * size) / (end - begin * size)
    return share, n == begin, (n + 1) * size >= end


def make_optimizer(model: nn.Module, config: TrainConfig) -> torch.optim.Optimizer:
    settings = {"lr": config.lr, "weight_decay": config.weight_decay}
    if config.optimizer == "adam":
        if torch.device(config.device).type == "cuda":
            # A rate that lives on the device can change between replays of a recorded step.
            settings |= {"lr": torch.tensor(config.lr, device=config.device), "capturable": True}
        return torch.optim.Adam(model.parameters(), **settings, fused=True)
    if not hasattr(model, "rows"):
        raise ValueError(
            "optimizer='row-adam' needs a model that reads rows of tables, such as "
            f"MatrixFactorization; {type(model).__name__} has no method 'rows'"
        )
    return RowAdam(model.parameters(), **settings)


@contextmanager
def row_updates(model: nn.Module, optimizer: torch.optim.Optimizer) -> Iterator[None]:
    """With :class:`RowAdam`, sparse gradients, and rows that are brought up to date when read."""
    if not isinstance(optimizer, RowAdam):
        yield
        return

    def catch_up(model: nn.Module, ids: tuple[Tensor, ...]) -> None:
        for table, rows in model.rows(*ids):
            optimizer.catch_up(table, rows)

    hook = model.register_forward_pre_hook(catch_up)
    model.sparse = True
    try:
        yield
    finally:
        model.sparse = False
        hook.remove()


def set_lr(optimizer: torch.optim.Optimizer, config: TrainConfig, step: int, steps: int) -> None:
    """Set the learning rate of a step, counted from 0, for epochs of ``steps`` steps."""
    if config.schedule == "cosine":
        share = step / (config.epochs * steps)
        rate = config.lr * (1 + math.cos(math.pi * share)) / 2
        for group in optimizer.param_groups:
            if isinstance(group["lr"], Tensor):
                group["lr"].fill_(rate)
            else:
                group["lr"] = rate


def own_parameters(loss: nn.Module, model: nn.Module | None = None) -> list[nn.Parameter]:
    """What a loss learns: its parameters that want a gradient and are not those of the model."""
    if not isinstance(loss, nn.Module):
        return []
    others = set() if model is None else set(model.parameters())
    return [p for p in loss.parameters() if p.requires_grad and p not in others]
