"""A journey through everything that the app asks of the services, so that no call of theirs is left out."""

from collections.abc import Callable
from typing import Any

from tests.operations.operator import ACTUALS
from tests.proof.troubles import PAGE_ROWS, Troubles

REFUSED = {"entity": ACTUALS, "everyNth": 7, "message": "Line property 'Chargeable' doesn't exist"}


def carry(troubles: Troubles, count: int) -> list[str]:
    """Confirm invoices and see them completed. The last page of one of them is full, so that the app asks whether that
    was all."""
    invoices = troubles.draft(count - 1) + troubles.draft(1, lines=PAGE_ROWS, edited=0)
    troubles.confirm(*invoices)
    troubles.complete(*invoices)
    return invoices


def correct(troubles: Troubles, invoice_id: str) -> list[str]:
    """Confirm a correction of an invoice and see it completed."""
    correction = troubles.system.tenant.correct(invoice_id)
    troubles.confirm(correction)
    troubles.complete(correction)
    return [correction]


def refuse(troubles: Troubles, count: int) -> list[str]:
    """Have rows rejected, repair the cause, replay, and see the invoices completed."""
    troubles.switch("finance", rejectRows=[REFUSED])
    invoices = troubles.draft(count)
    troubles.confirm(*invoices)
    runs = troubles.await_final(*invoices)
    troubles.switch("finance", rejectRows=[])
    for run in runs:
        if run["state"] == "needs attention":
            troubles.operator.replay(invoiceId=run["invoiceId"])
            troubles.await_state(run["invoiceId"], "completed")
    return invoices


def sweep(troubles: Troubles, count: int) -> list[str]:
    """Have webhooks lost and the invoices found by the sweep."""
    troubles.switch("dataverse", webhookOff=True)
    invoices = troubles.draft(count, lines=3)
    troubles.confirm(*invoices)
    troubles.switch("dataverse", webhookOff=False)
    for _ in range(count * 5):
        if not troubles.operator.sweep()["problem"]:
            break
    troubles.complete(*invoices)
    return invoices


def compare(troubles: Troubles, invoices: list[str]) -> None:
    """Reconcile invoices, and look for what is out of sync, until both have worked."""
    for invoice_id in invoices:
        job = troubles.operator.post("reconciliations", invoiceId=invoice_id)
        done = troubles.await_that(lambda j=job: _done(troubles, j["id"]), "reconciliation", invoice_id)  # type: ignore[misc]
        assert [each["equal"] for each in done["invoices"]] == [True], done
    _insist(lambda: troubles.operator.ask("out-of-sync", {"by": "olga", "since": "2020-01-01T00:00:00Z"}).ok)


def _done(troubles: Troubles, job: str) -> dict[str, Any] | None:
    standing = troubles.operator.get(f"reconciliations/{job}")
    return None if standing["state"] == "running" else standing


def _insist(ask: Callable[[], Any]) -> None:
    for _ in range(20):
        if ask():
            return
    raise AssertionError("asked twenty times in vain")
