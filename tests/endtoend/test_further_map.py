"""A further map of the invoice job is data: one file in shared/maps, one line in shared/jobs/invoices.json."""

import json
import shutil
from collections.abc import Iterator
from decimal import Decimal
from filecmp import cmp
from pathlib import Path
from typing import Any

import pytest
import requests

from relay_cli.views.runs import progress_line
from relay_contract.runs import RunDetail
from simulators.processes import PROJECT
from tests.endtoend.relay import Relay, await_that, relay
from tests.operations.operator import Operator
from tests.write_back.test_strategies import DEPLOYED

LINES = 12
DETAILS = {
    "name": "Invoice line details (contoso)",
    "version": "1.0.0.0",
    "source": {
        "set": "msdyn_invoicelinetransactions",
        "key": "msdyn_invoicelinetransactionid",
        "filter": "",
        "lookups": ["transactioncurrencyid"],
    },
    "target": {"entity": "Contoso invoice line details", "aot": "ContosoInvoiceLineDetailEntity", "set": None},
    "integrationKey": ["LINEDETAILID"],
    "company": None,
    "fields": [
        {"target": "LINEDETAILID", "source": "msdyn_invoicelinetransactionid", "direction": "toFinance"},
        {"target": "DESCRIPTION", "source": "msdyn_description", "direction": "toFinance"},
        {"target": "AMOUNT", "source": "msdyn_amount", "direction": "toFinance"},
        {"target": "CURRENCY", "source": "transactioncurrencyid.isocurrencycode", "direction": "toFinance"},
    ],
}
STEP = {
    "map": "details",
    "title": "Line details",
    "sequence": 4,
    "direction": "toFinance",
    "rows": "_msdyn_invoice_value eq {subject}",
}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the deployed files with a fourth map."""
    copy = tmp_path_factory.mktemp("deployed")
    for name in DEPLOYED:
        shutil.copytree(PROJECT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("function_app.py", "host.json"):
        shutil.copy(PROJECT / name, copy / name)
    (copy / "shared" / "maps" / "details.json").write_text(json.dumps(DETAILS), "utf-8")
    job = copy / "shared" / "jobs" / "invoices.json"
    raw = json.loads(job.read_text("utf-8"))
    job.write_text(json.dumps(raw | {"steps": [*raw["steps"], STEP]}), "utf-8")
    return copy


@pytest.fixture(scope="module")
def system(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Relay]:
    """The app with the fourth map; a page of the map holds fewer rows than an invoice."""
    with relay(tmp_path_factory.mktemp("run"), root=root, settings={"DATAVERSE_PAGE_ROWS": "5"}) as running:
        yield running


def test_two_files_are_touched(root: Path) -> None:
    touched = [
        file
        for file in root.rglob("*")
        if file.is_file()
        and "__pycache__" not in file.parts
        and not ((PROJECT / file.relative_to(root)).is_file() and cmp(PROJECT / file.relative_to(root), file, False))
    ]
    assert sorted(file.name for file in touched) == ["details.json", "invoices.json"]


def test_its_rows_arrive_and_page_api_and_command_show_it(system: Relay) -> None:
    invoice_id = system.carry(LINES, seed=1)
    document = system.tenant.run(invoice_id)
    assert document is not None
    assert document["state"] == "completed"
    assert f"; {LINES} rows of Line details as Finance reported" in document["detail"]
    held = {row["LineDetailId"].lower(): row for row in system.tenant.held("details")}
    assert len(held) == LINES
    assert all(row["Description"] and Decimal(row["Amount"]) and row["Currency"] for row in held.values())
    shown = document["maps"][3]
    assert (shown["map"], shown["title"], shown["done"], shown["state"]) == ("details", "Line details", LINES, "done")
    run = RunDetail.model_validate(document)
    assert f"line details {LINES}/{LINES}" in progress_line(run)
    [listed] = Operator(system).get("runs")["runs"]
    assert (listed["maps"][3]["title"], listed["maps"][3]["done"]) == ("Line details", LINES)
    told = requests.get(system.address("sign-in"), timeout=60).json()
    assert told["maps"][3] == {"map": "details", "title": "Line details", "measured": False}
    assert list(Operator(system).get("health")["maps"])[3] == "details"
    [compared] = Operator(system).reconcile(invoiceId=invoice_id)
    counted = compared["maps"][2]
    assert (counted["map"], counted["source"]["rows"], counted["target"]["rows"]) == ("details", LINES, LINES)
    assert counted["note"].startswith("Not compared: ")


def test_a_run_is_completed_only_after_its_last_map(system: Relay) -> None:
    operator = Operator(system)
    operator.post("pauses", map="details", reason="prices are being mended")
    invoice_id = system.tenant.draft(LINES, seed=2)
    system.tenant.confirm(invoice_id)

    def waiting() -> dict[str, Any] | None:
        run = system.tenant.run(invoice_id)
        states = [each["state"] for each in run["maps"]] if run else []
        return run if run and states[:3] == ["done", "done", "done"] else None

    run = await_that(waiting, "the three other maps")
    assert (run["state"], run["maps"][3]["done"]) == ("linking", 0)
    operator.post("resumes", map="details")
    [run] = system.finish([invoice_id])
    assert (run["state"], run["maps"][3]["done"]) == ("completed", LINES)


def test_a_row_of_it_that_finance_rejects_holds_its_run_up_until_it_is_replayed(system: Relay) -> None:
    operator = Operator(system)
    rule = {"entity": "Contoso invoice line details", "everyNth": 4, "message": "The price is blocked"}
    system.tenant.switch("finance", rejectRows=[rule])
    invoice_id = system.carry(LINES, seed=3)
    run = system.tenant.run(invoice_id)
    assert run is not None
    assert run["state"] == "needs attention"
    assert "of details rejected" in run["detail"]
    assert "The price is blocked" in run["detail"]
    assert run["maps"][3]["rejected"] > 0
    system.tenant.switch("finance", rejectRows=[])
    operator.replay(invoiceId=invoice_id, map="details")
    operator.await_state(invoice_id, "completed")
    assert len(list(system.tenant.held("details"))) == 3 * LINES
