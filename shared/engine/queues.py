"""The queues: what is sent on them; the Functions host receives it."""

import base64
import math
from collections.abc import Mapping
from datetime import timedelta

from azure.storage.queue.aio import QueueClient

from shared.engine.messages import Message


class Queues:
    """Sends messages; the Functions host receives them."""

    def __init__(self, clients: Mapping[str, QueueClient], untouched: Mapping[str, QueueClient] | None = None) -> None:
        """`untouched` are the same queues, and those to which the host moves what it gives up, for bodies that are sent
        byte by byte as they are."""
        self.clients = clients
        self._untouched = untouched or {}

    async def send(self, message: Message, *, delay: timedelta = timedelta()) -> None:
        """Put a message on the queue of its stage, to be seen after `delay`. It stays until somebody handles it."""
        queue = self.clients[message.queue]
        await queue.send_message(message.model_dump_json(), visibility_timeout=_seconds(delay), time_to_live=-1)

    async def send_again(self, queue: str, body: bytes, *, delay: timedelta) -> None:
        """Put a message that this app cannot read, or must not, on the queue that it was on, or its poison queue, as it
        is."""
        if queue in self._untouched:
            client, content = self._untouched[queue], base64.b64encode(body).decode()
        else:
            client, content = self.clients[queue], body.decode()
        await client.send_message(content, visibility_timeout=_seconds(delay), time_to_live=-1)


def _seconds(delay: timedelta) -> int:
    return max(0, math.ceil(delay.total_seconds()))
