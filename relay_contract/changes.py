"""What was changed or would be: replays, dismissals, pauses, sweeps, write-backs."""

from relay_contract import Answer, Instant


class Send(Answer):
    """Rows of one map that are sent again; `keys` are the first of them."""

    map: str
    rows: int
    keys: list[str]


class Replayed(Answer):
    """What a replay does with one run."""

    invoice_id: str
    invoice_number: str
    state: str
    sends: list[Send]
    note: str


class Change(Answer):
    """What a change does to so many rows, or would do."""

    dry_run: bool
    rows: int


class Replay(Change):
    """What a replay sends, or would send."""

    runs: list[Replayed]


class Dismissed(Answer):
    """The rows of one run that are given up; `keys` are the first of them."""

    invoice_id: str
    invoice_number: str
    state: str
    keys: list[str]


class Dismissals(Change):
    """What a dismissal gives up, or would give up."""

    runs: list[Dismissed]


class WriteBack(Answer):
    """A write-back that begins, and how far the invoice's posting was until now."""

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
    """All pauses there are."""

    paused: list[Pause]


class Started(Answer):
    """An invoice that the sweep found without a run."""

    invoice_id: str
    invoice_number: str


class Revived(Answer):
    """A run that the sweep put to work again."""

    invoice_id: str
    state: str


class Changed(Started):
    """A completed run for which Dataverse holds something else than was carried, and what."""

    found: str


class Sweep(Answer):
    """What a sweep did; `problem` says why it could not ask for confirmed invoices, or is empty."""

    at: Instant
    started: list[Started]
    revived: list[Revived]
    left_alone: list[Started]
    blobs_deleted: int
    changed: list[Changed]
    problem: str
    seconds: float
