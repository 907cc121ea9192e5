"""POST, PATCH, PUT and DELETE of single rows."""

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from simulators.dataverse.actuals import ActualRules
from simulators.dataverse.calls import Call, Reply
from simulators.dataverse.errors import ServiceError, no_such_row, unknown_property, version_mismatch
from simulators.dataverse.events import SqlValue
from simulators.dataverse.keys import Address, is_guid, url_of
from simulators.dataverse.payload import Payload, read_object
from simulators.dataverse.reads import Reader
from simulators.dataverse.schema import Schema, Table
from simulators.dataverse.store import Writer, new_id
from simulators.dataverse.values import now_text
from simulators.dataverse.webhooks.rules import RegistrationRules, check_secret

BYPASS = "mscrm.bypassbusinesslogicexecution"
REPRESENTATION = "representation"

type Values = dict[str, SqlValue]


@dataclass(frozen=True)
class Rows:
    """Writes single rows in the running transaction. Every method raises ServiceError for what it refuses."""

    schema: Schema
    reader: Reader
    rules: ActualRules
    registrations: RegistrationRules

    def create(self, writer: Writer, call: Call, table: Table) -> Reply:
        """Answer a POST to a set."""
        key = self.insert(writer, call, table, read_object(call, table))
        return self.written(writer, call, table, key, created=True)

    def patch(self, writer: Writer, call: Call, address: Address) -> Reply:
        """Answer a PATCH: an update, or an upsert where the headers allow it."""
        body, match = read_object(call, address.table), call.headers.get("if-match")
        key = address.find(writer.connection)
        if key is not None:
            if call.headers.get("if-none-match") == "*":
                raise ServiceError(412, "0x80040237", "A record with matching key values already exists.")
            self._check_version(writer, address.table, key, match)
            self.change(writer, call, address, key, body)
            return self.written(writer, call, address.table, key, created=False)
        if match is not None:
            raise address.missing()
        key = self.insert_at(writer, call, address, body)
        return self.written(writer, call, address.table, key, created=True)

    def put_value(self, writer: Writer, call: Call, address: Address, name: str) -> Reply:
        """Answer PUT or DELETE of one column."""
        if name not in address.table.properties:
            raise unknown_property(name, address.table.logical_name)
        value = read_object(call, address.table).get("value") if call.method == "PUT" else None
        self.change(writer, call, address, self._found(writer, address), {name: value})
        return Reply(204)

    def delete(self, writer: Writer, call: Call, address: Address) -> Reply:
        self.registrations.permit("Delete", address.table, call.user)
        key, table = self._found(writer, address), address.table
        self.rules.check_delete(table)
        self._check_version(writer, table, key, call.headers.get("if-match"))
        self.registrations.before_delete(writer, table, key)
        self._tell(writer, call, "Delete", Address(table, key, {}), {})
        writer.connection.execute(f'DELETE FROM "{table.logical_name}" WHERE "{table.key}" = ?', (key,))  # noqa: S608
        return Reply(204)

    def insert(self, writer: Writer, call: Call, table: Table, body: dict[str, Any]) -> str:
        """Write a new row; its id may be the caller's."""
        self.rules.check_create(table)
        self.registrations.permit("Create", table, call.user)
        body, secret = self.registrations.take_secret(table, body)
        values = Payload(self.schema, writer.connection, table).values(body)
        key, now = str(values.pop(table.key, None) or new_id()), now_text()
        row: Values = {"statecode": 0, "statuscode": 1, **values}
        row |= {table.key: key, "createdon": now, "modifiedon": now}
        row = self.registrations.check_create(writer.connection, table, row)
        check_secret(row.get("authtype"), secret)
        _refuse_duplicates(table, row, lambda: writer.insert(table.logical_name, row))
        self.registrations.keep(writer, key, secret)
        self._tell(writer, call, "Create", Address(table, key, {}), row)
        return key

    def insert_at(self, writer: Writer, call: Call, address: Address, body: dict[str, Any]) -> str:
        """Insert a new row under an address. Key columns in the body override the address."""
        table = address.table
        if address.key:
            return self.insert(writer, call, table, body | {table.key: address.key})
        payload = Payload(self.schema, writer.connection, table)
        stated = payload.values(body)
        key = self.insert(writer, call, table, body)
        missing = {name: value for name, value in address.alternate.items() if name not in stated}
        if missing:
            _refuse_duplicates(table, missing, lambda: writer.update(table.logical_name, key, missing))
        return key

    def change(self, writer: Writer, call: Call, address: Address, key: str, body: dict[str, Any]) -> None:
        """Change an existing row. The columns of the key in its address are not changed."""
        table = address.table
        self.registrations.permit("Write", table, call.user)
        body, secret = self.registrations.take_secret(table, body)
        values = Payload(self.schema, writer.connection, table).values(body)
        for name in (table.key, *address.alternate):
            values.pop(name, None)
        self.rules.check_update(table, key, values, call.user)
        values = self.registrations.complete(table, values)
        self._check_registration(writer, table, {**(writer.row(table.logical_name, key) or {}), **values}, secret)
        changes: Values = {**values, "modifiedon": now_text()}
        _refuse_duplicates(table, changes, lambda: writer.update(table.logical_name, key, changes))
        self.registrations.keep(writer, key, secret)
        self._tell(writer, call, "Update", Address(table, key, {}), changes)

    def written(self, writer: Writer, call: Call, table: Table, key: str, *, created: bool) -> Reply:
        """Answer a write: nothing, or the row when the caller prefers it."""
        if call.preferences.get("return") != REPRESENTATION:
            url = url_of(call.prefix, table, key)
            return Reply(204, headers={"OData-EntityId": url, **({"Location": url} if created else {})})
        reply = self.reader.row(writer.connection, call, Address(table, key, {}))
        reply.status = 201 if created else 200
        reply.headers["Preference-Applied"] = "return=representation"
        return reply

    def _check_registration(self, writer: Writer, table: Table, row: Values, secret: str | None) -> None:
        self.registrations.check(writer.connection, table, row)
        check_secret(row.get("authtype"), secret)

    def _found(self, writer: Writer, address: Address) -> str:
        key = address.find(writer.connection)
        if key is None:
            raise address.missing()
        return key

    def _check_version(self, writer: Writer, table: Table, key: str, match: str | None) -> None:
        if match is None or match.strip() == "*":
            return
        row = writer.row(table.logical_name, key)
        if row is None or match.strip() != f'W/"{row["versionnumber"]}"':
            raise version_mismatch()

    def _tell(self, writer: Writer, call: Call, message: str, address: Address, changes: Values) -> None:
        bypassed = [part.strip() for part in call.headers.get(BYPASS, "").split(",")]
        event = writer.event(message, address.table.logical_name, str(address.key), changes)
        writer.events.append(replace(event, user=call.user, bypass="CustomAsync" in bypassed))


def body_key(table: Table, body: dict[str, Any]) -> Address:
    """Return the row that an item of a bulk action means by its primary key column."""
    key = body.get(table.key)
    if not isinstance(key, str) or not is_guid(key):
        raise no_such_row(table.logical_name, str(key))
    return Address(table, key.lower(), {})


def _refuse_duplicates(table: Table, values: Values, write: Callable[[], None]) -> None:
    try:
        write()
    except sqlite3.IntegrityError as error:
        if f"{table.logical_name}.{table.key}" in str(error):
            raise ServiceError(412, "0x80040237", "Cannot insert duplicate key.") from error
        for name, members in table.keys.items():
            if all(f"{table.logical_name}.{member}" in str(error) for member in members):
                shown = ", ".join(f"{member} {values.get(member)}" for member in members)
                raise ServiceError(
                    412,
                    "0x80060892",
                    f"A record that has the attribute values {shown} already exists. The entity key {name} requires "
                    "that this set of attributes contains unique values. Select unique values and try again.",
                ) from error
        raise
