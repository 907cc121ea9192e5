"""Actuals that should be in Finance and are not, are there and unposted, or are posted and not written back."""

from collections import defaultdict
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from tests.endtoend.dataverse_reader import read_actuals
from tests.endtoend.relay import Relay, await_that
from tests.operations.operator import ACTUALS, Accountant, Operator, held, produced_actuals
from tests.write_back.bookkeeping import (
    await_quiet,
    in_dataverse,
    in_finance,
    number_of,
    post,
    ring,
    run_of,
    writes,
)

type Group = tuple[str, str, str]
"""Kind, project and invoice number."""


@pytest.fixture
def operator(system: Relay) -> Operator:
    """The operator of the app."""
    return Operator(system)


def find(operator: Operator, **period: Any) -> dict[str, Any]:
    return operator.search(**{"graceHours": 0, **period})


def kinds(operator: Operator, invoice_id: str) -> dict[str, int]:
    """How many actuals of an invoice are out of sync, by kind."""
    counts: dict[str, int] = defaultdict(int)
    for group in find(operator, invoiceId=invoice_id)["groups"]:
        counts[group["kind"]] += group["rows"]
    return dict(counts)


def shown(found: dict[str, Any]) -> dict[Group, tuple[int, dict[str, str]]]:
    keyed = {
        (group["kind"], group["project"], group["invoiceNumber"]): (group["rows"], group["amounts"])
        for group in found["groups"]
    }
    assert len(keyed) == len(found["groups"])
    return keyed


def settled(operator: Operator, job: str) -> dict[str, Any]:
    """What became of the actuals that a search has sent by themselves."""

    def over() -> dict[str, Any] | None:
        loose = operator.get(f"out-of-sync/{job}")["sync"]["loose"]
        return dict(loose) if loose["rows"] and not loose["underWay"] else None

    return await_that(over, "settled parts", 60.0)


def remove_first(system: Relay, invoice_id: str) -> dict[str, Any]:
    """Delete one billed sale of an invoice in Finance; return what it was."""
    row = held(system, number_of(system, invoice_id))[0]
    Accountant(system).delete(row["ActualsImportId"])
    return row


def test_the_three_kinds_are_told_apart_by_project_and_invoice_with_their_money(
    system: Relay, operator: Operator, invoice_id: str
) -> None:
    number = number_of(system, invoice_id)
    gone = remove_first(system, invoice_id)
    post_one = held(system, number)[5]
    Accountant(system).change(post_one["ActualsImportId"], VoucherNumber="PSI-7")
    wanted: dict[Group, list[Decimal]] = defaultdict(list)
    for row in held(system, number):
        kind = "not written back" if row["ActualId"] == post_one["ActualId"] else "not posted"
        wanted[kind, row["ProjectId"], number].append(Decimal(row["Amount"]))
    wanted["missing", gone["ProjectId"], number].append(Decimal(gone["Amount"]))
    # The unbilled sales that were billed bear the invoice too, and were posted long ago.
    originals = system.tenant.lines("dataverse", f"invoices/{invoice_id}/originals")
    for row in (row for row in originals if row["TRANSACTIONTYPE"] == "sales"):
        wanted["not written back", row["PROJECTID"], number].append(Decimal(row["AMOUNT"]))
    found = find(operator, invoiceId=invoice_id)
    assert {group: (rows, Decimal(money["USD"])) for group, (rows, money) in shown(found).items()} == {
        group: (len(amounts), sum(amounts)) for group, amounts in wanted.items()
    }
    assert found["rows"] == found["examined"] == sum(map(len, wanted.values()))
    assert found["sync"] is None


def test_fresh_actuals_are_only_on_their_way(operator: Operator, invoice_id: str) -> None:
    assert find(operator, invoiceId=invoice_id)["rows"] > 0
    within_grace = operator.search(invoiceId=invoice_id)
    assert (within_grace["rows"], within_grace["groups"]) == (0, [])
    assert find(operator, invoiceId=invoice_id, graceHours=1)["rows"] == 0


def test_only_actuals_of_the_period_are_looked_at(system: Relay, operator: Operator, invoice_id: str) -> None:
    everything = find(operator, invoiceId=invoice_id)
    created = sorted(stray["createdOn"] for stray in everything["actuals"])
    first, last = (datetime.fromisoformat(instant) for instant in (created[0], created[-1]))
    second = timedelta(seconds=1)
    within = find(operator, invoiceId=invoice_id, since=stamp(first), until=stamp(last))
    assert [within[name] for name in ("groups", "actuals")] == [everything[name] for name in ("groups", "actuals")]
    assert find(operator, invoiceId=invoice_id, since=stamp(last + second))["examined"] == 0
    assert find(operator, invoiceId=invoice_id, until=stamp(first - second))["examined"] == 0


def stamp(instant: datetime) -> str:
    return f"{instant.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def test_new_unbilled_sales_are_found_though_they_bear_no_invoice(
    system: Relay, operator: Operator, invoice_id: str
) -> None:
    ours = produced_actuals(system, invoice_id)
    created = [row["createdon"] for row in read_actuals(system, list(ours))]
    groups = shown(find(operator, since=min(created), until=max(created)))
    unbilled = [row for row in held_everywhere(system, ours) if row["TransactionType"] == "Sales"]
    assert unbilled
    # Posting the integration journal for another invoice has posted these rows too.
    kind = "not written back" if unbilled[0]["VoucherNumber"] else "not posted"
    for project in {row["ProjectId"] for row in unbilled}:
        amounts = [Decimal(row["Amount"]) for row in unbilled if row["ProjectId"] == project]
        rows, money = groups[kind, project, ""]
        assert (rows, Decimal(money["USD"])) == (len(amounts), sum(amounts))


