"""Routes an address to the part of the service that answers it."""

import sqlite3
from dataclasses import dataclass, replace
from typing import Self

from simulators.dataverse.bulk import Bulk
from simulators.dataverse.calls import Call, Reply
from simulators.dataverse.errors import ServiceError, bad_query, unknown_segment
from simulators.dataverse.fetchxml import answer_fetch
from simulators.dataverse.functions import Functions
from simulators.dataverse.keys import Address, parse_address
from simulators.dataverse.metadata import Metadata
from simulators.dataverse.reads import Reader
from simulators.dataverse.schema import Schema, Table
from simulators.dataverse.sqlread import answer_sql
from simulators.dataverse.store import Writer
from simulators.dataverse.writes import Rows
from simulators.odata import ODataError


@dataclass(frozen=True)
class Dispatcher:
    """Answers single requests. Every method raises ServiceError for what the service refuses."""

    schema: Schema
    reader: Reader
    rows: Rows
    bulk: Bulk
    organization_id: str

    def over(self, schema: Schema) -> Self:
        """The same over other tables."""
        reader = replace(self.reader, schema=schema)
        rows = replace(self.rows, schema=schema, reader=reader)
        return replace(self, schema=schema, reader=reader, rows=rows, bulk=replace(self.bulk, schema=schema, rows=rows))

    def read(self, connection: sqlite3.Connection, call: Call) -> Reply:
        """Answer a GET."""
        try:
            return self._read(connection, call)
        except ODataError as error:
            raise bad_query(error.message) from error

    def _read(self, connection: sqlite3.Connection, call: Call) -> Reply:
        head, *rest = call.segments
        functions = Functions(self.schema, self.reader.switches, self.organization_id)
        if (said := Metadata(self.schema).reply(call) or functions.reply(connection, call)) is not None:
            return said
        address = parse_address(self.schema, head)
        if address is not None:
            return (
                self.reader.value(connection, call, address, rest[0])
                if rest
                else self.reader.row(connection, call, address)
            )
        table = self.schema.sets.get(head)
        if table is None:
            raise unknown_segment(head)
        if rest == ["$count"]:
            return self.reader.count(connection, call, table)
        if rest:
            raise unknown_segment(rest[0])
        return self._collection(connection, call, table)

    def _collection(self, connection: sqlite3.Connection, call: Call, table: Table) -> Reply:
        if "sql" in call.options:
            return answer_sql(self.schema, self.reader.switches, connection, call, table)
        if "fetchXml" in call.options:
            return answer_fetch(self.schema, self.reader.switches, connection, call, table)
        return self.reader.collection(connection, call, table)

    def write(self, writer: Writer, call: Call) -> Reply:
        """Answer any other method, or a GET inside a batch, in the running transaction."""
        if call.method == "GET":
            return self.read(writer.connection, call)
        try:
            return self._write(writer, call)
        except ODataError as error:
            raise bad_query(error.message) from error

    def _write(self, writer: Writer, call: Call) -> Reply:
        head, *rest = call.segments
        address = parse_address(self.schema, head)
        if address is not None:
            return self._write_row(writer, call, address, rest)
        table = self.schema.sets.get(head)
        if table is None:
            raise unknown_segment(head)
        if call.method != "POST":
            raise method_not_allowed(call)
        if rest:
            return self.bulk.answer(writer, call, table, rest[0])
        return self.rows.create(writer, call, table)

    def _write_row(self, writer: Writer, call: Call, address: Address, rest: list[str]) -> Reply:
        match call.method, rest:
            case "PATCH", []:
                return self.rows.patch(writer, call, address)
            case "DELETE", []:
                return self.rows.delete(writer, call, address)
            case "PUT" | "DELETE", [name]:
                return self.rows.put_value(writer, call, address, name)
        raise method_not_allowed(call)


def method_not_allowed(call: Call) -> ServiceError:
    return ServiceError(405, "0x80060888", f"The HTTP method '{call.method}' is not supported for this resource.")
