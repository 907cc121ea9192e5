"""The billed sales of an invoice in Dataverse. Every run is verified against their count and sums."""

from collections import Counter
from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

from shared.engine.ports import Ports
from shared.errors import Refused
from shared.maps.table_map import TableMap
from shared.maps.transforms import Row
from shared.project_operations.codes import ACTUALS, BILLED_SALES
from shared.services.odata import all_of
from shared.totals import Tally, Totals

# Dataverse's largest page. Only a few columns are read, so memory is no concern.
_LIGHT_PAGE = 5000
_BAD_REQUEST = 400

type Kind = tuple[int | None, int | None]
"""Billing type and transaction class of a billed sale or of an invoice line detail."""


@dataclass(frozen=True)
class Billed:
    """The billed sales of an invoice: count and sums, and the number of each kind."""

    totals: Totals
    kinds: Counter[Kind]


def billed_filter(table_map: TableMap, invoice_id: UUID) -> str:
    """The OData filter for the billed sales of an invoice that are sent to Finance."""
    own = f"_msdyn_invoice_value eq {invoice_id} and msdyn_transactiontypecode eq {BILLED_SALES}"
    return all_of(own, table_map.source.filter)


async def billed_totals(ports: Ports, invoice_id: UUID) -> Totals:
    """Count and sum per currency of the billed sales of an invoice, read now. The digest is of the ids in Dataverse,
    so it cannot be compared with Finance's."""
    return (await read_billed(ports, invoice_id)).totals


async def read_billed(ports: Ports, invoice_id: UUID) -> Billed:
    """The billed sales of an invoice, read now."""
    table_map = ports.maps[ACTUALS]
    options = {
        "$select": "msdyn_actualid,msdyn_amount,msdyn_billingtype,msdyn_transactionclassification",
        "$expand": "transactioncurrencyid($select=isocurrencycode)",
        "$filter": billed_filter(table_map, invoice_id),
    }
    tally, kinds = Tally(), Counter[Kind]()
    async for rows in ports.dataverse.pages(table_map.source.set, options, size=_LIGHT_PAGE):
        for row in rows:
            currency = (row.get("transactioncurrencyid") or {}).get("isocurrencycode") or "?"
            tally.add(row["msdyn_actualid"], currency, Decimal(row["msdyn_amount"] or 0))
            kinds[kind_of(row)] += 1
    return Billed(tally.totals(), kinds)


def kind_of(row: Row) -> Kind:
    """The kind of a billed sale or of an invoice line detail."""
    return row.get("msdyn_billingtype"), row.get("msdyn_transactionclassification")


async def count_billed(ports: Ports, invoice_id: UUID) -> int:
    """The number of billed sales of an invoice, with one request if Dataverse can aggregate them."""
    table_map = ports.maps[ACTUALS]
    return await count_rows(ports, table_map.source.set, table_map.source.key, billed_filter(table_map, invoice_id))


async def count_rows(ports: Ports, entity_set: str, key: str, condition: str) -> int:
    """The number of rows that match a filter. Dataverse aggregates at most 50,000 rows and refuses more; those are
    paged."""
    try:
        options = {"$apply": f"filter({condition})/aggregate($count as rows)"}
        page = await ports.dataverse.page(entity_set, options, cursor="", size=2)
        return int(page.rows[0]["rows"]) if page.rows else 0
    except Refused as refusal:
        # The refusal is AggregateQueryRecordLimit (8004E023). Any other 400 comes again with the pages below.
        if refusal.status != _BAD_REQUEST:
            raise
    pages = ports.dataverse.pages(entity_set, {"$select": key, "$filter": condition}, size=_LIGHT_PAGE)
    return sum([len(rows) async for rows in pages])
