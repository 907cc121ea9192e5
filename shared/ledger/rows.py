"""The rows of one subject in the ledger: serialization of its run, its pages and its parts."""

import json
from collections.abc import Callable
from typing import Any
from uuid import UUID

from shared.clock import parse_stamp
from shared.ledger import history, progress
from shared.ledger.run import Page, Part, Run, known_state
from shared.tables.entities import Entities, Form
from shared.totals import Measured, Totals

RUN = "run"
_TEXT_LIMIT = 8000
# Measures with a column of their own. Earlier releases read no part without these columns.
_OWN_COLUMNS = ("billed", "fresh")
PROGRESS = Form(progress.write, progress.read)


def name_of(row: Any) -> str:
    kind, _, rest = row["RowKey"].partition("|")
    return f"the {kind} {rest + ' ' if rest else ''}of {row['PartitionKey']}"


def _of_key(place: int, form: Callable[[str], Any] = str) -> Callable[[Any], Any]:
    return lambda row: form(row["RowKey"].split("|")[place])


def _measure_columns(measures: Measured) -> dict[str, str]:
    others = {name: totals.to_json() for name, totals in measures.items() if name not in _OWN_COLUMNS}
    own = {name: measures.get(name, Totals()).to_json() for name in _OWN_COLUMNS}
    return {**own, "measures": json.dumps(others)} if others else own


def _measures(row: Any) -> dict[str, Totals]:
    texts = {name: row[name] for name in _OWN_COLUMNS} | json.loads(row.get("measures") or "{}")
    return {name: Totals.from_json(text) for name, text in texts.items()}


_SUBJECT = {"subject": lambda row: UUID(row["PartitionKey"])}
_OF_READING = {**_SUBJECT, "stage": _of_key(1), "generation": _of_key(2, int), "number": _of_key(3, int)}
_RUN = Entities(
    Run,
    name_of,
    others=_SUBJECT,
    forms={"progress": PROGRESS, "history": Form(history.write, history.read)},
    limits=dict.fromkeys(("detail", "posting_detail", "wait", "compared"), _TEXT_LIMIT),
)
_PAGE = Entities(Page, name_of, others=_OF_READING)
_PART = Entities(
    Part,
    name_of,
    others={**_OF_READING, "path": lambda row: "".join(row["RowKey"].split("|")[5:]), "measures": _measures},
)
run_of, page_of, part_of = _RUN.value, _PAGE.value, _PART.value


def page_key(stage: str, generation: int, number: int) -> str:
    # With leading zeros, so that storage returns pages in the order of their numbers.
    return f"page|{stage}|{generation:04}|{number:06}"


def entity_of_run(run: Run) -> dict[str, Any]:
    return {"PartitionKey": str(run.subject), "RowKey": RUN, **_RUN.columns(run)}


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


def entity_of_page(page: Page) -> dict[str, Any]:
    key = page_key(page.stage, page.generation, page.number)
    return {"PartitionKey": str(page.subject), "RowKey": key, **_PAGE.columns(page)}


def entity_of_part(part: Part) -> dict[str, Any]:
    keys = {"PartitionKey": str(part.subject), "RowKey": part.row_key}
    return {**keys, **_PART.columns(part), **_measure_columns(part.measures)}
