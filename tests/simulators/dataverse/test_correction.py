"""Corrective invoices: credits in full and in part."""

from decimal import Decimal
from typing import Any

import pytest

from tests.simulators.dataverse.client import BILLED, UNBILLED, Dataverse
from tests.simulators.dataverse.test_confirmation import ADJUSTED, MILESTONE, Books, Row, read

FEE = 192350004


async def corrected(dataverse: Dataverse, partial: float) -> tuple[dict[str, Any], Books]:
    source = await dataverse.confirmed(40, seed=31)
    draft = await dataverse.sim("POST", f"invoices/{source['invoiceId']}/correct", {"partial": partial}, status=201)
    assert draft["status"] == "draft"
    confirmed = await dataverse.confirm(draft["invoiceId"])
    return confirmed, await read(dataverse, draft["invoiceId"])


def credits_of(books: Books) -> list[tuple[Row, Row, list[Row]]]:
    """Return each corrective line with the billed row it credits and the unbilled rows that replace that."""
    found = []
    for key, line in books.lines.items():
        [(billed_id, *roles)] = books.behind[key]
        assert roles == ["Replacing", "Original"]
        billed = books.actuals[billed_id]
        ends = books.before[billed_id]
        new = [books.actuals[end] for end, *has in ends if has == ["Replacing", "Original"] and end in books.actuals]
        found.append((line, billed, new))
    return found


async def test_a_full_credit_reverses_the_billed_row_and_makes_the_work_unbilled_again(dataverse: Dataverse) -> None:
    invoice, books = await corrected(dataverse, 0)
    for line, billed, new in credits_of(books):
        assert line["msdyn_correction"] is True
        assert line["msdyn_quantity"] == 0
        [reversal] = books.reversals(billed)
        check_credit(reversal, billed, invoice["invoiceId"])
        if line["msdyn_transactionclassification"] == MILESTONE:
            assert new == []
        else:
            [again] = new
            assert again["msdyn_transactiontypecode"] == UNBILLED
            assert again["msdyn_amount"] == billed["msdyn_amount"]
    await check_produced(dataverse, invoice)


async def test_a_partial_credit_bills_the_rest_again(dataverse: Dataverse) -> None:
    invoice, books = await corrected(dataverse, 1)
    partial = [entry for entry in credits_of(books) if entry[0]["msdyn_quantity"]]
    assert partial
    for line, billed, new in partial:
        [reversal] = books.reversals(billed)
        check_credit(reversal, billed, invoice["invoiceId"])
        assert {row["msdyn_quantity"] for row in new} >= {line["msdyn_quantity"]}
        assert sum(row["msdyn_quantity"] for row in new) == billed["msdyn_quantity"]
        [kept] = [row for row in new if books.billed(row)]
        [again] = books.billed(kept)
        assert again["msdyn_quantity"] == line["msdyn_quantity"]
        assert again["_msdyn_invoice_value"] == invoice["invoiceId"]
        [skipped] = books.reversals(kept)
        assert skipped["msdyn_istransition"] is True
    await check_produced(dataverse, invoice)


def check_credit(reversal: Row, billed: Row, invoice_id: str) -> None:
    assert reversal["msdyn_transactiontypecode"] == BILLED
    assert reversal["msdyn_amount"] == -billed["msdyn_amount"]
    assert reversal["msdyn_istransition"] is False
    assert reversal["_msdyn_invoice_value"] == invoice_id
    assert billed["msdyn_adjustmentstatus"] == ADJUSTED


async def check_produced(dataverse: Dataverse, invoice: dict[str, Any]) -> None:
    """The new unbilled rows are two hops away: reversal, original billed row, replacing row."""
    books = await read(dataverse, invoice["invoiceId"])
    billed = {key for key, row in books.actuals.items() if row["_msdyn_invoice_value"] == invoice["invoiceId"]}
    billed = {key for key in billed if books.actuals[key]["msdyn_transactiontypecode"] == BILLED}
    originals = {row["msdyn_actualid"] for _, row, _ in credits_of(books)}
    new = {row["msdyn_actualid"] for _, _, rows in credits_of(books) for row in rows}
    produced = await dataverse.lines(f"invoices/{invoice['invoiceId']}/produced")
    assert {row["actualId"] for row in produced if row["kind"] == "actual"} == billed | new
    ends = billed | new | originals
    going = {
        row["msdyn_transactionconnectionid"]
        for row in books.connections
        if row["msdyn_transaction1"] in billed | new and row["msdyn_transaction2"] in ends
    }
    assert {row["connectionId"] for row in produced if row["kind"] == "connection"} == going
    chargeable = [books.actuals[key] for key in billed if books.actuals[key]["msdyn_billingtype"] == 192350001]
    assert Decimal(invoice["proformaTotal"]) == sum(row["msdyn_amount"] for row in chargeable)


async def test_milestones_become_ready_again(dataverse: Dataverse) -> None:
    _, books = await corrected(dataverse, 0)
    milestones = [row["_msdyn_milestone_value"] for row in books.lines.values() if row["_msdyn_milestone_value"]]
    assert milestones
    for key in milestones:
        row = (await dataverse.get(f"msdyn_contractlinescheduleofvalues({key})")).json
        assert row["msdyn_invoicestatus"] == 192350001


async def test_the_header_says_that_it_corrects(dataverse: Dataverse) -> None:
    source = await dataverse.confirmed(5)
    draft = await dataverse.sim("POST", f"invoices/{source['invoiceId']}/correct", {"lines": 2}, status=201)
    row = (await dataverse.get(f"invoices({draft['invoiceId']})")).json
    assert row["msdyn_hascorrections"] is True
    assert row["msdyn_invoicenumber"] != source["number"]
    assert draft["lines"] == 2


@pytest.mark.parametrize("state", ["draft", "corrected"])
async def test_drafts_and_what_is_corrected_already_are_refused(dataverse: Dataverse, state: str) -> None:
    source = await dataverse.invoice(3, edited=0)
    if state == "corrected":
        await dataverse.confirm(source["invoiceId"])
        draft = await dataverse.sim("POST", f"invoices/{source['invoiceId']}/correct", status=201)
        await dataverse.confirm(draft["invoiceId"])
    await dataverse.sim("POST", f"invoices/{source['invoiceId']}/correct", status=409)
