"""One invocation of a function: its log lines, its timeout and its queue outputs."""

import asyncio
import time
from collections.abc import Callable, Mapping
from datetime import timedelta
from uuid import uuid4

from azure.core.exceptions import AzureError

from devhost.bindings import RETURN, Function, QueueOutput
from devhost.logs import function_logger
from devhost.messages import encode
from devhost.outputs import list_messages
from devhost.storage import QueueAccounts, put_message
from devhost.worker import Answer, Datum, Worker


class Invoker:
    """Runs functions in the worker and sends their queue outputs.

    A function that takes longer than `timeout` has failed. Azure then replaces the whole worker process, which also
    fails every other running invocation. devhost cancels an `async def` and lets a `def` finish in its thread.
    """

    def __init__(
        self,
        worker: Worker,
        accounts: QueueAccounts,
        *,
        timeout: timedelta | None,
        base64_messages: bool,
        wake: Callable[[str], None],
    ) -> None:
        self._worker = worker
        self._accounts = accounts
        self._timeout = None if timeout is None else timeout.total_seconds()
        self._base64 = base64_messages
        self._wake = wake
        self.names: dict[str, str] = {}

    async def invoke(self, function: Function, trigger: Datum, metadata: Mapping[str, Datum], *, reason: str) -> Answer:
        """Run a function once and send its queue outputs. An error of either step is in the answer's `error`."""
        invocation_id, started, log = str(uuid4()), time.perf_counter(), function_logger(function.name)
        self.names[invocation_id] = function.name
        log.info("Executing 'Functions.%s' (Reason='%s', Id=%s)", function.name, reason, invocation_id)
        try:
            answer = await self._run(function, invocation_id, trigger, metadata)
        finally:
            self.names.pop(invocation_id)
        outcome = ("Failed" if answer.error else "Succeeded", invocation_id, (time.perf_counter() - started) * 1000)
        log.log(
            40 if answer.error else 20, "Executed 'Functions.%s' (%s, Id=%s, Duration=%.0fms)", function.name, *outcome
        )
        return answer

    async def _run(
        self, function: Function, invocation_id: str, trigger: Datum, metadata: Mapping[str, Datum]
    ) -> Answer:
        try:
            async with asyncio.timeout(self._timeout):
                answer = await self._worker.invoke(function, invocation_id, trigger, metadata)
        except TimeoutError:
            error = f"Timeout value of {self._timeout} s exceeded by function 'Functions.{function.name}'"
            function_logger(function.name).error("%s (Id=%s)", error, invocation_id)
            return Answer(error)
        return answer if answer.error else await self._send_outputs(function, answer)

    async def _send_outputs(self, function: Function, answer: Answer) -> Answer:
        values = [*answer.outputs]
        if answer.returned is not None:
            values.append((RETURN, answer.returned))
        try:
            for parameter, value in values:
                if output := function.output(parameter):
                    await self._send(function, output, value)
        except AzureError as error:
            # The error's text may quote the message; its type does not.
            function_logger(function.name).error("output to a queue failed: %s", type(error).__name__)
            return Answer(f"output binding failed: {type(error).__name__}")
        return answer

    async def _send(self, function: Function, output: QueueOutput, value: Datum) -> None:
        queue = self._accounts.queue(output.connection, output.queue, f"function '{function.name}'")
        for message in list_messages(value):
            await put_message(queue, encode(message, base64_encoded=self._base64))
            self._wake(output.queue)
