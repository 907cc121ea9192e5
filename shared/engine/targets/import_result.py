"""What came of an import: each row is in Finance, or refused with evidence of its own, or it is not known yet.

The order of questions: did the import start and go through (else nothing is known of its rows), and only then which
rows it took. Where Finance can be asked for the rows by key, what it holds decides, whatever its counts and error texts
say; these only tell why a row is not there. Where it cannot be asked, a row is refused when the record field of an
error names it and as many rows are named as are missing. What `RecordId` holds is undocumented: a key, the row's number
in the file, or an id that tells nothing.
"""

import re
from collections.abc import AsyncIterator, Mapping, Sequence, Set
from dataclasses import dataclass, field

from shared.engine.landed_rows import landed_rows
from shared.engine.ports import Ports
from shared.engine.targets.held_rows import held_actuals
from shared.ledger.rejected_rows import RejectedRow, rejected_row
from shared.ledger.shipments import Cargo, Shipment
from shared.maps.columns_compared import differing_columns
from shared.maps.table_map import TableMap
from shared.maps.transforms import Row
from shared.services.finance import Counts, ImportStatus, RowError
from shared.services.odata import guid

_GUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_NOISE = re.compile(r"(validateWrite|validateField) failed on (data source|field)")
_TOKENS = re.compile(r"[^,;|\s{}'\"]+")
_ZERO_ROWS_TRIES = 2
"""So often a row that Finance holds with other values is sent again after a success with no row in it."""


@dataclass(frozen=True)
class Outcome:
    """`rejected` rows by part. Of the parts in `again` no row is known yet, for the reason `why`; `partly` means that
    the import went through row by row, and only does not say which rows it refused."""

    rejected: Mapping[str, list[RejectedRow]] = field(default_factory=dict)
    again: frozenset[str] = frozenset()
    why: str = ""
    partly: bool = False


@dataclass(frozen=True)
class _Line:
    """One row of the file: its number in it, the part it belongs to, and its key in lower case."""

    number: int
    part: str
    key: str


@dataclass(frozen=True)
class _Rows:
    """Rows of one part, and the map that wrote them."""

    cargo: Cargo
    table_map: TableMap
    rows: Sequence[tuple[_Line, list[str]]]


@dataclass(frozen=True)
class _Import:
    """A finished import: its parts, those of them that were booked before, and what Finance says of it."""

    shipment: Shipment
    cargo: Sequence[Cargo]
    booked: Mapping[str, int]
    status: ImportStatus
    counts: Counts
    errors: Sequence[RowError]

    @property
    def left(self) -> list[Cargo]:
        """The parts that are to be told of."""
        return [item for item in self.cargo if item.row_key not in self.booked]

    @property
    def words(self) -> str:
        """All that Finance says, for rows of which it says nothing in particular."""
        return "; ".join(dict.fromkeys(map(_words, self.errors)))[:2000]

    @property
    def summary(self) -> str:
        """What an operator reads of an import that named no row."""
        taken = f"took in {self.counts.taken} of {self.shipment.rows} rows"
        return f"Finance says {self.status} and {taken}: {self.words or 'no reason given'}"

    @property
    def records(self) -> set[str]:
        """The different records that the errors are about, whatever their names mean."""
        return {error.record.strip() for error in self.errors if error.record.strip()}

    @property
    def is_partly(self) -> bool:
        """It was worked off row by row, and some of the rows were refused."""
        return self.status == ImportStatus.PARTIALLY_SUCCEEDED

    @property
    def untaken(self) -> int:
        """How many rows it did not take in, as it counts."""
        return self.shipment.rows - self.counts.taken - sum(self.booked.values())


async def outcome_of(
    ports: Ports, shipment: Shipment, status: ImportStatus, cargo: Sequence[Cargo], booked: Mapping[str, int]
) -> Outcome:
    """Account for every row of a finished import. `booked` says of parts that were booked before a crash how many of
    their rows were rejected: their invoices may have gone on meanwhile, and their blobs with them."""
    counts = await ports.finance.counts(shipment.execution_id)
    if counts is None:
        names = frozenset(item.row_key for item in cargo if item.row_key not in booked)
        return Outcome(again=names, why=f"Finance says {status} and has no trace of import {shipment.execution_id}")
    if status == ImportStatus.SUCCEEDED and counts.taken == shipment.rows:
        return Outcome()
    errors = await ports.finance.errors(shipment.execution_id)
    found = _Import(shipment, cargo, booked, status, counts, errors)
    if ports.maps[shipment.stage].target.set is None:
        return await _judge_by_words(ports, found)
    return await _judge_by_rows_held(ports, found)


async def refuse_all(ports: Ports, cargo: Cargo, text: str) -> list[RejectedRow]:
    """Every row of a part that stands alone and that Finance does not take."""
    landed = await landed_rows(ports, cargo)
    return [rejected_row(landed.table_map, cargo.stage, row, "application", text) for row in landed.rows]


async def _judge_by_rows_held(ports: Ports, found: _Import) -> Outcome:
    """A row that Finance holds as it was sent is in. What it does not hold was refused, or not worked off at all."""
    missing: list[_Line] = []
    stale: list[_Line] = []
    async for part in _parts(ports, found):
        held = await _held_rows(ports, part)
        for line, row in part.rows:
            if line.key not in held:
                missing.append(line)
            elif differing_columns(part.table_map, row, held[line.key]):
                stale.append(line)
    named = _named(found, [*missing, *stale])
    # What names its row weighs more than what is said of all.
    refused = _refused_unnamed(found, missing, stale) | named
    unknown = [line for line in missing if line.number not in refused]
    unknown += [line for line in stale if line.number not in refused and _took_nothing(found)]
    return await _outcome(ports, found, refused, unknown)


