"""Your own data: every shape that people bring loads with the right counts, or says what to do."""

import gzip
import random
import re
import signal
import time
import warnings

import numpy as np
import pytest
from scipy import sparse
from test_fuzz import ROOM, within_bounds

import bslutils as bsl
from bslutils.data import load_files
from bslutils.data.table import parse_table

# Users 7, 3 and 9; user 9 rated one item twice; items have gaps.
ROWS = [(7, 30, 5, 40), (7, 10, 4, 10), (7, 20, 2, 30), (3, 10, 5, 20), (3, 50, 4, 50)]
ROWS += [(9, 30, 3, 60), (9, 30, 5, 70), (9, 90, 4.5, 80), (9, 10, 4, 90)]
ALL = ("user", "item", "rating", "time")


def lines(sep, rows=ROWS):
    return "".join(sep.join(map(str, row)) + "\n" for row in rows)


def packed(content):
    # Without the time of packing: the bytes name a test, and the workers must agree on its name.
    return gzip.compress(content, mtime=0)


def write(folder, text, name="ratings.csv"):
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def everything(data):
    return {
        (data.user_names[u], data.item_names[i])
        for split in ("train", "valid", "test")
        for u, i in zip(*data.pairs(split), strict=True)
    }


NAMED = {"columns": {"user": "who", "item": "what", "rating": "stars"}}
SHAPES = {
    "named.csv": ("who,what,stars,when\n" + lines(","), NAMED),
    "ratings.csv": ("userId,movieId,rating,timestamp\n" + lines(","), {}),
    "semicolons.csv": ("User;Item;Score;Date\n" + lines(";"), {}),
    "amazon.csv": ("user_id,parent_asin,rating,timestamp\n" + lines(","), {}),
    "quoted.csv": (
        "user,title,item,rating\n" + "".join(f'{u},"a, b","{i}",{r}\n' for u, i, r, _ in ROWS),
        {},
    ),
    "other.csv": ("item_id,rating,user_id\n" + lines(",", [(i, r, u) for u, i, r, _ in ROWS]), {}),
    "ml.inter": (
        "user_id:token\titem_id:token\trating:float\ttimestamp:float\n" + lines("\t"),
        {},
    ),
    "u.data": (lines("\t"), {"columns": ALL}),
    "ratings.dat": (lines("::"), {"columns": ALL}),
    "blanks.txt": (lines("  "), {"columns": ("user", "item", "rating", "-")}),
    "positions.csv": (lines(","), {"columns": {"user": 0, "item": 1, "rating": 2}}),
    "crlf.csv": (("\ufeffuser,item,rating,time\n" + lines(",")).replace("\n", "\r\n"), {}),
}


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("name", SHAPES)
def test_every_shape_loads_with_the_right_counts(tmp_path, name, compressed):
    text, options = SHAPES[name]
    content = packed(text.encode()) if compressed else text
    data = load_files(write(tmp_path, content, name), min_rating=4, **options)
    assert data.user_names.tolist() == [3, 7, 9]
    assert data.item_names.tolist() == [10, 20, 30, 50, 90]  # 20, disliked, is an item to rank
    assert everything(data) == {(u, i) for u, i, r, _ in ROWS if r >= 4}
    assert (data.dropped["low ratings"], data.dropped["duplicates"]) == (2, 0)
    assert data.name == name.partition(".")[0]


def test_duplicates_are_counted_once(tmp_path):
    path = write(tmp_path, "user,item\n" + lines(",", [row[:2] for row in ROWS]))
    data = load_files(path)
    assert data.describe()["dropped, duplicates"] == 1 and len(everything(data)) == 8


