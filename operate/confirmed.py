"""Project invoices as Dataverse lists them: the confirmed ones of a time, or those with a number."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from uuid import UUID

from confirm_invoice.webhook import CONFIRMED, PROJECT_INVOICE
from shared.odata import all_of, quote_text
from shared.ports import Ports
from shared.stages import Stage
from shared.transform import Row

_PAGE = 1000


async def confirmed_invoices(
    ports: Ports, *, since: datetime, until: datetime | None = None
) -> AsyncIterator[tuple[UUID, str]]:
    """Id and number of every confirmed project invoice that was last changed in [since, until]: Dataverse does not keep
    when an invoice was confirmed."""
    async for row in _rows(
        ports,
        f"msdyn_projectinvoicestatus eq {CONFIRMED}",
        f"modifiedon ge {_instant(since)}",
        f"modifiedon le {_instant(until)}" if until else "",
    ):
        yield UUID(row["invoiceid"]), str(row["msdyn_invoicenumber"] or "")


async def invoices_numbered(ports: Ports, number: str) -> list[UUID]:
    """The project invoices with this number, confirmed or not."""
    return [UUID(row["invoiceid"]) async for row in _rows(ports, f"msdyn_invoicenumber eq {quote_text(number)}")]


async def _rows(ports: Ports, *conditions: str) -> AsyncIterator[Row]:
    options = {
        "$select": "invoiceid,msdyn_invoicenumber",
        "$filter": all_of(f"msdyn_ordertype eq {PROJECT_INVOICE}", *conditions),
    }
    async for rows in ports.dataverse.pages(ports.maps[Stage.INVOICES].source.set, options, size=_PAGE):
        for row in rows:
            yield row


def _instant(instant: datetime) -> str:
    return f"{instant.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
