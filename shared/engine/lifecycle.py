"""How a run ends. The words in `detail` are what the operator reads: what is wrong, and what to do next."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from shared.engine.ports import Ports
from shared.errors import LeaseLost
from shared.ledger.progress import Progress
from shared.ledger.run import State
from shared.log import event

_TRIES = 5
_POSTED_ANEW = {"posting": "not posted", "posting_detail": "", "written_back_at": None}
"""A run that was completed before may have sent more rows since: whether all are posted is looked up again."""


async def end_posting(ports: Ports, invoice_id: UUID, detail: str) -> None:
    """Say of a completed run that its write-back has stopped, and why; the run itself stays completed."""
    for _ in range(_TRIES):
        run = await ports.ledger.run(invoice_id)
        if run is None or run.state != State.COMPLETED:
            return
        try:
            await ports.ledger.save(run, posting="failed", posting_detail=detail)
        except LeaseLost:
            continue
        event("write-back stopped", runId=run.run_id, invoiceId=invoice_id)
        return
    raise LeaseLost(f"run of {invoice_id} changes all the time")


def _first_look(ports: Ports) -> dict[str, Any]:
    """A run that is completed is looked at again later: Dataverse may write rows after its status."""
    first = next(iter(ports.settings.looks_after), None)
    return {"looks": 0, "look_at": ports.now() + first if first else None}


async def end(
    ports: Ports,
    invoice_id: UUID,
    state: State,
    detail: str,
    *,
    rejected: int = 0,
    progress: Mapping[str, Progress] | None = None,
) -> None:
    """Put a run into a final state, unless it is in one already. `rejected` counts its open rejected rows."""
    for _ in range(_TRIES):
        run = await ports.ledger.run(invoice_id)
        if run is None or run.state.is_final:
            return
        changes = {**_POSTED_ANEW, **_first_look(ports)} if state == State.COMPLETED else {}
        try:
            await ports.ledger.save(
                run,
                state=state,
                detail=detail,
                rejected=rejected,
                wait="",
                wait_since=None,
                progress=run.progress if progress is None else progress,
                **changes,
            )
        except LeaseLost:
            continue
        event("run ended", runId=run.run_id, invoiceId=invoice_id, state=state, count=rejected)
        return
    raise LeaseLost(f"run of {invoice_id} changes all the time")
