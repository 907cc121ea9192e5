"""CreateMultiple, UpdateMultiple and UpsertMultiple: many rows of one table, all or none."""

from dataclasses import dataclass
from typing import Any

from simulators.dataverse.calls import Call, Reply, json_reply
from simulators.dataverse.errors import ServiceError, bad_payload
from simulators.dataverse.keys import Address, parse_address
from simulators.dataverse.payload import read_object
from simulators.dataverse.schema import Schema, Table
from simulators.dataverse.store import Writer
from simulators.dataverse.switches import Switches
from simulators.dataverse.writes import Rows, body_key

PREFIX = "Microsoft.Dynamics.CRM."


@dataclass(frozen=True)
class Bulk:
    schema: Schema
    rows: Rows
    switches: Switches

    def answer(self, writer: Writer, call: Call, table: Table, action: str) -> Reply:
        """Run a bulk action; the caller's transaction makes it all or none. Raises ServiceError."""
        name = action.removeprefix(PREFIX)
        unsupported = table.logical_name in self.switches.bulkUnsupported.split(",")
        if name not in {"CreateMultiple", "UpdateMultiple", "UpsertMultiple"} or unsupported:
            raise ServiceError(501, "0x80040800", f"{name} has not yet been implemented.")
        targets = [self._checked(table, item) for item in self._targets(call, table)]
        if name == "CreateMultiple":
            ids = [self.rows.insert(writer, call, table, item) for item in targets]
            context = f"{call.prefix}/$metadata#Microsoft.Dynamics.CRM.CreateMultipleResponse"
            return json_reply({"@odata.context": context, "Ids": ids})
        for item in targets:
            self._write(writer, call, self._address(table, item), item, upsert=name == "UpsertMultiple")
        return Reply(204)

    def _targets(self, call: Call, table: Table) -> list[Any]:
        targets = read_object(call, table).get("Targets")
        if not isinstance(targets, list) or not targets:
            raise bad_payload(
                table.set_name, "The parameter 'Targets' in the request payload is not a valid collection."
            )
        return targets

    def _checked(self, table: Table, item: object) -> dict[str, Any]:
        if not isinstance(item, dict):
            raise bad_payload(
                table.set_name, "An unexpected node was found in 'Targets'; a 'StartObject' was expected."
            )
        stated = str(item.get("@odata.type", "")).removeprefix("#")
        if not stated:
            raise bad_payload(
                table.set_name,
                "A type named '' could not be resolved by the model. When a model is available, each type name must "
                "resolve to a valid type; every target needs '@odata.type'.",
            )
        if stated != f"{PREFIX}{table.logical_name}":
            raise bad_payload(table.set_name, f"A type named '{stated}' does not match '{PREFIX}{table.logical_name}'.")
        return item

    def _address(self, table: Table, item: dict[str, Any]) -> Address:
        stated = item.get("@odata.id")
        if stated is None:
            return body_key(table, item)
        address = parse_address(self.schema, str(stated).rpartition("/")[2] if "://" in str(stated) else str(stated))
        if address is None or address.table is not table:
            raise bad_payload(table.set_name, f"The URI '{stated}' is not a row of '{table.set_name}'.")
        return address

    def _write(self, writer: Writer, call: Call, address: Address, item: dict[str, Any], *, upsert: bool) -> None:
        key = address.find(writer.connection)
        if key is not None:
            self.rows.change(writer, call, address, key, item)
        elif upsert:
            self.rows.insert_at(writer, call, address, item)
        else:
            raise address.missing()
