"""Queues of the storage accounts that bindings name."""

import contextlib

from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceNotFoundError
from azure.storage.queue.aio import QueueClient, QueueServiceClient

from devhost.refusal import StartRefused
from devhost.settings import find_connection_string


class QueueAccounts:
    """One client per storage account, shared by listeners and output bindings."""

    def __init__(self) -> None:
        self._accounts: dict[str, QueueServiceClient] = {}

    def queue(self, connection: str, name: str, where: str) -> QueueClient:
        """Return the client of a queue. Raises StartRefused for an unusable connection, without showing its value."""
        value = find_connection_string(connection, where)
        if value not in self._accounts:
            try:
                # The SDK's default retry waits of 15 s and more are too long for a local Azurite, which is away for
                # moments only.
                self._accounts[value] = QueueServiceClient.from_connection_string(
                    value, initial_backoff=0, increment_base=2, random_jitter_range=1, retry_total=3
                )
            except ValueError as error:
                raise StartRefused(f"{where}: connection '{connection}' holds no valid connection string") from error
        return self._accounts[value].get_queue_client(name)

    async def close(self) -> None:
        """Close the connections."""
        for account in self._accounts.values():
            await account.close()


async def put_message(queue: QueueClient, text: str) -> None:
    """Put a message on a queue. Like the host, it creates the queue if it does not exist."""
    try:
        await queue.send_message(text)
    except ResourceNotFoundError:
        with contextlib.suppress(ResourceExistsError):
            await queue.create_queue()
        await queue.send_message(text)


def lost_message(error: HttpResponseError) -> bool:
    """Whether a message is no longer ours: deleted, or fetched again by another listener (new pop receipt)."""
    return error.status_code == 404 or getattr(error, "error_code", None) == "PopReceiptMismatch"
