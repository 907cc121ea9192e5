"""Health: waiting work, closed gates, stuck runs, and the problems that need an operator."""

from collections import Counter
from collections.abc import Awaitable, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from azure.core.exceptions import AzureError
from azure.storage.queue.aio import QueueClient

from operate.doctor.changes import last as last_diagnosis
from operate.repair.rejected_runs import rejected_lately
from operate.views.run import SERVICES, describe_gate
from relay_contract import changes
from relay_contract.doctor import LastDiagnosis
from relay_contract.health import Health, Lane, LastSweep, OldestRun, PoisonQueue, Queue, Throughput
from relay_contract.version import VERSION
from shared.clock import stamp
from shared.engine import troubles
from shared.engine.import_waits import ImportWait, waits_of_map
from shared.engine.newer import told
from shared.engine.ports import Ports
from shared.ledger.run import Run, State
from shared.ledger.shipments import ImportStep, Shipment
from shared.ledger.waiting import What
from shared.maps.table_map import TableMap
from shared.storage import refusals
from shared.storage.maps_in_use import SetAside
from shared.storage.names import poison_of
from shared.storage.pauses import Pause
from shared.storage.throughput import SLOT, Slot

_TOO_OLD_SECONDS = 1800
# A quarter of an hour, at the pace of polling.
_MANY_LOOKS = 40
_SWEEP_TOO_OLD_SECONDS = 3600
_MOST_WAITS = 10


class Asking:
    """Runs storage requests one by one, and collects their errors in `met`."""

    def __init__(self) -> None:
        self.met: list[str] = []

    async def __call__[T](self, question: Awaitable[T], otherwise: T) -> T:
        """The result, or `otherwise` after an error."""
        try:
            return await question
        except AzureError as error:
            text = f"{refusals.describe(error)}: {refusals.advise(error)}"
            self.met += [text] if text not in self.met else []
            return otherwise


def _unknown(queue: str) -> Queue:
    return Queue(name=queue, depth=None, oldest_seconds=None)


async def health(ports: Ports) -> Health:
    """The health of the app. `problems` are sentences for the operator. If storage refuses some requests, that is a
    problem, and the rest is reported."""
    asking = Asking()
    queues = [
        await asking(_queue(ports, name, client), _unknown(name)) for name, client in ports.queues.clients.items()
    ]
    given_up = await asking(open_poison(ports), Counter())
    poison = [PoisonQueue(name=poison_of(name), count=given_up[name]) for name in ports.queues.clients]
    oldest = await asking(ports.run_list.oldest_unfinished(), None)
    stopped = await asking(runs_with(ports, What.STOPPED), [])
    kept_back = await asking(runs_with(ports, What.KEPT_BACK), [])
    pauses = await asking(ports.pauses.standing(), [])
    sweep = await asking(ports.notes.read("sweep"), None)
    diagnosis = await asking(last_diagnosis(ports), None)
    gates = [gate for service in SERVICES if (gate := await asking(ports.gates.look(service), None))]
    docks = [await asking(_lanes(ports, stage), ([], [])) for stage in ports.job.maps]
    lanes = [lane for found, _ in docks for lane in found]
    waits = [wait for _, found in docks for wait in found if wait.is_plain]
    stand = await asking(troubles.standing(ports), [])
    newer = await asking(told(ports), {})
    throughput = await asking(ports.throughput.last_day(), [])
    # Nothing above needs the blobs: without this, a refused container would show only when work waits for it.
    await asking(ports.landing.ask(), None)
    # A write test: waiting work cannot record that writing is refused.
    await asking(ports.notes.write("asked for health", {"at": stamp(ports.now())}), None)
    problems = [
        *asking.met,
        *_name_them(stopped, "run needs attention or failed", "runs need attention or failed"),
        *_name_them(kept_back, "posted invoice", "posted invoices", " could not be written back"),
        *(_describe_poison(each) for each in poison if each.count),
        # To be throttled is normal and passes by itself.
        *(gate.describe() for gate in gates if gate.kind != "throttled"),
        *(each.describe(ports.now()) for each in stand),
        *(_describe_hanging(lane) for lane in lanes if lane.step == ImportStep.RUNNING and lane.looks > _MANY_LOOKS),
        *(wait.describe() for wait in waits[:_MOST_WAITS]),
        *_age_problems(ports, oldest),
        *(f"paused: {pause.stage or 'everything'} by {pause.by}: {pause.reason}" for pause in pauses),
        *_sweep_problems(ports, sweep),
        *_diagnosis_problems(diagnosis),
        *(f"{text}. It waits for that version" for text in dict.fromkeys(newer.values())),
        *(_describe_set_aside(ports, each) for each in ports.in_use.set_aside),
        *await asking(rejected_lately(ports), []),
        *await asking(_refused_apps(ports), []),
    ]
    return Health(
        app=VERSION,
        maps=_versions(ports.maps),
        healthy=not problems,
        problems=problems,
        paused=[describe_pause(pause) for pause in pauses],
        queues=queues,
        poison=poison,
        oldest_unfinished_run=_describe_oldest(ports, oldest),
        gates=[describe_gate(gate) for gate in gates],
        lanes=lanes,
        throughput=[_describe_slot(slot) for slot in throughput],
        last_sweep=_last(sweep) if sweep else None,
        doctor=diagnosis,
    )


