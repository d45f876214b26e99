"""What the models on a graph share."""

import torch
import torch.nn.functional as F
from scipy.sparse import csr_array
from torch import Tensor, nn

from ..checks import check_choice, check_sizes, whole
from ..graph import normalised_adjacency
from ..scoring import SCORES, ready
from .tables import start_tables

MOST_LAYERS = 100  # more would keep a step busy for hours


class GraphModel(nn.Module):
    """Two tables and a graph; a model is one by its ``propagate``.

    ``propagate(training)`` gives the vectors of all users and, below them, of all items,
    ``(n, D)`` with n = users + items; only where ``training`` is true does it drop or disturb
    anything. Arguments are those of :class:`bslutils.models.LightGCN`, and ``generator`` and
    ``std`` of the start.
    """

    on_graph = True

    def __init__(
        self,
        train: csr_array,
        *,
        dim: int,
        n_layers: int,
        score: str,
        rank_score: str | None,
        generator: torch.Generator,
        std: float | None = None,
    ):
        check_sizes(dim=dim)
        whole("n_layers", n_layers, most=MOST_LAYERS)
        rank_score = score if rank_score is None else rank_score
        check_choice(SCORES, score=score, rank_score=rank_score)
        super().__init__()
        self.n_layers, self.score, self.rank_score = n_layers, score, rank_score
        # Not saved with the weights: it is data, and may be large.
        self.register_buffer("adjacency", normalised_adjacency(train), persistent=False)
        self.user_table, self.item_table = start_tables(*train.shape, dim, generator, std)

    def start(self) -> Tensor:
        """Layer 0: the tables, users first, ``(n, d)``."""
        return torch.cat([self.user_table, self.item_table])

    def forward(self, users: Tensor, items: Tensor) -> tuple[Tensor, Tensor]:
        """Vectors of some ids, ready to score: ``(B,), (M, …) -> (B, D), (M, …, D)``."""
        tables = self._split(self.propagate(self.training))
        user, item = (F.embedding(*pair) for pair in zip((users, items), tables, strict=True))
        return ready(user, self.score), ready(item, self.score)

    def embed(self) -> tuple[Tensor, Tensor]:
        """Vectors of all users and all items, ready to rank."""
        users, items = self._split(self.propagate(False))
        return ready(users, self.rank_score), ready(items, self.rank_score)

    def _split(self, vectors: Tensor) -> tuple[Tensor, Tensor]:
        return vectors.split([len(self.user_table), len(self.item_table)])

    def extra_repr(self) -> str:
        (n_users, dim), n_items = self.user_table.shape, len(self.item_table)
        return (
            f"n_users={n_users}, n_items={n_items}, dim={dim}, n_layers={self.n_layers}, "
            f"score={self.score!r}, rank_score={self.rank_score!r}"
        )
