"""The progress of an invoice's write-back. It is stored in the ledger; a message only claims it."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Self
from uuid import uuid4

from shared.maps.transforms import Row
from shared.services.odata import Guid, guid
from shared.totals import Tally, Totals

# The number of rows that fit into one query to Finance.
_MOST_AWAITED = 50


@dataclass(frozen=True)
class Pass:
    """One pass through the posted billed sales of an invoice, by company and key. `page` is the next page: the rows
    of `company` after the key `after`. `seen` are the totals of the earlier pages. `unposted` counts the new
    unbilled sales that Finance has not posted yet; `awaited` are the first of them."""

    ticket: str = field(default_factory=lambda: uuid4().hex)
    page: int = 0
    company: str = ""
    after: str = ""
    seen: Totals = field(default_factory=Totals)
    unposted: int = 0
    awaited: Sequence[Guid] = ()

    @classmethod
    def read(cls, text: str) -> Self | None:
        """Parse the ledger's text. None if no pass is running."""
        if not text:
            return None
        raw = json.loads(text)
        seen, awaited = Totals.from_json(raw["seen"]), [guid(text) for text in raw.get("awaited", [])]
        return cls(raw["ticket"], raw["page"], raw["company"], raw["after"], seen, raw.get("unposted", 0), awaited)

    def leaving(self, unposted: Iterable[Guid]) -> Self:
        """The same pass with more new unbilled sales that are not posted yet."""
        more = list(unposted)
        return replace(self, unposted=self.unposted + len(more), awaited=[*self.awaited, *more][:_MOST_AWAITED])

    def write(self) -> str:
        """Serialize for the ledger."""
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
    """Count, sums and keys of rows as Finance returns them."""
    tally = Tally()
    for row in rows:
        tally.add(str(row["ActualsImportId"]), str(row["TransactionCurrencyId"]), Decimal(row["Amount"]))
    return tally.totals()
