"""ship: lease a lane, take what is ready for one map and one company, and start one import.

An import costs seconds however small it is, and a data project takes one at a time, so whatever is ready when a lane
is free goes in one package. A shipment is named by the ticket of its ship message: a second delivery finds it.
"""

from shared.engine import newer
from shared.errors import LeaseLost
from shared.handover import After
from shared.messages import Ship
from shared.ports import Ports
from shared.sending import look_again
from shared.settling import start
from shared.shipment import Shipment, View, choose
from shared.stages import Stage

_CLAIM_TRIES = 5
_NOT_WORTH_DIVIDING = 5000


async def ship(ports: Ports, message: Ship, *, after: After) -> None:
    """Start one import, if there is something to send and a lane to send it by."""
    shipment = await ports.dock.shipment(message.stage, message.ticket)
    if shipment is not None:
        await look_again(ports, shipment)
        return
    shipment = await _claim(ports, message)
    if shipment is not None:
        await start(ports, shipment, after)


def _share(ports: Ports, stage: Stage, view: View) -> int:
    """How many rows one import takes: what is ready, spread evenly over the lanes that are free, for they work at the
    same time. A few thousand are not worth a second import."""
    free = ports.settings.lanes(stage) - view.taken_lanes
    rows = sum(cargo.rows for cargo in view.ready)
    return min(max(-(-rows // max(1, free)), _NOT_WORTH_DIVIDING), ports.settings.shipment_rows)


async def _claim(ports: Ports, message: Ship) -> Shipment | None:
    for _ in range(_CLAIM_TRIES):
        view = await ports.dock.view(message.stage)
        if view.newer:
            await newer.tell(ports, message.stage, view.newer[0])
        for stalled in view.stalled(ports.now()):
            await look_again(ports, stalled)
        ready = view.ready
        if not ready:
            return None
        chosen = choose(ready, _share(ports, message.stage, view))
        lane = view.free_lane(ports.settings.lanes(message.stage), max(cargo.tries for cargo in chosen))
        if lane is None:
            return None
        try:
            shipment = await ports.dock.claim(view, chosen, lane=lane, ticket=message.ticket)
        except LeaseLost:
            continue
        if len(chosen) < len(ready):
            await ports.queues.send(Ship(stage=message.stage))
        return shipment
    raise LeaseLost(f"the dock of {message.stage} is crowded")
