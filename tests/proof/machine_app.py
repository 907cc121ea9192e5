"""The app in this process, driven step by step: its functions are called with messages from the real queues.

Who calls decides when a message is delivered, how often, to which of two hosts, and what befalls it there. Storage and
the services are real processes; the clock is the machine's.
"""

import asyncio
import base64
import json
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from importlib import import_module
from typing import Any, cast

import azure.functions as func
from azure.core.exceptions import ResourceExistsError
from azure.functions.queue import QueueMessage
from azure.storage.queue import TextBase64EncodePolicy
from azure.storage.queue.aio import QueueClient

from shared import wiring
from shared.engine.ports import Ports
from shared.engine.queues import Queues
from shared.engine.worker import MAX_DEQUEUE_COUNT, WorkFailed
from shared.jobs.job import load_maps
from shared.maps.table_map import TableMap
from shared.project_operations.codes import ACTUALS, CONNECTIONS, INVOICES
from shared.settings import Settings
from shared.storage.known_maps import KnownMaps
from shared.storage.names import OPERATIONS, WRITE_BACK
from shared.wiring import open_ports
from tests.contract.wiring import Clock
from tests.proof.machine_wire import Crashed, Fate, Journey, travelling

type Function = Callable[[Any], Awaitable[Any]]

AFTER_A_CRASH = timedelta(minutes=10)
"""When the Functions host makes a message visible again after its worker crashed."""
AFTER_A_FAILURE = timedelta(seconds=5)
"""host.json's visibilityTimeout."""


def function(name: str) -> Function:
    """One of the app's functions, `module.function`: what is decorated there. The modules want settings to be there
    when they are imported."""
    module, _, attribute = name.rpartition(".")
    return cast("Function", getattr(import_module(module), attribute))


_ENDPOINTS = ("operate.api.runs", "operate.api.changes", "operate.api.comparisons", "operate.api.doctor")


def endpoint(name: str) -> str:
    """The `module.function` of one of the operator's endpoints."""
    return next(f"{module}.{name}" for module in _ENDPOINTS if hasattr(import_module(module), name))


_HANDLERS = {
    INVOICES: "confirm_invoice.functions.sync_header",
    ACTUALS: "sync_actuals.functions.sync_actuals",
    CONNECTIONS: "link_transactions.functions.link_transactions",
    WRITE_BACK: "write_back.functions.handle_write_back",
    OPERATIONS: "operate.functions.operate",
}


class TimedQueue(QueueClient):
    """A real queue with delays by the machine's clock: a delayed message can be received, and is due later."""

    clock: Clock
    due: dict[str, deque[datetime]]
    sent_to: set[str]

    async def send_message(self, content: Any, **options: Any) -> Any:
        """Send immediately, and remember when the message becomes visible."""
        delay = options.pop("visibility_timeout", None) or 0
        self.sent_to.add(self.queue_name)
        self.due[content].append(self.clock.now() + timedelta(seconds=delay))
        return await super().send_message(content, **options)


@dataclass
class Letter:
    """A message in the machine's hand: received from its queue, and not yet deleted there."""

    queue: str
    text: str
    name: str
    receipt: str
    due: datetime
    count: int = 0
    held: bool = False

    @property
    def facts(self) -> dict[str, Any]:
        """The message, read; nothing of one that is no JSON object."""
        try:
            facts = json.loads(self.text)
        except ValueError:
            return {}
        return facts if isinstance(facts, dict) else {}

    def as_trigger(self, count: int) -> QueueMessage:
        """What a function is called with."""
        return QueueMessage(id=self.name, body=self.text.encode(), dequeue_count=count)  # type: ignore[no-untyped-call]

    def __str__(self) -> str:
        facts = {name[:20]: str(value)[:8] for name, value in self.facts.items() if name not in {"v", "stage"}}
        return f"{self.queue} {facts}"


class _Switchboard:
    """Which host a function runs in."""

    def __init__(self) -> None:
        self.current: ContextVar[Ports] = ContextVar("host")

    async def ports(self) -> Ports:
        return self.current.get()


