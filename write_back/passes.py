"""How far the write-back of one invoice is. It stands in the ledger: what a message says of it is a claim."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Self
from uuid import uuid4

from shared.maps.transforms import Row
from shared.services.odata import Guid, guid
from shared.totals import Tally, Totals

_MOST_AWAITED = 50
"""As many as one question to Finance names."""


@dataclass(frozen=True)
class Pass:
    """One pass through the posted billed sales of an invoice, company by company in the order of their keys. `page` is
    the next one: the rows of `company` behind the key `after`. `seen` are the totals of the rows before. `unposted`
    counts the new unbilled sales that Finance has not posted yet, and `awaited` are the first of them."""

    ticket: str = field(default_factory=lambda: uuid4().hex)
    page: int = 0
    company: str = ""
    after: str = ""
    seen: Totals = field(default_factory=Totals)
    unposted: int = 0
    awaited: Sequence[Guid] = ()

    @classmethod
    def read(cls, text: str) -> Self | None:
        """What the ledger holds, None where no pass is under way."""
        if not text:
            return None
        raw = json.loads(text)
        seen, awaited = Totals.from_json(raw["seen"]), [guid(text) for text in raw.get("awaited", [])]
        return cls(raw["ticket"], raw["page"], raw["company"], raw["after"], seen, raw.get("unposted", 0), awaited)

    def leaving(self, unposted: Iterable[Guid]) -> Self:
        """The same with more new unbilled sales that are not posted yet."""
        more = list(unposted)
        return replace(self, unposted=self.unposted + len(more), awaited=[*self.awaited, *more][:_MOST_AWAITED])

    def write(self) -> str:
        """For the ledger."""
        return json.dumps(
            {
                "ticket": self.ticket,
                "page": self.page,
                "company": self.company,
                "after": self.after,
                "seen": self.seen.to_json(),
                "unposted": self.unposted,
                "awaited": list(self.awaited),
            }
        )


def totals_of(rows: Sequence[Row]) -> Totals:
    """Count, money and keys of rows as Finance shows them."""
    tally = Tally()
    for row in rows:
        tally.add(str(row["ActualsImportId"]), str(row["TransactionCurrencyId"]), Decimal(row["Amount"]))
    return tally.totals()
