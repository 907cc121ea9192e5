"""Bodies of writes: JSON members to stored column values."""

import json
import re
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from simulators.dataverse.calls import Call
from simulators.dataverse.errors import ServiceError, bad_payload
from simulators.dataverse.events import SqlValue
from simulators.dataverse.keys import is_guid, parse_address
from simulators.dataverse.schema import Column, Schema, Table
from simulators.dataverse.values import instant_text

LARGEST_NUMBER = Decimal(100_000_000_000_000)
_READ_ONLY = {"versionnumber", "createdon", "modifiedon"}
_BIND = "@odata.bind"


def read_object(call: Call, table: Table) -> dict[str, Any]:
    """Return the body as an object with exact numbers. Raises ServiceError."""
    try:
        body = json.loads(call.body, parse_float=Decimal)
    except ValueError as error:
        raise bad_payload(table.set_name, f"Invalid JSON. {error}") from error
    if not isinstance(body, dict):
        raise bad_payload(
            table.set_name, "An unexpected 'StartArray' node was found; a 'StartObject' node was expected."
        )
    return body


@dataclass(frozen=True)
class Payload:
    """Turns the members of one object into values of a table's columns. Raises ServiceError for what does not fit."""

    schema: Schema
    connection: sqlite3.Connection
    table: Table

    def values(self, body: dict[str, Any]) -> dict[str, SqlValue]:
        found: dict[str, SqlValue] = {}
        for name, value in body.items():
            if name.endswith(_BIND):
                column, key = self._bound(name.removesuffix(_BIND), value)
                found[column] = key
            elif "@" not in name and name not in _READ_ONLY:
                column_of_name = self._column(name, value)
                found[column_of_name.name] = self.value(column_of_name, value)
        return found

    def value(self, column: Column, value: object) -> SqlValue:
        """Return the stored form of one JSON value."""
        if value is None or value == "":
            return None
        stored = _STORED[column.type](column, value)
        if stored is None:
            raise bad_payload(
                self.table.set_name,
                f"Cannot convert the literal '{value}' to the expected type 'Edm.{column.sql('t').kind.title()}'.",
            )
        self._check_range(column, stored)
        return stored

    def _column(self, name: str, value: object) -> Column:
        if name in self.table.navigations and value is None:
            return self.table.columns[self.table.navigations[name].column]
        column = self.table.properties.get(name)
        if column is None:
            raise bad_payload(
                self.table.set_name,
                f"Invalid property '{name}' was found in entity 'Microsoft.Dynamics.CRM.{self.table.logical_name}'.",
            )
        if column.lookup:
            raise bad_payload(
                self.table.set_name,
                "CRM do not support direct update of Entity Reference properties, Use Navigation properties instead.",
            )
        return column

    def _bound(self, navigation: str, value: object) -> tuple[str, SqlValue]:
        lookup = self.table.navigations.get(navigation)
        if lookup is None:
            raise bad_payload(
                self.table.set_name,
                f"An undeclared property '{navigation}' which only has property annotations in the payload but no "
                "property value was found in the payload. In OData, only declared navigation properties and declared "
                "named streams can be represented as properties without values.",
            )
        if value is None:
            return lookup.column, None
        address = parse_address(self.schema, re.sub(r"^(?:https?://[^/]+)?(?:/api/data/v[\d.]+)?/?", "", str(value)))
        if address is None or address.table.logical_name != lookup.target:
            raise bad_payload(self.table.set_name, f"The URI '{value}' is not valid for '{navigation}'.")
        key = address.find(self.connection)
        if key is None:
            raise address.missing()
        return lookup.column, key

    def _check_range(self, column: Column, stored: SqlValue) -> None:
        options = self.schema.choices.get(column.choice)
        if options is not None and stored not in options:
            accepted = ",".join(map(str, options))
            raise ServiceError(
                400,
                "0x8004431a",
                f"A validation error occurred. The value {stored} of '{column.name}' on record of type "
                f"'{self.table.logical_name}' is outside the valid range. Accepted Values: {accepted}",
            )
        if column.length and len(str(stored)) > column.length:
            raise ServiceError(
                400,
                "0x80044331",
                f"A validation error occurred. The length of the '{column.name}' attribute of the "
                f"'{self.table.logical_name}' entity exceeded the maximum allowed length of '{column.length}'.",
            )


def _text(_: Column, value: object) -> SqlValue:
    if not isinstance(value, str) or any("\ud800" <= character <= "\udfff" for character in value):
        return None
    return value


def _whole(column: Column, value: object) -> SqlValue:
    largest = 2 ** (63 if column.type == "bigint" else 31)
    return value if type(value) is int and -largest <= value < largest else None


def _truth(_: Column, value: object) -> SqlValue:
    return int(value) if isinstance(value, bool) else None


def _decimal(column: Column, value: object) -> SqlValue:
    if type(value) is not int and not isinstance(value, Decimal):
        return None
    number = Decimal(value)
    if abs(number) >= LARGEST_NUMBER:
        return None
    return int(number.scaleb(column.scale).to_integral_value(ROUND_HALF_UP))


def _guid(_: Column, value: object) -> SqlValue:
    return value.lower() if isinstance(value, str) and is_guid(value) else None


def _instant(_: Column, value: object) -> SqlValue:
    try:
        moment = datetime.fromisoformat(str(value))
    except ValueError:
        return None
    # A time without a zone is taken for UTC, as the service does.
    return instant_text(moment) if moment.tzinfo else instant_text(datetime.fromisoformat(f"{moment.isoformat()}Z"))


def _day(_: Column, value: object) -> SqlValue:
    try:
        return date.fromisoformat(str(value)).isoformat()
    except ValueError:
        return None


_STORED: dict[str, Callable[[Column, object], SqlValue]] = {
    "text": _text,
    "memo": _text,
    "int": _whole,
    "bigint": _whole,
    "choice": _whole,
    "bool": _truth,
    "money": _decimal,
    "decimal": _decimal,
    "guid": _guid,
    "instant": _instant,
    "day": _day,
}
