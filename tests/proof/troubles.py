"""A running system with services that can be disturbed and restored, and the actions of its users meanwhile."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests

from tests.endtoend.relay import Relay, await_that, relay
from tests.operations.operator import COMPANY, Operator
from tests.proof.checker import check, records_of
from tests.proof.findings import Findings

PATIENCE_SECONDS = 240.0
"""Long enough for a machine that does much else at the same time."""
SERVICES = ("dataverse", "finance", "signin")
PAGE_ROWS = 6
SETTINGS = {
    "DATAVERSE_PAGE_ROWS": str(PAGE_ROWS),
    "ANSWER_PATIENCE_SECONDS": "2",
    "COMPLETENESS_PATIENCE_SECONDS": "15",
    "FINANCE_POLL_LONGEST_SECONDS": "1",
    "FINANCE_SHIPMENT_LEASE_SECONDS": "4",
    "SWEEP_STALLED_AFTER_SECONDS": "3",
    "THROTTLE_LONGEST_WAIT_SECONDS": "3",
    # The tests sweep, look and write back by hand.
    "AzureWebJobs.sweep.Disabled": "true",
    "AzureWebJobs.look_for_postings.Disabled": "true",
}
OBLIGING = {"takeUpSeconds": 0.0, "importFixedSeconds": 0.0, "notFoundPolls": 1, "uploadsThroughFront": True}


@dataclass(frozen=True)
class Troubles:
    """The system, its operator, and the controls of its services."""

    system: Relay
    addresses: Mapping[str, str]
    ordinary: Mapping[str, Mapping[str, Any]]
    operator: Operator = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "operator", Operator(self.system))

    def switch(self, service: str, **switches: Any) -> None:
        """Turn switches of a service."""
        _ok(requests.put(f"{self.addresses[service]}/sim/switches", json=switches, timeout=60))

    def switches(self, service: str) -> dict[str, Any]:
        """The switches of a service as they are now."""
        return dict(_ok(requests.get(f"{self.addresses[service]}/sim/switches", timeout=60)).json())

    def mend(self) -> None:
        """Every service obliges again."""
        for service in SERVICES:
            self.switch(service, **self.ordinary[service])
            self.lose(service, {})

    def lose(self, service: str, plan: Mapping[str, Sequence[str]]) -> None:
        """Plan which answers of a service get lost; see simulators/losses.py."""
        _ok(requests.put(f"{self.addresses[service]}/sim/losses", json=plan, timeout=60))

    def losses(self, service: str) -> dict[str, Any]:
        """The good answers since the last plan by kind (`seen`), and which of them were lost (`lost`)."""
        return dict(_ok(requests.get(f"{self.addresses[service]}/sim/losses", timeout=60)).json())

    def requests(self, service: str) -> dict[str, Any]:
        """The counts of requests of a service."""
        return dict(_ok(requests.get(f"{self.addresses[service]}/sim/requests", timeout=60)).json())

    def confirm(self, *invoices: str) -> None:
        """Press Confirm on each."""
        for invoice_id in invoices:
            self.system.tenant.confirm(invoice_id)

    def draft(self, count: int, lines: int = 10, **options: Any) -> list[str]:
        """Draft invoices, some of whose lines were edited. From ten lines on, an invoice has every kind of line."""
        options = {"edited": 0.3} | options
        return [self.system.tenant.draft(lines, seed=number, **options) for number in range(1, count + 1)]

    def await_final(self, *invoices: str) -> list[dict[str, Any]]:
        """Wait until the runs are over; return them."""
        return [self.await_that(lambda i=each: self.system.final(i), f"end of {each}", each) for each in invoices]  # type: ignore[misc]

    def await_state(self, invoice_id: str, state: str) -> dict[str, Any]:
        """Wait until a run is in a state; return it."""

        def reached() -> dict[str, Any] | None:
            run = self.run(invoice_id)
            return run if run and run["state"] == state else None

        return self.await_that(reached, f"{state} of {invoice_id}", invoice_id)

    def run(self, invoice_id: str) -> dict[str, Any] | None:
        """The run of an invoice."""
        return self.system.tenant.run(invoice_id)

    def await_that[T](self, condition: Callable[[], T | None], what: str, invoice_id: str = "") -> T:
        """Wait for something, and tell how the run stands when it does not come."""
        try:
            return await_that(condition, what, PATIENCE_SECONDS)
        except AssertionError as error:
            raise AssertionError(f"{error}: {self.run(invoice_id) if invoice_id else ''}") from error

    def complete(self, *invoices: str) -> list[dict[str, Any]]:
        """Wait for the runs and see that all of them are completed."""
        runs = self.await_final(*invoices)
        assert {run["state"] for run in runs} == {"completed"}, [(run["state"], run["detail"]) for run in runs]
        return runs

    def write_back(self, *invoices: str) -> None:
        """Book and post in Finance, ring, and wait until the accounting detail is back."""
        self.system.tenant.book(COMPANY)
        for invoice_id in invoices:
            self.system.tenant.post_proposal(COMPANY, self.system.tenant.invoice(invoice_id)["number"])
        self.system.tenant.ring()
        for invoice_id in invoices:
            self.await_that(lambda i=invoice_id: _is_back(self.run(i)), f"write-back of {invoice_id}", invoice_id)  # type: ignore[misc]

    def findings(self, *invoices: str, **options: Any) -> Findings:
        """What the checker finds, with the services obliging."""
        self.mend()
        return check(records_of(self.system.stack), invoices, **options)


def _is_back(run: dict[str, Any] | None) -> bool | None:
    return bool(run and run["posting"] == "written back") or None


@contextmanager
def troubled(run_dir: Path, **options: Any) -> Iterator[Troubles]:
    """Start a system for faults."""
    with relay(run_dir, settings=SETTINGS | options.pop("settings", {}), **options) as system:
        system.tenant.switch("finance", **OBLIGING)
        system.tenant.let_app_write_back()
        stack = system.stack
        signin = str(stack.signin.facts["url"])
        addresses = {"dataverse": stack.url("dataverse"), "finance": stack.url("finance"), "signin": signin}
        ordinary = {
            name: _ok(requests.get(f"{url}/sim/switches", timeout=60)).json() for name, url in addresses.items()
        }
        yield Troubles(system, addresses, ordinary)


def _ok(answer: requests.Response) -> requests.Response:
    assert answer.ok, (answer.status_code, answer.text)
    return answer
