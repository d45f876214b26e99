"""Columns of a table: which is which, what is in their cells, and ids of any kind renumbered."""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np

ROLES = ("user", "item", "rating", "time")
_NAMES = {  # in lower case and without _, - and blanks; RecBole adds a type after a colon
    "user": "user userid userprocid uid u reviewerid customer customerid member memberid visitorid",
    "item": "item itemid itemprocid iid i movie movieid product productid asin parentasin book "
    "bookid isbn "
    "song songid track trackid artist artistid business businessid poi poiid location locationid "
    "news newsid article articleid",
    "rating": "rating ratings score stars overall label click clicks",
    "time": "time timestamp ts date datetime unixreviewtime",
}
_ROLE_OF = {name: role for role, names in _NAMES.items() for name in names.split()}
NUMBER = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?")  # ASCII alone
DATE = re.compile(  # of ISO 8601, as RFC 3339 and everybody writes it
    r"\d{4}-\d\d-\d\d([ T]\d\d:\d\d(:\d\d([.]\d{1,9})?)?( ?(Z|UTC|[+-]\d\d:?\d\d))?)?", re.ASCII
)
_INTEGER = re.compile(r"0|[1-9][0-9]{0,17}")
MISSING = {"", "nan", "NaN", "NULL", "null", "None", "NA", "N/A", "<NA>", "NaT"}
_UNSEEN = re.compile(  # control and format characters, and halves of a pair
    "[\0-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060\ud800-\udfff\ufeff]"
)
LONGEST = 256  # characters of an id


@dataclass(frozen=True)
class Column:
    """Cells of a column: ``tokens[codes]``."""

    codes: np.ndarray
    tokens: list[str]

    def row(self, code: int) -> int:
        """The row in which a token is met first."""
        return int(np.argmax(self.codes == code))


@dataclass(frozen=True)
class Table:
    """The columns that were asked for, of one file or object.

    Attributes:
        columns: by role; user and item are always there.
        source: what to call it, and ``where(row)`` a row of it, in a message.
    """

    columns: Mapping[str, Column]
    source: str
    where: Callable[[int], str]

    def __len__(self) -> int:
        return len(self.columns["user"].codes)

    def numbers(self, role: str) -> np.ndarray:
        """The ratings or the times, ``(n,)`` float64; a date is seconds since 1970, in UTC.

        Raises:
            ValueError: a cell that is no finite number and, for a time, no date of ISO 8601.
        """
        column = self.columns[role]
        values = _plain_numbers(column.tokens)
        if values is not None:
            return values[column.codes]
        values = np.full(len(column.tokens), math.nan)
        dates = role == "time" and any(map(DATE.fullmatch, column.tokens))
        for k, token in enumerate(column.tokens):
            if dates and DATE.fullmatch(token):
                values[k] = _seconds(token)
            elif not dates and NUMBER.fullmatch(token):
                values[k] = float(token)
            if not math.isfinite(values[k]):
                if dates:
                    what = "date such as 2024-12-31 23:59:59, as others are"
                elif role == "time":
                    what = (
                        "finite number nor a date such as 2024-12-31, into which "
                        "pandas.to_datetime(…, dayfirst=True) turns others"
                    )
                else:
                    what = "finite number"
                raise ValueError(
                    f"{self.where(column.row(k))}: the {role} {short(token)} is no {what}; correct "
                    "it, take out rows without one, or leave the column out: columns={'user': …, "
                    "'item': …}"
                )
        return values[column.codes]


def choose(
    names: Sequence | None, width: int, columns: Any, source: str, first: Sequence = ()
) -> dict[str, int]:
    """The position of each role, by what is asked for, by names, or user before item.

    Raises:
        ValueError: what is asked for is not there, or not clear; the message shows a call.
    """
    if isinstance(columns, Mapping):
        chosen = {role: _place(role, name, names, width, source) for role, name in columns.items()}
    elif columns is not None:
        if isinstance(columns, str | bytes) or not isinstance(columns, Sequence | np.ndarray):
            raise ValueError(
                "columns must be roles in order, such as ('user', 'item', 'rating'), or role to "
                f"name, such as {{'user': 'userId', 'item': 'movieId'}}, got {columns!r}"
            )
        if not all(role is None or isinstance(role, str) for role in columns):
            raise ValueError(f"columns must hold roles, of {', '.join(ROLES)}, got {columns!r}")
        roles = [None if role in (None, "", "_", "-") else role for role in columns]
        if len(roles) > width:
            raise ValueError(f"{source}: {len(roles)} columns are named, and it has {width}")
        chosen = {role: place for place, role in enumerate(roles) if role is not None}
        if len(chosen) < sum(role is not None for role in roles):
            raise ValueError(f"columns names a role twice: {list(columns)}")
    elif names is None:
        if width != 2:
            row = f", if the row {' '.join(map(str, first[:6]))[:80]!r} reads so" if first else ""
            roles = [*ROLES, *["-"] * width][: max(width, 2)]
            raise ValueError(
                f"{source}: {width} column(s) without names; say what they are, in order: "
                f"load_files({source!r}, columns={tuple(roles)}){row} "
                "('-' for one that is not needed)"
            )
        chosen = {"user": 0, "item": 1}
    else:
        chosen = {}
        for place, name in enumerate(names):
            role = role_of(name)
            if role in chosen:
                raise ValueError(
                    f"{source}: {names[chosen[role]]!r} and {name!r} may both be the {role}; say "
                    f"which: columns={{…, {role!r}: {name!r}}}"
                )
            if role:
                chosen[role] = place
    unknown = [role for role in chosen if role not in ROLES]
    if unknown or not {"user", "item"} <= chosen.keys():
        seen = "" if names is None else f"; its columns are {', '.join(map(short, names[:12]))}"
        said = f"unknown role {unknown[0]!r}" if unknown else "which columns are user and item?"
        example = proposal(names) if names else "columns={'user': …, 'item': …}"
        raise ValueError(
            f"{source}: {said}{seen}; say {example}, each with its right name; the roles are "
            f"{', '.join(ROLES)}"
        )
    if len(set(chosen.values())) < len(chosen):
        raise ValueError(f"{source}: two roles share a column: {chosen}")
    return chosen


