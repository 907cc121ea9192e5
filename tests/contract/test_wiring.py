"""The ports as the app itself opens them: against the same servers, with what it is deployed with."""

from collections.abc import AsyncIterator

import pytest

from shared.engine.ports import Ports
from simulators.azurite import Azurite
from tests.contract.conftest import Tenant
from tests.contract.opening import opened
from tests.contract.server import Server, said


@pytest.fixture
async def ports(tenant: Tenant, azurite: Azurite, server: Server) -> AsyncIterator[Ports]:
    """The app's ports."""
    async with opened(tenant, azurite, server) as ports:
        yield ports


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
