"""Sends one claimed shipment to Finance: write URL, package, upload, import.

The ledger stores the execution id before Finance gets it. After a lost answer the import is looked up and never sent
again without that (`shared/engine/settling.py`).
"""

from collections.abc import Sequence
from datetime import timedelta

from azure.core.exceptions import AzureError

from shared.engine import troubles
from shared.engine.landed_rows import landed_bytes
from shared.engine.messages import Settle, Ship
from shared.engine.ports import Ports
from shared.engine.targets.data_package import build
from shared.errors import (
    ContractBroken,
    NewerVersion,
    NotPermitted,
    SignInFailed,
    Throttled,
    Unavailable,
)
from shared.ledger.shipments import Cargo, ImportStep, Shipment
from shared.maps.table_map import TableMap
from shared.storage.known_maps import MapReplaced
from shared.storage.landing import PartLost

_SOON = timedelta(seconds=1)
# Even a small import takes seconds. Only one that fails at once ends sooner.
_FIRST_WAIT = timedelta(seconds=3)
_STEADY_LOOKS = 6
# More steps than any pace needs. Without this limit the power would exceed the range of a timedelta.
_SLOWEST = 30


class MixedMaps(Exception):
    """Parts that were written by different maps are in one shipment, as an older version of the app has chosen them.
    No single header fits all of them."""


async def send(ports: Ports, shipment: Shipment) -> None:
    """Send a shipment whose lease this worker holds. Raises Refused if Finance refuses it. On every other error the
    lease is released, so that the next poll can retry at once."""
    try:
        await _send(ports, shipment)
    except (Throttled, Unavailable, SignInFailed, NotPermitted, ContractBroken, PartLost, NewerVersion, AzureError):
        standing = await ports.dock.shipment(shipment.stage, shipment.ticket)
        if standing and standing.step == ImportStep.CLAIMED:
            await ports.dock.save(standing, lease_until=ports.now())
        raise


async def _send(ports: Ports, shipment: Shipment) -> None:
    was_sent_before = shipment.upload_expires is not None
    if was_sent_before and await ports.finance.counts(shipment.execution_id) is not None:
        await look_in_time(ports, await ports.dock.save(shipment, step=ImportStep.RUNNING))
        return
    cargo = await ports.dock.cargo(shipment)
    _refuse_replaced(ports, cargo)
    upload = await ports.finance.write_url(f"{shipment.execution_id}.zip")
    # One data project per lane: Finance runs one import per project at a time (DMF1996 otherwise).
    project = f"{ports.settings.finance_project}-{shipment.stage}-{shipment.lane + 1}"
    table_map = await _map_of(ports, cargo)
    parts = [landed_bytes(ports, item) for item in cargo]
    with await build(table_map, project, parts, without=ports.maps[shipment.stage].owned) as package:
        await ports.finance.upload(upload, package)
    # Stored before the call: after a crash the import is looked up by this execution id.
    sending = await ports.dock.save(
        shipment, step=ImportStep.SENDING, upload_expires=upload.expires, sent_at=ports.now()
    )
    try:
        await ports.finance.start_import(
            project=project, execution_id=shipment.execution_id, company=shipment.company, package_url=upload.url
        )
    except (Throttled, NotPermitted, SignInFailed):
        # The request was rejected before anything could start.
        await ports.dock.save(sending, step=ImportStep.CLAIMED)
        raise
    except Unavailable as error:
        await _leave_in_doubt(ports, sending, error)
        return
    await look_in_time(ports, await ports.dock.save(sending, step=ImportStep.RUNNING))


def _refuse_replaced(ports: Ports, cargo: Sequence[Cargo]) -> None:
    """A wrong label or column in a map is corrected by a deployment, which must also help parts that were read
    before. Raises MapReplaced for a part that keeps failing and whose map is not the present one."""
    for item in cargo:
        if item.keeps_failing and item.written_by != ports.maps[item.stage].digest:
            raise MapReplaced(item.blob)


async def _map_of(ports: Ports, cargo: Sequence[Cargo]) -> TableMap:
    """The map that wrote all these parts, which need not be in use any more."""
    maps = {table_map.digest: table_map for table_map in [await ports.known_maps.of(c.stage, c.blob) for c in cargo]}
    if len(maps) != 1:
        raise MixedMaps(f"{len(cargo)} parts were written by {len(maps)} maps")
    return next(iter(maps.values()))


async def _leave_in_doubt(ports: Ports, shipment: Shipment, error: Unavailable) -> None:
    """It is unknown whether the import has begun. Polling finds out, and other parts use another lane meanwhile."""
    await troubles.note(ports, error, _SOON)
    await look_again(ports, shipment, _SOON)
    await ports.queues.send(Ship(stage=shipment.stage))


async def look_again(ports: Ports, shipment: Shipment, delay: timedelta = timedelta()) -> None:
    """Have the shipment polled after `delay`, as poll number `polls`."""
    await ports.queues.send(Settle(stage=shipment.stage, ticket=shipment.ticket, look=shipment.polls), delay=delay)


async def look_in_time(ports: Ports, shipment: Shipment) -> None:
    """Have the shipment polled when its import may be finished."""
    looks = shipment.polls - shipment.looks_before
    await look_again(ports, shipment, pace(looks, timedelta(seconds=ports.settings.poll_longest)))


def pace(look: int, longest: timedelta) -> timedelta:
    """The delay before poll number `look` of an import: first as long as a small import takes, then a second each,
    then growing up to `longest`."""
    steps = min(max(0, look - _STEADY_LOOKS), _SLOWEST)
    return min(timedelta(seconds=1.4**steps) if look else _FIRST_WAIT, longest)
