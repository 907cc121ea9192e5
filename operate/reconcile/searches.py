"""Out-of-sync searches in the audit table: one partition per search.

job         the period, the kinds to repair, and the next page to examine
page|<n>    what was found on that page, and what was done about it
"""

import json
import re
from dataclasses import dataclass, replace
from itertools import batched
from typing import Any, Literal

from azure.core.exceptions import ResourceNotFoundError

from relay_contract.out_of_sync import Kind
from relay_contract.requests import Period
from shared.clock import stamp
from shared.engine.ports import Ports
from shared.tables.transactions import guarded, transact

_HEAD = "job"
# A table property holds 32,768 characters; this leaves a reserve.
_PORTION = 30_000
# Checked, because the name comes from an address and becomes part of a key.
_JOB = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True)
class Search:
    """A search. `sync` are the kinds to repair. `cursor` is the next link to page `page`."""

    job: str
    by: str
    period: Period
    sync: tuple[Kind, ...] = ()
    page: int = 0
    cursor: str = ""
    state: Literal["running", "done", "failed"] = "running"
    detail: str = ""
    etag: str = ""


class Searches:
    """The searches and their findings."""

    def __init__(self, ports: Ports) -> None:
        self._table = ports.audit.table
        self._now = ports.now

    async def open(self, search: Search) -> None:
        """Record a new search."""
        await self._table.create_entity({**_head(search), "at": stamp(self._now())})

    async def read(self, job: str) -> Search | None:
        """A search by its name."""
        if not _JOB.fullmatch(job):
            return None
        try:
            row = await self._table.get_entity(_partition(job), _HEAD)
        except ResourceNotFoundError:
            return None
        return Search(
            job=job,
            by=row["by"],
            period=Period.model_validate_json(row["period"]),
            sync=tuple(json.loads(row["sync"])),
            page=row["page"],
            cursor=_joined(row, "cursor"),
            state=row["state"],
            detail=row["detail"],
            etag=str(row.metadata["etag"]),
        )

    async def advance(self, search: Search, findings: dict[str, Any], next_link: str | None) -> Search:
        """Record a page as examined, with its findings, in one transaction. Raises LeaseLost."""
        following = replace(search, page=search.page + 1, cursor=next_link or "")
        if next_link is None:
            following = replace(following, state="done")
        page = {"PartitionKey": _partition(search.job), "RowKey": f"page|{search.page:06}"}
        page |= _portions("findings", json.dumps(findings))
        await transact(self._table, [guarded(_head(following), search.etag), ("upsert", page)])
        return following

    async def fail(self, search: Search, detail: str) -> None:
        """Record why a search cannot continue. Raises LeaseLost."""
        head = _head(replace(search, state="failed", detail=detail))
        await transact(self._table, [guarded(head, search.etag)])

    async def findings(self, job: str) -> list[dict[str, Any]]:
        """The findings, page by page."""
        # "}" is the character after "|", so this is the range of all keys that begin with "page|".
        condition = "PartitionKey eq @search and RowKey ge 'page|' and RowKey lt 'page}'"
        rows = self._table.query_entities(condition, parameters={"search": _partition(job)})
        return [json.loads(_joined(row, "findings")) async for row in rows]


def _head(search: Search) -> dict[str, Any]:
    return {
        "PartitionKey": _partition(search.job),
        "RowKey": _HEAD,
        "by": search.by,
        "period": search.period.model_dump_json(by_alias=True),
        "sync": json.dumps(search.sync),
        "page": search.page,
        "state": search.state,
        "detail": search.detail[:_PORTION],
        **_portions("cursor", search.cursor),
    }


def _portions(name: str, text: str) -> dict[str, str]:
    """A long text, split over several properties."""
    portions = ["".join(portion) for portion in batched(text, _PORTION, strict=False)] or [""]
    return {f"{name}{number}": portion for number, portion in enumerate(portions)}


def _joined(row: dict[str, Any], name: str) -> str:
    count = sum(key.removeprefix(name).isdecimal() for key in row if key.startswith(name))
    return "".join(row[f"{name}{number}"] for number in range(count))


def _partition(job: str) -> str:
    return f"out-of-sync|{job}"
