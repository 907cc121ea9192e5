"""Log lines carry ids and counts; what is not on the list cannot get in."""

import json
import logging
from typing import Any

import pytest

from shared.log import event, where


def test_an_event_is_one_json_object(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "relay"):
        event("run ended", subject="i", rows=3, service=None)
    assert [json.loads(record.message) for record in caplog.records] == [
        {"event": "run ended", "subject": "i", "rows": 3}
    ]


@pytest.mark.parametrize("fact", ["description", "amount", "token", "text", "detail"])
def test_what_may_hold_customers_data_is_refused(fact: str) -> None:
    facts: dict[str, Any] = {fact: "x"}
    with pytest.raises(ValueError, match=fact):
        event("run ended", severity=logging.INFO, **facts)


def test_the_place_of_an_error_is_told_without_its_values() -> None:
    try:
        int("canary")
    except ValueError as error:
        place = where(error)
    assert "test_log.py" in place
    assert "canary" not in place
