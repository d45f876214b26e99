"""A record as a line of JSON: what it must have, and a checksum that no changed bit survives.

A file of records may come from anybody: a line is a record only if everything in it is of the kind
and in the range that it should be. Its texts are still a stranger's: a page escapes them.
"""

import hashlib
import html
import json
import math
import re
from collections.abc import Callable
from typing import Any

from .trial import CODE, HASHES, identity

CHECK = "check"  # the name of the checksum, the last entry of a line
LONGEST = 2**24  # characters of a line
IDENTITY = (
    "code",
    "data_hash",
    "data",
    "loss",
    "params",
    "config",
    "backbone",
    "model",
    "protocol",
    "false_positives",
)


def line_of(record: dict[str, Any]) -> str:
    """A record as a line, without its end.

    Raises:
        ValueError: a number that is NaN or infinite.

    Example:
        >>> line_of({"id": "1"})
        '{"id": "1", "check": "51fedabde565f471"}'
    """
    return json.dumps(record | {CHECK: checksum(record)}, allow_nan=False)


def content_of(line: str) -> dict[str, Any]:
    """What :func:`line_of` made a line of.

    Raises:
        ValueError: no object of JSON, a name twice, a number that is not finite, or another
            content than was written.

    Example:
        >>> content_of('{"id": "2", "check": "51fedabde565f471"}')
        Traceback (most recent call last):
        ValueError: it is not what was written: its checksum is another
    """
    if len(line) > LONGEST:
        raise ValueError(f"it has more than {LONGEST:,} characters")
    try:
        record = json.loads(line, object_pairs_hook=_each_once, parse_constant=_not_finite)
    except RecursionError:
        raise ValueError("it is nested too deep") from None
    if not isinstance(record, dict):
        raise ValueError("it is no object")
    if record.pop(CHECK, None) != checksum(record):
        raise ValueError("it is not what was written: its checksum is another")
    return record


def checksum(record: dict[str, Any]) -> str:
    """SHA-256 of a record as JSON, 16 hexadecimal digits."""
    text = json.dumps({name: value for name, value in record.items() if name != CHECK})
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def check_record(record: dict[str, Any]) -> None:
    """Raise unless it is a record: every part of the right kind, its id that of its settings.

    Raises:
        ValueError: it is not; the message names the first part that is not as it should be.
    """
    for name, (fits, what) in PARTS.items():
        if name not in record:
            if name not in OPTIONAL:
                raise ValueError(f"{name} is missing")
        elif not fits(record[name]):
            raise ValueError(f"{name} must be {what}")
    if unknown := sorted(set(record) - set(PARTS)):
        raise ValueError(f"{unknown[0]!r} is not of a record")
    if record["best_epoch"] > len(record["history"]):
        raise ValueError("best_epoch is beyond the history")
    if record["id"] != identity({name: record[name] for name in IDENTITY}):
        raise ValueError("its id is not that of its settings")


def as_markdown(text: str) -> str:
    """A stranger's text for a page of Markdown, where it is shown as it is: no markup in it counts.

    Example:
        >>> as_markdown("AMD EPYC, 2 cores"), as_markdown("<b>*x*</b>")
        ('AMD EPYC, 2 cores', '&lt;b&gt;\\\\*x\\\\*&lt;/b&gt;')
    """
    return re.sub(r"([\\`*_{}\[\]()#+!|~$^=:@-])", r"\\\1", html.escape(text, quote=False))


def is_current(record: dict[str, Any]) -> bool:
    """Whether a record is of this version of the code and of the data."""
    return record["code"] == CODE and record["data_hash"] == HASHES.get(record["data"])


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("it has a name twice")
    return found


def _not_finite(text: str) -> None:
    raise ValueError(f"it has the number {text}")


def _number(value: Any) -> bool:
    return type(value) in (int, float) and abs(value) <= 1e300 and math.isfinite(value)


def _not_negative(value: Any) -> bool:
    return _number(value) and value >= 0


def _count(value: Any) -> bool:
    return type(value) is int and 0 <= value < 2**53


def _text(value: Any) -> bool:
    return isinstance(value, str) and len(value) <= 1000 and value.isprintable()


def _dict_of(fits: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, dict) and all(map(fits, value.values()))


def _setting(value: Any) -> bool:
    return value is None or isinstance(value, bool) or _number(value) or _text(value)


def _metrics(value: Any) -> bool:
    """Finite numbers by name, and lists of numbers for groups."""
    return (
        isinstance(value, dict)
        and "recall@20" in value
        and all(
            isinstance(x, list) and all(map(_number, x))
            if name.endswith(" by group")
            else _number(x)
            for name, x in value.items()
        )
    )


def _history(value: Any) -> bool:
    return isinstance(value, list) and all(
        isinstance(entry, dict) and "seconds" in entry and all(map(_number, entry.values()))
        for entry in value
    )


_settings = _dict_of(_setting), "settings by name"
_name = _text, "a line of text"
_numbers = _dict_of(_number), "finite numbers by name"
_seconds = _not_negative, "a number of seconds"
_result = _metrics, "metrics by name, recall@20 among them, each finite"

PARTS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "id": (lambda x: isinstance(x, str) and re.fullmatch("[0-9a-f]{16}", x), "16 hex digits"),
    "label": _name,
    "code": (_count, "a whole number"),
    "data_hash": (lambda x: isinstance(x, str) and re.fullmatch("[0-9a-f]{64}", x), "a SHA-256"),
    "data": _name,
    "loss": _name,
    "params": _settings,
    "config": _settings,
    "backbone": _name,
    "model": _settings,
    "protocol": _name,
    "false_positives": (_not_negative, "a number that is not negative"),
    "history": (_history, "a list with the numbers of each epoch"),
    "best_epoch": (_count, "a whole number"),
    "stopped": _name,
    "valid": (_number, "a finite number"),
    "test": _result,
    "test masked": _result,
    "users": (_dict_of(lambda x: isinstance(x, str)), "texts by metric"),
    "exposure": _numbers,
    "truth": _numbers,
    "train_seconds": _seconds,
    "seconds": _seconds,
    "date": (
        lambda x: isinstance(x, str) and re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", x),
        "a date as 2024-02-29",
    ),
    "commit": _name,
    "versions": (_dict_of(_text), "versions by name"),
    "hardware": _name,
    "threads": (_count, "a whole number"),
}
OPTIONAL = {"test masked", "users", "exposure", "truth"}
