"""After a roll-back: data of a later version is left for that version, and the operators are told."""

import logging
from datetime import datetime, timedelta

from shared.clock import jitter, parse_stamp, stamp
from shared.engine.ports import Ports
from shared.errors import NewerVersion
from shared.log import event

_NOTE = "newer version: "
# A note is valid longer than the longest delay and than the time between two sweeps.
_STANDS = timedelta(minutes=15)
# The message is invisible meanwhile, so the later version gets it within minutes of its deployment.
_SHORTEST, _LONGEST = timedelta(seconds=2), timedelta(minutes=5)


async def tell(ports: Ports, where: str, error: NewerVersion) -> datetime:
    """Record that data of a later version was found in `where`, a queue or the sweep. Returns since when."""
    note = await ports.notes.read(_NOTE + where)
    now = ports.now()
    stands = note is not None and parse_stamp(note["at"]) + _STANDS > now
    since = parse_stamp(note["since"]) if note and stands else now
    await ports.notes.write(_NOTE + where, {"since": stamp(since), "at": stamp(now), "text": str(error)})
    event("newer version", severity=logging.WARNING, queue=where)
    return since


async def put_off(ports: Ports, queue: str, body: bytes, error: NewerVersion) -> None:
    """Put a message of a later version back on its queue, unchanged and with dequeue count zero. The delay grows
    with the time since the first such message, because this version cannot count attempts in it."""
    since = await tell(ports, queue, error)
    delay = min(max(ports.now() - since, _SHORTEST), _LONGEST)
    await ports.queues.send_again(queue, body, delay=delay + jitter(delay.total_seconds() / 2))


async def told(ports: Ports) -> dict[str, str]:
    """The recent notes, by queue."""
    notes = await ports.notes.beginning(_NOTE)
    stands = ports.now() - _STANDS
    return {name.removeprefix(_NOTE): note["text"] for name, note in notes.items() if parse_stamp(note["at"]) > stands}
