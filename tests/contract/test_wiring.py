"""The ports as the app itself opens them: against the same servers, with what it is deployed with."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from shared.ports import Ports, open_ports
from shared.tablemap import load_maps
from simulators.azurite import Azurite
from tests.contract.conftest import APPLICATION, Tenant
from tests.contract.server import Server, said
from tests.contract.wiring import settings


@pytest.fixture
async def ports(tenant: Tenant, azurite: Azurite, server: Server) -> AsyncIterator[Ports]:
    """The app's ports, closed again, which the app itself never does."""
    # A cookie of a bare address would not be kept by any jar.
    url = server.url.replace("127.0.0.1", "localhost")
    given = settings(
        AzureWebJobsStorage=azurite.connection_string(),
        DATAVERSE_URL=url,
        FINANCE_URL=f"{url}/",
        SIGN_IN_AUTHORITY=str(tenant.process.facts["authority"]),
        SIGN_IN_CLIENT_ID=APPLICATION,
        SIGN_IN_CLIENT_SECRET=tenant.secret,
    )
    opened = await open_ports(given, load_maps())
    yield opened
    await opened.dataverse._service._session.close()
    tables = [opened.gates._table, opened.ledger._table, opened.dock._table]
    pipelines: list[Any] = [table._client._client._pipeline for table in tables]
    pipelines += [opened.landing._container._pipeline, *(queue._pipeline for queue in opened.queues.clients.values())]
    for pipeline in pipelines:
        await _real(pipeline._transport).close()


def _real(transport: Any) -> Any:
    """The transport behind those of clients that others made, whose close does nothing."""
    while hasattr(transport, "_transport"):
        transport = transport._transport
    return transport


async def test_the_app_keeps_no_cookie(ports: Ports, server: Server) -> None:
    # Dataverse's affinity cookie would put every request on one web server and under its limits.
    server.rule = lambda _: said({"value": []}, Set_Cookie="ARRAffinity=1c2d; path=/")
    for _ in range(3):
        await ports.dataverse.page("invoices", {"$select": "name"}, cursor="", size=1)
        await ports.finance.counts("x")
    assert len(server.received) == 6
    assert all(request.header("Cookie") is None for request in server.received)


async def test_the_app_waits_for_an_answer_with_an_end(ports: Ports) -> None:
    timeout = ports.dataverse._service._session.timeout
    assert 0 < (timeout.sock_connect or 0) <= 60
    assert 0 < (timeout.sock_read or 0) <= 300
    assert 0 < (timeout.total or 0) <= 600


async def test_the_app_reaches_both_services_at_the_settings_addresses(ports: Ports, server: Server) -> None:
    server.rule = lambda _: said({"value": []})
    await ports.dataverse.page("invoices", {"$select": "name"}, cursor="", size=1)
    await ports.finance.counts("x")
    assert [target.partition("?")[0] for target in server.targets] == [
        "/api/data/v9.2/invoices",
        "/data/DataManagementExecutionJobDetails",
    ]
