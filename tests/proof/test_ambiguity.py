"""The service did it, and the answer was lost: for every call that the app makes, in every manner.

The journey takes the app through all it ever asks of the services. A kind of call that is not listed here fails the
test, so that no new call escapes it.
"""

import os
import time
from collections import Counter
from collections.abc import Mapping

import pytest

from simulators.losses import MANNERS
from tests.operations.operator import journal, journal_end
from tests.proof import journey
from tests.proof.figures import record
from tests.proof.findings import Findings
from tests.proof.troubles import SERVICES, Troubles

_LINKS = "msdyn_transaction1 msdyn_transaction1type msdyn_transaction2 msdyn_transaction2type"
_BILLED = "_msdyn_invoice_value msdyn_istransition msdyn_transactiontypecode"
_LIST = "$count $filter $orderby $select"
_EXPANDED = "$count $expand $filter $orderby $select"
_PROPOSAL = "InvoiceProposalId TransactionType"

CALLS: Mapping[str, Mapping[str, str]] = {
    "dataverse": {
        "GET invoices $expand $select": "the invoice",
        "GET invoices $select": "the invoice, for comparison",
        f"GET invoices {_LIST} by modifiedon msdyn_ordertype msdyn_projectinvoicestatus": "the sweep",
        f"GET msdyn_actuals {_EXPANDED} by {_BILLED}": "billed sales, and their sums",
        f"GET msdyn_actuals {_EXPANDED} $skiptoken by {_BILLED}": "the next page of billed sales",
        f"GET msdyn_actuals {_EXPANDED} by _msdyn_invoice_value msdyn_actualid msdyn_istransition"
        " msdyn_transactiontypecode": "billed sales behind a full last page",
        f"GET msdyn_actuals {_EXPANDED} by msdyn_actualid msdyn_istransition": "actuals by their ids",
        f"GET msdyn_actuals {_LIST} by msdyn_actualid msdyn_istransition": "types of actuals",
        f"GET msdyn_actuals {_LIST} by _msdyn_invoice_value msdyn_actualid": "actuals of other invoices",
        f"GET msdyn_actuals {_LIST} by msdyn_actualid": "what is written back already",
        f"GET msdyn_actuals {_EXPANDED} by createdon msdyn_istransition msdyn_transactiontypecode"
        " msdyn_vouchernumber": "actuals out of sync",
        f"GET msdyn_actuals {_LIST} by {_BILLED}": "when they were created",
        f"GET msdyn_actuals {_EXPANDED} by _msdyn_invoice_value _msdyn_salescontract_value createdon msdyn_istransition"
        " msdyn_transactiontypecode": "unbilled sales beside them",
        f"GET msdyn_invoicelinetransactions {_LIST} by _msdyn_invoice_value": "invoice lines",
        f"GET msdyn_invoicelinetransactions {_LIST} by msdyn_invoicelinetransactionid": "invoice lines by their ids",
        f"GET msdyn_transactionconnections {_LIST} by msdyn_transaction1 msdyn_transaction2": "all their connections",
        f"GET msdyn_transactionconnections {_LIST} by msdyn_transaction1 msdyn_transaction1role msdyn_transaction2"
        " msdyn_transaction2role": "costs behind them",
        f"GET msdyn_transactionconnections {_LIST} by {_LINKS}": "transaction connections",
        f"GET salesorderdetails {_LIST} by salesorderdetailid": "billing methods of contract lines",
        "POST msdyn_actuals/Microsoft.Dynamics.CRM.UpdateMultiple": "write-back in bulk",
        "POST $batch": "write-back row by row",
    },
    "finance": {
        "POST GetAzureWriteUrl": "a place for a package",
        "PUT dmf": "the package",
        "POST ImportFromPackageAsync": "the import",
        "POST GetExecutionSummaryStatus": "its status",
        "POST GetExecutionErrors": "its errors",
        "GET DataManagementExecutionJobDetails $filter by JobId": "its counts",
        f"GET ProjActualsImports $filter $select by {_PROPOSAL} dataAreaId": "billed sales, to verify",
        f"GET ProjActualsImports $filter by {_PROPOSAL} dataAreaId": "billed sales, column by column",
        "GET ProjActualsImports $filter $select by ActualId": "whether unbilled sales are held",
        "GET ProjActualsImports $filter by ActualsImportId dataAreaId": "actuals, to compare",
        f"GET ProjActualsImports/$count $filter by {_PROPOSAL} VoucherNumber dataAreaId": "what is posted",
        f"GET ProjActualsImports $filter $orderby $top by {_PROPOSAL} VoucherNumber dataAreaId": "posted sales",
        f"GET ProjActualsImports $filter $select by {_PROPOSAL} VoucherNumber dataAreaId": "posted sales, to conclude",
        "GET ProjActualsImports $filter by ActualId": "unbilled sales, to write back",
    },
    "signin": {"GET discovery": "the authority", "POST token": "a token"},
}


