"""Scores of user-item pairs: cosine or inner product, of pairs or of all against all.

A model hands out vectors that are *ready to score*: a score is always their inner product.
Cosine similarity is the inner product of vectors of unit length.
"""

import torch.nn.functional as F
from torch import Tensor

SCORES = ("cosine", "dot")


def ready(vectors: Tensor, score: str) -> Tensor:
    r"""Make raw embeddings ready to score: ``"cosine"`` divides by the length, ``"dot"`` does not.

    Args:
        vectors: raw embeddings, ``(…, d)``, floating.
        score: ``"cosine"`` or ``"dot"``.

    Raises:
        ValueError: an unknown ``score``.

    Example:
        >>> import torch
        >>> ready(torch.tensor([[3.0, 4.0]]), "cosine")
        tensor([[0.6000, 0.8000]])
    """
    if score not in SCORES:
        raise ValueError(f"score must be one of {', '.join(SCORES)}, got {score!r}")
    return F.normalize(vectors, dim=-1) if score == "cosine" else vectors


def pair_scores(users: Tensor, items: Tensor) -> Tensor:
    """Score each user with items of its own: ``(B, d), (B, M, d) -> (B, M)``.

    This is what *independent* negatives need: a vector gathered for every pair.

    Raises:
        ValueError: shapes that do not fit.

    Example:
        >>> import torch
        >>> pair_scores(torch.ones(2, 3), torch.ones(2, 4, 3)).shape
        torch.Size([2, 4])
    """
    batch, width = users.shape
    if items.ndim != 3 or items.shape[0] != batch or items.shape[2] != width:
        raise ValueError(
            f"items must be ({batch}, M, {width}) for users {tuple(users.shape)}, "
            f"got {tuple(items.shape)}"
        )
    return (items @ users.unsqueeze(2)).squeeze(2)


def shared_scores(users: Tensor, items: Tensor) -> Tensor:
    """Score every user with every item of one list: ``(B, d), (N, d) -> (B, N)``.

    One matrix product: *shared* and in-batch negatives, full softmax, ranking.

    Raises:
        ValueError: shapes that do not fit.

    Example:
        >>> import torch
        >>> shared_scores(torch.ones(2, 3), torch.ones(5, 3)).shape
        torch.Size([2, 5])
    """
    if users.ndim != 2 or items.ndim != 2 or users.shape[1] != items.shape[1]:
        raise ValueError(
            "users must be (B, d) and items (N, d) with the same d, "
            f"got {tuple(users.shape)} and {tuple(items.shape)}"
        )
    return users @ items.T
