"""Pairs from text files."""

import os
from pathlib import Path

import numpy as np

from .interactions import Interactions, from_pairs


def parse_pairs(text: str, source: str) -> np.ndarray:
    r"""Read pairs from text in either of two formats.

    * a line ``user item item …`` per user; lines of the same user unite, a user may have none;
    * a two-column table: a header line, then a line ``user item`` per pair.

    Args:
        text: the whole file.
        source: what to call it in an error message.

    Returns:
        ``(n, 2)`` int64, duplicates kept.

    Raises:
        ValueError: an empty file, a header that has not two columns, a token that is not an
            integer, a negative id. The message names source, line and token.

    Example:
        >>> parse_pairs("0 5 6\n1 5\n", "example").tolist()
        [[0, 5], [0, 6], [1, 5]]
        >>> parse_pairs("user\titem\n0\t5\n", "example").tolist()
        [[0, 5]]
    """
    lines = text.splitlines()
    first = lines[0].split() if lines else []
    if not first:
        raise ValueError(f"{source}: the file is empty or its first line is")
    header = not any(_is_integer(token) for token in first)
    if header and len(first) != 2:
        raise ValueError(
            f"{source}: a header must name two columns, user and item; "
            f"this one names {len(first)}: {' '.join(first)}"
        )
    body = lines[1:] if header else lines
    counts = np.array([len(line.split()) for line in body], dtype=np.int64)
    try:
        tokens = np.array(" ".join(body).split(), dtype=np.int64)
    except (ValueError, OverflowError):
        tokens = None
    ragged = header and not np.isin(counts, (0, 2)).all()
    if tokens is None or (len(tokens) and tokens.min() < 0) or ragged:
        raise ValueError(_first_offence(body, source, offset=1 + header, table=header))
    counts = counts[counts > 0]
    starts = np.cumsum(counts) - counts
    is_item = np.ones(len(tokens), dtype=bool)
    is_item[starts] = False
    return np.stack([np.repeat(tokens[starts], counts - 1), tokens[is_item]], axis=1)


def _is_integer(token: str) -> bool:
    try:
        np.int64(token)
    except (ValueError, OverflowError):
        return False
    return True


def _first_offence(lines: list[str], source: str, *, offset: int, table: bool) -> str:
    """Find what is wrong, slowly, once something is known to be."""
    for number, line in enumerate(lines, start=offset):
        tokens = line.split()
        for token in tokens:
            if not _is_integer(token):
                return f"{source}, line {number}: {token!r} is not an integer id"
            if int(token) < 0:
                return f"{source}, line {number}: the id {token} is negative"
        if table and len(tokens) not in (0, 2):
            return f"{source}, line {number}: {len(tokens)} column(s) in a table of two"
    raise AssertionError("an offence was reported, but none was found")


def read_pairs(path: str | os.PathLike) -> np.ndarray:
    """Read pairs from a text file; see :func:`parse_pairs` for the formats.

    Raises:
        ValueError: a file that is missing or is not UTF-8 text, or that breaks the format.
    """
    try:
        text = Path(path).read_text(encoding="utf-8-sig")  # a byte-order mark is no part of an id
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: not a text file in UTF-8 ({error.reason})") from error
    except OSError as error:
        raise ValueError(f"{path}: cannot be read ({error.strerror})") from error
    return parse_pairs(text, str(path))


def load_files(
    train: str | os.PathLike,
    test: str | os.PathLike,
    *,
    valid: str | os.PathLike | None = None,
    name: str | None = None,
    valid_fraction: float = 0.1,
    seed: int = 0,
) -> Interactions:
    """Load your own pairs from text files; ids count from 0.

    Two formats, told apart by the first line: ``user item item …`` per user, or a table with a
    header of two columns and a line per pair. Without ``valid`` a part of ``train`` is held out.

    Raises:
        ValueError: a missing or malformed file (the message names file, line and token), and
            what :func:`bslutils.data.from_pairs` refuses.

    Example:
        >>> import pathlib, tempfile
        >>> folder = pathlib.Path(tempfile.mkdtemp())
        >>> _ = (folder / "train.txt").write_text("0 0 1 2\\n1 2 3\\n", encoding="utf-8")
        >>> _ = (folder / "test.txt").write_text("user item\\n0 3\\n", encoding="utf-8")
        >>> data = load_files(folder / "train.txt", folder / "test.txt", valid_fraction=0)
        >>> data.train.nnz, data.test.nnz
        (5, 1)
    """
    return from_pairs(
        read_pairs(train),
        read_pairs(test),
        valid=None if valid is None else read_pairs(valid),
        name=name or Path(train).stem,
        valid_fraction=valid_fraction,
        seed=seed,
    )
