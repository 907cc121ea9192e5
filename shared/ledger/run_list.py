"""The register of runs, newest first: one row a run with what a list shows, so that listing reads one partition.

The ledger notes every change of a run here after it has saved it, and one that puts a finished run back to work before
that too. A note carries the revision of the run that it tells of, and an older one never replaces a newer one: hosts
are held up between saving and noting. A row may be one change off if the process dies in between; the sweep looks
after runs that seem unfinished and so puts it right.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from azure.core import MatchConditions
from azure.core.exceptions import ResourceExistsError, ResourceModifiedError, ResourceNotFoundError
from azure.data.tables import UpdateMode
from azure.data.tables.aio import TableClient

from shared.clock import parse_stamp, stamp
from shared.ledger import progress
from shared.ledger.progress import Progress
from shared.ledger.run import Run, State, known_state
from shared.storage.schema import SIGNATURE, newer
from shared.totals import Totals

_PARTITION = "run"
_END_OF_TIME = datetime(3000, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Entry:
    """What a list shows of a run. `position` is where the next page of the list starts after it."""

    invoice_id: UUID
    run_id: str
    number: str
    company: str
    customer: str
    project: str
    state: State
    detail: str
    rejected: int
    posting: str
    posted_at: str
    written_back_at: str
    expected: Totals
    progress: Mapping[str, Progress]
    wait: str
    accepted_at: datetime
    updated_at: datetime
    position: str


class RunList:
    """The register table."""

    def __init__(self, table: TableClient) -> None:
        self._table = table

    async def note(self, run: Run) -> None:
        """Write what a list shows of the run, unless it shows a later revision already."""
        row = _row(run)
        while True:
            try:
                standing = await self._table.get_entity(
                    row["PartitionKey"], row["RowKey"], select=["revision", "schema"]
                )
            except ResourceNotFoundError:
                with suppress(ResourceExistsError):
                    await self._table.create_entity(row)
                    return
                continue
            if standing.get("revision", 0) > run.revision or newer(standing, ""):
                return
            with suppress(ResourceModifiedError):
                await self._table.update_entity(
                    row,
                    mode=UpdateMode.MERGE,
                    etag=standing.metadata["etag"],
                    match_condition=MatchConditions.IfNotModified,
                )
                return

    async def note_progress(self, run: Run) -> None:
        """Write the progress of the run and nothing else."""
        key = {"PartitionKey": _PARTITION, "RowKey": _position(run.accepted_at, run.invoice_id)}
        try:
            await self._table.update_entity({**key, "progress": progress.write(run.progress)}, mode=UpdateMode.MERGE)
        except ResourceNotFoundError:
            return

    async def entries(
        self,
        *,
        after: str = "",
        since: datetime | None = None,
        until: datetime | None = None,
        where: str = "",
        page_size: int | None = None,
    ) -> AsyncIterator[Entry]:
        """The entries accepted in [since, until), newest first, from behind `after`; `where` is a filter on columns.
        They are read in pages of `page_size`, or as many as storage gives at a time."""
        lower = max(after, _edge(until)) if until else after
        conditions = [f"PartitionKey eq '{_PARTITION}' and RowKey gt @lower"]
        names = {"lower": lower}
        if since:
            conditions.append("RowKey le @upper")
            names["upper"] = _edge(since) + "~"
        if where:
            conditions.append(f"({where})")
        text = " and ".join(conditions)
        async for row in self._table.query_entities(text, parameters=names, results_per_page=page_size):
            yield _entry(row)

    async def unfinished(self) -> list[Entry]:
        """The runs that are not in a final state, newest first."""
        return [entry async for entry in self.entries(where="final eq false")]

    async def stopped(self) -> list[Entry]:
        """The runs that wait for a person, newest first."""
        return [
            entry
            async for entry in self.entries(where=f"state eq '{State.NEEDS_ATTENTION}' or state eq '{State.FAILED}'")
        ]

    async def awaiting_posting(self) -> list[Entry]:
        """The completed runs that are not written back, newest first."""
        where = f"state eq '{State.COMPLETED}' and (posting eq 'not posted' or posting eq 'posted')"
        return [entry async for entry in self.entries(where=where)]

    async def due(self, now: datetime) -> list[Entry]:
        """The completed runs that are to be looked at again by now, newest first."""
        where = f"state eq '{State.COMPLETED}' and lookAt gt '' and lookAt le '{stamp(now)}'"
        return [entry async for entry in self.entries(where=where)]

    async def kept_back(self) -> list[Entry]:
        """The completed runs whose write-back was refused or failed, newest first."""
        where = f"state eq '{State.COMPLETED}' and (posting eq 'refused' or posting eq 'failed')"
        return [entry async for entry in self.entries(where=where)]

    async def rejecting(self) -> list[Entry]:
        """The runs that have open rejected rows, newest first."""
        return [entry async for entry in self.entries(where="rejected gt 0")]


def _edge(instant: datetime) -> str:
    """Newest first: the row key falls as time goes on."""
    return f"{int((_END_OF_TIME - instant).total_seconds() * 1000):016}"


def _position(accepted_at: datetime, invoice_id: UUID) -> str:
    return f"{_edge(accepted_at)}|{invoice_id}"


def _row(run: Run) -> dict[str, Any]:
    return {
        **SIGNATURE,
        "PartitionKey": _PARTITION,
        "RowKey": _position(run.accepted_at, run.invoice_id),
        "revision": run.revision,
        "runId": run.run_id,
        "number": run.number,
        "company": run.company,
        "customer": run.customer,
        "project": run.project,
        "state": str(run.state),
        "final": run.state.is_final,
        "detail": run.detail[:1000],
        "rejected": run.rejected,
        "posting": run.posting,
        "postedAt": stamp(run.posted_at) if run.posted_at else "",
        "writtenBackAt": stamp(run.written_back_at) if run.written_back_at else "",
        "expected": run.expected.to_json(),
        "progress": progress.write(run.progress),
        "wait": run.wait[:1000],
        "lookAt": stamp(run.look_at) if run.look_at else "",
        "acceptedAt": stamp(run.accepted_at),
        "updatedAt": stamp(run.updated_at),
    }


def _entry(row: Mapping[str, Any]) -> Entry:
    """What a list shows; of a run that a later version has worked on, as far as it can be read."""
    error = newer(row, "this run")
    if error is None:
        return _known_entry(row)
    state = known_state(row.get("state"))
    shown = {**_NOTHING, **{name: value for name, value in row.items() if name in _NOTHING}, "state": str(state)}
    told = {"detail": str(error)} if state.is_final else {"wait": str(error)}
    return _known_entry({**shown, **told, "RowKey": row["RowKey"], "expected": Totals().to_json()})


# What a list shows of a run whatever version wrote it, where that says nothing.
_NOTHING: dict[str, Any] = {
    **dict.fromkeys(("runId", "number", "company", "customer", "project", "detail", "wait"), ""),
    **dict.fromkeys(("acceptedAt", "updatedAt"), "1970-01-01T00:00:00+00:00"),
    "rejected": 0,
}


def _known_entry(row: Mapping[str, Any]) -> Entry:
    return Entry(
        invoice_id=UUID(row["RowKey"].partition("|")[2]),
        run_id=row["runId"],
        number=row["number"],
        company=row["company"],
        customer=row.get("customer", ""),
        project=row.get("project", ""),
        state=State(row["state"]),
        detail=row["detail"],
        rejected=row["rejected"],
        posting=row.get("posting", "not posted"),
        posted_at=row.get("postedAt", ""),
        written_back_at=row.get("writtenBackAt", ""),
        expected=Totals.from_json(row["expected"]),
        progress=progress.read(row.get("progress")),
        wait=row.get("wait", ""),
        accepted_at=parse_stamp(row["acceptedAt"]),
        updated_at=parse_stamp(row["updatedAt"]),
        position=row["RowKey"],
    )
