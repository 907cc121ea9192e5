"""The forms in which Retry-After tells a throttled caller to wait: all that were observed, and some that are
possible.
"""

import math
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

ABSURD = "31536000"
FORMS = ("seconds", "decimals", "date", "missing", "absurd", "negative", "zero", "past", "garbage")
MIXED = "mixed"
_TELLING = {"seconds", "decimals", "date"}
_INVITING = {"negative", "zero", "past"}


class Forms:
    """Chooses the form of the next refusal: always the same one, or with `mixed` one after the other."""

    def __init__(self) -> None:
        self._turn = 0

    def choose(self, form: str) -> str:
        """The form of the next refusal."""
        if form != MIXED:
            return form
        self._turn += 1
        return FORMS[self._turn % len(FORMS)]


def tells(form: str) -> bool:
    """Whether this form tells the caller how long to wait. Only such a wait can be ignored."""
    return form in _TELLING


def invites(form: str) -> bool:
    """Whether the form tells the caller to retry at once, however busy the service is."""
    return form in _INVITING


def retry_after(form: str, seconds: float) -> dict[str, str]:
    """The header for a wait of `seconds`, or None for the form without a header."""
    now, whole = datetime.now(UTC), max(1, math.ceil(seconds))
    texts = {
        "seconds": str(whole),
        "decimals": f"{math.ceil(seconds * 10) / 10:.1f}",
        "date": _http_date(now + timedelta(seconds=whole + 1)),
        "absurd": ABSURD,
        "negative": f"-{whole}",
        "zero": "0",
        "past": _http_date(now - timedelta(hours=1)),
        "garbage": "soon",
    }
    return {"Retry-After": texts[form]} if form in texts else {}


def _http_date(moment: datetime) -> str:
    """Whole seconds, rounded down."""
    return format_datetime(moment.replace(microsecond=0), usegmt=True)
