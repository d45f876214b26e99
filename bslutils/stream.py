"""Training pairs that do not fit in memory: read from Parquet in a stream, a buffer at a time."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .checks import path_of, shown, whole

COLUMNS = ("user", "item")
LARGEST = 2**31  # ids are below


class ParquetPairs:
    """The pairs of a Parquet file, or of all files ``*.parquet`` in a folder, epoch by epoch.

    Ids are whole numbers from 0. What is held at a time is a buffer of pairs, whatever the files
    hold. An epoch goes through the row groups of all files in random order and shuffles the pairs
    of a buffer: pairs of one row group stay near each other, so a file whose rows are in the order
    of users should be written in random order first, or with a buffer that spans many row groups.

    Args:
        path: of a file or a folder.
        columns: names of the columns of users and of items.
        buffer: pairs that are shuffled together: about 50 bytes each are held.

    Attributes:
        n_pairs: how many there are.
        n_users, n_items: one more than the largest id, as the statistics of the files tell, or
            else a first pass.

    Raises:
        ImportError: ``pyarrow`` is missing.
        ValueError: no such file, none in the folder, one that is not Parquet or is damaged, has no
            such column or one that is not of whole numbers, or an id that is missing, negative or
            beyond 2^31; the message names the file.

    Example:
        >>> import tempfile, pyarrow as pa, pyarrow.parquet as pq
        >>> table = pa.table({"user": [0, 0, 1], "item": [5, 2, 2]})
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     pq.write_table(table, f"{folder}/pairs.parquet")
        ...     pairs = ParquetPairs(folder)
        ...     g = torch.Generator().manual_seed(0)
        ...     batches = [(user.tolist(), pos.shape) for user, pos in pairs.batches(2, g)]
        >>> pairs.n_pairs, pairs.n_users, pairs.n_items
        (3, 2, 6)
        >>> sorted(sum((users for users, _ in batches), [])), [shape for _, shape in batches]
        ([0, 0, 1], [torch.Size([2, 1]), torch.Size([1, 1])])
    """

    def __init__(
        self,
        path: str | os.PathLike,
        *,
        columns: tuple[str, str] = COLUMNS,
        buffer: int = 1 << 22,
    ):
        if (
            not isinstance(columns, tuple | list)
            or len(columns) != 2
            or not all(isinstance(name, str) for name in columns)
            or columns[0] == columns[1]
        ):
            raise ValueError(f"columns must be two names, of users and items, got {shown(columns)}")
        self.buffer = whole("buffer", buffer)
        self.columns = tuple(columns)
        self.files = _files(path_of("path", path))
        self.groups: list[tuple[Path, int, int]] = []  # file, row group, pairs in it
        largest = [0, 0]
        for file in self.files:
            with _opened(file) as opened:
                _check_columns(opened, self.columns, file)
                for group in range(opened.num_row_groups):
                    rows = opened.metadata.row_group(group).num_rows
                    if rows:
                        self.groups.append((file, group, rows))
                        found = self._largest(opened, group, file)
                        largest = [max(pair) for pair in zip(largest, found, strict=True)]
        self.n_pairs = sum(rows for _, _, rows in self.groups)
        if not self.n_pairs:
            raise ValueError(f"{path} has no pair")
        self.n_users, self.n_items = (x + 1 for x in largest)

    def batches(
        self, batch_size: int, generator: torch.Generator | None = None
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield an epoch: users ``(B,)`` and their positives ``(B, 1)``, every pair once.

        Args:
            batch_size: pairs in a batch, B; the last of an epoch may have fewer.
            generator: source of randomness; batches are on its device.

        Raises:
            ValueError: ``batch_size`` is not positive; a file that was damaged meanwhile.
        """
        batch_size = whole("batch_size", batch_size)
        device = torch.device("cpu") if generator is None else generator.device
        cpu = torch.Generator()
        cpu.manual_seed(int(torch.randint(2**62, (), generator=generator, device=device)))
        held = torch.empty(2, 0, dtype=torch.long)
        for piece in self._pieces(cpu):
            held = torch.cat([held, piece], 1)
            if held.shape[1] >= self.buffer:
                full = held.shape[1] - held.shape[1] % batch_size
                held = held[:, torch.randperm(held.shape[1], generator=cpu)]
                yield from _cut(held[:, :full], batch_size, device)
                held = held[:, full:].clone()
        held = held[:, torch.randperm(held.shape[1], generator=cpu)]
        yield from _cut(held, batch_size, device)

    def _pieces(self, generator: torch.Generator) -> Iterator[Tensor]:
        """All pairs, ``(2, n)``, by row groups in random order; none longer than a buffer."""
        for place in torch.randperm(len(self.groups), generator=generator).tolist():
            file, group, rows = self.groups[place]
            with _opened(file) as opened:
                known = range(opened.num_row_groups)
                if group not in known or opened.metadata.row_group(group).num_rows != rows:
                    raise ValueError(f"{file} has changed: it has other row groups")
                for piece in _read(opened, group, self.columns, self.buffer, file):
                    found = piece.max(1)
                    if found[0] >= self.n_users or found[1] >= self.n_items:
                        raise ValueError(f"{file} has changed: it has an id beyond those it had")
                    yield torch.from_numpy(piece)

    def _largest(self, opened: Any, group: int, file: Path) -> list[int]:
        """The largest id of users and of items in a row group."""
        told = [_statistics(opened, group, name) for name in self.columns]
        if all(found is not None for found in told):
            for name, (least, most) in zip(self.columns, told, strict=True):
                _check_range(least, most, name, file)
            return [most for _, most in told]
        found = [0, 0]
        for piece in _read(opened, group, self.columns, self.buffer, file):
            found = [max(pair) for pair in zip(found, piece.max(1).tolist(), strict=True)]
        return found


