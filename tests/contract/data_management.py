"""Finance's Data Management, scripted: it reads the packages that it is given, and a test says what becomes of each."""

import csv
import io
import json
import re
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

from shared.engine.account import Account
from shared.engine.lifecycle import accept
from shared.engine.messages import Settle, Ship
from shared.engine.ports import Ports
from shared.engine.settling import settle
from shared.engine.shipping import ship
from shared.errors import LeaseLost
from shared.ledger.rejected_rows import RejectedRow, measured, rejected_row
from shared.ledger.run import Page, Part, Run
from shared.project_operations.codes import ACTUALS
from shared.storage.landing import encode
from tests.contract.server import Manner, Received, Reply, said
from tests.contract.wiring import Clock

type Row = dict[str, str]
_GUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_KEYS = ("ACTUALSIMPORTID", "CONNECTIONID", "INVOICEPROPOSALID")


@dataclass
class Result:
    """What becomes of an import: its status, the keys of the rows that it takes, and what it says of itself."""

    status: str = "Succeeded"
    taken: Sequence[str] = ()
    errors: Sequence[tuple[str, str]] | str = ()
    said: int | None = None
    traceless: bool = False

    def error_list(self) -> str:
        """The errors as Finance writes them, or as the test does."""
        if isinstance(self.errors, str):
            return self.errors
        return json.dumps([{"RecordId": record, "Field": "", "ErrorMessage": text} for record, text in self.errors])


def key_of(row: Row) -> str:
    """The integration key of a row of any map."""
    return next(row[name] for name in _KEYS if name in row).lower()


def all_in(rows: Sequence[Row]) -> Result:
    """An import without a fault."""
    return Result(taken=[key_of(row) for row in rows])


@dataclass
class DataManagement:
    """`judge` says what becomes of the rows of an import, `start` how its start is answered: with an error instead of
    the usual answer, or with None. `late` says that the import happens although its start is answered so."""

    judge: Callable[[list[Row]], Result] = all_in
    start: Callable[[list[Row]], Reply | None] = lambda _: None
    late: bool = False
    url: str = ""
    held: dict[str, Row] = field(default_factory=dict)
    imports: list[list[str]] = field(default_factory=list)
    starts: list[str] = field(default_factory=list)
    _files: dict[str, list[Row]] = field(default_factory=dict)
    _results: dict[str, Result] = field(default_factory=dict)
    _sizes: dict[str, int] = field(default_factory=dict)

    def answer(self, request: Received) -> Reply:
        """The rule of the server."""
        if request.method == "PUT":
            self._files[request.target.partition("?")[0]] = _rows(request.body)
            return Reply(201, b"", {"ETag": '"1"', "Last-Modified": "Sat, 28 Nov 2026 12:00:00 GMT"})
        if request.method == "GET":
            return self._read(request.target)
        body = json.loads(request.body)
        action: Callable[[dict[str, Any]], Reply] = getattr(self, "_" + request.target.rsplit(".", 1)[-1])
        return action(body)

    def _GetAzureWriteUrl(self, body: dict[str, Any]) -> Reply:  # noqa: N802 - the action's name
        expires = "2099-01-01T00%3A00%3A00Z"
        return said({"value": json.dumps({"BlobUrl": f"{self.url}/account/dmf/{body['uniqueFileName']}?se={expires}"})})

    def _ImportFromPackageAsync(self, body: dict[str, Any]) -> Reply:  # noqa: N802
        rows = self._files["/" + body["packageUrl"].split("/", 3)[3].partition("?")[0]]
        self.starts.append(body["definitionGroupId"])
        refusal = self.start(rows)
        if refusal is None or self.late:
            self._work(body["executionId"], rows)
        return refusal or said({"value": body["executionId"]})

    def _work(self, execution_id: str, rows: list[Row]) -> None:
        result = self.judge(rows)
        self.imports.append([key_of(row) for row in rows])
        self._results[execution_id], self._sizes[execution_id] = result, len(rows)
        self.held |= {key_of(row): row for row in rows if key_of(row) in set(result.taken)}

    def _GetExecutionSummaryStatus(self, body: dict[str, Any]) -> Reply:  # noqa: N802
        result = self._results.get(body["executionId"])
        return said({"value": result.status}) if result else _not_found(body["executionId"])

    def _GetExecutionErrors(self, body: dict[str, Any]) -> Reply:  # noqa: N802
        return said({"value": self._results[body["executionId"]].error_list()})

    def _read(self, target: str) -> Reply:
        if "JobDetails" in target:
            found = [result for name, result in self._results.items() if name in target and not result.traceless]
            counts = [len(each.taken) if each.said is None else each.said for each in found]
            return said({"value": [{"TargetRecordsCreatedCount": n, "TargetRecordsUpdatedCount": 0} for n in counts]})
        keys = _GUID.findall(target.lower())
        return said({"value": [_shown(self.held[key]) for key in keys if key in self.held]})


