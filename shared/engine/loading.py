"""load: reads one page of one subject, lands its rows as parts, and puts them on the dock.

The stage decides what a page contains and passes a ReadPage. The message for the next page is sent as soon as its link
is known, so that pages are read concurrently. A second delivery finds the page read, and only repeats what may be
missing: dock entries, the ship message and the message for the next page.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace

from shared.engine.account import After
from shared.engine.lifecycle import hand_over, read_again
from shared.engine.messages import SUBJECT_ON_THE_WIRE, Load
from shared.engine.ports import Ports
from shared.engine.resend import FIRST_REPAIR
from shared.errors import ContractBroken, LeaseLost, NotOurMessage, NotYet, Refused
from shared.ledger.book import Book
from shared.ledger.rejected_rows import RejectedRow
from shared.ledger.run import BEFORE_ACTUALS, FOUND, Facts, Page, Part, Run
from shared.log import event
from shared.services import dataverse
from shared.storage.landing import encode
from shared.totals import Measured

type Announce = Callable[[str | None], Awaitable[None]]
"""A ReadPage calls this as soon as it knows the link to the next page. None: there is no next page."""


@dataclass(frozen=True)
class Batch:
    """Mapped rows that are sent to Finance together: one map, one company.

    `odd_days` counts the rows with a day that was not a midnight in any zone of the settings, `unlinked` the rows
    whose optional link did not appear. `is_found`: Finance holds the rows already. They count as sent and are not sent.
    """

    stage: str
    company: str
    rows: list[list[str]]
    measures: Measured = field(default_factory=dict)
    odd_days: int = 0
    unlinked: int = 0
    is_found: bool = False


@dataclass(frozen=True)
class Reading:
    """The result of reading one page. `learnt` is what it tells about its run, stored together with the page."""

    batches: list[Batch]
    rejected: list[RejectedRow] = field(default_factory=list)
    learnt: Facts = field(default_factory=Facts)


type ReadPage = Callable[[Ports, Run, Page, Announce], Awaitable[Reading]]


type MayBeSent = Callable[[Book, Page], bool]
"""Whether the parts of a page that is read may be sent already. The worker that lifts such a hold changes
the run first, and then puts the waiting parts on the dock.
"""


async def load(
    ports: Ports, message: Load, *, read: ReadPage, after: After, may_be_sent: MayBeSent | None = None
) -> None:
    """Read a page, land it and put it on the dock. Idempotent. Without `may_be_sent`, parts are sent at once."""
    book = await _book(ports, message)
    run = book.run
    if run is None:
        raise NotOurMessage(f"{SUBJECT_ON_THE_WIRE}: there is no run of {ports.job.subject} {message.subject}")
    if run.state.is_final or run.generation != message.generation:
        return
    page = _page(book, message)
    if not page.read:
        try:
            landed, is_as_it_was = await _read(ports, run, page, read)
        except Refused as refusal:
            if not _is_link_refused(page, refusal):
                raise
            await _expect_header(ports, run)
            await read_again(ports, run, f"the next link to page {page.number} is not taken any more: {refusal.text}")
            return
        if landed and may_be_sent is None:
            await put_on_dock(ports, landed)
            return
        # It is asked after the page was closed, because the worker that lifts a hold looks for closed pages. It
        # still holds if the run did not change before the page was.
        page = replace(page, read=True)
        if may_be_sent is not None and is_as_it_was and not may_be_sent(book, page):
            return
        book = await _book(ports, message)
    else:
        await _go_on_reading(ports, page, book.page(page.stage, page.generation, page.number + 1))
    await _ready(ports, book, page, after, may_be_sent)


async def _book(ports: Ports, message: Load) -> Book:
    """The book of the subject. Only the first page may hand the run over without having parts to send; other pages
    leave the rejected rows out, which can be many."""
    return await ports.ledger.book(message.subject, with_rejected=message.page == 0)


async def _expect_header(ports: Ports, run: Run) -> None:
    """A new reading may start only after the header, which belongs to the first reading. Raises NotYet."""
    standing = await ports.ledger.run(run.subject)
    if standing is not None and standing.state in BEFORE_ACTUALS:
        raise NotYet("its actuals have to be read again, after its header is in Finance")


def _is_link_refused(page: Page, refusal: Refused) -> bool:
    """A next link expires. The message with it may have waited longer, for example during a pause."""
    return refusal.status == 400 and 0 < page.number < FIRST_REPAIR


def _page(book: Book, message: Load) -> Page:
    page = book.page(message.stage, message.generation, message.page)
    if page is None and message.page == 0:
        # It is written when it has been read, or when it leads to a second page.
        return Page(message.subject, message.stage, message.generation, 0)
    if page is None:
        raise NotOurMessage(f"page: there is no page {message.page} of {message.stage}", str(message.subject))
    return page


async def _read(ports: Ports, run: Run, page: Page, read: ReadPage) -> tuple[list[Part], bool]:
    """Read the page. Returns its landed parts that are not held, and whether the run is known not to have changed
    until the page was closed.

    If two workers read the same page, only the first one sends the message for the next page. Otherwise every
    duplicate would create another.
    """
    links: list[str | None] = []
    opened, told = page, False

    async def announce(link: str | None) -> None:
        nonlocal opened, told
        links.append(link)
        if link:
            await _check_no_circle(ports, page, link)
            opened = await _opened(ports, page)
            following = Page(page.subject, page.stage, page.generation, page.number + 1, cursor=link)
            if await ports.ledger.open_page(following):
                await _send_load(ports, page, following.number)
                told = True

    reading = await read(ports, run, page, announce)
    # One blob at a time: concurrent uploads would keep several encoded batches in memory.
    parts = [await land(ports, page, batch) for batch in reading.batches if batch.rows]
    await ports.rejections.keep(page.subject, reading.rejected)
    # Page and parts in one transaction. If a concurrent reader closed it first, its parts count, and these blobs are
    # orphans that the sweep deletes.
    is_as_it_was = await _close(ports, run, opened, parts, reading.learnt, last=not any(links))
    event(
        "page read",
        runId=run.run_id,
        subject=run.subject,
        stage=page.stage,
        page=page.number,
        parts=len(parts),
        rows=sum(part.rows for part in parts),
        count=len(reading.rejected),
    )
    if any(links) and not told:
        following = await ports.ledger.page(page.subject, page.stage, page.generation, page.number + 1)
        await _go_on_reading(ports, page, following)
    return [part for part in parts if part.stage == page.stage and part.state == "landed"], is_as_it_was


async def _close(ports: Ports, run: Run, page: Page, parts: Sequence[Part], learnt: Facts, *, last: bool) -> bool:
    """Record the page as read, with what it tells about its run (`learnt`). Returns whether the run is known not to
    have changed meanwhile: only a write that includes the run can tell. Raises LeaseLost if another worker has closed
    the page."""
    if not learnt:
        await ports.ledger.close_page(page, parts, last=last)
        return False
    standing = run
    while True:
        try:
            await ports.ledger.close_page(page, parts, last=last, run=standing, **learnt)
        except LeaseLost:
            # The page, or only the run: its header arrived, or a sweep looked after it.
            known, found = standing, await ports.ledger.run(run.subject)
            if found is None or found.etag == known.etag or found.generation != run.generation or found.state.is_final:
                raise
            standing = found
        else:
            return standing.etag == run.etag


async def _opened(ports: Ports, page: Page) -> Page:
    """The page in the ledger. A stage could seem to be over without its first page if the second one was known."""
    if page.etag:
        return page
    opened = await ports.ledger.open_page(page)
    if opened is None:
        raise LeaseLost(f"page {page.number} of {page.stage} was opened by another worker")
    return opened


async def _go_on_reading(ports: Ports, page: Page, following: Page | None) -> None:
    """Make sure that the next page is read: the worker that opened it may have crashed before it sent the message."""
    if following and not following.read:
        await _send_load(ports, page, following.number)


async def _check_no_circle(ports: Ports, page: Page, link: str) -> None:
    known = await ports.ledger.pages(page.subject, page.stage, page.generation)
    if any(other.cursor == link and other.number <= page.number for other in known):
        raise ContractBroken(dataverse.NAME, f"the next link of page {page.number} leads back to a page read before")


async def land(ports: Ports, page: Page, batch: Batch) -> Part:
    """Write the rows of a batch as a blob. Returns the part, which is not in the ledger yet."""
    written_by = ports.maps[batch.stage].digest
    blob = await ports.landing.write(page.subject, batch.stage, encode(batch.rows), written_by=written_by)
    is_held = ports.job.step(batch.stage).heldUntil == page.stage
    return Part(
        subject=page.subject,
        stage=batch.stage,
        generation=page.generation,
        number=page.number,
        company=batch.company,
        blob=blob,
        rows=len(batch.rows),
        state="settled" if batch.is_found else "held" if is_held else "landed",
        measures=batch.measures,
        odd_days=batch.odd_days,
        unlinked=batch.unlinked,
        landed_at=ports.now(),
        settled_at=ports.now() if batch.is_found else None,
        path=FOUND if batch.is_found else "",
    )


async def _ready(ports: Ports, book: Book, page: Page, after: After, may_be_sent: MayBeSent | None) -> None:
    if may_be_sent is not None and not may_be_sent(book, page):
        return
    waiting = [
        part
        for part in book.parts(page.stage, page.generation)
        # The hold may have waited for the first page. Then parts of later pages are waiting too.
        if part.state == "landed" and page.number in {0, part.number}
    ]
    await put_on_dock(ports, waiting)
    if not waiting:
        known = book if page.number == 0 else None
        await hand_over(ports, page.subject, page.stage, page.generation, after, known=known)


async def put_on_dock(ports: Ports, parts: list[Part]) -> None:
    """Put landed parts on the dock and have them shipped."""
    for part in parts:
        await ports.dock.land(part)
    if parts:
        await ports.ship_calls.call(ports.queues, parts[0].stage)


async def _send_load(ports: Ports, page: Page, number: int) -> None:
    await ports.queues.send(Load(stage=page.stage, subject=page.subject, generation=page.generation, page=number))
