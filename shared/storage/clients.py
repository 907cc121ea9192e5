"""The app's own storage: tables, queues and a private container, in the account of AzureWebJobsStorage."""

from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from azure.core.credentials import AccessToken
from azure.core.exceptions import ResourceExistsError
from azure.core.pipeline.transport import AioHttpTransport
from azure.data.tables.aio import TableClient, TableServiceClient
from azure.storage.blob.aio import BlobServiceClient, ContainerClient
from azure.storage.queue import TextBase64EncodePolicy
from azure.storage.queue.aio import QueueClient, QueueServiceClient

from shared.services.sign_in import SignIn
from shared.settings import Settings
from shared.storage.names import LANDED, MAPS, TABLES, poison_of


@dataclass(frozen=True)
class Storage:
    """The clients of the app's tables, containers and queues."""

    runs: TableClient
    register: TableClient
    dock: TableClient
    gates: TableClient
    audit: TableClient
    landed: ContainerClient
    maps: ContainerClient
    queues: "QueueClients"


@dataclass(frozen=True)
class QueueClients:
    """The queues by name. `untouched` includes the poison queues and sends bodies without encoding."""

    own: Mapping[str, QueueClient]
    untouched: Mapping[str, QueueClient]


class _AppCredential:
    """Provides the storage SDK with tokens of the app's managed identity, the only identity that the app has in
    storage."""

    def __init__(self, signin: SignIn) -> None:
        self._signin = signin

    async def get_token(self, *scopes: str, **_: Any) -> AccessToken:
        token, expires_on = await self._signin.token_until(scopes[0].removesuffix("/.default"))
        return AccessToken(token, expires_on)

    async def close(self) -> None:
        """Nothing to close."""

    async def __aenter__(self) -> "_AppCredential":
        return self

    async def __aexit__(self, *_: object) -> None:
        """Nothing to close."""


async def open_storage(settings: Settings, queue_names: Sequence[str]) -> Storage:
    """Open the clients, and create missing tables, queues and containers."""
    tables, blobs, queues = _services(settings)
    landed, maps = blobs.get_container_client(LANDED), blobs.get_container_client(MAPS)
    found = {name: tables.get_table_client(name) for name in TABLES}
    for table in found.values():
        # Several instances start at the same time; "already exists" is the normal result.
        await _unless_there(table.create_table())
    opened = _queues(queues, queue_names)
    for queue in opened.own.values():
        await _unless_there(queue.create_queue())
    await _unless_there(landed.create_container())
    await _unless_there(maps.create_container())
    return Storage(**found, landed=landed, maps=maps, queues=opened)


def queues_alone(settings: Settings, names: Sequence[str]) -> QueueClients:
    """The queues alone, for the time when the rest of storage cannot be opened. No request is sent."""
    return _queues(_services(settings)[2], names)


def _queues(service: QueueServiceClient, names: Sequence[str]) -> QueueClients:
    clients = {name: service.get_queue_client(name, message_encode_policy=TextBase64EncodePolicy()) for name in names}
    untouched = {name: service.get_queue_client(name) for name in (*names, *map(poison_of, names))}
    return QueueClients(clients, untouched)


def _services(settings: Settings) -> tuple[TableServiceClient, BlobServiceClient, QueueServiceClient]:
    if settings.storage:
        text = settings.storage.get_secret_value()
        return (
            TableServiceClient.from_connection_string(text, transport=_transport()),
            BlobServiceClient.from_connection_string(text, transport=_transport()),
            QueueServiceClient.from_connection_string(text, transport=_transport()),
        )
    identity = settings.model_copy(update={"sign_in": "managedIdentity", "client_id": settings.storage_client_id})
    credential = _AppCredential(SignIn(identity))
    return (
        TableServiceClient(_address(settings, "table"), credential=credential, transport=_transport()),
        BlobServiceClient(_address(settings, "blob"), credential=credential, transport=_transport()),
        QueueServiceClient(_address(settings, "queue"), credential=credential, transport=_transport()),
    )


def _address(settings: Settings, service: str) -> str:
    """The address of one of the account's services. An account name alone means the public cloud."""
    given = {"table": settings.storage_tables, "blob": settings.storage_blobs, "queue": settings.storage_queues}
    return given[service] or f"https://{settings.storage_account}.{service}.core.windows.net"


def _transport() -> AioHttpTransport:
    # With use_env_settings, aiohttp looks for a proxy and a .netrc in a thread for each request. The services do not
    # use either of them.
    return AioHttpTransport(use_env_settings=False)


async def _unless_there(creation: Awaitable[object]) -> None:
    try:
        await creation
    except ResourceExistsError:
        return
