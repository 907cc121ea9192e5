"""The history of a run: a short list inside the run, so that it costs no additional write."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from shared.clock import parse_stamp, stamp

# All steps are one table property, which holds at most 32,768 characters.
_MOST = 60
# How a run began stays visible, however often it waits later.
_FIRST = 10
_TEXT_LIMIT = 300


@dataclass(frozen=True)
class HistoryEntry:
    """One event of the history. `what` is a state, a posting or `waits`; `text` is the reason."""

    at: datetime
    what: str
    text: str = ""


def add(steps: Sequence[HistoryEntry], step: HistoryEntry) -> tuple[HistoryEntry, ...]:
    """The list with one more step. A long list keeps its beginning and its end."""
    longer = (*steps, step)
    return longer if len(longer) <= _MOST else (*longer[:_FIRST], *longer[_FIRST + 1 :])


def write(steps: Sequence[HistoryEntry]) -> str:
    """Serialize for the ledger."""
    return json.dumps([[stamp(step.at), step.what, step.text[:_TEXT_LIMIT]] for step in steps])


def read(text: str | None) -> tuple[HistoryEntry, ...]:
    """Parse the text that `write` writes. "" is an empty list."""
    return tuple(HistoryEntry(parse_stamp(at), what, why) for at, what, why in json.loads(text or "[]"))
