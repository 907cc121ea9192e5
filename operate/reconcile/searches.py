"""Out-of-sync searches.

job         the period, the kinds to repair, and the next page to examine
page|<n>    what was found on that page, and what was done about it
"""

import json
from dataclasses import dataclass, replace
from itertools import batched
from typing import Any, Literal

from operate.reconcile.jobs import HEAD, PORTION, Jobs
from relay_contract.out_of_sync import Kind
from relay_contract.requests import Period
from shared.clock import stamp
from shared.tables.entities import Entities, Form
from shared.tables.transactions import guarded, transact


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


def _portions(name: str, text: str) -> dict[str, str]:
    """A long text, split over several properties."""
    portions = ["".join(portion) for portion in batched(text, PORTION, strict=False)] or [""]
    return {f"{name}{number}": portion for number, portion in enumerate(portions)}


def _joined(row: Any, name: str) -> str:
    count = sum(key.removeprefix(name).isdecimal() for key in row if key.startswith(name))
    return "".join(row[f"{name}{number}"] for number in range(count))


_SEARCH = Entities(
    Search,
    others={"job": lambda row: row["PartitionKey"].rpartition("|")[2], "cursor": lambda row: _joined(row, "cursor")},
    forms={
        "period": Form(lambda period: period.model_dump_json(by_alias=True), Period.model_validate_json),
        "sync": Form(json.dumps, lambda text: tuple(json.loads(text))),
    },
    limits={"detail": PORTION},
)


class Searches(Jobs):
    """The searches and their findings."""

    kind = "out-of-sync"

    async def open(self, search: Search) -> None:
        """Record a new search."""
        await self._table.create_entity({**self._head_of(search), "at": stamp(self._now())})

    async def read(self, job: str) -> Search | None:
        """A search by its name."""
        head = await self._head(job)
        return _SEARCH.value(head) if head else None

    async def advance(self, search: Search, findings: dict[str, Any], next_link: str | None) -> Search:
        """Record a page as examined, with its findings, in one transaction. Raises LeaseLost."""
        following = replace(search, page=search.page + 1, cursor=next_link or "")
        if next_link is None:
            following = replace(following, state="done")
        page = self._row(search.job, f"page|{search.page:06}", _portions("findings", json.dumps(findings)))
        await transact(self._table, [guarded(self._head_of(following), search.etag), ("upsert", page)])
        return following

    async def fail(self, search: Search, detail: str) -> None:
        """Record why a search cannot continue. Raises LeaseLost."""
        head = self._head_of(replace(search, state="failed", detail=detail))
        await transact(self._table, [guarded(head, search.etag)])

    async def findings(self, job: str) -> list[dict[str, Any]]:
        """The findings, page by page."""
        return [json.loads(_joined(row, "findings")) for row in await self._findings(job)]

    def _head_of(self, search: Search) -> dict[str, Any]:
        return self._row(search.job, HEAD, _SEARCH.columns(search) | _portions("cursor", search.cursor))
