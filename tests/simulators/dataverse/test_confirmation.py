"""What confirming makes of each kind of line, read back as any client would."""

import asyncio
from collections import Counter, defaultdict
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import pytest

from tests.simulators.dataverse.client import BILLED, UNBILLED, Dataverse

CHARGEABLE, NON_CHARGEABLE = 192350001, 192350000
MILESTONE, RETAINER = 192350003, 192350005
INVOICE_CREATED, POSTED = 192350001, 192350002
ADJUSTED, UNADJUSTABLE = 192350001, 192350002

type Row = dict[str, Any]


class Books:
    """Everything in Dataverse that belongs to one invoice."""

    def __init__(self, lines: list[Row], actuals: list[Row], connections: list[Row]) -> None:
        self.lines = {line["msdyn_invoicelinetransactionid"]: line for line in lines}
        self.actuals = {actual["msdyn_actualid"]: actual for actual in actuals}
        self.connections = connections
        self.behind: dict[str, list[tuple[str, str, str]]] = defaultdict(list)
        self.before: dict[str, list[tuple[str, str, str]]] = defaultdict(list)
        for row in connections:
            first, second = row["msdyn_transaction1"], row["msdyn_transaction2"]
            roles = row["msdyn_transaction1role"], row["msdyn_transaction2role"]
            self.behind[first].append((second, *roles))
            self.before[second].append((first, *roles))

    def original(self, line_id: str) -> Row | None:
        ends = self.behind[line_id]
        return self.actuals[ends[0][0]] if ends else None

    def reversals(self, actual: Row) -> list[Row]:
        ends = self.before[actual["msdyn_actualid"]]
        return [self.actuals[key] for key, first, second in ends if (first, second) == ("Reversing", "Original")]

    def billed(self, actual: Row) -> list[Row]:
        ends = self.before[actual["msdyn_actualid"]]
        roles = ("Billed Sales", "Unbilled Sales")
        return [self.actuals[key] for key, *found in ends if tuple(found) == roles and key in self.actuals]


async def read(dataverse: Dataverse, invoice_id: str) -> Books:
    lines = await dataverse.all("msdyn_invoicelinetransactions", filter=f"_msdyn_invoice_value eq {invoice_id}")
    project = lines[0]["_msdyn_projectcontractsplitbillingrule_value"]
    rule = f"_msdyn_projectcontractsplitbillingrule_value eq {project}"
    actuals = await dataverse.all("msdyn_actuals", filter=rule)
    keys = [row["msdyn_actualid"] for row in actuals] + [line["msdyn_invoicelinetransactionid"] for line in lines]
    connections: list[Row] = []
    for start in range(0, len(keys), 200):
        ids = '","'.join(keys[start : start + 200])
        text = f"""Microsoft.Dynamics.CRM.In(PropertyName='msdyn_transaction1',PropertyValues=["{ids}"])"""
        connections += await dataverse.all("msdyn_transactionconnections", filter=text)
    return Books(lines, actuals, connections)


@pytest.fixture(scope="module")
async def books(dataverse_server: Any, session: Any, default_switches: Any) -> Books:
    client = Dataverse(dataverse_server.url, session)
    invoice = await client.confirmed(150, seed=3, edited=0.4)
    return await read(client, invoice["invoiceId"])


def cent(quantity: Decimal, price: Decimal) -> Decimal:
    return (quantity * price).quantize(Decimal("0.0001"), ROUND_HALF_UP)


def kinds(books: Books) -> dict[str, list[tuple[Row, Row]]]:
    """Sort the lines with an original by what happened to them on the draft."""
    sorted_: dict[str, list[tuple[Row, Row]]] = defaultdict(list)
    for key, line in books.lines.items():
        original = books.original(key)
        if original is None:
            continue
        if line["msdyn_billingtype"] != original["msdyn_billingtype"]:
            kind = "made non-chargeable"
        elif line["msdyn_quantity"] < original["msdyn_quantity"]:
            kind = "reduced"
        elif line["msdyn_quantity"] > original["msdyn_quantity"]:
            kind = "increased"
        else:
            kind = "unedited"
        sorted_[kind].append((line, original))
    return sorted_


