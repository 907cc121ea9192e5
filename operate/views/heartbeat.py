"""The heartbeat: the figures that alerts and the workbook ask the log for (infra/alerts.json, infra/workbook.json).

Every sweep begins with it, so it comes whatever the sweep meets later. It asks storage alone, with about twenty
requests. A figure that cannot be read is left out, and `storageErrors` counts the reasons. The lines are named "state":

    one             oldestSeconds, attention, failed, poison, messages, storageErrors, expiresDays
    one a service   service, closedSeconds, and in `kind` why its gate is closed
    one a job       job, faulted, openSeconds, waitingSeconds, lookSeconds
"""

import logging
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from operate.views.health import Asking, age_of, depth_of, open_poison, runs_with
from operate.views.run import SERVICES
from shared.clock import parse_stamp, stamp
from shared.engine import troubles
from shared.engine.ports import Ports
from shared.engine.troubles import Trouble
from shared.ledger.run import Run, State
from shared.ledger.shipments import View
from shared.ledger.waiting import What
from shared.log import event
from shared.services.sign_in import credential_ends
from shared.storage import refusals

_LOOK = "look "
_BEAT = "heartbeat"
# Problems that hit every row of a job and need a person. The others pass by themselves.
_FAULTS = {"refused", "not permitted"}


async def beat(ports: Ports) -> None:
    """Log the heartbeat. An error of storage is counted and not raised."""
    asking = Asking()
    stand = await asking(troubles.standing(ports), None)
    await _tell_services(ports, asking)
    await _tell_job(ports, asking, stand)
    oldest = await asking(_oldest(ports), None)
    stopped = await asking(runs_with(ports, What.STOPPED), None)
    poison = await asking(open_poison(ports), None)
    messages = await asking(_messages(ports), None)
    # Nothing above needs the blobs or writes: without these two, only waiting work would meet such a refusal.
    await asking(ports.landing.ask(), None)
    await asking(ports.notes.write(_BEAT, {"at": stamp(ports.now())}), None)
    event(
        "state",
        oldestSeconds=oldest,
        attention=_count(stopped, State.NEEDS_ATTENTION),
        failed=_count(stopped, State.FAILED),
        poison=None if poison is None else poison.total(),
        messages=messages,
        storageErrors=len(asking.met) + sum(each.service == refusals.NAME for each in stand or ()),
        expiresDays=_days_left(ports),
    )


def beat_unopened() -> None:
    """Log the heartbeat of an app that cannot open its storage."""
    event("state", severity=logging.ERROR, storageErrors=1)


async def note_look(ports: Ports) -> None:
    """Note that the job has looked for all its work in Dataverse."""
    await ports.notes.write(_LOOK + ports.job.name, {"at": stamp(ports.now())})


async def _oldest(ports: Ports) -> int:
    oldest = await ports.run_list.oldest_unfinished()
    return age_of(ports, oldest.accepted_at) if oldest else 0


async def _messages(ports: Ports) -> int:
    return sum([await depth_of(client) for client in ports.queues.clients.values()])


def _count(stopped: Iterable[Run] | None, state: State) -> int | None:
    return None if stopped is None else sum(run.state == state for run in stopped)


def _days_left(ports: Ports) -> float | None:
    ends = credential_ends(ports.settings, ports.now())
    return round((ends - ports.now()) / timedelta(days=1), 1) if ends else None


async def _tell_services(ports: Ports, asking: Asking) -> None:
    closures = await asking(ports.gates.standing(), None)
    for service in SERVICES if closures is not None else ():
        closure = (closures or {}).get(service)
        closed = age_of(ports, closure.since) if closure else 0
        event("state", service=service, closedSeconds=closed, kind=closure.kind if closure else None)


async def _tell_job(ports: Ports, asking: Asking, stand: Sequence[Trouble] | None) -> None:
    """What the job has under way. What is sent to Finance in one import is its batch, and a row waits from its landing
    until its import is booked."""
    docks = await asking(_docks(ports), None)
    event(
        "state",
        job=ports.job.name,
        faulted=None if stand is None else int(_is_faulted(ports, stand)),
        openSeconds=None if docks is None else _oldest_batch(ports, docks),
        waitingSeconds=None if docks is None else _oldest_row(ports, docks),
        lookSeconds=await asking(_since_look(ports), None),
    )


async def _docks(ports: Ports) -> list[View]:
    return [await ports.dock.view(stage) for stage in ports.job.maps]


def _is_faulted(ports: Ports, stand: Iterable[Trouble]) -> bool:
    return any(each.kind in _FAULTS and any(map(each.holds_up, ports.job.maps)) for each in stand)


def _oldest_batch(ports: Ports, docks: Iterable[View]) -> int:
    return _longest(ports, (shipment.sent_at for dock in docks for shipment in dock.shipments.values()))


def _oldest_row(ports: Ports, docks: Iterable[View]) -> int:
    return _longest(ports, (cargo.landed_at for dock in docks for cargo in dock.cargo))


def _longest(ports: Ports, instants: Iterable[datetime | None]) -> int:
    oldest = min((at for at in instants if at), default=None)
    return age_of(ports, oldest) if oldest else 0


async def _since_look(ports: Ports) -> int:
    """Seconds since the job's last complete look. Before the first one they are counted from the first heartbeat."""
    note = await ports.notes.read(_LOOK + ports.job.name)
    if note is None:
        await note_look(ports)
        return 0
    return age_of(ports, parse_stamp(note["at"]))
