"""Models that turn users and items into vectors ready to score.

The protocol is small: ``model(users, items)`` gives the vectors of some ids for training,
``model.embed()`` those of all users and all items for ranking, and a score is their inner
product in both.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

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
        for name, value in (("n_users", n_users), ("n_items", n_items), ("dim", dim)):
            if value < 1:
                raise ValueError(f"{name} must be at least 1, got {value}")
        if score not in SCORES:
            raise ValueError(f"score must be one of {', '.join(SCORES)}, got {score!r}")
        if not 0 <= user_dropout < 1:
            raise ValueError(f"user_dropout must lie in [0, 1), got {user_dropout!r}")
        super().__init__()
        self.score, self.user_dropout = score, user_dropout
        generator = torch.Generator().manual_seed(seed)
        self.user_table = nn.Parameter(torch.empty(n_users, dim))
        self.item_table = nn.Parameter(torch.empty(n_items, dim))
        for table in (self.user_table, self.item_table):
            nn.init.xavier_uniform_(table, generator=generator)

    def forward(self, users: Tensor, items: Tensor) -> tuple[Tensor, Tensor]:
        """Vectors of some ids, ready to score: ``(B,), (M, …) -> (B, d), (M, …, d)``."""
        user = F.dropout(F.embedding(users, self.user_table), self.user_dropout, self.training)
        item = F.embedding(items, self.item_table)
        return ready(user, self.score), ready(item, self.score)

    def embed(self) -> tuple[Tensor, Tensor]:
        """Vectors of all users and all items, ready to score: ``(n_users, d), (n_items, d)``."""
        return ready(self.user_table, self.score), ready(self.item_table, self.score)

    def extra_repr(self) -> str:
        (n_users, dim), n_items = self.user_table.shape, len(self.item_table)
        return f"n_users={n_users}, n_items={n_items}, dim={dim}, score={self.score!r}"
