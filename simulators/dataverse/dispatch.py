"""Routes an address to the part of the service that answers it."""

import sqlite3
from dataclasses import dataclass

from simulators.dataverse.bulk import Bulk
from simulators.dataverse.calls import Call, Reply, json_reply
from simulators.dataverse.errors import ServiceError, bad_query, unknown_segment
from simulators.dataverse.keys import Address, parse_address
from simulators.dataverse.metadata import Metadata
from simulators.dataverse.organization import business_unit, user_id
from simulators.dataverse.reads import Reader
from simulators.dataverse.schema import Schema
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

    def read(self, connection: sqlite3.Connection, call: Call) -> Reply:
        """Answer a GET."""
        try:
            return self._read(connection, call)
        except ODataError as error:
            raise bad_query(error.message) from error

    def _read(self, connection: sqlite3.Connection, call: Call) -> Reply:
        head, *rest = call.segments
        if head in {"WhoAmI", "WhoAmI()"}:
            return self._who_am_i(call)
        described = Metadata(self.schema).reply(call)
        if described is not None:
            return described
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

    def _who_am_i(self, call: Call) -> Reply:
        return json_reply(
            {
                "@odata.context": f"{call.prefix}/$metadata#Microsoft.Dynamics.CRM.WhoAmIResponse",
                "BusinessUnitId": business_unit(self.organization_id),
                "UserId": user_id(call.user),
                "OrganizationId": self.organization_id,
            }
        )


def method_not_allowed(call: Call) -> ServiceError:
    return ServiceError(405, "0x80060888", f"The HTTP method '{call.method}' is not supported for this resource.")