def _shown(row: Row) -> dict[str, str]:
    names = {"ACTUALSIMPORTID": "ActualsImportId", "DESCRIPTION": "Description"}
    return {shown: row[name] for name, shown in names.items()}


def _not_found(execution_id: str) -> Reply:
    text = f"Execution details were not found for execution id: {execution_id}"
    return refused(text)


def refused(text: str, status: int = 400) -> Reply:
    """An error in Finance's own form."""
    inner = {"message": text, "type": "System.InvalidOperationException", "stacktrace": ""}
    return said({"error": {"code": "", "message": "An error has occurred.", "innererror": inner}}, status)


def lost() -> Reply:
    """A connection that ends without an answer."""
    return Reply(manner=Manner.RESET)


def _rows(package: bytes) -> list[Row]:
    with zipfile.ZipFile(io.BytesIO(package)) as archive:
        [name] = [name for name in archive.namelist() if name.endswith(".csv")]
        text = archive.read(name).decode("utf-16")
    return list(csv.DictReader(io.StringIO(text, newline="")))


@dataclass
class Yard:
    """The app's dock at work on a few parts, with nothing else on it: messages are given by hand, time as well."""

    ports: Ports
    clock: Clock
    finance: DataManagement
    stage: str = ACTUALS
    gone_on: list[UUID] = field(default_factory=list)

    async def land(self, *descriptions: str, invoice_id: UUID | None = None) -> Part:
        """An invoice of which one part is ready, with a row for each description."""
        invoice_id = invoice_id or uuid4()
        rows = [self._row(text) for text in descriptions]
        named = [rejected_row(self.ports.maps[self.stage], self.stage, row, "application", "") for row in rows]
        written_by = self.ports.maps[self.stage].digest
        blob = await self.ports.landing.write(invoice_id, self.stage, encode(rows), written_by=written_by)
        part = Part(
            invoice_id,
            self.stage,
            1,
            0,
            "usmf",
            blob,
            len(rows),
            measures=measured(named, self.ports.job.step(self.stage)),
            landed_at=self.clock.now(),
        )
        await accept(self.ports.ledger, invoice_id)
        await self.ports.ledger.open_page(Page(invoice_id, self.stage, 1, 0))
        page = await self.ports.ledger.page(invoice_id, self.stage, 1, 0)
        assert page is not None
        await self.ports.ledger.close_page(page, [part], last=True)
        await self.ports.dock.land(part)
        self.clock.advance(timedelta(milliseconds=10))
        return part

    def _row(self, description: str) -> list[str]:
        kind = "BilledSales" if len(description) % 2 else "Sales"
        cells = {name: str(uuid4()) for name in (*_KEYS[:2], "ACTUALID")}
        cells |= {"AMOUNT": "1.25", "TRANSACTIONCURRENCYID": "USD", "TRANSACTIONTYPE": kind}
        cells |= {"DESCRIPTION": description, "TRANSACTION1ROLE": description, "INVOICEPROPOSALID": f"P-{description}"}
        return [cells.get(column, "") for column in self.ports.maps[self.stage].columns]

    async def keys(self, part: Part) -> list[str]:
        """The keys of a part's rows, in their order."""
        table_map = self.ports.maps[self.stage]
        rows = await self.ports.landing.rows(part.blob)
        return [row[table_map.position(table_map.integrationKey[0])].lower() for row in rows]

    async def work(self, rounds: int, step: float = 1.0) -> None:
        """Ship and settle, time going on by `step` seconds each round; stop when the dock is empty."""
        for _ in range(rounds):
            for _ in range(2):
                await self._try(ship(self.ports, Ship(stage=self.stage), after=self._after))
            view = await self.ports.dock.view(self.stage)
            for ticket in view.shipments:
                await self._try(settle(self.ports, Settle(stage=self.stage, ticket=ticket), after=self._after))
            self.clock.advance(timedelta(seconds=step))
            if not (await self.ports.dock.view(self.stage)).cargo:
                return

    async def _try(self, work: Any) -> None:
        try:
            await work
        except LeaseLost:
            return

    async def _after(self, ports: Ports, run: Run, account: Account) -> None:
        del ports, account
        self.gone_on.append(run.subject)

    async def rejected(self, *parts: Part) -> list[RejectedRow]:
        """The rejected rows of some invoices."""
        return [row for part in parts for row in await self.ports.rejections.of(part.subject)]

    async def clear(self) -> None:
        """Take everything off the dock that other tests have left."""
        table = self.ports.dock._table
        async for row in table.list_entities():
            await table.delete_entity(row["PartitionKey"], row["RowKey"])
        # Evidence that others' imports left would count here.
        table = self.ports.throughput._table
        async for row in table.query_entities("PartitionKey eq 'throughput'"):
            await table.delete_entity(row["PartitionKey"], row["RowKey"])
