"""The tables that every model starts from, and checks of the arguments that models share."""

import torch
from torch import nn

from ..scoring import SCORES


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


def check_sizes(**sizes: int) -> None:
    for name, value in sizes.items():
        if value < 1:
            raise ValueError(f"{name} must be at least 1, got {value}")


def check_scores(**scores: str) -> None:
    for name, value in scores.items():
        if value not in SCORES:
            raise ValueError(f"{name} must be one of {', '.join(SCORES)}, got {value!r}")


def check_dropout(**shares: float) -> None:
    for name, value in shares.items():
        if not 0 <= value < 1:
            raise ValueError(f"{name} must lie in [0, 1), got {value!r}")


def check_not_negative(**values: float) -> None:
    for name, value in values.items():
        if not 0 <= value < float("inf"):
            raise ValueError(f"{name} must be at least 0 and finite, got {value!r}")
