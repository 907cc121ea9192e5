"""What Dataverse says was billed on an invoice: the measure that every run is held against."""

from decimal import Decimal
from uuid import UUID

from shared.odata import all_of
from shared.ports import Ports
from shared.stages import Stage
from shared.tablemap import TableMap
from shared.totals import Tally, Totals

UNBILLED_SALES = 192350005
BILLED_SALES = 192350006
CHARGEABLE = 192350001
_LIGHT_PAGE = 5000


def billed_filter(table_map: TableMap, invoice_id: UUID) -> str:
    """The billed sales of an invoice that go to Finance."""
    own = f"_msdyn_invoice_value eq {invoice_id} and msdyn_transactiontypecode eq {BILLED_SALES}"
    return all_of(own, table_map.source.filter)


async def billed_totals(ports: Ports, invoice_id: UUID) -> Totals:
    """Count and sum per currency of the billed sales of an invoice, read afresh; the digest is of no use here."""
    table_map = ports.maps[Stage.ACTUALS]
    options = {
        "$select": "msdyn_actualid,msdyn_amount",
        "$expand": "transactioncurrencyid($select=isocurrencycode)",
        "$filter": billed_filter(table_map, invoice_id),
    }
    tally = Tally()
    async for rows in ports.dataverse.pages(table_map.source.set, options, size=_LIGHT_PAGE):
        for row in rows:
            currency = (row.get("transactioncurrencyid") or {}).get("isocurrencycode") or "?"
            tally.add(row["msdyn_actualid"], currency, Decimal(row["msdyn_amount"] or 0))
    return tally.totals()


async def chargeable_details(ports: Ports, invoice_id: UUID) -> int:
    """How many chargeable invoice line details the invoice has; each must have become at least one billed sale."""
    options = {
        "$select": "msdyn_invoicelinetransactionid",
        "$filter": f"_msdyn_invoice_value eq {invoice_id} and msdyn_billingtype eq {CHARGEABLE}",
    }
    pages = ports.dataverse.pages("msdyn_invoicelinetransactions", options, size=_LIGHT_PAGE)
    return sum([len(rows) async for rows in pages])
