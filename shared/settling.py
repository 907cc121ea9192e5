"""settle: look at one import, book what came of it, free its lane, and hand the invoices on.

Polling is a message with a delay, never a sleeping function. An import that Finance does not find is either too young
or never arrived; only when its upload URL has expired without a trace is it sent again, under a new execution id.
"""

import logging
from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from shared.errors import LeaseLost, Refused
from shared.finance import ImportStatus
from shared.handover import After, hand_over
from shared.landing import PartLost
from shared.log import event
from shared.messages import Settle, Ship
from shared.outcome import NO_TRACE, Outcome, outcome_of, refuse_all
from shared.ports import Ports
from shared.rejected import RejectedRow, totals_of
from shared.sending import MixedMaps, look_again, look_in_time, send
from shared.shipment import Cargo, Shipment, Step, new_execution_id

_MOST_TRIES = 6
_PASSING = ("DMF042", "DMF1968", "DMF1995", "DMF1996", "DMF1997", "DMF2003", "DMF2008", "DMF2025", "DMF2028", "DMF2048")
"""Data Management's codes for what passes by itself: service unreachable, deadlock, busy project, SQL time-out."""


async def settle(ports: Ports, message: Settle, *, after: After) -> None:
    """Bring one shipment forward."""
    shipment = await ports.dock.shipment(message.stage, message.ticket)
    if shipment is None or (message.look is not None and message.look < shipment.polls):
        return
    if shipment.step == Step.CLAIMED:
        await _take_over(ports, shipment, after)
    elif shipment.step == Step.FINISHED:
        status = await ports.finance.status(shipment.execution_id)
        await _book(ports, shipment, status or ImportStatus.UNKNOWN, after)
    else:
        await _poll(ports, shipment, max(message.look or 0, shipment.polls), after)


async def start(ports: Ports, shipment: Shipment, after: After) -> None:
    """Send a shipment that this worker has just claimed."""
    try:
        await send(ports, shipment)
    except PartLost:
        if not await _drop_booked(ports, shipment):
            raise
    except MixedMaps:
        await ports.queues.send(Ship(stage=shipment.stage), delay=timedelta(seconds=2))
        await ports.dock.put_back(shipment, await ports.dock.cargo(shipment), level=shipment.level)
    except Refused as refusal:
        standing = await ports.dock.shipment(shipment.stage, shipment.ticket)
        if standing is None:
            raise LeaseLost(f"shipment {shipment.ticket}") from refusal
        await _fail_whole(ports, await ports.dock.finish(standing), refusal.text, after)


async def _drop_booked(ports: Ports, shipment: Shipment) -> bool:
    """Take the parts off the dock of which nothing needs to be sent any more, if there are any; the others of the
    shipment wait for a lane again. A late copy of a load message can put a part on the dock once more after its run was
    completed, and who died over a shipment may have been overtaken by another reading."""
    cargo = await ports.dock.cargo(shipment)
    booked = await _booked(ports, cargo)
    if booked:
        await ports.queues.send(Ship(stage=shipment.stage), delay=timedelta(seconds=2))
        left, gone = _divided(cargo, booked)
        await ports.dock.put_back(shipment, left, level=shipment.level, drop=gone)
    return bool(booked)


async def _take_over(ports: Ports, shipment: Shipment, after: After) -> None:
    if shipment.lease_until > ports.now():
        await look_again(ports, shipment, shipment.lease_until - ports.now())
    elif not await _drop_booked(ports, shipment):
        await start(ports, await ports.dock.save(shipment), after)


async def _poll(ports: Ports, shipment: Shipment, look: int, after: After) -> None:
    status = await ports.finance.status(shipment.execution_id)
    if status is None and await _never_arrived(ports, shipment):
        await _send_anew(ports, shipment, after)
    elif status is None or not status.is_final:
        # The next look's message goes first: while the present look is not noted as taken, its own message counts.
        polled = replace(shipment, polls=look + 1)
        await look_in_time(ports, polled)
        await ports.dock.save(shipment, polls=polled.polls)
    else:
        finished = await ports.dock.finish(shipment)
        event("import over", status=status, **_facts(shipment))
        await ports.queues.send(Ship(stage=shipment.stage))
        await _book(ports, finished, status, after)


async def _send_anew(ports: Ports, shipment: Shipment, after: After) -> None:
    event("import never arrived", severity=logging.WARNING, **_facts(shipment))
    if shipment.attempts >= _MOST_TRIES:
        text = f"Finance never took the import up, {shipment.attempts} times; its last answers are in the app's log"
        await _fail_whole(ports, await ports.dock.finish(shipment), text, after)
        return
    renewed = await ports.dock.save(
        shipment,
        step=Step.CLAIMED,
        execution_id=new_execution_id(shipment.stage),
        upload_expires=None,
        attempts=shipment.attempts + 1,
    )
    await start(ports, renewed, after)


