"""Pairs from text files."""

import numpy as np
import pytest

import bslutils as bsl
from bslutils.data import load_files
from bslutils.data.files import parse_pairs, read_pairs


def test_both_text_formats_give_the_same_pairs(tmp_path):
    rng = np.random.default_rng(0)
    users, items = (rng.random((20, 30)) < 0.3).nonzero()
    lines = [f"{u} " + " ".join(map(str, items[users == u])) for u in range(21)]
    (tmp_path / "a.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    table = "user\titem\n" + "".join(f"{u}\t{i}\n" for u, i in zip(users, items, strict=True))
    (tmp_path / "b.tsv").write_text(table, encoding="utf-8")
    expected = np.stack([users, items], axis=1).tolist()
    assert read_pairs(tmp_path / "a.txt").tolist() == expected  # user 20 has no item
    assert read_pairs(tmp_path / "b.tsv").tolist() == expected


def test_lines_of_a_user_unite_and_blank_lines_do_not_matter():
    assert parse_pairs("1 2\n\n0 5\n1 3 2\n", "x").tolist() == [[1, 2], [0, 5], [1, 3], [1, 2]]


def test_load_files(tmp_path):
    (tmp_path / "train.txt").write_text("0 0 1 2\n1 2 3\n", encoding="utf-8")
    (tmp_path / "test.txt").write_text("0 3\n", encoding="utf-8")
    (tmp_path / "valid.txt").write_text("1 0\n", encoding="utf-8")
    data = load_files(tmp_path / "train.txt", tmp_path / "test.txt", valid=tmp_path / "valid.txt")
    assert data.name == "train" and data.train.nnz == 5 and data.valid.nnz == data.test.nnz == 1
    assert bsl.load_files is load_files


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0 1\n1 two 3\n", "mine, line 2: 'two' is not an integer id"),
        ("0 1\n1 2.0\n", "mine, line 2: '2.0' is not an integer id"),
        ("0 1\n0\xa01\n", r"mine, line 2: '0\\xa01' is not an integer id"),
        ("0\u30001\n", r"mine, line 1: '0\\u30001' is not an integer id"),
        ("0 1\n1 -3\n", "mine, line 2: the id -3 is negative"),
        ("0 99999999999999999999\n", "mine, line 1: '99999999999999999999' is not an integer"),
        ("user item\n0 1\n0 x\n", "mine, line 3: 'x' is not an integer id"),
        ("user item\n0 1 2\n", r"mine, line 2: 3 column\(s\) in a table of two"),
        ("user item\n0 1\n7\n", r"mine, line 3: 1 column\(s\) in a table of two"),
        ("user item rating\n0 1 5\n", "a header must name two columns.*names 3"),
        ("", "mine: the file is empty"),
        ("\n0 1\n", "mine: the file is empty or its first line is"),
    ],
)
def test_bad_text(text, message):
    with pytest.raises(ValueError, match=message):
        parse_pairs(text, "mine")


def test_a_byte_order_mark_is_no_part_of_an_id(tmp_path):
    (tmp_path / "a.txt").write_text("0 1 2\n", encoding="utf-8-sig")
    assert read_pairs(tmp_path / "a.txt").tolist() == [[0, 1], [0, 2]]


def test_bad_files(tmp_path):
    with pytest.raises(ValueError, match=r"none.txt: cannot be read \(No such file"):
        read_pairs(tmp_path / "none.txt")
    (tmp_path / "binary.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ValueError, match=r"binary.txt: not a text file in UTF-8"):
        read_pairs(tmp_path / "binary.txt")
