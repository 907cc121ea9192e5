"""Retry-After in every form that services have been seen to send."""

from datetime import UTC, datetime, timedelta

import pytest

from shared.services.throttle_gates import retry_instant

NOW = datetime(2026, 11, 20, 14, 2, 10, tzinfo=UTC)
LONGEST = timedelta(hours=1)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("7", 7),
        ("1.5", 1.5),
        (None, 30),
        ("", 30),
        ("soon", 30),
        ("Fri, 20 Nov 2026 14:02:40 GMT", 30),
        ("Fri, 20 Nov 2026 14:03:10 GMT", 60),
        ("Fri, 20 Nov 2026 13:00:00 GMT", 1),
        ("86400", 3600),
        ("-5", 1),
        ("0", 1),
        ("1e400", 30),
        ("nan", 30),
    ],
)
def test_a_retry_after_means_an_instant(header: str | None, seconds: float) -> None:
    assert retry_instant(header, NOW, LONGEST) == NOW + timedelta(seconds=seconds)
