"""Creates the concrete clients and wires the ports. Only entry points use this module."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache, partial

import aiohttp
from azure.core.exceptions import AzureError

from shared import clock
from shared.engine.leases import Leases
from shared.engine.ports import Ports
from shared.engine.queues import Queues
from shared.engine.ship_calls import ShipCalls
from shared.errors import NotOurStorage
from shared.jobs.job import Job, JobRefused, load_job, load_maps
from shared.ledger.dock import Dock
from shared.ledger.rejected_rows import Rejections
from shared.ledger.run import State
from shared.ledger.run_list import RunList
from shared.ledger.runs import Ledger
from shared.maps.table_map import TableMap
from shared.project_operations.proposal_number import fit_together, name_proposals
from shared.services import dataverse, finance
from shared.services.bulk_updates import BulkUpdates
from shared.services.dataverse import Dataverse
from shared.services.finance import Finance
from shared.services.http import Service
from shared.services.memory_budget import MemoryBudget
from shared.services.onlookers import Onlookers, SideGates
from shared.services.reader import AnswerBudget
from shared.services.sign_in import SignIn
from shared.services.throttle_gates import ThrottleGates
from shared.settings import Settings, read_settings_at_start
from shared.storage import refusals
from shared.storage.activations import ActivationLog
from shared.storage.audit import Audit
from shared.storage.clients import QueueClients, open_storage, queues_alone
from shared.storage.kept_answers import KeptAnswers
from shared.storage.known_maps import KnownMaps
from shared.storage.landing import Landing
from shared.storage.map_files import MapFiles
from shared.storage.maps_in_use import MapChoice, MapsInUse
from shared.storage.names import SHARED_QUEUES
from shared.storage.notes import Notes
from shared.storage.owner import Owner, Ownership
from shared.storage.pauses import Pauses
from shared.storage.pending import Pending
from shared.storage.throughput import Throughput

# Spreads messages that were put back, so that they do not all return at once.
_APART = 3.0
# Seconds until a request times out, even while its answer still arrives.
_LONGEST_ANSWER = 300.0


# How long queued work counts as waiting: a crash may leave a mark without a message, and the next request is not to be
# taken for a copy for long.
_PENDING = timedelta(minutes=1)

# Bytes of large pages that a process handles at once. As Python objects they need several times as much memory.
_PAGES_IN_WORK = 12 * 1024 * 1024

# Bytes of answers that the readers of a process may keep.
_ANSWERS_KEPT = 32 * 1024 * 1024


def timeout_of(patience: float) -> aiohttp.ClientTimeout:
    """The timeouts of requests to the services, which may be silent for `patience` seconds."""
    return aiohttp.ClientTimeout(
        total=max(_LONGEST_ANSWER, patience), sock_connect=min(30.0, patience), sock_read=patience
    )


async def open_ports(
    settings: Settings,
    maps: Mapping[str, TableMap],
    now: Callable[[], datetime] = clock.now,
    job: Job | None = None,
) -> Ports:
    """Wire the ports for this event loop, with the clock `now`, for `job` or the app's own. Raises the
    SDK's errors when storage cannot be reached."""
    job = job or load_job()
    signin = SignIn(settings)
    storage = await open_storage(settings, queues_of(job))
    known_maps = KnownMaps(storage.maps, maps)
    # Before anything is landed: a part names its map by digest only.
    await known_maps.keep()
    gates = ThrottleGates(storage.gates, now)
    # With cookies, all requests would go to the same web server and share its limits.
    session = aiohttp.ClientSession(
        cookie_jar=aiohttp.DummyCookieJar(), timeout=timeout_of(settings.answer_patience), auto_decompress=True
    )
    service = partial(
        Service,
        session=session,
        signin=signin,
        clock=now,
        longest_wait=timedelta(seconds=settings.throttle_longest),
    )
    at_dataverse = partial(service, name=dataverse.NAME, origin=settings.dataverse_url, forms=dataverse.FORMS)
    at_finance = partial(service, name=finance.NAME, origin=settings.finance_url, forms=finance.FORMS)
    source = at_dataverse(gates=gates, concurrency=settings.dataverse_concurrency)
    target = at_finance(gates=gates, concurrency=settings.finance_concurrency)
    aside = SideGates(gates)
    ledger = Ledger(storage.runs, storage.register, now)
    audit, notes = Audit(storage.audit, now), Notes(storage.gates)
    return Ports(
        settings=settings,
        job=job,
        maps=maps,
        in_use=MapsInUse(maps),
        map_choice=MapChoice(MapFiles(storage.maps), job, maps, partial(fit_together, column=settings.number_column)),
        activation_log=ActivationLog(storage.gates, now),
        known_maps=known_maps,
        dataverse=Dataverse(source, {table_map.source.set: table_map.source.key for table_map in maps.values()}),
        bulk_updates=BulkUpdates(source),
        finance=Finance(target, settings.finance_upload_hosts),
        onlookers=Onlookers(at_dataverse(gates=aside, concurrency=1), at_finance(gates=aside, concurrency=1)),
        ledger=ledger,
        run_list=RunList(storage.register, ledger.look),
        rejections=Rejections(storage.runs, now),
        dock=Dock(storage.dock, now, timedelta(seconds=settings.shipment_lease)),
        landing=Landing(storage.landed),
        queues=_queues(job, storage.queues),
        ship_calls=ShipCalls(now),
        memory_budget=MemoryBudget(_PAGES_IN_WORK),
        answer_budget=AnswerBudget(_ANSWERS_KEPT),
        kept_answers=KeptAnswers(storage.landed),
        gates=gates,
        leases=Leases(storage.gates, now, timedelta(seconds=settings.shipment_lease)),
        pauses=Pauses(storage.gates, now),
        pending=Pending(storage.gates, now, _PENDING),
        notes=notes,
        throughput=Throughput(storage.gates, now),
        audit=audit,
        ownership=Ownership(
            storage.gates,
            Owner.named(settings.organization_id, settings.dataverse_url, settings.finance_url),
            taken_over_from=settings.taken_over_from.split(","),
            audit=audit,
            notes=notes,
            clock=now,
        ),
        now=now,
    )


