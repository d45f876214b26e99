"""Tables of pairs, as people have them: a row per choice, in a file or in memory.

What a table means is found where it is beyond doubt and asked for where it is not: a guess that
is wrong reads ratings as items, or a row as a header, and nobody is told.
"""

import csv
import itertools
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from scipy.sparse import issparse

from .columns import DATE, MISSING, NUMBER, Column, Growing, Table, choose, proposal, role_of, short

_BLOCK = 2**16  # rows that are lists of cells at one time
_SEPARATORS = ("::", "\t", ",", ";", "|")


def parse_table(
    text: str,
    source: str,
    *,
    columns: Sequence | Mapping | None = None,
    sep: str | None = None,
    header: bool | None = None,
    times: bool = True,
) -> Table:
    r"""Read a table from text; see :func:`bslutils.load_files` for what is accepted.

    Without ``times`` that column is left out: it has about as many different cells as rows.

    Example:
        >>> table = parse_table("userId,movieId,rating\nann,7,4.5\nbob,7,1\n", "example")
        >>> table.columns["user"].tokens, table.numbers("rating").tolist()
        (['ann', 'bob'], [4.5, 1.0])
    """
    lines = text.split("\n")
    sample = list(itertools.islice((line for line in lines if line.strip()), 100))
    if not sample:
        raise ValueError(f"{source}: the file is empty")
    if sep is None:
        sep = _separator(sample, source)
    elif not isinstance(sep, str) or not 1 <= len(sep) <= 4 or re.search(r'[\w"\r\n.+-]', sep):
        raise ValueError(f"sep must be one of ',', '\\t', ';', '|', '::' and ' ', got {sep!r}")
    rows = _rows(lines, sep, source)
    start, first = next(rows)
    if len(first) == 1 and (others := [x for x in _SEPARATORS if x != sep and x in first[0]]):
        raise ValueError(
            f"{source}, line {start}: one column, if {_shown(sep)} separate(s) {short(first[0])}; "
            f"perhaps {' or '.join(map(_shown, others))} does: "
            f"load_files({source!r}, sep={others[0]!r})"
        )
    if header is None:
        header = _has_header(first, columns, f"{source}, line {start}")
    elif not isinstance(header, bool):
        raise ValueError(f"header must be True, False or None, got {header!r}")
    chosen = choose(first if header else None, len(first), columns, source, first)
    if not times:
        chosen.pop("time", None)
    if not header:
        rows = itertools.chain([(start, first)], rows)
    found = {role: Growing() for role in chosen}
    line_of = []
    while block := list(itertools.islice(rows, _BLOCK)):
        numbers, cells = zip(*block, strict=True)
        _check(cells, numbers, first, header, start, source, sep)
        line_of.append(np.array(numbers))
        across = list(zip(*cells, strict=True))
        for role, place in chosen.items():
            found[role].extend(across[place])
    if not line_of:
        raise ValueError(f"{source}: there is a header, and no row below it")
    return Table(
        {role: column.done() for role, column in found.items()},
        source,
        lambda row: f"{source}, line {np.concatenate(line_of)[row]}",
    )


def _check(cells, numbers, first, header, start, source, sep) -> None:
    """Each row as wide as the first one, and none of them the header once more."""
    if set(map(len, cells)) == {len(first)} and not (header and first in cells):
        return
    for number, row in zip(numbers, cells, strict=True):
        if header and row == first:
            raise ValueError(
                f"{source}, line {number}: the header of line {start} again; were files joined? "
                "Delete the line"
            )
        if len(row) != len(first):
            lists = "layout='lists' if a line is 'user item item …'"
            remedy = lists if sep == " " else "quote cells that hold it"
            wrong = [n for n, r in zip(numbers, cells, strict=True) if len(r) != len(first)][1:]
            some = ", ".join(map(str, wrong[:5])) + ", …" * (len(wrong) > 5)
            more = f"; {len(wrong):,} more such line(s): {some}" if wrong else ""
            raise ValueError(
                f"{source}, line {number}: {len(row)} column(s), where line {start} has "
                f"{len(first)}, separated by {_shown(sep)}{more}; correct each, or {remedy}"
            )


