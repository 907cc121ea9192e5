"""A subject's rows are read once for several decisions, and every race still has its loser."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from shared.clock import now
from shared.engine.account import Account
from shared.engine.leases import Leases
from shared.engine.lifecycle import accept, advance, hand_over
from shared.engine.loading import Announce, Batch, Reading, load
from shared.engine.messages import Load
from shared.engine.ports import Ports
from shared.errors import LeaseLost
from shared.ledger.book import Book
from shared.ledger.run import Page, Part, Run, State
from shared.project_operations.codes import ACTUALS, INVOICES
from shared.tables.rows import find_row
from tests.contract.test_wiring import ports
from tests.run_states import set_state

__all__ = ["ports"]

_NO_ROWS = Reading([])


async def _accepted(ports: Ports) -> Run:
    run = await ports.ledger.run((await accept(ports.ledger, uuid4()))[0].subject)
    assert run is not None
    return run


async def _syncing(ports: Ports) -> Run:
    """A run whose actuals may be read."""
    return await set_state(ports.ledger, await _accepted(ports), state=State.SYNCING_ACTUALS)


async def _landed(ports: Ports, run: Run, number: int, *, stage: str = ACTUALS, last: bool) -> Part:
    """A page that is read, with one part that is not settled."""
    part = Part(run.subject, stage, 1, number, "usmf", f"{run.subject}/{stage}/{number}", 1, "landed")
    await ports.ledger.close_page(Page(run.subject, stage, 1, number), [part], last=last)
    [found] = [each for each in await ports.ledger.parts(run.subject, stage, 1) if each.number == number]
    return found


class After:
    """Counts what is handed over."""

    def __init__(self) -> None:
        self.called: list[Account] = []

    async def __call__(self, ports: Ports, run: Run, account: Account) -> None:
        self.called.append(account)


async def test_a_stage_is_not_over_while_its_first_page_is_still_read(ports: Ports) -> None:
    """The second page has no rows and ends first. The first one has not been written yet."""
    run, after = await _syncing(ports), After()

    async def read(ports: Ports, run: Run, page: Page, announce: Announce) -> Reading:
        await announce(f"{ports.settings.dataverse_url}/api/data/v9.2/next" if page.number == 0 else None)
        if page.number == 0:
            await load(ports, Load(stage=ACTUALS, subject=run.subject, page=1), read=read, after=after)
            assert after.called == []
        return _NO_ROWS

    await load(ports, Load(stage=ACTUALS, subject=run.subject), read=read, after=after)
    pages = await ports.ledger.pages(run.subject, ACTUALS, 1)
    assert [(page.number, page.read, page.last) for page in pages] == [(0, True, False), (1, True, True)]
    assert len(after.called) == 1


async def test_of_two_first_readings_at_once_one_counts(ports: Ports) -> None:
    run = await _syncing(ports)
    both_read = asyncio.Barrier(2)

    async def read(ports: Ports, run: Run, page: Page, announce: Announce) -> Reading:
        await announce(None)
        await both_read.wait()
        width = len(ports.maps[ACTUALS].columns)
        return Reading([Batch(ACTUALS, "usmf", [["x"] * width])])

    message = Load(stage=ACTUALS, subject=run.subject)
    attempts = (load(ports, message, read=read, after=After()) for _ in range(2))
    results: Sequence[BaseException | None] = await asyncio.gather(*attempts, return_exceptions=True)
    assert sorted(type(each).__name__ for each in results) == ["LeaseLost", "NoneType"]
    assert len(await ports.ledger.parts(run.subject, ACTUALS, 1)) == 1


async def test_whoever_settles_last_hands_over_though_both_read_the_book_before(ports: Ports) -> None:
    run, after = await _syncing(ports), After()
    parts = [await _landed(ports, run, 0, last=False), await _landed(ports, run, 1, last=True)]
    books = [await ports.ledger.book(run.subject) for _ in parts]
    for part, book in zip(parts, books, strict=True):
        settled = await ports.ledger.save_part(part, state="settled")
        await hand_over(ports, run.subject, ACTUALS, 1, after, known=book.with_part(settled))
    assert [len(account.parts) for account in after.called] == [2]


async def test_a_run_that_has_changed_since_the_book_is_read_again(ports: Ports) -> None:
    run = await _accepted(ports)
    standing = await _landed(ports, run, 0, stage=INVOICES, last=True)
    book = await ports.ledger.book(run.subject)
    settled = await ports.ledger.save_part(standing, state="settled")
    await _noted(ports, run.subject)

    async def after(ports: Ports, run: Run, account: Account) -> None:
        await advance(ports, run, State.SYNCING_ACTUALS)

    await hand_over(ports, run.subject, INVOICES, 1, after, known=book.with_part(settled))
    changed = await ports.ledger.run(run.subject)
    assert changed is not None
    assert (changed.state, changed.project) == (State.SYNCING_ACTUALS, "noted meanwhile")


async def _noted(ports: Ports, subject: UUID) -> None:
    run = await ports.ledger.run(subject)
    assert run is not None
    await ports.ledger.save(run, project="noted meanwhile")


async def test_a_book_without_rejected_rows_has_all_the_others(ports: Ports) -> None:
    run = await _syncing(ports)
    await _landed(ports, run, 0, last=True)
    whole = await ports.ledger.book(run.subject)
    book = await ports.ledger.book(run.subject, with_rejected=False)
    assert book == Book(whole.rows)
    assert book.run == await ports.ledger.run(run.subject)


async def _is_still(leases: Leases, name: str, etag: str) -> bool:
    standing = await find_row(leases._table, "lease", name)
    return standing is not None and standing.metadata["etag"] == etag


async def test_a_lease_is_free_after_its_block_also_if_it_was_renewed(ports: Ports) -> None:
    leases = Leases(ports.leases._table, now, timedelta(seconds=0.6))
    name = f"test {uuid4().hex}"
    async with leases.hold(name):
        taken = await find_row(leases._table, "lease", name)
        assert taken is not None
        async with asyncio.timeout(20):
            while await _is_still(leases, name, taken.metadata["etag"]):
                pass
        with pytest.raises(LeaseLost):
            async with leases.hold(name):
                raise AssertionError("it was held")
    assert await find_row(leases._table, "lease", name) is None
