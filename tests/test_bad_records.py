"""Files of records that somebody else wrote: what is no record is left out and said, never read."""

import html
import json
import math
import random
import re
import time
import warnings

import pytest
from markdown_it import MarkdownIt
from mdit_py_plugins.dollarmath import dollarmath_plugin
from mdit_py_plugins.myst_role import myst_role_plugin
from mdit_py_plugins.substitution import substitution_plugin

from bslutils.experiments.record_line import as_markdown, checksum, content_of
from bslutils.experiments.records import FOLDER, SUPERSEDED, _parsed, read_records

LINE = (FOLDER / "score.jsonl").read_text(encoding="utf-8").splitlines()[-1]
OTHER = (
    *(None, True, 0, -1, 0.5, 1e400, "", "x", "recall@20", "\ud800", [], [1], [[]], {}),
    *({"a": 1}, {"recall@20": 2}, {"recall@20": None}, {"recall@20": True}, 10**400),
)


def read(tmp_path, lines):
    path = tmp_path / "records.jsonl"
    path.write_bytes(b"\n".join(lines))
    _parsed.cache_clear()
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        records = read_records(path)
    return records, [str(warning.message) for warning in said]


def changed(**fields):
    """A line whose checksum is right, and a field not."""
    return signed(content_of(LINE) | fields)


def signed(record):
    return json.dumps(record | {"check": checksum(record)}).encode()


def test_every_recorded_line_is_a_record():
    for path in set(FOLDER.glob("*.jsonl")) - {FOLDER / SUPERSEDED}:
        _, complaints = _parsed(path, (0, 0, path.stat().st_size))
        assert complaints == []


@pytest.mark.parametrize(
    "line",
    [
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b"9" * 5000,
        b"[1, 2]",
        b"null",
        changed(test="recall@20"),
        changed(test=["recall@20"]),
        changed(test={"recall@20": math.nan}),
        changed(test={"recall@20": True}),
        changed(test={"recall@20": 0.1, "ndcg@20": [0.1]}),
        changed(test={"recall@20": 0.1, "ndcg@20 by group": ["<script>"]}),
        changed(code=[1]),
        changed(data={"a": 1}),
        changed(hardware=["x"]),
        changed(hardware="x\ny"),
        changed(hardware="x" * 1001),
        changed(date="yesterday"),
        changed(seconds=-1.0),
        changed(threads=True),
        changed(best_epoch=10**6),
        changed(history={}),
        changed(history=[{"epoch": 1, "seconds": "<script>"}]),
        changed(more="fields"),
        changed(users={"ndcg@20": 3}),
        signed({k: v for k, v in content_of(LINE).items() if k != "versions"}),
        LINE.replace('"seed"', '"seed": 0, "seed"', 1).encode(),  # a name twice
        LINE.replace('"valid": 0', '"valid": 1', 1).encode(),  # without its checksum
        b"x" * (2**24 + 1),
    ],
    ids=range(28),
)
def test_what_is_no_record_is_named_and_left_out(tmp_path, line):
    good = json.loads(LINE)["id"]
    records, said = read(tmp_path, [LINE.encode(), line, LINE.encode()])
    assert list(records) == [good]
    assert len(said) == 1 and "line 2 of" in said[0] and "is not a record" in said[0]


def spoilt(rng):
    """A record with a field changed or left out, and the checksum right, or some bytes changed."""
    record = content_of(LINE)
    if rng.random() < 0.5:
        place = record
        for _ in range(rng.randrange(3)):
            inner = [value for value in place.values() if isinstance(value, dict) and value]
            place = rng.choice(inner) if inner else place
        name = rng.choice(list(place))
        if rng.random() < 0.2:
            del place[name]
        else:
            place[name] = rng.choice(OTHER)
        return signed(record)
    line = bytearray(LINE.encode())
    for _ in range(rng.choice((1, 1, 3))):
        at = rng.randrange(len(line))
        if rng.random() < 0.3:
            del line[at : at + rng.randrange(1, 50)]
        else:
            line[at] = rng.choice((0, 10, 34, 44, 48, 57, 58, 91, 93, 123, 125, 128, 255))
    return bytes(line)


@pytest.mark.parametrize("n", [200, pytest.param(16_000, marks=pytest.mark.slow)])
def test_thousands_of_spoilt_records_are_left_out_or_whole(tmp_path, n):
    rng, good = random.Random(n), json.loads(LINE)
    left_out = 0
    for _ in range(n):
        start = time.monotonic()
        records, said = read(tmp_path, [LINE.encode(), spoilt(rng)])
        assert time.monotonic() - start < 5
        # Either it is still a record of the same settings, or it is left out and that is said.
        assert list(records) == [good["id"]]
        assert all("is not a record" in text for text in said)
        left_out += bool(said)
        for value in records[good["id"]]["test"].values():
            assert isinstance(value, list) or math.isfinite(value)
    assert n / 4 < left_out < n


@pytest.mark.parametrize("n", [100, pytest.param(3000, marks=pytest.mark.slow)])
def test_no_flipped_bit_is_read_with_another_content(tmp_path, n):
    rng, good = random.Random(n), content_of(LINE)
    for _ in range(n):
        line = bytearray(LINE.encode())
        line[rng.randrange(len(line))] ^= 1 << rng.randrange(8)
        records, _ = read(tmp_path, [bytes(line)])
        assert records in ({}, {good["id"]: good})


MARKUP = (
    *("<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "**x**", "`x`", "[x](http://x)"),
    *(
        "{glue:text}`x`",
        "$x$",
        "| x |",
        "![x](x)",
        "<!-- x",
        "# x",
        "&lt;b&gt;",
        "https://x.example",
        "{{ x }}",
    ),
)


@pytest.mark.parametrize("text", MARKUP)
def test_a_page_shows_a_strangers_text_as_it_is(text):
    """With the extensions of Markdown that the book is made with."""
    parser = MarkdownIt("commonmark").enable("table")
    for plugin in (dollarmath_plugin, myst_role_plugin, substitution_plugin):
        parser.use(plugin)
    page = parser.render(f"* {as_markdown(f'A machine {text}')}, and more")
    shown = re.sub(r"<[^>]*>", "", page)
    assert html.unescape(shown).strip() == f"A machine {text}, and more"
    assert set(re.findall(r"<(\w+)", page)) == {"ul", "li"}
