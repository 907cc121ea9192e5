"""Problems that delay work, as the last try met them, recorded for all instances and shown to operators.

A note names the problem, its start, and the time of the next try. A while after that time it expires.
"""

from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from azure.core.exceptions import AzureError

from shared.clock import parse_stamp, stamp
from shared.engine.ports import Ports
from shared.errors import ContractBroken, NotPermitted, Refused, Unavailable
from shared.storage import refusals
from shared.storage.notes import trouble

# How long a note is valid after the time of the next try, which has to run and to finish.
_WHILE_TRYING = timedelta(seconds=30)
# If a try ends this long after its time, it still counts as the same problem.
_SAME = timedelta(minutes=5)
# A shorter problem is shown without its duration.
_LASTING = timedelta(minutes=10)

_WORDS = {
    "no usable answer": "gave no usable answer",
    "not permitted": "does not permit what is needed",
    "refused": "refused",
    "storage": "refused or was away",
}

type Cause = Unavailable | NotPermitted | Refused | ContractBroken | AzureError


@dataclass(frozen=True)
class Trouble:
    """`kind` is no usable answer, not permitted, refused or storage. `queue` is the queue of the work that met the
    problem. Only a missing permission is limited to that queue."""

    service: str
    kind: str
    reason: str
    since: datetime
    until: datetime
    queue: str = ""

    def describe(self, now: datetime) -> str:
        """The problem, its duration if it lasts, and the next try, for an operator."""
        lasting = now - self.since
        minutes = f" for {int(lasting.total_seconds() // 60)} minutes" if lasting >= _LASTING else ""
        following = f"next try at {self.until:%H:%M:%S} UTC: {self.reason}"
        return f"{self.service} {_WORDS[self.kind]}{minutes}, {following}"

    def holds_up(self, queue: str) -> bool:
        """Whether it delays the work on a queue."""
        return self.kind != "not permitted" or self.queue == queue


async def note(ports: Ports, cause: Cause, delay: timedelta, *, queue: str = "") -> None:
    """Record a problem until the next try after `delay`. Storage may refuse this write too; the health therefore
    checks storage directly."""
    service = refusals.NAME if isinstance(cause, AzureError) else cause.service
    name = trouble(f"{service} {cause.place}" if isinstance(cause, NotPermitted) else service)
    now = ports.now()
    with suppress(AzureError):
        standing = _read(await ports.notes.read(name) or {})
        since = standing.since if standing and standing.until + _SAME > now else now
        fact = {"service": service, "kind": _kind(cause), "reason": _reason(cause), "queue": queue}
        await ports.notes.write(name, fact | {"since": stamp(since), "until": stamp(now + delay)})


async def standing(ports: Ports) -> list[Trouble]:
    """The current problems."""
    found = [_read(fact, name) for name, fact in (await ports.notes.beginning(trouble(""))).items()]
    return [each for each in found if each and each.until + _WHILE_TRYING >= ports.now()]


def _kind(cause: Cause) -> str:
    if isinstance(cause, NotPermitted):
        return "not permitted"
    if isinstance(cause, Refused | ContractBroken):
        return "refused"
    return "storage" if isinstance(cause, AzureError) else "no usable answer"


def _reason(cause: Cause) -> str:
    if isinstance(cause, AzureError):
        return f"{refusals.describe(cause)}; {refusals.advise(cause)}"
    return cause.reason if isinstance(cause, Unavailable | ContractBroken) else str(cause)


def _read(fact: dict[str, Any], name: str = "") -> Trouble | None:
    # Notes of the last release have only these two members.
    if "until" not in fact or "reason" not in fact:
        return None
    until = parse_stamp(fact["until"])
    since = parse_stamp(fact["since"]) if "since" in fact else until
    service, kind = str(fact.get("service", name.removeprefix(trouble("")))), str(fact.get("kind", "no usable answer"))
    return Trouble(service, kind, str(fact["reason"]), since, until, str(fact.get("queue", "")))
