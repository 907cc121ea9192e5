"""Decides which invoices were confirmed. The webhook, the header, the sweep and reconciliation use this one definition.

A project invoice (`msdyn_ordertype`) was confirmed if its `msdyn_projectinvoicestatus`

    is a status of INVOICE_CONFIRMED_STATUSES    yes: Confirmed, Paid, and others that the tenant names
    is Draft, In Review or empty                 no
    is any other                                 if it has billed sales: only a confirmation creates them

So a status of a later version or of an extension neither hides an invoice nor sends a draft. A cancelled invoice
(`statecode` 3) is also judged by its billed sales. Dataverse does not store the time of the confirmation. It is taken
from the oldest billed sale, which the confirmation creates.
"""

from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from uuid import UUID

from shared.engine.ports import Ports
from shared.maps.transforms import Row
from shared.project_operations.codes import ACTUALS, BILLED_SALES, CANCELED, DRAFT, IN_REVIEW, INVOICES, PROJECT_INVOICE
from shared.project_operations.proposal_number import COLUMNS, number_pair
from shared.services.odata import all_of, quote_text

ORDER_TYPE = "msdyn_ordertype"
STATUS = "msdyn_projectinvoicestatus"
STATE = "statecode"
CREATED = "createdon"
UNCONFIRMED = (DRAFT, IN_REVIEW)
_PAGE = 1000


class Standing(StrEnum):
    """Whether an invoice was confirmed, by its own columns."""

    CONFIRMED = "confirmed"
    NOT_CONFIRMED = "not confirmed"
    UNCLEAR = "unclear"


@dataclass(frozen=True)
class Invoice:
    """A project invoice in Dataverse. `number` identifies its proposal in Finance."""

    invoice_id: UUID
    number: str
    status: int | None
    standing: Standing
    created_at: datetime
    modified_at: datetime


def standing_of(row: Row, confirmed: Iterable[int]) -> Standing:
    """Judge an invoice by its columns STATUS and STATE. `confirmed` are the statuses of the setting."""
    status = row.get(STATUS)
    if status is None or status in UNCONFIRMED:
        return Standing.NOT_CONFIRMED
    is_known = status in confirmed and row.get(STATE) != CANCELED
    return Standing.CONFIRMED if is_known else Standing.UNCLEAR


async def was_confirmed(ports: Ports, invoice_id: UUID, standing: Standing) -> bool:
    """Whether an invoice was confirmed. If its columns leave it unclear, its billed sales are read, with one
    request. Raises the errors of reading."""
    if standing is Standing.UNCLEAR:
        return await confirmed_at(ports, invoice_id) is not None
    return standing is Standing.CONFIRMED


async def confirmed_at(ports: Ports, invoice_id: UUID) -> datetime | None:
    """The creation time of an invoice's oldest billed sale, which is the time of its confirmation. None if it has
    none."""
    options = {
        "$select": "createdon",
        "$filter": f"_msdyn_invoice_value eq {invoice_id} and msdyn_transactiontypecode eq {BILLED_SALES}",
        "$orderby": "createdon",
    }
    rows = await ports.dataverse.first(ports.maps[ACTUALS].source.set, options, 1)
    return _instant(rows[0]["createdon"]) if rows else None


async def confirmed_before_go_live(ports: Ports, invoice_id: UUID, created_at: datetime) -> bool:
    """Whether an invoice was confirmed before SWEEP_START.

    Then dual-write has carried it, perhaps under other keys, and a run would send it a second time. A later payment, or
    its reversal, does not change that.
    """
    go_live = ports.settings.sweep_start
    return go_live is not None and await confirmed_before(ports, invoice_id, created_at, go_live)


async def confirmed_before(ports: Ports, invoice_id: UUID, created_at: datetime, instant: datetime) -> bool:
    """Whether an invoice was confirmed before an instant."""
    # An invoice created since cannot have been confirmed before. That saves the request below for nearly all of them.
    if created_at >= instant:
        return False
    confirmed = await confirmed_at(ports, invoice_id)
    return confirmed is not None and confirmed < instant


async def changed_invoices(ports: Ports, *, since: datetime, until: datetime | None = None) -> AsyncIterator[Invoice]:
    """Every project invoice that is or may be confirmed and was last changed in [since, until]."""
    async for invoice in _invoices(
        ports,
        *(f"{STATUS} ne {status}" for status in (*UNCONFIRMED, "null")),
        f"modifiedon ge {_text(since)}",
        f"modifiedon le {_text(until)}" if until else "",
    ):
        yield invoice


async def invoices_numbered(ports: Ports, number: str) -> list[Invoice]:
    """The project invoices with this number, confirmed or not. If there are none, those with it as their other
    number, which users may know."""
    own = number_column(ports)
    for column in (own, *(other for other in COLUMNS if other != own)):
        if found := [invoice async for invoice in _invoices(ports, f"{column} eq {quote_text(number)}")]:
            return found
    return []


async def invoices_with(ports: Ports, ids: Iterable[UUID]) -> list[Invoice]:
    """The project invoices with these ids, confirmed or not."""
    table_map = ports.maps[INVOICES]
    found = ports.dataverse.rows_in(
        table_map.source.set, (table_map.source.key,), ids, _select(ports), where=_PROJECT_INVOICES
    )
    return [_invoice(ports, row) async for rows in found for row in rows]


def number_column(ports: Ports) -> str:
    """The column of `invoice` with the number of its proposal in Finance, by the maps."""
    return number_pair(ports.maps[INVOICES]).source


def number_of(ports: Ports, invoice: Row) -> str:
    """The number of an invoice's proposal in Finance, "" if it has none yet. Raises RowRefused."""
    pair = number_pair(ports.maps[INVOICES])
    return pair.text(invoice.get(pair.source), invoice, ports.settings.zone)


_PROJECT_INVOICES = f"{ORDER_TYPE} eq {PROJECT_INVOICE}"


async def _invoices(ports: Ports, *conditions: str) -> AsyncIterator[Invoice]:
    options = _select(ports) | {"$filter": all_of(_PROJECT_INVOICES, *conditions)}
    async for rows in ports.dataverse.pages(ports.maps[INVOICES].source.set, options, size=_PAGE):
        for row in rows:
            yield _invoice(ports, row)


def _select(ports: Ports) -> dict[str, str]:
    return {"$select": f"invoiceid,{number_column(ports)},{STATUS},{STATE},{CREATED},modifiedon"}


def _invoice(ports: Ports, row: Row) -> Invoice:
    return Invoice(
        invoice_id=UUID(row["invoiceid"]),
        number=number_of(ports, row),
        status=row[STATUS],
        standing=standing_of(row, ports.settings.confirmed_statuses),
        created_at=created_at(row),
        modified_at=_instant(row["modifiedon"]),
    )


def created_at(row: Row) -> datetime:
    """When an invoice was created, from its column CREATED."""
    return _instant(row[CREATED])


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def _text(instant: datetime) -> str:
    return f"{instant.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
