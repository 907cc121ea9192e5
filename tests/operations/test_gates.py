"""While a service throttles, no worker of any host sends it requests. The run says so and continues afterwards."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.endtoend.relay import Relay, await_that, relay
from tests.operations.conftest import FAST_IMPORTS, SETTINGS

LONGEST = timedelta(seconds=float(SETTINGS["THROTTLE_LONGEST_WAIT_SECONDS"]))
NO_THROTTLE = {"throttleNext": 0, "throttleShare": 0.0, "retryAfterForm": "seconds"}
SERVICES = ("dataverse", "finance")
ENOUGH_REFUSALS = 3
MOST_INVOICES = 40
GRACE_SECONDS = 2.0
"""The other host learns of a closed gate within a second, and the time that storage takes."""


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Relay]:
    """A system with two host processes on the same storage."""
    # No other worker takes over from a reader that only waits.
    settings = {**SETTINGS, "FINANCE_SHIPMENT_LEASE_SECONDS": "60"}
    with relay(tmp_path_factory.mktemp("pair"), settings=settings, hosts=2) as system:
        system.tenant.switch("finance", **FAST_IMPORTS, throttleGraceSeconds=GRACE_SECONDS)
        system.tenant.switch("dataverse", throttleGraceSeconds=GRACE_SECONDS)
        yield system


@pytest.fixture
def hosts(pair: Relay) -> Iterator[Relay]:
    """Two hosts, and services that are not throttling."""
    yield pair
    pair.tenant.switch("dataverse", **NO_THROTTLE)
    pair.tenant.switch("finance", **NO_THROTTLE, throttleActions=False)


@pytest.mark.parametrize("form", ["seconds", "date", "missing", "absurd"])
def test_however_the_wait_is_told_the_run_says_it_and_goes_on_afterwards(hosts: Relay, form: str) -> None:
    tenant, before = hosts.tenant, _disobedience(hosts)
    tenant.switch("dataverse", throttleNext=1, throttleSeconds=3, retryAfterForm=form)
    tenant.switch("finance", throttleNext=1, throttleActions=True, retryAfterSeconds=3, retryAfterForm=form)
    invoice_id = tenant.draft(2, seed=500)
    tenant.confirm(invoice_id)
    for service in ("Dataverse", "Finance"):
        for host in (0, 1):
            wait = await_that(lambda s=service, h=host: _wait(hosts, invoice_id, s, h), f"wait for {service}")  # type: ignore[misc]
            until = datetime.fromisoformat(wait["until"])
            assert wait["asked"] < until <= wait["answered"] + LONGEST
            assert wait["reason"].startswith("throttled until ")
            assert service in wait["reason"]
    run = hosts.finish([invoice_id])[0]
    assert (run["state"], run["waitsFor"]) == ("completed", [])
    assert _disobedience(hosts) == before


def test_a_storm_of_refusals_loses_nothing_and_no_host_knocks_at_a_closed_gate(hosts: Relay) -> None:
    """Nor is anything read again because a later request was refused: a page takes several requests one after another,
    and restarted with each refusal a large one might never be finished."""
    tenant, before = hosts.tenant, _disobedience(hosts)
    calm, throttled = _requests_of_an_invoice(hosts), _throttled(hosts)
    answered = _answered(hosts)
    tenant.switch("dataverse", throttleShare=0.3, throttleSeconds=3)
    tenant.switch("finance", throttleShare=0.3, throttleActions=True, retryAfterSeconds=3)
    invoices: list[str] = []

    def has_stormed() -> bool:
        refusals = dict(zip(SERVICES, _since(_throttled(hosts), throttled), strict=True))
        # The first service must stop throttling before the second one is reached: without rows there is nothing to
        # send.
        for service in [service for service, count in refusals.items() if count >= ENOUGH_REFUSALS]:
            tenant.switch(service, throttleShare=0.0)
        return min(refusals.values()) >= ENOUGH_REFUSALS

    def are_over() -> bool:
        return all(map(hosts.final, invoices))

    # How many requests some invoices need is the app's affair, and which of them are refused is chance.
    while not has_stormed():
        assert len(invoices) < MOST_INVOICES, _since(_throttled(hosts), throttled)
        invoices.extend(tenant.draft(12, seed=510) for _ in range(4))
        for invoice_id in invoices[-4:]:
            tenant.confirm(invoice_id)
        await_that(lambda: has_stormed() or are_over(), "refusals or ends")
    assert [run["state"] for run in hosts.finish(invoices)] == ["completed"] * len(invoices)
    held = {row["ActualId"].lower() for row in tenant.held("actuals")}
    for invoice_id in invoices:
        produced = {row["actualId"].lower() for row in tenant.produced(invoice_id) if row["kind"] == "actual"}
        assert produced <= held
    assert _answered(hosts) - answered <= 1.25 * calm * len(invoices)
    assert _disobedience(hosts) == before


def _requests_of_an_invoice(system: Relay) -> float:
    """The requests to Dataverse that an invoice of the storm needs in calm."""
    before, invoices = _answered(system), [system.tenant.draft(12, seed=510) for _ in range(4)]
    for invoice_id in invoices:
        system.tenant.confirm(invoice_id)
    assert [run["state"] for run in system.finish(invoices)] == ["completed"] * len(invoices)
    return (_answered(system) - before) / len(invoices)


def _answered(system: Relay) -> int:
    """The requests that Dataverse has not refused."""
    requests = system.tenant.requests("dataverse")
    return int(requests["total"] - requests["throttled"])


def _wait(system: Relay, invoice_id: str, service: str, host: int) -> dict[str, Any] | None:
    asked = datetime.now(UTC)
    run = system.tenant.run(invoice_id, host)
    waits = [wait for wait in run["waitsFor"] if wait.get("service") == service] if run else []
    return {**waits[0], "asked": asked, "answered": datetime.now(UTC)} if waits else None


def _disobedience(system: Relay) -> list[int]:
    """The requests that came although the service had said to wait."""
    return [system.tenant.requests(service)["whileThrottled"] for service in SERVICES]


def _throttled(system: Relay) -> list[int]:
    return [system.tenant.requests(service)["throttled"] for service in SERVICES]


def _since(now: list[int], before: list[int]) -> list[int]:
    return [late - early for late, early in zip(now, before, strict=True)]
