"""The tables that every model starts from."""

import torch
from torch import nn


def start_tables(
    n_users: int, n_items: int, dim: int, generator: torch.Generator, std: float | None = None
) -> tuple[nn.Parameter, nn.Parameter]:
    """Vectors of users and items: Xavier-uniform, or normal with ``std``."""
    tables = tuple(nn.Parameter(torch.empty(rows, dim)) for rows in (n_users, n_items))
    for table in tables:
        if std is None:
            nn.init.xavier_uniform_(table, generator=generator)
        else:
            nn.init.normal_(table, std=std, generator=generator)
    return tables
