"""What happened to a run, and when: a short list that is kept in the run itself and so costs no write of its own."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from shared.clock import parse_stamp, stamp

_MOST = 60
_FIRST = 10
_TEXT_LIMIT = 300


@dataclass(frozen=True)
class Step:
    """One thing that happened: `what` is a state, a posting, or `waits`; `text` says why."""

    at: datetime
    what: str
    text: str = ""


def add(steps: Sequence[Step], step: Step) -> tuple[Step, ...]:
    """The list with one more step. A long one keeps its beginning and its end."""
    longer = (*steps, step)
    return longer if len(longer) <= _MOST else (*longer[:_FIRST], *longer[_FIRST + 1 :])


def write(steps: Sequence[Step]) -> str:
    """The list as the ledger keeps it."""
    return json.dumps([[stamp(step.at), step.what, step.text[:_TEXT_LIMIT]] for step in steps])


def read(text: str | None) -> tuple[Step, ...]:
    """Read what `write` wrote; nothing is an empty list."""
    return tuple(Step(parse_stamp(at), what, why) for at, what, why in json.loads(text or "[]"))
