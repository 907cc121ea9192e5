"""The invoice date that a user chose arrives in Finance, in whatever time zone the user was."""

import pytest
import requests

from simulators.tokens import issue
from tests.endtoend.relay import Relay


def _date_invoice(system: Relay, invoice_id: str, instant: str) -> None:
    """Set the invoice date as a browser in another time zone does."""
    stack, url = system.stack, system.stack.url("dataverse")
    token = issue(
        secret=stack.token_secret, issuer="", tenant=stack.tenant, audience=url, client_id=stack.client_id, lifetime=600
    )
    answer = requests.patch(
        f"{url}/api/data/v9.2/invoices({invoice_id})",
        json={"msdyn_invoicedate": instant},
        headers={"Authorization": f"Bearer {token}"},
        timeout=60,
    )
    answer.raise_for_status()


@pytest.mark.parametrize("instant", ["2026-02-28T13:00:00Z", "2026-02-28T18:30:00Z"], ids=["Sydney", "Mumbai"])
def test_a_date_chosen_elsewhere_is_that_day_and_is_counted(system: Relay, instant: str) -> None:
    invoice_id = system.tenant.draft(3, seed=300)
    _date_invoice(system, invoice_id, instant)
    system.tenant.confirm(invoice_id)
    run = system.finish([invoice_id])[0]
    assert (run["state"], run["oddDays"]) == ("completed", 1), run
    number = system.tenant.invoice(invoice_id)["number"]
    [header] = [each for each in system.tenant.held("headers") if each["InvoiceProposalId"] == number]
    assert header["InvoiceDate"][:10] == "2026-03-01"


def test_a_date_that_may_be_either_of_two_waits_for_an_answer(system: Relay) -> None:
    invoice_id = system.tenant.draft(3, seed=301)
    _date_invoice(system, invoice_id, "2026-02-28T11:00:00Z")
    system.tenant.confirm(invoice_id)
    run = system.finish([invoice_id])[0]
    assert run["state"] == "needs attention"
    assert "INVOICEDATE from msdyn_invoicedate" in run["detail"]
    assert "DATAVERSE_USER_TIME_ZONES" in run["detail"]
