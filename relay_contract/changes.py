"""The results of changes and of their dry runs: replays, dismissals, pauses, sweeps, write-backs."""

from relay_contract import Answer, Instant


class Send(Answer):
    """Rows of one map that are sent again; `keys` are the first of them."""

    map: str
    rows: int
    keys: list[str]


class Replayed(Answer):
    """The effect of a replay on one run."""

    invoice_id: str
    invoice_number: str
    state: str
    sends: list[Send]
    note: str


class Change(Answer):
    """The number of rows that a change affects, or would affect."""

    dry_run: bool
    rows: int


class Replay(Change):
    """The rows that a replay sends, or would send."""

    runs: list[Replayed]


class Dismissed(Answer):
    """The dismissed rows of one run; `keys` are the first of them."""

    invoice_id: str
    invoice_number: str
    state: str
    keys: list[str]


class Dismissals(Change):
    """The rows that a dismissal settles, or would settle."""

    runs: list[Dismissed]


class WriteBack(Answer):
    """A write-back that was started, and the invoice's posting state before it."""

    invoice_id: str
    invoice_number: str
    posting: str


class Pause(Answer):
    """A pause of one map, or of the whole app."""

    map: str | None
    reason: str
    by: str
    at: Instant


class Pauses(Answer):
    """All pauses."""

    paused: list[Pause]


class Started(Answer):
    """An invoice that the sweep found without a run."""

    invoice_id: str
    invoice_number: str


class Revived(Answer):
    """A run that the sweep restarted."""

    invoice_id: str
    state: str


class Changed(Started):
    """A completed run for which Dataverse holds something else than was carried, and what."""

    found: str


class Sweep(Answer):
    """The result of a sweep. `problem` is the reason why confirmed invoices could not be read, or empty."""

    at: Instant
    started: list[Started]
    revived: list[Revived]
    left_alone: list[Started]
    blobs_deleted: int
    changed: list[Changed]
    problem: str
    seconds: float
