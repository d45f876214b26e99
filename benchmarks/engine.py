"""The package's training step, ready to be timed: one batch after the other, without `fit`."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch

import bslutils as bsl
from bslutils.batch import batch_scores
from bslutils.replay import Replay, replayable
from bslutils.updates import make_optimizer, row_updates, update

BATCH, NEGATIVES, DIM, TAU = 1024, 800, 64, 0.11  # the authors' setting on Yelp2018


class EveryScore(bsl.losses.SoftmaxLoss):
    """Softmax loss that asks for every score of its negatives: the plain path."""


@contextmanager
def stepper(
    model: torch.nn.Module,
    config: bsl.TrainConfig,
    *,
    fused: bool = True,
    n_users: int,
    n_items: int,
) -> Iterator[Callable[[], None]]:
    """A function that makes one step on random pairs, as ``bslutils.fit`` would."""
    loss = (bsl.losses.SoftmaxLoss if fused else EveryScore)(tau=TAU)
    model.to(config.device)
    generator = torch.Generator(config.device).manual_seed(config.seed)
    optimizer = make_optimizer(model, config)
    model.train()

    def made(user: torch.Tensor, pos: torch.Tensor, pos_mask: None) -> torch.Tensor:
        scores = batch_scores(model, user, pos, pos_mask, config, n_items, generator, loss=loss)
        return update(loss, optimizer, scores)

    if replayable(config, model, loss):
        made = Replay(made, generator)

    def step() -> None:
        draw = {"generator": generator, "device": config.device}
        user = torch.randint(n_users, (config.batch_size,), **draw)
        pos = torch.randint(n_items, (config.batch_size, config.positives), **draw)
        made(user, pos, None)

    with row_updates(model, optimizer):
        yield step
