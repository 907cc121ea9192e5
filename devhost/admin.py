"""The host's admin pages: is it running, which functions are there, run one by hand."""

import asyncio
import json
import time
from collections.abc import Mapping
from typing import Any

import azure_functions_runtime.version  # type: ignore[import-untyped]
from aiohttp import web

from devhost.bindings import Function, HttpTrigger, QueueTrigger
from devhost.invocation import Invoker
from devhost.keys import KeyFile
from devhost.messages import hide_by_body
from devhost.timers import TimerListener
from devhost.worker import make_datum


class Admin:
    """Everything under /admin. All but the ping needs the master key."""

    def __init__(
        self,
        host_id: str,
        functions: list[Function],
        timers: Mapping[str, TimerListener],
        keys: KeyFile,
        invoker: Invoker,
    ) -> None:
        self._host_id = host_id
        self._functions = {function.name.lower(): function for function in functions}
        self._timers = timers
        self._keys = keys
        self._invoker = invoker
        self._started = time.monotonic()
        self.state = "Running"
        self.running: set[asyncio.Task[Any]] = set()

    async def answer(self, request: web.Request, path: str, key: str | None) -> web.Response:
        """Answer a request for a path below /admin."""
        if path == "host/ping":
            return web.Response()
        if not self._keys.open_admin(key):
            return web.Response(status=401)
        if path == "host/status":
            return web.json_response(self._describe_host())
        if path == "functions":
            return web.json_response([_describe(function) for function in self._functions.values()])
        return await self._answer_function(request, path)

    async def _answer_function(self, request: web.Request, path: str) -> web.Response:
        area, _, name = path.partition("/")
        function = self._functions.get(name.lower()) if area == "functions" else None
        if function is None:
            return web.Response(status=404)
        if request.method != "POST":
            return web.json_response(_describe(function))
        return self._run_by_hand(function, await request.read())

    def _run_by_hand(self, function: Function, body: bytes) -> web.Response:
        if isinstance(function.trigger, HttpTrigger):
            return web.Response(status=400, text="an HTTP function is run by calling its route")
        try:
            given = json.loads(body) if body else {}
            text = str(given.get("input") or "")
        except (ValueError, AttributeError):
            return web.Response(status=400, text='the body must be {"input": "..."}')
        task = asyncio.create_task(self._run(function, text))
        self.running.add(task)
        task.add_done_callback(self.running.discard)
        return web.Response(status=202)

    async def _run(self, function: Function, text: str) -> None:
        reason = "This function was programmatically called via the host APIs."
        if isinstance(function.trigger, QueueTrigger):
            body = text.encode()
            value = make_datum(body, "bytes") if function.trigger.binary else make_datum(text, "string")
            await self._invoker.invoke(function, value, hide_by_body({}, body), reason=reason)
        else:
            await self._timers[function.name].run(reason)

    def _describe_host(self) -> dict[str, Any]:
        return {
            "id": self._host_id,
            "state": self.state,
            "version": azure_functions_runtime.version.VERSION,
            "versionDetails": "devhost on azure-functions-runtime",
            "processUptime": int((time.monotonic() - self._started) * 1000),
        }


def _describe(function: Function) -> dict[str, Any]:
    bindings = [json.loads(text) for text in function.binding_texts]
    return {"name": function.name, "language": "python", "isDisabled": False, "config": {"bindings": bindings}}
