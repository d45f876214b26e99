"""Models that turn users and items into vectors ready to score.

The protocol is small: ``model(users, items)`` gives the vectors of some ids for training,
``model.embed()`` those of all users and all items for ranking, and a score is their inner
product in both.
"""

import torch
import torch.nn.functional as F
from scipy.sparse import csr_array
from torch import Tensor, nn

from .graph import normalised_adjacency, spread
from .scoring import SCORES, ready


class MatrixFactorization(nn.Module):
    r"""One vector per user and one per item.

    .. math:: f(u, i) = \cos(p_u, q_i) \quad\text{or}\quad p_u^\top q_i

    Args:
        n_users, n_items: sizes of the two tables.
        dim: length of a vector, d.
        score: ``"cosine"`` (default, scores in [-1, 1]) or ``"dot"`` (inner product).
        user_dropout: chance in [0, 1) that a coordinate of a user's vector is dropped in a
            training step; it regularises large data sets.
        seed: seeds the Xavier-uniform start, so that equal arguments give equal models.

    Raises:
        ValueError: a size below 1, an unknown ``score``, a dropout outside [0, 1).

    Example:
        >>> model = MatrixFactorization(3, 5, dim=4)
        >>> users, items = model(torch.tensor([0, 2]), torch.tensor([1, 1, 4]))
        >>> users.shape, items.shape
        (torch.Size([2, 4]), torch.Size([3, 4]))

    Source: Koren, Bell and Volinsky, *Matrix Factorization Techniques for Recommender Systems*,
    Computer 2009. Used from the chapter *A tour of losses* on.
    """

    def __init__(
        self,
        n_users: int,
        n_items: int,
        *,
        dim: int = 64,
        score: str = "cosine",
        user_dropout: float = 0.0,
        seed: int = 0,
    ):
        _check_sizes(n_users=n_users, n_items=n_items, dim=dim)
        _check_scores(score=score)
        if not 0 <= user_dropout < 1:
            raise ValueError(f"user_dropout must lie in [0, 1), got {user_dropout!r}")
        super().__init__()
        self.score, self.user_dropout = score, user_dropout
        self.sparse = False  # whether the gradient holds the rows of the batch only
        self.user_table, self.item_table = _tables(n_users, n_items, dim, seed)

    def forward(self, users: Tensor, items: Tensor) -> tuple[Tensor, Tensor]:
        """Vectors of some ids, ready to score: ``(B,), (M, …) -> (B, d), (M, …, d)``."""
        user = F.embedding(users, self.user_table, sparse=self.sparse)
        user = F.dropout(user, self.user_dropout, self.training)
        item = F.embedding(items, self.item_table, sparse=self.sparse)
        return ready(user, self.score), ready(item, self.score)

    def rows(self, users: Tensor, items: Tensor) -> tuple[tuple[nn.Parameter, Tensor], ...]:
        """Which rows of which tables ``model(users, items)`` reads."""
        return (self.user_table, users), (self.item_table, items)

    def embed(self) -> tuple[Tensor, Tensor]:
        """Vectors of all users and all items, ready to score: ``(n_users, d), (n_items, d)``."""
        return ready(self.user_table, self.score), ready(self.item_table, self.score)

    def extra_repr(self) -> str:
        (n_users, dim), n_items = self.user_table.shape, len(self.item_table)
        return f"n_users={n_users}, n_items={n_items}, dim={dim}, score={self.score!r}"


class LightGCN(nn.Module):
    r"""Embeddings averaged over the neighbourhoods of users and items, without weights.

    .. math:: E = \frac{1}{L+1} \sum_{l=0}^{L} \hat A^l E_0, \qquad
              f(u, i) = \cos(e_u, e_i) \quad\text{or}\quad e_u^\top e_i

    with the normalised adjacency :math:`\hat A` of :func:`bslutils.graph.normalised_adjacency`.

    Args:
        train: training pairs, ``(n_users, n_items)``: the graph.
        dim: length of a vector, d.
        n_layers: L, at least 1 (0 would be matrix factorisation).
        score: ``"cosine"`` or ``"dot"`` in training.
        rank_score: the same in ranking; ``None`` is that of training. The authors of BSL train
            with cosine and, but for MovieLens-1M, rank by inner product.
        seed: seeds the Xavier-uniform start.

    Raises:
        ValueError: no training pair, a size below 1, an unknown score.

    Example:
        >>> import bslutils as bsl
        >>> data = bsl.load("synthetic")
        >>> model = LightGCN(data.train, dim=8, n_layers=2)
        >>> [tuple(vectors.shape) for vectors in model.embed()]
        [(500, 8), (800, 8)]

    Source: He et al., *LightGCN: Simplifying and Powering Graph Convolution Network for
    Recommendation*, SIGIR 2020, eq. 8 with equal weights. Timed in the chapter *Speed and
    memory*.
    """

    def __init__(
        self,
        train: csr_array,
        *,
        dim: int = 64,
        n_layers: int = 3,
        score: str = "cosine",
        rank_score: str | None = None,
        seed: int = 0,
    ):
        _check_sizes(dim=dim, n_layers=n_layers)
        rank_score = score if rank_score is None else rank_score
        _check_scores(score=score, rank_score=rank_score)
        super().__init__()
        self.n_layers, self.score, self.rank_score = n_layers, score, rank_score
        # Not saved with the weights: it is data, and may be large.
        self.register_buffer("adjacency", normalised_adjacency(train), persistent=False)
        self.user_table, self.item_table = _tables(*train.shape, dim, seed)

    def propagate(self) -> tuple[Tensor, Tensor]:
        """Vectors of all users and all items: ``(n_users, d), (n_items, d)``."""
        layer = total = torch.cat([self.user_table, self.item_table])
        for _ in range(self.n_layers):
            layer = spread(self.adjacency, layer)
            total = total + layer
        sizes = [len(self.user_table), len(self.item_table)]
        return (total / (self.n_layers + 1)).split(sizes)

    def forward(self, users: Tensor, items: Tensor) -> tuple[Tensor, Tensor]:
        """Vectors of some ids, ready to score: ``(B,), (M, …) -> (B, d), (M, …, d)``."""
        vectors = zip((users, items), self.propagate(), strict=True)
        user, item = (F.embedding(ids, table) for ids, table in vectors)
        return ready(user, self.score), ready(item, self.score)

    def embed(self) -> tuple[Tensor, Tensor]:
        """Vectors of all users and all items, ready to rank."""
        users, items = self.propagate()
        return ready(users, self.rank_score), ready(items, self.rank_score)

    def extra_repr(self) -> str:
        (n_users, dim), n_items = self.user_table.shape, len(self.item_table)
        return (
            f"n_users={n_users}, n_items={n_items}, dim={dim}, n_layers={self.n_layers}, "
            f"score={self.score!r}, rank_score={self.rank_score!r}"
        )


def _tables(n_users: int, n_items: int, dim: int, seed: int) -> tuple[nn.Parameter, nn.Parameter]:
    generator = torch.Generator().manual_seed(seed)
    tables = tuple(nn.Parameter(torch.empty(rows, dim)) for rows in (n_users, n_items))
    for table in tables:
        nn.init.xavier_uniform_(table, generator=generator)
    return tables


def _check_sizes(**sizes: int) -> None:
    for name, value in sizes.items():
        if value < 1:
            raise ValueError(f"{name} must be at least 1, got {value}")


def _check_scores(**scores: str) -> None:
    for name, value in scores.items():
        if value not in SCORES:
            raise ValueError(f"{name} must be one of {', '.join(SCORES)}, got {value!r}")
