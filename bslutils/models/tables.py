"""The tables that every model starts from."""

import math

import torch
from torch import nn

from ..checks import seed_of


def generator_of(seed: int) -> torch.Generator:
    """A source of randomness of its own for the start of a model."""
    return torch.Generator().manual_seed(seed_of("seed", seed))


def empty(*shape: int) -> nn.Parameter:
    """A parameter that is yet to be filled.

    Raises:
        MemoryError: there is no room for it.
    """
    try:
        return nn.Parameter(torch.empty(shape))
    except RuntimeError as error:  # as torch says it on a CPU
        size = " x ".join(map(str, shape))
        gigabytes = 4 * math.prod(shape) / 2**30
        raise MemoryError(
            f"there is no room for weights of {size}, {gigabytes:.1f} GB: lower dim"
        ) from error


def start_tables(
    n_users: int, n_items: int, dim: int, generator: torch.Generator, std: float | None = None
) -> tuple[nn.Parameter, nn.Parameter]:
    """Vectors of users and items: Xavier-uniform, or normal with ``std``."""
    tables = tuple(empty(rows, dim) for rows in (n_users, n_items))
    for table in tables:
        if std is None:
            nn.init.xavier_uniform_(table, generator=generator)
        else:
            nn.init.normal_(table, std=std, generator=generator)
    return tables
