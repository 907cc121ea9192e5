"""What people do with the app, each by itself: a journey of one or two small invoices through everything it has.

A caller without an answer asks again, as Dataverse, Finance and operators do. What a timer does is done when it is due.
"""

import time
from collections.abc import Callable
from typing import Any
from uuid import uuid4

from tests.endtoend.relay import await_that
from tests.operations.operator import ACTUALS, COMPANY, Accountant, held
from tests.proof.checker import records_of
from tests.proof.ordeal import PATIENCE_SECONDS, QUIET_SECONDS, Journey, Ordeal, landed

LINES = 10
"""From ten lines on, an invoice has every kind of line, so that what a kind brings is in every journey."""
_REFUSALS = [{"entity": ACTUALS, "everyNth": 2, "message": "Line property 'A 17' is missing"}]
_BY = {"by": "olga"}


def carry(ordeal: Ordeal, seed: int) -> Journey:
    """An invoice is confirmed and arrives."""
    invoice_id = _confirm(ordeal, seed)
    ordeal.finish(invoice_id)
    return Journey([invoice_id])


def post(ordeal: Ordeal, seed: int) -> Journey:
    """An invoice arrives, is posted, and its accounting detail comes back."""
    invoice_id = _confirm(ordeal, seed)
    ordeal.finish(invoice_id)
    _post(ordeal, invoice_id)
    _ring_until_written_back(ordeal, invoice_id)
    return Journey([invoice_id], posted=[invoice_id])


def mend(ordeal: Ordeal, seed: int) -> Journey:
    """Finance rejects some rows, the cause is repaired, the operator replays."""
    ordeal.system.tenant.switch("finance", rejectRows=_REFUSALS)
    invoice_id = _confirm(ordeal, seed)
    assert ordeal.finish(invoice_id)["state"] == "needs attention"
    ordeal.system.tenant.switch("finance", rejectRows=[])
    _replay_until_completed(ordeal, invoice_id)
    return Journey([invoice_id])


def dismiss(ordeal: Ordeal, seed: int) -> Journey:
    """Finance refuses some rows, and the operator books them elsewhere."""
    tenant = ordeal.system.tenant
    tenant.switch("finance", rejectRows=_REFUSALS)
    invoice_id = _confirm(ordeal, seed)
    ordeal.finish(invoice_id)
    there = {row["ActualId"].lower() for row in tenant.held("actuals")}
    produced = [row for row in tenant.produced(invoice_id) if row["kind"] != "header"]
    missing = {row["actualId"].lower() for row in produced if row["kind"] == "actual"} - there
    assert missing
    for _ in range(5):
        ordeal.ask("dismissals", {"invoiceId": invoice_id, "reason": "booked by hand", **_BY})
        if _over(ordeal, invoice_id)["state"] == "completed":
            break
    tenant.switch("finance", rejectRows=[])
    links = {row["ConnectionId"].lower() for row in tenant.held("connections")}
    gone = {row["connectionId"].lower() for row in produced if row["kind"] == "connection"} - links
    assert gone == _links_of(ordeal, gone, missing), "only the connections of dismissed actuals stay behind"
    return Journey([invoice_id], missing=missing | gone)


def lose(ordeal: Ordeal, seed: int) -> Journey:
    """A webhook is lost, a message is lost, a blob has no run: the sweep."""
    system = ordeal.system
    landed(system).upload_blob(f"{uuid4()}/actuals/{uuid4().hex}", b"lost a race")
    ordeal.ask("pauses", {"reason": "month end", **_BY})
    heard = _confirm(ordeal, seed)
    ordeal.await_run(heard, lambda run: run["state"] == "accepted")
    for queue in ("invoices", "actuals"):
        system.queues().get_queue_client(queue).clear_messages()
    system.tenant.switch("dataverse", webhookOff=True)
    unheard = _confirm(ordeal, seed + 1)
    system.tenant.switch("dataverse", webhookOff=False)
    ordeal.ask("resumes", _BY)
    ordeal.sweep()
    for invoice_id in (heard, unheard):
        ordeal.finish(invoice_id)
    return Journey([heard, unheard])


def change(ordeal: Ordeal, seed: int) -> Journey:
    """Dataverse adds a row while it is read, and an accountant deletes one afterwards."""
    system = ordeal.system
    system.tenant.switch("dataverse", extraRowsNext=1)
    invoice_id = _confirm(ordeal, seed)
    run = ordeal.finish(invoice_id)
    assert run["state"] == "completed", run["detail"]
    number = system.tenant.invoice(invoice_id)["number"]
    gone = held(system, number)[0]["ActualsImportId"]
    Accountant(system).delete(gone)
    for _ in range(5):
        ordeal.ask("reconciliations", {"invoiceId": invoice_id, "fix": True, **_BY})
        if _is_back(ordeal, invoice_id, number, gone):
            break
    return Journey([invoice_id], late=[invoice_id])


