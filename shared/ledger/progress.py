"""The progress of each map of a run, in rows. It is stored in the run, so that a list needs no other reads."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Protocol

from shared.ledger.rejected_rows import RejectedRow


class Counted(Protocol):
    """A part, as far as it is counted."""

    @property
    def rows(self) -> int: ...
    @property
    def rejected(self) -> int: ...
    @property
    def state(self) -> str: ...


@dataclass(frozen=True)
class Progress:
    """Rows of one map: known, in Finance, rejected, and dismissed."""

    rows: int = 0
    done: int = 0
    rejected: int = 0
    dismissed: int = 0


def progress_of(parts: Iterable[Counted], rows: Iterable[RejectedRow]) -> Progress:
    """Sum up the parts of a map and its rejected rows. A row that is sent again is counted with its new part."""
    counted, statuses = list(parts), [row.status for row in rows]
    done = sum(part.rows - part.rejected for part in counted if part.state == "settled")
    under_way = sum(part.rows for part in counted if part.state != "settled")
    rejected, dismissed = statuses.count("open"), statuses.count("dismissed")
    return Progress(done + under_way + rejected + dismissed, done, rejected, dismissed)


def write(progress: Mapping[str, Progress]) -> str:
    """Serialize for the ledger."""
    return json.dumps({name: asdict(each) for name, each in progress.items()})


def read(text: str | None) -> dict[str, Progress]:
    """Parse the text that `write` writes. None or "" means no progress."""
    return {name: Progress(**each) for name, each in json.loads(text or "{}").items()}