def proposal(names: Sequence) -> str:
    """A call to start from: columns whose names are usual by these, the only one that is left by
    that, and else a gap: what is guessed runs when it is wrong, too.
    """
    found = {role_of(name): short(name) for name in names if role_of(name)}
    needed = [role for role in ("user", "item") if role not in found]
    others = [short(name) for name in names if role_of(name) is None]
    sure = len(needed) == len(others) == 1
    found |= dict(zip(needed, others if sure else "……", strict=False))
    said = (f"{role!r}: {found[role]}" for role in ROLES if role in found)
    return f"columns={{{', '.join(said)}}}"


def _place(role: Any, name: Any, names: Sequence | None, width: int, source: str) -> int:
    if isinstance(name, int | np.integer) and not isinstance(name, bool):
        if 0 <= name < width:
            return int(name)
        raise ValueError(
            f"{source}: no column {name} for {role!r}; they count from 0 to {width - 1}"
        )
    if names is None or list(names).count(name) != 1:
        there = "there is no header" if names is None else f"there are {', '.join(map(str, names))}"
        twice = names is not None and name in names
        advice = "give its position, from 0"
        if names is not None and not twice:
            advice = "give one of these, or its position, from 0"
        raise ValueError(
            f"{source}: {'more than one' if twice else 'no'} column {name!r} for {role!r}: "
            f"{there}; {advice}"
        )
    return list(names).index(name)


def role_of(name: Any) -> str | None:
    """What a name is usual for; the type that RecBole adds to it is left out."""
    plain = re.sub(r"[_\- ]", "", str(name).partition(":")[0].strip().lower())
    return None if str(name).endswith("_seq") else _ROLE_OF.get(plain)


def _plain_numbers(tokens: list[str]) -> np.ndarray | None:
    """All of them at once, if they are digits and points and finite; else None."""
    if not re.fullmatch(r"[0-9. ]*", " ".join(tokens)):
        return None
    try:
        values = np.array(tokens).astype(np.float64)
    except ValueError:
        return None
    return values if np.isfinite(values).all() else None


def _seconds(date: str) -> float:
    """Since 1970; NaN for a date that no calendar has."""
    try:
        moment = datetime.fromisoformat(date.replace("UTC", "Z").replace(" Z", "Z"))
    except ValueError:
        return math.nan
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


class _Codes(dict):
    def __missing__(self, token: str) -> int:
        self[token] = code = len(self)
        return code


class Growing:
    """A column to which cells are added, many at a time."""

    def __init__(self):
        self.parts, self.known = [], _Codes()

    def extend(self, cells: Sequence[str]) -> None:
        codes = map(self.known.__getitem__, cells)
        self.parts.append(np.fromiter(codes, dtype=np.int64, count=len(cells)))

    def done(self) -> Column:
        return Column(np.concatenate(self.parts), list(self.known))


def renumber(tables: Sequence[Table], role: str) -> tuple[np.ndarray, list[np.ndarray]]:
    """Number the ids of tables together, from 0: ``(names, ids of each table)``.

    Ids that are all plain integers are put in the order of numbers, others in that of text.

    Raises:
        ValueError: an id that is missing, too long, has a character in it that is not seen, or is
            a number that is not written as an id is: ``1.0``, ``-3``, ``1_000``, other digits.
    """
    known = {}
    for table in tables:
        column = table.columns[role]
        for code, token in enumerate(column.tokens):
            known.setdefault(token, (table, code))
    integers = all(map(_INTEGER.fullmatch, known))
    if not integers:
        # Where all can be read as numbers, each has to be written as an id is; 12_7 may be one.
        numbers = all(map(_reads_as_number, known)) and not all("_" in token for token in known)
        for token, (table, code) in known.items():
            column = table.columns[role]
            if token in MISSING:
                empty = [k for k, told in enumerate(column.tokens) if told in MISSING]
                n = int(np.isin(column.codes, empty).sum())
                said = (
                    f"the {role} is missing ({token!r}), as it is in {n:,} row(s); take them out "
                    "first, such as by pandas.read_csv(…, dtype=str).dropna(subset=[its column])"
                )
            elif len(token) > LONGEST:
                said = f"the {role} {short(token)} is longer than {LONGEST} characters"
            elif _UNSEEN.search(token):
                said = f"the {role} {short(token)} has a character that is not seen"
            elif not re.fullmatch(r"[0-9]+", token) and (
                numbers or (not token.isascii() and _reads_as_number(token))
            ):
                said = f"the {role} {short(token)} is a number, not an id; write a plain integer"
            else:
                continue
            raise ValueError(f"{table.where(column.row(code))}: {said}")
    order = sorted(known, key=int if integers else None)
    place = {token: k for k, token in enumerate(order)}
    names = np.array(list(map(int, order)), dtype=np.int64) if integers else np.array(order)
    ids = []
    for table in tables:
        column = table.columns[role]
        ids.append(np.array([place[token] for token in column.tokens], np.int64)[column.codes])
    return names, ids


def _reads_as_number(token: str) -> bool:
    try:
        float(token)
    except ValueError:
        return False
    return True


def short(value: Any) -> str:
    """What a message shows of a cell."""
    text = repr(value)
    return text if len(text) <= 40 else text[:36] + "…'"