def test_objects_in_place_of_a_file(tmp_path):
    pd = pytest.importorskip("pandas")
    path = write(tmp_path, "user,item,rating,time\n" + lines(","))
    expected = load_files(path, min_rating=4)
    frame = pd.DataFrame(ROWS, columns=list(ALL))
    structured = frame.to_records(index=False)
    dates = frame.assign(time=pd.to_datetime(frame.time, unit="s"))
    for table in (frame, frame.to_dict("list"), structured, dates, frame.astype(str)):
        for split in ("random", "last", "cut"):
            found = load_files(table, min_rating=4, split=split)
            assert found.hash == load_files(path, min_rating=4, split=split).hash
            assert found.item_names.tolist() == expected.item_names.tolist()
    rows, columns = (np.unique([row[k] for row in ROWS], return_inverse=True)[1] for k in (0, 1))
    matrix = sparse.coo_array(([row[2] for row in ROWS], (rows, columns)), shape=(4, 5))
    data = load_files(matrix, min_rating=4)
    assert (data.n_users, data.n_items) == (4, 5) and data.dropped["low ratings"] == 2
    assert data.describe()["users without a pair"] == 1
    with pytest.warns(UserWarning, match="min_rating=5 the highest alone, min_rating=2 all"):
        both = load_files(frame[1:], frame[:1])
    assert both.test.nnz == 1 and both.item_names.tolist() == expected.item_names.tolist()


def test_text_ids_are_kept_as_names(tmp_path):
    rows = [("zoë", "007"), ("zoë", "7"), ("ann lee", "B00X"), ("ann lee", "7")]
    data = load_files(write(tmp_path, "user,item\n" + lines(",", rows)), test_fraction=0.3)
    assert data.user_names.tolist() == ["ann lee", "zoë"]
    assert data.item_names.tolist() == ["007", "7", "B00X"] and everything(data) == set(rows)


def test_splits_by_time(tmp_path):
    path = write(tmp_path, "user,item,time\n" + lines(",", [(u, i, t) for u, i, _, t in ROWS]))
    data = load_files(path, split="last", test_fraction=0.34, valid_fraction=0)
    names = [
        (data.user_names[u], data.item_names[i]) for u, i in zip(*data.pairs("test"), strict=True)
    ]
    assert names == [(3, 50), (7, 30), (9, 10)]  # the last of each
    data = load_files(path, split="cut", test_fraction=0.5, valid_fraction=0.25)
    named = {
        split: {
            (data.user_names[u], data.item_names[i])
            for u, i in zip(*data.pairs(split), strict=True)
        }
        for split in ("train", "valid", "test")
    }
    # 30 comes twice to user 9 and counts from the first time on; user 9 is cold: nothing before
    assert named["test"] == {(3, 50), (9, 30), (9, 90), (9, 10)}
    assert named["valid"] == {(7, 30)} and named["train"] == {(7, 10), (3, 10), (7, 20)}
    described = data.describe()
    assert (described["cold users of test"], described["cold items of test"]) == (1, 3)
    with pytest.raises(ValueError, match="their times are the same; split='random'"):
        load_files({"user": [1, 2], "item": [1, 2], "time": [5, 5]}, split="cut", test_fraction=0.5)
    with pytest.raises(ValueError, match="leaves none to test on.*test_fraction=0 for no test"):
        load_files({"user": [1, 2], "item": [1, 2]})
    assert load_files({"user": [1, 2], "item": [1, 2]}, test_fraction=0).test.nnz == 0


def test_dates_are_moments():
    same = ["2024-01-01T00:30:00+02:00", "2023-12-31 22:30:00", "2023-12-31T22:30:00.000000Z"]
    same += ["2023-12-31 22:30 UTC", "2023-12-31T17:30:00-0500"]
    table = parse_table("user,item,time\n" + lines(",", [(1, 2, date) for date in same]), "x")
    assert set(table.numbers("time")) == {1704061800.0}


