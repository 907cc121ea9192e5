"""Actuals that are out of sync: they should be in Finance and are not, or are there and unposted, or posted and not
written back.

The predicate is that of Microsoft's own page for it, as its screenshot has it and not as its text has it: skip sync is
no, there is no voucher, and the actual is older than an hour (until then it is only on its way). Any period can be
asked for, and only what is chosen is sent.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Literal
from uuid import UUID, uuid4

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from operate.jobs import Jobs
from shared.billed import BILLED_SALES
from shared.held import held_actuals
from shared.log import event
from shared.messages import Look, Reconcile, SyncBack
from shared.odata import all_of
from shared.ports import Ports
from shared.stages import Stage
from shared.tablemap import follow
from shared.transform import Row, RowRefused
from write_back.posted import posted_rows, write_rows

type Kind = Literal["missing", "not posted", "not written back"]

MOST = 20_000
_SHOWN = 200
_PAGE = 2000
_DEFAULT_PERIOD = timedelta(days=31)
_TYPES = {192350000: "Cost", 192350005: "Unbilled Sales", 192350006: "Billed Sales"}
_OTHER_COLUMNS = ("createdon", "_msdyn_invoice_value", "msdyn_actualid", "msdyn_amount", "msdyn_transactiontypecode")


class Period(BaseModel):
    """Which actuals are looked at: those created in the period, of one invoice if that is named."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    since: AwareDatetime | None = None
    until: AwareDatetime | None = None
    graceHours: float = Field(1.0, ge=0, le=8760)  # noqa: N815 - the names on the wire
    invoiceId: UUID | None = None  # noqa: N815


@dataclass(frozen=True)
class Stray:
    """One actual that is out of sync."""

    kind: Kind
    row: Row

    @property
    def invoice_id(self) -> str | None:
        """The invoice that it belongs to, if any."""
        return self.row.get("_msdyn_invoice_value")

    @property
    def number(self) -> str:
        """The number of that invoice."""
        return str(follow(self.row, ("msdyn_Invoice", "msdyn_invoicenumber")) or "")

    @property
    def project(self) -> str:
        """Its project's number."""
        return str(follow(self.row, ("msdyn_Project", "msdyn_projectnumber")) or "")

    @property
    def currency(self) -> str:
        """Its ISO currency."""
        return str(follow(self.row, ("transactioncurrencyid", "isocurrencycode")) or "")

    @property
    def amount(self) -> Decimal:
        """Its amount."""
        return Decimal(self.row.get("msdyn_amount") or 0)

    def describe(self) -> dict[str, Any]:
        """The actual as JSON."""
        return {
            "actualId": self.row["msdyn_actualid"],
            "kind": self.kind,
            "type": _TYPES.get(self.row["msdyn_transactiontypecode"], str(self.row["msdyn_transactiontypecode"])),
            "project": self.project,
            "invoiceNumber": self.number,
            "invoiceId": self.invoice_id,
            "currency": self.currency,
            "amount": format(self.amount, "f"),
            "createdOn": self.row["createdon"],
        }


@dataclass(frozen=True)
class Found:
    """What was examined, and what of it is out of sync; `more` says that the period holds more than was examined."""

    examined: int
    more: bool
    strays: list[Stray]

    def describe(self) -> dict[str, Any]:
        """The findings as JSON, grouped by kind, project and invoice."""
        return {
            "examined": self.examined,
            "more": self.more,
            "rows": len(self.strays),
            "groups": _groups(self.strays),
            "actuals": [stray.describe() for stray in self.strays[:_SHOWN]],
        }


async def find(ports: Ports, period: Period) -> Found:
    """Find the actuals of a period that are out of sync."""
    examined, more, strays = 0, False, []
    async for rows in ports.dataverse.pages(ports.maps[Stage.ACTUALS].source.set, _options(ports, period), size=_PAGE):
        if examined >= MOST:
            more = True
            break
        examined += len(rows)
        strays += await _judge(ports, rows)
    return Found(examined, more, strays)


def _options(ports: Ports, period: Period) -> dict[str, str]:
    table_map = ports.maps[Stage.ACTUALS]
    voucher = table_map.written_back.get("VOUCHERNUMBER") or table_map.incoming["VOUCHERNUMBER"]
    since = period.since or ports.now() - _DEFAULT_PERIOD
    until = min(period.until or ports.now(), ports.now() - timedelta(hours=period.graceHours))
    types = " or ".join(f"msdyn_transactiontypecode eq {code}" for code in _TYPES)
    conditions = [
        table_map.source.filter,
        f"{voucher} eq null",
        types,
        f"createdon ge {_instant(since)} and createdon le {_instant(until)}",
        f"_msdyn_invoice_value eq {period.invoiceId}" if period.invoiceId else "",
    ]
    select = ",".join(sorted({*table_map.query["$select"].split(","), *_OTHER_COLUMNS}))
    return {**table_map.query, "$select": select, "$filter": all_of(*conditions)}


def _instant(instant: datetime) -> str:
    return f"{instant.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


