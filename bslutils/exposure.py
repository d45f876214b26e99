"""Who gets shown: how unequally lists treat items, and how far scores spread."""

import numpy as np
import torch
from torch import Tensor

from .data import Interactions
from .rank import CHUNK, Scorer, embeddings, ranked, table_of


def gini(count: np.ndarray) -> float:
    r"""Gini index of how often each item is shown: 0 if all alike, near 1 if one has it all.

    .. math:: G = \frac{\sum_{k=1}^{n} (2k - n - 1)\, c_{(k)}}{n \sum_k c_{(k)}}, \qquad
              c_{(1)} \le \dots \le c_{(n)}

    Args:
        count: ``(n,)``, not negative, with a positive sum.

    Raises:
        ValueError: another shape, a negative or infinite count, nothing shown.

    Example:
        >>> gini([1, 1, 1, 1]), gini([0, 0, 0, 8])
        (0.0, 0.75)

    Source: Gini, *Variabilità e mutabilità*, 1912, in the form of sorted values.
    """
    sizes = np.sort(np.asarray(count, dtype=float))
    if sizes.ndim != 1 or not np.isfinite(sizes).all() or not sizes.sum() > 0 or sizes[0] < 0:
        raise ValueError(f"count must be (n,), not negative, with a positive sum, got {count!r}")
    n = len(sizes)
    return float((2 * np.arange(1, n + 1) - n - 1) @ sizes / (n * sizes.sum()))


def exposure(
    model: Scorer, data: Interactions, *, split: str = "test", k: int = 20
) -> dict[str, float]:
    r"""What the lists of k items give to whom, and the spread of all scores.

    * ``gini``: of how often each item is in a list (:func:`gini`);
    * ``coverage``: share of the items that are in some list;
    * ``popularity``: training pairs of an item in a list, mean over all places;
    * ``variance over items``: :math:`\frac1U \sum_u \operatorname{Var}_i f(u, i)`;
    * ``variance over users``: :math:`\frac1M \sum_i \operatorname{Var}_u f(u, i)`;
    * ``gap``: mean score of a user's training items less that of all items, mean over users. A
      variance over its square does not change when all scores are multiplied.

    The lists are those of :func:`bslutils.rank.ranked`. Where scores are inner products, a
    variance is a quadratic form of the covariance of the vectors, and no table of all scores is
    made: :math:`\operatorname{Var}_i f(u, i) = a_u^\top \operatorname{Cov}(b)\, a_u`.

    Args:
        model: has ``embed() -> (users (n_users, d), items (n_items, d))``, or is a function of
            users, as in :func:`bslutils.evaluate`.
        data: the interactions.
        split: whose users are given lists, and what is left out of them.
        k: length of a list.

    Raises:
        ValueError: an unknown or empty split, ``k`` below 1, a model that does not fit the data or
            gives NaN or infinity.

    Example:
        >>> import bslutils as bsl
        >>> data = bsl.load("synthetic")
        >>> model = bsl.models.MatrixFactorization(data.n_users, data.n_items)
        >>> sorted(exposure(model, data))
        ['coverage', 'gap', 'gini', 'popularity', 'variance over items', 'variance over users']

    Used in the chapter *Fairness at equal accuracy*.
    """
    lists = [items.flatten().cpu() for _, items, _ in ranked(model, data, split=split, k=k)]
    if not lists:
        raise ValueError(f"the {split} split of {data.name} is empty, there is nobody to show to")
    shown = torch.cat(lists).numpy()
    shown = shown[shown >= 0]  # a list may be shorter than k
    count = np.bincount(shown, minlength=data.n_items)
    spread = _of_vectors if hasattr(model, "embed") else _of_table
    return {
        "gini": gini(count),
        "coverage": float((count > 0).mean()),
        "popularity": float(data.item_degree[shown].mean()),
    } | spread(model, data)


def _of_vectors(model: Scorer, data: Interactions) -> dict[str, float]:
    """The spread of scores that are inner products."""
    users, items = (vectors.detach().double() for vectors in embeddings(model, data))
    return {
        "variance over items": _mean_variance(users, items),
        "variance over users": _mean_variance(items, users),
        "gap": _gap(users, items, data),
    }


def _of_table(model: Scorer, data: Interactions) -> dict[str, float]:
    """The spread of scores, read a block of users at a time."""
    scores_of, _ = table_of(model, data)
    over_items, gaps = [], []
    mean, squares = np.zeros(data.n_items), np.zeros(data.n_items)  # of the users so far, by item
    chunk = max(1, CHUNK["cpu"] // data.n_items)
    for start in range(0, data.n_users, chunk):
        users = np.arange(start, min(start + chunk, data.n_users))
        scores = scores_of(users).double().numpy()  # (C, n_items)
        over_items.append(scores.var(1))
        # Chan, Golub and LeVeque: sums of squares about the mean are added without cancellation.
        step = scores.mean(0) - mean
        mean += step * len(users) / (start + len(users))
        squares += ((scores - scores.mean(0)) ** 2).sum(0)
        squares += step**2 * start * len(users) / (start + len(users))
        degree = data.user_degree[users]
        own = data.train[users].multiply(scores).sum(1)
        some = degree > 0
        gaps.append(own[some] / degree[some] - scores[some].mean(1))
    return {
        "variance over items": float(np.concatenate(over_items).mean()),
        "variance over users": float((squares / data.n_users).mean()),
        "gap": float(np.concatenate(gaps).mean()),
    }


def _mean_variance(of: Tensor, over: Tensor) -> float:
    """Mean over the rows of the one of the variance of their products with rows of the other."""
    centred = over - over.mean(0)
    covariance = centred.T @ centred / len(over)
    return ((of @ covariance) * of).sum(1).mean().item()


def _gap(users: Tensor, items: Tensor, data: Interactions) -> float:
    """How far a user's training items stand above all items, mean over users that have some."""
    own = data.train @ (items - items.mean(0)).cpu().numpy()  # (n_users, d), summed
    some = data.user_degree > 0
    above = (users.cpu().numpy() * own).sum(1)[some]
    return float((above / data.user_degree[some]).mean())
