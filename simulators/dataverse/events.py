"""Events that a committed write raises on the platform."""

from dataclasses import dataclass, field

type SqlValue = str | int | None


@dataclass(frozen=True)
class Event:
    """One changed row: the changed columns, and the whole row right after the change."""

    message: str
    table: str
    key: str
    changes: dict[str, SqlValue]
    row: dict[str, SqlValue] = field(default_factory=dict)
    user: str = ""
    bypass: bool = False