def struggle(ordeal: Ordeal, seed: int) -> Journey:
    """Everything answers badly once: too many requests, no connection, a failed import, a stale token."""
    tenant = ordeal.system.tenant
    ordeal.ask("pauses", {"reason": "month end", **_BY})
    invoices = [_confirm(ordeal, seed), _confirm(ordeal, seed + 1)]
    for invoice_id in invoices:
        ordeal.await_run(invoice_id, lambda run: run["state"] == "accepted")
    tenant.switch("dataverse", throttleNext=1, errorNext=1, tokenRejectNext=1)
    tenant.switch("finance", throttleNext=1, throttleActions=True, importFailsWhole=1)
    tenant.switch("finance", resetBefore={"ImportFromPackageAsync": 1}, tokenRejectNext=1)
    ordeal.ask("resumes", _BY)
    for invoice_id in invoices:
        _replay_until_completed(ordeal, invoice_id)
    return Journey(invoices)


JOURNEYS: dict[str, Callable[[Ordeal, int], Journey]] = {
    each.__name__: each for each in (carry, post, mend, dismiss, lose, change, struggle)
}


def _confirm(ordeal: Ordeal, seed: int) -> str:
    invoice_id = ordeal.system.tenant.draft(LINES, seed=seed, edited=0.4)
    ordeal.system.tenant.confirm(invoice_id)
    return invoice_id


def _over(ordeal: Ordeal, invoice_id: str) -> dict[str, Any]:
    """The run once it is final and stays so. Earlier requests may still be in a queue."""
    deadline = time.monotonic() + QUIET_SECONDS
    run = ordeal.finish(invoice_id)
    while run["state"] != "completed" and time.monotonic() < deadline:
        run = ordeal.finish(invoice_id)
        time.sleep(0.3)
    return run


def _replay_until_completed(ordeal: Ordeal, invoice_id: str) -> None:
    for _ in range(5):
        if ordeal.finish(invoice_id)["state"] == "completed":
            return
        ordeal.ask("replays", {"invoiceId": invoice_id, **_BY}, refused={409})
        _over(ordeal, invoice_id)
    run = ordeal.run(invoice_id)
    assert run is not None
    assert run["state"] == "completed", run


def _post(ordeal: Ordeal, invoice_id: str) -> None:
    tenant = ordeal.system.tenant
    tenant.book(COMPANY)
    tenant.post_proposal(COMPANY, str(tenant.invoice(invoice_id)["number"]))


def _ring_until_written_back(ordeal: Ordeal, invoice_id: str) -> None:
    """Finance's event comes once; what gets lost of it the clock finds."""

    def is_back() -> bool:
        run = ordeal.run(invoice_id)
        return bool(run and run["posting"] == "written back")

    for _ in range(5):
        ordeal.ask("postings", {"BusinessEventId": "ProjectInvoicePostedBusinessEvent"})
        try:
            await_that(is_back, "the write-back", QUIET_SECONDS * 2)
        except AssertionError:
            # A crash before the list was updated is left to the sweep.
            ordeal.sweep()
            continue
        return
    # On a busy machine, what was rung for may still be under way.
    await_that(is_back, f"write-back of {invoice_id}", PATIENCE_SECONDS)


def _is_back(ordeal: Ordeal, invoice_id: str, number: str, key: str) -> bool:
    """Whether the row is in Finance again. The reconciliation may have crashed half way; then the sweep continues
    it."""
    deadline = time.monotonic() + QUIET_SECONDS
    while time.monotonic() < deadline:
        run = ordeal.finish(invoice_id)
        keys = {row["ActualsImportId"] for row in held(ordeal.system, number)}
        if run["state"] == "completed" and key in keys:
            return True
        time.sleep(0.2)
    return False


def _links_of(ordeal: Ordeal, links: set[str], actuals: set[str]) -> set[str]:
    """Those of the connections that have one of the actuals at an end."""
    ends = ("msdyn_transaction1", "msdyn_transaction2")
    rows = records_of(ordeal.system.stack).rows(
        "msdyn_transactionconnections", "msdyn_transactionconnectionid", ends, links
    )
    return {link for link, row in rows.items() if actuals & {str(row[end]).lower() for end in ends}}