def queues_of(job: Job) -> tuple[str, ...]:
    """All queues of the app."""
    return (*job.queues, *SHARED_QUEUES)


def _queues(job: Job, clients: QueueClients) -> Queues:
    return Queues(clients.own, clients.untouched, {step.map: job.name for step in job.plain})


# Until a message is retried that arrived while storage refused to be opened.
_UNOPENED = timedelta(seconds=30)


@dataclass(frozen=True)
class Configuration:
    """What the app reads at start: its settings, its job, and the table maps of the job."""

    settings: Settings
    job: Job
    maps: Mapping[str, TableMap]


@cache
def configuration() -> Configuration:
    """The configuration. Raises SettingsRefused, JobRefused or MapRefused. function_app calls it at start."""
    settings, job = read_settings_at_start(), with_known_states(load_job())
    return Configuration(settings, job, name_proposals(load_maps(job), settings.number_column))


def with_known_states(job: Job) -> Job:
    """The job, if a run can be in each of its states. Raises JobRefused."""
    known = [str(state) for state in State if not state.is_final]
    for number, step in enumerate(job.steps):
        if step.state and step.state not in known:
            reason = f"{step.state} is not the state of a run under way; known are {', '.join(known)}"
            raise JobRefused(f"{job.name}.json refused:\n  steps[{number}].state: {reason}")
    return job


class _Process:
    """The ports of this worker process, opened by the first caller."""

    def __init__(self) -> None:
        self._lock = asyncio.Lock()
        self._ports: Ports | None = None

    async def ports(self) -> Ports:
        async with self._lock:
            works = await self._open()
            await works.ownership.check()
            self._ports = await works.with_current_maps()
            return self._ports

    async def put_back(self, queue: str, body: bytes) -> None:
        """Put a message back that belongs to another app."""
        async with self._lock:
            works = await self._open()
        await works.queues.send_again(queue, body, delay=works.ownership.patience() + clock.jitter(_APART))

    async def put_back_unopened(self, queue: str, body: bytes) -> None:
        """Put a message back when only its queue can be opened."""
        queues = self._ports.queues if self._ports else self._queues_alone()
        await queues.send_again(queue, body, delay=_UNOPENED + clock.jitter(_APART))

    async def _open(self) -> Ports:
        if self._ports is None:
            given = configuration()
            self._ports = await open_ports(given.settings, given.maps, job=given.job)
        return self._ports

    def _queues_alone(self) -> Queues:
        given = configuration()
        return _queues(given.job, queues_alone(given.settings, queues_of(given.job)))


_process = _Process()


async def ports() -> Ports:
    """The ports of this worker process. A failed opening is retried by the next caller. Raises NotOurStorage while
    the storage account is stamped with another organization or other services."""
    return await _process.ports()


async def ports_or_put_back(queue: str, body: bytes) -> Ports | None:
    """The ports for handling a message, or None if the message was put back.

    It is put back unchanged while the storage account belongs to another app or refuses to be opened, and the host may
    then delete its own copy. Failing instead would move the message to the poison queue. While storage does not accept
    even that, putting it back is retried for minutes.
    """
    try:
        return await _process.ports()
    except NotOurStorage:
        await _process.put_back(queue, body)
        return None
    except AzureError as error:
        if not refusals.passes(error):
            raise
        await refusals.retry_while_unavailable(partial(_process.put_back_unopened, queue, body))
        return None


async def ports_or_none() -> Ports | None:
    """The ports for a timer, or None while the storage account belongs to another app."""
    try:
        return await _process.ports()
    except NotOurStorage:
        return None
