"""Several processes: negatives of all ranks for the rows of each."""

import zlib

import torch
import torch.distributed as dist
from torch import Tensor
from torch.autograd.function import once_differentiable


def gather(vectors: Tensor, group: dist.ProcessGroup | None = None) -> Tensor:
    r"""The rows of all processes, in the order of their ranks: ``(Bᵣ, …) -> (B, …)``.

    Every process gets the same B = ΣBᵣ rows. They carry gradients: backward, a row's is the sum of
    what the losses of all processes send to it. So if each process calls ``backward`` on a loss
    :math:`L_r` of its own rows, the gradients of R processes add up to that of
    :math:`\sum_r L_r`. DistributedDataParallel divides their sum by R, and what it leaves is the
    gradient of the mean :math:`\frac1R \sum_r L_r`:

    * with as many rows everywhere and ``reduction="mean"``, the loss and gradient of one process
      with all B rows: no factor is needed;
    * with unequal Bᵣ it takes ``reduction="sum"`` and the factor R / B.

    Ids and masks can be gathered like vectors. Without a process group, or in a group of one, the
    answer is ``vectors`` itself, so a loop that gathers also runs as a single process.

    Every process of the group must call it, as often as the others and in the same order; and what
    comes out with gradients must be in the loss of all of them.

    Args:
        vectors: what this process has, of any number of rows; dtype and the other dimensions are
            those of all processes.
        group: the processes; all of them by default.

    Raises:
        ValueError: no tensor of at least one dimension; other dimensions, another dtype, or
            gradients in some processes only (raised in every process, so none is left waiting); a
            process that is not of the group.
        RuntimeError: a second derivative.

    Example:
        >>> gather(torch.eye(2))  # a single process
        tensor([[1., 0.],
                [0., 1.]])

        In a loop under ``torchrun``, with negatives from all processes:
        ``neg = users @ gather(items).T``.

    Used in the chapter *When one machine is not enough*.
    """
    if not isinstance(vectors, Tensor) or vectors.ndim == 0:
        got = tuple(vectors.shape) if isinstance(vectors, Tensor) else type(vectors).__name__
        raise ValueError(f"vectors must be a tensor of at least one dimension, got {got}")
    if not (dist.is_available() and dist.is_initialized()):
        return vectors
    size = dist.get_world_size(group)
    if size < 1:
        raise ValueError("group must be one that this process belongs to")
    if size == 1:
        return vectors
    return _Gather.apply(vectors, group, _rows(vectors, size, group))


def _rows(vectors: Tensor, size: int, group: dist.ProcessGroup | None) -> list[int]:
    """How many rows each process has; all of them learn of one that does not fit."""
    wants = "with" if vectors.requires_grad and torch.is_grad_enabled() else "without"
    kind = f"{tuple(vectors.shape[1:])} {vectors.dtype} {wants}"
    mine = torch.tensor([len(vectors), zlib.crc32(kind.encode())], device=vectors.device)
    every = [torch.empty_like(mine) for _ in range(size)]
    dist.all_gather(every, mine, group=group)
    rows, kinds = torch.stack(every).T.tolist()
    other = [rank for rank, found in enumerate(kinds) if found != kinds[dist.get_rank(group)]]
    if other:
        raise ValueError(
            "vectors must be alike in every process, but for the number of rows: here they are "
            f"{tuple(vectors.shape)} {vectors.dtype} {wants} gradients, but not so on ranks {other}"
        )
    return rows


class _Gather(torch.autograd.Function):
    """All rows; backward, the sum over processes of the gradients of one's own."""

    @staticmethod
    def forward(ctx, vectors: Tensor, group: dist.ProcessGroup | None, rows: list[int]) -> Tensor:
        ctx.group, ctx.rows, ctx.rank = group, rows, dist.get_rank(group)
        # Collectives want equal sizes: padded, and cut again.
        padded = vectors.new_zeros(max(rows), *vectors.shape[1:])
        padded[: len(vectors)] = vectors
        every = [torch.empty_like(padded) for _ in rows]
        dist.all_gather(every, padded, group=group)
        return torch.cat([part[:n] for part, n in zip(every, rows, strict=True)])

    @staticmethod
    @once_differentiable
    def backward(ctx, grad: Tensor) -> tuple[Tensor, None, None]:
        # A reduce-scatter would move half as much, and not every backend has it.
        total = grad.clone(memory_format=torch.contiguous_format)
        dist.all_reduce(total, group=ctx.group)
        return total.split(ctx.rows)[ctx.rank], None, None
