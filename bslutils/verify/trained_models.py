"""Models trained on real data, and their scores, for the claims to be tried on.

Everything is on ``movielens-small``, with the settings that the chapters use. Many claims look at
the same model: it is kept for the life of the process, and on disk (:mod:`bslutils.store`).
"""

from functools import lru_cache

import numpy as np
import torch

from ..data import Interactions, load
from ..evaluate import evaluate
from ..exposure import exposure
from ..losses import make_loss
from ..models import MatrixFactorization
from ..store import fit_once
from ..train import TrainConfig
from .recorded import best
from .scope import Scope


@lru_cache
def data() -> Interactions:
    """The real data."""
    return load("movielens-small")


@lru_cache
def noisy_data(fraction: float) -> Interactions:
    """The same with false positives added to every user's training pairs."""
    return data().with_false_positives(fraction)


@lru_cache
def trained(
    loss: str,
    *,
    positives: int = 1,
    noise: float = 0.0,
    seed: int = 0,
    epochs: int = 15,
    **params: float,
) -> MatrixFactorization:
    """A model trained with a loss, its epoch chosen on validation.

    Args:
        loss: name of the loss.
        positives: of a user in a row of the batch.
        noise: false positives added, as a share of each user's training pairs.
        seed: of the model and of the training.
        epochs: to train for.
        **params: of the loss.
    """
    where = noisy_data(noise) if noise else data()
    model = MatrixFactorization(where.n_users, where.n_items, dim=64, seed=seed)
    config = TrainConfig(
        epochs=epochs,
        batch_size=1024 // positives,
        positives=positives,
        n_negatives=512,
        lr=1e-2,
        seed=seed,
        progress=False,
    )
    fit_once(model, where, make_loss(loss, **params), config)
    return model


def score_table(model: MatrixFactorization) -> np.ndarray:
    """All scores, ``(n_users, n_items)`` in float64."""
    users, items = (table.detach().double().numpy() for table in model.embed())
    return users @ items.T


@lru_cache
def negatives() -> np.ndarray:
    """Uniform over each user's items that are not in train or valid, ``(n_users, n_items)``."""
    free = 1.0 - data().seen("test").toarray()
    return free / free.sum(1, keepdims=True)


@lru_cache
def scores() -> np.ndarray:
    """Scores of the reference model: softmax loss at its best temperature, 0.2."""
    return score_table(trained("softmax", tau=0.2))


def some(n: int = 40) -> tuple[np.ndarray, np.ndarray]:
    """Scores and negatives of ``n`` people, spread over all degrees."""
    by_degree = np.argsort(data().user_degree, kind="stable")
    chosen = by_degree[np.linspace(0, len(by_degree) - 1, n).astype(int)]
    return scores()[chosen], negatives()[chosen]


def rows(n_users: int = 40) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Positives ``(1, P)`` and negatives ``(1, N)`` of real people, float64 tensors."""
    found = []
    for user in range(0, data().n_users, data().n_users // n_users):
        pos = scores()[user, data().train[[user]].indices]
        neg = scores()[user, negatives()[user] > 0]
        found.append((torch.tensor(pos)[None], torch.tensor(neg)[None]))
    return found


def ndcg(model: MatrixFactorization) -> float:
    """Test NDCG@20 on the clean data: added false positives are not masked away."""
    return evaluate(model, data(), split="test", ks=(20,))["ndcg@20"]


def scope(level: float, *, seeds: int = 1) -> tuple[Scope]:
    """The scope of a claim on models that are trained here."""
    return (Scope("movielens-small", "MF", seeds, level, best("movielens-small")),)


@lru_cache  # two claims' numbers, one ranking
def _exposure(model: MatrixFactorization) -> dict[str, float]:
    return exposure(model, data())


def popularity(model: MatrixFactorization) -> float:
    """Mean training pairs of the films in the lists of 20."""
    return _exposure(model)["popularity"]


def gini(model: MatrixFactorization) -> float:
    """Gini index of how often each film is in the lists of 20."""
    return _exposure(model)["gini"]


def spread(model: MatrixFactorization) -> float:
    """Variance of a person's scores of negatives, mean over people."""
    table, p = score_table(model), negatives()
    mean = (p * table).sum(1, keepdims=True)
    return float((p * (table - mean) ** 2).sum(1).mean())
