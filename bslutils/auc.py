"""How often a held-out item beats a negative, where negatives may be popular ones."""

import numpy as np
from torch import nn

from .checks import not_negative
from .data import Interactions, check_data
from .rank import check_finite, embeddings


def auc(
    model: nn.Module,
    data: Interactions,
    *,
    split: str = "test",
    power: float = 0.0,
    per_user: bool = False,
) -> float | np.ndarray:
    r"""The area under the curve against negatives drawn in proportion to a power of popularity.

    .. math:: \frac1U \sum_u \frac{1}{|T_u|} \sum_{i \in T_u}
              \sum_j q_u(j) \Big( \mathbb 1[f(u,j) < f(u,i)] + \tfrac12 \mathbb 1[f(u,j) = f(u,i)]
              \Big), \qquad q_u(j) \propto d_j^e

    over the items j that are neither in the split nor known before it, with :math:`d_j` training
    pairs. At e = 0 negatives are uniform, as in training; the larger e, the further the negatives
    that are met are from those.

    Args:
        model: has ``embed() -> (users (n_users, d), items (n_items, d))``.
        data: the interactions.
        split: the held-out items, ``"valid"`` or ``"test"``.
        power: e, at least 0. Items without a training pair count at e = 0 alone.
        per_user: give the value of every user with an item in the split, ``(n,)``, rising by id.

    Returns:
        the mean over users, or each.

    Raises:
        ValueError: an unknown or empty split, ``power`` negative or not finite, a model whose
            sizes are not those of the data, a vector that is not finite, a user for whom no
            negative is left.

    Example:
        >>> from bslutils import load
        >>> from bslutils.models import MatrixFactorization
        >>> data = load("synthetic")
        >>> model = MatrixFactorization(data.n_users, data.n_items)
        >>> 0.4 < auc(model, data) < 0.6  # before training it is chance
        True

    Source: at e = 0, Rendle et al., *BPR: Bayesian Personalized Ranking from Implicit Feedback*,
    UAI 2009, section 4.1.1, with ties counted half; the weights, this book.
    """
    check_data(data)
    not_negative("power", power)
    target, seen = data.split(split), data.seen(split)
    vectors = embeddings(model, data)
    check_finite(*vectors)
    users, items = (table.cpu().double().numpy() for table in vectors)
    active = np.flatnonzero(np.diff(target.indptr))
    if len(active) == 0:
        raise ValueError(f"there is no pair in the {split} split of {data.name}")
    degree = np.asarray(data.item_degree if power else np.ones(data.n_items), dtype=float)
    values = np.empty(len(active))
    for k, user in enumerate(active):
        scores = items @ users[user]
        own, known = (x.indices[x.indptr[user] : x.indptr[user + 1]] for x in (target, seen))
        free = np.ones(data.n_items, dtype=bool)
        free[own] = free[known] = False
        if not degree[free].any():
            raise ValueError(f"no negative is left for user {user}")
        weight = (degree[free] / degree[free].max()) ** power  # no power is too large
        order = np.argsort(scores[free])
        below, mass = scores[free][order], np.append(0, weight[order].cumsum())
        less, up_to = (
            mass[np.searchsorted(below, scores[own], side)] for side in ("left", "right")
        )
        values[k] = ((less + up_to) / 2).mean() / mass[-1]
    return values if per_user else float(values.mean())
