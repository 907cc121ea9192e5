"""A running system with a host that is killed at chosen effects, and callers that retry as people and services do."""

import json
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import requests
from azure.core.exceptions import ResourceNotFoundError
from azure.data.tables import TableServiceClient
from azure.storage.blob import BlobServiceClient, ContainerClient

from shared.jobs.job import load_job
from shared.storage.names import OPERATIONS, WRITE_BACK
from simulators.demo import FINAL
from tests.endtoend.relay import Relay, await_that, relay
from tests.proof.checker import check, records_of
from tests.proof.crashing import CONTROL, deaths
from tests.proof.findings import Findings

PATIENCE_SECONDS = 300.0
QUIET_SECONDS = 6.0
"""After this long without a move the clock's sweep comes; ten minutes in real life."""
QUEUES = (*load_job().maps, WRITE_BACK, OPERATIONS)
SETTINGS = {
    "DATAVERSE_PAGE_ROWS": "4",
    "FINANCE_SHIPMENT_LEASE_SECONDS": "3",
    "FINANCE_POLL_LONGEST_SECONDS": "1",
    "SWEEP_STALLED_AFTER_SECONDS": "4",
    "SWEEP_ORPHANED_AFTER_SECONDS": "1",
    # Longer than any wait that the services give here. A caller that returns before its end gets a longer wait each
    # time.
    "THROTTLE_LONGEST_WAIT_SECONDS": "60",
    # The clock's work is called for by hand, when it is due.
    "AzureWebJobs.sweep.Disabled": "true",
    "AzureWebJobs.look_for_postings.Disabled": "true",
}
LEASE_SECONDS = 2
OBLIGING: dict[str, dict[str, Any]] = {
    "finance": {
        "importFixedSeconds": 0.0,
        "odataSecondsPerRowRead": 0.0,
        "takeUpSeconds": 0.0,
        "notFoundPolls": 0,
        "sasSeconds": 6.0,
        "rejectRows": [],
        "importFailsWhole": 0,
        "throttleNext": 0,
        "resetAfterCommit": {},
        "resetBefore": {},
        "tokenRejectNext": 0,
    },
    "dataverse": {
        "webhookOff": False,
        "readSeconds": 0.0,
        "extraRowsNext": 0,
        "errorNext": 0,
        "throttleNext": 0,
        "tokenRejectNext": 0,
    },
}


