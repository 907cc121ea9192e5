"""An invoice of any size arrives completely, once, in the right order, and to the last decimal."""

from collections import Counter
from datetime import datetime
from decimal import Decimal
from itertools import groupby
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from simulators.summary import is_complete, summarize
from tests.endtoend.dataverse_reader import read_actuals
from tests.endtoend.relay import Relay


@pytest.mark.parametrize("lines", [1, 999, 1000, 1001, 2500])
def test_every_row_arrives_once_and_the_proposal_equals_the_proforma(system: Relay, lines: int) -> None:
    invoice_id = system.carry(lines, seed=lines)
    system.tenant.book("usmf")
    summary = summarize(system.tenant, [invoice_id], [system.tenant.run(invoice_id)], 0)
    assert is_complete(summary), summary
    assert summary["lines"] == lines
    assert summary["actuals_expected"] >= lines


def test_every_column_arrives_as_it_was_written(system: Relay) -> None:
    invoice_id = system.carry(300, seed=77, edited=0.3)
    held = {row["ActualId"].lower(): row for row in system.tenant.held("actuals")}
    produced = [row["actualId"] for row in system.tenant.produced(invoice_id) if row["kind"] == "actual"]
    source = read_actuals(system, produced)
    assert len(source) == len(produced) > 300
    for row in source:
        assert _differences(row, held[row["msdyn_actualid"]]) == {}
    texts = "".join(row["msdyn_description"] or "" for row in source)
    assert {",", '"', "\n"} <= set(texts)
    assert any(ord(letter) > 0xFFFF for letter in texts)


def _differences(source: dict[str, Any], held: dict[str, Any]) -> dict[str, Any]:
    expected = {
        "Amount": _number(source["msdyn_amount"]),
        "Quantity": _number(source["msdyn_quantity"]),
        "UnitPrice": _number(source["msdyn_price"]),
        "Description": source["msdyn_description"] or "",
        "ExternalDescription": source["msdyn_externaldescription"] or "",
        "DocumentDate": source["msdyn_transactiondate"],
        "AccountingDate": _local_date(source["msdyn_accountingdate"]),
        "BookableResourceName": source["msdyn_nameofbookableresource"] or "",
    }
    found = {name: held[name] for name in expected}
    found |= {name: _number(held[name]) for name in ("Amount", "Quantity", "UnitPrice")}
    found |= {name: str(held[name])[:10] for name in ("DocumentDate", "AccountingDate")}
    return {name: (value, found[name]) for name, value in expected.items() if value != found[name]}


def _number(value: Any) -> Decimal:
    return Decimal(str(value or 0))


def _local_date(text: str) -> str:
    return datetime.fromisoformat(text).astimezone(ZoneInfo("Europe/Berlin")).date().isoformat()


def test_headers_come_before_actuals_and_actuals_before_connections(system: Relay) -> None:
    invoice_id = system.carry(40, seed=5)
    mine = _keys(system, invoice_id)
    order = [row["entity"] for row in system.tenant.lines("finance", "journal") if _last(row["key"]) in mine]
    assert [entity for entity, _ in groupby(order)] == [
        "Project invoice proposal V2",
        "Project Operations integration actuals",
        "Integration entity for project transaction relationships",
    ]


def _keys(system: Relay, invoice_id: str) -> set[str]:
    """The keys in Finance of everything that the confirmation produced."""
    import_ids = {row["ActualId"].lower(): row["ActualsImportId"].lower() for row in system.tenant.held("actuals")}
    keys = {
        "header": lambda row: row["number"].lower(),
        "actual": lambda row: import_ids[row["actualId"]],
        "connection": lambda row: row["connectionId"],
    }
    return {keys[row["kind"]](row) for row in system.tenant.produced(invoice_id)}


def _last(key: str) -> str:
    """A key without its company."""
    return key.lower().rpartition(",")[2]


def test_invoices_confirmed_together_share_imports(system: Relay) -> None:
    before = system.tenant.counts()["imports"]
    invoices = [system.tenant.draft(50, seed=1000 + number) for number in range(40)]
    for invoice_id in invoices:
        system.tenant.confirm(invoice_id)
    runs = system.finish(invoices)
    assert Counter(run["state"] for run in runs) == {"completed": 40}
    assert system.tenant.counts()["imports"] - before < 40
    assert system.tenant.counts()["clashes"] == 0


def test_a_corrective_invoice_sends_its_replacing_rows_once(system: Relay) -> None:
    invoice_id = system.carry(30, seed=8)
    correction = system.tenant.correct(invoice_id)
    system.tenant.confirm(correction)
    runs = system.finish([correction])
    summary = summarize(system.tenant, [correction], runs, 0)
    assert summary["states"] == {"completed": 1}, runs
    assert (summary["actuals_in_finance"], summary["connections_in_finance"]) == (
        summary["actuals_expected"],
        summary["connections_expected"],
    )
    sent = {
        row["importId"] for row in system.tenant.produced(correction) if row["kind"] == "actual" and row["importId"]
    }
    assert sent <= {row["ActualsImportId"].lower() for row in system.tenant.held("actuals")}
