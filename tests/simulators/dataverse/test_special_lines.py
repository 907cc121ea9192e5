"""Lines that only some invoices have, and rows that come late: retainers used in part, lines added by hand."""

from typing import Any

import pytest

from tests.simulators.dataverse.client import BILLED, UNBILLED, Dataverse

NON_CHARGEABLE, RETAINER = 192350000, 192350005

type Row = dict[str, Any]


async def actuals(dataverse: Dataverse, invoice_id: str) -> list[Row]:
    """All actuals of the invoice's contract that are to be synchronised."""
    invoice = (await dataverse.get(f"invoices({invoice_id})")).json
    own = f"_msdyn_salescontract_value eq {invoice['_salesorderid_value']} and msdyn_istransition eq false"
    return await dataverse.all("msdyn_actuals", filter=own)


async def links(dataverse: Dataverse, end: str) -> set[tuple[str, str]]:
    """The roles of the connections that begin at a row, with the row at the other end."""
    rows = await dataverse.all("msdyn_transactionconnections", filter=f"msdyn_transaction1 eq '{end}'")
    return {(row["msdyn_transaction1role"], row["msdyn_transaction2"]) for row in rows}


async def produced(dataverse: Dataverse, invoice_id: str, kind: str = "actual") -> set[str]:
    rows = await dataverse.lines(f"invoices/{invoice_id}/produced")
    name = {"actual": "actualId", "connection": "connectionId"}[kind]
    return {row[name] for row in rows if row["kind"] == kind}


@pytest.mark.parametrize("linked", [True, False])
async def test_a_retainer_used_in_part_leaves_a_new_negative_row_for_the_rest(
    dataverse: Dataverse, linked: bool
) -> None:
    await dataverse.switch(replacementsLinked=linked)
    invoice = await dataverse.confirmed(1, retainersUsed=1, edited=0)
    rows = await actuals(dataverse, invoice["invoiceId"])
    retainers = [row for row in rows if row["msdyn_transactionclassification"] == RETAINER]
    [billed] = [row for row in retainers if row["msdyn_transactiontypecode"] == BILLED]
    new = await produced(dataverse, invoice["invoiceId"])
    unbilled = [row for row in retainers if row["msdyn_transactiontypecode"] == UNBILLED]
    [rest] = [row for row in unbilled if row["msdyn_actualid"] in new]
    [original] = [row for row in unbilled if row["msdyn_actualid"] not in new]
    assert original["msdyn_amount"] < rest["msdyn_amount"] < 0
    assert billed["msdyn_quantity"] + rest["msdyn_quantity"] == original["msdyn_quantity"]
    expected = {("Replacing", original["msdyn_actualid"])} if linked else set()
    assert await links(dataverse, rest["msdyn_actualid"]) == expected
    assert len(await produced(dataverse, invoice["invoiceId"], "connection")) == 2 + linked


async def test_a_line_added_on_a_fixed_price_is_billed_without_connections(dataverse: Dataverse) -> None:
    invoice = await dataverse.confirmed(1, addedFixedPrice=1, edited=0)
    own = f"_msdyn_invoice_value eq {invoice['invoiceId']} and msdyn_transactiontypecode eq {BILLED}"
    rows = await dataverse.all("msdyn_actuals", filter=own, expand="msdyn_salescontractlineid")
    [added] = [row for row in rows if row["msdyn_salescontractlineid"]["msdyn_billingmethod"] == 192350001]
    assert await links(dataverse, added["msdyn_actualid"]) == set()
    assert (invoice["lines"], invoice["actualsExpected"]) == (2, 2)


@pytest.mark.parametrize("pointed", [True, False])
async def test_a_line_added_for_time_and_material_makes_an_unbilled_row(dataverse: Dataverse, pointed: bool) -> None:
    await dataverse.switch(addedLinesPointToUnbilled=pointed)
    invoice = await dataverse.confirmed(1, addedTimeMaterial=1, edited=0)
    new = await produced(dataverse, invoice["invoiceId"])
    rows = {row["msdyn_actualid"]: row for row in await actuals(dataverse, invoice["invoiceId"])}
    [unbilled] = [key for key in new if rows[key]["msdyn_transactiontypecode"] == UNBILLED]
    ends = await dataverse.all("msdyn_transactionconnections", filter=f"msdyn_transaction2 eq '{unbilled}'")
    kinds = {(row["msdyn_transaction1type"], row["msdyn_transaction1role"]) for row in ends}
    detail = {("msdyn_invoicelinetransaction", "Billed Sales")} if pointed else set()
    assert kinds == {("msdyn_actual", "Billed Sales"), ("msdyn_actual", "Reversing")} | detail


async def test_a_line_made_non_chargeable_may_get_no_billed_row(dataverse: Dataverse) -> None:
    await dataverse.switch(nonChargeableBilled=False)
    invoice = await dataverse.confirmed(10, edited=0.1)
    new = await produced(dataverse, invoice["invoiceId"])
    rows = {row["msdyn_actualid"]: row for row in await actuals(dataverse, invoice["invoiceId"])}
    made = [rows[key] for key in new if rows[key]["msdyn_billingtype"] == NON_CHARGEABLE]
    alone = [
        row for row in made if any(role == "Replacing" for role, _ in await links(dataverse, row["msdyn_actualid"]))
    ]
    assert [row["msdyn_transactiontypecode"] for row in alone] == [UNBILLED]


async def test_the_last_share_of_the_actuals_comes_late_with_its_connections(dataverse: Dataverse) -> None:
    await dataverse.switch(lateShare=0.25, lateSeconds=0.5)
    invoice = await dataverse.confirmed(40, edited=0)
    own = f"_msdyn_invoice_value eq {invoice['invoiceId']} and msdyn_transactiontypecode eq {BILLED}"
    assert invoice["status"] == "confirmed"
    assert len(await dataverse.all("msdyn_actuals", filter=own)) < 40
    while len(await dataverse.all("msdyn_actuals", filter=own)) < 40:
        pass
    for key in await produced(dataverse, invoice["invoiceId"], "connection"):
        await dataverse.get(f"msdyn_transactionconnections({key})")


async def test_invoices_may_share_a_contract_and_work_may_be_approved_beside_them(dataverse: Dataverse) -> None:
    first = await dataverse.invoice(3)
    second = await dataverse.invoice(3, sharesContractWith=first["invoiceId"])
    headers = [(await dataverse.get(f"invoices({each['invoiceId']})")).json for each in (first, second)]
    assert headers[0]["_salesorderid_value"] == headers[1]["_salesorderid_value"]
    assert first["contract"] == second["contract"]
    [unbilled] = (await dataverse.sim("POST", f"invoices/{first['invoiceId']}/approvals", {"entries": 1}, status=201))[
        "unbilled"
    ]
    assert [role for role, _ in await links(dataverse, unbilled)] == ["Unbilled Sales"]
    refused = await dataverse.sim("POST", "invoices", {"lines": 1, "sharesContractWith": "nothing"}, status=404)
    assert "nothing" in refused["error"]
    refused = await dataverse.sim("POST", "invoices", {"lines": 1, "retainersUsed": -1}, status=400)
    assert "retainersUsed" in refused["error"]
