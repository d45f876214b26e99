"""Your own data: tables and lists of pairs, from files or memory, split into train and test."""

import math
import os
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ..checks import as_number, part, seed_of, shown
from .columns import Table, renumber
from .files import are_lists, parse_pairs
from .interactions import Interactions, from_pairs
from .splits import hold_out, hold_out_after, matrix_of
from .table import is_table, parse_table, table_of
from .text import read_text

SPLITTINGS = ("random", "last", "cut")
LAYOUTS = ("table", "lists")
MANY, MOST = 100, 0.9  # rows, and ids in a row, from which on a column is doubted


def load_files(
    train: Any,
    test: Any = None,
    *,
    valid: Any = None,
    columns: Sequence | Mapping | None = None,
    sep: str | None = None,
    header: bool | None = None,
    min_rating: float | None = None,
    split: str = "random",
    test_fraction: float = 0.2,
    valid_fraction: float = 0.1,
    seed: int = 0,
    layout: str | None = None,
    encoding: str = "utf-8",
    name: str | None = None,
) -> Interactions:
    r"""Load your own pairs: a table with a row per choice, or lists of items by user.

    * **A table**, in a file or gzip of one, separated by commas, tabs, ``::``, ``;``, ``|`` or
      blanks, with a header or without (MovieLens, RecBole's ``.inter``, …); a DataFrame, a dict
      of arrays or anything else with columns; a scipy sparse matrix of users by items. Users and
      items are ids of any kind: they are numbered from 0, in order, and the originals are
      ``user_names`` and ``item_names``.
    * **Lists**, ``user item item …`` per user, as LightGCN's ``train.txt``, which need a ``test``;
      their integer ids are taken as they are, from 0. A table of two columns may stand beside.

    What a file is, is found where it is beyond doubt; else an error shows the calls to choose from.
    A pair that comes several times counts once, if one of its ratings is high enough, from the
    first time on. What was left out is counted in ``dropped`` and by ``describe()``.

    Args:
        train: path or table; without ``test`` it is split.
        test: path or table of the same kind.
        valid: the same; without it a part of the training pairs is held out.
        columns: what they are, in order: ``("user", "item", "rating", "time")``, ``"-"`` for one
            that is not needed; or where they are, by name or position:
            ``{"user": "reviewerID", "item": 1}``. By default the usual names in a header, or user
            before item in two columns without.
        sep: what separates columns; ``" "`` for any blanks; by default what is found.
        header: whether the first row names the columns; by default what is found.
        min_rating: rows rated lower are left out; by default a warning says that none is.
        split: without ``test``: ``"random"`` pairs of each user, the ``"last"`` pairs of each
            user, or what comes after one ``"cut"`` in time for all; validation likewise.
        test_fraction: without ``test``: part of each user's pairs, or of all, in [0, 1).
        valid_fraction: part of the training pairs that is held out, in [0, 1).
        seed: chooses which.
        layout: ``"table"`` or ``"lists"``; by default what is found.
        encoding: of files.
        name: what to call the data; by default the name of the file.

    Raises:
        ValueError: a file that cannot be read, is damaged or malformed, or may be several things:
            the message names file, line, cause, and a call that works; an argument out of range;
            a rating or time that is used and is no finite number; no pair that is left.

    Example:
        >>> import pathlib, tempfile
        >>> path = pathlib.Path(tempfile.mkdtemp()) / "ratings.csv"
        >>> rows = ["ann,x1,5", "ann,x7,4", "ann,x9,1", "bob,x1,5", "bob,x9,4"]
        >>> _ = path.write_text("\n".join(["user,item,rating", *rows]), encoding="utf-8")
        >>> data = load_files(path, min_rating=4, test_fraction=0.3)
        >>> data.user_names.tolist(), data.item_names.tolist(), dict(data.dropped)["low ratings"]
        (['ann', 'bob'], ['x1', 'x7', 'x9'], 1)

    Source: the shapes are those of MovieLens (Harper and Konstan, *The MovieLens Datasets*, 2015),
    RecBole (Zhao et al., *RecBole*, CIKM 2021) and LightGCN (He et al., SIGIR 2020).
    """
    if name is not None and not isinstance(name, str):
        raise ValueError(f"name must be text, got {name!r}")
    _check(min_rating, split, test_fraction, valid_fraction, seed, layout)
    options = {"columns": columns, "sep": sep, "header": header}
    asked = {key: value for key, value in options.items() if value is not None}
    sources = {"train": train, "valid": valid, "test": test}
    sources = {what: x for what, x in sources.items() if x is not None or what == "train"}
    if split != "random" and test is not None:
        raise ValueError(
            f"split={split!r} splits train by time, but there is a test; without test, split='cut' "
            "takes validation and test from the end of the table"
        )
    texts = {}
    for what, source in sources.items():
        if isinstance(source, str | os.PathLike) and str(source):
            texts[what] = read_text(source, encoding=encoding)
        elif not is_table(source):
            raise ValueError(
                f"{what} must be a path, a table with columns or a sparse matrix, got "
                f"{type(source).__name__}; arrays of pairs: bslutils.data.from_pairs(train, test)"
            )
    if not name and "train" in texts:  # in UTF-8, whatever the locale makes of its bytes
        name = os.fsencode(Path(train).name.partition(".")[0]).decode(errors="replace")
    name = name or "custom"
    if layout is None:
        table = asked or min_rating is not None or split != "random" or "train" not in texts
        layout = "table" if table or not are_lists(texts["train"], str(train)) else "lists"
        if layout == "lists":
            for what in texts.keys() - {"train"}:
                are_lists(texts[what], str(sources[what]), alone=False)
    if layout == "table":
        tables, times = {}, split != "random"
        for what, source in sources.items():
            if what in texts:
                tables[what] = parse_table(texts.pop(what), str(source), **options, times=times)
            elif asked.keys() - {"columns"}:
                raise ValueError(f"{' and '.join(asked.keys() - {'columns'})} is of files")
            else:
                tables[what] = table_of(source, what, columns, times=times)
        return _from_tables(tables, name, min_rating, split, test_fraction, valid_fraction, seed)
    refused = [*asked, *(["min_rating"] if min_rating is not None else [])]
    refused += ["split"] if split != "random" else []
    if refused or texts.keys() != sources.keys():
        raise ValueError(
            f"{name}: lists of items are in files, and have no {' or '.join(refused) or 'columns'}"
            "; a table is read with layout='table'"
        )
    if test is None:
        raise ValueError(f"{train}: lists of items are split already: load_files(train, test)")
    pairs = {what: parse_pairs(text, str(sources[what])) for what, text in texts.items()}
    return from_pairs(**pairs, name=name, valid_fraction=valid_fraction, seed=seed)


