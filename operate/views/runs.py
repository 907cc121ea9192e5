"""The list of runs, newest first, page by page."""

from collections.abc import Collection
from contextlib import suppress
from dataclasses import replace

from operate.views.run import Standing, money_of, promised_rows, standing
from relay_contract import runs as contract
from relay_contract.requests import RunsQuery
from relay_contract.runs import MapProgress, Runs, Wait
from shared.engine.account import reading_of
from shared.engine.ports import Ports
from shared.errors import NewerVersion
from shared.jobs.job import Job, Step
from shared.ledger.progress import Progress
from shared.ledger.run import State
from shared.ledger.run_list import Entry

# Table storage cannot search inside a text, so a search reads entries in large pages. It stops at a number that fits
# into one request: Azure's load balancer ends a request after 230 s.
_SEARCHED_AT_ONCE = 1000
_MOST_SEARCHED = 5000


async def list_runs(ports: Ports, query: RunsQuery, states: Collection[State]) -> Runs:
    """One page of the list, and where the next one starts."""
    shown, more = await _page(ports, query, states)
    shown = [await _with_progress(ports, entry) for entry in shown]
    held_up = await standing(ports) if any(not entry.state.is_final for entry in shown) else None
    return Runs(runs=[_describe(ports.job, entry, _waits(held_up, entry)) for entry in shown], continuation=more)


async def _page(ports: Ports, query: RunsQuery, states: Collection[State]) -> tuple[list[Entry], str | None]:
    """The entries of a page, and where the next one starts. A search stops after a limited number of runs; the
    caller can continue it."""
    text = query.search.lower()
    # One more than is shown tells whether there is a next page.
    size = _SEARCHED_AT_ONCE if text else query.top + 1
    entries = ports.run_list.entries(
        after=query.continuation, since=query.since, until=query.until, states=states, page_size=size
    )
    found: list[Entry] = []
    looked_at = 0
    async for entry in entries:
        looked_at += 1
        if _matches(entry, text):
            found.append(entry)
        if len(found) > query.top:
            return found[: query.top], found[query.top - 1].position
        if looked_at >= _MOST_SEARCHED:
            return found, entry.position
    return found, None


async def _with_progress(ports: Ports, entry: Entry) -> Entry:
    """A run that moves keeps no count of its rows: it is derived from its parts."""
    if entry.state.is_final:
        return entry
    with suppress(NewerVersion):
        book = await ports.ledger.book(entry.subject)
        if run := book.run:
            readings = {step.map: reading_of(ports, run, step.map) for step in ports.job.steps}
            return replace(entry, progress={**entry.progress, **book.progress(readings)})
    return entry


def _waits(held_up: Standing | None, entry: Entry) -> list[Wait]:
    return held_up.waits_of(entry) if held_up and not entry.state.is_final else []


def _matches(entry: Entry, text: str) -> bool:
    values = (entry.number, entry.company, entry.customer, entry.project, str(entry.subject))
    return not text or any(text in value.lower() for value in values)


def _describe(job: Job, entry: Entry, waits: list[Wait]) -> contract.Run:
    return contract.Run(
        invoice_id=str(entry.subject),
        run_id=entry.run_id,
        invoice_number=entry.number,
        company=entry.company,
        customer=entry.customer,
        project=entry.project,
        state=str(entry.state),
        detail=entry.detail,
        posting=entry.posting,
        posted_at=entry.posted_at,
        written_back_at=entry.written_back_at,
        rows=entry.expected.rows,
        rejected=entry.rejected,
        maps=[_describe_map(entry, step) for step in job.steps],
        billed_sales=money_of(entry.expected),
        accepted_at=entry.accepted_at,
        updated_at=entry.updated_at,
        waits_for=waits,
    )


def _describe_map(entry: Entry, step: Step) -> MapProgress:
    """The progress of a map. For a map that was not read yet, the known rows are those that the first reading
    counted."""
    progress = entry.progress.get(step.map, Progress())
    return MapProgress(
        map=step.map,
        title=step.shown,
        rows=max(progress.rows, promised_rows(step, entry)),
        done=progress.done,
        # A row that is being sent again is no longer rejected, although its map has not been counted again.
        rejected=min(progress.rejected, entry.rejected) if entry.rejected else 0,
        dismissed=progress.dismissed,
    )
