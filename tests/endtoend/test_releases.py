"""A deployment in mid-run: what an earlier release has read, landed and shipped is finished by the present code."""

from decimal import Decimal
from pathlib import Path

import pytest

from tests.endtoend.relay import Relay, relay
from tests.fixtures.restored import Recording
from tests.operations.operator import Operator

SETTINGS = {
    "DATAVERSE_PAGE_ROWS": "2",
    # Nothing may be healed by the sweep.
    "AzureWebJobs.sweep.Disabled": "true",
    "AzureWebJobs.look_for_postings.Disabled": "true",
}


@pytest.mark.parametrize("version", ["ef26520", "0.2.0", "0.3.0", "0.4.0", "0.5.0"])
def test_every_run_of_an_earlier_release_is_finished(tmp_path: Path, version: str) -> None:
    recording = Recording(version)
    flags = recording.restore_services(tmp_path / "data")
    with relay(tmp_path / "run", webhook=False, settings=SETTINGS, flags=flags) as system:
        recording.restore_storage(system.stack.azurite.connection_string())
        operator, runs = Operator(system), recording.invoices
        assert operator.run(runs["waiting for its header"])["state"] == "syncing header"
        operator.post("resumes", map="transactionconnections")
        operator.replay(invoiceId=runs["needs attention"])
        for invoice_id in runs.values():
            operator.await_state(invoice_id, "completed")
        for state, invoice_id in runs.items():
            _check_arrived(system, invoice_id, without=1 if "dismissed" in state else 0)
        _write_back(system, operator, runs["completed"])
        health = operator.get("health")
        assert [row for row in health["poison"] if row["count"]] == []


def _check_arrived(system: Relay, invoice_id: str, *, without: int) -> None:
    """Finance holds what the confirmation produced, but for so many dismissed actuals and what hangs on them."""
    produced = list(system.tenant.produced(invoice_id))
    actuals = {row["actualId"] for row in produced if row["kind"] == "actual"}
    held = {str(row["ActualId"]).lower(): row for row in system.tenant.held("actuals")}
    assert len(actuals - held.keys()) == without
    for row in produced:
        if row["kind"] == "actual" and row["actualId"] in held:
            assert held[row["actualId"]]["Amount"] == Decimal(row["amount"])
    links = {row["connectionId"] for row in produced if row["kind"] == "connection"}
    linked = {str(row["ConnectionId"]).lower() for row in system.tenant.held("connections")}
    assert bool(links - linked) is bool(without)


def _write_back(system: Relay, operator: Operator, invoice_id: str) -> None:
    invoice = system.tenant.invoice(invoice_id)
    system.tenant.let_app_write_back()
    system.tenant.book(invoice["company"])
    system.tenant.post_proposal(invoice["company"], invoice["number"])
    system.tenant.ring()
    operator.await_posting(invoice_id, "written back")
