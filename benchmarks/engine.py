"""The package's training step, ready to be timed: one batch after the other, without `fit`."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch

import bslutils as bsl
from bslutils.batch import batch_scores
from bslutils.train import make_optimizer, row_updates, update

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
    generator = torch.Generator().manual_seed(config.seed)
    optimizer = make_optimizer(model, config)
    model.train()

    def step() -> None:
        user = torch.randint(n_users, (config.batch_size,), generator=generator)
        pos = torch.randint(n_items, (config.batch_size, 1), generator=generator)
        scores = batch_scores(model, user, pos, None, config, n_items, generator, loss=loss)
        update(loss, optimizer, scores)

    with row_updates(model, optimizer):
        yield step
