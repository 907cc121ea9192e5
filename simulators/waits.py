"""How a throttled caller is told to wait: every form of Retry-After that was ever seen, and some that were not yet."""

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
    """Whether a caller learns from this form how long to wait: only such a wait can be ignored."""
    return form in _TELLING


def invites(form: str) -> bool:
    """Whether the form bids the caller come again at once, however busy the service is."""
    return form in _INVITING


def retry_after(form: str, seconds: float) -> dict[str, str]:
    """The header for a wait of so many seconds, none where it is missing."""
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
    """Whole seconds: what is over is cut off."""
    return format_datetime(moment.replace(microsecond=0), usegmt=True)
