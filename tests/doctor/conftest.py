"""A simulated tenant without a host, and the app's own ports in this process.

`await patient.diagnose(check)` makes one check. Switches of both services go back to how they were after each test.
"""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import aiohttp
import pytest

from shared import wiring
from shared.jobs.job import load_job, load_maps
from shared.project_operations.proposal_number import name_proposals
from shared.settings import read_settings
from shared.storage.clients import Storage, open_storage
from shared.wiring import open_ports, queues_of
from simulators.stack import CLIENT_ID, IDENTITY_ID, Stack
from simulators.tenant import app_settings
from tests.contract.opening import close_clients
from tests.contract.wiring import Clock
from tests.doctor.patient import ADMINISTRATOR, Patient, switches_of
from tests.simulators.dataverse.client import SECRET, Dataverse
from tests.simulators.finance.client import Finance


@pytest.fixture(scope="package")
def tenant(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Storage, sign-in, Dataverse and Finance."""
    secret = ("--token-secret", SECRET)
    members = ("--clients", f"{CLIENT_ID},{IDENTITY_ID},{ADMINISTRATOR}")
    flags = {"signin": secret, "dataverse": (*secret, *members), "finance": (*secret, *members)}
    run_dir = Path(tmp_path_factory.mktemp("doctor"))
    with (
        Stack(run_dir, app_settings=app_settings, hosts=0, flags=flags) as stack,
        pytest.MonkeyPatch.context() as patch,
    ):
        # What requests, and with it MSAL, trusts.
        patch.setenv("REQUESTS_CA_BUNDLE", str(stack.ca))
        yield stack


@pytest.fixture(scope="package")
async def storage(tenant: Stack) -> AsyncIterator[Storage]:
    """The app's storage, opened once: it takes as long as ten checks."""
    opened = await open_storage(read_settings(tenant.settings), queues_of(load_job()))
    yield opened
    queues = [*opened.queues.own.values(), *opened.queues.untouched.values()]
    await close_clients([opened.gates, opened.audit], [opened.landed, opened.maps, *queues])


@pytest.fixture
async def patient(tenant: Stack, storage: Storage, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Patient]:
    """The app and its tenant, as healthy as the simulators are at start."""

    async def opened(*_: object) -> Storage:
        return storage

    given, clock = tenant.settings, Clock()
    settings = read_settings(given)
    with monkeypatch.context() as patch:
        patch.setattr(wiring, "open_storage", opened)
        ports = await open_ports(settings, name_proposals(load_maps(), settings.number_column), clock.now)
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session:
        dataverse = Dataverse(tenant.url("dataverse"), session, user=ADMINISTRATOR)
        finance = Finance(tenant.url("finance"), session)
        before = [(client, await switches_of(client)) for client in (dataverse, finance)]
        yield Patient(ports, given, clock, dataverse, finance)
        for client, switches in before:
            await client.switch(**switches)
            # The gates that a test has closed.
            await storage.gates.delete_entity("gate", type(client).__name__)
    # The connections to storage are those of the other tests, too.
    await ports.dataverse._service._session.close()
