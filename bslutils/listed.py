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
    sampled = users.device.type == "cpu" and users.dtype in (torch.float32, torch.float64)
    if not sampled or place.shape[1] < FEW or not batch:
        return pair_scores(users, items[place])
    if n_items <= place.shape[1]:  # there are no more pairs; and torch wants room for the entries
        return shared_scores(users, items).gather(1, place)
    _no_news_of_beta()
    return _ListedScores.apply(users, items, place)


class _ListedScores(torch.autograd.Function):
    @staticmethod
    def forward(ctx, users: Tensor, items: Tensor, place: Tensor) -> Tensor:
        ctx.save_for_backward(users, items, place)
        entries = torch.sparse_csr_tensor(
            _starts(place),
            place.flatten(),
            users.new_zeros(place.numel()),
            (len(users), len(items)),
            check_invariants=False,  # columns are neither in order nor distinct, and need not be
        )
        torch.sparse.sampled_addmm(entries, users, items.T, beta=0, out=entries)
        return entries.values().view_as(place)

    @staticmethod
    @once_differentiable
    def backward(ctx, grad: Tensor) -> tuple[Tensor, Tensor, None]:
        users, items, place = ctx.saved_tensors
        grad_users = F.embedding_bag(place, items, mode="sum", per_sample_weights=grad)
        # Sorted by column. SciPy counts, where torch would sort.
        entries = (grad.flatten().numpy(), place.flatten().numpy(), _starts(place).numpy())
        columns = csr_array(entries, shape=(len(users), len(items))).tocsc()
        grad_items = F.embedding_bag(
            torch.from_numpy(columns.indices),
            users,
            torch.from_numpy(columns.indptr[:-1]),
            mode="sum",
            per_sample_weights=torch.from_numpy(columns.data),
        )
        return grad_users, grad_items, None


def _starts(place: Tensor) -> Tensor:
    """Where each row of ``place (B, M)`` begins, and the last one ends: ``(B + 1,)``."""
    rows, width = place.shape
    return torch.arange(0, rows * width + 1, width)


@cache
def _no_news_of_beta() -> None:
    """Torch says once in a program that its sparse rows are in beta, to whom it does not help."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        none = torch.zeros(1, dtype=torch.long)
        torch.sparse_csr_tensor(none, none[:0], torch.zeros(0), (0, 1))
