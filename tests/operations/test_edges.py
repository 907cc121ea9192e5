"""Where a service wants us to go, and where we do not go."""

from pathlib import Path

import pytest
from azure.storage.blob import BlobServiceClient

from simulators.azurite import FINANCE_ACCOUNT
from simulators.summary import is_complete, summarize
from tests.endtoend.relay import Relay, await_that, relay
from tests.operations.conftest import SETTINGS
from tests.operations.operator import COMPANY, Operator

LINES = 20
"""More than fit on a page."""


@pytest.mark.parametrize(
    ("switch", "reason"),
    [("foreignNextLink", "a link leads away from"), ("repeatNextLink", "leads to the same page again")],
)
def test_a_next_link_that_leads_elsewhere_fails_the_run_which_is_replayed_when_it_is_mended(
    system: Relay, operator: Operator, switch: str, reason: str
) -> None:
    system.tenant.switch("dataverse", **{switch: True})
    invoice_id = system.carry(LINES, seed=600)
    run = operator.run(invoice_id)
    assert run["state"] == "failed"
    assert reason in run["detail"]
    assert "Dataverse broke its contract" in run["detail"]
    system.tenant.switch("dataverse", **{switch: False})
    operator.replay(invoiceId=invoice_id)
    run = operator.await_state(invoice_id, "completed")
    system.tenant.book(COMPANY)
    summary = summarize(system.tenant, [invoice_id], [run], 0)
    assert is_complete(summary), summary


def test_a_package_waits_while_finance_wants_it_where_nobody_allowed(tmp_path: Path) -> None:
    hosts = SETTINGS | {"FINANCE_UPLOAD_HOSTS": "*.blob.core.windows.net"}
    with relay(tmp_path, settings=hosts) as strict:
        invoice_id = _refuse_upload(strict)
        hosts["FINANCE_UPLOAD_HOSTS"] = "127.0.0.1"
        strict.stack.restart_host()
        assert strict.finish([invoice_id])[0]["state"] == "completed"


def _refuse_upload(strict: Relay) -> str:
    invoice_id = strict.tenant.draft(2, seed=610)
    strict.tenant.confirm(invoice_id)
    operator = Operator(strict)
    operator.await_state(invoice_id, "syncing header")
    wait = await_that(lambda: next(iter(operator.run(invoice_id)["waitsFor"]), None), "what the run waits for")
    assert wait["service"] == "Finance"
    assert "it wants the package at http://127.0.0.1, not in FINANCE_UPLOAD_HOSTS" in wait["reason"]
    asked = strict.tenant.requests("finance")["byRoute"]["POST GetAzureWriteUrl"]
    await_that(lambda: strict.tenant.requests("finance")["byRoute"]["POST GetAzureWriteUrl"] > asked, "another look")
    storage = BlobServiceClient.from_connection_string(strict.stack.azurite.connection_string(FINANCE_ACCOUNT))
    assert list(storage.get_container_client("dmf").list_blob_names()) == []
    assert strict.tenant.counts()["imports"] == 0
    assert operator.get("health")["poison"] == [
        {"name": f"{queue}-poison", "count": 0}
        for queue in ("invoices", "actuals", "transactionconnections", "jobs", "write-back", "operations")
    ]
    return invoice_id