def _versions(maps: Mapping[str, TableMap]) -> dict[str, str]:
    return {name: table_map.version for name, table_map in maps.items()}


def _last(sweep: Mapping[str, Any]) -> LastSweep:
    """The result of the last sweep, with numbers instead of lists. Earlier versions stored less."""
    counted = {name: _count(sweep.get(name, [])) for name in ("started", "revived", "leftAlone")}
    return LastSweep.model_validate({**sweep, **counted})


def health_of_refused(maps: Mapping[str, TableMap], refusal: str) -> Health:
    """The health of an app that processes nothing because the storage account belongs to another app. It says only
    that; the content of the account is not reported."""
    return Health(
        app=VERSION,
        maps=_versions(maps),
        healthy=False,
        problems=[refusal],
        paused=[],
        queues=[],
        poison=[],
        oldest_unfinished_run=None,
        gates=[],
        lanes=[],
        throughput=[],
        last_sweep=None,
        doctor=None,
    )


def _describe_slot(slot: Slot) -> Throughput:
    return Throughput(
        at=slot.began,
        minutes=int(SLOT.total_seconds()) // 60,
        map=slot.stage,
        imports=slot.imports,
        rows=slot.rows,
        rejected=slot.rejected,
    )


def describe_pause(pause: Pause) -> changes.Pause:
    """A pause for the API."""
    return changes.Pause(map=pause.stage, reason=pause.reason, by=pause.by, at=pause.at)


async def _queue(ports: Ports, name: str, client: QueueClient) -> Queue:
    """The oldest message is the oldest visible one."""
    oldest = None
    for message in await client.peek_messages(1):
        oldest = age_of(ports, message.inserted_on) if message.inserted_on else None
    return Queue(name=name, depth=await depth_of(client), oldest_seconds=oldest)


async def depth_of(client: QueueClient) -> int:
    """The number of messages on a queue, invisible ones (delayed or in process) included."""
    return int((await client.get_queue_properties()).approximate_message_count or 0)


async def open_poison(ports: Ports) -> Counter[str]:
    """The recorded poison messages whose work was not done since, by queue. One that is still on its queue will be
    recorded within moments."""
    rows = ports.audit.table.query_entities(
        "PartitionKey ge 'poison|' and PartitionKey lt 'poison}'", select=["PartitionKey", "invoiceId"]
    )
    opened = [row["PartitionKey"].partition("|")[2] async for row in rows if not await _is_mended(ports, row)]
    return Counter(opened)


async def _is_mended(ports: Ports, row: Mapping[str, Any]) -> bool:
    """Whether the work of a poison message was done after all: its run is completed, and the write-back did not
    fail."""
    # `look` also reads a run of a later version, so that one such run cannot end the whole answer.
    run = await ports.ledger.look(UUID(row["invoiceId"])) if row.get("invoiceId") else None
    return run is not None and run.state == State.COMPLETED and run.posting != "failed"


async def _lanes(ports: Ports, stage: str) -> tuple[list[Lane], list[ImportWait]]:
    """The running imports, and the imports that keep invoices waiting."""
    view = await ports.dock.view(stage)
    waits = await waits_of_map(ports, stage, view)
    told = {wait.ticket: wait for wait in waits}
    return [_describe_lane(shipment, told.get(shipment.ticket)) for shipment in view.shipments.values()], waits


