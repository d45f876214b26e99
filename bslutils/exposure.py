"""Who gets shown: how unequally lists treat items, and how far scores spread."""

import numpy as np
import torch
from torch import Tensor

from .data import Interactions
from .rank import Scorer, embeddings, ranked, table_of, users_at_a_time


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
    watched, spread = model, None
    if not hasattr(model, "embed"):
        watched = spread = _Spread(model, data)
    lists = [items.flatten().cpu() for _, items, _ in ranked(watched, data, split=split, k=k)]
    if not lists:
        raise ValueError(f"the {split} split of {data.name} is empty, there is nobody to show to")
    shown = torch.cat(lists).numpy()
    shown = shown[shown >= 0]  # a list may be shorter than k
    count = np.bincount(shown, minlength=data.n_items)
    return {
        "gini": gini(count),
        "coverage": float((count > 0).mean()),
        "popularity": float(data.item_degree[shown].mean()),
    } | (_of_vectors(model, data) if spread is None else spread.of_all())


def _of_vectors(model: Scorer, data: Interactions) -> dict[str, float]:
    """The spread of scores that are inner products."""
    users, items = (vectors.detach().double() for vectors in embeddings(model, data))
    return {
        "variance over items": _mean_variance(users, items),
        "variance over users": _mean_variance(items, users),
        "gap": _gap(users, items, data),
    }


class _Spread:
    """The spread of scores that a function gives, added up while they are asked for.

    A look at all scores is dear, and whoever ranks asks for them anyway.
    """

    def __init__(self, model: Scorer, data: Interactions):
        self.data, self.scores_of = data, table_of(model, data)[0]
        self.over_items, self.gaps = [], []
        self.left = np.ones(data.n_users, dtype=bool)  # users who were not asked for
        self.n_users = 0
        # Of the users so far, by item.
        self.mean, self.squares = np.zeros(data.n_items), np.zeros(data.n_items)

    def __call__(self, users: np.ndarray) -> Tensor:
        """What the function gives."""
        found = self.scores_of(users)
        scores = found.double().numpy()  # (C, n_items)
        self.over_items.append(scores.var(1))
        # Chan, Golub and LeVeque: sums of squares about the mean are added without cancellation.
        step, before = scores.mean(0) - self.mean, self.n_users
        self.n_users += len(users)
        self.mean += step * len(users) / self.n_users
        self.squares += ((scores - scores.mean(0)) ** 2).sum(0)
        self.squares += step**2 * before * len(users) / self.n_users
        degree = self.data.user_degree[users]
        own = self.data.train[users].multiply(scores).sum(1)
        some = degree > 0
        self.gaps.append(own[some] / degree[some] - scores[some].mean(1))
        self.left[users] = False
        return found

    def of_all(self) -> dict[str, float]:
        """The spread over all users, those included who were not asked for."""
        left, chunk = np.flatnonzero(self.left), users_at_a_time(self.data, torch.device("cpu"))
        for start in range(0, len(left), chunk):
            self(left[start : start + chunk])
        return {
            "variance over items": float(np.concatenate(self.over_items).mean()),
            "variance over users": float((self.squares / self.n_users).mean()),
            "gap": float(np.concatenate(self.gaps).mean()),
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
