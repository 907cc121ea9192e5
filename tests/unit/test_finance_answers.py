"""Finance's error list is text that only sometimes is JSON; its error bodies come in three shapes."""

import json

import pytest

from shared.finance import RowError, explain, parse_errors

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


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({"error": {"code": "", "message": "An error.", "innererror": {"message": "Write failed"}}}, "Write failed"),
        ({"error": {"code": "", "message": "An error."}}, "An error."),
        ({"Message": "Authorization denied"}, "Authorization denied"),
        ("<html>Bad Gateway</html>", ""),
        ([], ""),
    ],
)
def test_an_error_body_is_explained(body: object, text: str) -> None:
    content = body.encode() if isinstance(body, str) else json.dumps(body).encode()
    assert explain(content).text == text
