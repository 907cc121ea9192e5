"""Actuals that are out of sync: missing in Finance, not posted there, or posted and not written back.

The definition is that of Microsoft's own page, by its screenshot and not by its text: skip sync is no, there is no
voucher, and the actual is older than an hour (before that it may still be in transit).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID

from relay_contract.out_of_sync import Kind, OutOfSyncActual, OutOfSyncGroup
from relay_contract.requests import Period
from shared.engine.ports import Ports
from shared.maps.columns import follow
from shared.maps.table_map import TableMap
from shared.maps.transforms import Row, RowRefused
from shared.project_operations.actual_pages import NEEDED
from shared.project_operations.codes import ACTUALS, UNBILLED_SALES
from shared.project_operations.confirmation import claims_of
from shared.project_operations.held_actuals import held_actuals
from shared.project_operations.invoices import invoices_with
from shared.project_operations.proposal_number import number_pair
from shared.services.odata import all_of, guid

_TYPES = {192350000: "Cost", 192350005: "Unbilled Sales", 192350006: "Billed Sales"}
_OTHER_COLUMNS = (*NEEDED, "createdon", "_msdyn_invoice_value")


@dataclass(frozen=True)
class UnsyncedActual:
    """One actual that is out of sync. `key` is its key in Finance, None if the map cannot write the row. `number` is
    the number of its invoice's proposal. `owner` is, for an actual without an invoice, the invoice whose
    confirmation created it, as far as the links tell."""

    kind: Kind
    row: Row
    company: str = ""
    key: UUID | None = None
    number: str = ""
    owner: str | None = None

    @property
    def invoice_id(self) -> str | None:
        """Its invoice, if any."""
        return self.row.get("_msdyn_invoice_value") or self.owner

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

    @property
    def created_on(self) -> datetime:
        """When it was created."""
        return datetime.fromisoformat(self.row["createdon"])

    def describe(self) -> OutOfSyncActual:
        """The actual for the API."""
        return OutOfSyncActual(
            actual_id=self.row["msdyn_actualid"],
            kind=self.kind,
            type=_TYPES.get(self.row["msdyn_transactiontypecode"], str(self.row["msdyn_transactiontypecode"])),
            project=self.project,
            invoice_number=self.number,
            invoice_id=self.invoice_id,
            currency=self.currency,
            amount=self.amount,
            created_on=self.created_on,
        )


def options(ports: Ports, period: Period) -> dict[str, str]:
    """The query for the actuals of a period (with both ends given) that have no voucher in Dataverse."""
    table_map = ports.maps[ACTUALS]
    # With strategy customColumns the voucher stands in a column of the tenant's own.
    voucher = table_map.written_back.get("VOUCHERNUMBER") or table_map.incoming["VOUCHERNUMBER"]
    types = " or ".join(f"msdyn_transactiontypecode eq {code}" for code in _TYPES)
    conditions = [
        table_map.source.filter,
        f"{voucher} eq null",
        types,
        f"createdon ge {_instant(period.since)}" if period.since else "",
        f"createdon le {_instant(period.until)}" if period.until else "",
        f"_msdyn_invoice_value eq {period.invoice_id}" if period.invoice_id else "",
    ]
    select = ",".join(sorted({*table_map.query["$select"].split(","), *_OTHER_COLUMNS}))
    return {**table_map.query, "$select": select, "$filter": all_of(*conditions)}


def _instant(instant: datetime) -> str:
    return f"{instant.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


async def judge(ports: Ports, rows: Iterable[Row]) -> list[UnsyncedActual]:
    """Look up actuals without a voucher in Finance; each is out of sync in some way. An actual that the map cannot
    write cannot be in Finance, so it is missing."""
    table_map = ports.maps[ACTUALS]
    position = table_map.position("ACTUALSIMPORTID")
    companies: dict[str, dict[UUID, Row]] = {}
    unsynced: list[UnsyncedActual] = []
    for row in rows:
        try:
            key = UUID(table_map.write(row, ports.settings.zone)[position])
            companies.setdefault(table_map.company_of(row), {})[key] = row
        except RowRefused:
            unsynced.append(UnsyncedActual("missing", row, number=_number(table_map, row)))
    for company, keyed in companies.items():
        held = await _vouchers(ports, company, keyed)
        unsynced += [
            UnsyncedActual(_kind(held.get(key)), row, company, key, _number(table_map, row))
            for key, row in keyed.items()
        ]
    return unsynced


async def name_owners(ports: Ports, unsynced: Sequence[UnsyncedActual]) -> list[UnsyncedActual]:
    """The same actuals, with the invoices of unbilled sales without a stamp, by the same definition as when they are
    read. One that is linked to several invoices gets none."""
    bare = {guid(actual.row["msdyn_actualid"]) for actual in unsynced if _lacks_owner(actual)}
    claims = await claims_of(ports, bare) if bare else {}
    owners = {key: next(iter(claim.invoices)) for key, claim in claims.items() if len(claim.invoices) == 1}
    numbers = {each.invoice_id: each.number for each in await invoices_with(ports, map(UUID, owners.values()))}
    named: list[UnsyncedActual] = []
    for actual in unsynced:
        owner = owners.get(guid(actual.row["msdyn_actualid"])) if _lacks_owner(actual) else None
        named.append(replace(actual, owner=owner, number=numbers.get(UUID(owner), "")) if owner else actual)
    return named


def _lacks_owner(actual: UnsyncedActual) -> bool:
    is_unbilled = actual.row["msdyn_transactiontypecode"] == UNBILLED_SALES
    return is_unbilled and actual.kind == "missing" and actual.invoice_id is None


def _number(table_map: TableMap, row: Row) -> str:
    return str(follow(row, number_pair(table_map).steps) or "")


def _kind(voucher: str | None) -> Kind:
    if voucher is None:
        return "missing"
    return "not written back" if voucher else "not posted"


async def _vouchers(ports: Ports, company: str, keys: Iterable[UUID]) -> dict[UUID, str]:
    rows = held_actuals(ports, company, keys, select="ActualsImportId,VoucherNumber")
    return {UUID(row["ActualsImportId"]): str(row["VoucherNumber"] or "") async for row in rows}


def group(unsynced: Sequence[UnsyncedActual]) -> list[OutOfSyncGroup]:
    """Count and sums of the actuals by kind, project and invoice."""
    return merge(
        OutOfSyncGroup(
            kind=actual.kind,
            project=actual.project,
            invoice_number=actual.number,
            invoice_id=actual.invoice_id,
            rows=1,
            amounts={actual.currency: actual.amount},
            oldest=actual.created_on,
        )
        for actual in unsynced
    )


def merge(groups: Iterable[OutOfSyncGroup]) -> list[OutOfSyncGroup]:
    """Merge the groups of several pages."""
    merged: dict[tuple[str | None, ...], OutOfSyncGroup] = {}
    for each in groups:
        identity = (each.kind, each.project, each.invoice_number, each.invoice_id)
        known = merged.get(identity)
        merged[identity] = _joined(known, each) if known else each
    return list(merged.values())


def _joined(one: OutOfSyncGroup, other: OutOfSyncGroup) -> OutOfSyncGroup:
    currencies = [*one.amounts, *(currency for currency in other.amounts if currency not in one.amounts)]
    amounts = {name: one.amounts.get(name, Decimal(0)) + other.amounts.get(name, Decimal(0)) for name in currencies}
    oldest = min(one.oldest, other.oldest)
    return one.model_copy(update={"rows": one.rows + other.rows, "amounts": amounts, "oldest": oldest})
