"""Queue triggers: one listener per queue function, following the rules of the Storage Queues extension 5.x."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta

from azure.core.exceptions import AzureError, HttpResponseError
from azure.storage.queue import QueueMessage
from azure.storage.queue.aio import QueueClient

from devhost.bindings import Function, QueueTrigger
from devhost.host_json import QueueOptions
from devhost.invocation import Invoker
from devhost.messages import Undecodable, decode, describe_message
from devhost.polling import PollingInterval, RenewalInterval
from devhost.storage import lost_message, put_message
from devhost.worker import make_datum

LEASE = timedelta(minutes=10)
# The host fills its poison queues itself and wakes their listeners, as the Functions host does. Looking at them as
# often as at the others would be half of an idle host's work.
POISON_INTERVAL = timedelta(seconds=5)
POISON = "-poison"
MAXIMUM_NAME = 63

log = logging.getLogger("devhost.queues")


def name_poison_queue(queue: str) -> str | None:
    """The name of a queue's poison queue. None for a poison queue itself, and when the name would be too long."""
    name = queue + POISON
    return None if queue.endswith(POISON) or len(name) > MAXIMUM_NAME else name


@dataclass
class Lease:
    """A message being processed. Each renewal changes the pop receipt; only the newest receipt is valid."""

    message: QueueMessage
    pop_receipt: str


