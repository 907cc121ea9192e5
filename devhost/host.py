"""The host: the app's functions, their listeners and the web server, from start to stop."""

import asyncio
import hashlib
import logging
import socket
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from aiohttp import web

from devhost.admin import Admin
from devhost.bindings import Function, QueueTrigger, TimerTrigger
from devhost.exchanges import Exchanges
from devhost.host_json import HostJson
from devhost.invocation import Invoker
from devhost.keys import KeyFile
from devhost.logs import start_logging
from devhost.queues import LEASE, QueueListener, name_poison_queue
from devhost.refusal import StartRefused
from devhost.settings import is_disabled
from devhost.storage import QueueAccounts
from devhost.timers import TimerListener
from devhost.web import Website
from devhost.worker import Worker

STOP_GRACE = timedelta(seconds=30)

log = logging.getLogger("devhost.host")


@dataclass(frozen=True)
class HostOptions:
    """How a host runs: the app's directory, its host.json, the keys, the port, the queue lease, and the file into which
    HTTP requests and their answers go, if any."""

    root: Path
    host_json: HostJson
    keys: KeyFile
    address: str
    port: int
    lease: timedelta = LEASE
    exchanges: Path | None = None


class Host:
    """Serves one app until it is stopped."""

    def __init__(self, options: HostOptions) -> None:
        self._options = options
        self._worker = Worker(options.root)
        self._accounts = QueueAccounts()
        self._invoker = Invoker(
            self._worker,
            self._accounts,
            timeout=options.host_json.function_timeout,
            base64_messages=options.host_json.queues.base64,
            wake=self._wake,
        )
        self._queues: list[QueueListener] = []
        self._timers: dict[str, TimerListener] = {}
        self.listening: list[asyncio.Task[None]] = []
        self.functions: list[Function] = []
        self.url = ""

    async def start(self) -> None:
        """Index the app, serve HTTP and start the listeners. Raises StartRefused when one of these fails."""
        start_logging(self._options.host_json.log_levels, self._invoker.names)
        indexed = await self._worker.start()
        self.functions = [function for function in indexed if not is_disabled(function.name)]
        for function in self.functions:
            self._make_listener(function)
        await self._serve()
        for listener in self._listeners():
            self.listening.append(asyncio.create_task(listener.listen()))

    async def stop(self) -> None:
        """Stop fetching and accepting, give running functions 30 s to finish, then close. Raises the error of a failed
        listener."""
        self._admin.state = "Stopping"
        for listener in self._listeners():
            listener.stop()
        await asyncio.gather(self._runner.cleanup(), self._await_listeners())
        await self._worker.stop()
        await self._accounts.close()
        for task in self.listening:
            if task.done():
                task.result()

    async def abandon(self) -> None:
        """Release what a failed start has opened."""
        await self._worker.stop()
        await self._accounts.close()

    def _make_listener(self, function: Function) -> None:
        trigger, where = function.trigger, f"function '{function.name}'"
        for output in function.outputs:
            self._accounts.queue(output.connection, output.queue, where)
        if isinstance(trigger, TimerTrigger):
            self._timers[function.name] = TimerListener(function, trigger, self._invoker)
        if isinstance(trigger, QueueTrigger):
            poison = name_poison_queue(trigger.queue)
            poison_queue = self._accounts.queue(trigger.connection, poison, where) if poison else None
            self._queues.append(
                QueueListener(
                    function,
                    trigger,
                    queue=self._accounts.queue(trigger.connection, trigger.queue, where),
                    poison=poison_queue,
                    options=self._options.host_json.queues,
                    invoker=self._invoker,
                    wakes=self._wake,
                    lease=self._options.lease,
                )
            )

    async def _serve(self) -> None:
        options = self._options
        host_id = hashlib.sha256(f"{socket.gethostname()}{options.root}".encode()).hexdigest()[:32]
        self._admin = Admin(host_id, self.functions, self._timers, options.keys, self._invoker)
        exchanges = Exchanges(options.exchanges) if options.exchanges else None
        prefix, keys = options.host_json.route_prefix, options.keys
        website = Website(self.functions, prefix, keys, self._invoker, self._admin, exchanges=exchanges)
        self._runner = web.AppRunner(
            website.application(), access_log=None, shutdown_timeout=STOP_GRACE.total_seconds()
        )
        await self._runner.setup()
        site = web.TCPSite(self._runner, options.address, options.port)
        try:
            await site.start()
        except OSError as error:
            raise StartRefused(f"cannot listen on {options.address}:{options.port}: {error.strerror}") from error
        port = self._runner.addresses[0][1]
        self.url = f"http://{options.address}:{port}"

    async def _await_listeners(self) -> None:
        work = {*self.listening, *self._admin.running}
        if not work:
            return
        _, late = await asyncio.wait(work, timeout=STOP_GRACE.total_seconds())
        if late:
            log.warning("stopped with invocations still running; their messages come back when their lease is over")

    def _listeners(self) -> list[QueueListener | TimerListener]:
        return [*self._queues, *self._timers.values()]

    def _wake(self, queue: str) -> None:
        for listener in self._queues:
            if listener.trigger.queue == queue:
                listener.wake()
