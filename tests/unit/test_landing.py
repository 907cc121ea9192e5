"""Landed rows are the bytes of the package's data file: UTF-16LE, CRLF, and every text comes back as it went in."""

from uuid import uuid4

from hypothesis import given
from hypothesis import strategies as st

from shared.storage.landing import FIRST_RELEASE, LandedName, decode, encode

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


@given(st.binary(), st.sampled_from([FIRST_RELEASE, "0" * 32]))
def test_a_name_is_read_as_it_was_written(content: bytes, written_by: str) -> None:
    name = LandedName.of(f"{uuid4()}/actuals", written_by, content)
    assert LandedName.parse(str(name)) == name
    assert name.content
    assert name.map == written_by


def test_two_parts_of_the_same_bytes_have_names_of_their_own() -> None:
    names = {str(LandedName.of("i/actuals", "0" * 32, b"same")) for _ in range(2)}
    assert len(names) == 2


def test_a_name_of_the_first_release_says_which_release_that_was_and_stays_as_it_is() -> None:
    old = f"{uuid4()}/actuals/{uuid4().hex}"
    name = LandedName.parse(old)
    assert (name.map, name.content) == (FIRST_RELEASE, "")
    assert str(name) == old


@given(st.text())
def test_any_text_is_taken_for_a_name(text: str) -> None:
    assert LandedName.parse(text).map
