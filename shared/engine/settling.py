"""settle: polls one import, books its result, frees its lane, and starts the next stage of its runs.

Polling uses messages with a delay; no function sleeps. An import that Finance does not find is either not registered
yet or never arrived. After a lost answer it is looked up for a few minutes; after a good answer, for as long as
Finance may still fetch the package. Then it is sent again with a new execution id. An import that Finance does not
start, or that fails as a whole, goes back to the dock (`shared/engine/next_try.py`).
"""

import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from shared.engine.account import After
from shared.engine.division import put_pieces_on_dock
from shared.engine.lifecycle import hand_over
from shared.engine.messages import Settle, Ship
from shared.engine.next_try import failed, is_the_fault, turned_away
from shared.engine.ports import Ports
from shared.engine.targets.finance_import import MixedMaps, look_again, look_in_time, send
from shared.engine.targets.import_result import Outcome, outcome_of, refuse_all
from shared.errors import LeaseLost, Refused, UploadRefused
from shared.ledger.book import Book
from shared.ledger.rejected_rows import RejectedRow, measured
from shared.ledger.run import Part
from shared.ledger.shipments import Cargo, ImportStep, Shipment, new_execution_id
from shared.log import event
from shared.services.finance import ImportStatus
from shared.storage.landing import PartLost
from shared.totals import minus

# The time until the dock is examined again after a shipment was dissolved.
_NOTHING_LEFT_IN = timedelta(seconds=2)


async def settle(ports: Ports, message: Settle, *, after: After) -> None:
    """Take the next step of one shipment."""
    shipment = await ports.dock.shipment(message.stage, message.ticket)
    if shipment is None or (message.look is not None and message.look < shipment.polls):
        return
    if shipment.step == ImportStep.CLAIMED:
        await _take_over(ports, shipment, after)
    elif shipment.step == ImportStep.FINISHED:
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
        await ports.dock.put_back(shipment, await ports.dock.cargo(shipment))
    except Refused as refusal:
        await _turn_away(ports, shipment, refusal.text or f"HTTP {refusal.status} without a word")
    except UploadRefused as refusal:
        await _turn_away(ports, shipment, refusal.reason)


async def _turn_away(ports: Ports, shipment: Shipment, text: str) -> None:
    """Finance refused the start. That says nothing about any row. The lane is freed for other parts."""
    standing = await ports.dock.shipment(shipment.stage, shipment.ticket)
    if standing is None:
        raise LeaseLost(f"shipment {shipment.ticket}")
    event("import refused", severity=logging.WARNING, **_facts(standing))
    cargo = await ports.dock.cargo(standing)
    back = turned_away(cargo, standing.ticket, f"Finance did not start the import: {text}", ports.now())
    await _put_back(ports, standing, back)


async def _put_back(ports: Ports, shipment: Shipment, back: Sequence[Cargo], drop: Sequence[Cargo] = ()) -> None:
    """Put the parts back for their next try. Their ship message is sent first; another one, without delay, ships
    other parts."""
    due = max((item.not_before or ports.now() for item in back), default=ports.now())
    await ports.queues.send(Ship(stage=shipment.stage), delay=due - ports.now())
    await ports.dock.put_back(shipment, back, drop=drop)
    await ports.queues.send(Ship(stage=shipment.stage))


async def _drop_booked(ports: Ports, shipment: Shipment) -> bool:
    """Take the parts off the dock that need not be sent any more. Returns whether there were any; then the others of
    the shipment wait for a lane again.

    A duplicate load message can put a part on the dock again after its run was completed. And after a crash over a
    shipment, a newer reading may have replaced its parts.
    """
    cargo = await ports.dock.cargo(shipment)
    booked, _ = await _booked(ports, cargo)
    if booked:
        await ports.queues.send(Ship(stage=shipment.stage), delay=_NOTHING_LEFT_IN)
        left, gone = _divided(cargo, booked)
        await ports.dock.put_back(shipment, left, drop=gone)
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
        # Send the message for the next poll first. Until the current poll is recorded, its own message stays valid.
        polled = replace(shipment, polls=look + 1)
        await look_in_time(ports, polled)
        known = await ports.dock.save(shipment, polls=polled.polls, step=_step(shipment, status))
        if known.holds_up(ports.now(), timedelta(seconds=ports.settings.slow_import)):
            await ports.queues.send(Ship(stage=shipment.stage))
    else:
        finished = await ports.dock.finish(shipment)
        event("import over", status=status, **_facts(shipment))
        await ports.queues.send(Ship(stage=shipment.stage))
        await _book(ports, finished, status, after)


def _step(shipment: Shipment, status: ImportStatus | None) -> ImportStep:
    """An import that Finance shows has been started, even if the answer to its start was lost."""
    return shipment.step if status is None else ImportStep.RUNNING


async def _send_anew(ports: Ports, shipment: Shipment, after: After) -> None:
    """Send it with a new execution id. If the lost import runs after all, the same rows are written twice, by key."""
    event("import never arrived", severity=logging.WARNING, **_facts(shipment))
    renewed = await ports.dock.save(
        shipment,
        step=ImportStep.CLAIMED,
        execution_id=new_execution_id(shipment.stage),
        upload_expires=None,
        attempts=shipment.attempts + 1,
        looks_before=shipment.polls,
    )
    await start(ports, renewed, after)