def _check(min_rating, split, test_fraction, valid_fraction, seed, layout) -> None:
    number = as_number(min_rating)
    if min_rating is not None and (number is None or not math.isfinite(number)):
        raise ValueError(f"min_rating must be a finite number or None, got {shown(min_rating)}")
    if not isinstance(split, str) or split not in SPLITTINGS:
        raise ValueError(f"unknown split {split!r}; choose one of {', '.join(SPLITTINGS)}")
    if layout is not None and (not isinstance(layout, str) or layout not in LAYOUTS):
        raise ValueError(f"unknown layout {layout!r}; choose one of {', '.join(LAYOUTS)}, or None")
    for what, value in (("test_fraction", test_fraction), ("valid_fraction", valid_fraction)):
        part(what, value)
    seed_of("seed", seed)


def _from_tables(
    tables: dict[str, Table], name, min_rating, split, test_fraction, valid_fraction, seed
) -> Interactions:
    (user_names, users), (item_names, items) = (
        renumber(list(tables.values()), role) for role in ("user", "item")
    )
    shape = len(user_names), len(item_names)
    rows = sum(map(len, tables.values()))
    for role, n in zip(("user", "item"), shape, strict=True):
        if rows >= MANY and n > MOST * rows:
            warnings.warn(
                f"{name}: {n:,} {role}s in {rows:,} rows, so that hardly any comes twice; is it "
                f"the right column for {role!r}?",
                stacklevel=4,
            )
    pairs, times = {}, None
    low = duplicates = 0
    for k, (what, table) in enumerate(tables.items()):
        keep = _liked(table, min_rating)
        low += len(table) - int(keep.sum())
        cells = users[k][keep] * shape[1] + items[k][keep]
        cells, first, group = np.unique(cells, return_index=True, return_inverse=True)
        duplicates += int(keep.sum()) - len(cells)
        pairs[what] = np.stack(np.divmod(cells, shape[1]), axis=1)
        if split != "random":
            if "time" not in table.columns:
                raise ValueError(
                    f"{table.source}: split={split!r} needs a column of times; say which: "
                    "columns={'user': …, 'item': …, 'time': …}"
                )
            moments = table.numbers("time")[keep]
            times = np.full(len(cells), np.inf)
            np.minimum.at(times, group.ravel(), moments)
    options = {"valid": pairs.get("valid"), "valid_fraction": valid_fraction}
    if "test" not in tables:
        whole = matrix_of(pairs["train"], shape)
        rest, test = _hold_out(whole, test_fraction, seed, split, times)
        if test_fraction and not test.nnz:
            raise ValueError(
                f"{name}: test_fraction={test_fraction:g} of {whole.nnz} pairs of {shape[0]} users "
                "leaves none to test on: users have too few; give a larger part, or a file of test "
                "pairs, or test_fraction=0 for no test"
            )
        if split != "random" and "valid" not in tables and valid_fraction:
            users_left, items_left = rest.nonzero()
            left = np.searchsorted(
                pairs["train"] @ [shape[1], 1], users_left * shape[1] + items_left
            )
            rest, held = _hold_out(rest, valid_fraction, seed, split, times[left])
            options["valid"] = np.stack(held.nonzero(), axis=1)
        pairs |= {
            "train": np.stack(rest.nonzero(), axis=1),
            "test": np.stack(test.nonzero(), axis=1),
        }
    data = from_pairs(
        pairs["train"],
        pairs["test"],
        **options,
        n_users=shape[0],
        n_items=shape[1],
        name=name,
        seed=seed,
        user_names=user_names,
        item_names=item_names,
    )
    dropped = {"low ratings": low, **data.dropped, "duplicates": duplicates}
    return replace(data, dropped=dropped)


