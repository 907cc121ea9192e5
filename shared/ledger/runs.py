"""The ledger: one table partition per subject, with its run, pages, parts and rejected rows.

    run                                          the state of the run
    page|<stage>|<generation>|<page>             one page of a reading: its cursor, read or not, last or not
    part|<stage>|<generation>|<page>|<company>   the rows of that page that are sent together: landed, then settled
    part|...|<company>|<path>                    a piece of such a part that was divided
    row|<stage>|<key>                            one rejected row, with Finance's message

A page and its parts are written in one transaction, and so are a repair page and the rejected rows that it sends again.
ETags decide races: the slower writer gets LeaseLost. Derived values (progress, counts, sums) are computed from these
rows and not stored separately.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from typing import Any, NoReturn, Unpack
from uuid import UUID, uuid4

from azure.core.exceptions import ResourceExistsError, ResourceModifiedError
from azure.data.tables import UpdateMode
from azure.data.tables.aio import TableClient

from shared.errors import LeaseLost, WrongState
from shared.ledger import history
from shared.ledger.book import Book
from shared.ledger.history import HistoryEntry
from shared.ledger.rejected_rows import RejectedRow, entity_of
from shared.ledger.rows import (
    RUN,
    entity_of_page,
    entity_of_part,
    entity_of_run,
    name_of,
    page_key,
    page_of,
    part_of,
    run_of,
    shown_run,
)
from shared.ledger.run import Facts, Page, Part, Run, State
from shared.ledger.run_list import Listing, is_listed_alike
from shared.ledger.transitions import Move, Occasion, is_allowed, leads
from shared.tables.rows import find_row, unchanged
from shared.tables.schema import newer
from shared.tables.transactions import deleted, guarded, transact

# The columns that only `move` writes.
_OF_A_STATE = frozenset({"state", "posting", "detail", "postingDetail"})
# The number of separators in the key of a piece of a part.
_BARS_WITH_PATH = 5
_OF_SUBJECT = "PartitionKey eq @subject"
_WITHOUT_REJECTED = f"{_OF_SUBJECT} and (RowKey lt 'row|' or RowKey ge '{RUN}')"


class Ledger:
    """The runs table, with the updates of the list of runs."""

    def __init__(self, table: TableClient, listed: TableClient, clock: Callable[[], datetime]) -> None:
        self._table = table
        self._listing = Listing(listed)
        self._clock = clock

    async def open(self, subject: UUID, occasion: Occasion, state: State, *, is_named: bool) -> tuple[Run, bool]:
        """Open the run of a subject, with one insert. Returns the run, and whether this call opened it. A subject has
        one run. `is_named`: an operator has named it.

        A rejected run is opened again. Its subject was not ready at the time of an earlier message; it may be now,
        and reading it back will decide.
        """
        if not leads(occasion, None, state):
            raise WrongState(f"no run begins with {state}, when {occasion}")
        now = self._clock()
        opened = (HistoryEntry(now, state),)
        run = Run(subject, uuid4().hex, state, 1, now, now, history=opened, is_named=is_named)
        while True:
            with suppress(ResourceExistsError):
                await self._table.create_entity(entity_of_run(run))
                return run, True
            row = await self._run_row(subject)
            if row is not None and (error := newer(row, name_of(row))):
                return shown_run(row, str(error)), False
            standing = run_of(row) if row is not None else None
            if standing:
                return standing, False

    async def run(self, subject: UUID) -> Run | None:
        """The run of a subject. Raises NewerVersion for a run that a later version of the app has changed."""
        row = await self._run_row(subject)
        return run_of(row) if row is not None else None

    async def look(self, subject: UUID) -> Run | None:
        """The run of a subject for display only. A run of a later version, as far as it can be read, is shown as
        waiting for that version."""
        row = await self._run_row(subject)
        if row is None:
            return None
        error = newer(row, name_of(row))
        return shown_run(row, str(error)) if error else run_of(row)

    async def _run_row(self, subject: UUID) -> Any:
        return await find_row(self._table, str(subject), RUN)

    async def save(self, run: Run, **facts: Unpack[Facts]) -> Run:
        """Change the fields of a run other than its state and posting. Raises LeaseLost on an ETag conflict."""
        return await self._write(run, replace(run, **facts), without=_OF_A_STATE)

    async def move(self, run: Run, occasion: Occasion, **changes: Unpack[Move]) -> Run:
        """Change the state or the posting of a run. Raises LeaseLost on an ETag conflict, and WrongState if the
        transition tables do not allow the change."""
        changed = replace(run, **changes)
        if not is_allowed(occasion, run, changed):
            await self._refuse(run, occasion, changed)
        return await self._write(run, changed)

    def ahead(self, run: Run, occasion: Occasion, **changes: Unpack[Move]) -> Run:
        """A run whose state has changed, for the next `move` to store with its own change. Raises LeaseLost if the
        transition tables do not allow it."""
        changed = replace(run, **changes)
        if not is_allowed(occasion, run, changed):
            raise LeaseLost(f"run {run.subject}")
        return _remember(run, replace(changed, updated_at=self._clock()))

    async def _refuse(self, run: Run, occasion: Occasion, changed: Run) -> NoReturn:
        """The run may have changed since it was read. Then it is a race and not an error."""
        row = await self._run_row(run.subject)
        if row is None or row.metadata["etag"] != run.etag:
            raise LeaseLost(f"run {run.subject}")
        raise WrongState(
            f"the run of {run.subject} is {run.state} ({run.posting}), which does not lead to {changed.state} "
            f"({changed.posting}) when it is {occasion}"
        )

    async def enlist(self, run: Run) -> Run:
        """Add an accepted run without progress to the list; a webhook writes only the run itself. Raises LeaseLost."""
        return run if run.mark or run.state.is_final else await self._put(run, run, moves=True)

    async def list_anew(self, run: Run) -> Run:
        """Correct the row of a resting run in the list, and make a concurrent writer that has marked it but not
        saved it fail. Raises LeaseLost."""
        return await self._put(run, replace(run, revision=run.revision + 1), moves=True)

    async def touch(self, run: Run) -> Run:
        """Renew the timestamp of an unfinished run. This is no change, so work that is under way can still be saved.
        Raises LeaseLost."""
        return await self._put(run, replace(run, updated_at=self._clock()), moves=not run.mark)

    async def _write(self, run: Run, wanted: Run, *, without: Collection[str] = ()) -> Run:
        while True:
            changed = self._changed(run, wanted)
            try:
                return await self._put(run, changed, moves=_begins_to_move(run, changed), without=without)
            except LeaseLost:
                standing = await self.run(run.subject)
                if standing is None or run.state.is_final or standing.revision != run.revision:
                    raise
                # It was only touched. If that made the work under way fail, work that takes longer than the sweep
                # waits would begin anew for ever.
                run, wanted = (replace(each, mark=standing.mark, etag=standing.etag) for each in (run, wanted))

    def _changed(self, run: Run, wanted: Run) -> Run:
        return _remember(run, replace(wanted, updated_at=self._clock(), revision=run.revision + 1))

    async def _put(self, run: Run, changed: Run, *, moves: bool, without: Collection[str] = ()) -> Run:
        if moves:
            changed = replace(changed, mark=await self._listing.move(changed))
        is_resting = changed.state.is_final and (moves or not run.state.is_final)
        if is_resting:
            await self._listing.expect(changed)
        try:
            result = await self._table.update_entity(
                _columns(changed, without=without), mode=UpdateMode.MERGE, **unchanged(run.etag)
            )
        except ResourceModifiedError as error:
            raise LeaseLost(f"run {run.subject}") from error
        if is_resting:
            await self._listing.rest(changed)
        return replace(changed, etag=result["etag"])

    async def book(self, subject: UUID, *, with_rejected: bool = True) -> Book:
        """All rows of a subject, in one request unless there are very many. One answer shows one moment. Of several,
        the run is the oldest, so that what was decided by newer rows is lost when the run has changed since."""
        condition = _OF_SUBJECT if with_rejected else _WITHOUT_REJECTED
        answers = await self._answers(subject, condition)
        if len(answers) == 1:
            return Book(answers[0])
        run = await self._run_row(subject)
        others = [row for rows in await self._answers(subject, condition) for row in rows if row["RowKey"] != RUN]
        return Book([*others, *([run] if run else [])])

    async def _answers(self, subject: UUID, condition: str) -> list[list[Mapping[str, Any]]]:
        rows = self._table.query_entities(condition, parameters={"subject": str(subject)})
        return [[row async for row in page] async for page in rows.by_page()]

    async def page(self, subject: UUID, stage: str, generation: int, number: int) -> Page | None:
        """One page of a reading."""
        row = await find_row(self._table, str(subject), page_key(stage, generation, number))
        return page_of(row) if row else None

    async def open_page(self, page: Page) -> Page | None:
        """Note that there is a page to read; None when it was known already, and nothing changes."""
        try:
            created = await self._table.create_entity(entity_of_page(page))
        except ResourceExistsError:
            return None
        return replace(page, etag=created["etag"])

    async def open_repair(self, page: Page, rows: Iterable[RejectedRow]) -> None:
        """Record a repair page, and its rejected rows as replaying, in one transaction. Raises LeaseLost if a
        concurrent worker has opened this page."""
        sent = [entity_of(page.subject, replace(row, status="replaying")) for row in rows]
        await transact(self._table, [("create", entity_of_page(page)), *(("upsert", row) for row in sent)])

    async def close_page(
        self, page: Page, parts: Sequence[Part], *, last: bool, run: Run | None = None, **facts: Unpack[Facts]
    ) -> None:
        """Record a page as read, with its parts and with what it tells about its `run`, in one transaction. A page
        without an ETag is new. Raises LeaseLost if a concurrent worker has closed it, or has changed the run."""
        closed = entity_of_page(replace(page, read=True, last=last))
        operations: list[Any] = [guarded(closed, page.etag) if page.etag else ("create", closed)]
        operations += [("create", entity_of_part(part)) for part in parts]
        if run is not None:
            changed = self._changed(run, replace(run, **facts))
            operations.append(guarded(_columns(changed, without=_OF_A_STATE), run.etag))
        await transact(self._table, operations)

    async def reopen_page(self, page: Page, parts: Sequence[Part]) -> None:
        """Reopen a page and delete its `parts`, in one transaction. Raises LeaseLost if one of them has changed."""
        opened = entity_of_page(replace(page, read=False, last=False))
        operations: list[Any] = [guarded(opened, page.etag)]
        operations += [deleted(entity_of_part(part), part.etag) for part in parts]
        await transact(self._table, operations)

    async def parts(self, subject: UUID, stage: str, generation: int) -> list[Part]:
        """The parts of one stage in one reading."""
        return [part_of(row) for row in await self._range(subject, f"part|{stage}|{generation:04}|")]

    async def all_parts(self, subject: UUID) -> list[Part]:
        """The parts of all stages and readings."""
        return [part_of(row) for row in await self._range(subject, "part|")]

    async def part(self, subject: UUID, row_key: str) -> Part | None:
        """One part by its key."""
        row = await find_row(self._table, str(subject), row_key)
        return part_of(row) if row else None

    async def divide(self, part: Part, pieces: Sequence[Part]) -> None:
        """Replace a part by its pieces, in one transaction. Raises LeaseLost on an ETag conflict."""
        gone = deleted(entity_of_part(part), part.etag)
        await transact(self._table, [gone, *(("create", entity_of_part(each)) for each in pieces)])

    async def pieces(self, subject: UUID, row_key: str) -> list[Part]:
        """The pieces of a part that had this key before it was divided."""
        prefix = row_key if row_key.count("|") == _BARS_WITH_PATH else f"{row_key}|"
        return [part_of(row) for row in await self._range(subject, prefix)]

    async def pages(self, subject: UUID, stage: str, generation: int) -> list[Page]:
        """The pages of one stage in one reading."""
        return [page_of(row) for row in await self._range(subject, f"page|{stage}|{generation:04}|")]

    async def pages_of_all_readings(self, subject: UUID, stage: str) -> list[Page]:
        """The pages of one stage in all readings."""
        return [page_of(row) for row in await self._range(subject, f"page|{stage}|")]

    async def save_part(self, part: Part, **changes: Any) -> Part:
        """Change a part. Raises LeaseLost on an ETag conflict."""
        changed = replace(part, **changes)
        await transact(self._table, [guarded(entity_of_part(changed), part.etag)])
        return changed

    async def _range(self, subject: UUID, prefix: str) -> list[Mapping[str, Any]]:
        upper = prefix[:-1] + chr(ord(prefix[-1]) + 1)
        condition = "PartitionKey eq @subject and RowKey ge @lower and RowKey lt @upper"
        names = {"subject": str(subject), "lower": prefix, "upper": upper}
        return [row async for row in self._table.query_entities(condition, parameters=names)]


def _columns(run: Run, *, without: Collection[str]) -> dict[str, Any]:
    return {name: value for name, value in entity_of_run(run).items() if name not in without}


def _begins_to_move(run: Run, changed: Run) -> bool:
    """Whether the run stops resting, so that lists have to read the run itself from now on."""
    if not run.state.is_final:
        return not run.mark
    return not changed.state.is_final or not is_listed_alike(run, changed)


def _remember(run: Run, changed: Run) -> Run:
    """The changed run, with the new steps in its history."""
    now, steps = changed.updated_at, changed.history
    if changed.state != run.state:
        steps = history.add(steps, HistoryEntry(now, changed.state, changed.detail if changed.state.is_final else ""))
    if changed.wait and changed.wait != run.wait:
        steps = history.add(steps, HistoryEntry(now, "waits", changed.wait))
    if changed.posting != run.posting:
        steps = history.add(steps, HistoryEntry(now, changed.posting, changed.posting_detail))
    return replace(changed, history=steps)