def test_blocks_of_rows_join(monkeypatch):
    text = "user,item,rating\n" + lines(",", [row[:3] for row in ROWS]) + "\n7,10,x\n"
    whole = parse_table(text, "x")
    monkeypatch.setattr("bslutils.data.table._BLOCK", 2)
    parts = parse_table(text, "x")
    for role, column in whole.columns.items():
        assert column.tokens == parts.columns[role].tokens
        assert column.codes.tolist() == parts.columns[role].codes.tolist()
    for table in (whole, parts):
        with pytest.raises(ValueError, match="x, line 12: the rating 'x' is no finite number"):
            table.numbers("rating")


def test_two_tables_are_numbered_together(tmp_path):
    train = write(tmp_path, "user,item\nb,x\nb,y\n", "train.csv")
    test = write(tmp_path, "item,user\nz,a\n", "test.csv")
    data = load_files(train, test, valid_fraction=0)
    assert data.user_names.tolist() == ["a", "b"] and data.item_names.tolist() == ["x", "y", "z"]
    assert data.describe()["cold users of test"] == 1


def test_lists_stay_lists(tmp_path):
    train = write(tmp_path, "0 0 1 2\n1 2 3\n2\n", "train.txt")
    test = write(tmp_path, "0 3\n1 1\n2 0\n", "test.txt")
    data = load_files(train, test)
    assert (data.n_users, data.n_items, data.item_names) == (3, 4, None)
    with pytest.raises(ValueError, match="lists of items are split already"):
        load_files(train)
    with pytest.raises(ValueError, match=r"line 2: 3 column.*layout='lists'"):
        load_files(train, test, layout="table", columns=("user", "item"))
    with pytest.raises(ValueError, match="and have no sep; a table is read with layout='table'"):
        load_files(train, test, layout="lists", sep=",")


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        (lines("\t"), {}, r"line 1: '7 30 5 40' may be a row of a table or.*columns=\('user'"),
        ("1 2 3\n2 3 4\n3 4 5\n", {}, "lines are equally long.*layout='lists'"),
        (lines("::"), {}, r"4 column\(s\) without names; say .*columns=\('user', 'item', 'rating'"),
        ("ann,x\nbob,y\n", {}, "line 1: this may be a header or a row: 'ann', 'x'.*header=False"),
        ("# a comment\n1 2\n", {}, "line 1: this may be a header or a row"),
        ("a,b\n1,2\n", {}, "may be a header or a row: 'a', 'b'"),
        ("user,item\n1,2\n3\n", {}, r"line 3: 1 column\(s\), where line 1 has 2"),
        ("user,item\n1,2\n1;3\n", {}, r"line 3: 1 column\(s\)"),
        ("user,item\n3\n1,2\n4\n", {}, r"line 2: 1 column.*; 1 more such line\(s\): 4; correct"),
        ("user,item\n1,2\n" + 7 * "3\n", {}, r"; 6 more such line\(s\): 4, 5, 6, 7, 8, …; corr"),
        ("user,item;x\n1,2;3\n", {}, "separated by ',' or ';': say which"),
        ("user,item\n1,2\n٣,2\n", {}, "line 3: the user '٣' is a number, not an id"),
        ("user,item\n1,2\n1_000,2\n", {}, "line 3: the user '1_000' is a number, not an id"),
        ("user,item\n1.0,2\n", {}, "line 2: the user '1.0' is a number, not an id"),
        ("user,item\n-1,2\n", {}, "line 2: the user '-1' is a number, not an id"),
        ("user,item\n1,2\n,2\n", {}, "line 3: the user is missing"),
        ("user,item\na,2\nnan,2\n", {}, "line 3: the user is missing"),
        ("user,item\na\u200b,2\n", {}, r"line 2: the character '\\u200b' has no place"),
        ("user,item\na\0,2\n", {}, r"line 2: the character '\\x00' has no place"),
        ("user,item\r1,2\r", {}, r"line 1: the character '\\r'.*lines end in"),
        ('user,item\n1,"2\n', {}, "line 2: quotes that do not close"),
        ("user,item,rating\n1,2,nan\n", {}, "line 2: the rating 'nan' is no finite number"),
        ("user,item,rating\n1,2,1e999\n", {}, "line 2: the rating '1e999' is no finite number"),
        ("user,item,rating\n1,2,٣\n", {}, "line 2: the rating '٣' is no finite"),
        ("user,item,rating\n1,2,1\n", {"min_rating": 4}, "no rating is at least 4; they go from 1"),
        ("user,item,time\n1,2,inf\n", {"split": "last"}, "line 2: the time 'inf' is no finite"),
        ("user,item,time\n1,2,2024-02-31\n", {"split": "last"}, "the time '2024-02-31' is no"),
        ("user,item\n1,2\n", {"split": "last"}, "needs a column of times"),
        ("user,item\n1,2\n", {"min_rating": 4}, "needs a column of ratings"),
        ("user,item,uid\n1,2,3\n", {}, "'user' and 'uid' may both be the user; say which"),
        ("user,thing\n1,2\n", {}, "line 1: this may be a header or a row|which columns"),
        ("user_id:token\titem_id_list:token_seq\n1\t2\n", {}, "header or a row|which columns"),
        ("user,item\na,b\nuser,item\n", {}, "line 3: the header of line 1 again"),
        ("user,item\na,b\n٣,b\n", {}, "line 3: the user '٣' is a number"),
        ("user,item,time\n1,2,5\n1,3,2024-01-01\n", {"split": "last"}, "line 2: .* date"),
        ("1,2\n", {"columns": [["user"], ["item"]]}, "columns must hold roles"),
        ("1,2\n", {"columns": b"ui"}, "columns must be roles in order"),
        ("1,2\n", {"name": 5}, "name must be text, got 5"),
        ("user,item\n", {}, "there is a header, and no row below"),
        ("", {}, "the file is empty"),
        (b"PK\x03\x04...", {}, "zip archive.*unpack it"),
        (packed(b"user,item\n1,2\n")[:-9], {}, "damaged gzip archive"),
        (packed(b"0" * 2**27), {}, "unpacks to more than 100 times its size"),
        ("user,item\n\u00e9,2\n".encode("latin-1"), {}, r"in UTF-8 \(line 2, .*encoding='latin-1'"),
        ("user,item\n1,2\n".encode("utf-16"), {}, "encoding='utf-16'"),
        ("user,item\n1,2\n", {"encoding": "klingon"}, "encoding 'klingon'"),
        ("1,2,3\n", {"columns": ("user", "item", "rating", "time")}, "4 columns are named"),
        ("1,2,3\n", {"columns": ("user", "rating")}, "which columns are user and item"),
        ("1,2,3\n", {"columns": ("user", "item", "stars")}, "unknown role 'stars'"),
        ("1,2,3\n", {"columns": {"user": 0, "item": 3}}, "no column 3 for 'item'.*0 to 2"),
        ("1,2,3\n", {"columns": {"user": "u", "item": 1}}, "no column 'u' for 'user'"),
        (
            "user,sku\n1,2\n",
            {"columns": {"user": "user", "item": "id"}},
            "user, sku; give one of t",
        ),
        ("1,2\n", {"columns": "user item"}, "columns must be roles in order"),
        ("1,2\n", {"sep": "1"}, "sep must be one of"),
        ("1,2\n", {"split": "temporal"}, "unknown split 'temporal'; choose one of random, last"),
        ("1,2\n", {"test_fraction": 1}, r"test_fraction must lie in \[0, 1\), got 1"),
        ("1,2\n", {"min_rating": "4"}, "min_rating must be a finite number"),
    ],
)
def test_what_is_ambiguous_or_wrong_is_refused(tmp_path, text, options, message):
    path = write(tmp_path, text)
    with pytest.raises(ValueError, match=message) as caught:
        load_files(path, **options)
    if not set(options) & {"sep", "split", "test_fraction", "columns", "min_rating", "name"}:
        assert "ratings.csv" in str(caught.value)


