"""Metrics of a ranking of all items for every user."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .checks import switch
from .data import Interactions, check_data
from .rank import Scorer, check_cutoffs, ranked

METRICS = ("recall", "ndcg", "precision", "mrr", "hit")


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
    model: Scorer,
    data: Interactions,
    *,
    split: str = "test",
    ks: int | Sequence[int] = (20,),
    groups: np.ndarray | None = None,
    per_user: bool = False,
    chunk: int | None = None,
) -> dict[str, Any]:
    """Recall, NDCG, Precision, MRR and Hit at every K, over a ranking of all items.

    Means are over the users with at least one item in the split. Items seen before are left
    out of the ranking; ties count against the model. Runs on the device of the model.

    With ``groups`` every item is in a group (:meth:`Interactions.popularity_groups`), and
    Recall and NDCG are split by the group of the hit as well, in the same pass: the parts sum to
    the whole.

    Args:
        model: has ``embed() -> (users (n_users, d), items (n_items, d))``, ready to score; or is a
            function of the ids of some users, ``(C,)``, that gives their scores of all items,
            ``(C, n_items)``: a tensor, an array, or a sparse one, which is 0 elsewhere.
        data: the interactions.
        split: ``"test"``, ``"valid"`` or ``"train"``.
        ks: cut-offs K, or one.
        groups: group of each item, ``(n_items,)`` integers from 0, below the number of items.
        per_user: return an array per metric, and ``"user"`` with the users they belong to.
        chunk: users ranked at a time; by default what keeps their scores in a cache. Memory is
            about ``4 · chunk · n_items`` bytes.

    Returns:
        ``{"recall@20": 0.25, "ndcg@20": …, "precision@20": …, "mrr@20": …, "hit@20": …}``, and
        with ``groups`` ``"recall@20 by group"`` and ``"ndcg@20 by group"``, ``(n_groups,)`` each.

    Raises:
        ValueError: an unknown split, an empty split, no cut-off, one below 1 or one beyond the
            number of items, groups that do not fit the items, a model that does not fit the data,
            is wrapped (``nn.DataParallel``), or gives NaN or infinity, as where a product of
            vectors overflows.

    Example:
        >>> import bslutils as bsl
        >>> data = bsl.load("synthetic")
        >>> model = bsl.models.MatrixFactorization(data.n_users, data.n_items)
        >>> sorted(bsl.evaluate(model, data, ks=(10,)))
        ['hit@10', 'mrr@10', 'ndcg@10', 'precision@10', 'recall@10']
        >>> popular = bsl.evaluate(lambda users: np.tile(data.item_degree, (len(users), 1)), data)
        >>> popular["recall@20"] > bsl.evaluate(model, data)["recall@20"]
        True

    Derived in the chapter *Implicit feedback*.
    """
    check_data(data)
    ks = check_cutoffs(ks, data, "ks")
    switch("per_user", per_user)
    target = data.split(split)
    if target.nnz == 0:
        raise ValueError(f"the {split} split of {data.name} is empty, there is nothing to evaluate")
    groups = _check_groups(groups, data.n_items)
    n_groups = 0 if groups is None else int(groups.max()) + 1
    degree = np.diff(target.indptr)
    parts: dict[str, list[np.ndarray]] = {}
    for users, items, hits in ranked(model, data, split=split, k=max(ks), chunk=chunk):
        if hits.device.type == "mps":  # which has no float64
            items, hits = items.cpu(), hits.cpu()
        n_relevant = torch.as_tensor(degree[users]).to(hits.device)
        metrics = user_metrics(hits, n_relevant, ks)
        if groups is not None:
            metrics |= _by_group(hits, n_relevant, ks, groups.to(hits.device)[items], n_groups)
        for name, values in {"user": torch.as_tensor(users), **metrics}.items():
            parts.setdefault(name, []).append(values.cpu().numpy())
    arrays = {name: np.concatenate(values) for name, values in parts.items()}
    if per_user:
        return arrays
    arrays.pop("user")
    means = {name: values.mean(axis=0) for name, values in arrays.items()}
    return {name: value if value.ndim else float(value) for name, value in means.items()}


def _check_groups(groups: np.ndarray | None, n_items: int) -> Tensor | None:
    if groups is None:
        return None
    try:
        if len(groups) != n_items:  # nothing that is longer is read
            raise ValueError(f"got {len(groups)}")
        array = np.asarray(groups)
    except (ValueError, TypeError, RuntimeError) as error:
        raise ValueError(f"groups must be ({n_items},) integers from 0: {error}") from None
    fits = array.shape == (n_items,) and np.issubdtype(array.dtype, np.integer)
    if not fits or array.min() < 0 or array.max() >= n_items:
        found = f" from {array.min()} to {array.max()}" if fits else ""
        raise ValueError(
            f"groups must be ({n_items},) integers from 0, below the number of items, "
            f"got {array.dtype} {array.shape}{found}"
        )
    return torch.as_tensor(array.astype(np.int64))


def _by_group(
    hits: Tensor, n_relevant: Tensor, ks: Sequence[int], group: Tensor, n_groups: int
) -> dict[str, Tensor]:
    """Recall and NDCG of each user's ``hits (C, k)`` by ``group (C, k)``: ``(C, n_groups)``."""
    result = {}
    for g in range(n_groups):
        metrics = user_metrics(hits & (group == g), n_relevant, ks)
        for name in (f"{metric}@{k}" for metric in ("recall", "ndcg") for k in ks):
            result.setdefault(f"{name} by group", []).append(metrics[name])
    return {name: torch.stack(values, dim=1) for name, values in result.items()}