def held_everywhere(system: Relay, actuals: set[str]) -> list[dict[str, Any]]:
    return [row for row in system.tenant.held("actuals") if row["ActualId"].lower() in actuals]


def test_looking_changes_nothing(system: Relay, operator: Operator, invoice_id: str) -> None:
    remove_first(system, invoice_id)
    post(system, invoice_id)
    run, written = run_of(system, invoice_id), writes(system)
    before = find(operator, invoiceId=invoice_id)
    await_quiet(system)
    assert before["rows"] > 1
    assert find(operator, invoiceId=invoice_id)["groups"] == before["groups"]
    assert (run_of(system, invoice_id), writes(system)) == (run, written)


def test_what_is_missing_is_sent_and_what_is_posted_is_written_back(
    system: Relay, operator: Operator, invoice_id: str
) -> None:
    number = number_of(system, invoice_id)
    gone = remove_first(system, invoice_id)
    post(system, invoice_id)
    told = find(operator, invoiceId=invoice_id, sync=["missing", "not written back"])["sync"]
    assert [(each["invoiceId"], each["rows"]) for each in told["invoices"]] == [(invoice_id, 1)]
    assert (told["writtenBack"] > 0, told["refusals"], told["loose"]["rows"]) == (True, 0, 0)
    await_quiet(system)
    operator.await_state(invoice_id, "completed")
    await_that(lambda: kinds(operator, invoice_id) == {"not posted": 1}, "everything but the one", 30.0)
    [again] = [row for row in held(system, number) if row["ActualId"] == gone["ActualId"]]
    assert {name: again[name] for name in ("ActualsImportId", "Amount")} == {
        name: gone[name] for name in ("ActualsImportId", "Amount")
    }
    post(system, invoice_id)
    ring(system)
    run = run_of(system, invoice_id)
    assert (run["posting"], run["postingDetail"]) == ("written back", "")
    assert kinds(operator, invoice_id) == {}
    posted = in_finance(system, invoice_id)
    assert set(posted) == produced_actuals(system, invoice_id)
    assert in_dataverse(system, posted) == posted


def test_only_the_chosen_kinds_are_acted_upon(system: Relay, operator: Operator, invoice_id: str) -> None:
    gone = remove_first(system, invoice_id)
    post(system, invoice_id)
    find(operator, invoiceId=invoice_id, sync=["not written back"])
    await_quiet(system)
    assert kinds(operator, invoice_id) == {"missing": 1}
    assert gone["ActualId"] not in {row["ActualId"] for row in held(system, number_of(system, invoice_id))}


def test_actuals_of_no_confirmed_invoice_are_sent_by_themselves(
    system: Relay, operator: Operator, invoice_id: str
) -> None:
    ours = produced_actuals(system, invoice_id)
    fresh = next(row for row in held_everywhere(system, ours) if row["TransactionType"] == "Sales")
    [original] = held(system, number_of(system, invoice_id), "Sales")[:1]
    for row in (fresh, original):
        Accountant(system).delete(row["ActualsImportId"])
    gone = {fresh["ActualId"], original["ActualId"]}
    [created] = {row["createdon"] for row in read_actuals(system, [fresh["ActualId"]])}
    period = {"since": created, "until": created, "sync": ["missing"]}
    told = find(operator, **period)
    sent = told["sync"]["loose"]["rows"]
    assert sent >= 1
    assert find(operator, invoiceId=invoice_id, sync=["missing"])["sync"]["invoices"] == []

    def consigned() -> bool:
        return gone <= {row["ActualId"] for row in held_everywhere(system, gone)}

    await_that(consigned, "both in Finance again", 60.0)
    again = {row["ActualId"]: row for row in held_everywhere(system, gone)}
    for row in (fresh, original):
        names = ("ActualsImportId", "Amount", "TransactionType", "ProjectId")
        assert [again[row["ActualId"]][name] for name in names] == [row[name] for name in names]
    loose = settled(operator, told["id"])
    assert (loose["inFinance"], loose["rejections"]) == (sent, 0)
    assert len(held_everywhere(system, gone)) == 2


def test_an_actual_that_finance_refuses_by_itself_is_named_with_its_words(
    system: Relay, operator: Operator, invoice_id: str
) -> None:
    [original] = held(system, number_of(system, invoice_id), "Sales")[:1]
    Accountant(system).delete(original["ActualsImportId"])
    words = "Project is not open for posting"
    key = original["ActualsImportId"]
    system.tenant.switch(
        "finance", rejectRows=[{"entity": ACTUALS, "field": "ACTUALSIMPORTID", "contains": key, "message": words}]
    )
    try:
        job = find(operator, invoiceId=invoice_id, sync=["missing"])["id"]
        loose = await_that(
            lambda: found if (found := operator.get(f"out-of-sync/{job}")["sync"]["loose"])["underWay"] == 0 else None,
            "a settled part",
            60.0,
        )
    finally:
        system.tenant.switch("finance", rejectRows=[])
    assert (loose["rows"], loose["inFinance"], loose["rejections"]) == (1, 0, 1)
    assert loose["rejected"][0]["actualId"] == original["ActualId"]
    assert words in loose["rejected"][0]["text"]
