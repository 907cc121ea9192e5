"""Whether Dataverse holds all that a confirmation makes, by its invoice line details: like is counted with like.

Chargeable details are counted against chargeable billed sales, class by class: a reduced line makes a second billed
sale that is not chargeable, and no detail need stand for a milestone's, so neither may stand in for a row that is late.
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
from shared.project_operations.codes import CHARGEABLE

_PAGE = 5000


@dataclass(frozen=True)
class Details:
    """The invoice line details of an invoice: how many there are of each kind, and how many of these correct a line
    in part, which reverses its billed sale and bills the rest anew."""

    kinds: Counter[Kind]
    corrected_in_part: Counter[Kind]

    @property
    def chargeable(self) -> int:
        """How many are chargeable."""
        return _sum(self.kinds, chargeable=True)


@dataclass(frozen=True)
class Completeness:
    """What an invoice's details promise and what of it is there."""

    details: Details
    billed: Billed

    @property
    def missing(self) -> int:
        """How many billed sales are not there that must come: one for each chargeable detail."""
        return _shortfall(_only(self.details.kinds, chargeable=True), self.billed.kinds)

    @property
    def doubtful(self) -> int:
        """How many billed sales are not there that may come: a line that is not chargeable need not get one (release
        note 2246671), and how a partial correction is billed is documented and not proven."""
        chargeable = _only(self.details.kinds + self.details.corrected_in_part, chargeable=True)
        others = _only(self.details.kinds + self.details.corrected_in_part, chargeable=False)
        return _shortfall(chargeable, self.billed.kinds) - self.missing + _shortfall(others, self.billed.kinds)

    def describe(self) -> str:
        """What is there of what must come, for a person."""
        billed = _sum(self.billed.kinds, chargeable=True)
        text = f"Dataverse holds {billed} chargeable billed sales for {self.details.chargeable} chargeable invoice "
        short = self.missing
        return f"{text}line details" + (f"; {short} of these have none of their class" if short else "")


async def completeness(ports: Ports, invoice_id: UUID) -> Completeness:
    """Count an invoice's details and billed sales afresh."""
    details, billed = await both(_details(ports, invoice_id), read_billed(ports, invoice_id))
    return Completeness(details, billed)


async def _details(ports: Ports, invoice_id: UUID) -> Details:
    options = {
        "$select": "msdyn_invoicelinetransactionid,msdyn_billingtype,msdyn_transactionclassification,msdyn_correction,"
        "msdyn_quantity",
        "$filter": f"_msdyn_invoice_value eq {invoice_id}",
    }
    kinds, in_part = Counter[Kind](), Counter[Kind]()
    async for rows in ports.dataverse.pages("msdyn_invoicelinetransactions", options, size=_PAGE):
        kinds.update(map(kind_of, rows))
        in_part.update(map(kind_of, filter(_corrects_in_part, rows)))
    return Details(kinds, in_part)


def _corrects_in_part(row: Row) -> bool:
    return bool(row.get("msdyn_correction")) and bool(row.get("msdyn_quantity"))


def _only(kinds: Counter[Kind], *, chargeable: bool) -> Counter[Kind]:
    return Counter({kind: count for kind, count in kinds.items() if (kind[0] == CHARGEABLE) == chargeable})


def _sum(kinds: Counter[Kind], *, chargeable: bool) -> int:
    return sum(_only(kinds, chargeable=chargeable).values())


def _shortfall(wanted: Counter[Kind], there: Counter[Kind]) -> int:
    return sum(_each_shortfall(wanted, there))


def _each_shortfall(wanted: Counter[Kind], there: Counter[Kind]) -> Iterable[int]:
    return (max(0, count - there[kind]) for kind, count in wanted.items())
