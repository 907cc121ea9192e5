"""The list of runs, newest first, a page at a time from the register."""

from collections.abc import Collection
from typing import Any
from urllib.parse import parse_qs, urlsplit

from operate.requests import RunsQuery
from shared.clock import stamp
from shared.ports import Ports
from shared.register import Entry
from shared.run import State


async def list_runs(ports: Ports, query: RunsQuery, states: Collection[State]) -> dict[str, Any]:
    """One page of the list, and where the next one starts."""
    where = " or ".join(f"state eq '{state}'" for state in states)
    found: list[Entry] = []
    entries = ports.register.entries(after=query.continuation, since=query.since, until=query.until, where=where)
    async for entry in entries:
        if _matches(entry, query.search.lower()):
            found.append(entry)
        if len(found) > query.top:
            break
    shown = found[: query.top]
    more = shown[-1].position if len(found) > query.top else None
    return {"runs": [describe_entry(entry) for entry in shown], "continuation": more}


def _matches(entry: Entry, text: str) -> bool:
    return not text or any(text in value.lower() for value in (entry.number, entry.company, str(entry.invoice_id)))


def describe_entry(entry: Entry) -> dict[str, Any]:
    """A run in a list, as JSON."""
    return {
        "invoiceId": str(entry.invoice_id),
        "runId": entry.run_id,
        "invoiceNumber": entry.number,
        "company": entry.company,
        "state": str(entry.state),
        "detail": entry.detail,
        "posting": entry.posting,
        "postedAt": entry.posted_at or None,
        "writtenBackAt": entry.written_back_at or None,
        "rows": entry.expected.rows,
        "rejected": entry.rejected,
        "billedSales": {"rows": entry.expected.rows, "amounts": entry.expected.money()},
        "acceptedAt": stamp(entry.accepted_at),
        "updatedAt": stamp(entry.updated_at),
    }


def states_of(url: str) -> list[str]:
    """All `state` parameters of a URL; the Functions worker keeps only one of each name."""
    return parse_qs(urlsplit(url).query).get("state", [])
