"""The sweep: logs the heartbeat, then finds lost work and restarts it.

confirmed invoices without a run      the webhook was lost, at any time within the look-back setting and whatever the
                                      invoice's status is now; not those confirmed before SWEEP_START
runs that have not moved for long     their message was lost, or their worker crashed
landed blobs that no part names       left over from races and crashes
completed runs that are due           they are checked again in Dataverse (later_looks.py)
"""

import asyncio
import logging
import time
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from operate.repair.later_looks import look_again
from operate.views.heartbeat import beat, note_look
from relay_contract.changes import Revived, Started, Sweep
from shared.engine.lifecycle import accept, revive, stage_of
from shared.engine.messages import Load, LookUp
from shared.engine.newer import tell
from shared.engine.ports import Ports
from shared.errors import (
    ContractBroken,
    LeaseLost,
    NewerVersion,
    NotPermitted,
    Refused,
    SignInFailed,
    Throttled,
    Unavailable,
)
from shared.ledger.run import Run, State
from shared.log import event, where
from shared.project_operations.codes import INVOICES
from shared.project_operations.invoices import (
    Invoice,
    changed_invoices,
    confirmed_before_go_live,
    invoices_with,
    was_confirmed,
)

_PAGE = 1000
_SWEEP = "sweep"
# The host ends a sweep after ten minutes.
_BEAT_SECONDS = 120.0


async def sweep(ports: Ports) -> Sweep:
    """Sweep once. Returns what was found."""
    began = time.monotonic()
    await _beat(ports)
    await ports.run_list.check(ports.now())
    found = Found(_quiet_since(ports))
    revived = await _revive(ports, found.quiet_since)
    deleted = await _clear_blobs(ports)
    unasked = await _start_lost(ports, found)
    revived += found.woken
    changed, unseen = await look_again(ports)
    result = Sweep(
        at=ports.now(),
        started=found.started,
        revived=revived,
        left_alone=found.left_alone,
        blobs_deleted=deleted,
        changed=changed,
        problem=unasked or unseen,
        seconds=round(time.monotonic() - began, 3),
    )
    await ports.notes.write("sweep", result.document())
    event("sweep", started=len(found.started), revived=len(revived), blobs=deleted, seconds=result.seconds)
    return result


async def _beat(ports: Ports) -> None:
    """Log the heartbeat. Whatever it meets, and however much there is to count, the sweep goes on."""
    try:
        async with asyncio.timeout(_BEAT_SECONDS):
            await beat(ports)
    except Exception as error:  # noqa: BLE001 - a figure of the log must not keep lost work from being found
        event("heartbeat failed", severity=logging.ERROR, error=type(error).__name__, where=where(error))


@dataclass
class Found:
    """What a sweep did about confirmed invoices: runs that it `started`, accepted runs without progress that it has
    `woken`, and invoices that it has `left_alone`, because they were confirmed before SWEEP_START."""

    quiet_since: datetime
    started: list[Started] = field(default_factory=list)
    woken: list[Revived] = field(default_factory=list)
    left_alone: list[Started] = field(default_factory=list)


def _quiet_since(ports: Ports) -> datetime:
    """Runs that have changed since then are not woken. One instant for a whole sweep: however long it takes, it wakes
    no run twice."""
    return ports.now() - timedelta(seconds=ports.settings.stalled_after)


async def look_up(ports: Ports, message: LookUp) -> None:
    """Start runs for invoices whose webhook did not tell whether they were confirmed, if they were. Raises the errors
    of reading: then the message is tried again, and at the latest the next sweep finds the invoices."""
    found = Found(_quiet_since(ports))
    for invoice in await invoices_with(ports, message.invoices) if message.invoices else []:
        await _start(ports, invoice, found)
    if message.since:
        async for invoice in changed_invoices(ports, since=message.since):
            await _start(ports, invoice, found)
    event("looked up", started=len(found.started))


