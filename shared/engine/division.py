"""Splits work that failed as a whole: parts of one file are separated, and a single part is halved.

A part is divided in the ledger first, in one transaction. Then its halves are put on the dock and the part is removed.
A worker that finds a part on the dock that is no longer in the ledger finishes a division that was interrupted.
"""

from dataclasses import replace

from shared.engine.landed_rows import landed_rows
from shared.engine.ports import Ports
from shared.ledger.rejected_rows import measured, rejected_row
from shared.ledger.run import Part
from shared.ledger.shipments import Cargo
from shared.log import event
from shared.storage.landing import encode
from shared.totals import minus


async def divide(ports: Ports, item: Cargo) -> None:
    """Halve a waiting part. Raises LeaseLost when a concurrent worker has taken it."""
    part = await ports.ledger.part(item.subject, item.part_key)
    if part is not None and part.state != "settled":
        pieces = await _halves(ports, part)
        await ports.ledger.divide(part, pieces)
        event("part halved", subject=item.subject, stage=item.stage, rows=part.rows)
    await put_pieces_on_dock(ports, item)
    await ports.dock.take_off(item)


async def put_pieces_on_dock(ports: Ports, cargo: Cargo) -> None:
    """Put the halves of a divided part on the dock. Idempotent."""
    for piece in await ports.ledger.pieces(cargo.subject, cargo.part_key):
        if piece.state == "landed":
            await ports.dock.land(piece)


async def _halves(ports: Ports, part: Part) -> list[Part]:
    landed = await landed_rows(ports, part)
    rows, middle = landed.rows, len(landed.rows) // 2
    # The totals of the first half are computed from its rows, those of the second are the rest.
    named = [rejected_row(landed.table_map, part.stage, row, "application", "") for row in rows[:middle]]
    measures = measured(named, ports.job.step(part.stage))
    first = replace(part, path=f"{part.path}0", rows=middle, measures=measures)
    second = replace(part, path=f"{part.path}1", rows=len(rows) - middle, odd_days=0, unlinked=0)
    second = replace(second, measures=minus(part.measures, measures))
    halves = zip((first, second), (rows[:middle], rows[middle:]), strict=True)
    return [replace(half, blob=await ports.landing.write_beside(part.blob, encode(some))) for half, some in halves]