async def _never_arrived(ports: Ports, shipment: Shipment) -> bool:
    if shipment.upload_expires is None or shipment.upload_expires > ports.now():
        return False
    return await ports.finance.counts(shipment.execution_id) is None


async def _book(ports: Ports, shipment: Shipment, status: ImportStatus, after: After) -> None:
    cargo = await ports.dock.cargo(shipment)
    booked = await _booked(ports, cargo)
    is_booked = len(booked) == len(cargo)
    outcome = Outcome() if is_booked else await outcome_of(ports, shipment, status, cargo, booked)
    if outcome.whole:
        await _fail_whole(ports, shipment, outcome.whole, after)
        return
    await _settle_parts(ports, shipment, cargo, outcome, after)


async def _booked(ports: Ports, cargo: Sequence[Cargo]) -> dict[str, int]:
    """The parts of which nothing is to be told any more, and their rejected rows: those that somebody booked who died
    before the dock was cleared, and those of an earlier reading, whose rows the present one sends and tells of anew."""
    runs = {invoice_id: await ports.ledger.run(invoice_id) for invoice_id in {item.invoice_id for item in cargo}}
    booked = {}
    for item in cargo:
        part, run = await ports.ledger.part(item.invoice_id, item.part_key), runs[item.invoice_id]
        if part is None or part.state == "settled":
            booked[item.row_key] = part.rejected if part else 0
        elif run is not None and item.generation < run.generation:
            booked[item.row_key] = 0
    return booked


def _divided(cargo: Sequence[Cargo], booked: Collection[str]) -> tuple[list[Cargo], list[Cargo]]:
    """What is not booked, and what is."""
    return [item for item in cargo if item.row_key not in booked], [item for item in cargo if item.row_key in booked]


async def _settle_parts(
    ports: Ports, shipment: Shipment, cargo: Sequence[Cargo], outcome: Outcome, after: After
) -> None:
    for item in cargo:
        await _settle_part(ports, shipment, item, outcome.rejected.get(item.row_key, []))
    for invoice_id, generation in {(item.invoice_id, item.generation) for item in cargo}:
        await hand_over(ports, invoice_id, shipment.stage, generation, after)
    await ports.dock.remove(shipment, cargo)
    refused = sum(map(len, outcome.rejected.values()))
    await ports.throughput.count(shipment.stage, rows=shipment.rows - refused, rejected=refused)


async def _settle_part(ports: Ports, shipment: Shipment, cargo: Cargo, rejected: Sequence[RejectedRow]) -> None:
    """From now on the part's totals are those of the rows that Finance has. What was booked once is not booked again:
    its rejected rows may have been replayed or dismissed since."""
    part = await ports.ledger.part(cargo.invoice_id, cargo.part_key)
    if part is not None and part.state != "settled":
        await ports.rejections.keep(cargo.invoice_id, rejected)
        await ports.ledger.save_part(
            part,
            state="settled",
            rejected=len(rejected),
            billed=part.billed - totals_of(rejected, billed=True),
            fresh=part.fresh - totals_of(rejected, billed=False),
            settled_at=ports.now(),
            execution_id=shipment.execution_id,
        )


async def _fail_whole(ports: Ports, shipment: Shipment, text: str, after: After) -> None:
    """A file failed as a whole: try what passes by itself again, then smaller files, then give the rows up."""
    cargo = await ports.dock.cargo(shipment)
    level = _next_level(shipment, cargo)
    passing = any(words in text for words in (*_PASSING, NO_TRACE)) and max(item.tries for item in cargo) < _MOST_TRIES
    if passing or level is not None:
        event("import failed as a whole", severity=logging.WARNING, parts=len(cargo), **_facts(shipment))
        again = 1 if passing else len(cargo)
        for _ in range(again):
            await ports.queues.send(Ship(stage=shipment.stage), delay=timedelta(seconds=15 if passing else 2))
        await ports.dock.put_back(shipment, cargo, level=shipment.level if passing or level is None else level)
        return
    left, _ = _divided(cargo, await _booked(ports, cargo))
    await _settle_parts(ports, shipment, cargo, await refuse_all(ports, left, text), after)


def _facts(shipment: Shipment) -> dict[str, Any]:
    return {
        "stage": shipment.stage,
        "ticket": shipment.ticket,
        "executionId": shipment.execution_id,
        "rows": shipment.rows,
        "level": shipment.level,
    }


def _next_level(shipment: Shipment, cargo: Sequence[Cargo]) -> int | None:
    if len({item.invoice_id for item in cargo}) > 1:
        return 1
    return 2 if len(cargo) > 1 else None
