"""The Python worker: Microsoft's `azure-functions-runtime`, in a thread with its own event loop.

In Azure the worker is a separate process: code that blocks its event loop stops the worker, but the host continues to
renew messages. The separate thread gives the same behaviour here.
"""

import asyncio
import contextlib
import logging
import os
import sys
import threading
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Protocol

import azure_functions_runtime as runtime  # type: ignore[import-untyped]
from azure_functions_runtime import native_invocation
from azure_functions_runtime.bindings.datumdef import Datum as RuntimeDatum  # type: ignore[import-untyped]

from devhost.bindings import Function, read_function
from devhost.refusal import StartRefused

STOP_SECONDS = 2

log = logging.getLogger("devhost.worker")


class Datum(Protocol):
    """One typed value exchanged with the worker. `type` is string, bytes, json, http or None (no value)."""

    value: Any
    type: str | None


@dataclass(frozen=True)
class Answer:
    """The result of an invocation. `error` is None when it succeeded."""

    error: str | None
    returned: Datum | None = None
    outputs: Sequence[tuple[str, Datum]] = ()


def make_datum(value: Any, kind: str) -> Datum:
    """Make a value of the worker's own class."""
    datum: Datum = RuntimeDatum(value, kind)
    return datum


class Worker:
    """Indexes and invokes the functions of one app. One per process, because the runtime keeps global state."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._serve, name="worker", daemon=True)

    async def start(self) -> list[Function]:
        """Import the app and return its functions. Raises StartRefused with the worker's own message."""
        self._place_app_on_path()
        self._thread.start()
        runtime.start_threadpool_executor()
        initialised = await self._run(runtime.worker_init_request(_request(self._root)))
        if initialised.result.status != StatusResult.Success:
            failure = initialised.result.exception
            raise StartRefused(f"the worker could not load the app\n{failure.message}\n{failure.stack_trace}")
        if "HttpUri" in initialised.capabilities:
            raise StartRefused("the app streams HTTP (azurefunctions-extensions-http-fastapi); devhost does not")
        listed = await self._run(runtime.functions_metadata_request(_request(self._root)))
        if not listed.function_metadata_results:
            raise StartRefused(f"no functions found in {self._root}; is function_app.py there?")
        return [read_function(f.function_id, f.name, f.raw_bindings) for f in listed.function_metadata_results]

    async def invoke(
        self, function: Function, invocation_id: str, trigger: Datum, metadata: Mapping[str, Datum]
    ) -> Answer:
        """Run a function once. Cancelling cancels an `async def`; a `def` continues in its thread and its result is
        dropped."""
        inputs = [(function.trigger.parameter, trigger)]
        try:
            ok, returned, outputs, error, _ = await self._run(_invoke(invocation_id, function.id, inputs, metadata))
        except asyncio.CancelledError:
            if _is_being_cancelled():
                raise
            return Answer("the function was cancelled by its own code")
        return Answer(None, returned, outputs) if ok else Answer(error)

    async def stop(self) -> None:
        """End the app's background tasks and the worker's event loop."""
        if not self._thread.is_alive():
            return
        # A function that blocks the loop also blocks this; the daemon thread then ends with the process.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(STOP_SECONDS):
                await self._run(_cancel_tasks())
        self._loop.call_soon_threadsafe(self._loop.stop)
        await asyncio.to_thread(self._thread.join, 1)

    def _serve(self) -> None:
        try:
            self._loop.run_forever()
        except (SystemExit, KeyboardInterrupt):
            # As in Azure: the worker has exited, and its messages reappear when their leases expire.
            log.critical("the app ended the worker; the host cannot go on")
            os._exit(1)

    async def _run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, self._loop))

    def _place_app_on_path(self) -> None:
        # As in Azure, the app comes last on the path. `python -m` put the current directory first, and that may hold
        # another app.
        sys.path[:] = [entry for entry in sys.path if entry and Path(entry).resolve() not in {self._root, Path.cwd()}]
        sys.path.append(str(self._root))
        os.chdir(self._root)


async def _invoke(
    invocation_id: str, function_id: str, inputs: list[tuple[str, Datum]], metadata: Mapping[str, Datum]
) -> Any:
    # The runtime sets this too, but resets it before it logs a failure. Without this line that log line has no
    # invocation id.
    runtime.invocation_id_cv.set(invocation_id)
    return await native_invocation.invocation_request_native(invocation_id, function_id, inputs, metadata)


def _is_being_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


async def _cancel_tasks() -> None:
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks, timeout=STOP_SECONDS)


class _Message:
    def __init__(self, **fields: Any) -> None:
        self.__dict__.update(fields)


class BindingInfo(_Message):
    """The worker protocol's binding directions and data types, by their numbers."""

    undefined = 0
    out = 1
    inout = 2


class StatusResult(_Message):
    """The worker protocol's outcome of a request."""

    Failure = 0
    Success = 1


# The runtime builds its responses from a protobuf module. Plain classes of the same names are sufficient.
_PROTOS = SimpleNamespace(
    BindingInfo=BindingInfo,
    StatusResult=StatusResult,
    **dict.fromkeys(
        (
            "RpcFunctionMetadata",
            "RpcRetryOptions",
            "RpcException",
            "WorkerInitResponse",
            "WorkerMetadata",
            "FunctionMetadataResponse",
        ),
        _Message,
    ),
)


def _request(root: Path) -> SimpleNamespace:
    initialise = SimpleNamespace(capabilities={}, function_app_directory=str(root))
    return SimpleNamespace(
        request=SimpleNamespace(worker_init_request=initialise),
        properties={"protos": _PROTOS, "host": "127.0.0.1"},
    )
