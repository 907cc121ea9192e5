"""A tenant's sign-in and a Dataverse organization with one confirmed invoice, for the tests of single updates."""

import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import pytest
import requests
from azure.data.tables.aio import TableClient

from shared.services.sign_in import SignIn
from simulators.processes import Server as Process
from tests.contract.conftest import APPLICATION, Tenant, server, signin, table, tenant
from tests.endtoend.relay import Relay, relay
from tests.write_back.wire import Environment, environment

__all__ = ["server", "signin", "table", "tenant"]

LINES = 1300
INVOICES, INVOICE_LINES = 15, 30
SETTINGS = {
    "DATAVERSE_PAGE_ROWS": "25",
    # The tests ring by hand.
    "AzureWebJobs.look_for_postings.Disabled": "true",
    "AzureWebJobs.sweep.Disabled": "true",
}


@dataclass(frozen=True)
class Organization:
    """The simulated Dataverse, and the ids of the billed sales of its one invoice."""

    url: str
    actuals: list[UUID]
    tenant: Tenant

    def switch(self, **switches: Any) -> None:
        """Turn switches of the simulator."""
        requests.put(f"{self.url}/sim/switches", json=switches, timeout=30).raise_for_status()

    def change(self, actual: UUID, **columns: Any) -> None:
        """Change an actual like any user, with notifications."""
        headers = {"Authorization": f"Bearer {self.tenant.issue(self.url)}"}
        url = f"{self.url}/api/data/v9.2/msdyn_actuals({actual})"
        requests.patch(url, json=columns, headers=headers, timeout=30).raise_for_status()

    def tell_of_updates(self, url: str) -> None:
        """Register a webhook for every update of an actual."""
        step: dict[str, Any] = {
            "url": url,
            "entity": "msdyn_actual",
            "message": "Update",
            "authType": "HttpHeader",
            "headers": {},
        }
        requests.post(f"{self.url}/sim/webhooks", json=step, timeout=30).raise_for_status()

    def tell_nobody(self) -> None:
        """Remove all webhooks."""
        for step in requests.get(f"{self.url}/sim/webhooks", timeout=30).json()["steps"]:
            requests.delete(f"{self.url}/sim/webhooks/{step['id']}", timeout=30).raise_for_status()


@pytest.fixture(scope="package")
def organization_process(tenant: Tenant, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Organization]:
    """The process and its invoice."""
    arguments = ["--token-secret", tenant.token_secret, "--clients", APPLICATION]
    process = Process("dataverse", "simulators.dataverse", arguments, run_dir=tmp_path_factory.mktemp("updates"))
    process.start()
    try:
        process.await_ready()
        invoice = requests.post(f"{process.url}/sim/invoices", json={"lines": LINES}, timeout=60).json()["invoiceId"]
        requests.post(f"{process.url}/sim/invoices/{invoice}/confirm", timeout=60).raise_for_status()
        produced = requests.get(f"{process.url}/sim/invoices/{invoice}/produced", timeout=60).iter_lines()
        rows = [json.loads(line) for line in produced]
        yield Organization(process.url, [UUID(row["actualId"]) for row in rows if row["kind"] == "actual"], tenant)
    finally:
        process.stop()


@pytest.fixture
def organization(organization_process: Organization) -> Iterator[Organization]:
    """The organization without a fault of an earlier test."""
    yield organization_process
    organization_process.tell_nobody()
    organization_process.switch(bulkUnsupported="", errorNext=0, faultRoute="", dualWriteClients="")


@pytest.fixture
async def app(organization: Organization, signin: SignIn, table: TableClient) -> AsyncIterator[Environment]:
    """The app's updates, as a process of the app has them when it starts."""
    async with environment(organization.url, signin, table) as running:
        yield running


@pytest.fixture(scope="package")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Relay]:
    """The whole system; tests make invoices of their own."""
    with relay(tmp_path_factory.mktemp("write-back"), settings=SETTINGS) as stack:
        yield stack


@pytest.fixture
def system(running: Relay) -> Relay:
    """The system, with the app's user let to write the accounting detail."""
    running.tenant.let_app_write_back()
    running.tenant.switch("dataverse", refuseUpdatesOf="", throttleNext=0)
    return running


@dataclass
class Stock:
    """Completed, unposted invoices, carried over together because most of that time is waiting."""

    system: Relay
    invoices: list[str] = field(default_factory=list)

    def take(self) -> str:
        """One of them."""
        if not self.invoices:
            tenant = self.system.tenant
            self.invoices = [tenant.draft(INVOICE_LINES, seed=seed, edited=0.3) for seed in range(1, INVOICES + 1)]
            for invoice_id in self.invoices:
                tenant.confirm(invoice_id)
            assert {run["state"] for run in self.system.finish(self.invoices)} == {"completed"}
        return self.invoices.pop()


@pytest.fixture(scope="package")
def stock(running: Relay) -> Stock:
    """Completed invoices for all tests of a process."""
    return Stock(running)


@pytest.fixture
def invoice_id(system: Relay, stock: Stock) -> str:
    """A completed, unposted invoice for one test."""
    return stock.take()
