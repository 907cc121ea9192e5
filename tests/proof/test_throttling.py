"""Storms of refusals: half of all requests are answered with 429 for a long while, in every form of Retry-After.

A request counts as wasted when it was sent although it could not be served: in spite of a wait that the service had
told before, or on its way while the wait was told. The refusals that tell a wait are not: it was not known before.
"""

import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.proof.figures import record
from tests.proof.troubles import Troubles, troubled

STORM = {
    "dataverse": {"throttleShare": 0.5, "throttleSeconds": 1.0, "retryAfterForm": "mixed"},
    "finance": {
        "throttleShare": 0.5,
        "retryAfterSeconds": 1.0,
        "retryAfterForm": "mixed",
        "throttleActions": True,
    },
}
AMONG_HOSTS = {
    "dataverse": {"throttleSeconds": 3.0, "throttleGraceSeconds": 2.0},
    "finance": {"retryAfterSeconds": 3.0, "throttleGraceSeconds": 2.0},
}
"""A host looks at the gate that another has closed once a second, and storage takes its time: what it sends until then
counts as wasted, and only what comes later as sent in spite of a wait."""
PATIENT = {"THROTTLE_LONGEST_WAIT_SECONDS": "15"}
"""Longer than any wait meant here, for who comes back before its end is told to wait longer each time; and no longer,
for one wait in nine is told as a year."""
MOST_WASTED = 0.02
IN_FLIGHT_AT_FIRST = 8
"""As many requests as a process has in flight to a service: they cannot be recalled when the first one is refused.
In a short storm they are more than two percent.
"""
ENOUGH_REFUSALS = 10
MOST_INVOICES = 40
LONG_STORM_SECONDS = 120.0
REFUSALS_OF_A_LONG_STORM = 25
MOST_INVOICES_OF_A_LONG_STORM = 80
BETWEEN_INVOICES_SECONDS = 10.0

type Counts = Mapping[str, Mapping[str, int]]


def test_a_storm_of_refusals_loses_nothing_and_wastes_next_to_nothing(troubles: Troubles) -> None:
    before = _counts(troubles)
    _begin(troubles)
    invoices: list[str] = []

    def has_stormed() -> bool:
        refusals = _since(troubles, before, "throttled")
        # The first service must stop throttling before the others are reached: without rows there is nothing to send.
        for service in [service for service, count in refusals.items() if count >= ENOUGH_REFUSALS]:
            troubles.switch(service, throttleShare=0.0)
        return min(refusals.values()) >= ENOUGH_REFUSALS

    def are_over() -> bool:
        return all(map(troubles.system.final, invoices))

    # How many requests some invoices need is the app's affair, and which of them are refused is chance.
    while not has_stormed():
        assert len(invoices) < MOST_INVOICES, _since(troubles, before, "throttled")
        invoices.extend(troubles.draft(4))
        troubles.confirm(*invoices[-4:])
        troubles.await_that(lambda: has_stormed() or are_over() or None, "refusals or ends")
    troubles.mend()
    troubles.complete(*invoices)
    troubles.write_back(*invoices)
    _check(troubles, before)
    findings = troubles.findings(*invoices, posted=invoices)
    assert findings.clean, findings.problems()


def test_a_wait_told_inside_a_batch_is_kept_by_all(troubles: Troubles) -> None:
    invoices = troubles.draft(3)
    troubles.confirm(*invoices)
    troubles.complete(*invoices)
    before = _counts(troubles)
    troubles.switch(
        "dataverse",
        bulkUnsupported="msdyn_actual",
        faultRoute="batch PATCH",
        throttleNext=4,
        throttleSeconds=2.0,
        throttleGraceSeconds=0.1,
    )
    troubles.write_back(*invoices)
    assert _since(troubles, before, "throttled")["dataverse"] >= 4
    assert _since(troubles, before, "whileThrottled") == {"dataverse": 0, "finance": 0}
    findings = troubles.findings(*invoices, posted=invoices)
    assert findings.clean, findings.problems()


@pytest.mark.prove
@pytest.mark.timeout(1500)
def test_a_long_storm_over_two_hosts(tmp_path: Path) -> None:
    """Invoices keep coming while it lasts; all of them are completed after it."""
    with troubled(tmp_path, hosts=2, settings=PATIENT) as troubles:
        before, began = _counts(troubles), time.monotonic()
        _begin(troubles)
        for service, switches in AMONG_HOSTS.items():
            troubles.switch(service, **switches)
        invoices: list[str] = []
        while (
            time.monotonic() - began < LONG_STORM_SECONDS
            or min(_since(troubles, before, "throttled").values()) < REFUSALS_OF_A_LONG_STORM
        ):
            assert len(invoices) < MOST_INVOICES_OF_A_LONG_STORM, _since(troubles, before, "throttled")
            invoices += troubles.draft(1, lines=12)
            troubles.confirm(invoices[-1])
            # Invoices arrive at their own pace, whatever the storm does.
            time.sleep(BETWEEN_INVOICES_SECONDS)
        troubles.mend()
        ended = time.monotonic()
        troubles.complete(*invoices)
        recovered = time.monotonic() - ended
        troubles.write_back(*invoices)
        wasted = _check(troubles, before)
        findings = troubles.findings(*invoices, posted=invoices)
        assert findings.clean, findings.problems()
        refusals = sum(_since(troubles, before, "throttled").values())
        requests = sum(_since(troubles, before, "total").values())
        record(
            "Throttling: half of all requests refused",
            tried=refusals,
            what="refusals",
            findings=[findings],
            recovery=[recovered],
            requests=requests,
            wasted=round(wasted, 4),
            inSpiteOfAWait=sum(_since(troubles, before, "whileThrottled").values()),
        )


def _begin(troubles: Troubles) -> None:
    for service, switches in STORM.items():
        troubles.switch(service, **switches)


def _counts(troubles: Troubles) -> Counts:
    return {service: troubles.requests(service) for service in STORM}


def _since(troubles: Troubles, before: Counts, name: str) -> dict[str, int]:
    now = _counts(troubles)
    return {service: now[service][name] - before[service][name] for service in STORM}


def _check(troubles: Troubles, before: Counts) -> float:
    """See that no wait was ignored; return the share of requests that were wasted."""
    ignored, in_flight = (_since(troubles, before, name) for name in ("whileThrottled", "inFlight"))
    assert set(ignored.values()) == {0}, ignored
    wasted, total = sum(in_flight.values()), sum(_since(troubles, before, "total").values())
    assert wasted < max(MOST_WASTED * total, IN_FLIGHT_AT_FIRST), (in_flight, _since(troubles, before, "total"))
    return wasted / total
