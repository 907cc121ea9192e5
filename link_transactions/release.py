"""Releases the connections, which were read with their actuals and held back until all actuals are in Finance."""

from collections.abc import Sequence

from link_transactions.verification import COMPARABLE, complete
from shared.engine.account import Account
from shared.engine.landed_rows import landed_rows
from shared.engine.lifecycle import advance, hand_over, plain_steps_are_over, verifying
from shared.engine.loading import put_on_dock
from shared.engine.messages import Load, Verify
from shared.engine.ports import Ports
from shared.ledger.rejected_rows import RejectedRow
from shared.ledger.run import Part, Run, State
from shared.project_operations.codes import ACTUALS, CONNECTIONS
from shared.project_operations.held_actuals import held_by_actual
from shared.services.odata import guid
from shared.storage.landing import encode


async def release(ports: Ports, message: Load) -> None:
    """Put the held connections of an invoice on the dock."""
    book = await ports.ledger.book(message.subject)
    run = book.run
    # Duplicate delivery while actuals are sent again: the worker that settles the last of them sends another message.
    if run is None or run.state not in COMPARABLE or run.generation != message.generation:
        return
    actuals = book.rejected(ACTUALS)
    parts = [
        await _free(ports, part, actuals) if part.state == "held" else part
        for part in book.parts(CONNECTIONS, message.generation)
    ]
    await put_on_dock(ports, [part for part in parts if part.state != "settled"])
    if all(part.state == "settled" for part in parts):
        await hand_over(ports, message.subject, CONNECTIONS, message.generation, after_connections)


async def _free(ports: Ports, part: Part, actuals: Sequence[RejectedRow]) -> Part:
    """Release a part, without the connections of dismissed actuals that Finance does not hold: Finance refuses a
    connection whose ends it does not hold. It may hold a dismissed row nevertheless, entered by hand or rejected by
    mistake."""
    dismissed = {guid(row.source_id) for row in actuals if row.status == "dismissed"}
    dismissed -= await held_by_actual(ports, dismissed)
    if not dismissed:
        return await ports.ledger.save_part(part, state="landed")
    landed = await landed_rows(ports, part)
    # By the map that wrote the part: a deployment may have moved these columns since.
    ends = [landed.table_map.position(f"TRANSACTION{number}ID") for number in (1, 2)]
    left = [row for row in landed.rows if not dismissed & {row[end].lower() for end in ends}]
    # Not over the old blob: its name says which bytes it holds, and the part names it until the line below.
    blob = await ports.landing.write_beside(part.blob, encode(left))
    return await ports.ledger.save_part(
        part, state="landed" if left else "settled", blob=blob, rows=len(left), left_out=part.rows - len(left)
    )


async def after_connections(ports: Ports, run: Run, account: Account) -> None:
    """The connections were sent, and once the steps after them were too, everything was. The comparison may have been
    made meanwhile."""
    if run.state == State.LINKING:
        if not await plain_steps_are_over(ports, run):
            return
        is_compared = run.verified == run.generation
        run = verifying(ports, run) if is_compared else await advance(ports, run, State.VERIFYING)
    if run.verified == run.generation:
        # Steps that are pure data may have been settled since the book was read.
        await complete(ports, run, await ports.ledger.book(run.subject) if ports.job.plain else account.book)
        return
    await ports.queues.send(Verify(stage=CONNECTIONS, subject=run.subject, generation=run.generation))
