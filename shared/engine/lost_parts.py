"""A landed part that was deleted or changed in storage, or whose map is lost: its rows are read again from Dataverse.

The part is neither sent nor used as evidence. Rows that were sent before are sent again, which is harmless because
Finance updates them by key. The run shows the reason.
"""

import logging
from uuid import UUID

from shared.engine.lifecycle import end, read_again
from shared.engine.messages import MOST_READINGS, Load
from shared.engine.ports import Ports
from shared.errors import LeaseLost, NeedsAttention
from shared.ledger.run import BEFORE_ACTUALS, Part, Run, State
from shared.log import event
from shared.storage.landing import LandedName, PartLost


async def read_anew(ports: Ports, lost: PartLost) -> None:
    """Have the rows of a lost part read again. One new reading covers all lost parts of a run. Raises LeaseLost if
    the run has changed meanwhile."""
    subject = UUID(LandedName.parse(lost.name).folder.partition("/")[0])
    # A part that is not in the ledger was divided or replaced meanwhile.
    part = next((each for each in await ports.ledger.all_parts(subject) if each.blob == lost.name), None)
    if part is None:
        return
    run = await ports.ledger.run(subject)
    facts = {"subject": subject, "stage": part.stage, "page": part.number, "rows": part.rows}
    event("part lost", severity=logging.ERROR, error=type(lost).__name__, **facts)
    if run is None:
        await _give_up(ports, part)
    elif ports.job.step(part.stage).readOnce:
        await _read_header(ports, run, part, lost.reason)
    elif part.generation == run.generation:
        await _read_actuals(ports, run, part, lost.reason)


async def _give_up(ports: Ports, part: Part) -> None:
    """Actuals that were sent without a run cannot be read again by one. They stay out of sync, and the next search
    finds them."""
    if part.state != "settled":
        await ports.ledger.save_part(part, state="settled", rejected=part.rows, settled_at=ports.now())


async def _read_header(ports: Ports, run: Run, part: Part, why: str) -> None:
    """A later reading does not include the header, so its page is reopened."""
    page = await ports.ledger.page(run.subject, part.stage, part.generation, part.number)
    if page is None or part.state == "settled":
        return
    if not run.state.is_final:
        run = await ports.ledger.save(run, wait=_reason(part, why), wait_since=ports.now())
    await ports.ledger.reopen_page(page, [part])
    again = Load(stage=part.stage, subject=run.subject, generation=run.generation, page=part.number)
    await ports.queues.send(again)


async def _read_actuals(ports: Ports, run: Run, part: Part, why: str) -> None:
    if run.state in BEFORE_ACTUALS:
        # The actuals wait for their header, and no new reading may start before it.
        raise LeaseLost(f"part {part.row_key} is lost before its header is in Finance")
    if run.state == State.COMPLETED:
        return
    if run.state.is_final:
        # A stopped run is not restarted here. When it is replayed, the higher generation makes it read everything
        # again.
        if run.generation < MOST_READINGS:
            await ports.ledger.save(run, generation=run.generation + 1)
        return
    try:
        await read_again(ports, run, _reason(part, why))
    except NeedsAttention as attention:
        await end(ports, run.subject, State.NEEDS_ATTENTION, str(attention))


def _reason(part: Part, why: str) -> str:
    rows = "1 row" if part.rows == 1 else f"{part.rows} rows"
    return f"a landed part of {part.stage} ({rows}, page {part.number}) {why}: its rows are read again"
