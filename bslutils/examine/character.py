"""What a loss does with scores, in numbers."""

import time
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from .. import dro
from ..losses import SoftmaxLoss
from .called import Called
from .rows import TAU, Rows

STEP = 1e-2  # standard deviation of scores that hardly differ
ROWS, WIDTH, TURNS = 256, 1024, 7  # of the batch whose time is taken, and how often


@dataclass(frozen=True)
class Character:
    """A loss in numbers; the gradient by a negative is its *push*, that by a positive its *pull*.

    Attributes:
        nats: KL divergence of the push from equal shares, median over people.
        tau: at which softmax loss spends as many nats on the same scores; NaN where it spends none.
        balance: all push over all pull; 1 for a loss that is blind to a shift of all scores.
        upward: share of the negatives that are moved up.
        coefficient: implicit coefficient of the variance of negatives that hardly differ, in terms
            of the push; 1/(2τ) for softmax loss.
        price: what real negatives cost more than negatives at their mean, over their variance and
            the push.
        false_negative: push on a positive that stands among the negatives, over an equal share.
        false_positive: pull on a positive that scores like a negative, over the mean pull.
        reach: how far above the mean the pushed negatives score, in parts of how far those do that
            are drawn in proportion to popularity.
        turn: cosine between the gradients at all scores and at half of them; 1 for a loss without
            a scale.
    """

    nats: float
    tau: float
    balance: float
    upward: float
    coefficient: float
    price: float
    false_negative: float
    false_positive: float
    reach: float
    turn: float


def character(loss: Called, rows: Rows) -> Character:
    """The numbers of a loss.

    Raises:
        Unusable: it fails on the way.
    """
    pos, neg = rows.pos, rows.neg
    up, down = loss.gradients(pos, neg).or_zero(pos, neg)
    nats, taus = zip(*(_nats(f, push) for f, push in zip(neg, down, strict=True)), strict=True)
    shares = down.clamp(min=0) / down.clamp(min=0).sum(1, keepdim=True)
    drawn = rows.popularity / rows.popularity.sum(1, keepdim=True)
    above = [((w * neg).sum(1) - neg.mean(1)).nanmean() for w in (shares, drawn)]
    half = loss.gradients(pos / 2, neg / 2).or_zero(pos, neg)
    return Character(
        nats=float(np.nanmedian(nats)) if not np.isnan(nats).all() else float("nan"),
        tau=float(np.nanmedian(taus)) if not np.isnan(taus).all() else float("nan"),
        balance=float(down.sum() / -up.sum()),
        upward=float((down < -1e-6 * down.abs().max()).double().mean()),
        coefficient=_coefficient(loss, pos, neg),
        price=_price(loss, pos, neg),
        false_negative=_false_negative(loss, pos, neg),
        false_positive=_false_positive(loss, pos, neg),
        reach=float(above[0] / above[1]),
        turn=float(torch.cosine_similarity(_flat(up, down), _flat(*half), dim=0)),
    )


def _flat(*parts: Tensor) -> Tensor:
    return torch.cat([x.flatten() for x in parts])


def _nats(scores: Tensor, push: Tensor) -> tuple[float, float]:
    """What the push of a row spends, and the temperature at which softmax loss would."""
    q = push.clamp(min=0).numpy()
    if not q.sum():
        return float("nan"), float("nan")
    nats = float(dro.divergence(q / q.sum(), np.full(len(q), 1 / len(q))))
    f = scores.numpy()
    if not 1e-9 < nats < dro.largest_radius(f):
        return nats, float("nan")
    return nats, float(dro.tau_of_radius(f, radius=nats))


def _coefficient(loss: Called, pos: Tensor, neg: Tensor) -> float:
    level = neg.mean(1, keepdim=True)
    z = neg - level
    z = z / z.square().mean(1, keepdim=True).sqrt()
    alike = level.expand_as(neg)
    middle = loss.gradients(pos, alike)
    push = middle.or_zero(pos, neg)[1].sum()
    ends = [loss(pos, level + step * z) for step in (STEP, -STEP)]
    return float((sum(ends) - 2 * middle.value) / (2 * STEP**2) / push)


def _price(loss: Called, pos: Tensor, neg: Tensor) -> float:
    found = loss.gradients(pos, neg)
    push = found.or_zero(pos, neg)[1].sum(1)  # of each row, as a part of the batch
    charged = found.value - loss(pos, neg.mean(1, keepdim=True).expand_as(neg))
    return float(charged / (neg.var(1, correction=0) * push).sum())


def _false_negative(loss: Called, pos: Tensor, neg: Tensor) -> float:
    neg = neg.clone()
    neg[:, 0] = pos[:, 0]
    push = loss.gradients(pos, neg).or_zero(pos, neg)[1]
    return float((push[:, 0] / push.mean(1)).nanmean())


def _false_positive(loss: Called, pos: Tensor, neg: Tensor) -> float:
    pos = pos.clone()
    pos[:, 0] = neg[:, 0]
    pull = loss.gradients(pos, neg).or_zero(pos, neg)[0]
    return float((pull[:, 0] / pull.mean(1)).nanmean())


def cost(loss: Called) -> float:
    """Time of value and gradient, in parts of that of softmax loss, in turns on this machine.

    Raises:
        Unusable: it fails on a batch of that size.
    """
    draw = torch.Generator().manual_seed(0)
    pos, neg = (0.2 * torch.randn(ROWS, n, generator=draw) for n in (1, WIDTH))
    both = (loss, Called(SoftmaxLoss(tau=TAU)))
    best = [float("inf")] * 2
    for _ in range(TURNS):
        for k, each in enumerate(both):
            start = time.perf_counter()
            each.gradients(pos, neg)
            best[k] = min(best[k], time.perf_counter() - start)
    return best[0] / best[1]
