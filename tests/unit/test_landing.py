"""Landed rows are the bytes of the package's data file: UTF-16LE, CRLF, and every text comes back as it went in."""

from hypothesis import given
from hypothesis import strategies as st

from shared.landing import decode, encode

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"))


@given(st.lists(st.lists(TEXT, min_size=2, max_size=4), max_size=5))
def test_any_text_survives(rows: list[list[str]]) -> None:
    assert list(decode(encode(rows))) == rows


@given(st.lists(st.lists(st.one_of(TEXT, st.just("Sales")), min_size=2, max_size=4), max_size=5))
def test_no_row_with_a_cell_is_left_out(rows: list[list[str]]) -> None:
    found = list(decode(encode(rows), cell="Sales"))
    assert [row for row in found if "Sales" in row] == [row for row in rows if "Sales" in row]
    assert all(row in rows for row in found)


def test_rows_without_the_cell_are_left_out() -> None:
    rows = [["1", "BilledSales"], ["2", "Sales"], ["Sales\r\n", "3"], ["\r\n,", "Sales"]]
    assert list(decode(encode(rows), cell="Sales")) == [rows[1], rows[3]]


def test_the_bytes_are_utf16_little_endian_with_crlf() -> None:
    assert encode([["é,", "x"]]) == '"é,",x\r\n'.encode("utf-16-le")