def _rows(lines: list[str], sep: str, source: str) -> Iterable[tuple[int, list[str]]]:
    """Line and cells of each row; blank lines are left out."""
    if sep == " ":
        yield from ((k, line.split()) for k, line in enumerate(lines, 1) if line.strip())
    elif len(sep) > 1 or not any('"' in line for line in lines):
        for k, line in enumerate(lines, 1):
            if line.strip():
                yield k, [cell.strip() for cell in line.split(sep)]
    else:
        reader = csv.reader(lines, delimiter=sep, strict=True, skipinitialspace=True)
        start = 1
        while True:
            try:
                cells = next(reader, None)
            except csv.Error as error:
                raise ValueError(
                    f"{source}, line {start}: quotes that do not close ({error}); correct them"
                ) from error
            if cells is None:
                return
            if reader.line_num > start:
                raise ValueError(f"{source}, line {start}: quotes that do not close in their line")
            if any(cell.strip() for cell in cells):
                yield start, [cell.strip() for cell in cells]
            start = reader.line_num + 1


def _separator(lines: list[str], source: str) -> str:
    """The separator that every line has equally often; blanks if there is no other."""
    counts = {
        sep: [len(cells) for _, cells in _rows(lines, sep, source)]
        for sep in _SEPARATORS
        if sep in lines[0]
    }
    good = [sep for sep, found in counts.items() if len(set(found)) == 1]
    candidates = good or list(counts)
    if len(candidates) > 1:
        raise ValueError(
            f"{source}: columns may be separated by {' or '.join(map(_shown, candidates))}: say "
            f"which, such as load_files({source!r}, sep={candidates[0]!r})"
        )
    return candidates[0] if candidates else " "


def _has_header(first: list[str], columns: Any, where: str) -> bool:
    """Whether the first row names the columns; ask, if that is in doubt."""
    if isinstance(columns, Mapping) and any(name in first for name in columns.values()):
        return True
    if {"user", "item"} <= {role_of(name) for name in first}:
        return True
    if isinstance(columns, Sequence) and not isinstance(columns, str):
        for role, cell in zip(columns, first, strict=False):
            if role in ("rating", "time"):  # these are numbers in a row
                return not (NUMBER.fullmatch(cell) or (role == "time" and DATE.fullmatch(cell)))
    if any(NUMBER.fullmatch(cell) or DATE.fullmatch(cell) for cell in first):
        return False
    names = ", ".join(map(short, first[:8]))
    raise ValueError(
        f"{where}: this may be a header or a row: {names}. If a header: {proposal(first)}, each "
        "with its right name; if a row: header=False"
    )


def is_table(source: Any) -> bool:
    """Whether it has columns: a DataFrame of any library, a dict of arrays, a sparse matrix."""
    return issparse(source) or _names_of(source) is not None


def _names_of(source: Any) -> list | None:
    if isinstance(source, Mapping):
        return list(source)
    if isinstance(source, np.ndarray):
        return None if source.dtype.names is None else list(source.dtype.names)
    names = getattr(source, "column_names", getattr(source, "columns", None))  # pyarrow, others
    return None if names is None or callable(names) else list(names)