@dataclass
class Ordeal:
    """One system, its control directory, and what was needed so far: `sweeps` counts those that put something right.
    Unless it `is_asked` for its health, the app has not touched its storage yet."""

    system: Relay
    control: Path
    is_asked: bool = True
    sweeps: int = 0
    _session: requests.Session = field(default_factory=requests.Session)

    def plan(self, targets: Sequence[Mapping[str, Any]] = ()) -> str:
        """Kill the host at these effects from now on, and return the plan's id. Without effects it only records."""
        plan = uuid4().hex
        draft = self.control / "plan.draft"
        draft.write_text(json.dumps({"plan": plan, "record": not targets, "targets": list(targets)}))
        draft.replace(self.control / "plan.json")
        return plan

    def deaths(self, plan: str) -> list[dict[str, Any]]:
        """The deaths that a plan has led to so far."""
        return deaths(self.control, plan)

    def begin_anew(self) -> None:
        """Give the host a new life, for what it does only at the beginning of one."""
        self.system.stack.restart_host()

    def effects(self) -> list[str]:
        """The effects recorded so far, in order."""
        lines = (self.control / "effects.jsonl").read_text().splitlines()
        return [each["effect"] for each in map(json.loads, lines) if each["when"] == "before"]

    def oblige(self) -> None:
        """End all faults of the services."""
        for service, switches in OBLIGING.items():
            self.system.tenant.switch(service, **switches)

    def ask(self, path: str, body: Any = None, *, refused: Collection[int] = ()) -> Any:
        """POST (or GET without a body) until the app answers; None for an answer in `refused`."""
        url, headers = self.system.address(path), self.system.operator

        def answer() -> list[requests.Response]:
            # A response is false when it is no success, so it comes in a list.
            try:
                found = self._session.request("POST" if body else "GET", url, json=body, headers=headers, timeout=60)
            except (requests.ConnectionError, requests.ReadTimeout):
                return []
            return [] if found.status_code >= 500 else [found]

        found = await_that(answer, path, PATIENCE_SECONDS)[0]
        if found.status_code in refused:
            return None
        assert found.ok, (path, found.status_code, found.text)
        return found.json()

    def run(self, invoice_id: str) -> dict[str, Any] | None:
        """The run of an invoice, None while there is none."""
        found = self.ask(f"runs/{invoice_id}", refused={404})
        return dict(found) if found else None

    def sweep(self) -> dict[str, Any]:
        """What the clock does every ten minutes."""
        return dict(self.ask("sweeps", {"by": "clock"}))

    def await_run(self, invoice_id: str, reached: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Wait for a run, with a sweep whenever it has not moved for a while."""
        deadline, moved, seen = time.monotonic() + PATIENCE_SECONDS, time.monotonic(), ""
        while time.monotonic() < deadline:
            run = self.run(invoice_id)
            if run and reached(run):
                return run
            now, shown = time.monotonic(), str(run and (run["updatedAt"], run["maps"]))
            if shown != seen:
                moved, seen = now, shown
            elif now - moved > QUIET_SECONDS:
                swept = self.sweep()
                self.sweeps += bool(swept["started"] or swept["revived"])
                moved = now
            # Asking costs the host more than a look at it: oftener would slow down what is waited for.
            time.sleep(0.3)
        raise AssertionError(f"run of {invoice_id}: {self.run(invoice_id)}")

    def finish(self, invoice_id: str) -> dict[str, Any]:
        """Wait until the run is in a final state."""
        return self.await_run(invoice_id, lambda run: run["state"] in FINAL)


@dataclass(frozen=True)
class Journey:
    """What somebody did, and what must be true of it at the end: the invoices that arrived, those that are posted and
    written back, those that got rows late, and the rows that were dismissed. `ended` is when the last run was over."""

    invoices: Sequence[str]
    posted: Sequence[str] = ()
    late: Sequence[str] = ()
    missing: Collection[str] = ()
    ended: float = field(default_factory=time.time)


def settle_down(ordeal: Ordeal, journey: Journey) -> Findings:
    """See the system come to rest after a journey: every run completed, nothing left behind anywhere; then compare."""
    system = ordeal.system
    await_that(lambda: _is_at_rest(ordeal, journey), "rest", PATIENCE_SECONDS)
    runs = {invoice_id: ordeal.run(invoice_id) for invoice_id in journey.invoices}
    states = {run["state"] if run else "no run" for run in runs.values()}
    assert states == {"completed"}, runs
    await_that(lambda: _is_swept(ordeal), "no landed blob", PATIENCE_SECONDS)
    _check_list(ordeal, journey, runs)
    assert _left_on_dock(system) == []
    assert given_up(system) == []
    assert system.tenant.counts()["clashes"] == 0
    return check(
        records_of(system.stack),
        journey.invoices,
        missing=journey.missing,
        late=journey.late,
        posted=journey.posted,
    )


def _is_at_rest(ordeal: Ordeal, journey: Journey) -> bool:
    """Whether nothing is waiting any more. A duplicate request may have restarted a run."""
    for invoice_id in journey.invoices:
        ordeal.finish(invoice_id)
    assert given_up(ordeal.system) == []
    queues = ordeal.system.queues()
    counts = [queues.get_queue_client(name).get_queue_properties().approximate_message_count for name in QUEUES]
    return not any(counts)


def _check_list(ordeal: Ordeal, journey: Journey, runs: Mapping[str, Mapping[str, Any] | None]) -> None:
    """Check that the list agrees with the runs, also after a crash between the two: it may repeat a run only while
    that is at rest."""
    expected = {}
    for invoice_id, run in runs.items():
        assert run is not None
        expected[invoice_id] = (run["state"], "written back" if invoice_id in journey.posted else run["posting"])
    listed = _listed(ordeal)
    assert {invoice_id: listed[invoice_id] for invoice_id in expected} == expected


def _listed(ordeal: Ordeal) -> dict[str, tuple[str, str]]:
    runs = ordeal.ask("runs?top=500")["runs"]
    return {each["invoiceId"]: (each["state"], each["posting"]) for each in runs}


def _is_swept(ordeal: Ordeal) -> bool:
    container = landed(ordeal.system)
    if any(container.list_blob_names()):
        ordeal.sweep()
    return not any(container.list_blob_names())


def landed(system: Relay) -> ContainerClient:
    """The container of landed parts."""
    service = BlobServiceClient.from_connection_string(system.stack.azurite.connection_string())
    return service.get_container_client("landed")


def _left_on_dock(system: Relay) -> list[str]:
    dock = TableServiceClient.from_connection_string(system.stack.azurite.connection_string()).get_table_client("dock")
    return [row["RowKey"] for row in dock.list_entities() if not row["RowKey"].startswith("lane|")]


def given_up(system: Relay) -> list[str]:
    """The messages that the host gave up, and why."""
    tables = TableServiceClient.from_connection_string(system.stack.azurite.connection_string())
    kept = tables.get_table_client("audit").query_entities("PartitionKey ge 'poison|' and PartitionKey lt 'poison}'")
    try:
        return [f"{row['PartitionKey']}: {row['reason']}" for row in kept]
    except ResourceNotFoundError:
        return []


@contextmanager
def ordeal(run_dir: Path, *, is_asked: bool = True) -> Iterator[Ordeal]:
    """Start everything, with a host that can be killed at any effect."""
    control = run_dir / "control"
    control.mkdir(parents=True)
    (control / "plan.json").write_text('{"plan": "", "record": true}')
    with relay(
        run_dir,
        settings=SETTINGS,
        host_module="tests.proof.crashing",
        env={"host": {CONTROL: str(control)}},
        flags={"host": ["--lease-seconds", str(LEASE_SECONDS)]},
    ) as system:
        running = Ordeal(system, control, is_asked)
        system.tenant.let_app_write_back()
        running.oblige()
        if is_asked:
            running.ask("health")
        yield running