@dataclass
class App:
    """Two hosts on one storage account."""

    settings: Settings
    clock: Clock
    hosts: list[Ports]
    board: _Switchboard
    queues: dict[str, TimedQueue]
    slow: frozenset[int]
    due: dict[str, deque[datetime]]
    sent_to: set[str]
    letters: list[Letter] = field(default_factory=list)
    imports: int = 0
    failures: list[str] = field(default_factory=list)
    expected: set[str] = field(default_factory=set)

    async def collect(self) -> None:
        """Take what is on the queues into the hand."""
        while self.sent_to:
            name = self.sent_to.pop()
            async for message in self.queues[name].receive_messages(messages_per_page=32, visibility_timeout=604_000):
                text = base64.b64decode(message.content).decode()
                known = self.due[text]
                due = known.popleft() if known else self.clock.now()
                self.letters.append(Letter(name, text, message.id, message.pop_receipt or "", due))

    async def post(self, queue: str, text: str) -> None:
        """Put any text on a queue."""
        await self.queues[queue].send_message(text)
        await self.collect()

    async def drop_all(self) -> None:
        """Empty the queues and the hand."""
        self.letters.clear()
        self.due.clear()
        for queue in self.queues.values():
            await queue.clear_messages()

    async def deploy(self, host: int, maps: Mapping[str, TableMap]) -> None:
        """Restart a host with other maps, like a deployment."""
        known = KnownMaps(self.hosts[host].known_maps._container, maps)
        await known.keep()
        self.hosts[host] = replace(self.hosts[host], maps=maps, known_maps=known)
        self._forget(host)

    def due_letters(self) -> list[Letter]:
        """What the host would fetch now."""
        return [letter for letter in self.letters if letter.due <= self.clock.now() and not letter.held]

    async def deliver(self, letter: Letter, host: int, fate: Fate | None = None, *, keep: bool = False) -> str:
        """Run the function for a message, as the host does; `keep` loses the message's deletion: it comes again.

        Returns what came of it: done, failed, crashed or poison.
        """
        if letter not in self.letters:
            return "gone"
        if letter.count >= MAX_DEQUEUE_COUNT:
            return await self._give_up(letter, host)
        letter.count += 1
        outcome = await self._run(letter, host, Journey(fate, self.slow))
        await self._follow_up(letter, host, outcome, keep=keep)
        return outcome

    async def deliver_both(self, first: Letter, second: Letter, at: int) -> str:
        """Run two messages, or one twice. The second runs completely while the first is stopped at its request
        number `at`."""
        async with self.holding(first, at) as held:
            outcome = await (self._run(second, 1, Journey()) if first is second else self.deliver(second, 1))
        return f"{held.outcome}, {outcome}"

    @asynccontextmanager
    async def holding(self, letter: Letter, at: int) -> AsyncIterator[Journey]:
        """Stop a message in the first host at its request number `at`, then let it finish. Yields its journey, which
        has struck if it has that many requests."""
        journey = Journey(Fate("hold", at), self.slow)
        letter.count += 1
        running = asyncio.create_task(self._run(letter, 0, journey))
        waiting = asyncio.create_task(journey.held.wait())
        await asyncio.wait({running, waiting}, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        letter.held = True
        yield journey
        letter.held = False
        journey.released.set()
        journey.outcome = await running
        await self._follow_up(letter, 0, journey.outcome)

    async def call(self, name: str, host: int, fate: Fate | None = None, **request: Any) -> tuple[int, Any]:
        """Call an HTTP function. Returns the status and the JSON of its answer, or 0 when the host crashed."""
        body = request.pop("body", b"")
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        asked = func.HttpRequest("POST", request.pop("url", "http://127.0.0.1/api/x"), body=content, **request)
        journey = Journey(fate, self.slow)
        try:
            with travelling(journey):
                self.board.current.set(self.hosts[host])
                answer = await function(name)(asked)
        except Crashed:
            self._forget(host)
            return 0, None
        self.imports += journey.imports
        await self.collect()
        return answer.status_code, json.loads(answer.get_body() or b"null")

    async def confirmation(self, body: bytes, host: int, fate: Fate | None = None) -> int:
        """Call the webhook."""
        url = "http://127.0.0.1/api/invoices/confirmations"
        status, _ = await self.call("confirm_invoice.functions.confirm_invoice", host, fate, body=body, url=url)
        if status == 0:
            await self.collect()
        return status

    async def _run(self, letter: Letter, host: int, journey: Journey) -> str:
        message = letter.as_trigger(letter.count)
        self.board.current.set(self.hosts[host])
        try:
            with travelling(journey):
                await function(_HANDLERS[letter.queue])(message)
        except Crashed:
            self._forget(host)
            return "crashed"
        except WorkFailed as failed:
            self.failures += [] if str(failed) in self.expected else [f"{failed} in {letter}"]
            return "failed"
        finally:
            self.imports += journey.imports
        return "done"

    async def _follow_up(self, letter: Letter, host: int, outcome: str, *, keep: bool = False) -> None:
        if outcome == "crashed" or keep:
            letter.due = self.clock.now() + AFTER_A_CRASH
        elif outcome == "failed" and letter.count >= MAX_DEQUEUE_COUNT:
            await self._give_up(letter, host)
        elif outcome == "failed":
            letter.due = self.clock.now() + AFTER_A_FAILURE
        else:
            await self._delete(letter)
        await self.collect()

    async def _give_up(self, letter: Letter, host: int) -> str:
        self.board.current.set(self.hosts[host])
        poison = f"operate.functions.book_poison_{letter.queue.replace('-', '_')}"
        await function(poison)(letter.as_trigger(1))
        await self._delete(letter)
        await self.collect()
        return "poison"

    async def _delete(self, letter: Letter) -> None:
        if letter in self.letters:
            self.letters.remove(letter)
            await self.queues[letter.queue].delete_message(letter.name, letter.receipt)

    def _forget(self, host: int) -> None:
        """A host that comes back knows nothing of what it had read."""
        forget(self.hosts[host])


def forget(host: Ports) -> None:
    """Empty what a process keeps in memory."""
    host.gates._known.clear()
    host.gates._read_at = datetime.min.replace(tzinfo=host.now().tzinfo)
    host.ship_calls.forget()
    host.pauses._read_at = datetime.min.replace(tzinfo=host.now().tzinfo)


@asynccontextmanager
async def running(settings: Settings, *, slow: frozenset[int]) -> AsyncIterator[App]:
    """The app's two hosts, wired by the app itself; only the clock and the delays of the queues are the machine's."""
    assert settings.storage
    clock = Clock()
    due: dict[str, deque[datetime]] = defaultdict(deque)
    sent_to: set[str] = set()
    queues = {str(name): await _queue(settings, name) for name in _HANDLERS}
    for queue in queues.values():
        queue.clock, queue.due, queue.sent_to = clock, due, sent_to
    opened = [await open_ports(settings, load_maps(), clock.now) for _ in range(2)]
    board = _Switchboard()
    standing, wiring._process = wiring._process, board  # type: ignore[assignment]
    hosts = [replace(each, queues=Queues(queues)) for each in opened]
    try:
        yield App(settings, clock, hosts, board, queues, slow, due, sent_to)
    finally:
        wiring._process = standing
        for each in [*queues.values(), *(client for ports in opened for client in _clients(ports))]:
            await each.close()


def _clients(ports: Ports) -> list[Any]:
    tables = (ports.ledger._table, ports.run_list._table, ports.dock._table, ports.gates._table, ports.audit.table)
    return [*tables, ports.landing._container, *ports.queues.clients.values(), ports.dataverse._service._session]


async def _queue(settings: Settings, name: str) -> TimedQueue:
    assert settings.storage
    queue = TimedQueue.from_connection_string(
        settings.storage.get_secret_value(), name, message_encode_policy=TextBase64EncodePolicy()
    )
    with suppress(ResourceExistsError):
        await queue.create_queue()
    return queue
