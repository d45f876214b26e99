"""Matrix factorisation."""

import torch.nn.functional as F
from torch import Tensor, nn

from ..checks import check_choice, check_dropout, check_sizes
from ..scoring import SCORES, ready
from .tables import generator_of, start_tables


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
        >>> import torch
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
        check_sizes(n_users=n_users, n_items=n_items, dim=dim)
        check_choice(SCORES, score=score)
        check_dropout(user_dropout=user_dropout)
        super().__init__()
        self.score, self.user_dropout = score, user_dropout
        self.sparse = False  # whether the gradient holds the rows of the batch only
        generator = generator_of(seed)
        self.user_table, self.item_table = start_tables(n_users, n_items, dim, generator)

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