def _describe_lane(shipment: Shipment, wait: ImportWait | None) -> Lane:
    return Lane(
        map=str(shipment.stage),
        lane=shipment.lane + 1,
        execution_id=shipment.execution_id,
        step=str(shipment.step),
        rows=shipment.rows,
        looks=shipment.polls - shipment.looks_before,
        since=shipment.sent_at,
        until=wait.until if wait else None,
        waits_for=wait.text if wait else "",
    )


def _describe_poison(queue: PoisonQueue) -> str:
    return f"{queue.count} poison {'message was' if queue.count == 1 else 'messages were'} on {queue.name}"


def _describe_hanging(lane: Lane) -> str:
    return (
        f"import {lane.execution_id} ({lane.map}, lane {lane.lane}) has not ended after {lane.looks} looks: "
        "see it in Finance's data management, and end it there if it hangs"
    )


async def runs_with(ports: Ports, what: What) -> list[Run]:
    """The runs with a task, newest first."""
    return [run async for run in ports.run_list.waiting(what)]


def _describe_oldest(ports: Ports, oldest: Run | None) -> OldestRun | None:
    if oldest is None:
        return None
    return OldestRun(
        invoice_id=str(oldest.subject),
        invoice_number=oldest.number,
        state=str(oldest.state),
        age_seconds=age_of(ports, oldest.accepted_at),
    )


def _name_them(runs: Sequence[Run], one: str, many: str, rest: str = "") -> list[str]:
    if not runs:
        return []
    names = ", ".join(run.number or str(run.subject) for run in runs[:5])
    what = one if len(runs) == 1 else many
    return [f"{len(runs)} {what}{rest}: {names}{', ...' if len(runs) > 5 else ''}"]


def _describe_set_aside(ports: Ports, aside: SetAside) -> str:
    """A map that is active and cannot be used, and what is used instead."""
    active = aside.activation
    used = ports.in_use.chosen.get(aside.stage)
    instead = (
        f"Version {used.version} ({used.digest[:12]}) is used instead"
        if used
        else "The map that this version was shipped with is used instead"
    )
    reason = " ".join(aside.reason.split()).rstrip(".")
    return (
        f"map {aside.stage}: version {active.version} ({active.digest[:12]}) is active and cannot be used: {reason}. "
        f"{instead}. Push a corrected map and activate it, or activate the one that is used"
    )


async def _refused_apps(ports: Ports) -> list[str]:
    refused = await ports.ownership.refused_app()
    return [refused] if refused else []


def _age_problems(ports: Ports, oldest: Run | None) -> list[str]:
    age = age_of(ports, oldest.accepted_at) if oldest else 0
    if oldest is None or age < _TOO_OLD_SECONDS:
        return []
    return [f"{oldest.number or oldest.subject} has been {oldest.state} for {age // 60} minutes"]


def _sweep_problems(ports: Ports, sweep: dict[str, Any] | None) -> list[str]:
    if sweep and age_of(ports, datetime.fromisoformat(sweep["at"])) > _SWEEP_TOO_OLD_SECONDS:
        at = f"{datetime.fromisoformat(sweep['at']):%Y-%m-%d %H:%M:%S}Z"
        return [
            f"the last sweep was at {at}, although one is due every ten minutes: see the host's log of function sweep"
        ]
    if sweep and sweep.get("problem"):
        return [f"the last sweep could not ask for confirmed invoices: {sweep['problem']}"]
    return []


def _diagnosis_problems(diagnosis: LastDiagnosis | None) -> list[str]:
    if diagnosis is None or not diagnosis.counts.fail:
        return []
    what = "thing is" if diagnosis.counts.fail == 1 else "things are"
    at = f"{diagnosis.at:%Y-%m-%d %H:%M}Z"
    return [f"the doctor found at {at} that {diagnosis.counts.fail} {what} not set up rightly: see relay doctor"]


def age_of(ports: Ports, instant: datetime) -> int:
    """Seconds since an instant."""
    return int((ports.now() - instant).total_seconds())


def _count(value: Any) -> int:
    return len(value) if isinstance(value, list) else int(value)