def test_the_invoice_is_like_a_real_one(books: Books) -> None:
    found = kinds(books)
    assert all(found[kind] for kind in ("unedited", "reduced", "increased", "made non-chargeable"))
    assert {line["msdyn_transactionclassification"] for line in books.lines.values()} == {
        192350000, 192350001, 192350002, 192350003, 192350004, 192350005
    }  # fmt: skip
    assert {line["msdyn_billingtype"] for line in books.lines.values()} >= {CHARGEABLE, NON_CHARGEABLE}
    texts = {line["msdyn_description"] for line in books.lines.values()}
    assert None in texts
    given = "".join(text for text in texts if text)
    assert all(part in given for part in (",", '"', "\n", "検", "🚧", "=SUM", "  lead"))


def test_an_unedited_line_is_reversed_and_billed(books: Books) -> None:
    for line, original in kinds(books)["unedited"]:
        [reversal], [billed] = books.reversals(original), books.billed(original)
        assert original["msdyn_billingstatus"] == POSTED
        assert original["msdyn_adjustmentstatus"] is None
        check_reversal(reversal, original)
        check_billed(billed, original, line["_msdyn_invoice_value"])


def test_a_reduced_line_is_replaced_by_two_rows_billed_each(books: Books) -> None:
    for _, original in kinds(books)["reduced"]:
        assert original["msdyn_adjustmentstatus"] == ADJUSTED
        [reversal] = books.reversals(original)
        check_reversal(reversal, original)
        assert books.billed(original) == []
    new = replacements(books)
    rest = [row for row in new if row["msdyn_billingtype"] == NON_CHARGEABLE]
    assert len(rest) == len(kinds(books)["reduced"]) + len(kinds(books)["made non-chargeable"])
    worked = Counter(original["msdyn_quantity"] - line["msdyn_quantity"] for line, original in kinds(books)["reduced"])
    assert worked <= Counter(row["msdyn_quantity"] for row in rest)


def test_an_increased_line_is_replaced_by_one_row(books: Books) -> None:
    new = Counter((row["msdyn_quantity"], row["msdyn_price"], row["msdyn_billingtype"]) for row in replacements(books))
    for line, original in kinds(books)["increased"]:
        assert original["msdyn_adjustmentstatus"] == ADJUSTED
        assert new[line["msdyn_quantity"], line["msdyn_price"], CHARGEABLE] >= 1


def replacements(books: Books) -> list[Row]:
    """Return the new unbilled rows of edited lines, each of them checked: reversed, billed, exact."""
    originals = {original["msdyn_actualid"] for found in kinds(books).values() for _, original in found}
    new = []
    for row in books.actuals.values():
        kind = row["msdyn_transactiontypecode"], row["msdyn_istransition"]
        if kind != (UNBILLED, False) or row["msdyn_actualid"] in originals or row["msdyn_amount"] < 0:
            continue
        [reversal], [billed] = books.reversals(row), books.billed(row)
        check_reversal(reversal, row)
        check_billed(billed, row, billed["_msdyn_invoice_value"])
        assert row["msdyn_amount"] == cent(row["msdyn_quantity"], row["msdyn_price"])
        assert row["_msdyn_invoice_value"] is None
        new.append(row)
    return new


def check_reversal(reversal: Row, of: Row) -> None:
    assert reversal["msdyn_istransition"] is True
    assert reversal["msdyn_transactiontypecode"] == UNBILLED
    assert reversal["msdyn_amount"] == -of["msdyn_amount"]
    assert reversal["msdyn_quantity"] == -of["msdyn_quantity"]
    assert reversal["msdyn_adjustmentstatus"] == UNADJUSTABLE


def check_billed(billed: Row, of: Row, invoice_id: str) -> None:
    assert billed["msdyn_transactiontypecode"] == BILLED
    assert billed["msdyn_istransition"] is False
    assert billed["_msdyn_invoice_value"] == invoice_id
    same = ("msdyn_amount", "msdyn_quantity", "msdyn_billingtype", "msdyn_description", "msdyn_transactiondate")
    assert [billed[name] for name in same] == [of[name] for name in same]
    assert billed["msdyn_accountingdate"] != of["msdyn_transactiondate"]


def test_a_milestone_is_billed_without_unbilled_sales(books: Books) -> None:
    milestones = [row for row in books.actuals.values() if row["msdyn_transactionclassification"] == MILESTONE]
    assert milestones
    for row in milestones:
        assert row["msdyn_transactiontypecode"] == BILLED
        assert not books.behind[row["msdyn_actualid"]]


def test_a_retainer_leaves_a_negative_unbilled_row_that_is_synchronised(books: Books) -> None:
    rows = [row for row in books.actuals.values() if row["msdyn_transactionclassification"] == RETAINER]
    [billed] = [row for row in rows if row["msdyn_transactiontypecode"] == BILLED]
    [unbilled] = [row for row in rows if row["msdyn_transactiontypecode"] == UNBILLED]
    assert unbilled["msdyn_amount"] == -billed["msdyn_amount"] < 0
    assert unbilled["msdyn_istransition"] is False
    assert books.billed(unbilled) == [billed]


