"""Finance's error list is text that only sometimes is JSON."""

import json

import pytest

from shared.services.finance import RowError, parse_errors

MESSAGES = ["plain", 'with "quotes" and, commas', "two\r\nlines", 'ends with "', "}, {not an entry", "Мост ]", ""]


@pytest.mark.parametrize("message", MESSAGES)
def test_an_unescaped_error_list_is_read_entry_by_entry(message: str) -> None:
    entries = [f'{{"RecordId":"usmf,{n}","Field":"AMOUNT","ErrorMessage":"{message}"}}' for n in range(3)]
    assert parse_errors(f"[{','.join(entries)}]") == [RowError(f"usmf,{n}", "AMOUNT", message) for n in range(3)]


@pytest.mark.parametrize("message", MESSAGES)
def test_a_well_formed_error_list_is_read_too(message: str) -> None:
    text = json.dumps([{"RecordId": 7, "Field": "", "ErrorMessage": message}])
    assert parse_errors(text) == [RowError("7", "", message)]


@pytest.mark.parametrize("text", ["", "[]"])
def test_no_errors_are_no_errors(text: str) -> None:
    assert parse_errors(text) == []


def test_a_message_that_holds_the_start_of_an_entry_is_one_error() -> None:
    message = 'a "quote", see {"RecordId":"usmf,2","Field":"","ErrorMessage":"x and },{"RecordId":"usmf,3","Field":""'
    text = f'[{{"RecordId":"usmf,1","Field":"","ErrorMessage":"{message}"}}]'
    assert [error.record for error in parse_errors(text)] == ["usmf,1"]
