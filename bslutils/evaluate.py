"""Full ranking of all items for every user, and the metrics read off it."""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from scipy.sparse import csr_array
from torch import Tensor, nn

from .data import Interactions
from .scoring import check_lists

METRICS = ("recall", "ndcg", "precision", "mrr", "hit")


WIDTH = 64  # items in a block whose maximum is looked at first
# Scores held at a time by default: 32 MB in float32, about a cache; on a GPU 512 MB.
CHUNK = {"cpu": 1 << 23, "cuda": 1 << 27}


def _fill(rows: csr_array, device: torch.device) -> tuple[Tensor, Tensor]:
    """Coordinates (row, column) of the pairs in a block of users."""
    row = np.repeat(np.arange(rows.shape[0]), np.diff(rows.indptr))
    return torch.as_tensor(row).to(device), torch.as_tensor(rows.indices).long().to(device)


def _largest(scores: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """What ``scores.topk(k)`` gives, sooner: the largest entries of each row, and where.

    An entry among the k largest lies in one of the k blocks with the largest maxima, so only
    those blocks and what is left after the last whole one are sorted.
    """
    n_blocks = scores.shape[1] // WIDTH
    if n_blocks <= 2 * k:
        return scores.topk(k, dim=1)
    whole = n_blocks * WIDTH
    blocks = scores[:, :whole].unflatten(1, (n_blocks, WIDTH)).amax(2).topk(k, dim=1).indices
    place = torch.arange(WIDTH, device=scores.device)
    columns = (blocks.unsqueeze(2) * WIDTH + place).flatten(1)  # (C, k · WIDTH)
    rest = torch.arange(whole, scores.shape[1], device=scores.device)
    columns = torch.cat([columns, rest.expand(len(scores), -1)], dim=1)
    value, order = scores.gather(1, columns).topk(k, dim=1)
    return value, columns.gather(1, order)


def _top(scores: Tensor, target: csr_array, k: int) -> tuple[Tensor, Tensor]:
    """Best ``k`` items of each row, ties resolved against the items of ``target``.

    ``scores (C, n_items)`` with ``-inf`` for masked items, ``target (C, n_items)``; returns
    scores and ids, ``(C, k)``. Among equal scores the items that are not in the target come
    first, so a model cannot gain by giving everything the same score.
    """
    value, item = _largest(scores, min(k + 1, scores.shape[1]))
    # Ties come in any order so far; rows where that can matter are sorted in full.
    equal = (value[:, 1:] == value[:, :-1]) & value[:, 1:].isfinite()
    tied = equal.any(1).nonzero().squeeze(1)
    value, item = value[:, :k], item[:, :k]
    for rows in tied.split(256):
        relevant = torch.as_tensor(target[rows.cpu().numpy()].toarray()).to(scores.device)
        irrelevant_first = relevant.to(torch.int8).argsort(dim=1, stable=True)
        sorted_scores, order = (
            scores[rows].gather(1, irrelevant_first).sort(dim=1, descending=True, stable=True)
        )
        value[rows] = sorted_scores[:, :k]
        item[rows] = irrelevant_first.gather(1, order[:, :k])
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


def check_finite(users: Tensor, items: Tensor) -> None:
    """Refuse vectors ``(n, d)`` of which one is not finite: ``ValueError``, which names it."""
    for name, vectors in (("user", users), ("item", items)):
        bad = (~vectors.isfinite()).any(1).nonzero()
        if len(bad):
            first = f"{name} {int(bad[0])}"
            raise ValueError(f"the model gives NaN or infinite vectors, first for {first}")


@torch.no_grad()
def ranked(
    model: nn.Module,
    data: Interactions,
    *,
    split: str = "test",
    k: int = 20,
    chunk: int | None = None,
) -> Iterator[tuple[np.ndarray, Tensor, Tensor]]:
    """Rank all items for every user that has something in ``split``, in chunks of users.

    Items already seen (``data.seen(split)``) are left out. Yields ``(users (C,), items (C, k),
    hits (C, k))``: ids, best first, and whether each is in the split. A list shorter than ``k``
    is padded with item ``-1``. Ties are resolved against the items of the split. ``chunk`` is
    the number of users ranked at a time; by default what keeps the scores in a cache.

    Raises:
        ValueError: an unknown split, ``k`` or ``chunk`` below 1, a model whose sizes are not
            those of the data, a vector that is not finite.
    """
    target, seen = data.split(split), data.seen(split)
    user_vectors, item_vectors = embeddings(model, data)
    if chunk is None:
        kind = "cuda" if user_vectors.device.type == "cuda" else "cpu"
        chunk = max(1, CHUNK[kind] // data.n_items)
    for name, value in (("k", k), ("chunk", chunk)):
        if value < 1:
            raise ValueError(f"{name} must be at least 1, got {value}")
    check_finite(user_vectors, item_vectors)
    check_lists(user_vectors, item_vectors)
    device = user_vectors.device
    k = min(k, data.n_items)
    active = np.flatnonzero(np.diff(target.indptr))
    owner, item = data.pairs(split)
    keys = torch.as_tensor(owner * data.n_items + item).to(device)  # sorted
    # One piece of memory for all chunks: a fresh one each time costs as much as the product.
    memory = item_vectors.new_empty(min(chunk, len(active)), data.n_items)
    for start in range(0, len(active), chunk):
        users = active[start : start + chunk]
        ids = torch.as_tensor(users).to(device)
        scores = torch.mm(user_vectors[ids], item_vectors.T, out=memory[: len(ids)])
        scores[_fill(seen[users], device)] = -torch.inf
        value, item = _top(scores, target[users], k)
        wanted = ids.unsqueeze(1) * data.n_items + item
        place = torch.searchsorted(keys, wanted).clamp(max=len(keys) - 1)
        yield users, item.masked_fill(value == -torch.inf, -1), keys[place] == wanted


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
    groups: np.ndarray | None = None,
    per_user: bool = False,
    chunk: int | None = None,
) -> dict[str, float | np.ndarray]:
    """Recall, NDCG, Precision, MRR and Hit at every K, over a ranking of all items.

    Means are over the users with at least one item in the split. Items seen before are left
    out of the ranking; ties count against the model. Runs on the device of the model.

    With ``groups`` every item is in a group (:meth:`Interactions.popularity_groups`), and
    Recall and NDCG are split by the group of the hit as well, in the same pass: the parts sum to
    the whole.

    Args:
        model: has ``embed() -> (users (n_users, d), items (n_items, d))``, ready to score.
        data: the interactions.
        split: ``"test"``, ``"valid"`` or ``"train"``.
        ks: cut-offs K.
        groups: group of each item, ``(n_items,)`` integers from 0.
        per_user: return an array per metric, and ``"user"`` with the users they belong to.
        chunk: users ranked at a time; by default what keeps their scores in a cache. Memory is
            about ``4 · chunk · n_items`` bytes.

    Returns:
        ``{"recall@20": 0.25, "ndcg@20": …, "precision@20": …, "mrr@20": …, "hit@20": …}``, and
        with ``groups`` ``"recall@20 by group"`` and ``"ndcg@20 by group"``, ``(n_groups,)`` each.

    Raises:
        ValueError: an unknown split, an empty split, no cut-off or one below 1, groups that do
            not fit the items, a model that does not fit the data or gives NaN or infinity.

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
    groups = _check_groups(groups, data.n_items)
    n_groups = 0 if groups is None else int(groups.max()) + 1
    degree = np.diff(target.indptr)
    parts: dict[str, list[np.ndarray]] = {}
    for users, items, hits in ranked(model, data, split=split, k=max(ks), chunk=chunk):
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
    array = np.asarray(groups)
    fits = array.shape == (n_items,) and np.issubdtype(array.dtype, np.integer)
    if not fits or array.min() < 0:
        raise ValueError(
            f"groups must be ({n_items},) integers from 0, got {array.dtype} {array.shape}"
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
