"""Actuals that are out of sync: they should be in Finance and are not, or are there and unposted, or posted and not
written back.

The predicate is that of Microsoft's own page for it, as its screenshot has it and not as its text has it: skip sync is
no, there is no voucher, and the actual is older than an hour (until then it is only on its way). Any period can be
asked for, and only what is chosen is sent.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Literal
from uuid import UUID, uuid4

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from operate.jobs import Jobs
from shared.messages import Reconcile
from shared.odata import all_of, chunks, quote_text
from shared.ports import Ports
from shared.run import State
from shared.stages import Stage
from shared.tablemap import follow
from shared.transform import Row, RowRefused
from write_back.look import start as start_write_back

type Kind = Literal["missing", "not posted", "not written back"]

MOST = 20_000
_SHOWN = 200
_PAGE = 2000
_KEYS_IN_A_FILTER = 50
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
    found: dict[UUID, str] = {}
    for portion in chunks(keys, _KEYS_IN_A_FILTER):
        any_of = " or ".join(f"ActualsImportId eq {key}" for key in portion)
        options = {
            "$filter": all_of(f"dataAreaId eq {quote_text(company)}", any_of),
            "$select": "ActualsImportId,VoucherNumber",
        }
        async for rows in ports.finance.pages(str(ports.maps[Stage.ACTUALS].target.set), options):
            found |= {UUID(row["ActualsImportId"]): str(row["VoucherNumber"] or "") for row in rows}
    return found


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


async def sync(ports: Ports, found: Found, kinds: Iterable[Kind], *, by: str, dry_run: bool) -> dict[str, Any]:
    """Send what is missing and write back what is posted, invoice by invoice. Actuals of no confirmed invoice are
    counted and left: the live map carries those."""
    chosen: dict[tuple[UUID, Kind], list[Stray]] = {}
    others = 0
    for stray in found.strays:
        if stray.kind not in kinds or stray.kind == "not posted":
            continue
        if stray.invoice_id is None or await ports.ledger.run(UUID(stray.invoice_id)) is None:
            others += 1
            continue
        chosen.setdefault((UUID(stray.invoice_id), stray.kind), []).append(stray)
    invoices = [await _sync_one(ports, *key, strays, by=by, dry_run=dry_run) for key, strays in chosen.items()]
    return {"dryRun": dry_run, "rows": sum(map(len, chosen.values())), "invoices": invoices, "notOurs": others}


async def _sync_one(
    ports: Ports, invoice_id: UUID, kind: Kind, strays: Sequence[Stray], *, by: str, dry_run: bool
) -> dict[str, Any]:
    run = await ports.ledger.run(invoice_id)
    if run is None or not run.state.is_final:
        action = "is under way: nothing is done"
    elif kind == "not written back" and run.state == State.COMPLETED:
        action = "is written back"
        if not dry_run:
            await start_write_back(ports, invoice_id)
    else:
        action = "is compared row by row, and what Finance lacks is sent"
        if not dry_run:
            job = uuid4().hex
            await Jobs(ports).open(job, 1, by=by)
            await ports.queues.send(Reconcile(job=job, invoiceId=invoice_id, fix=True))
    return {
        "invoiceId": str(invoice_id),
        "invoiceNumber": strays[0].number,
        "kind": kind,
        "rows": len(strays),
        "action": action,
    }
