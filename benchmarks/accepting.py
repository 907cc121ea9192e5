"""How fast webhooks are accepted, compared with Azurite alone doing one insert and one message per webhook, with the
same concurrency.
"""

import asyncio
import time
from uuid import uuid4

from azure.data.tables.aio import TableServiceClient
from azure.storage.queue import QueueServiceClient as BlockingQueueServiceClient
from azure.storage.queue import TextBase64EncodePolicy
from azure.storage.queue.aio import QueueServiceClient

from benchmarks.webhooks import post_all
from benchmarks.workload import Round
from shared.project_operations.codes import INVOICES

_AT_ONCE = 32
_PATIENCE_SECONDS = 300


class NotAccepted(Exception):
    """A webhook that was answered otherwise than with 202."""


def accept_rate(ground: Round, count: int) -> float:
    """Webhooks a second that the host of the round answers with 202, all of them. Raises NotAccepted."""
    urls = [f"{url}/api/invoices/confirmations" for url in ground.stack.host_urls]
    organization = str(ground.stack.services["dataverse"].facts["organizationId"])
    began = time.monotonic()
    invoices = [str(uuid4()) for _ in range(count)]
    statuses = asyncio.run(post_all(urls, ground.stack.webhook_key, organization, invoices, _AT_ONCE))
    seconds = time.monotonic() - began
    if refused := [status for status in statuses if status != 202]:
        raise NotAccepted(f"{len(refused)} of {count} webhooks were answered with {sorted(set(refused))}")
    return count / seconds


def work_off(ground: Round) -> None:
    """Wait until the host has processed what it accepted, so that the next contestant has storage to itself. Raises
    NotAccepted when that takes minutes."""
    service = BlockingQueueServiceClient.from_connection_string(ground.stack.azurite.connection_string())
    deadline = time.monotonic() + _PATIENCE_SECONDS
    with service, service.get_queue_client(INVOICES) as queue:
        while left := queue.get_queue_properties().approximate_message_count:
            if time.monotonic() > deadline:
                raise NotAccepted(f"{left} accepted runs were not worked off in {_PATIENCE_SECONDS} s")
            time.sleep(0.2)


def bare_rate(ground: Round, count: int) -> float:
    """Pairs of one table insert and one queue message a second, with the same SDK and nothing around it."""
    return asyncio.run(_bare(ground.stack.azurite.connection_string(), count))


async def _bare(connection: str, count: int) -> float:
    slots = asyncio.Semaphore(_AT_ONCE)
    tables = TableServiceClient.from_connection_string(connection)
    queues = QueueServiceClient.from_connection_string(connection)
    async with tables, queues:
        name = f"bare{uuid4().hex}"
        table = await tables.create_table(name)
        queue = queues.get_queue_client(name, message_encode_policy=TextBase64EncodePolicy())
        await queue.create_queue()

        async def take() -> None:
            async with slots:
                entity = {"PartitionKey": str(uuid4()), "RowKey": "run", "state": "accepted", "number": "x" * 300}
                await table.create_entity(entity)
                await queue.send_message("x" * 140)

        began = time.monotonic()
        await asyncio.gather(*(take() for _ in range(count)))
        return count / (time.monotonic() - began)