def _refused_unnamed(found: _Import, missing: Sequence[_Line], stale: Sequence[_Line]) -> dict[int, str]:
    """Rows that must be the refused ones, though no error says so in words that we know."""
    short = len(missing) + len(stale)
    is_each_told = 0 < short == len(found.records) or (found.shipment.rows == 1 and any(e.field for e in found.errors))
    is_partly = found.is_partly and len(missing) < sum(item.rows for item in found.left)
    refused = missing if is_each_told or is_partly else ()
    # Finance may show a value in another form than it was sent in: what it holds was kept from being changed only where
    # as many rows are said to be.
    kept = stale if (is_each_told or is_partly) and short in {len(found.records), found.untaken} else ()
    return {line.number: _words_about(found, line) for line in (*refused, *kept)}


def _took_nothing(found: _Import) -> bool:
    tries = max(item.tries for item in found.left)
    return not found.counts.taken and (found.status != ImportStatus.SUCCEEDED or tries < _ZERO_ROWS_TRIES)


async def _judge_by_words(ports: Ports, found: _Import) -> Outcome:
    """Without a reading of the rows: as many have to be named as are missing."""
    lines = [line async for part in _parts(ports, found) for line, _ in part.rows]
    if found.status == ImportStatus.SUCCEEDED and not found.errors and found.untaken <= 0:
        return Outcome()
    refused = _refused_by_words(found, lines)
    return await _outcome(ports, found, refused, [] if refused else lines)


def _refused_by_words(found: _Import, lines: Sequence[_Line]) -> dict[int, str]:
    named = _named(found, lines)
    if found.shipment.rows == 1 and (named or found.records or any(error.field for error in found.errors)):
        return {line.number: _words_about(found, line) for line in lines}
    if not found.records:
        named = {line.number: _words_about(found, line) for line in lines if _mentions(found, line)}
    if named and len(named) == found.untaken:
        return named
    if len(lines) == len(found.records) == found.untaken:
        return {line.number: _words_about(found, line) for line in lines}
    return {}


async def _outcome(ports: Ports, found: _Import, refused: Mapping[int, str], unknown: Sequence[_Line]) -> Outcome:
    again = frozenset(line.part for line in unknown)
    rejected: dict[str, list[RejectedRow]] = {}
    async for part in _parts(ports, found, refused.keys()):
        if part.cargo.row_key not in again:
            rejected[part.cargo.row_key] = [
                rejected_row(part.table_map, part.cargo.stage, row, "application", refused[line.number])
                for line, row in part.rows
            ]
    return Outcome(rejected, again, found.summary if again else "", partly=found.is_partly)


async def _parts(ports: Ports, found: _Import, wanted: Set[int] | None = None) -> AsyncIterator[_Rows]:
    """The rows that are to be told of, part by part: of a large file only one part is in memory. With `wanted`, numbers
    of rows, only these, and no part without any."""
    number = 0
    for item in found.cargo:
        numbers = range(number + 1, number + item.rows + 1)
        number += item.rows
        if item.row_key in found.booked or (wanted is not None and wanted.isdisjoint(numbers)):
            continue
        landed = await landed_rows(ports, item)
        position = landed.table_map.position(landed.table_map.integrationKey[0])
        rows = [
            (_Line(at, item.row_key, row[position].lower()), row)
            for at, row in zip(numbers, landed.rows, strict=True)
            if wanted is None or at in wanted
        ]
        yield _Rows(item, landed.table_map, rows)


async def _held_rows(ports: Ports, part: _Rows) -> dict[str, Row]:
    keys = [guid(line.key) for line, _ in part.rows]
    return {str(row["ActualsImportId"]).lower(): row async for row in held_actuals(ports, part.cargo.company, keys)}


def _named(found: _Import, lines: Sequence[_Line]) -> dict[int, str]:
    """The rows that the record field of an error names, by their keys or by their numbers, with its words."""
    by_name: dict[str, list[str]] = {}
    for error in found.errors:
        for name in _names(error.record):
            by_name.setdefault(name, []).append(_words(error))
    by_key = {line.number: by_name[line.key] for line in lines if line.key in by_name}
    texts = by_key or {line.number: by_name[str(line.number)] for line in lines if str(line.number) in by_name}
    return {number: "; ".join(dict.fromkeys(words)) for number, words in texts.items()}


def _names(record: str) -> set[str]:
    _, _, bare = record.partition(",")
    names = {record, bare, *_GUID.findall(record), *_TOKENS.findall(record)}
    return {name.strip().lower() for name in names} - {""}


def _mentions(found: _Import, line: _Line) -> list[RowError]:
    """The errors without a record whose text mentions the key of a row."""
    return [
        error
        for error in found.errors
        if not error.record.strip() and line.key in map(str.lower, _GUID.findall(error.text))
    ]


def _words_about(found: _Import, line: _Line) -> str:
    own = [_words(error) for error in _mentions(found, line)]
    return "; ".join(dict.fromkeys(own)) or found.words or "Finance does not hold it and gives no reason"


def _words(error: RowError) -> str:
    """What Finance says, without the lines that only say that something was said."""
    lines = [line.strip() for line in error.text.splitlines()]
    text = " ".join(line for line in lines if line and not _NOISE.match(line)) or error.text.strip()
    return f"{error.field}: {text}" if error.field else text
