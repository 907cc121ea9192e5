"""Checks by the invoice line details whether Dataverse holds all rows that a confirmation creates.

Chargeable details are counted against chargeable billed sales, for each class separately. A reduced line creates a
second, non-chargeable billed sale, and a milestone may have no detail. Neither may hide a missing row of another kind.
Source: Microsoft's tables of actuals by event, articles proforma-invoicing/confirm-proforma-invoice and
revise-project-invoices.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from shared.concurrently import both
from shared.engine.ports import Ports
from shared.maps.transforms import Row
from shared.project_operations.billed_sales import Billed, Kind, kind_of, read_billed
from shared.project_operations.codes import CHARGEABLE, DETAILS

# Dataverse's largest page.
_PAGE = 5000


@dataclass(frozen=True)
class Details:
    """The invoice line details of an invoice by kind. `corrected_in_part` counts those that correct a line partly,
    which reverses its billed sale and bills the rest again."""

    kinds: Counter[Kind]
    corrected_in_part: Counter[Kind]

    @property
    def chargeable(self) -> int:
        """The number of chargeable details."""
        return _sum(self.kinds, chargeable=True)


@dataclass(frozen=True)
class Completeness:
    """The invoice line details of an invoice and its billed sales."""

    details: Details
    billed: Billed

    @property
    def missing(self) -> int:
        """The number of missing billed sales that must exist: one per chargeable detail."""
        return _shortfall(_only(self.details.kinds, chargeable=True), self.billed.kinds)

    @property
    def doubtful(self) -> int:
        """The number of further billed sales that may still come, but need not. A non-chargeable line may have none
        (release note 2246671), and how a partial correction is billed is documented but not proven."""
        chargeable = _only(self.details.kinds + self.details.corrected_in_part, chargeable=True)
        others = _only(self.details.kinds + self.details.corrected_in_part, chargeable=False)
        return _shortfall(chargeable, self.billed.kinds) - self.missing + _shortfall(others, self.billed.kinds)

    def describe(self) -> str:
        """The counts for an operator."""
        billed = _sum(self.billed.kinds, chargeable=True)
        text = f"Dataverse holds {billed} chargeable billed sales for {self.details.chargeable} chargeable invoice "
        short = self.missing
        lacking = f"{short} {'detail has' if short == 1 else 'details have'} no billed sale of the same class"
        return f"{text}line details" + (f"; {lacking}" if short else "")


async def completeness(ports: Ports, invoice_id: UUID) -> Completeness:
    """Count the details and billed sales of an invoice now."""
    details, billed = await both(_details(ports, invoice_id), read_billed(ports, invoice_id))
    return Completeness(details, billed)


async def _details(ports: Ports, invoice_id: UUID) -> Details:
    options = {
        "$select": "msdyn_invoicelinetransactionid,msdyn_billingtype,msdyn_transactionclassification,msdyn_correction,"
        "msdyn_quantity",
        "$filter": f"_msdyn_invoice_value eq {invoice_id}",
    }
    kinds, in_part = Counter[Kind](), Counter[Kind]()
    async for rows in ports.dataverse.pages(DETAILS, options, size=_PAGE):
        kinds.update(map(kind_of, rows))
        in_part.update(map(kind_of, filter(_corrects_in_part, rows)))
    return Details(kinds, in_part)


def _corrects_in_part(row: Row) -> bool:
    # A correction with quantity 0 is a full credit (article revise-project-invoices): nothing is billed again.
    return bool(row.get("msdyn_correction")) and bool(row.get("msdyn_quantity"))


def _only(kinds: Counter[Kind], *, chargeable: bool) -> Counter[Kind]:
    return Counter({kind: count for kind, count in kinds.items() if (kind[0] == CHARGEABLE) == chargeable})


def _sum(kinds: Counter[Kind], *, chargeable: bool) -> int:
    return sum(_only(kinds, chargeable=chargeable).values())


def _shortfall(wanted: Counter[Kind], there: Counter[Kind]) -> int:
    return sum(_each_shortfall(wanted, there))


def _each_shortfall(wanted: Counter[Kind], there: Counter[Kind]) -> Iterable[int]:
    # Never below zero: surplus rows of one kind once hid a missing row of another.
    return (max(0, count - there[kind]) for kind, count in wanted.items())
