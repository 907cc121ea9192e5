"""The rows of one subject in the ledger: serialization of its run, its pages and its parts."""

import json
from typing import Any
from uuid import UUID

from shared.clock import parse_stamp, stamp
from shared.ledger import history, progress
from shared.ledger.run import Page, Part, Run, State, known_state
from shared.storage.schema import SIGNATURE, check
from shared.totals import Measured, Totals

RUN = "run"
_TEXT_LIMIT = 8000
# Measures with a column of their own. Earlier releases read no part without these columns.
_OWN_COLUMNS = ("billed", "fresh")


def page_key(stage: str, generation: int, number: int) -> str:
    return f"page|{stage}|{generation:04}|{number:06}"


def entity_of_run(run: Run) -> dict[str, Any]:
    return {
        **SIGNATURE,
        "PartitionKey": str(run.subject),
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
        "mark": run.mark,
    }


def name_of(row: Any) -> str:
    kind, _, rest = row["RowKey"].partition("|")
    return f"the {kind} {rest + ' ' if rest else ''}of {row['PartitionKey']}"


def shown_run(row: Any, why: str) -> Run:
    """A run that a later version has written. Only its identity is certain."""
    at = row.metadata["timestamp"]
    state = known_state(row.get("state"))
    return Run(
        subject=UUID(row["PartitionKey"]),
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


def run_of(row: Any) -> Run:
    check(row, name_of(row))
    return Run(
        subject=UUID(row["PartitionKey"]),
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
        mark=row.get("mark", ""),
        etag=row.metadata["etag"],
    )


def entity_of_page(page: Page) -> dict[str, Any]:
    return {
        **SIGNATURE,
        "PartitionKey": str(page.subject),
        "RowKey": page_key(page.stage, page.generation, page.number),
        "cursor": page.cursor,
        "read": page.read,
        "last": page.last,
    }


def page_of(row: Any) -> Page:
    check(row, name_of(row))
    _, stage, generation, number = row["RowKey"].split("|")
    return Page(
        subject=UUID(row["PartitionKey"]),
        stage=stage,
        generation=int(generation),
        number=int(number),
        cursor=row["cursor"],
        read=row["read"],
        last=row["last"],
        etag=row.metadata["etag"],
    )


def _measure_columns(measures: Measured) -> dict[str, str]:
    others = {name: totals.to_json() for name, totals in measures.items() if name not in _OWN_COLUMNS}
    own = {name: measures.get(name, Totals()).to_json() for name in _OWN_COLUMNS}
    return {**own, "measures": json.dumps(others)} if others else own


def _measures(row: Any) -> dict[str, Totals]:
    texts = {name: row[name] for name in _OWN_COLUMNS} | json.loads(row.get("measures") or "{}")
    return {name: Totals.from_json(text) for name, text in texts.items()}


def entity_of_part(part: Part) -> dict[str, Any]:
    return {
        **SIGNATURE,
        "PartitionKey": str(part.subject),
        "RowKey": part.row_key,
        "company": part.company,
        "blob": part.blob,
        "rows": part.rows,
        "state": part.state,
        "rejected": part.rejected,
        **_measure_columns(part.measures),
        "landedAt": stamp(part.landed_at) if part.landed_at else "",
        "settledAt": stamp(part.settled_at) if part.settled_at else "",
        "executionId": part.execution_id,
        "oddDays": part.odd_days,
        "unlinked": part.unlinked,
        "leftOut": part.left_out,
    }


def part_of(row: Any) -> Part:
    check(row, name_of(row))
    _, stage, generation, number, _, *path = row["RowKey"].split("|")
    return Part(
        subject=UUID(row["PartitionKey"]),
        stage=stage,
        generation=int(generation),
        number=int(number),
        company=row["company"],
        blob=row["blob"],
        rows=row["rows"],
        state=row["state"],
        rejected=row["rejected"],
        measures=_measures(row),
        landed_at=parse_stamp(row["landedAt"]) if row.get("landedAt") else None,
        settled_at=parse_stamp(row["settledAt"]) if row.get("settledAt") else None,
        execution_id=row.get("executionId", ""),
        odd_days=row.get("oddDays", 0),
        unlinked=row.get("unlinked", 0),
        path="".join(path),
        left_out=row.get("leftOut", 0),
        etag=row.metadata["etag"],
    )