def test_no_file_and_no_table(tmp_path):
    with pytest.raises(ValueError, match=r"cannot be read \(not a file\)"):
        load_files(tmp_path)
    with pytest.raises(ValueError, match=r"cannot be read \(No such file"):
        load_files(tmp_path / "none.csv")
    for source in (3, [[0, 1]], np.zeros((3, 2), int), b"ratings.csv", None, ""):
        with pytest.raises(ValueError, match="must be a path, a table with columns"):
            load_files(source)
    for table, message in (
        (
            {"user": [1.0, 2.0], "item": [1, 2]},
            r"row 0: the user 1.0 is a float.*astype\('int64'\)",
        ),
        ({"user": [1, None], "item": [1, 2]}, "row 1: the user is missing"),
        ({"user": [1.0, np.nan], "item": [1, 2]}, "row 1: the user is missing; drop such rows"),
        ({"user": [1], "item": [1, 2]}, "columns of different lengths"),
        ({"user": [], "item": []}, "there is no row"),
        ({"user": [True], "item": [1]}, "the user True is no id"),
        ({"user": [[1]], "item": [1]}, r"has shape \(1, 1\)"),
        ({"user": [[1], [1, 2]], "item": [1, 2]}, "the column 'user' is no array"),
        ({"user": [b"\xff"], "item": [1]}, "has a character that is not seen"),
        ({"user": [{}], "item": [1]}, "the user {} is no id"),
        (sparse.csr_array((2, 2)), "sparse matrix of users by items"),
        (sparse.csr_array(np.array([[np.nan, 1]])), "an entry is not finite"),
    ):
        with pytest.raises(ValueError, match=message):
            load_files(table)


