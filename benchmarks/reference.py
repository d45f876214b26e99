"""The algorithm of the authors' public code, step by step, as the thing to be faster than.

Every positive pair draws negatives of its own; their vectors are gathered, ``(B, N, d)``,
normalised and multiplied one by one; the squared norms of everything gathered are added to the
loss; Adam updates every row of both tables in every step. Written for this project from the
description of the algorithm; the loss is softmax loss without the positive in the denominator.
"""

import numpy as np
import torch
import torch.nn.functional as F
from scipy.sparse import csr_array
from torch import Tensor, nn

from bslutils.data import Interactions
from bslutils.models import MatrixFactorization


class ReferenceTrainer:
    """One training step after the other of matrix factorisation with cosine scores.

    Args:
        model: the tables that are trained, with dropout on the user's vector as it says.
        tau: temperature.
        n_negatives: negatives of a pair.
        lr: learning rate of Adam.
        l2: weight of the squared norms of the batch.
        generator: draws the negatives.
    """

    def __init__(
        self,
        model: MatrixFactorization,
        *,
        tau: float,
        n_negatives: int,
        lr: float,
        l2: float = 0.0,
        generator: torch.Generator | None = None,
    ):
        self.model, self.tau, self.n_negatives, self.l2 = model, tau, n_negatives, l2
        self.generator = generator
        self.optimizer = torch.optim.Adam(model.parameters(), lr=lr)

    def negatives(self, pos: Tensor) -> Tensor:
        """Independent uniform negatives, ``(B,) -> (B, N)``."""
        shape = (len(pos), self.n_negatives)
        n_items = len(self.model.item_table)
        return torch.randint(n_items, shape, generator=self.generator, device=pos.device)

    def loss(self, user: Tensor, pos: Tensor, neg: Tensor) -> Tensor:
        """Mean loss of a batch: ``(B,), (B,), (B, N) -> ()``."""
        user_vectors = nn.functional.embedding(user, self.model.user_table)  # (B, d)
        pos_vectors = nn.functional.embedding(pos, self.model.item_table)  # (B, d)
        neg_vectors = nn.functional.embedding(neg, self.model.item_table)  # (B, N, d)
        squares = sum(x.square().sum() for x in (user_vectors, pos_vectors, neg_vectors))
        dropped = F.dropout(user_vectors, self.model.user_dropout, self.model.training)
        users = F.normalize(dropped, dim=-1).unsqueeze(1)  # (B, 1, d)
        pos_scores = (users.squeeze(1) * F.normalize(pos_vectors, dim=-1)).sum(-1)  # (B,)
        neg_scores = (users * F.normalize(neg_vectors, dim=-1)).sum(-1)  # (B, N)
        rows = -pos_scores / self.tau + torch.log(torch.exp(neg_scores / self.tau).sum(1))
        return rows.mean() + self.l2 * squares / 2 / len(user)

    def step(self, user: Tensor, pos: Tensor) -> float:
        """One update; returns the loss."""
        self.model.train()
        value = self.loss(user, pos, self.negatives(pos))
        self.optimizer.zero_grad()
        value.backward()
        self.optimizer.step()
        return value.item()


def reference_evaluate(model: MatrixFactorization, data: Interactions, *, k: int) -> float:
    """Recall@k on test: all scores, a sort of the best k, and a loop over users."""
    users, items = (vectors.detach() for vectors in model.embed())
    seen, target = data.seen("test"), data.test
    total, counted = 0.0, 0
    for start in range(0, data.n_users, 1024):
        scores = users[start : start + 1024] @ items.T
        for row in range(len(scores)):
            scores[row, torch.as_tensor(_items_of(seen, start + row))] = -torch.inf
        best = scores.topk(k, dim=1).indices.tolist()
        for row, ranked in enumerate(best):
            wanted = set(_items_of(target, start + row).tolist())
            if wanted:
                total += len(wanted.intersection(ranked)) / len(wanted)
                counted += 1
    return total / counted


def _items_of(pairs: csr_array, user: int) -> np.ndarray:
    return pairs.indices[pairs.indptr[user] : pairs.indptr[user + 1]].astype(np.int64)