def test_whichever_answer_is_lost_the_work_is_found_done_and_not_done_twice(troubles: Troubles) -> None:
    """The short form: each kind of call loses one answer, in alternating manners."""
    kinds = [(service, kind) for service, calls in CALLS.items() for kind in calls]
    plans: dict[str, dict[str, list[str]]] = {service: {} for service in SERVICES}
    for number, (service, kind) in enumerate(kinds):
        plans[service][kind] = [MANNERS[(number + _shift()) % len(MANNERS)]]
    _travel(troubles, plans)


@pytest.mark.prove
@pytest.mark.timeout(1500)
@pytest.mark.parametrize("manner", MANNERS)
def test_every_kind_of_call_loses_an_answer_in_every_manner(troubles: Troubles, manner: str) -> None:
    """The long form, a manner at a time."""
    began = time.monotonic()
    findings = _travel(troubles, {service: {kind: [manner] for kind in CALLS[service]} for service in SERVICES})
    calls = sum(map(len, CALLS.values()))
    seconds = [time.monotonic() - began]
    record(f"Ambiguity: {manner}", tried=calls, what="lost answers", findings=[findings], recovery=seconds)


def _shift() -> int:
    return int(os.environ.get("PROOF_SEED", "0"))


def _travel(troubles: Troubles, plans: Mapping[str, Mapping[str, list[str]]]) -> Findings:
    """Go the whole way with these losses, and see that nothing came of them."""
    # The app notes when it opened its storage. About an invoice from before, it would ask the services more.
    troubles.operator.get("health")
    # Tokens that are still good would spare the app a call.
    troubles.system.stack.restart_host()
    before = journal_end(troubles.system)
    for service in SERVICES:
        troubles.lose(service, plans[service])
    invoices = _journey(troubles)
    seen = {service: troubles.losses(service) for service in SERVICES}
    for service in SERVICES:
        assert set(seen[service]["seen"]) == set(CALLS[service]), f"calls of {service} that are unknown or not made"
        assert seen[service]["lost"] == plans[service], service
    findings = troubles.findings(*invoices, posted=invoices[:-1])
    assert findings.clean, findings.problems()
    entries = Counter((entry["entity"], entry["key"]) for entry in journal(troubles.system, before))
    assert [entry for entry, count in entries.items() if count > 1] == [], "rows that were written twice"
    assert {queue["count"] for queue in troubles.operator.get("health")["poison"]} == {0}
    return findings


def _journey(troubles: Troubles) -> list[str]:
    carried = journey.carry(troubles, 4)
    refused = journey.refuse(troubles, 2)
    swept = journey.sweep(troubles, 2)
    journey.compare(troubles, swept)
    troubles.write_back(*carried, *refused)
    troubles.switch("dataverse", bulkUnsupported="msdyn_actual")
    troubles.write_back(*swept)
    return [*carried, *refused, *swept, *journey.correct(troubles, carried[0])]
