"""Determines the result of an import for each row: in Finance, rejected with evidence, or unknown.

First question: did the import start and run through? Otherwise nothing is known about its rows. Second question: which
rows did Finance accept? If its rows can be read by key, what it holds decides, whatever the counts and error texts say;
these only give the reason for a missing row. If they cannot be read, a row is rejected when the record field of an
error names it and as many rows are named as are missing. The content of `RecordId` is undocumented: a key, the row's
number in the file, or an unrelated id.
"""

import re
from collections.abc import AsyncIterator, Mapping, Sequence, Set
from dataclasses import dataclass, field

from shared.engine.landed_rows import landed_rows
from shared.engine.ports import Ports
from shared.engine.targets.held_rows import held_rows
from shared.ledger.rejected_rows import RejectedRow, rejected_row
from shared.ledger.shipments import Cargo, Shipment
from shared.maps.columns_compared import differing_columns
from shared.maps.table_map import TableMap
from shared.maps.transforms import Row
from shared.services.finance import Counts, ImportStatus, RowError
from shared.services.odata import guid

_GUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
# Infolog lines that X++ writes in addition to the real reason.
_NOISE = re.compile(r"(validateWrite|validateField) failed on (data source|field)")
_TOKENS = re.compile(r"[^,;|\s{}'\"]+")
# How often a row that Finance holds with other values is sent again after an import that succeeded with zero rows.
_ZERO_ROWS_TRIES = 2


@dataclass(frozen=True)
class Outcome:
    """`rejected` rows by part. For the parts in `again` no row is known, for the reason `why`. `partly` means that
    the import processed single rows and only does not say which ones it refused."""

    rejected: Mapping[str, list[RejectedRow]] = field(default_factory=dict)
    again: frozenset[str] = frozenset()
    why: str = ""
    partly: bool = False


@dataclass(frozen=True)
class _Line:
    """One row of the file: its number, its part, and its key in lower case."""

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
    """A finished import: its parts, those booked before, and Finance's report."""

    shipment: Shipment
    cargo: Sequence[Cargo]
    booked: Mapping[str, int]
    status: ImportStatus
    counts: Counts
    errors: Sequence[RowError]

    @property
    def left(self) -> list[Cargo]:
        """The parts that are not booked yet."""
        return [item for item in self.cargo if item.row_key not in self.booked]

    @property
    def words(self) -> str:
        """All error texts, for rows that no error names."""
        return "; ".join(dict.fromkeys(map(_words, self.errors)))[:2000]

    @property
    def summary(self) -> str:
        """The text for an operator about an import that named no row."""
        rows = "row" if self.shipment.rows == 1 else "rows"
        taken = f"took in {self.counts.taken} of {self.shipment.rows} {rows}"
        return f"Finance says {self.status} and {taken}: {self.words or 'no reason given'}"

    @property
    def records(self) -> set[str]:
        """The different records that the errors name."""
        return {error.record.strip() for error in self.errors if error.record.strip()}

    @property
    def is_partly(self) -> bool:
        """Single rows were processed, and some of them were refused."""
        return self.status == ImportStatus.PARTIALLY_SUCCEEDED

    @property
    def untaken(self) -> int:
        """The number of rows that were not accepted, by Finance's counts."""
        return self.shipment.rows - self.counts.taken - sum(self.booked.values())


async def outcome_of(
    ports: Ports, shipment: Shipment, status: ImportStatus, cargo: Sequence[Cargo], booked: Mapping[str, int]
) -> Outcome:
    """Determine the result of every row of a finished import. `booked` gives, for parts booked before a crash, the
    number of rejected rows. Their runs may have moved on, and their blobs may be deleted."""
    counts = await ports.finance.counts(shipment.execution_id)
    if counts is None:
        names = frozenset(item.row_key for item in cargo if item.row_key not in booked)
        return Outcome(again=names, why=f"Finance says {status} and has no trace of import {shipment.execution_id}")
    if status == ImportStatus.SUCCEEDED and counts.taken == shipment.rows:
        return Outcome()
    # Only now, because the list of an import without errors is one more request.
    errors = await ports.finance.errors(shipment.execution_id)
    found = _Import(shipment, cargo, booked, status, counts, errors)
    target = ports.maps[shipment.stage].target
    if not (target.set and target.key):
        return await _judge_by_words(ports, found)
    return await _judge_by_rows_held(ports, found)


