"""Times as an operator writes and reads them."""

from datetime import UTC, datetime

import pytest

from relay_cli.problems import Misused
from relay_cli.times import read_time, show_span

NOW = datetime(2026, 3, 31, 14, 0, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("30m", "2026-03-31T13:30:05Z"),
        ("2h", "2026-03-31T12:00:05Z"),
        ("3d", "2026-03-28T14:00:05Z"),
        ("1w", "2026-03-24T14:00:05Z"),
        ("2026-03-01", "2026-03-01T00:00:00Z"),
        ("2026-03-01T14:00", "2026-03-01T14:00:00Z"),
        ("2026-03-01T14:00:00+02:00", "2026-03-01T12:00:00Z"),
    ],
)
def test_a_time_is_utc_unless_it_says_otherwise(text: str, at: str) -> None:
    assert read_time(text, NOW) == at


@pytest.mark.parametrize("text", ["", "yesterday", "2x", "-2h", "99999999999d", "2026-02-30", "0001-01-01T00:00+05:00"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(Misused):
        read_time(text, NOW)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(None, "-"), (0, "0 s"), (59.6, "1 min"), (200, "3 min 20 s"), (7500, "2 h 5 min"), (273600, "3 d 4 h")],
)
def test_a_span_is_shown_in_its_two_largest_units(seconds: float | None, text: str) -> None:
    assert show_span(seconds) == text
