"""Finance refuses rows, imports and lanes: exactly what it refuses is reported, and everything else stands."""

import time
from collections.abc import Iterator

import pytest
import requests

from tests.operations.operator import ACTUALS
from tests.proof.figures import record
from tests.proof.findings import Findings
from tests.proof.troubles import Troubles, troubled

HEADERS = "Project invoice proposal V2"
CONNECTIONS = "Integration entity for project transaction relationships"
MESSAGE = "Line property 'Chargeable' doesn't exist"
BUSY_LANE = "InvoiceRelay-actuals-1"


def test_ten_bad_rows_among_many_are_named_and_the_others_stand(troubles: Troubles) -> None:
    """The error list is cut off in its middle and names rows by an id that says nothing."""
    _isolate(troubles, lines=60, bad=10, recordIdForm="recid", errorsForm="cut")


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Troubles]:
    """A system with pages as large as they come."""
    settings = {"DATAVERSE_PAGE_ROWS": "5000", "ANSWER_PATIENCE_SECONDS": "60", "FINANCE_SHIPMENT_LEASE_SECONDS": "120"}
    with troubled(tmp_path_factory.mktemp("large"), settings=settings) as running:
        yield running


@pytest.mark.prove
@pytest.mark.timeout(2400)
@pytest.mark.parametrize("bad", [1, 10, 500])
def test_bad_rows_among_ten_thousand_are_named_and_the_others_stand(large: Troubles, bad: int) -> None:
    began = time.monotonic()
    findings = _isolate(large, lines=10_000, bad=bad)
    record(
        f"Finance: {bad} bad rows in 10,000",
        tried=bad,
        what="bad rows",
        findings=findings,
        recovery=[time.monotonic() - began],
    )


@pytest.mark.prove
@pytest.mark.timeout(1200)
@pytest.mark.parametrize(
    ("record_id", "form"),
    [
        ("key", "cut"),
        ("key", "wrapped"),
        ("row", "wrapped"),
        ("row", "cut"),
        ("recid", "nothing"),
        ("recid", "prose"),
        ("recid", "page"),
    ],
)
def test_however_malformed_the_error_list_is_the_bad_rows_are_found(
    troubles: Troubles, record_id: str, form: str
) -> None:
    findings = _isolate(troubles, lines=20, bad=3, recordIdForm=record_id, errorsForm=form)
    record(f"Finance: error list {form}, by {record_id}", tried=3, what="bad rows", findings=findings)


def test_an_import_that_never_ends_holds_up_only_its_own_rows_until_finance_ends_it(troubles: Troubles) -> None:
    troubles.switch("finance", importNeverEnds=1, faultEntity=ACTUALS)
    stuck = troubles.draft(1)
    troubles.confirm(*stuck)
    troubles.await_that(lambda: _switches(troubles)["importNeverEnds"] == 0 or None, "an import that stands still")
    others = troubles.draft(2)
    troubles.confirm(*others)
    troubles.complete(*others)
    assert troubles.run(stuck[0])["state"] == "syncing actuals"  # type: ignore[index]
    troubles.switch("finance", stuckImportsEnd="Canceled")
    troubles.complete(*stuck)
    _check(troubles, *stuck, *others)


def test_a_lane_that_somebody_else_keeps_busy_is_left_for_another(troubles: Troubles) -> None:
    troubles.switch("finance", busyProjects=[BUSY_LANE])
    invoices = troubles.draft(2)
    troubles.confirm(*invoices)
    troubles.complete(*invoices)
    assert troubles.system.tenant.counts()["clashes"] > 0, "the busy lane was not tried"
    _check(troubles, *invoices)


def test_an_import_whose_history_was_cleaned_away_is_sent_again(troubles: Troubles) -> None:
    """Finance is away while the import ends, and when it is back it has forgotten it."""
    troubles.switch("finance", importFixedSeconds=1.5, sasSeconds=4.0)
    invoices = troubles.draft(1)
    done = _imports(troubles)
    troubles.confirm(*invoices)
    troubles.await_that(lambda: _imports(troubles) > done or None, "an import")
    troubles.switch("finance", errorShare=1.0)
    troubles.await_that(lambda: _forget(troubles) or None, "an import that is over")
    troubles.switch("finance", errorShare=0.0, importFixedSeconds=0.0)
    troubles.complete(*invoices)
    _check(troubles, *invoices)