async def _never_arrived(ports: Ports, shipment: Shipment) -> bool:
    until = given_up_at(shipment, timedelta(seconds=ports.settings.doubtful_start))
    if until is None or until > ports.now():
        return False
    # A 400 alone does not prove it: Finance answers 400 also for an import that is not registered yet.
    return await ports.finance.counts(shipment.execution_id) is None


def given_up_at(shipment: Shipment, patience: timedelta) -> datetime | None:
    """When an import that Finance does not find is sent again: `patience` after a lost answer, and in any case when
    the package can no longer be fetched."""
    if shipment.step == ImportStep.SENDING and shipment.sent_at and shipment.upload_expires:
        return min(shipment.sent_at + patience, shipment.upload_expires)
    return shipment.upload_expires


async def _book(ports: Ports, shipment: Shipment, status: ImportStatus, after: After) -> None:
    cargo = await ports.dock.cargo(shipment)
    booked, books = await _booked(ports, cargo)
    is_booked = len(booked) == len(cargo)
    outcome = Outcome() if is_booked else await outcome_of(ports, shipment, status, cargo, booked)
    outcome = await _condemned(ports, shipment, cargo, outcome)
    again = [item for item in cargo if item.row_key in outcome.again]
    decided = [item for item in cargo if item.row_key not in outcome.again]
    known = await _settle_parts(ports, shipment, decided, outcome, books)
    for subject, generation in {(item.subject, item.generation) for item in decided}:
        await hand_over(ports, subject, shipment.stage, generation, after, known=known[subject])
    if again:
        event("import failed", severity=logging.WARNING, **_facts(shipment))
        back = failed(again, shipment.ticket, outcome.why, ports.now(), partly=outcome.partly)
        await _put_back(ports, shipment, back, decided)
    else:
        await ports.dock.remove(shipment, cargo)
    await _count(ports, shipment, decided, outcome)


async def _condemned(ports: Ports, shipment: Shipment, cargo: Sequence[Cargo], outcome: Outcome) -> Outcome:
    """The same outcome, except that a row alone in its file is rejected if it is shown to be the fault."""
    if shipment.rows > 1 or not outcome.again:
        return outcome
    [item] = cargo
    stage, since = str(shipment.stage), item.failed_at
    works = since is not None and await ports.throughput.took_since(stage, since)
    worked_before = item.formed_at is not None and await ports.throughput.took_since(stage, item.formed_at)
    if not is_the_fault(item, ports.now(), works=works, worked_before=worked_before):
        return outcome
    alone = f"{outcome.why} (sent alone {item.tries + 1} times)"
    return Outcome({item.row_key: await refuse_all(ports, item, alone)})


async def _count(ports: Ports, shipment: Shipment, decided: Sequence[Cargo], outcome: Outcome) -> None:
    refused = sum(map(len, outcome.rejected.values()))
    taken = sum(item.rows for item in decided) - refused
    if decided:
        await ports.throughput.count(shipment.stage, rows=taken, rejected=refused)


async def _booked(ports: Ports, cargo: Sequence[Cargo]) -> tuple[dict[str, int], dict[UUID, Book]]:
    """The parts that need no result any more, with their number of rejected rows: parts booked before a crash, and
    parts of an earlier reading, whose rows the current one sends. And the books of all subjects."""
    books = {subject: await ports.ledger.book(subject) for subject in {item.subject for item in cargo}}
    booked = {}
    for item in cargo:
        book = books[item.subject]
        part, run = book.part(item.part_key), book.run
        if part is None:
            await put_pieces_on_dock(ports, item)
        if part is None or part.state == "settled":
            booked[item.row_key] = part.rejected if part else 0
        elif run is not None and item.generation < run.generation:
            booked[item.row_key] = 0
    return booked, books


def _divided(cargo: Sequence[Cargo], booked: Collection[str]) -> tuple[list[Cargo], list[Cargo]]:
    """The parts that are not booked, and those that are."""
    return [item for item in cargo if item.row_key not in booked], [item for item in cargo if item.row_key in booked]


async def _settle_parts(
    ports: Ports, shipment: Shipment, cargo: Sequence[Cargo], outcome: Outcome, books: Mapping[UUID, Book]
) -> dict[UUID, Book | None]:
    """Book the parts. Returns the books with them; None for a subject whose book has to be read again."""
    found: dict[UUID, Book | None] = dict(books)
    for item in cargo:
        rejected = outcome.rejected.get(item.row_key, [])
        part = await _settle_part(ports, shipment, item, rejected, books[item.subject])
        book = found[item.subject]
        found[item.subject] = book.with_part(part) if book and part and not rejected else None
    return found


async def _settle_part(
    ports: Ports, shipment: Shipment, cargo: Cargo, rejected: Sequence[RejectedRow], book: Book
) -> Part | None:
    """Set the part's totals to the rows that Finance has. A part that is already booked is not booked again, because
    its rejected rows may have been replayed or dismissed since."""
    part = await ports.ledger.part(cargo.subject, cargo.part_key) if rejected else book.part(cargo.part_key)
    if part is not None and part.state != "settled":
        await ports.rejections.keep(cargo.subject, rejected)
        return await ports.ledger.save_part(
            part,
            state="settled",
            rejected=len(rejected),
            measures=minus(part.measures, measured(rejected, ports.job.step(part.stage))),
            settled_at=ports.now(),
            execution_id=shipment.execution_id,
        )
    return part


def _facts(shipment: Shipment) -> dict[str, Any]:
    return {
        "stage": shipment.stage,
        "ticket": shipment.ticket,
        "executionId": shipment.execution_id,
        "rows": shipment.rows,
        "level": shipment.level,
    }
