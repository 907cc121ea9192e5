"""The app's ports as the app itself opens them, against a scripted server, and closed again."""

from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

from azure.data.tables.aio import TableClient

from shared import clock
from shared.engine.ports import Ports
from shared.jobs.job import load_maps
from shared.project_operations.proposal_number import name_proposals
from shared.wiring import open_ports
from simulators.azurite import Azurite
from tests.contract.conftest import APPLICATION, Tenant
from tests.contract.server import Server
from tests.contract.wiring import settings


@asynccontextmanager
async def opened(
    tenant: Tenant, azurite: Azurite, server: Server, *, now: Callable[[], datetime] = clock.now, **changes: str
) -> AsyncIterator[Ports]:
    """The ports for both services at the server, with the app's settings changed; the app never closes them."""
    # A cookie of a bare address would not be kept by any jar.
    url = server.url.replace("127.0.0.1", "localhost")
    standard = {
        "AzureWebJobsStorage": azurite.connection_string(),
        "DATAVERSE_URL": url,
        "FINANCE_URL": f"{url}/",
        "SIGN_IN_AUTHORITY": str(tenant.process.facts["authority"]),
        "SIGN_IN_CLIENT_ID": APPLICATION,
        "SIGN_IN_CLIENT_SECRET": tenant.secret,
    }
    given = settings(**{**standard, **changes})
    ports = await open_ports(given, name_proposals(load_maps(), given.number_column), now)
    try:
        yield ports
    finally:
        await close(ports)


async def close(ports: Ports) -> None:
    """Close the connections of ports."""
    await ports.dataverse._service._session.close()
    tables = [ports.gates._table, ports.ledger._table, ports.dock._table]
    await close_clients(tables, [ports.landing._container, *ports.queues.clients.values()])


async def close_clients(tables: Iterable[TableClient], others: Iterable[Any]) -> None:
    """Close the connections to storage: of tables, and of containers and queues."""
    pipelines: list[Any] = [table._client._client._pipeline for table in tables]
    for pipeline in [*pipelines, *(each._pipeline for each in others)]:
        await _real(pipeline._transport).close()


def _real(transport: Any) -> Any:
    """A transport around that of another client, which must not be closed here."""
    while hasattr(transport, "_transport"):
        transport = transport._transport
    return transport
