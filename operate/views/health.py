"""Health: what waits, what is closed, what is stuck, and whether somebody has to look."""

from collections.abc import Awaitable, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from azure.core.exceptions import AzureError, ResourceNotFoundError
from azure.storage.queue.aio import QueueClient

from operate.repair.rejected_runs import rejected_lately
from operate.views.run import SERVICES, describe_gate
from relay_contract.version import VERSION
from shared.clock import stamp
from shared.engine import troubles
from shared.engine.import_waits import ImportWait, waits_of_map
from shared.engine.newer import told
from shared.engine.ports import Ports
from shared.ledger.run import State
from shared.ledger.run_list import Entry
from shared.ledger.shipments import Shipment, Step
from shared.maps.table_map import TableMap
from shared.storage import refusals
from shared.storage.names import poison_of
from shared.storage.pauses import Pause
from shared.storage.throughput import SLOT, Slot

_TOO_OLD_SECONDS = 1800
# A quarter of an hour, at the pace of looking.
_MANY_LOOKS = 40
_SWEEP_TOO_OLD_SECONDS = 3600
_MOST_WAITS = 10


class Asking:
    """Asks storage for one thing after the other, and keeps in `met` how it refused."""

    def __init__(self) -> None:
        self.met: list[str] = []

    async def __call__[T](self, question: Awaitable[T], otherwise: T) -> T:
        """The answer, or `otherwise`."""
        try:
            return await question
        except AzureError as error:
            text = f"{refusals.describe(error)}: {refusals.advise(error)}"
            self.met += [text] if text not in self.met else []
            return otherwise


def _unknown(queue: str) -> dict[str, Any]:
    return {"name": queue, "depth": None, "oldestSeconds": None}


async def health(ports: Ports) -> dict[str, Any]:
    """The state of the whole app as JSON; `problems` are the sentences that an operator should read first. Where
    storage refuses to tell something, that is one of them, and the rest is told."""
    asking = Asking()
    queues = [
        await asking(_queue(ports, name, client), _unknown(name)) for name, client in ports.queues.clients.items()
    ]
    poison = [
        await asking(_poison(ports, name), {"name": poison_of(name), "count": 0}) for name in ports.queues.clients
    ]
    unfinished = await asking(ports.run_list.unfinished(), [])
    stopped = await asking(ports.run_list.stopped(), [])
    kept_back = await asking(ports.run_list.kept_back(), [])
    pauses = await asking(ports.pauses.standing(), [])
    sweep = await asking(ports.notes.read("sweep"), None)
    gates = [gate for service in SERVICES if (gate := await asking(ports.gates.look(service), None))]
    docks = [await asking(_lanes(ports, stage), ([], [])) for stage in ports.job.maps]
    lanes = [lane for found, _ in docks for lane in found]
    waits = [wait for _, found in docks for wait in found if wait.is_plain]
    stand = await asking(troubles.standing(ports), [])
    newer = await asking(told(ports), {})
    throughput = await asking(ports.throughput.last_day(), [])
    await asking(ports.landing.ask(), None)
    # May we write, too? What waits cannot note that we may not.
    await asking(ports.notes.write("asked for health", {"at": stamp(ports.now())}), None)
    problems = [
        *asking.met,
        *_name_them(stopped, "run needs attention or failed", "runs need attention or failed"),
        *_name_them(kept_back, "posted invoice", "posted invoices", " could not be written back"),
        *(f"{row['count']} poison messages were on {row['name']}" for row in poison if row["count"]),
        *(gate.describe() for gate in gates if gate.kind != "throttled"),
        *(each.describe(ports.now()) for each in stand),
        *(_describe_hanging(lane) for lane in lanes if lane["step"] == Step.RUNNING and lane["looks"] > _MANY_LOOKS),
        *(wait.describe() for wait in waits[:_MOST_WAITS]),
        *_age_problems(ports, unfinished),
        *(f"paused: {pause.stage or 'everything'} by {pause.by}: {pause.reason}" for pause in pauses),
        *_sweep_problems(ports, sweep),
        *(f"{text}. It waits for that version" for text in dict.fromkeys(newer.values())),
        *await asking(rejected_lately(ports), []),
        *await asking(_refused_apps(ports), []),
    ]
    return {
        "app": VERSION,
        "maps": {str(stage): table_map.version for stage, table_map in ports.maps.items()},
        "healthy": not problems,
        "problems": problems,
        "paused": [describe_pause(pause) for pause in pauses],
        "queues": queues,
        "poison": poison,
        "oldestUnfinishedRun": _oldest(ports, unfinished),
        "gates": [describe_gate(gate) for gate in gates],
        "lanes": lanes,
        "throughput": [_describe_slot(slot) for slot in throughput],
        "lastSweep": sweep
        and {
            **sweep,
            "started": _count(sweep["started"]),
            "revived": _count(sweep["revived"]),
            "leftAlone": _count(sweep.get("leftAlone", [])),
        },
    }


def health_of_refused(maps: Mapping[str, TableMap], refusal: str) -> dict[str, Any]:
    """The health of an app that works on nothing, because the storage account is another's: that one sentence. What is
    in the account is no business of this app."""
    return {
        "app": VERSION,
        "maps": {str(stage): table_map.version for stage, table_map in maps.items()},
        "healthy": False,
        "problems": [refusal],
        "paused": [],
        "queues": [],
        "poison": [],
        "oldestUnfinishedRun": None,
        "gates": [],
        "lanes": [],
        "throughput": [],
        "lastSweep": None,
    }