async def _judge(ports: Ports, rows: Sequence[Row]) -> list[Stray]:
    """Ask Finance for these actuals. One that the map cannot write cannot be there: it is missing."""
    table_map = ports.maps[Stage.ACTUALS]
    position = table_map.position("ACTUALSIMPORTID")
    companies: dict[str, dict[UUID, Row]] = {}
    strays: list[Stray] = []
    for row in rows:
        try:
            key = UUID(table_map.write(row, ports.settings.zone)[position])
            companies.setdefault(table_map.company_of(row), {})[key] = row
        except RowRefused:
            strays.append(Stray("missing", row))
    for company, keyed in companies.items():
        held = await _vouchers(ports, company, keyed)
        strays += [Stray(_kind(held.get(key)), row) for key, row in keyed.items()]
    return strays


def _kind(voucher: str | None) -> Kind:
    if voucher is None:
        return "missing"
    return "not written back" if voucher else "not posted"


async def _vouchers(ports: Ports, company: str, keys: Iterable[UUID]) -> dict[UUID, str]:
    rows = held_actuals(ports, company, keys, select="ActualsImportId,VoucherNumber")
    return {UUID(row["ActualsImportId"]): str(row["VoucherNumber"] or "") async for row in rows}


def _groups(strays: Sequence[Stray]) -> list[dict[str, Any]]:
    groups: dict[tuple[str, str, str, str | None], list[Stray]] = {}
    for stray in strays:
        groups.setdefault((stray.kind, stray.project, stray.number, stray.invoice_id), []).append(stray)
    return [
        {
            "kind": kind,
            "project": project,
            "invoiceNumber": number,
            "invoiceId": invoice_id,
            "rows": len(members),
            "amounts": _sums(members),
            "oldest": min(str(stray.row["createdon"]) for stray in members),
        }
        for (kind, project, number, invoice_id), members in groups.items()
    ]


def _sums(strays: Iterable[Stray]) -> dict[str, str]:
    sums: dict[str, Decimal] = {}
    for stray in strays:
        sums[stray.currency] = sums.get(stray.currency, Decimal(0)) + stray.amount
    return {currency: format(amount, "f") for currency, amount in sorted(sums.items())}


async def sync(ports: Ports, asked: Period, kinds: Collection[Kind], *, by: str, dry_run: bool) -> dict[str, Any]:
    """Send what is missing and write back what is posted. Missing actuals of no confirmed invoice are counted and left:
    the live map carries those."""
    found = await find(ports, asked)
    missing = _by_invoice(stray for stray in found.strays if stray.kind == "missing" and "missing" in kinds)
    ours = {invoice: strays for invoice, strays in missing.items() if invoice and _is_confirmed(strays)}
    invoices = [await _send(ports, invoice_id, strays, by=by, dry_run=dry_run) for invoice_id, strays in ours.items()]
    back = [stray for stray in found.strays if stray.kind == "not written back" and stray.kind in kinds]
    invoices += [
        _described(strays, "is written back", "not written back") for strays in _by_invoice(back).values() if strays
    ]
    if back and not dry_run:
        await ports.queues.send(SyncBack(**asked.model_dump(include=set(Period.model_fields))))
    return {
        "dryRun": dry_run,
        "rows": len(back) + sum(map(len, ours.values())),
        "invoices": invoices,
        "notOurs": sum(map(len, missing.values())) - sum(map(len, ours.values())),
    }


async def sync_back(ports: Ports, message: SyncBack) -> None:
    """Write back what Finance has posted and Dataverse lacks, whatever invoice it belongs to."""
    period = Period(**{name: getattr(message, name) for name in Period.model_fields})
    found = await find(ports, period)
    table_map = ports.maps[Stage.ACTUALS]
    position = table_map.position("ACTUALSIMPORTID")
    keys: dict[str, list[UUID]] = {}
    for stray in found.strays:
        if stray.kind == "not written back":
            key = UUID(table_map.write(stray.row, ports.settings.zone)[position])
            keys.setdefault(table_map.company_of(stray.row), []).append(key)
    for company, ids in keys.items():
        refused = await write_rows(ports, await posted_rows(ports, company, ids))
        event("synced back", rows=len(ids), count=len(refused))
    await ports.queues.send(Look())


def _by_invoice(strays: Iterable[Stray]) -> dict[str | None, list[Stray]]:
    found: dict[str | None, list[Stray]] = {}
    for stray in strays:
        found.setdefault(stray.invoice_id, []).append(stray)
    return found


def _is_confirmed(strays: Iterable[Stray]) -> bool:
    """Billed sales come into being by confirming."""
    return any(stray.row["msdyn_transactiontypecode"] == BILLED_SALES for stray in strays)


async def _send(ports: Ports, invoice_id: str, strays: Sequence[Stray], *, by: str, dry_run: bool) -> dict[str, Any]:
    run = await ports.ledger.run(UUID(invoice_id))
    if run is not None and not run.state.is_final:
        return _described(strays, "is under way: nothing is done", "missing")
    if not dry_run:
        job = uuid4().hex
        await Jobs(ports).open(job, 1, by=by)
        await ports.queues.send(Reconcile(job=job, invoiceId=UUID(invoice_id), fix=True))
    return _described(strays, "is compared row by row, and what Finance lacks is sent", "missing")


def _described(strays: Sequence[Stray], action: str, kind: Kind) -> dict[str, Any]:
    first = strays[0]
    return {
        "invoiceId": first.invoice_id,
        "invoiceNumber": first.number,
        "kind": kind,
        "rows": len(strays),
        "action": action,
    }
