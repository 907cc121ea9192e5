"""Symptoms, provoked on purpose in a running system, and the time that some of them need to become one."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import uuid4

from azure.data.tables import TableClient, TableServiceClient

from shared.clock import parse_stamp, stamp
from tests.endtoend.relay import Relay, await_that
from tests.operations.operator import ACTUALS, Accountant, Operator, copy_of, held
from tests.watch.asking import Log


@dataclass(frozen=True)
class Troubles:
    """A running system with its operator."""

    system: Relay
    operator: Operator

    @classmethod
    def of(cls, system: Relay) -> "Troubles":
        """Those of a system."""
        return cls(system, Operator(system))

    def log(self) -> Log:
        """The log of the system so far."""
        return Log.of_hosts(self.system.stack.run_dir)

    def await_line(self, event: str, times: int = 1) -> None:
        """Wait until the log has so many lines of an event."""
        text = f'{{"event": "{event}"'
        await_that(lambda: sum(text in line.text for line in self.log().lines) >= times or None, f"{event} in the log")

    def overtake_webhook(self) -> None:
        """The sweep finds a confirmed invoice, and only then its webhook comes."""
        self._switch("dataverse", webhookOff=True)
        invoice_id = self._confirm(3, seed=8)
        assert [each["invoiceId"] for each in self.operator.sweep()["started"]] == [invoice_id]
        assert self.system.post(json=self.system.event(invoice_id)).status_code == 202
        self.operator.await_state(invoice_id, "completed")
        self._switch("dataverse", webhookOff=False)

    def lose_webhooks(self) -> None:
        """An invoice is confirmed while Dataverse sends no webhooks, and the sweep finds it."""
        self._switch("dataverse", webhookOff=True)
        lost = self._confirm(3, seed=1)
        assert [each["invoiceId"] for each in self.operator.sweep()["started"]] == [lost]
        self.operator.await_state(lost, "completed")
        self._switch("dataverse", webhookOff=False)

    def spoil_messages(self) -> None:
        """Two messages that no version of the app has written."""
        for number in range(2):
            self.system.send("actuals", json.dumps({"hello": number}))

    def reject_rows(self) -> None:
        """Finance refuses rows of an invoice."""
        rule = {"entity": ACTUALS, "everyNth": 2, "message": "Line property 'A 17' is missing"}
        self._switch("finance", rejectRows=[rule])
        self.operator.await_state(self._confirm(3, seed=2), "needs attention")
        self._switch("finance", rejectRows=[])

    def falsify(self) -> None:
        """A row in Finance is replaced by one with another key, and the invoice is compared again."""
        invoice_id, accountant = self.system.carry(3, seed=3), Accountant(self.system)
        row = held(self.system, str(self.system.tenant.invoice(invoice_id)["number"]))[0]
        accountant.add(**copy_of(row), ActualsImportId=str(uuid4()), ActualId=str(uuid4()))
        accountant.delete(row["ActualsImportId"])
        self.operator.compare(invoice_id, fix=True)
        self.operator.await_state(invoice_id, "needs attention")

    def refuse_starts(self) -> None:
        """Finance refuses to start three imports."""
        self._switch("finance", refuseStarts=3)
        self.system.finish([self._confirm(2, seed=4)])
        self.await_line("import refused", 3)

    def take_privilege(self) -> None:
        """The app's user in Finance loses the privilege that every import needs, for a while."""
        self._switch("finance", forbidEntities=["GetAzureWriteUrl"])
        invoice_id = self._confirm(2, seed=5)
        await_that(lambda: self._waits_for(invoice_id, "not permitted"), "a refused action")
        self.operator.sweep()
        self._switch("finance", forbidEntities=[])
        self.system.finish([invoice_id])

    def move_user(self) -> None:
        """The app's user in Dataverse gets the time zone of London, and the doctor looks."""
        self._switch("dataverse", userTimeZone=85)
        assert self.operator.diagnose()["worst"] == "fail"

    def hang(self, hours: float) -> None:
        """An import does not end for hours."""
        self._switch("finance", importNeverEnds=1)
        invoice_id = self._confirm(2, seed=6)
        await_that(lambda: self.operator.get("health")["lanes"] or None, "an import")
        await_that(lambda: self._rows("dock", "RowKey ge 'shipment' and step eq 'running'") or None, "a running import")
        self._age("runs", f"PartitionKey eq '{invoice_id}' and RowKey eq 'run'", "acceptedAt", hours)
        self._age("dock", "RowKey ge 'part|' and RowKey lt 'part}'", "landedAt", hours)
        self._age("dock", "RowKey ge 'shipment'", "sentAt", hours)
        self.operator.sweep()

    def throttle(self, hours: float) -> None:
        """Finance asks to wait, for hours. There must be something that asks it."""
        self._switch("finance", throttleShare=1.0, throttleActions=True, retryAfterSeconds=3.0)
        self._close_gate("Finance", "throttled", hours)
        self._switch("finance", throttleShare=0.0, throttleActions=False)

    def shut_out(self, hours: float) -> None:
        """Dataverse does not let the app in for hours, and the sweep cannot look for work."""
        self._switch("dataverse", forbidCaller=True)
        self._confirm(2, seed=7)
        self._age_note("look invoices", hours)
        self._close_gate("Dataverse", "not let in", hours)

    def take_account(self) -> None:
        """The storage account is stamped with another Finance."""
        (owner,) = self._rows("gates", "PartitionKey eq 'owner'")
        with self._table("gates") as table:
            table.update_entity({**owner, "finance": "https://contoso.operations.dynamics.com"})
        await_that(lambda: self.operator.ask("sweeps", {"by": "olga"}).status_code == 503 or None, "a refused app")

    def _close_gate(self, service: str, kind: str, hours: float) -> None:
        await_that(lambda: kind in [gate["kind"] for gate in self.operator.get("health")["gates"]] or None, kind)
        (row,) = self._rows("gates", f"PartitionKey eq 'gate' and RowKey eq '{service}'")
        closures = json.loads(row["closures"])
        closures[-1][0] = _earlier(closures[-1][0], hours)
        self._merge("gates", row, closures=json.dumps(closures))
        self.operator.sweep()

    def _confirm(self, lines: int, *, seed: int) -> str:
        invoice_id = self.system.tenant.draft(lines, seed=seed)
        self.system.tenant.confirm(invoice_id)
        return invoice_id

    def _switch(self, service: str, **switches: Any) -> None:
        self.system.tenant.switch(service, **switches)

    def _waits_for(self, invoice_id: str, kind: str) -> bool | None:
        run = self.system.tenant.run(invoice_id)
        return (run is not None and kind in [wait["kind"] for wait in run["waitsFor"]]) or None

    def _age(self, table: str, condition: str, column: str, hours: float) -> None:
        """Have something happened so many hours earlier than it did."""
        for row in self._rows(table, condition):
            if row[column]:
                self._merge(table, row, **{column: _earlier(row[column], hours)})

    def _age_note(self, name: str, hours: float) -> None:
        (row,) = self._rows("gates", f"PartitionKey eq 'note' and RowKey eq '{name}'")
        self._merge("gates", row, fact=json.dumps({"at": _earlier(json.loads(row["fact"])["at"], hours)}))

    def _rows(self, table: str, condition: str) -> list[Any]:
        with self._table(table) as client:
            return list(client.query_entities(condition))

    def _merge(self, table: str, row: Mapping[str, Any], **columns: str) -> None:
        keys = {name: row[name] for name in ("PartitionKey", "RowKey")}
        with self._table(table) as client:
            client.update_entity({**keys, **columns})

    def _table(self, name: str) -> TableClient:
        tables = TableServiceClient.from_connection_string(self.system.stack.azurite.connection_string())
        return tables.get_table_client(name)


def _earlier(text: str, hours: float) -> str:
    return stamp(parse_stamp(text) - timedelta(hours=hours))
