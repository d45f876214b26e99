"""Pairs from text: lists of items by user, as LightGCN and its followers publish their splits."""

import os
import re

import numpy as np

from .columns import role_of
from .text import checked, read_text

_INTEGER = re.compile(r"-?[0-9]+")  # int() reads other digits, underscores and a plus, too


def parse_pairs(text: str, source: str) -> np.ndarray:
    r"""Read pairs from text in either of two formats.

    * a line ``user item item …`` per user; lines of the same user unite, a user may have none;
    * a two-column table: a header line that names user and item, then a line per pair.

    Ids stay as they are. Tables of any other kind are :func:`bslutils.load_files`'s.

    Args:
        text: the whole file.
        source: what to call it in an error message.

    Returns:
        ``(n, 2)`` int64, duplicates kept.

    Raises:
        ValueError: an empty file, a header that has not these two columns, a token that is not an
            integer of ASCII digits, a negative id. The message names source, line and token.

    Example:
        >>> parse_pairs("0 5 6\n1 5\n", "example").tolist()
        [[0, 5], [0, 6], [1, 5]]
        >>> parse_pairs("user\titem\n0\t5\n", "example").tolist()
        [[0, 5]]
    """
    lines = checked(text, source).split("\n")
    first = lines[0].split() if lines else []
    if not first:
        raise ValueError(f"{source}: the file is empty or its first line is")
    header = not any(_is_integer(token) for token in first)
    if header and len(first) != 2:
        raise ValueError(
            f"{source}: a header must name two columns, user and item; "
            f"this one names {len(first)}: {' '.join(first)}"
        )
    roles = [role_of(name) for name in first] if header else ["user", "item"]
    if header and sorted(map(str, roles)) != ["item", "user"]:
        raise ValueError(
            f"{source}, line 1: {' '.join(first)!r} is neither two names of columns, such as 'user "
            "item', nor integer ids"
        )
    body = lines[1:] if header else lines
    counts = np.array([len(line.split()) for line in body], dtype=np.int64)
    joined = " ".join(body)
    try:
        plain = re.fullmatch(r"[0-9\s]*", joined, re.ASCII)
        tokens = np.array(joined.split(), dtype=np.int64) if plain else None
    except (ValueError, OverflowError):
        tokens = None
    ragged = header and not np.isin(counts, (0, 2)).all()
    if tokens is None or ragged:
        raise ValueError(_first_offence(body, source, offset=1 + header, table=header))
    counts = counts[counts > 0]
    starts = np.cumsum(counts) - counts
    is_item = np.ones(len(tokens), dtype=bool)
    is_item[starts] = False
    pairs = np.stack([np.repeat(tokens[starts], counts - 1), tokens[is_item]], axis=1)
    return pairs[:, ::-1] if roles[0] == "item" else pairs


def _is_integer(token: str) -> bool:
    return bool(_INTEGER.fullmatch(token)) and len(token) < 20 and -(2**63) <= int(token) < 2**63


def _first_offence(lines: list[str], source: str, *, offset: int, table: bool) -> str:
    """Find what is wrong, slowly, once something is known to be."""
    for number, line in enumerate(lines, start=offset):
        tokens = re.findall(r"[^ \t]+", line)  # split() takes other blanks, too, and hides them
        for token in tokens:
            if not _is_integer(token):
                return f"{source}, line {number}: {token!r} is not an integer id"
            if token.startswith("-"):
                return f"{source}, line {number}: the id {token} is negative"
        if table and len(tokens) not in (0, 2):
            return f"{source}, line {number}: {len(tokens)} column(s) in a table of two"
    raise AssertionError("an offence was reported, but none was found")


def read_pairs(path: str | os.PathLike, encoding: str = "utf-8") -> np.ndarray:
    """Read pairs from a text file; see :func:`parse_pairs` for the formats.

    Raises:
        ValueError: a file that :func:`bslutils.data.text.read_text` refuses, or that breaks the
            format.
    """
    return parse_pairs(read_text(path, encoding=encoding), str(path))


def are_lists(text: str, source: str, *, alone: bool = True) -> bool:
    """Whether it is ``user item item …`` per user, and not a table.

    A table has columns; lists are integers between blanks, without a header, and each line as long
    as the user has items.

    Args:
        text: the whole file.
        source: what to call it in an error message.
        alone: nothing else says what it is. If not, lists of equal length are taken for lists,
            unless users come back on line after line.

    Raises:
        ValueError: it may be either; the message shows both calls.
    """
    lines = text.strip().split("\n")
    first = lines[0].split()
    if not first or not all(map(_is_integer, first)):
        return False
    lengths, users = [], set()
    for line in lines:
        row = line.split()
        if row:
            lengths.append(len(row))
            users.add(row[0])
    lengths = np.array(lengths)
    if lengths.max() <= 2 or not all(map(_is_integer, users)):
        return lengths.min() != lengths.max()
    length, count = max(
        ((n, int((lengths == n).sum())) for n in np.unique(lengths[lengths > 2])),
        key=lambda pair: pair[1],
    )
    repeated = len(users) < len(lengths)
    if repeated or (alone and 2 * count > len(lengths)):
        why = "users come back on other lines" if repeated else "lines are equally long"
        names = ("user", "item", "rating", "time")[:length]
        raise ValueError(
            f"{source}, line 1: {' '.join(first)[:40]!r} may be a row of a table or a user with "
            f"a list of items ({count} of {len(lengths)} lines have {length} integers, and {why}). "
            f"A table: load_files({source!r}, columns={names}), as its columns are; lists: "
            f"load_files({source!r}, …, layout='lists')"
        )
    return True
