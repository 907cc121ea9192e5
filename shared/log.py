"""The app's log lines: one JSON object each, with facts that every reader of the logs may see.

Names, descriptions, amounts, tokens and the messages of services are not logged. They are in the ledger, which only
operators can read. A fact that is not in FACTS cannot be logged.
"""

import json
import logging
import traceback
from pathlib import Path

FACTS = frozenset(
    {
        "about", "attempt", "attention", "before", "blobs", "check", "closedSeconds", "count", "error", "executionId",
        "expiresDays", "failed", "faulted", "job", "kind", "level", "lookSeconds", "messages", "oldestSeconds",
        "openSeconds", "page", "parts", "poison", "queue", "revived", "rows", "runId", "seconds", "service", "stage",
        "started", "state", "status", "storageErrors", "subject", "ticket", "unknown", "until", "verdict",
        "waitingSeconds", "warned", "where",
    }
)  # fmt: skip

_LOG = logging.getLogger("relay")


def event(name: str, *, severity: int = logging.INFO, **facts: object) -> None:
    """Log one event. Raises ValueError for a fact that is not in FACTS."""
    # An allow list, because a deny list would miss a new field with customer data.
    if strange := facts.keys() - FACTS:
        raise ValueError(f"not to be logged: {', '.join(sorted(strange))}")
    known = {
        key: value if isinstance(value, int | float) else str(value)
        for key, value in facts.items()
        if value is not None
    }
    _LOG.log(severity, json.dumps({"event": name, **known}))


def where(error: BaseException) -> str:
    """Where an error was raised, outermost call first: files and line numbers, without any values."""
    frames = traceback.extract_tb(error.__traceback__)
    return " > ".join(f"{Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in frames)
