"""Landed rows are the bytes of the package's data file: UTF-16LE, CRLF, and every text comes back as it went in."""

from hypothesis import given
from hypothesis import strategies as st

from shared.landing import decode, encode

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"))


@given(st.lists(st.lists(TEXT, min_size=2, max_size=4), max_size=5))
def test_any_text_survives(rows: list[list[str]]) -> None:
    assert list(decode(encode(rows))) == rows


def test_the_bytes_are_utf16_little_endian_with_crlf() -> None:
    assert encode([["é,", "x"]]) == '"é,",x\r\n'.encode("utf-16-le")