@dataclass
class QueueListener:
    """Fetches messages and runs the function for each, many at once.

    `wakes` ends the wait of the listener of another queue. A message is invisible for `lease` from its fetch and from
    every renewal, whatever `visibilityTimeout` says. After a crash of the host its messages reappear when that time is
    over, with a dequeue count one higher.
    """

    function: Function
    trigger: QueueTrigger
    queue: QueueClient
    poison: QueueClient | None
    options: QueueOptions
    invoker: Invoker
    wakes: Callable[[str], None]
    lease: timedelta = LEASE
    _processing: set[asyncio.Task[None]] = field(default_factory=set)
    _wake: asyncio.Event = field(default_factory=asyncio.Event)
    _stopping: asyncio.Event = field(default_factory=asyncio.Event)

    async def listen(self) -> None:
        """Fetch and run until `stop`, then wait for the running messages."""
        interval, found = PollingInterval(self._longest_wait), False
        while not self._stopping.is_set():
            self._wake.clear()
            if messages := await self._fetch():
                self._begin(messages)
                found = True
                await self._wait_for_room()
            else:
                wait = interval.next_wait(found=found)
                log.debug("queue %s is looked at again in %d ms", self.trigger.queue, wait / timedelta(milliseconds=1))
                await _set_within(self._wake, wait)
                found = False
        if self._processing:
            await asyncio.wait(self._processing)

    @property
    def _longest_wait(self) -> timedelta:
        usual = self.options.max_polling_interval
        return max(usual, POISON_INTERVAL) if self.trigger.queue.endswith(POISON) else usual

    def wake(self) -> None:
        """End the current wait, because this host has just put a message on the queue."""
        self._wake.set()

    def stop(self) -> None:
        """Stop fetching."""
        self._stopping.set()
        self._wake.set()

    async def _fetch(self) -> list[QueueMessage]:
        pages = self.queue.receive_messages(
            messages_per_page=self.options.batch_size,
            visibility_timeout=int(self.lease.total_seconds()),
            max_messages=self.options.batch_size,
        ).by_page()
        try:
            return [message async for message in await anext(pages)]
        except StopAsyncIteration:
            return []
        except AzureError as error:
            # In Azure an error such as 403 restarts the host. devhost logs it and retries.
            if getattr(error, "status_code", None) != 404:
                log.warning("queue %s cannot be read: %s", self.trigger.queue, type(error).__name__)
            return []

    def _begin(self, messages: list[QueueMessage]) -> None:
        for message in messages:
            task = asyncio.create_task(self._process(message))
            self._processing.add(task)
            task.add_done_callback(self._processing.discard)

    async def _wait_for_room(self) -> None:
        stopping = asyncio.create_task(self._stopping.wait())
        while len(self._processing) > self.options.new_batch_threshold and not self._stopping.is_set():
            await asyncio.wait({*self._processing, stopping}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()

    async def _process(self, message: QueueMessage) -> None:
        try:
            await self._handle(Lease(message, message.pop_receipt or ""))
        except AzureError as error:
            # No traceback: the text of an SDK error may quote the message.
            log.warning("message of queue %s left as it is: %s", self.trigger.queue, type(error).__name__)

    async def _handle(self, lease: Lease) -> None:
        try:
            body = decode(lease.message.content or "", base64_encoded=self.options.base64)
        except Undecodable:
            log.warning("Message decoding has failed! Check MessageEncoding settings. Queue: %s", self.trigger.queue)
            await self._poison(lease)
            return
        # A message that crashes the host each time is never marked as failed. Its dequeue count moves it to the poison
        # queue.
        if self._dequeue_count(lease) > self.options.max_dequeue_count:
            await self._give_up(lease)
            return
        async with self._renewing(lease):
            succeeded = await self._run(lease.message, body)
        await self._complete(lease, succeeded=succeeded)

    async def _run(self, message: QueueMessage, body: bytes) -> bool:
        value = (
            make_datum(body, "bytes") if self.trigger.binary else make_datum(body.decode(errors="replace"), "string")
        )
        reason = f"New queue message detected on '{self.trigger.queue}'."
        answer = await self.invoker.invoke(self.function, value, describe_message(message, body), reason=reason)
        return answer.error is None

    async def _complete(self, lease: Lease, *, succeeded: bool) -> None:
        if succeeded:
            await self._delete(lease)
        elif self.poison is None:
            # The message stays invisible until its lease expires: retrying at once would spin while the poison queue
            # fails.
            return
        elif self._dequeue_count(lease) >= self.options.max_dequeue_count:
            await self._give_up(lease)
        else:
            await self._release(lease)

    async def _give_up(self, lease: Lease) -> None:
        if self.poison is not None:
            limit, target = self.options.max_dequeue_count, self.poison.queue_name
            log.warning("Message has reached MaxDequeueCount of %d. Moving message to queue '%s'.", limit, target)
        await self._poison(lease)

    async def _poison(self, lease: Lease) -> None:
        if self.poison is None:
            return
        # Copy first, delete second: a crash in between leaves two messages, never none.
        await put_message(self.poison, lease.message.content or "")
        self.wakes(self.poison.queue_name)
        await self._delete(lease)

    async def _delete(self, lease: Lease) -> None:
        with _ignoring_loss():
            await self.queue.delete_message(lease.message.id, lease.pop_receipt)

    async def _release(self, lease: Lease) -> None:
        seconds = int(self.options.visibility_timeout.total_seconds())
        with _ignoring_loss():
            await self.queue.update_message(lease.message.id, lease.pop_receipt, visibility_timeout=seconds)

    @contextlib.asynccontextmanager
    async def _renewing(self, lease: Lease) -> AsyncIterator[None]:
        ended = asyncio.Event()
        renewal = asyncio.create_task(self._renew(lease, ended))
        try:
            yield
        finally:
            ended.set()
            # A renewal in flight is awaited, not cancelled: its response carries the pop receipt that the delete needs.
            await renewal

    async def _renew(self, lease: Lease, ended: asyncio.Event) -> None:
        interval, renewed = RenewalInterval(self.lease), True
        while not await _set_within(ended, interval.next_wait(renewed=renewed)):
            try:
                await self._extend(lease)
                renewed = True
            except HttpResponseError as error:
                if lost_message(error):
                    return
                renewed = False
            except AzureError:
                renewed = False

    async def _extend(self, lease: Lease) -> None:
        seconds = int(self.lease.total_seconds())
        renewed = await self.queue.update_message(lease.message.id, lease.pop_receipt, visibility_timeout=seconds)
        lease.pop_receipt = renewed.pop_receipt or lease.pop_receipt

    @staticmethod
    def _dequeue_count(lease: Lease) -> int:
        return lease.message.dequeue_count or 1


@contextlib.contextmanager
def _ignoring_loss() -> Iterator[None]:
    try:
        yield
    except HttpResponseError as error:
        if not lost_message(error):
            raise


async def _set_within(event: asyncio.Event, wait: timedelta) -> bool:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(wait.total_seconds()):
            return await event.wait()
    return False