def test_about_half_of_the_new_rows_have_no_import_id_and_every_original_has(books: Books) -> None:
    billed = [row for row in books.actuals.values() if row["msdyn_transactiontypecode"] == BILLED]
    without = sum(row["msdyn_actualimportid"] is None for row in billed)
    assert 0.3 < without / len(billed) < 0.7
    for found in kinds(books).values():
        assert all(original["msdyn_actualimportid"] for _, original in found)


async def test_the_milestone_and_the_invoice_are_posted(dataverse: Dataverse, invoice: dict[str, Any]) -> None:
    row = (await dataverse.get(f"invoices({invoice['invoiceId']})")).json
    assert row["msdyn_projectinvoicestatus"] == 192350002
    filter_ = f"_msdyn_invoice_value eq {invoice['invoiceId']} and _msdyn_milestone_value ne null"
    lines = await dataverse.all("msdyn_invoicelinetransactions", filter=filter_, expand="msdyn_Milestone")
    assert {line["msdyn_Milestone"]["msdyn_invoicestatus"] for line in lines} == {192350003}


async def test_what_was_produced_is_what_the_links_lead_to(dataverse: Dataverse) -> None:
    invoice = await dataverse.confirmed(90, seed=21, edited=0.3)
    invoice_id = invoice["invoiceId"]
    books = await read(dataverse, invoice_id)
    originals = {books.behind[key][0][0] for key in books.lines if books.behind[key]}
    billed = {
        key: row
        for key, row in books.actuals.items()
        if (row["msdyn_transactiontypecode"], row["_msdyn_invoice_value"]) == (BILLED, invoice_id)
    }
    new = {end for key in billed for end, *_ in books.behind[key]} - originals
    produced = await dataverse.lines(f"invoices/{invoice_id}/produced")
    assert produced[0] == {
        "kind": "header", "invoiceId": invoice_id, "number": invoice["number"], "company": "usmf",
        "contract": invoice["contract"], "currency": "USD"}  # fmt: skip
    actuals = {row["actualId"]: row for row in produced if row["kind"] == "actual"}
    assert actuals.keys() == billed.keys() | new
    assert {key for key, row in actuals.items() if row["new"]} == new
    for key, row in actuals.items():
        assert Decimal(row["amount"]) == books.actuals[key]["msdyn_amount"]
        assert row["importId"] == books.actuals[key]["msdyn_actualimportid"]
    going = {
        row["msdyn_transactionconnectionid"]
        for row in books.connections
        if row["msdyn_transaction1role"] == "Billed Sales" and row["msdyn_transaction1type"] == "msdyn_actual"
    }
    assert {row["connectionId"] for row in produced if row["kind"] == "connection"} == going
    assert (invoice["actualsExpected"], invoice["connectionsExpected"]) == (len(actuals), len(going))
    chargeable = [row["msdyn_amount"] for row in billed.values() if row["msdyn_billingtype"] == CHARGEABLE]
    assert Decimal(invoice["proformaTotal"]) == sum(chargeable)


async def test_originals_are_what_finance_holds_from_before(dataverse: Dataverse) -> None:
    invoice = await dataverse.invoice(40, company="demf", seed=5)
    rows = await dataverse.lines(f"invoices/{invoice['invoiceId']}/originals")
    sales = [row for row in rows if row["TRANSACTIONTYPE"] == "sales"]
    costs = [row for row in rows if row["TRANSACTIONTYPE"] == "cost"]
    assert len(sales) + len(costs) == len(rows)
    assert {row["INVOICEPROPOSALID"] for row in sales} == {invoice["number"]}
    assert {row["INVOICEPROPOSALID"] for row in costs} == {None}
    assert {(row["dataAreaId"], row["TRANSACTIONCURRENCYID"]) for row in rows} == {("demf", "EUR")}
    assert all(row["ACTUALSIMPORTID"] for row in rows)
    assert all(row["ACCOUNTINGDATE"] == row["DOCUMENTDATE"] for row in rows)
    actual = (await dataverse.get(f"msdyn_actuals({sales[0]['ACTUALID']})")).json
    assert Decimal(sales[0]["AMOUNT"]) == actual["msdyn_amount"]
    # A UserLocal date is the UTC instant of a local midnight: the day before, seen naively.
    assert actual["msdyn_accountingdate"][:10] < sales[0]["ACCOUNTINGDATE"]
    await dataverse.confirm(invoice["invoiceId"])
    again = await dataverse.lines(f"invoices/{invoice['invoiceId']}/originals")
    assert [row["ACTUALID"] for row in again] == [row["ACTUALID"] for row in rows]