def table_of(
    source: Any, what: str, columns: Sequence | Mapping | None = None, *, times: bool = True
) -> Table:
    """The table in an object with columns, or in a sparse matrix of users by items.

    Raises:
        ValueError: columns that are not clear, of different lengths, or without a row; an id that
            is missing or a float.
    """
    where = f"{what}, row {{}}".format
    if issparse(source):
        if columns is not None:
            raise ValueError(f"{what}: a sparse matrix has no columns to name")
        return _table_of_matrix(source, what, where)
    names = _names_of(source)
    named = all(isinstance(name, str) for name in names)
    chosen = choose(names if named else None, len(names), columns, what)
    if not times:
        chosen.pop("time", None)
    found = {}
    for role, place in chosen.items():
        if names.count(names[place]) > 1:
            raise ValueError(f"{what}: more than one column {names[place]!r}")
        try:
            values = np.asarray(source[names[place]])
        except (ValueError, TypeError) as error:  # ragged lists, or no column at all
            raise ValueError(f"{what}: the column {names[place]!r} is no array: {error}") from error
        if values.ndim != 1:
            raise ValueError(f"{what}: the column {names[place]!r} has shape {values.shape}")
        found[role] = _column(values, role, names[place], where)
    lengths = {str(names[chosen[role]]): len(column.codes) for role, column in found.items()}
    if len(set(lengths.values())) > 1:
        raise ValueError(f"{what}: columns of different lengths: {lengths}")
    if not max(lengths.values()):
        raise ValueError(f"{what}: there is no row")
    return Table(found, what, where)


def _column(values: np.ndarray, role: str, name: Any, where: Callable[[int], str]) -> Column:
    if values.dtype.kind == "b" and role == "rating":
        values = values.astype(np.int64)
    if values.dtype.kind == "M":
        values = np.datetime_as_string(values, unit="us")
    cells = values.tolist()
    if role in ("user", "item") and values.dtype.kind == "f" and np.isnan(values).any():
        row = int(np.isnan(values).argmax())  # why whole numbers have become floats in a DataFrame
        raise ValueError(f"{where(row)}: the {role} is missing; drop such rows first")
    if not set(map(type, cells)) <= {int, str}:
        cells = [_cell(value, role, name, where(row)) for row, value in enumerate(cells)]
    growing = Growing()
    growing.extend([str(cell).strip() for cell in cells])
    return growing.done()


def _cell(value: Any, role: str, name: Any, where: str) -> Any:
    if isinstance(value, bytes):
        return value.decode("utf-8", "surrogateescape")
    if role in ("user", "item"):
        if isinstance(value, float) and value == value:
            raise ValueError(
                f"{where}: the {role} {value} is a float, not an id; convert the column: "
                f"table[{name!r}].astype('int64')"
            )
        if isinstance(value, bool) or not _is_cell(value):
            raise ValueError(f"{where}: the {role} {short(value)} is no id: a whole number or text")
    return value


def _is_cell(value: Any) -> bool:
    return value is None or isinstance(value, str | int | float) or str(value) in MISSING


def _table_of_matrix(matrix: Any, what: str, where: Callable[[int], str]) -> Table:
    if matrix.ndim != 2 or matrix.dtype.kind not in "biuf" or not matrix.nnz:
        raise ValueError(
            f"{what}: must be a sparse matrix of users by items with real entries, got "
            f"{matrix.dtype} {matrix.shape} with {matrix.nnz} of them"
        )
    entries = matrix.tocoo()
    if not np.isfinite(entries.data).all():
        raise ValueError(f"{what}: an entry is not finite")
    there = entries.data != 0
    if not there.any():
        raise ValueError(f"{what}: every entry is zero")
    found = {}
    for role, codes, size in zip(
        ("user", "item"), (entries.row, entries.col), matrix.shape, strict=True
    ):
        if size > 10**8:
            raise ValueError(f"{what}: {size:,} {role}s; renumber those in use first")
        tokens = list(map(str, range(size)))  # rows and columns without an entry stay
        found[role] = Column(codes[there].astype(np.int64), tokens)
    levels, codes = np.unique(entries.data[there].astype(np.float64), return_inverse=True)
    found["rating"] = Column(codes.ravel(), [repr(float(level)) for level in levels])
    return Table(found, what, where)


def _shown(sep: str) -> str:
    return {" ": "blanks", "\t": "tabs"}.get(sep, repr(sep))
