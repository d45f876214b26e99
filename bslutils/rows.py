"""Rows of a table that a batch names again and again: each is read, and updated, once."""

import torch
from torch import Tensor

SPARSE = 32  # rows of the table for every id, beyond which sorting the ids is the cheaper way


def distinct(ids: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """The distinct ids in order, and the place of every id among them: ``(R,), ids.shape``.

    Args:
        ids: whole numbers in ``[0, size)``, any shape.
        size: of the table that they are rows of.

    Raises:
        IndexError: an id outside ``[0, size)``, where it is not by sorting that they are found.

    Example:
        >>> rows, place = distinct(torch.tensor([7, 2, 7]), 10)
        >>> rows, place, rows[place]
        (tensor([2, 7]), tensor([1, 0, 1]), tensor([7, 2, 7]))
    """
    if ids.device.type != "cpu" or size > SPARSE * ids.numel():
        return ids.unique(return_inverse=True)
    flat = ids.flatten()
    rows = torch.zeros(size, dtype=torch.bool).index_fill_(0, flat, True).nonzero().squeeze(1)
    place = torch.empty(size, dtype=torch.long)
    place[rows] = torch.arange(len(rows))
    return rows, place.index_select(0, flat).view(ids.shape)


def summed_rows(grad: Tensor) -> tuple[Tensor, Tensor]:
    """Distinct rows of a sparse gradient and the sum of each row's entries: ``(R,), (R, d)``."""
    ids, values = grad._indices()[0], grad._values()
    if (ids[1:] > ids[:-1]).all():  # every row stands there once, as a batch reads them
        return ids, values
    rows, place = distinct(ids, len(grad))
    return rows, values.new_zeros(len(rows), values.shape[1]).index_add_(0, place, values)