@pytest.mark.parametrize("lines", [1, 2, 9, 10, 137])
async def test_an_invoice_has_exactly_the_lines_that_were_ordered(dataverse: Dataverse, lines: int) -> None:
    invoice = await dataverse.confirmed(lines, seed=lines)
    filter_ = f"_msdyn_invoice_value eq {invoice['invoiceId']}"
    counted = await dataverse.query("msdyn_invoicelinetransactions", filter=filter_, count="true", top="1")
    assert counted.json["@odata.count"] == invoice["lines"] == lines
    assert invoice["status"] == "confirmed"
    assert invoice["actualsExpected"] >= lines


async def test_unedited_invoices_make_no_new_unbilled_rows_but_retainers(dataverse: Dataverse) -> None:
    invoice = await dataverse.confirmed(30, edited=0)
    produced = await dataverse.lines(f"invoices/{invoice['invoiceId']}/produced")
    assert sum(row.get("new", False) for row in produced) == 1


async def test_confirming_twice_and_unknown_invoices_are_refused(dataverse: Dataverse) -> None:
    invoice = await dataverse.confirmed(1)
    refused = await dataverse.sim("POST", f"invoices/{invoice['invoiceId']}/confirm", status=409)
    assert "already confirmed" in refused["error"]
    await dataverse.sim("POST", "invoices/nothing/confirm", status=404)
    await dataverse.sim("GET", "invoices/nothing/produced", status=404)


async def test_an_invoice_can_be_confirmed_without_any_actuals(dataverse: Dataverse) -> None:
    await dataverse.switch(confirmWithoutActuals=True)
    invoice = await dataverse.confirmed(10)
    assert (invoice["status"], invoice["actualsExpected"]) == ("confirmed", 0)
    text = f"_msdyn_invoice_value eq {invoice['invoiceId']} and msdyn_transactiontypecode eq {BILLED}"
    assert await dataverse.all("msdyn_actuals", filter=text) == []


async def test_the_status_can_come_before_the_second_half_of_the_actuals(dataverse: Dataverse) -> None:
    await dataverse.switch(confirmInTwoTransactions=True, confirmGapSeconds=0.5)
    draft = await dataverse.invoice(31, seed=40, edited=0)
    path = f"invoices({draft['invoiceId']})/msdyn_projectinvoicestatus"
    billed = f"_msdyn_invoice_value eq {draft['invoiceId']} and msdyn_transactiontypecode eq {BILLED}"
    confirming = asyncio.create_task(dataverse.confirm(draft["invoiceId"]))
    async with asyncio.timeout(10):
        while (await dataverse.get(path)).json["value"] != 192350002:
            pass
    assert len(await dataverse.all("msdyn_actuals", filter=billed)) == 16
    split = await confirming
    assert len(await dataverse.all("msdyn_actuals", filter=billed)) == 31
    await dataverse.switch(confirmInTwoTransactions=False)
    whole = await dataverse.confirmed(31, seed=40, edited=0)
    assert split["actualsExpected"] == whole["actualsExpected"] == 32


async def test_new_unbilled_rows_can_carry_the_invoice(dataverse: Dataverse) -> None:
    await dataverse.switch(newUnbilledStamped=True)
    invoice = await dataverse.confirmed(20)
    produced = await dataverse.lines(f"invoices/{invoice['invoiceId']}/produced")
    new = [row["actualId"] for row in produced if row.get("new")]
    for key in new:
        row = (await dataverse.get(f"msdyn_actuals({key})?$select=_msdyn_invoice_value")).json
        assert row["_msdyn_invoice_value"] == invoice["invoiceId"]


async def test_invoices_are_listed_and_bad_orders_refused(dataverse: Dataverse, invoice: dict[str, Any]) -> None:
    listed = await dataverse.sim("GET", "invoices")
    assert invoice["number"] in [entry["number"] for entry in listed]
    for order in ({"lines": 0}, {}, {"lines": 5, "company": "none"}, {"lines": 5, "edited": 2}, {"lines": 5, "x": 1}):
        assert "error" in await dataverse.sim("POST", "invoices", order, status=400)
