"""Tables that cells print, as the book shows them."""

import pandas as pd
from bs4 import BeautifulSoup
from tables import FRAME, tidy


def shown(frame):
    page = BeautifulSoup(tidy(frame._repr_html_()), "html.parser")
    rows = [[cell.text for cell in row.find_all(["th", "td"])] for row in page.find_all("tr")]
    return page, rows


def aligned(page, row):
    cells = page.find_all("tr")[row].find_all(["th", "td"])
    return ["number" in cell.get("class", ()) for cell in cells]


def test_one_row_of_headers_and_numbers_to_the_right():
    frame = pd.DataFrame(
        {
            "loss": ["SL", "BPR"],
            "lead": ["+1.2 % (0.1 to 2.3)", ""],
            "n": [1000, 2],
            "of": ["<", "3"],
        }
    )
    page, rows = shown(frame.set_index("loss"))
    assert rows[0] == ["loss", "lead", "n", "of"] and rows[1][0] == "SL" and len(rows) == 3
    assert aligned(page, 0) == aligned(page, 1) == [False, True, True, False]
    assert not page.find("style") and "border" not in page.table.attrs
    assert page.table.parent["class"] == [FRAME]


def test_two_indices_and_none():
    frame = pd.DataFrame({"a": ["x", "x"], "b": ["y", "z"], "c": [1, 2]})
    page, rows = shown(frame.set_index(["a", "b"]))
    assert rows[0] == ["a", "b", "c"] and rows[1:] == [["x", "y", "1"], ["z", "2"]]
    assert aligned(page, 2) == [False, True]
    assert shown(frame)[1][0] == ["", "a", "b", "c"]


def test_a_named_row_of_columns_keeps_its_two_rows():
    frame = pd.DataFrame({"a": [1], "b": [2]}, index=pd.Index([3], name="rows"))
    frame.columns.name = "columns"
    assert shown(frame)[1][:2] == [["columns", "a", "b"], ["rows", "", ""]]


def test_what_is_written_stays_as_it_was_written():
    frame = pd.DataFrame({"a": ["<b>&amp;", "1 < 2"]})
    assert [row[1] for row in shown(frame)[1][1:]] == ["<b>&amp;", "1 < 2"]
    assert "<b>" not in tidy(frame._repr_html_())
