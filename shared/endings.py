"""How a run ends. The words in `detail` are what the operator reads: what is wrong, and what to do next."""

from uuid import UUID

from shared.errors import LeaseLost
from shared.log import event
from shared.ports import Ports
from shared.run import State

_TRIES = 5


async def end(ports: Ports, invoice_id: UUID, state: State, detail: str, *, rejected: int = 0) -> None:
    """Put a run into a final state, unless it is in one already. `rejected` counts its open rejected rows."""
    for _ in range(_TRIES):
        run = await ports.ledger.run(invoice_id)
        if run is None or run.state.is_final:
            return
        try:
            await ports.ledger.save(run, state=state, detail=detail, rejected=rejected, wait="", wait_since=None)
        except LeaseLost:
            continue
        event("run ended", runId=run.run_id, invoiceId=invoice_id, state=state, count=rejected)
        return
    raise LeaseLost(f"run of {invoice_id} changes all the time")
