"""How far each map of a run is, in rows: what a bar needs, kept in the run so that a list reads nothing else."""

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
    """Rows of one map: those known, those that Finance has, those it refused, those that were dismissed."""

    rows: int = 0
    done: int = 0
    rejected: int = 0
    dismissed: int = 0


def progress_of(parts: Iterable[Counted], rows: Iterable[RejectedRow]) -> Progress:
    """Add up the parts of a map and its rejected rows. A row that is sent again is known by the part it travels in."""
    counted, statuses = list(parts), [row.status for row in rows]
    done = sum(part.rows - part.rejected for part in counted if part.state == "settled")
    under_way = sum(part.rows for part in counted if part.state != "settled")
    rejected, dismissed = statuses.count("open"), statuses.count("dismissed")
    return Progress(done + under_way + rejected + dismissed, done, rejected, dismissed)


def write(progress: Mapping[str, Progress]) -> str:
    """Each map's progress as the ledger keeps it."""
    return json.dumps({name: asdict(each) for name, each in progress.items()})


def read(text: str | None) -> dict[str, Progress]:
    """Read what `write` wrote; nothing is no progress."""
    return {name: Progress(**each) for name, each in json.loads(text or "{}").items()}
