"""Losses on vectors instead of scores: alignment and uniformity.

They draw no negatives. What keeps the vectors from falling together is the distance between
users, and between items.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from ..checks import check_mask, check_not_negative, check_positive, check_tensors
from ..scoring import soft_maximum
from .base import Loss


def alignment(users: Tensor, items: Tensor) -> Tensor:
    r"""The mean squared distance of positive pairs on the sphere: ``(n, d), (n, d) -> ()``.

    .. math:: \frac1n \sum_{(u,i)} \|p_u - q_i\|^2 = 2 - \frac2n \sum_{(u,i)} \cos(p_u, q_i)

    of the vectors brought to length 1. It pulls the scores of positives up, like the first term
    of a softmax loss in risk form. Without any pair it is 0.

    Raises:
        ValueError: shapes that differ or are not ``(n, d)``.

    Example:
        >>> alignment(torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 5.0]]))
        tensor(2.)

    Source: Wang et al., *Towards Representation Alignment and Uniformity in Collaborative
    Filtering*, KDD 2022.
    """
    check_tensors(users=users, items=items)
    if users.ndim != 2 or users.shape != items.shape:
        raise ValueError(
            "users and items must be (n, d) both, pair by pair, "
            f"got {tuple(users.shape)} and {tuple(items.shape)}"
        )
    distance = F.normalize(users, dim=1) - F.normalize(items, dim=1)
    return distance.square().sum() / max(len(users), 1)


def uniformity(vectors: Tensor, *, t: float = 2.0) -> Tensor:
    r"""How close the vectors of one side come to each other: ``(n, d) -> ()``.

    .. math:: \log \frac{1}{n(n-1)} \sum_{v \ne w} e^{-t \|x_v - x_w\|^2}
              = \frac1\tau \Big( \tau \log \frac{1}{n(n-1)} \sum_{v \ne w}
                e^{\cos(x_v, x_w) / \tau} - 1 \Big), \qquad \tau = \frac{1}{2t}

    of the vectors brought to length 1. In the second form it is a soft maximum of scores, at a
    temperature of a quarter for t = 2, over pairs of the *same* side. The smaller, the more
    evenly the vectors lie on the sphere. A vector that comes twice counts twice, at distance 0.
    Fewer than two have no distance, and give 0.

    Args:
        vectors: users or items of a batch. Time grows with n².
        t: ``> 0``.

    Raises:
        ValueError: a shape that is not ``(n, d)``, ``t`` not positive and finite.

    Example:
        >>> uniformity(torch.tensor([[1.0, 0.0], [-1.0, 0.0]]))  # log exp(-2 · 2²)
        tensor(-8.)

    Source: Wang and Isola, *Understanding Contrastive Representation Learning through Alignment
    and Uniformity on the Hypersphere*, ICML 2020; Wang et al., *Towards Representation Alignment
    and Uniformity in Collaborative Filtering*, KDD 2022.
    """
    check_tensors(vectors=vectors)
    if vectors.ndim != 2:
        raise ValueError(f"vectors must be (n, d), got {tuple(vectors.shape)}")
    check_positive(t=t)
    n = len(vectors)
    if n < 2:
        return vectors.sum() * 0
    unit = F.normalize(vectors, dim=1)
    others = ~torch.eye(n, dtype=torch.bool, device=vectors.device)
    nearest = soft_maximum(unit, unit, tau=1 / (2 * t), mask=others)  # (n,), of cosines
    return torch.logsumexp(2 * t * (nearest - 1), 0) - math.log(n * (n - 1))


def direct_au_loss(
    users: Tensor,
    items: Tensor,
    *,
    gamma: float,
    t: float = 2.0,
    pos_mask: Tensor | None = None,
) -> Tensor:
    r"""Alignment of positive pairs, and uniformity of users and of items.

    .. math:: \frac{1}{|B|} \sum_{(u,i) \in B} \|p_u - q_i\|^2
              + \frac\gamma2 \big( \ell_{\text{uniform}}(p) + \ell_{\text{uniform}}(q) \big)

    with :func:`alignment` and :func:`uniformity` of the vectors brought to length 1. In scores it
    is 2 − 2 · mean cos(u, i), plus γ/2 times the soft maxima of cos(u, u′) and of cos(i, i′): a
    softmax loss whose negatives are not items for a user, but users for a user and items for an
    item.

    Args:
        users: ``(B, d)``, of any length.
        items: the positives of each, ``(B, d)`` or ``(B, P, d)``. A row's user counts once in
            uniformity, whatever P.
        gamma: weight of uniformity, at least 0. Without it all vectors fall together.
        t: of uniformity, ``> 0``.
        pos_mask: ``(B, P)`` bool, True where a pair counts. A row without any does not count.

    Raises:
        ValueError: shapes that do not fit, ``gamma`` negative or not finite, ``t`` not positive
            and finite.

    Example:
        >>> users, items = torch.eye(2), torch.eye(2)
        >>> direct_au_loss(users, items, gamma=1.0)  # log exp(-2 · 2) on both sides
        tensor(-4.)

    Source: Wang et al., *Towards Representation Alignment and Uniformity in Collaborative
    Filtering*, KDD 2022; with one positive in a row, as its public code. That code ranks by the
    inner product of the vectors before they are brought to length 1 (``rank_score="dot"`` of the
    models on a graph).
    """
    check_tensors(users=users, items=items)
    if items.ndim == 2:
        items = items.unsqueeze(1)  # (B, 1, d)
    if users.ndim != 2 or items.ndim != 3 or users.shape != (len(items), items.shape[2]):
        raise ValueError(
            "users must be (B, d) and items (B, d) or (B, P, d) with the same B and d, "
            f"got {tuple(users.shape)} and {tuple(items.shape)}"
        )
    check_not_negative(gamma=gamma)
    shape = tuple(items.shape[:2])
    if pos_mask is None:
        pos_mask = torch.ones(shape, dtype=torch.bool, device=items.device)
    check_mask("pos_mask", pos_mask, shape, "a pair counts")
    owner, place = pos_mask.nonzero(as_tuple=True)  # of each pair
    items = items[owner, place]
    both_sides = uniformity(users[pos_mask.any(1)], t=t) + uniformity(items, t=t)
    return alignment(users[owner], items) + gamma / 2 * both_sides


class DirectAULoss(Loss):
    """Module twin of :func:`direct_au_loss`, for :func:`bslutils.fit` with any model.

    No negatives are drawn, so the sampler and its settings have no effect.

    Example:
        >>> DirectAULoss(gamma=1.0)
        DirectAULoss(gamma=1.0, t=2.0)
    """

    function = staticmethod(direct_au_loss)
    on_vectors = True

    def forward(
        self,
        users: Tensor,
        items: Tensor,
        pos_mask: Tensor | None = None,
        neg_mask: Tensor | None = None,
    ) -> Tensor:
        """The loss of a batch; ``neg_mask`` is there to be called like any loss, and is unused."""
        return type(self).function(users, items, pos_mask=pos_mask, **self.params)
