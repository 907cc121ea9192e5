"""What a stage of a run has come to: its pages, its parts, and the rows that were rejected."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from uuid import UUID

from shared.engine.ports import Ports
from shared.ledger.rejected_rows import RejectedRow, totals_of
from shared.ledger.run import Page, Part, Run
from shared.stages import Stage
from shared.totals import Totals

type After = Callable[[Ports, Run, Account], Awaitable[None]]
"""What follows a stage whose parts are all settled. May be called twice; raises NeedsAttention."""


@dataclass(frozen=True)
class Account:
    """A stage at its end: what Finance has of it, and what the operator has dismissed."""

    parts: Sequence[Part]
    dismissed: Sequence[RejectedRow]

    @property
    def billed(self) -> Totals:
        """The billed sales that Finance has."""
        return sum((part.billed for part in self.parts), Totals())

    @property
    def fresh(self) -> Totals:
        """The new unbilled sales that Finance has."""
        return sum((part.fresh for part in self.parts), Totals())

    @property
    def unlinked(self) -> int:
        """The billed sales whose link to an unbilled one was waited for in vain."""
        return sum(part.unlinked for part in self.parts)

    @property
    def accounted(self) -> Totals:
        """The billed sales that Finance has or that were dismissed: what Dataverse must say."""
        return self.billed + totals_of(self.dismissed, billed=True)


async def account_of(ports: Ports, run: Run, stage: Stage) -> Account:
    """The account of a stage as it stands."""
    parts = await ports.ledger.parts(run.invoice_id, stage, run.generation)
    rows = await ports.rejections.of(run.invoice_id, stage)
    return Account(parts, [row for row in rows if row.status == "dismissed"])


async def pages_of(ports: Ports, invoice_id: UUID, stage: Stage, generation: int) -> list[Page]:
    """The pages that the parts of `stage` come from: connections are read together with their actuals, and only
    read by themselves when some are sent again."""
    pages = await ports.ledger.pages(invoice_id, stage, generation)
    if stage == Stage.CONNECTIONS:
        pages += await ports.ledger.pages(invoice_id, Stage.ACTUALS, generation)
    return pages


def is_over(pages: Sequence[Page], parts: Sequence[Part]) -> bool:
    """Whether the last page is known, all pages are read and all parts settled."""
    all_read = any(page.last for page in pages) and all(page.read for page in pages)
    return all_read and all(part.state == "settled" for part in parts)
