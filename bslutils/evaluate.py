"""Full ranking of all items for every user, and the metrics read off it."""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from scipy.sparse import csr_array
from torch import Tensor, nn

from .data import Interactions
from .scoring import shared_scores

METRICS = ("recall", "ndcg", "precision", "mrr", "hit")


def _fill(rows: csr_array, device: torch.device) -> tuple[Tensor, Tensor]:
    """Coordinates (row, column) of the pairs in a block of users."""
    row, column = rows.nonzero()
    return torch.as_tensor(row).to(device), torch.as_tensor(column).to(device)


def _top(scores: Tensor, relevant: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Best ``k`` items of each row, ties resolved against the relevant ones.

    ``scores (C, n_items)`` with ``-inf`` for masked items; returns scores and ids, ``(C, k)``.
    Among equal scores the items that are not relevant come first, so a model cannot gain by
    giving everything the same score.
    """
    k_plus = min(k + 1, scores.shape[1])
    value, item = scores.topk(k_plus, dim=1)
    # topk breaks ties as it likes; rows where that can matter are sorted in full.
    equal = (value[:, 1:] == value[:, :-1]) & value[:, 1:].isfinite()
    tied = equal.any(1).nonzero().squeeze(1)
    value, item = value[:, :k], item[:, :k]
    for block in tied.split(256):
        irrelevant_first = relevant[block].to(torch.int8).argsort(dim=1, stable=True)
        sorted_scores, order = (
            scores[block].gather(1, irrelevant_first).sort(dim=1, descending=True, stable=True)
        )
        value[block] = sorted_scores[:, :k]
        item[block] = irrelevant_first.gather(1, order[:, :k])
    return value, item


@torch.no_grad()
def embeddings(model: nn.Module, data: Interactions) -> tuple[Tensor, Tensor]:
    """``model.embed()`` in evaluation mode, checked against the sizes of the data.

    Raises:
        ValueError: a model whose numbers of users and items are not those of the data.
    """
    was_training = model.training
    model.eval()
    try:
        users, items = model.embed()
    finally:
        model.train(was_training)
    if (len(users), len(items)) != (data.n_users, data.n_items):
        raise ValueError(
            f"the model has {len(users)} users and {len(items)} items, "
            f"{data.name} has {data.n_users} and {data.n_items}"
        )
    return users, items


@torch.no_grad()
def ranked(
    model: nn.Module,
    data: Interactions,
    *,
    split: str = "test",
    k: int = 20,
    chunk: int = 1024,
) -> Iterator[tuple[np.ndarray, Tensor, Tensor]]:
    """Rank all items for every user that has something in ``split``, in chunks of users.

    Items already seen (``data.seen(split)``) are left out. Yields ``(users (C,), items (C, k),
    hits (C, k))``: ids, best first, and whether each is in the split. A list shorter than ``k``
    is padded with item ``-1``. Ties are resolved against the items of the split.

    Raises:
        ValueError: an unknown split, ``k`` or ``chunk`` below 1, a model whose sizes are not
            those of the data, a score that is not a number.
    """
    target, seen = data.split(split), data.seen(split)
    for name, value in (("k", k), ("chunk", chunk)):
        if value < 1:
            raise ValueError(f"{name} must be at least 1, got {value}")
    user_vectors, item_vectors = embeddings(model, data)
    device = user_vectors.device
    k = min(k, data.n_items)
    active = np.flatnonzero(np.diff(target.indptr))
    for start in range(0, len(active), chunk):
        users = active[start : start + chunk]
        scores = shared_scores(user_vectors[torch.as_tensor(users).to(device)], item_vectors)
        if scores.isnan().any():
            row = int(scores.isnan().any(1).nonzero()[0])
            raise ValueError(f"the model gives NaN scores, first for user {users[row]}")
        scores[_fill(seen[users], device)] = -torch.inf
        relevant = torch.zeros(scores.shape, dtype=torch.bool, device=device)
        relevant[_fill(target[users], device)] = True
        value, item = _top(scores, relevant, k)
        hits = relevant.gather(1, item)
        yield users, item.masked_fill(value == -torch.inf, -1), hits


def user_metrics(hits: Tensor, n_relevant: Tensor, ks: Sequence[int]) -> dict[str, Tensor]:
    r"""Metrics of each user at every cut-off, from the hits down its ranked list.

    With :math:`r` relevant items and :math:`h_p` = 1 where rank p is a hit:
    Recall@K :math:`= \sum_{p\le K} h_p / r`, Precision@K :math:`= \sum_{p\le K} h_p / K`,
    Hit@K :math:`= \max_{p\le K} h_p`, MRR@K the inverse rank of the first hit (0 without one),
    NDCG@K :math:`= \sum_{p\le K} h_p / \log_2(p+1)` over its value for the best possible list,
    :math:`\sum_{p\le\min(K,r)} 1/\log_2(p+1)`.

    Args:
        hits: ``(C, k)`` bool, best rank first.
        n_relevant: ``(C,)``, at least 1.
        ks: cut-offs; one beyond ``k`` sees a list that ends at ``k``.

    Returns:
        ``{"recall@20": (C,), …}`` in float64.

    Source: the definitions of trec_eval (set recall and precision, binary gains).
    """
    hits = hits.to(torch.float64)
    n_relevant = n_relevant.to(hits)
    rank = torch.arange(1, hits.shape[1] + 1, device=hits.device, dtype=torch.float64)
    result = {}
    for k in ks:
        h = hits[:, :k]
        found = h.sum(1)
        discount = 1 / (torch.arange(1, k + 1, device=hits.device).to(hits) + 1).log2()
        ideal = discount.cumsum(0)[n_relevant.clamp(max=k).long() - 1]
        result[f"recall@{k}"] = found / n_relevant
        result[f"ndcg@{k}"] = (h * discount[: h.shape[1]]).sum(1) / ideal
        result[f"precision@{k}"] = found / k
        result[f"mrr@{k}"] = (h / rank[: h.shape[1]]).amax(1)
        result[f"hit@{k}"] = h.amax(1)
    return result


def evaluate(
    model: nn.Module,
    data: Interactions,
    *,
    split: str = "test",
    ks: Sequence[int] = (20,),
    per_user: bool = False,
    chunk: int = 1024,
) -> dict[str, float] | dict[str, np.ndarray]:
    """Recall, NDCG, Precision, MRR and Hit at every K, over a ranking of all items.

    Means are over the users with at least one item in the split. Items seen before are left
    out of the ranking; ties count against the model. Runs on the device of the model.

    Args:
        model: has ``embed() -> (users (n_users, d), items (n_items, d))``, ready to score.
        data: the interactions.
        split: ``"test"``, ``"valid"`` or ``"train"``.
        ks: cut-offs K.
        per_user: return an array per metric, and ``"user"`` with the users they belong to.
        chunk: users ranked at a time; memory is about ``5 · chunk · n_items`` bytes.

    Returns:
        ``{"recall@20": 0.25, "ndcg@20": …, "precision@20": …, "mrr@20": …, "hit@20": …}``.

    Raises:
        ValueError: an unknown split, an empty split, no cut-off or one below 1, a model that
            does not fit the data or gives NaN.

    Example:
        >>> import bslutils as bsl
        >>> data = bsl.load("synthetic")
        >>> model = bsl.models.MatrixFactorization(data.n_users, data.n_items)
        >>> sorted(bsl.evaluate(model, data, ks=(10,)))
        ['hit@10', 'mrr@10', 'ndcg@10', 'precision@10', 'recall@10']

    Derived in the chapter *Implicit feedback*.
    """
    if len(ks) == 0 or min(ks) < 1:
        raise ValueError(f"ks must hold cut-offs of at least 1, got {tuple(ks)}")
    target = data.split(split)
    if target.nnz == 0:
        raise ValueError(f"the {split} split of {data.name} is empty, there is nothing to evaluate")
    degree = np.diff(target.indptr)
    parts: dict[str, list[np.ndarray]] = {}
    for users, _, hits in ranked(model, data, split=split, k=max(ks), chunk=chunk):
        metrics = user_metrics(hits, torch.as_tensor(degree[users]).to(hits.device), ks)
        for name, values in {"user": torch.as_tensor(users), **metrics}.items():
            parts.setdefault(name, []).append(values.cpu().numpy())
    arrays = {name: np.concatenate(values) for name, values in parts.items()}
    if per_user:
        return arrays
    arrays.pop("user")
    return {name: float(values.mean()) for name, values in arrays.items()}
