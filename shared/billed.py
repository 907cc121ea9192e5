"""What Dataverse says was billed on an invoice: the measure that every run is held against."""

from collections import Counter
from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

from shared.odata import all_of
from shared.ports import Ports
from shared.project_operations.codes import BILLED_SALES, CHARGEABLE, UNBILLED_SALES
from shared.stages import Stage
from shared.tablemap import TableMap
from shared.totals import Tally, Totals
from shared.transform import Row

__all__ = ["BILLED_SALES", "CHARGEABLE", "UNBILLED_SALES"]
_LIGHT_PAGE = 5000

type Kind = tuple[int | None, int | None]
"""Billing type and transaction class of a billed sale or of an invoice line detail."""


@dataclass(frozen=True)
class Billed:
    """The billed sales of an invoice: count and money, and how many there are of each kind."""

    totals: Totals
    kinds: Counter[Kind]


def billed_filter(table_map: TableMap, invoice_id: UUID) -> str:
    """The billed sales of an invoice that go to Finance."""
    own = f"_msdyn_invoice_value eq {invoice_id} and msdyn_transactiontypecode eq {BILLED_SALES}"
    return all_of(own, table_map.source.filter)


async def billed_totals(ports: Ports, invoice_id: UUID) -> Totals:
    """Count and sum per currency of the billed sales of an invoice, read afresh; the digest is of no use here."""
    return (await read_billed(ports, invoice_id)).totals


async def read_billed(ports: Ports, invoice_id: UUID) -> Billed:
    """The billed sales of an invoice, read afresh."""
    table_map = ports.maps[Stage.ACTUALS]
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
