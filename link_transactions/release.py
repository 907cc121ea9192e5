"""The connections were read with their actuals and held back; now that every actual is in Finance they may go."""

from shared.handover import Account, hand_over
from shared.loading import put_on_dock
from shared.messages import Load, Verify
from shared.ports import Ports
from shared.run import Run, State
from shared.stages import Stage


async def release(ports: Ports, message: Load) -> None:
    """Make the held connections of an invoice ready."""
    run = await ports.ledger.run(message.invoiceId)
    if run is None or run.state.is_final or run.generation != message.generation:
        return
    parts = await ports.ledger.parts(message.invoiceId, Stage.CONNECTIONS, message.generation)
    for part in parts:
        if part.state == "held":
            await ports.ledger.save_part(part, state="landed")
    await put_on_dock(ports, [part for part in parts if part.state != "settled"])
    if all(part.state == "settled" for part in parts):
        await hand_over(ports, message.invoiceId, Stage.CONNECTIONS, message.generation, after_connections)


async def after_connections(ports: Ports, run: Run, account: Account) -> None:
    """Everything was sent: compare."""
    del account
    if run.state == State.LINKING:
        await ports.ledger.save(run, state=State.VERIFYING)
    await ports.queues.send(Verify(stage=Stage.CONNECTIONS, invoiceId=run.invoice_id, generation=run.generation))