async def refuse_all(ports: Ports, cargo: Cargo, text: str) -> list[RejectedRow]:
    """Reject every row of a part that is alone in its file and that Finance does not accept."""
    landed = await landed_rows(ports, cargo)
    return [rejected_row(landed.table_map, cargo.stage, row, "application", text) for row in landed.rows]


async def _judge_by_rows_held(ports: Ports, found: _Import) -> Outcome:
    """A row that Finance holds as it was sent was accepted. A row that it does not hold was refused or not
    processed."""
    missing: list[_Line] = []
    stale: list[_Line] = []
    async for part in _parts(ports, found):
        held_rows = await _held_rows(ports, part)
        for line, row in part.rows:
            if line.key not in held_rows:
                missing.append(line)
            elif differing_columns(part.table_map, row, held_rows[line.key]):
                stale.append(line)
    named = _named(found, [*missing, *stale])
    # An error that names its row takes precedence over general texts.
    refused = _refused_unnamed(found, missing, stale) | named
    unknown = [line for line in missing if line.number not in refused]
    unknown += [line for line in stale if line.number not in refused and _took_nothing(found)]
    return await _outcome(ports, found, refused, unknown)


def _refused_unnamed(found: _Import, missing: Sequence[_Line], stale: Sequence[_Line]) -> dict[int, str]:
    """Rows that must be the refused ones, although no error names them in a known form."""
    short = len(missing) + len(stale)
    is_each_told = 0 < short == len(found.records) or (found.shipment.rows == 1 and any(e.field for e in found.errors))
    is_partly = found.is_partly and len(missing) < sum(item.rows for item in found.left)
    refused = missing if is_each_told or is_partly else ()
    # Finance may return a value in another form than it was sent. A row with other values counts as refused only if the
    # number of refused rows matches.
    kept = stale if (is_each_told or is_partly) and short in {len(found.records), found.untaken} else ()
    return {line.number: _words_about(found, line) for line in (*refused, *kept)}


def _took_nothing(found: _Import) -> bool:
    tries = max(item.tries for item in found.left)
    return not found.counts.taken and (found.status != ImportStatus.SUCCEEDED or tries < _ZERO_ROWS_TRIES)


async def _judge_by_words(ports: Ports, found: _Import) -> Outcome:
    """Without reading the rows: as many rows must be named as are missing."""
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
    """The rows without a result, part by part, so that only one part of a large file is in memory. With `wanted`,
    only the rows with these numbers."""
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
    key = ports.maps[part.cargo.stage].target.key
    found = held_rows(ports, part.cargo.stage, part.cargo.company, keys)
    return {str(row[key]).lower(): row async for row in found}


def _named(found: _Import, lines: Sequence[_Line]) -> dict[int, str]:
    """The rows that the record field of an error names, by key or number, with the error texts."""
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
    """The errors without a record whose text contains the key of a row."""
    return [
        error
        for error in found.errors
        if not error.record.strip() and line.key in map(str.lower, _GUID.findall(error.text))
    ]


def _words_about(found: _Import, line: _Line) -> str:
    own = [_words(error) for error in _mentions(found, line)]
    return "; ".join(dict.fromkeys(own)) or found.words or "Finance does not hold it and gives no reason"


def _words(error: RowError) -> str:
    """Finance's message without lines that carry no information."""
    lines = [line.strip() for line in error.text.splitlines()]
    text = " ".join(line for line in lines if line and not _NOISE.match(line)) or error.text.strip()
    return f"{error.field}: {text}" if error.field else text
