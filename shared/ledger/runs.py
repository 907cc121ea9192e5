"""The ledger: one partition for each invoice, holding its run, the pages read, the parts landed and the rows rejected.

    run                                          where the invoice stands
    page|<stage>|<generation>|<page>             one page of the reading: its cursor, whether it was read, and the last
    part|<stage>|<generation>|<page>|<company>   the rows of that page that go to Finance together: landed, then settled
    part|...|<company>|<path>                    a piece of such a part that was divided, in its place
    row|<stage>|<key>                            one rejected row, with Finance's own words

A page and the parts that came of it are written in one transaction, and so are a repair page and the rejected rows
that it is to send again. ETags decide races: whoever is late raises
LeaseLost and drops out. What can be derived (progress, counts, sums) is derived from these rows, not kept beside them.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from typing import Any, NoReturn, Unpack
from uuid import UUID, uuid4

from azure.core import MatchConditions
from azure.core.exceptions import ResourceExistsError, ResourceModifiedError, ResourceNotFoundError
from azure.data.tables import UpdateMode
from azure.data.tables.aio import TableClient

from shared.clock import parse_stamp, stamp
from shared.errors import LeaseLost, WrongState
from shared.ledger import history, progress
from shared.ledger.history import Step
from shared.ledger.rejected_rows import RejectedRow, entity_of
from shared.ledger.run import Facts, Page, Part, Run, State, known_state
from shared.ledger.run_list import RunList
from shared.ledger.transitions import Move, Occasion, is_allowed, leads
from shared.storage.schema import SIGNATURE, check, newer
from shared.storage.transactions import deleted, guarded, transact
from shared.totals import Totals

RUN = "run"
# The columns that only a move writes.
_OF_A_STATE = frozenset({"state", "posting", "detail", "postingDetail"})
_TEXT_LIMIT = 8000
# In the name of a piece of a part.
_BARS_WITH_PATH = 5


class Ledger:
    """The runs table. Changes of a run are noted in the register."""

    def __init__(self, table: TableClient, run_list: RunList, clock: Callable[[], datetime]) -> None:
        self._table = table
        self._run_list = run_list
        self._clock = clock

    async def open(self, invoice_id: UUID, occasion: Occasion, state: State, *, is_named: bool) -> tuple[Run, bool]:
        """Open the run of an invoice: one insert. Returns the run, and whether this opened it; an invoice has one run.
        `is_named`: an operator has named the invoice. Raises WrongState."""
        if not leads(occasion, None, state):
            raise WrongState(f"no run begins with {state}, when {occasion}")
        now = self._clock()
        opened = (Step(now, state),)
        run = Run(invoice_id, uuid4().hex, state, 1, now, now, history=opened, is_named=is_named)
        while True:
            with suppress(ResourceExistsError):
                await self._table.create_entity(_run_entity(run))
                return run, True
            row = await self._run_row(invoice_id)
            if row is not None and (error := newer(row, _name_of(row))):
                return _shown(row, str(error)), False
            standing = _run(row) if row is not None else None
            if standing:
                return standing, False

    async def run(self, invoice_id: UUID) -> Run | None:
        """The run of an invoice. Raises NewerVersion for one that a later version of the app has worked on."""
        row = await self._run_row(invoice_id)
        return _run(row) if row is not None else None

    async def look(self, invoice_id: UUID) -> Run | None:
        """The run of an invoice, to be shown and not to be worked on: that of a later version, as far as it can be
        read, waits for that version."""
        row = await self._run_row(invoice_id)
        if row is None:
            return None
        error = newer(row, _name_of(row))
        return _shown(row, str(error)) if error else _run(row)

    async def _run_row(self, invoice_id: UUID) -> Any:
        try:
            return await self._table.get_entity(str(invoice_id), RUN)
        except ResourceNotFoundError:
            return None

    async def save(self, run: Run, **facts: Unpack[Facts]) -> Run:
        """Change what is said of a run as it was read; its state and its posting stay. Raises LeaseLost when it has
        changed since."""
        return await self._write(run, replace(run, **facts), without=_OF_A_STATE)

    async def move(self, run: Run, occasion: Occasion, **changes: Unpack[Move]) -> Run:
        """Change the state or the posting of a run as it was read. Raises LeaseLost when it has changed since, and
        WrongState when the tables of transitions do not hold this change."""
        changed = replace(run, **changes)
        if not is_allowed(occasion, run, changed):
            await self._refuse(run, occasion, changed)
        return await self._write(run, changed)

    async def _refuse(self, run: Run, occasion: Occasion, changed: Run) -> NoReturn:
        """What was read long ago may stand elsewhere by now: that is a race, and no fault."""
        row = await self._run_row(run.invoice_id)
        if row is None or row.metadata["etag"] != run.etag:
            raise LeaseLost(f"run {run.invoice_id}")
        raise WrongState(
            f"the run of {run.invoice_id} is {run.state} ({run.posting}), which does not lead to {changed.state} "
            f"({changed.posting}) when it is {occasion}"
        )

    async def _write(self, run: Run, wanted: Run, *, without: Collection[str] = ()) -> Run:
        changed = _remember(run, replace(wanted, updated_at=self._clock(), revision=run.revision + 1))
        if run.state.is_final and not changed.state.is_final:
            # The sweep looks after what the register shows as unfinished: it has to know before anybody can die. This
            # revision may become another's, so that the note counts as one of the present revision.
            await self._run_list.note(replace(changed, revision=run.revision))
        try:
            result = await self._table.update_entity(
                {name: value for name, value in _run_entity(changed).items() if name not in without},
                mode=UpdateMode.MERGE,
                etag=run.etag,
                match_condition=MatchConditions.IfNotModified,
            )
        except ResourceModifiedError as error:
            raise LeaseLost(f"run {run.invoice_id}") from error
        await self._run_list.note(changed)
        return replace(changed, etag=result["etag"])

    async def show_progress(self, run: Run) -> None:
        """Let the list of runs show the progress of a run that has not changed otherwise."""
        await self._run_list.note_progress(run)

    async def page(self, invoice_id: UUID, stage: str, generation: int, number: int) -> Page | None:
        """One page of a reading."""
        try:
            return _page(await self._table.get_entity(str(invoice_id), _page_key(stage, generation, number)))
        except ResourceNotFoundError:
            return None

    async def open_page(self, page: Page) -> bool:
        """Note that there is a page to read; False when it was known already, and nothing changes."""
        try:
            await self._table.create_entity(_page_entity(page))
        except ResourceExistsError:
            return False
        return True

    async def open_repair(self, page: Page, rows: Iterable[RejectedRow]) -> None:
        """Note that there is a page of single rows to read, and the rejected ones among them as replaying, wholly or
        not at all. Raises LeaseLost when somebody else has opened this page."""
        sent = [entity_of(page.invoice_id, replace(row, status="replaying")) for row in rows]
        await transact(self._table, [("create", _page_entity(page)), *(("upsert", row) for row in sent)])

    async def close_page(self, page: Page, parts: Sequence[Part], *, last: bool) -> None:
        """Note a page as read, with its parts, in one transaction. Raises LeaseLost when somebody else has."""
        closed = _page_entity(replace(page, read=True, last=last))
        operations: list[Any] = [guarded(closed, page.etag)]
        operations += [("create", _part_entity(part)) for part in parts]
        await transact(self._table, operations)

    async def reopen_page(self, page: Page, parts: Sequence[Part]) -> None:
        """Have a page read once more instead of keeping `parts`, which came of it, in one transaction. Raises LeaseLost
        when any of them has changed."""
        opened = _page_entity(replace(page, read=False, last=False))
        operations: list[Any] = [guarded(opened, page.etag)]
        operations += [deleted(_part_entity(part), part.etag) for part in parts]
        await transact(self._table, operations)

    async def parts(self, invoice_id: UUID, stage: str, generation: int) -> list[Part]:
        """The parts of one stage in one reading."""
        return [_part(row) for row in await self._range(invoice_id, f"part|{stage}|{generation:04}|")]

    async def all_parts(self, invoice_id: UUID) -> list[Part]:
        """The parts of all stages and readings."""
        return [_part(row) for row in await self._range(invoice_id, "part|")]

    async def part(self, invoice_id: UUID, row_key: str) -> Part | None:
        """One part by its name."""
        try:
            return _part(await self._table.get_entity(str(invoice_id), row_key))
        except ResourceNotFoundError:
            return None

    async def divide(self, part: Part, pieces: Sequence[Part]) -> None:
        """Put the pieces of a part in its place, wholly or not at all. Raises LeaseLost when it has changed since."""
        gone = deleted(_part_entity(part), part.etag)
        await transact(self._table, [gone, *(("create", _part_entity(each)) for each in pieces)])

    async def pieces(self, invoice_id: UUID, row_key: str) -> list[Part]:
        """The pieces of the part that had this name before it was divided."""
        prefix = row_key if row_key.count("|") == _BARS_WITH_PATH else f"{row_key}|"
        return [_part(row) for row in await self._range(invoice_id, prefix)]

    async def pages(self, invoice_id: UUID, stage: str, generation: int) -> list[Page]:
        """The pages of one stage in one reading."""
        return [_page(row) for row in await self._range(invoice_id, f"page|{stage}|{generation:04}|")]

    async def pages_of_all_readings(self, invoice_id: UUID, stage: str) -> list[Page]:
        """The pages of one stage in all readings."""
        return [_page(row) for row in await self._range(invoice_id, f"page|{stage}|")]

    async def save_part(self, part: Part, **changes: Any) -> Part:
        """Change a part as it was read. Raises LeaseLost when it has changed since."""
        changed = replace(part, **changes)
        await transact(self._table, [guarded(_part_entity(changed), part.etag)])
        return changed

    async def _range(self, invoice_id: UUID, prefix: str) -> list[Mapping[str, Any]]:
        upper = prefix[:-1] + chr(ord(prefix[-1]) + 1)
        condition = "PartitionKey eq @invoice and RowKey ge @lower and RowKey lt @upper"
        names = {"invoice": str(invoice_id), "lower": prefix, "upper": upper}
        return [row async for row in self._table.query_entities(condition, parameters=names)]


def _remember(run: Run, changed: Run) -> Run:
    """The changed run, with what is new about it in its history."""
    now, steps = changed.updated_at, changed.history
    if changed.state != run.state:
        steps = history.add(steps, Step(now, changed.state, changed.detail if changed.state.is_final else ""))
    if changed.wait and changed.wait != run.wait:
        steps = history.add(steps, Step(now, "waits", changed.wait))
    if changed.posting != run.posting:
        steps = history.add(steps, Step(now, changed.posting, changed.posting_detail))
    return replace(changed, history=steps)


def _page_key(stage: str, generation: int, number: int) -> str:
    return f"page|{stage}|{generation:04}|{number:06}"


def _run_entity(run: Run) -> dict[str, Any]:
    return {
        **SIGNATURE,
        "PartitionKey": str(run.invoice_id),
        "RowKey": RUN,
        "runId": run.run_id,
        "revision": run.revision,
        "state": str(run.state),
        "generation": run.generation,
        "acceptedAt": stamp(run.accepted_at),
        "updatedAt": stamp(run.updated_at),
        "number": run.number,
        "company": run.company,
        "customer": run.customer,
        "project": run.project,
        "detail": run.detail[:_TEXT_LIMIT],
        "rejected": run.rejected,
        "posting": run.posting,
        "postingDetail": run.posting_detail[:_TEXT_LIMIT],
        "postedAt": stamp(run.posted_at) if run.posted_at else "",
        "writtenBackAt": stamp(run.written_back_at) if run.written_back_at else "",
        "writeBack": run.write_back,
        "wait": run.wait[:_TEXT_LIMIT],
        "waitSince": stamp(run.wait_since) if run.wait_since else "",
        "expected": run.expected.to_json(),
        "verified": run.verified,
        "compared": run.compared[:_TEXT_LIMIT],
        "beside": run.beside,
        "looks": run.looks,
        "lookAt": stamp(run.look_at) if run.look_at else "",
        "isNamed": run.is_named,
        "progress": progress.write(run.progress),
        "history": history.write(run.history),
    }


def _name_of(row: Any) -> str:
    kind, _, rest = row["RowKey"].partition("|")
    return f"the {kind} {rest + ' ' if rest else ''}of invoice {row['PartitionKey']}"


def _shown(row: Any, why: str) -> Run:
    """A run of a later version, of which nothing is certain but what it is about."""
    at = row.metadata["timestamp"]
    state = known_state(row.get("state"))
    return Run(
        invoice_id=UUID(row["PartitionKey"]),
        run_id=str(row.get("runId", "")),
        state=state,
        generation=1,
        accepted_at=parse_stamp(row["acceptedAt"]) if row.get("acceptedAt") else at,
        updated_at=at,
        number=str(row.get("number", "")),
        company=str(row.get("company", "")),
        customer=str(row.get("customer", "")),
        project=str(row.get("project", "")),
        detail=f"{why}. {row.get('detail', '')}".strip() if state.is_final else "",
        wait="" if state.is_final else why,
    )


def _run(row: Any) -> Run:
    check(row, _name_of(row))
    return Run(
        invoice_id=UUID(row["PartitionKey"]),
        run_id=row["runId"],
        revision=row.get("revision", 0),
        state=State(row["state"]),
        generation=row["generation"],
        accepted_at=parse_stamp(row["acceptedAt"]),
        updated_at=parse_stamp(row["updatedAt"]),
        number=row["number"],
        company=row["company"],
        customer=row.get("customer", ""),
        project=row.get("project", ""),
        detail=row["detail"],
        rejected=row["rejected"],
        posting=row.get("posting", "not posted"),
        posting_detail=row.get("postingDetail", ""),
        posted_at=parse_stamp(row["postedAt"]) if row.get("postedAt") else None,
        written_back_at=parse_stamp(row["writtenBackAt"]) if row.get("writtenBackAt") else None,
        write_back=row.get("writeBack", ""),
        wait=row["wait"],
        wait_since=parse_stamp(row["waitSince"]) if row["waitSince"] else None,
        expected=Totals.from_json(row["expected"]),
        progress=progress.read(row.get("progress")),
        history=history.read(row.get("history")),
        verified=row.get("verified", 0),
        compared=row.get("compared", ""),
        beside=row.get("beside", 0),
        looks=row.get("looks", 0),
        look_at=parse_stamp(row["lookAt"]) if row.get("lookAt") else None,
        is_named=row.get("isNamed", False),
        etag=row.metadata["etag"],
    )


def _page_entity(page: Page) -> dict[str, Any]:
    return {
        **SIGNATURE,
        "PartitionKey": str(page.invoice_id),
        "RowKey": _page_key(page.stage, page.generation, page.number),
        "cursor": page.cursor,
        "read": page.read,
        "last": page.last,
    }


def _page(row: Any) -> Page:
    check(row, _name_of(row))
    _, stage, generation, number = row["RowKey"].split("|")
    return Page(
        invoice_id=UUID(row["PartitionKey"]),
        stage=stage,
        generation=int(generation),
        number=int(number),
        cursor=row["cursor"],
        read=row["read"],
        last=row["last"],
        etag=row.metadata["etag"],
    )


def _part_entity(part: Part) -> dict[str, Any]:
    return {
        **SIGNATURE,
        "PartitionKey": str(part.invoice_id),
        "RowKey": part.row_key,
        "company": part.company,
        "blob": part.blob,
        "rows": part.rows,
        "state": part.state,
        "rejected": part.rejected,
        "billed": part.billed.to_json(),
        "fresh": part.fresh.to_json(),
        "landedAt": stamp(part.landed_at) if part.landed_at else "",
        "settledAt": stamp(part.settled_at) if part.settled_at else "",
        "executionId": part.execution_id,
        "oddDays": part.odd_days,
        "unlinked": part.unlinked,
        "leftOut": part.left_out,
    }


def _part(row: Any) -> Part:
    check(row, _name_of(row))
    _, stage, generation, number, _, *path = row["RowKey"].split("|")
    return Part(
        invoice_id=UUID(row["PartitionKey"]),
        stage=stage,
        generation=int(generation),
        number=int(number),
        company=row["company"],
        blob=row["blob"],
        rows=row["rows"],
        state=row["state"],
        rejected=row["rejected"],
        billed=Totals.from_json(row["billed"]),
        fresh=Totals.from_json(row["fresh"]),
        landed_at=parse_stamp(row["landedAt"]) if row.get("landedAt") else None,
        settled_at=parse_stamp(row["settledAt"]) if row.get("settledAt") else None,
        execution_id=row.get("executionId", ""),
        odd_days=row.get("oddDays", 0),
        unlinked=row.get("unlinked", 0),
        path="".join(path),
        left_out=row.get("leftOut", 0),
        etag=row.metadata["etag"],
    )
