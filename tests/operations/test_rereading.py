"""What reconciling makes of the rows that an import left open."""

from tests.endtoend.relay import Relay
from tests.operations.operator import ACTUALS, Operator

LINES = 12
REFUSED = {"entity": ACTUALS, "everyNth": 4, "message": "Line property 'A 17' is missing"}


def test_what_was_refused_and_is_taken_when_the_invoice_is_reconciled_is_no_longer_open(
    system: Relay, operator: Operator
) -> None:
    """Billed sales are missing, so reconciling sends them again, and this time Finance takes every row."""
    system.tenant.switch("finance", rejectRows=[REFUSED])
    invoice_id = system.tenant.draft(LINES, seed=310)
    system.tenant.confirm(invoice_id)
    operator.await_state(invoice_id, "needs attention")
    system.tenant.switch("finance", rejectRows=[])
    operator.compare(invoice_id, fix=True)
    operator.await_state(invoice_id, "completed")
    assert operator.groups(invoice_id) == []