@pytest.mark.prove
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("entity", [HEADERS, ACTUALS, CONNECTIONS])
@pytest.mark.parametrize("fault", ["succeedsWithZeroRows", "importFailsWhole", "importNeverEnds"])
def test_an_import_that_goes_wrong_as_a_whole(troubles: Troubles, fault: str, entity: str) -> None:
    """At each of the three maps: success without a row, failure without a reason, and no end until it is canceled."""
    troubles.switch("finance", faultEntity=entity, **{fault: 1}, stuckImportsEnd="Canceled")
    invoices = troubles.draft(2)
    began = time.monotonic()
    troubles.confirm(*invoices)
    troubles.await_that(lambda: _switches(troubles)[fault] == 0 or None, f"{fault} at {entity}")
    troubles.complete(*invoices)
    recovery = [time.monotonic() - began]
    findings = _check(troubles, *invoices)
    record(f"Finance: {fault}, {entity}", tried=1, what="imports", findings=[findings], recovery=recovery)


@pytest.mark.prove
@pytest.mark.timeout(1200)
def test_an_import_that_always_fails_is_told_with_finances_words_and_goes_on_when_it_is_mended(
    troubles: Troubles,
) -> None:
    troubles.switch("finance", faultEntity=ACTUALS, importFailsWhole=1_000)
    invoices = troubles.draft(1)
    troubles.confirm(*invoices)
    troubles.await_that(lambda: "DMF042" in str(_waits(troubles, invoices[0])) or None, "a wait that says why")
    troubles.mend()
    troubles.complete(*invoices)
    _check(troubles, *invoices)


def _isolate(troubles: Troubles, *, lines: int, bad: int, **forms: str) -> list[Findings]:
    """Have Finance reject rows of an invoice, see that exactly these are reported, repair the cause, and replay."""
    [invoice_id] = troubles.draft(1, lines=lines)
    with troubles.operator.pausing("actuals"):
        troubles.confirm(invoice_id)
        troubles.await_state(invoice_id, "syncing actuals")
        refused = _choose(troubles, invoice_id, bad)
        rule = {"entity": ACTUALS, "field": "ACTUALID", "oneOf": sorted(refused), "message": MESSAGE}
        troubles.switch("finance", rejectRows=[rule], **forms)
    run = troubles.await_final(invoice_id)[0]
    assert run["state"] == "needs attention", run["detail"]
    assert _reported(troubles, invoice_id) == refused
    connections = [row["connectionId"] for row in _rows(troubles, invoice_id, "connection")]
    first = troubles.findings(invoice_id, missing=[*refused, *connections])
    problems = {name: found for name, found in first.problems().items() if name != "money"}
    assert problems == {}, problems
    troubles.operator.replay(invoiceId=invoice_id)
    troubles.await_state(invoice_id, "completed")
    return [_check(troubles, invoice_id)]


def _choose(troubles: Troubles, invoice_id: str, bad: int) -> set[str]:
    """A number of the actuals of an invoice, evenly spread."""
    actuals = [row["actualId"].lower() for row in _rows(troubles, invoice_id, "actual")]
    return set(actuals[:: len(actuals) // bad][:bad])


def _rows(troubles: Troubles, invoice_id: str, kind: str) -> list[dict[str, str]]:
    return [row for row in troubles.system.tenant.produced(invoice_id) if row["kind"] == kind]


def _reported(troubles: Troubles, invoice_id: str) -> set[str]:
    groups = troubles.operator.groups(invoice_id)
    rows = [row for group in groups for row in troubles.operator.rows(group["group"], invoice_id)]
    return {row["sourceId"].lower() for row in rows}


def _waits(troubles: Troubles, invoice_id: str) -> list[dict[str, str]]:
    """What the run of an invoice says that it waits for."""
    run = troubles.run(invoice_id)
    return list(run["waitsFor"]) if run else []


def _check(troubles: Troubles, *invoices: str) -> Findings:
    findings = troubles.findings(*invoices)
    assert findings.clean, findings.problems()
    return findings


def _switches(troubles: Troubles) -> dict[str, int]:
    return dict(requests.get(f"{troubles.addresses['finance']}/sim/switches", timeout=60).json())


def _imports(troubles: Troubles) -> int:
    return int(troubles.system.tenant.counts()["imports"])


def _forget(troubles: Troubles) -> int:
    """Clean Finance's history up; return how many imports it has forgotten."""
    answer = requests.post(f"{troubles.addresses['finance']}/sim/clean-history", timeout=60)
    return int(answer.json()["forgotten"])