def _describe_slot(slot: Slot) -> dict[str, Any]:
    return {
        "at": stamp(slot.began),
        "minutes": int(SLOT.total_seconds()) // 60,
        "map": slot.stage,
        "imports": slot.imports,
        "rows": slot.rows,
        "rejected": slot.rejected,
    }


def describe_pause(pause: Pause) -> dict[str, Any]:
    """A pause as JSON."""
    return {"map": pause.stage, "reason": pause.reason, "by": pause.by, "at": stamp(pause.at)}


async def _queue(ports: Ports, name: str, client: QueueClient) -> dict[str, Any]:
    """Depth counts what is hidden (delayed or in work) too; the oldest message is the oldest visible one."""
    depth = (await client.get_queue_properties()).approximate_message_count
    oldest = None
    for message in await client.peek_messages(1):
        oldest = _age(ports, message.inserted_on) if message.inserted_on else None
    return {"name": name, "depth": depth, "oldestSeconds": oldest}


async def _poison(ports: Ports, name: str) -> dict[str, Any]:
    """Booked poison messages; those still on the poison queue are booked within a moment."""
    condition = "PartitionKey eq @partition"
    rows = ports.audit.table.query_entities(condition, parameters={"partition": f"poison|{name}"}, select=["invoiceId"])
    try:
        return {"name": f"{name}-poison", "count": sum([not await _is_mended(ports, row) async for row in rows])}
    except ResourceNotFoundError:
        return {"name": f"{name}-poison", "count": 0}


async def _is_mended(ports: Ports, row: Mapping[str, Any]) -> bool:
    """Whether the run, or the write-back, that a poison message failed has come to a good end since."""
    run = await ports.ledger.look(UUID(row["invoiceId"])) if row.get("invoiceId") else None
    return run is not None and run.state == State.COMPLETED and run.posting != "failed"


async def _lanes(ports: Ports, stage: str) -> tuple[list[dict[str, Any]], list[ImportWait]]:
    """The imports under way, and what keeps invoices waiting with them or for them."""
    view = await ports.dock.view(stage)
    waits = await waits_of_map(ports, stage, view)
    told = {wait.ticket: wait for wait in waits}
    return [_describe_lane(shipment, told.get(shipment.ticket)) for shipment in view.shipments.values()], waits


def _describe_lane(shipment: Shipment, wait: ImportWait | None) -> dict[str, Any]:
    return {
        "map": str(shipment.stage),
        "lane": shipment.lane + 1,
        "executionId": shipment.execution_id,
        "step": str(shipment.step),
        "rows": shipment.rows,
        "looks": shipment.polls - shipment.looks_before,
        "since": stamp(shipment.sent_at) if shipment.sent_at else None,
        "until": stamp(wait.until) if wait and wait.until else None,
        "waitsFor": wait.text if wait else "",
    }


def _describe_hanging(lane: Mapping[str, Any]) -> str:
    return (
        f"import {lane['executionId']} ({lane['map']}, lane {lane['lane']}) has not ended after {lane['looks']} looks: "
        "see it in Finance's data management, and end it there if it hangs"
    )


def _oldest(ports: Ports, unfinished: Sequence[Entry]) -> dict[str, Any] | None:
    if not unfinished:
        return None
    oldest = min(unfinished, key=lambda entry: entry.accepted_at)
    return {
        "invoiceId": str(oldest.invoice_id),
        "invoiceNumber": oldest.number,
        "state": str(oldest.state),
        "ageSeconds": _age(ports, oldest.accepted_at),
    }


def _name_them(entries: Sequence[Entry], one: str, many: str, rest: str = "") -> list[str]:
    if not entries:
        return []
    names = ", ".join(entry.number or str(entry.invoice_id) for entry in entries[:5])
    what = one if len(entries) == 1 else many
    return [f"{len(entries)} {what}{rest}: {names}{', ...' if len(entries) > 5 else ''}"]


async def _refused_apps(ports: Ports) -> list[str]:
    refused = await ports.ownership.refused_app()
    return [refused] if refused else []


def _age_problems(ports: Ports, unfinished: Sequence[Entry]) -> list[str]:
    oldest = _oldest(ports, unfinished)
    if oldest is None or oldest["ageSeconds"] < _TOO_OLD_SECONDS:
        return []
    name = oldest["invoiceNumber"] or oldest["invoiceId"]
    return [f"{name} has been {oldest['state']} for {oldest['ageSeconds'] // 60} minutes"]


def _sweep_problems(ports: Ports, sweep: dict[str, Any] | None) -> list[str]:
    if sweep and _age(ports, datetime.fromisoformat(sweep["at"])) > _SWEEP_TOO_OLD_SECONDS:
        return [f"the last sweep was at {sweep['at']}"]
    if sweep and sweep.get("problem"):
        return [f"the last sweep could not ask for confirmed invoices: {sweep['problem']}"]
    return []


def _age(ports: Ports, instant: datetime) -> int:
    return int((ports.now() - instant).total_seconds())


def _count(value: Any) -> int:
    return len(value) if isinstance(value, list) else int(value)