async def _start_lost(ports: Ports, found: Found) -> str:
    """Start a run for every confirmed project invoice without one. Returns the reason why Dataverse could not be
    read completely, or ""."""
    since = ports.now() - timedelta(days=ports.settings.look_back_days)
    if ports.settings.sweep_start:
        since = max(since, ports.settings.sweep_start)
    try:
        async for invoice in changed_invoices(ports, since=since):
            await _start(ports, invoice, found)
    except (Throttled, Unavailable, SignInFailed, NotPermitted, Refused, ContractBroken) as error:
        return str(error)
    finally:
        for each in found.started:
            event("run found", subject=each.invoice_id)
    await note_look(ports)
    return ""


async def _start(ports: Ports, invoice: Invoice, found: Found) -> None:
    try:
        standing = await ports.ledger.run(invoice.invoice_id)
    except NewerVersion as error:
        await tell(ports, _SWEEP, error)
        return
    if standing is None or standing.state == State.REJECTED:
        await _open(ports, invoice, found)
        return
    # A webhook writes the run alone. If its worker crashes before the message, the run is in no list yet.
    if standing.state == State.ACCEPTED and standing.updated_at < found.quiet_since:
        with suppress(LeaseLost):
            if await _wake(ports, await ports.ledger.enlist(standing)):
                found.woken.append(Revived(invoice_id=str(invoice.invoice_id), state=str(standing.state)))


async def _open(ports: Ports, invoice: Invoice, found: Found) -> None:
    if not await was_confirmed(ports, invoice.invoice_id, invoice.standing):
        return
    names = Started(invoice_id=str(invoice.invoice_id), invoice_number=invoice.number)
    if await confirmed_before_go_live(ports, invoice.invoice_id, invoice.created_at):
        found.left_alone.append(names)
        return
    run, is_opened = await accept(ports.ledger, invoice.invoice_id)
    # Also for a run that a webhook has opened meanwhile: its message may be lost, and a second one does no harm.
    await ports.queues.send(Load(stage=INVOICES, subject=invoice.invoice_id, generation=run.generation))
    if is_opened:
        found.started.append(names)


async def _revive(ports: Ports, quiet_since: datetime) -> list[Revived]:
    revived: list[Revived] = []
    for invoice_id in await ports.run_list.opened():
        try:
            run = await ports.ledger.run(invoice_id)
        except NewerVersion as error:
            await tell(ports, _SWEEP, error)
            continue
        if run is None:
            continue
        if run.state.is_final:
            # A run that has ended is still listed as moving. Its last writer crashed before it saved the run, or is
            # slow: if it saves after this correction, it gets LeaseLost.
            with suppress(LeaseLost):
                await ports.ledger.list_anew(run)
        if not run.state.is_final and run.updated_at < quiet_since and await _wake(ports, run):
            revived.append(Revived(invoice_id=str(run.subject), state=str(run.state)))
    return revived


async def _wake(ports: Ports, run: Run) -> bool:
    """Revive a run unless its map is paused. Its timestamp is renewed. Otherwise every sweep would add messages for the
    same run while a service is unavailable."""
    if await ports.pauses.of(stage_of(ports.job, run)):
        return False
    try:
        await revive(ports, await ports.ledger.touch(run))
    except NewerVersion as error:
        await tell(ports, _SWEEP, error)
        return False
    except LeaseLost:
        return False
    return True


async def _clear_blobs(ports: Ports) -> int:
    deleted = 0
    named: set[str] | None = set()
    known = ""
    # Young blobs stay: a part is landed before the ledger names it.
    orphaned = ports.now() - timedelta(seconds=ports.settings.orphaned_after)
    async for blob in ports.landing.older_than(orphaned):
        invoice = blob.partition("/")[0]
        if invoice != known:
            known, named = invoice, await _named(ports, invoice)
        if named is not None and blob not in named:
            await ports.landing.delete(blob)
            deleted += 1
    return deleted


async def _named(ports: Ports, invoice: str) -> set[str] | None:
    """The blobs that the run of an invoice still needs, or None if only a later version of the app can tell. Actuals
    sent without an invoice have parts but no run."""
    try:
        run, parts = await ports.ledger.run(UUID(invoice)), await ports.ledger.all_parts(UUID(invoice))
    except NewerVersion:
        return None
    except (ValueError, LeaseLost):
        return set()
    if run is None or run.state == State.COMPLETED:
        return {part.blob for part in parts if run is None and part.state != "settled"}
    return {part.blob for part in parts}
