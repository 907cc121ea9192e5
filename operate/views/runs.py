"""The list of runs, newest first, a page at a time from the register."""

from collections.abc import Collection
from typing import Any
from urllib.parse import parse_qs, urlsplit

from operate.api.requests import RunsQuery
from operate.views.run import Standing, promised_rows, standing
from shared.clock import stamp
from shared.engine.ports import Ports
from shared.jobs.job import Job, Step
from shared.ledger.progress import Progress
from shared.ledger.run import State
from shared.ledger.run_list import Entry

_SEARCHED_AT_ONCE = 1000
_MOST_SEARCHED = 5000


async def list_runs(ports: Ports, query: RunsQuery, states: Collection[State]) -> dict[str, Any]:
    """One page of the list, and where the next one starts."""
    where = " or ".join(f"state eq '{state}'" for state in states)
    shown, more = await _page(ports, query, where)
    held_up = await standing(ports) if any(not entry.state.is_final for entry in shown) else None
    runs = [{**describe_entry(ports.job, entry), "waitsFor": _waits(held_up, entry)} for entry in shown]
    return {"runs": runs, "continuation": more}


async def _page(ports: Ports, query: RunsQuery, where: str) -> tuple[list[Entry], str | None]:
    """The entries to show, and where to go on. A search that finds little gives up after so many runs, to be gone on
    with by whoever wants more."""
    text = query.search.lower()
    size = _SEARCHED_AT_ONCE if text else query.top + 1
    entries = ports.run_list.entries(
        after=query.continuation, since=query.since, until=query.until, where=where, page_size=size
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


def _waits(held_up: Standing | None, entry: Entry) -> list[dict[str, Any]]:
    return held_up.waits_of(entry) if held_up and not entry.state.is_final else []


def _matches(entry: Entry, text: str) -> bool:
    values = (entry.number, entry.company, entry.customer, entry.project, str(entry.invoice_id))
    return not text or any(text in value.lower() for value in values)


def describe_entry(job: Job, entry: Entry) -> dict[str, Any]:
    """A run in a list, as JSON."""
    return {
        "invoiceId": str(entry.invoice_id),
        "runId": entry.run_id,
        "invoiceNumber": entry.number,
        "company": entry.company,
        "customer": entry.customer,
        "project": entry.project,
        "state": str(entry.state),
        "detail": entry.detail,
        "posting": entry.posting,
        "postedAt": entry.posted_at or None,
        "writtenBackAt": entry.written_back_at or None,
        "rows": entry.expected.rows,
        "rejected": entry.rejected,
        "maps": [_describe_map(entry, step) for step in job.steps],
        "billedSales": {"rows": entry.expected.rows, "amounts": entry.expected.money()},
        "acceptedAt": stamp(entry.accepted_at),
        "updatedAt": stamp(entry.updated_at),
    }


def _describe_map(entry: Entry, step: Step) -> dict[str, Any]:
    """How far a map is. The rows known of a map that was not read yet are those that the first reading promised."""
    progress = entry.progress.get(step.map, Progress())
    return {
        "map": step.map,
        "title": step.shown,
        "rows": max(progress.rows, promised_rows(step, entry)),
        "done": progress.done,
        # What is being sent again is no longer rejected, though its map has not been counted anew.
        "rejected": min(progress.rejected, entry.rejected) if entry.rejected else 0,
        "dismissed": progress.dismissed,
    }


def states_of(url: str) -> list[str]:
    """All `state` parameters of a URL; the Functions worker keeps only one of each name."""
    return parse_qs(urlsplit(url).query).get("state", [])
