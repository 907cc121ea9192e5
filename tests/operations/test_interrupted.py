"""Operator requests that were interrupted by a crash, and how they are finished."""

import asyncio
from uuid import UUID

from azure.data.tables.aio import TableServiceClient

from shared.clock import now
from shared.ledger.rejected_rows import Rejections
from tests.endtoend.relay import Relay
from tests.operations.operator import ACTUALS, BY, Operator

REFUSED = {"entity": ACTUALS, "everyNth": 2, "message": "Line property 'A 17' is missing"}


def test_a_dismissal_that_was_cut_off_before_the_run_went_on_is_made_good_by_repeating_it(
    system: Relay, operator: Operator
) -> None:
    """The rows were marked as dismissed, then the host crashed. No row was open any more, so repeating the dismissal
    found nothing to do and the run stayed stopped."""
    system.tenant.switch("finance", rejectRows=[REFUSED])
    invoice_id = system.tenant.draft(3, seed=320)
    system.tenant.confirm(invoice_id)
    operator.await_state(invoice_id, "needs attention")
    (group,) = (each["group"] for each in operator.groups(invoice_id))
    asyncio.run(_dismiss_and_die(system, invoice_id))
    assert operator.run(invoice_id)["state"] == "needs attention"
    answer = operator.post("dismissals", group=group, invoiceId=invoice_id, reason="booked by hand")
    assert answer["rows"] == 0
    operator.await_state(invoice_id, "completed")


async def _dismiss_and_die(system: Relay, invoice_id: str) -> None:
    async with TableServiceClient.from_connection_string(system.stack.azurite.connection_string()) as tables:
        rejections = Rejections(tables.get_table_client("runs"), now)
        rows = await rejections.of(UUID(invoice_id))
        await rejections.change(UUID(invoice_id), rows, status="dismissed", reason="booked by hand", by=BY, at=now())
