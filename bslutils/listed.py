"""Scores of every user with a list of items of its own, without copying a vector for each."""

import warnings
from functools import cache

import torch
import torch.nn.functional as F
from scipy.sparse import csr_array
from torch import Tensor
from torch.autograd.function import once_differentiable

from .scoring import FEW, pair_scores, shared_scores


def listed_scores(users: Tensor, items: Tensor, place: Tensor) -> Tensor:
    r"""Score each user with items of its own, named by their place in a table of vectors.

    .. math:: s_{bm} = u_b \cdot v_{p_{bm}}

    The same as ``pair_scores(users, items[place])``, whose copies of vectors, there and back,
    cost far more than the arithmetic (``python -m benchmarks step``). On a CPU the pairs are the
    entries of a sparse matrix instead: a product sampled there is the score, and a product with
    the gradient at the entries, by rows and by columns, is what goes back.

    Args:
        users: vectors ``(B, d)``.
        items: vectors ``(U, d)``.
        place: of each user's items among those, ``(B, M)``, repeats allowed.

    Raises:
        ValueError: shapes that do not fit.
        RuntimeError: a second derivative; ``pair_scores`` has one.

    Used in the chapter *Speed and memory*.

    Example:
        >>> import torch
        >>> users, items = torch.eye(2), torch.tensor([[1.0, 2.0], [3.0, 4.0]])
        >>> listed_scores(users, items, torch.tensor([[0, 1], [1, 1]]))
        tensor([[1., 3.],
                [4., 4.]])
    """
    (batch, width), n_items = users.shape, len(items)
    if place.ndim != 2 or len(place) != batch or items.ndim != 2 or items.shape[1] != width:
        raise ValueError(
            f"items must be (U, {width}) and place ({batch}, M) for users {tuple(users.shape)}, "
            f"got {tuple(items.shape)} and {tuple(place.shape)}"
        )
    if not _sampled(users) or place.shape[1] < FEW or not batch:
        return pair_scores(users, items[place])
    if n_items <= place.shape[1]:  # there are no more pairs; and torch wants room for the entries
        return shared_scores(users, items).gather(1, place)
    starts = torch.arange(0, place.numel() + 1, place.shape[1])
    return _ListedScores.apply(users, items, place.flatten(), starts).view_as(place)


def ragged_scores(users: Tensor, items: Tensor, place: Tensor, starts: Tensor) -> Tensor:
    r"""As :func:`listed_scores`, where users have lists of different lengths: ``(T,)``.

    Args:
        users: vectors ``(B, d)``.
        items: vectors ``(U, d)``.
        place: of each user's items among those, one list after another, ``(T,)``; the items of a
            user are distinct.
        starts: where each list begins, and the last one ends, ``(B + 1,)``.

    Raises:
        ValueError: shapes that do not fit.
        RuntimeError: a second derivative, on a CPU.

    Example:
        >>> import torch
        >>> users, items = torch.eye(2), torch.tensor([[1.0, 2.0], [3.0, 4.0]])
        >>> ragged_scores(users, items, torch.tensor([1, 0, 1]), torch.tensor([0, 1, 3]))
        tensor([3., 2., 4.])
    """
    if users.shape[1:] != items.shape[1:] or place.ndim != 1 or starts.shape != (len(users) + 1,):
        raise ValueError(
            f"items must be (U, {users.shape[-1]}), place (T,) and starts ({len(users) + 1},) for "
            f"users {tuple(users.shape)}, got {tuple(items.shape)}, {tuple(place.shape)} and "
            f"{tuple(starts.shape)}"
        )
    if _sampled(users) and len(place):
        return _ListedScores.apply(users, items, place, starts)
    row = torch.arange(len(users), device=users.device).repeat_interleave(starts.diff())
    return (users.index_select(0, row) * items.index_select(0, place)).sum(1)


def _sampled(users: Tensor) -> bool:
    """Whether a sparse product knows this place and type."""
    return users.device.type == "cpu" and users.dtype in (torch.float32, torch.float64)


class _ListedScores(torch.autograd.Function):
    """Of ``place (T,)``, list after list, each from one of ``starts (B + 1,)`` to the next."""

    @staticmethod
    def forward(ctx, users: Tensor, items: Tensor, place: Tensor, starts: Tensor) -> Tensor:
        _no_news_of_beta()
        ctx.save_for_backward(users, items, place, starts)
        entries = torch.sparse_csr_tensor(
            starts,
            place,
            users.new_zeros(len(place)),
            (len(users), len(items)),
            check_invariants=False,  # columns are neither in order nor distinct, and need not be
        )
        torch.sparse.sampled_addmm(entries, users, items.T, beta=0, out=entries)
        return entries.values()

    @staticmethod
    @once_differentiable
    def backward(ctx, grad: Tensor) -> tuple[Tensor, Tensor, None, None]:
        users, items, place, starts = ctx.saved_tensors
        grad = grad.contiguous()
        grad_users = F.embedding_bag(place, items, starts[:-1], mode="sum", per_sample_weights=grad)
        # Sorted by column. SciPy counts, where torch would sort.
        entries = (grad.numpy(), place.numpy(), starts.numpy())
        columns = csr_array(entries, shape=(len(users), len(items))).tocsc()
        grad_items = F.embedding_bag(
            torch.from_numpy(columns.indices),
            users,
            torch.from_numpy(columns.indptr[:-1]),
            mode="sum",
            per_sample_weights=torch.from_numpy(columns.data),
        )
        return grad_users, grad_items, None, None


@cache
def _no_news_of_beta() -> None:
    """Torch says once in a program that its sparse rows are in beta, to whom it does not help."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        none = torch.zeros(1, dtype=torch.long)
        torch.sparse_csr_tensor(none, none[:0], torch.zeros(0), (0, 1))