def _cut(held: Tensor, batch_size: int, device: torch.device) -> Iterator[tuple[Tensor, Tensor]]:
    users, items = held
    for n in range(0, held.shape[1], batch_size):
        part = slice(n, n + batch_size)
        yield users[part].to(device), items[part].unsqueeze(1).to(device)


def _files(path: Path) -> list[Path]:
    if path.is_dir():
        found = sorted(path.glob("*.parquet"))
        if not found:
            raise ValueError(f"{path} has no file *.parquet")
        return found
    if not path.is_file():
        raise ValueError(f"there is no file {path}")
    return [path]


@contextmanager
def _opened(file: Path) -> Iterator[Any]:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError:
        raise ImportError("Parquet is read by pyarrow: pip install 'bslutils[parquet]'") from None
    try:
        with pq.ParquetFile(file) as opened:
            yield opened
    except (pa.ArrowException, OSError) as error:
        raise ValueError(f"{file} cannot be read as Parquet: {error}") from None


def _check_columns(opened: Any, columns: tuple[str, str], file: Path) -> None:
    import pyarrow as pa

    schema = opened.schema_arrow
    for name in columns:
        if schema.names.count(name) != 1:
            raise ValueError(
                f"{file} has no column {name!r}, or several; it has {shown(schema.names)}"
            )
        if not pa.types.is_integer(schema.field(name).type):
            raise ValueError(
                f"the column {name!r} of {file} must be of whole numbers, got "
                f"{schema.field(name).type}"
            )


def _statistics(opened: Any, group: int, name: str) -> tuple[int, int] | None:
    """Least and largest value of a column, where the file tells, and that none is missing."""
    of_group = opened.metadata.row_group(group)
    place = [of_group.column(n).path_in_schema for n in range(of_group.num_columns)].index(name)
    found = of_group.column(place).statistics
    if found is None or not found.has_min_max or not found.has_null_count or found.null_count:
        return None
    return int(found.min), int(found.max)


def _read(
    opened: Any, group: int, columns: tuple[str, str], most: int, file: Path
) -> Iterator[np.ndarray]:
    """The pairs of a row group, ``(2, n)``, in pieces."""
    for part in opened.iter_batches(most, row_groups=[group], columns=list(columns)):
        piece = np.empty((2, part.num_rows), dtype=np.int64)
        for row, name in zip(piece, columns, strict=True):
            column = part.column(name)
            if column.null_count:
                raise ValueError(f"the column {name!r} of {file} has missing values")
            row[:] = column.to_numpy(zero_copy_only=False)
            if len(row):
                _check_range(row.min(), row.max(), name, file)
        if part.num_rows:
            yield piece


def _check_range(least: int, most: int, name: str, file: Path) -> None:
    if least < 0 or most >= LARGEST:
        raise ValueError(
            f"ids must lie between 0 and {LARGEST - 1:,}, but the column {name!r} of {file} "
            f"has {least if least < 0 else most}"
        )
