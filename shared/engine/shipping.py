"""ship: leases a lane, takes what is ready for one map and one company, and starts one import.

Even a small import takes seconds, and a data project runs one at a time, so everything that is ready goes in one
package. The shipment is named by the ticket of its ship message, so that a second delivery finds it.
"""

from collections.abc import Sequence
from datetime import timedelta

from shared.engine import newer
from shared.engine.account import After
from shared.engine.division import divide
from shared.engine.messages import Ship, new_ticket
from shared.engine.next_try import evidence_since, halves, is_to_divide
from shared.engine.ports import Ports
from shared.engine.settling import start
from shared.engine.targets.finance_import import look_again
from shared.errors import LeaseLost
from shared.ledger.shipments import Cargo, Shipment, View, choose

# Ship messages of one map compete for the same lane rows.
_CLAIM_TRIES = 5
_NOT_WORTH_DIVIDING = 5000


async def ship(ports: Ports, message: Ship, *, after: After) -> None:
    """Start one import if parts are ready and a lane is free."""
    shipment = await _claim(ports, message)
    if shipment is not None:
        await start(ports, shipment, after)


def _lanes(ports: Ports, stage: str, view: View) -> int:
    """The number of lanes at present. A slow import does not count, so that others can use another lane."""
    slow = timedelta(seconds=ports.settings.slow_import)
    held_up = sum(shipment.holds_up(ports.now(), slow) for shipment in view.shipments.values())
    return view.lanes_for(ports.lanes(stage), held_up)


def _share(ports: Ports, view: View, ready: Sequence[Cargo], lanes: int) -> int:
    """The number of rows for one import: the ready rows, divided among the free lanes, which work concurrently. A
    few thousand rows are not worth a second import."""
    rows = sum(cargo.rows for cargo in ready)
    return min(max(-(-rows // max(1, lanes - view.taken_lanes)), _NOT_WORTH_DIVIDING), ports.settings.shipment_rows)


async def _claim(ports: Ports, message: Ship) -> Shipment | None:
    for _ in range(_CLAIM_TRIES):
        view = await _view(ports, message)
        if message.ticket in view.shipments:
            return None
        ready = view.due(ports.now())
        if not ready:
            return None
        lanes = _lanes(ports, message.stage, view)
        chosen = choose(ready, _share(ports, view, ready, lanes))
        if await _is_divided(ports, view, chosen, message):
            continue
        lane = view.free_lane(lanes, max(cargo.tries + cargo.refusals for cargo in chosen))
        if lane is None:
            return None
        try:
            shipment = await ports.dock.claim(view, chosen, lane=lane, ticket=message.ticket)
        except LeaseLost:
            continue
        # The rest needs another lane; this message is used up.
        if len(chosen) < len(ready):
            await ports.queues.send(Ship(stage=message.stage))
        return shipment
    raise LeaseLost(f"the dock of {message.stage} is crowded")


async def _view(ports: Ports, message: Ship) -> View:
    """The dock. Shipments without a living worker are looked at again, and that of this message, which was delivered
    before. Raises NewerVersion."""
    view = await ports.dock.view(message.stage)
    if view.newer:
        await newer.tell(ports, message.stage, view.newer[0])
    if message.ticket in view.foreign:
        raise view.newer[0]
    own = [each for each in view.shipments.values() if each.ticket == message.ticket]
    for shipment in own or view.stalled(ports.now()):
        await look_again(ports, shipment)
    return view


async def _is_divided(ports: Ports, view: View, chosen: Sequence[Cargo], message: Ship) -> bool:
    """Divide parts that failed and would fail again, so that the next iteration finds the halves."""
    since = evidence_since(chosen)
    works = since is not None and await ports.throughput.took_since(message.stage, since)
    if not is_to_divide(chosen, works=works, failing=view.failing):
        return False
    if len(chosen) > 1:
        await ports.dock.change(halves(chosen, new_ticket(), ports.now()))
    else:
        await divide(ports, chosen[0])
    return True