def _hold_out(matrix, fraction, seed, split, times):
    if split == "cut":
        return hold_out_after(matrix, fraction, times)
    return hold_out(matrix, fraction, seed, None if split == "random" else times)


def _liked(table: Table, min_rating: float | None) -> np.ndarray:
    """Which rows are choices, ``(n,)`` bool."""
    if "rating" not in table.columns:
        if min_rating is not None:
            raise ValueError(
                f"{table.source}: min_rating needs a column of ratings; say which: "
                "columns={'user': …, 'item': …, 'rating': …}"
            )
        return np.ones(len(table), dtype=bool)
    ratings = table.numbers("rating")
    least, most = ratings.min(), ratings.max()
    if min_rating is None:
        if least < most:
            high = ratings[ratings >= ratings.mean()].min()
            warnings.warn(
                f"{table.source}: every row counts as a choice, whether rated {least:g} or "
                f"{most:g}; min_rating={high:g} keeps those above the mean, min_rating={most:g} "
                f"the highest alone, min_rating={least:g} all",
                stacklevel=5,
            )
        return np.ones(len(table), dtype=bool)
    keep = ratings >= min_rating
    if not keep.any():
        raise ValueError(
            f"{table.source}: no rating is at least {min_rating:g}; they go from {least:g} "
            f"to {most:g}"
        )
    return keep
