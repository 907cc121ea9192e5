"""What an accountant does after an invoice has arrived, and how both sides' accounting detail is read."""

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

import requests

from tests.endtoend.dataverse_reader import read_actuals, token
from tests.endtoend.relay import Relay, await_that
from tests.operations.operator import produced_actuals

COMPANY = "usmf"
FINANCE_COLUMNS = ("VoucherNumber", "AccountingAmount", "ExchangeRate", "SalesTaxAmount")
DATAVERSE_COLUMNS = (
    "msdyn_vouchernumber",
    "msdyn_accountingamount",
    "msdyn_accountexchangerate",
    "msdyn_accountingtaxamount",
)

type Detail = tuple[Any, ...]
"""Voucher, accounting amount, exchange rate and tax of one actual."""


def post(system: Relay, *invoices: str) -> None:
    """Import from staging, and post the journal and the proposals of invoices."""
    system.tenant.book(COMPANY)
    for invoice_id in invoices:
        system.tenant.post_proposal(COMPANY, number_of(system, invoice_id))


def number_of(system: Relay, invoice_id: str) -> str:
    """The invoice's number."""
    return str(system.tenant.invoice(invoice_id)["number"])


def write_back(system: Relay, invoice_id: str) -> dict[str, Any]:
    """Ask for the write-back of one invoice as an operator does, and see it over."""
    body = {"invoiceId": invoice_id, "by": "olga"}
    answer = requests.post(system.address("write-backs"), json=body, headers=system.operator, timeout=60)
    assert answer.status_code == 202, answer.text
    await_quiet(system)
    return run_of(system, invoice_id)


def ring(system: Relay) -> None:
    """Tell the app that something was posted, and see that it has looked and done what there was to do."""
    system.tenant.ring()
    await_quiet(system)


def await_quiet(system: Relay) -> None:
    """Wait until the operations queue and the write-back queue are empty and no message is being processed."""
    for name in ("operations", "write-back"):
        queue = system.queues().get_queue_client(name)
        await_that(lambda q=queue: q.get_queue_properties().approximate_message_count == 0, "an empty queue", 60.0)  # type: ignore[misc]


def run_of(system: Relay, invoice_id: str) -> dict[str, Any]:
    """The run of an invoice."""
    run = system.tenant.run(invoice_id)
    assert run is not None
    return run


def writes(system: Relay) -> int:
    """How many requests Dataverse has had that write rows."""
    routes = system.tenant.requests("dataverse")["byRoute"]
    return sum(count for route, count in routes.items() if not route.startswith("GET "))


def looks(system: Relay) -> int:
    """How many counts of posted rows Finance was asked for."""
    routes = system.tenant.requests("finance")["byRoute"]
    return sum(count for route, count in routes.items() if "ProjActualsImports/$count" in route)


def in_finance(system: Relay, invoice_id: str) -> dict[str, Detail]:
    """The accounting detail of every posted actual that the confirmation produced, as Finance holds it."""
    ours = produced_actuals(system, invoice_id)
    rows = [row for row in system.tenant.held("actuals") if row["ActualId"].lower() in ours and row["VoucherNumber"]]
    return {row["ActualId"].lower(): _detail(row, FINANCE_COLUMNS) for row in rows}


def in_dataverse(
    system: Relay, actuals: Iterable[str], columns: Iterable[str] = DATAVERSE_COLUMNS
) -> dict[str, Detail]:
    """What Dataverse has in some columns of these actuals."""
    return {row["msdyn_actualid"]: _detail(row, columns) for row in read_actuals(system, list(actuals))}


def _detail(row: dict[str, Any], columns: Iterable[str]) -> Detail:
    values = [row[column] for column in columns]
    return tuple(Decimal(value) if isinstance(value, int | Decimal) else value for value in values)


def change_in_dataverse(system: Relay, actual: str, **columns: Any) -> None:
    """Change one actual by hand."""
    headers = {"Authorization": f"Bearer {token(system, 'dataverse')}"}
    url = f"{system.stack.url('dataverse')}/api/data/v9.2/msdyn_actuals({actual})"
    requests.patch(url, json=columns, headers=headers, timeout=60).raise_for_status()