def test_a_gap_in_ids_is_not_passed_over_in_silence(tmp_path):
    with pytest.warns(UserWarning, match="2 items are in use, and ids go up to 9.*renumber"):
        bsl.data.from_pairs([[0, 9], [1, 9]], [[0, 1]])
    with pytest.warns(UserWarning, match="count from 1"):
        bsl.data.from_pairs([[1, 1], [2, 2]], [[1, 2]])
    for top, sizes in ((2 * 10**7, {}), (10**9, {}), (1, {"n_items": 10**12})):
        with pytest.raises(ValueError, match="renumber|more than 100,000,000"):
            bsl.data.from_pairs([[0, top], [1, 0]], [[1, top]], **sizes)
    path = write(tmp_path, "196 242 3 881250949\n186 302 3 891717742\n22 377 1\n")
    with pytest.raises(ValueError, match="may be a row of a table"):
        load_files(path, path)


PIECES = ["0", "1", "7", "12", "a", "é", "٣", "1_0", "-1", "+2", "1.5", "nan", "inf", "1e9", '"']
PIECES += [",", ",", "\t", "::", ";", " ", " ", "|", "\n", "\n", "\n", "\r\n", "\r", "\0", "\ufeff"]
PIECES += [
    "user",
    "item",
    "rating",
    "time",
    "user_id:token",
    "#",
    "\x85",
    "\u2028",
    "9" * 30,
    "''",
    "\xa0",
    "\u3000",
]
OPTIONS = [{}, {}, {}, {"columns": ALL}, {"columns": ("user", "item")}, {"header": True}]
OPTIONS += [{"header": False}, {"sep": ","}, {"layout": "table"}, {"layout": "lists"}]
OPTIONS += [{"min_rating": 1}, {"split": "last"}, {"split": "cut"}, {"columns": {"user": 1}}]


