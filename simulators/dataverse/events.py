"""What a write tells the rest of the platform once it is committed."""

from dataclasses import dataclass, field

type SqlValue = str | int | None


@dataclass(frozen=True)
class Event:
    """One changed row: the changed columns, and the whole row as it was right after the change."""

    message: str
    table: str
    key: str
    changes: dict[str, SqlValue]
    row: dict[str, SqlValue] = field(default_factory=dict)
    user: str = ""
    bypass: bool = False
