"""The types of staging fields: how text from a file becomes a stored value, and a stored value becomes JSON.

Decimals are stored as integers scaled by 10^6 (X++ `real` is fixed point; six decimals reach the database), GUIDs in
lower case, dates as the text they have on the wire, so that SQL comparisons mean what OData comparisons mean.
"""

import re
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import Any

import orjson

type Stored = str | int

SCALE = 1_000_000
LARGEST = 2**63 - 1
EMPTY_GUID = "00000000-0000-0000-0000-000000000000"
EMPTY_DATE = "1900-01-01T12:00:00Z"

_GUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_DECIMAL = re.compile(r"(-?)(\d+)(?:\.(\d+))?", re.ASCII)
_INTEGER = re.compile(r"-?\d{1,19}", re.ASCII)
_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)


class ValueRefused(Exception):
    """Text that does not fit its field; the message is what the staging step reports."""


@dataclass(frozen=True)
class Kind:
    """One type of field: its metadata name, how it is read and shown, its empty value and its SQL type."""

    edm: str
    parse: Callable[[str], Stored]
    show: Callable[[Any], Any]
    empty: Stored
    sql: str = "TEXT COLLATE NOCASE"
    data_type: str = "String"
    members: tuple[str, ...] = ()


def _parse_guid(text: str) -> str:
    lowered = text.strip("{}").lower()
    if not _GUID.fullmatch(lowered):
        raise ValueRefused(f'DMF2018 The value "{text}" cannot be converted to type Guid.')
    return lowered


def _parse_decimal(text: str) -> int:
    match = _DECIMAL.fullmatch(text)
    if match is None:
        raise ValueRefused(f'DMF2018 The value "{text}" cannot be converted to type Real.')
    sign, whole, fraction = match.group(1), match.group(2), match.group(3) or ""
    if len(fraction) > 6:
        raise ValueRefused(f'DMF2018 The value "{text}" has more than 6 decimals.')
    scaled = int(whole) * SCALE + int(fraction.ljust(6, "0"))
    if scaled > LARGEST:
        raise ValueRefused(f'DMF2018 The value "{text}" is too large for type Real.')
    return -scaled if sign else scaled


@lru_cache
def _parse_date(text: str) -> str:
    try:
        if not _DATE.fullmatch(text):
            raise ValueError(text)  # noqa: TRY301 - one refusal for a wrong form and for a day that does not exist
        date.fromisoformat(text)
    except ValueError as error:
        raise ValueRefused(f'DMF2016 The value "{text}" is not a valid date; expected yyyy-MM-dd.') from error
    return f"{text}T12:00:00Z"


def _parse_integer(bits: int) -> Callable[[str], int]:
    limit = 2 ** (bits - 1)

    @lru_cache
    def parse(text: str) -> int:
        if not _INTEGER.fullmatch(text) or not -limit <= int(text) < limit:
            raise ValueRefused(f'DMF2018 The value "{text}" cannot be converted to type Int{bits}.')
        return int(text)

    return parse


def decimal_text(scaled: int) -> str:
    """Return the shortest exact number text of a stored decimal."""
    whole, fraction = divmod(abs(scaled), SCALE)
    sign = "-" if scaled < 0 else ""
    return f"{sign}{whole}.{fraction:06d}".rstrip("0") if fraction else f"{sign}{whole}"


def _show_decimal(scaled: int) -> orjson.Fragment:
    return orjson.Fragment(decimal_text(scaled))


def _as_is(value: Stored) -> Stored:
    return value


def text_of(length: int) -> Kind:
    """A string of at most `length` characters; the staging step refuses longer ones, it never cuts."""

    def parse(text: str) -> str:
        if len(text) > length:
            raise ValueRefused(
                f'DMF2018 The value "{text[:60]}" of {len(text)} characters would be truncated to {length}.'
            )
        return text

    return Kind("Edm.String", parse, _as_is, "")


def enum_of(name: str, *members: str) -> Kind:
    """An enum by element name, read without regard to case; the first member is the empty value."""
    by_name = {member.lower(): member for member in members}

    @lru_cache
    def parse(text: str) -> str:
        member = by_name.get(text.lower())
        if member is None:
            raise ValueRefused(f'DMF2018 The value "{text}" is not an element of enum {name}.')
        return member

    edm = f"Microsoft.Dynamics.DataEntities.{name}"
    return Kind(edm, parse, _as_is, members[0], data_type="Enum", members=members)


def _parse_boolean(text: str) -> int:
    return int(text.lower() == "true")


def _show_boolean(stored: int) -> bool:
    return bool(stored)


BOOLEAN = Kind("Edm.Boolean", _parse_boolean, _show_boolean, 0, "INTEGER", "Boolean")
GUID = Kind("Edm.Guid", _parse_guid, _as_is, EMPTY_GUID, "TEXT", "Guid")
DECIMAL = Kind("Edm.Decimal", _parse_decimal, _show_decimal, 0, "INTEGER", "Real")
DATE = Kind("Edm.DateTimeOffset", _parse_date, _as_is, EMPTY_DATE, data_type="Date")
INT64 = Kind("Edm.Int64", _parse_integer(64), _as_is, 0, "INTEGER", "Int64")
INT32 = Kind("Edm.Int32", _parse_integer(32), _as_is, 0, "INTEGER", "Integer")
NO_YES = enum_of("NoYes", "No", "Yes")


def new_guid() -> str:
    """Return a random GUID in the form Finance shows."""
    return str(uuid.uuid4())