def nasty(rng):
    """A file that is a table spoilt in some places, or a heap of pieces."""
    if rng.random() < 0.5:
        return "".join(rng.choices(PIECES, k=rng.randrange(30))).encode()
    text, _ = SHAPES[rng.choice(list(SHAPES))]
    content = bytearray(text.encode())
    for _ in range(rng.randrange(4)):
        place = rng.randrange(len(content))
        content[place : place + rng.randrange(3)] = rng.choice(PIECES).encode()
    if rng.random() < 0.1:
        content = bytearray(packed(bytes(content)))
        content[rng.randrange(2, len(content))] ^= 1 << rng.randrange(8)
    return bytes(content[: rng.randrange(len(content))] if rng.random() < 0.2 else content)


def attack(folder, count, seed):
    with within_bounds() as taken:
        loaded, slowest = attacked(folder, count, seed)
    assert taken.peak < ROOM
    print(f"{count} files, at most {taken.peak / 2**20:.0f} MB more")
    return loaded, slowest


def attacked(folder, count, seed):
    rng, path, loaded, slowest = random.Random(seed), folder / "x.csv", 0, 0.0
    for _ in range(count):
        signal.alarm(6)  # a file that hangs fails
        content, options = nasty(rng), rng.choice(OPTIONS)
        part = {"test_fraction": rng.choice([0, 0.2, 0.5])}
        path.write_bytes(content)
        start = time.perf_counter()
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                data = load_files(path, path if rng.random() < 0.2 else None, **options | part)
        except ValueError as error:
            assert len(str(error)) > 15 and len(str(error)) < 1000, (content, options)
        except Exception as error:
            raise AssertionError((content, options)) from error
        else:
            loaded += 1
            assert data.train.nnz, (content, options)
            if data.user_names is not None:  # a table: renumbered, so no row without an id
                assert max(data.train.shape) <= len(content), (content, options)
            if data.user_names is not None and data.user_names.dtype.kind == "U":
                text = content if content[:2] != b"\x1f\x8b" else gzip.decompress(content)
                decoded = text.decode(options.get("encoding", "utf-8"))
                assert all(name and name in decoded for name in data.user_names), content
        slowest = max(slowest, time.perf_counter() - start)
    return loaded, slowest


def test_nasty_files_give_nothing_but_documented_errors(tmp_path):
    loaded, slowest = attack(tmp_path, 1500, seed=0)
    assert loaded > 60 and slowest < 5


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1, 5))
def test_many_nasty_files(tmp_path, seed):
    loaded, slowest = attack(tmp_path, 7_000, seed)
    assert loaded > 7_000 / 20 and slowest < 5


def test_a_column_in_which_hardly_anything_comes_twice_is_doubted():
    """Times in place of items, as where a header is missing and a proposal was pasted."""
    n = np.arange(300)
    with pytest.warns(UserWarning, match="300 items in 300 rows, .* right column for 'item'"):
        load_files({"user": n % 20, "item": 10**9 + n}, test_fraction=0, valid_fraction=0)
    with pytest.warns(UserWarning, match="300 users in 300 rows, .* right column for 'user'"):
        load_files({"user": n, "item": n % 20}, test_fraction=0, valid_fraction=0)
    load_files({"user": n % 20, "item": n % 30}, test_fraction=0, valid_fraction=0)  # no warning


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["usr", "item", "rating"], "{'user': 'usr', 'item': 'item', 'rating': 'rating'}"),
        (["a", "b", "c"], "{'user': …, 'item': …}"),  # whichever are these
        (["a", "b", "rating"], "{'user': …, 'item': …, 'rating': 'rating'}"),
        (["artikel", "userId"], "{'user': 'userId', 'item': 'artikel'}"),
        (
            ["customer", "sku", "ordered_at", "time"],
            "{'user': 'customer', 'item': …, 'time': 'time'}",
        ),
    ],
)
def test_what_is_proposed_keeps_the_names_it_knows(names, said):
    with pytest.raises(ValueError, match=re.escape(f"columns={said}")):
        parse_table("\n".join([",".join(names), ",".join("x" * len(names))]), "a file")
