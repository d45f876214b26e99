"""Tables that cells print, as the book shows them."""

import numpy as np
import pandas as pd
import pytest
from bs4 import BeautifulSoup
from docutils import nodes
from docutils.utils import new_document
from tables import FRAME, TidyTables, printed_table, tidy, title


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
    page, rows = shown(frame)
    assert rows[:2] == [["columns", "a", "b"], ["rows", "", ""]]
    assert aligned(page, 0) == aligned(page, 2) == [False, True, True]


def test_headers_stand_over_their_columns():
    columns = pd.MultiIndex.from_product([["A", "B"], ["x", "y"]])
    frame = pd.DataFrame([[1, "s", 2, 3]], index=pd.Index(["r"], name="rows"), columns=columns)
    page, rows = shown(frame)
    assert rows[:3] == [["", "A", "B"], ["", "x", "y", "x", "y"], ["rows", "", "", "", ""]]
    assert aligned(page, 1) == aligned(page, 3) == [False, True, False, True, True]
    assert not any(aligned(page, 0))


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        (["+18.9 ± 4.0", "-1.5 ± 2.2 %", ""], True),
        ([1.5, np.nan], True),
        ([1e-9, 2e20], True),
        (["0.1 ×", "0.2 ×", "not reached", "not reached", "not reached"], True),
        (["0.25 †", "≤ 3", "–"], True),
        (["0.1", "0.2", "1, interval from 3"], False),
        (["8 to 64", "in-batch", "0.1"], False),
        (["yes", "no"], False),
        ([".", ""], False),
    ],
)
def test_what_is_a_column_of_numbers(column, expected):
    page, _ = shown(pd.DataFrame({"a": column}))
    assert aligned(page, 0)[1] == aligned(page, 1)[1] == expected


def test_a_styled_frame_keeps_its_style():
    styled = pd.DataFrame({"a": [1, 2]}).style.highlight_max(color="red")
    written = styled.set_table_attributes('class="dataframe"').to_html()
    page = BeautifulSoup(tidy(written), "html.parser")
    assert "red" in page.find("style").text
    assert page.td["class"] == ["data", "row0", "col0", "number"]


@pytest.mark.parametrize(
    ("written", "inside"),
    [
        (pd.DataFrame().to_html(), ""),
        (pd.DataFrame({"a": [1]}).to_html(classes="wide"), "1"),
        ('<table class="dataframe"><tr><td>1</td></tr></table>', "1"),
        (pd.DataFrame({"a": ["<table><tr><td>1<td>2</table>"]}).to_html(escape=False), "12"),
    ],
)
def test_odd_tables_get_their_frame(written, inside):
    document = new_document("page")
    document += nodes.raw("", written, format="html")
    TidyTables(document).apply()
    page = BeautifulSoup(document.astext(), "html.parser")
    assert page.table.parent["class"] == [FRAME]
    assert getattr(page.td, "text", "") == inside


def test_a_table_without_a_caption_has_no_title():
    assert title(printed_table()) is None
    assert title(printed_table("", nodes.caption("", "What it says."))) == "What it says."


def test_what_is_written_stays_as_it_was_written():
    frame = pd.DataFrame({"a": ["<b>&amp;", "1 < 2"]})
    assert [row[1] for row in shown(frame)[1][1:]] == ["<b>&amp;", "1 < 2"]
    assert "<b>" not in tidy(frame._repr_html_())
