"""Sends actuals without a confirmed invoice: costs and unbilled sales.

They are landed, shipped and settled like those of an invoice, in the ledger partition of the search that found them.
There is no run, so nothing follows when their parts are settled.
"""

from collections.abc import Sequence
from uuid import UUID

from relay_contract.out_of_sync import Loose, Refusal
from shared.engine.loading import land, put_on_dock
from shared.engine.ports import Ports
from shared.ledger.run import Page, Part
from shared.maps.transforms import Row
from shared.project_operations.actual_batches import write_actuals
from shared.project_operations.codes import ACTUALS

_READING = 1
_SHOWN = 200


async def consign(ports: Ports, owner: UUID, number: int, rows: Sequence[Row]) -> None:
    """Send actuals as page `number` of their owner. Idempotent. Raises LeaseLost."""
    await ports.ledger.open_page(Page(owner, ACTUALS, _READING, number))
    page = await ports.ledger.page(owner, ACTUALS, _READING, number)
    if page is not None and not page.read:
        batches, rejected = write_actuals(ports, [], rows)
        parts = [await land(ports, page, batch) for batch in batches]
        await ports.rejections.keep(owner, rejected)
        # Last: a page that a crash left open is landed again, and the same rows under the same names do no harm.
        await ports.ledger.close_page(page, parts, last=True)
    landed = await _parts(ports, owner)
    await put_on_dock(ports, [part for part in landed if part.number == number and part.state == "landed"])


async def describe_consignment(ports: Ports, owner: UUID) -> Loose:
    """The numbers of rows sent, in Finance and rejected."""
    parts = await _parts(ports, owner)
    rejected = await ports.rejections.of(owner)
    settled = [part for part in parts if part.state == "settled"]
    return Loose(
        rows=sum(part.rows for part in parts),
        in_finance=sum(part.rows - part.rejected for part in settled),
        under_way=sum(part.rows for part in parts if part.state != "settled"),
        rejections=len(rejected),
        rejected=[Refusal(actual_id=row.source_id, text=row.text) for row in rejected[:_SHOWN]],
    )


async def _parts(ports: Ports, owner: UUID) -> list[Part]:
    return await ports.ledger.parts(owner, ACTUALS, _READING)
