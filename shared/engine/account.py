"""The result of a stage of a run: its pages, its parts, and the rejected rows."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from shared.engine.ports import Ports
from shared.jobs.job import Step
from shared.ledger.book import Book
from shared.ledger.rejected_rows import RejectedRow, measured
from shared.ledger.run import Page, Part, Run
from shared.totals import Totals

type After = Callable[[Ports, Run, Account], Awaitable[None]]
"""Called when all parts of a stage are settled. May be called twice. Raises NeedsAttention."""


@dataclass(frozen=True)
class Account:
    """The result of a stage: what Finance has, and what the operator has dismissed. It was read from `book`."""

    step: Step
    parts: Sequence[Part]
    dismissed: Sequence[RejectedRow]
    book: Book

    def measure(self, name: str) -> Totals:
        """The rows that Finance has and that count as `name`."""
        return sum((part.measure(name) for part in self.parts), Totals())

    @property
    def unlinked(self) -> int:
        """The number of rows whose optional link did not appear."""
        return sum(part.unlinked for part in self.parts)

    def accounted(self, name: str) -> Totals:
        """The rows that Finance has or that were dismissed and count as `name`. Dataverse must hold the same."""
        return self.measure(name) + measured(self.dismissed, self.step).get(name, Totals())


async def account_of(ports: Ports, run: Run, stage: str) -> Account:
    """The current result of a stage."""
    return account_in(await ports.ledger.book(run.subject), ports.job.step(stage), run.generation)


def account_in(book: Book, step: Step, generation: int) -> Account:
    """The result of a step as the ledger holds it."""
    dismissed = [row for row in book.rejected(step.map) if row.status == "dismissed"]
    return Account(step, book.parts(step.map, generation), dismissed, book)


def pages_in(ports: Ports, book: Book, stage: str, generation: int) -> list[Page]:
    """The pages that the parts of `stage` come from: its own, and those of the step that it is read with."""
    read_with = ports.job.step(stage).readWith
    return book.pages(stage, generation) + (book.pages(read_with, generation) if read_with else [])


def reading_of(ports: Ports, run: Run, stage: str) -> int:
    """The number of the reading that the present parts of a step come from."""
    return 1 if ports.job.step(stage).readOnce else run.generation


def is_over(pages: Sequence[Page], parts: Sequence[Part]) -> bool:
    """Whether the last page is known, all pages are read and all parts are settled."""
    all_read = any(page.last for page in pages) and all(page.read for page in pages)
    return all_read and all(part.state == "settled" for part in parts)
