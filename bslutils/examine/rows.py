"""The scores that a loss is tried on: those of real people under a trained model."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from ..config import TrainConfig
from ..data import Interactions, load
from ..losses import SoftmaxLoss
from ..models import MatrixFactorization
from ..store import fit_once

TAU = 0.2  # of the model whose scores these are, and of the softmax loss that others stand beside
EPOCHS = 10
PEOPLE, POSITIVES, NEGATIVES = 24, 8, 400


@dataclass(frozen=True, eq=False)
class Rows:
    """Scores of a few people, in float64.

    Attributes:
        pos: of items that they chose, ``(B, P)``.
        neg: of items that they did not, drawn uniformly, ``(B, N)``.
        popularity: training pairs of those, ``(B, N)``.
        data: name of the data set.
    """

    pos: Tensor
    neg: Tensor
    popularity: Tensor
    data: str


@lru_cache
def real_data() -> Interactions:
    """``movielens-small``, or made data where the package that has it is not installed."""
    try:
        return load("movielens-small")
    except ImportError:
        return load("synthetic")


@lru_cache
def rows() -> Rows:
    """The scores of :data:`PEOPLE` people under matrix factorisation trained with softmax loss."""
    data = real_data()
    model = MatrixFactorization(data.n_users, data.n_items, dim=64)
    config = TrainConfig(epochs=EPOCHS, n_negatives=512, lr=1e-2, progress=False)
    fit_once(model, data, SoftmaxLoss(tau=TAU), config)
    with torch.no_grad():
        users, items = (table.double() for table in model.embed())
    draw, seen = np.random.default_rng(0), data.seen("test")
    enough = np.flatnonzero(data.user_degree >= POSITIVES)
    people = enough[np.linspace(0, len(enough) - 1, PEOPLE).astype(int)]
    pos, neg, popularity = [], [], []
    for user in people:
        scores = users[user] @ items.T
        liked = draw.choice(data.train[[user]].indices, POSITIVES, replace=False)
        free = np.setdiff1d(np.arange(data.n_items), seen[[user]].indices)
        others = draw.choice(free, NEGATIVES, replace=len(free) < NEGATIVES)
        pos.append(scores[liked])
        neg.append(scores[others])
        popularity.append(torch.as_tensor(data.item_degree[others]).double())
    return Rows(*map(torch.stack, (pos, neg, popularity)), data.name)
