"""What came of an import: every row of it is either in Finance or named here with Finance's own words.

How Finance names a failed row is undocumented. Its error list is taken to hold the key, else the row's number in the
file; where neither accounts for what is missing, the rows sent are compared with what Finance holds.
"""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from shared.engine.landed_rows import LandedRows, landed_rows
from shared.finance import Counts, ImportStatus, RowError
from shared.held import held_actuals
from shared.odata import guid
from shared.ports import Ports
from shared.rejected import RejectedRow, rejected_row
from shared.shipment import Cargo, Shipment

NO_TRACE = "Finance has no trace of import"
"""It ended before it was taken up, as when the package's address had expired: not a word about any row of it."""
_GUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_NOISE = re.compile(r"(validateWrite|validateField) failed on (data source|field)")
_TOKENS = re.compile(r"[^,;|\s{}'\"]+")


@dataclass(frozen=True)
class Outcome:
    """`rejected` rows by part; or `whole`, why the file as such failed."""

    rejected: Mapping[str, list[RejectedRow]] = field(default_factory=dict)
    whole: str = ""


async def outcome_of(
    ports: Ports, shipment: Shipment, status: ImportStatus, cargo: Sequence[Cargo], booked: Mapping[str, int]
) -> Outcome:
    """Account for every row of a finished import. `booked` says of parts that were booked before a crash how many of
    their rows were rejected: their invoices may have gone on meanwhile, and their blobs with them."""
    counts = await ports.finance.counts(shipment.execution_id)
    if counts is None:
        return Outcome(whole=f"{NO_TRACE} {shipment.execution_id}")
    if status == ImportStatus.SUCCEEDED and counts.taken == shipment.rows:
        return Outcome()
    errors = await ports.finance.errors(shipment.execution_id)
    if status == ImportStatus.FAILED and counts.taken == 0 and len(cargo) > 1 and not any(e.record for e in errors):
        # Nothing shows that each row is bad: one can spoil the file for all, as a key does that is in it twice.
        return Outcome(whole=_summary(status, counts, shipment, errors))
    missing = shipment.rows - counts.taken - sum(booked.values())
    left = [item for item in cargo if item.row_key not in booked]
    for rejected in (
        await _named(ports, left, _by_key(errors)),
        await _numbered(ports, cargo, booked, _by_number(errors, shipment.rows)),
    ):
        if rejected and sum(map(len, rejected.values())) >= missing:
            return Outcome(rejected)
    rejected = await _absent(ports, shipment, left, errors)
    if rejected and sum(map(len, rejected.values())) >= missing:
        return Outcome(rejected)
    return Outcome(whole=_summary(status, counts, shipment, errors))


def _by_key(errors: Iterable[RowError]) -> dict[str, str]:
    texts: dict[str, list[str]] = {}
    for error in errors:
        tokens = {*_GUID.findall(error.record), *_TOKENS.findall(error.record), *_GUID.findall(error.text)}
        for token in tokens:
            texts.setdefault(token.lower(), []).append(_words(error))
    return {token: "; ".join(dict.fromkeys(words)) for token, words in texts.items()}


def _by_number(errors: Iterable[RowError], rows: int) -> dict[int, str]:
    numbers: dict[int, str] = {}
    for error in errors:
        record = error.record.strip()
        if record.isdecimal() and 1 <= int(record) <= rows:
            numbers[int(record)] = "; ".join(filter(None, [numbers.get(int(record)), _words(error)]))
    return numbers


def _words(error: RowError) -> str:
    """What Finance says, without the lines that only say that something was said."""
    lines = [line.strip() for line in error.text.splitlines()]
    text = " ".join(line for line in lines if line and not _NOISE.match(line)) or error.text.strip()
    return f"{error.field}: {text}" if error.field else text


async def _named(ports: Ports, cargo: Sequence[Cargo], texts: Mapping[str, str]) -> dict[str, list[RejectedRow]]:
    found: dict[str, list[RejectedRow]] = {}
    for item in cargo if texts else ():
        landed = await landed_rows(ports, item)
        position = _key_position(landed)
        for row in landed.rows:
            if text := texts.get(row[position].lower()):
                found.setdefault(item.row_key, []).append(_rejected(landed, item, row, text))
    return found


async def _numbered(
    ports: Ports, cargo: Sequence[Cargo], booked: Collection[str], texts: Mapping[int, str]
) -> dict[str, list[RejectedRow]]:
    found: dict[str, list[RejectedRow]] = {}
    number = 0
    for item in cargo if texts else ():
        if item.row_key in booked:
            number += item.rows
            continue
        landed = await landed_rows(ports, item)
        for row in landed.rows:
            number += 1
            if text := texts.get(number):
                found.setdefault(item.row_key, []).append(_rejected(landed, item, row, text))
    return found


async def _absent(
    ports: Ports, shipment: Shipment, cargo: Sequence[Cargo], errors: Sequence[RowError]
) -> dict[str, list[RejectedRow]]:
    table_map = ports.maps[shipment.stage]
    if table_map.target.set is None:
        return {}
    text = "; ".join(dict.fromkeys(_words(error) for error in errors)) or "Finance does not hold it and gives no reason"
    found: dict[str, list[RejectedRow]] = {}
    for item in cargo:
        landed = await landed_rows(ports, item)
        position = _key_position(landed)
        keys = [guid(row[position]) for row in landed.rows]
        found_rows = held_actuals(ports, item.company, keys, select="ActualsImportId")
        held = {str(row["ActualsImportId"]).lower() async for row in found_rows}
        rejected = [_rejected(landed, item, row, text) for row in landed.rows if row[position].lower() not in held]
        if rejected:
            found[item.row_key] = rejected
    return found


def _rejected(landed: LandedRows, cargo: Cargo, row: list[str], text: str) -> RejectedRow:
    return rejected_row(landed.table_map, cargo.stage, row, "application", text)


def _key_position(landed: LandedRows) -> int:
    return landed.table_map.position(landed.table_map.integrationKey[0])


async def refuse_all(ports: Ports, cargo: Sequence[Cargo], text: str) -> Outcome:
    """Every row of a file that Finance will not take."""
    rejected = {}
    for item in cargo:
        landed = await landed_rows(ports, item)
        rejected[item.row_key] = [_rejected(landed, item, row, text) for row in landed.rows]
    return Outcome(rejected)


def _summary(status: ImportStatus, counts: Counts, shipment: Shipment, errors: Sequence[RowError]) -> str:
    words = "; ".join(dict.fromkeys(_words(error) for error in errors))[:2000]
    return f"Finance says {status} and took in {counts.taken} of {shipment.rows} rows: {words or 'no reason given'}"
