"""Scores of all items for every user, from whatever gives them, and the lists that they make."""

import math
from collections.abc import Callable, Iterator, Sequence
from numbers import Integral

import numpy as np
import torch
from scipy import sparse
from scipy.sparse import csr_array
from torch import Tensor, nn

from .checks import shown, whole
from .data import Interactions, check_data
from .scoring import check_lists

# What can be ranked: a model with ``embed()``, or a function from ids of users, ``(C,)``, to their
# scores of all items, ``(C, n_items)``: a tensor, an array, or a sparse one that is 0 elsewhere.
Scorer = nn.Module | Callable[[np.ndarray], Tensor | np.ndarray | sparse.sparray]

WIDTH = 64  # items in a block whose maximum is looked at first
BLOCK = 1 << 16  # rows of a table that are checked at a time, so that no copy of it is made
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
        ValueError: a model whose numbers of users and items are not those of the data, or that
            :func:`bslutils.fit` has trained on data with other names.
    """
    if not hasattr(model, "embed"):
        raise ValueError(f"a model must have embed(), got {_what(model)}")
    was_training = model.training
    model.eval()
    try:
        users, items = model.embed()
    finally:
        model.train(was_training)
    if not isinstance(users, Tensor) or not isinstance(items, Tensor):
        raise ValueError("embed() must give two tensors, the vectors of users and those of items")
    check_lists(users, items)
    if (len(users), len(items)) != (data.n_users, data.n_items):
        raise ValueError(
            f"the model has {len(users)} users and {len(items)} items, "
            f"{data.name} has {data.n_users} and {data.n_items}: train a new one on it, or "
            "leave out the rows of users and items that are not in the data it was trained on"
        )
    trained_on = getattr(model, "numbering", None)
    if trained_on is not None and data.numbering not in (None, trained_on):
        raise ValueError(
            "the model was trained on data whose users or items have other names than those of "
            f"{data.name}, or another order: its rows are not theirs; train a new model on it, or "
            "load the data that it was trained on"
        )
    return users, items


def check_finite(users: Tensor, items: Tensor) -> None:
    """Refuse vectors ``(n, d)`` of which one is not finite: ``ValueError``, which names it."""
    for name, vectors in (("user", users), ("item", items)):
        bad = torch.cat([(~x.isfinite()).any(1) for x in vectors.split(BLOCK)]).nonzero()
        if len(bad):
            first = f"{name} {int(bad[0])}"
            raise ValueError(f"the model gives NaN or infinite vectors, first for {first}")


def table_of(
    model: Scorer, data: Interactions
) -> tuple[Callable[[np.ndarray], Tensor], torch.device]:
    """A function from ids of users, ``(C,)``, to their scores ``(C, n_items)``; and its device.

    The scores are checked and may be written to, until the next ones are asked for.

    Raises:
        ValueError: a model whose sizes are not those of the data, or vectors that are not finite;
            and, once scores are asked for, scores of another shape or not finite.
    """
    check_data(data)
    if not hasattr(model, "embed"):
        if not callable(model) or _wraps_one(model):
            raise ValueError(
                "what is ranked must have embed(), or be a function from users to scores, got "
                f"{_what(model)}"
            )
        return lambda users: _given(model, users, data), torch.device("cpu")
    user_vectors, item_vectors = (x.detach() for x in embeddings(model, data))
    check_finite(user_vectors, item_vectors)
    # There is seldom a need to look at the scores themselves.
    largest = torch.finfo(item_vectors.dtype).max
    may_overflow = bound_on_scores(user_vectors, item_vectors) > largest / 2
    memory = item_vectors.new_empty(0)

    def product(users: np.ndarray) -> Tensor:
        nonlocal memory
        # One piece of memory for all chunks: a fresh one each time costs as much as the product.
        if len(memory) < len(users):
            memory = item_vectors.new_empty(len(users), data.n_items)
        ids = torch.as_tensor(users).to(item_vectors.device)
        scores = torch.mm(user_vectors[ids], item_vectors.T, out=memory[: len(ids)])
        if may_overflow:
            _check_scores(scores, users)
        return scores

    return product, item_vectors.device


def bound_on_scores(users: Tensor, items: Tensor) -> float:
    """What no score exceeds: the product of the largest length of a user and of an item."""
    return math.prod(_longest(x.detach()) for x in (users, items))


def _longest(vectors: Tensor) -> float:
    """The largest length of a row."""
    lengths = [block.double().norm(dim=1).max() for block in vectors.split(BLOCK)]
    return torch.stack(lengths).max().item()


def _wraps_one(model: object) -> bool:
    """Whether it is a model in a wrapper, such as ``nn.DataParallel``."""
    return hasattr(getattr(model, "module", None), "embed")


def _what(model: object) -> str:
    kind = type(model).__name__
    return f"{kind}: give the model that it wraps, model.module" if _wraps_one(model) else kind


def _given(model: Callable, users: np.ndarray, data: Interactions) -> Tensor:
    """What a function gives, as scores that may be written to."""
    found = model(users)
    if sparse.issparse(found):
        found = found.toarray()
    try:
        if len(found) != len(users):  # whatever it is, nothing that is longer is read
            raise ValueError(f"got {len(found)} rows for {len(users)} users")
        scores = torch.as_tensor(found).detach().cpu()
    except (TypeError, ValueError, RuntimeError) as error:
        raise ValueError(f"scores must be a tensor or an array of numbers: {error}") from None
    shape = (len(users), data.n_items)
    if scores.shape != shape:
        raise ValueError(
            f"scores must be {shape}, users by items of {data.name}, got {tuple(scores.shape)}"
        )
    if not scores.is_floating_point():
        scores = scores.double()
    _check_scores(scores, users)
    return scores.clone()


def _check_scores(scores: Tensor, users: np.ndarray) -> None:
    bad = (~scores.isfinite()).any(1).nonzero()
    if len(bad):
        user = users[int(bad[0])]
        raise ValueError(f"scores must be finite, got NaN or infinity, first for user {user}")


def check_cutoff(k: int, data: Interactions, name: str = "k") -> int:
    """The length of lists; refused if it is no whole number from 1 to the number of items."""
    if not isinstance(k, Integral) or isinstance(k, bool) or k < 1:
        raise ValueError(f"{name} must be a whole number of at least 1, got {shown(k)}")
    if k > data.n_items:
        raise ValueError(
            f"{name} must be at most {data.n_items}, the number of items of {data.name}, got "
            f"{shown(k)}: choose a shorter list"
        )
    return int(k)


def check_cutoffs(ks: int | Sequence[int], data: Interactions, name: str) -> tuple[int, ...]:
    """Lengths of lists, or a single one, each as :func:`check_cutoff` wants it."""
    if isinstance(ks, Integral):
        ks = (ks,)
    try:
        several, count = iter(ks), len(ks)
    except TypeError:
        several = None
    if several is None or isinstance(ks, str):
        raise ValueError(f"{name} must hold cut-offs, such as (10, 20), got {shown(ks)}")
    if count == 0:
        raise ValueError(f"{name} must hold at least one cut-off, got none")
    if count > data.n_items:
        raise ValueError(f"{name} must hold at most {data.n_items} cut-offs, got {count}")
    return tuple(check_cutoff(k, data, f"a cut-off in {name}") for k in several)


def users_at_a_time(data: Interactions, device: torch.device) -> int:
    """For how many users the scores of all items stay in a cache."""
    return max(1, CHUNK["cuda" if device.type == "cuda" else "cpu"] // data.n_items)


def top_items(scores: Tensor, seen: csr_array, target: csr_array, k: int) -> tuple[Tensor, Tensor]:
    """The best ``k`` items of each row that are not ``seen``, ties resolved against ``target``.

    ``scores (C, n_items)`` are written to. Returns scores and ids, ``(C, k)``; a score is ``-inf``
    where candidates have run out.
    """
    scores[_fill(seen, scores.device)] = -torch.inf
    return _top(scores, target, k)


@torch.no_grad()
def ranked(
    model: Scorer,
    data: Interactions,
    *,
    split: str = "test",
    k: int = 20,
    chunk: int | None = None,
) -> Iterator[tuple[np.ndarray, Tensor, Tensor]]:
    """Rank all items for every user that has something in ``split``, in chunks of users.

    Items already seen (``data.seen(split)``) are left out. Yields ``(users (C,), items (C, k),
    hits (C, k))``: ids, best first, and whether each is in the split. A list shorter than ``k``,
    where a user has fewer candidates, is padded with item ``-1``. Ties are resolved against the
    items of the split. ``chunk`` is the number of users ranked at a time; by default what keeps
    the scores in a cache.

    Raises:
        ValueError: an unknown split, ``k`` or ``chunk`` below 1, ``k`` beyond the number of items,
            a model whose sizes are not those of the data, a vector or a score that is not finite.
    """
    check_data(data)
    target, seen = data.split(split), data.seen(split)
    k = check_cutoff(k, data)
    whole("chunk", chunk, or_none=True)
    scores_of, device = table_of(model, data)
    if chunk is None:
        chunk = users_at_a_time(data, device)
    active = np.flatnonzero(np.diff(target.indptr))
    owner, item = data.pairs(split)
    keys = torch.as_tensor(owner * data.n_items + item).to(device)  # sorted
    for start in range(0, len(active), chunk):
        users = active[start : start + chunk]
        ids = torch.as_tensor(users).to(device)
        value, item = top_items(scores_of(users), seen[users], target[users], k)
        wanted = ids.unsqueeze(1) * data.n_items + item
        place = torch.searchsorted(keys, wanted).clamp(max=len(keys) - 1)
        yield users, item.masked_fill(value == -torch.inf, -1), keys[place] == wanted
