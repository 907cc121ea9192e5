"""How far the write-back of one invoice is. It stands in the ledger: what a message says of it is a claim."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Self
from uuid import uuid4

from shared.totals import Tally, Totals
from shared.transform import Row


@dataclass(frozen=True)
class Pass:
    """One pass through the posted billed sales of an invoice, company by company in the order of their keys. `page` is
    the next one: the rows of `company` behind the key `after`. `seen` are the totals of the rows before."""

    ticket: str = field(default_factory=lambda: uuid4().hex)
    page: int = 0
    company: str = ""
    after: str = ""
    seen: Totals = field(default_factory=Totals)

    @classmethod
    def read(cls, text: str) -> Self | None:
        """What the ledger holds, None where no pass is under way."""
        if not text:
            return None
        raw = json.loads(text)
        return cls(raw["ticket"], raw["page"], raw["company"], raw["after"], Totals.from_json(raw["seen"]))

    def write(self) -> str:
        """For the ledger."""
        return json.dumps(
            {
                "ticket": self.ticket,
                "page": self.page,
                "company": self.company,
                "after": self.after,
                "seen": self.seen.to_json(),
            }
        )


def totals_of(rows: Sequence[Row]) -> Totals:
    """Count, money and keys of rows as Finance shows them."""
    tally = Tally()
    for row in rows:
        tally.add(str(row["ActualsImportId"]), str(row["TransactionCurrencyId"]), Decimal(row["Amount"]))
    return tally.totals()
