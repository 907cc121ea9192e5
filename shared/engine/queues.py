"""Sends messages to the queues. The Functions host receives them."""

import base64
import math
from collections.abc import Mapping
from datetime import timedelta

from azure.storage.queue.aio import QueueClient

from shared.engine.messages import Message, step_of


class Queues:
    """Sends messages."""

    def __init__(
        self,
        clients: Mapping[str, QueueClient],
        untouched: Mapping[str, QueueClient] | None = None,
        jobs: Mapping[str, str] | None = None,
    ) -> None:
        """`untouched` are the same queues and their poison queues, for bodies that are sent byte by byte. `jobs` names
        the job of each step that has no queue of its own."""
        self.clients = clients
        self._untouched = untouched or {}
        self._jobs = jobs or {}

    async def send(self, message: Message, *, delay: timedelta = timedelta()) -> None:
        """Put a message on its queue, visible after `delay`. It never expires."""
        if job := self._jobs.get(step_of(message)):
            message = message.model_copy(update={"job": job})
        queue = self.clients[message.queue]
        # -1: by default a message expires after 7 days, and a run that waits longer would be lost.
        await queue.send_message(message.model_dump_json(), visibility_timeout=_seconds(delay), time_to_live=-1)

    async def send_again(self, queue: str, body: bytes, *, delay: timedelta) -> None:
        """Put a message that this app cannot or must not handle back on its queue or its poison queue, unchanged."""
        if queue in self._untouched:
            client, content = self._untouched[queue], base64.b64encode(body).decode()
        else:
            client, content = self.clients[queue], body.decode()
        await client.send_message(content, visibility_timeout=_seconds(delay), time_to_live=-1)


def _seconds(delay: timedelta) -> int:
    # Storage takes whole seconds. Rounded down, a message would arrive before its gate opens.
    return max(0, math.ceil(delay.total_seconds()))
