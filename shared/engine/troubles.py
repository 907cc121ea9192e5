"""What stands in the way of work, as the last try met it: noted for all instances, told to people.

A note says what is in the way, since when, and when it is tried again; a while after that it counts no more.
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

_WHILE_TRYING = timedelta(seconds=30)
"""A note outlives its instant by this: the next try has to be made, and to end."""
_SAME = timedelta(minutes=5)
"""A try that ends so long after its instant, as after silence, still goes on with the same trouble."""
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
    """`kind` is the word for it: no usable answer, not permitted, refused, storage. `queue` is that of the work which
    met it; only what is not permitted is its alone."""

    service: str
    kind: str
    reason: str
    since: datetime
    until: datetime
    queue: str = ""

    def describe(self, now: datetime) -> str:
        """What a person reads: what is in the way, for how long if it lasts, and when it is tried again."""
        lasting = now - self.since
        minutes = f" for {int(lasting.total_seconds() // 60)} minutes" if lasting >= _LASTING else ""
        following = f"next try at {self.until:%H:%M:%S} UTC: {self.reason}"
        return f"{self.service} {_WORDS[self.kind]}{minutes}, {following}"

    def holds_up(self, queue: str) -> bool:
        """Whether it stands in the way of the work on a queue."""
        return self.kind != "not permitted" or self.queue == queue


async def note(ports: Ports, cause: Cause, delay: timedelta, *, queue: str = "") -> None:
    """Note what stands in the way until it is tried again after `delay`. Storage may refuse that note too: whoever asks
    for the health of the app asks storage itself."""
    service = refusals.NAME if isinstance(cause, AzureError) else cause.service
    name = trouble(f"{service} {cause.place}" if isinstance(cause, NotPermitted) else service)
    now = ports.now()
    with suppress(AzureError):
        standing = _read(await ports.notes.read(name) or {})
        since = standing.since if standing and standing.until + _SAME > now else now
        fact = {"service": service, "kind": _kind(cause), "reason": _reason(cause), "queue": queue}
        await ports.notes.write(name, fact | {"since": stamp(since), "until": stamp(now + delay)})


async def standing(ports: Ports) -> list[Trouble]:
    """What stands in the way now."""
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
    # Notes of the last release say only until when, and why.
    if "until" not in fact or "reason" not in fact:
        return None
    until = parse_stamp(fact["until"])
    since = parse_stamp(fact["since"]) if "since" in fact else until
    service, kind = str(fact.get("service", name.removeprefix(trouble("")))), str(fact.get("kind", "no usable answer"))
    return Trouble(service, kind, str(fact["reason"]), since, until, str(fact.get("queue", "")))
