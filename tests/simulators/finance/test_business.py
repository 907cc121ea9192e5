"""What Finance does with staging rows: the periodic job, journals, proposals and what posting writes back."""

import asyncio
import json
from decimal import Decimal
from typing import Any

import pytest

from tests.simulators.finance.client import Finance
from tests.simulators.finance.packages import (
    ACTUALS,
    CONNECTIONS,
    HEADERS,
    Row,
    billed,
    connection,
    header,
    new_number,
    package_of,
    unbilled,
)

NOT_POSTED = "Project transaction hasn't been posted yet."
MISMATCH = "Invoice proposal wasn't processed because of mismatched billed sales actuals with Dataverse."
MILESTONE, RETAINER = "192350003", "192350005"


async def seed(finance: Finance, rows: list[Row], *, posted: bool = False, company: str = "usmf") -> None:
    lines = "\n".join(json.dumps(row | {"dataAreaId": company, "posted": posted}) for row in rows)
    reply = await finance.do("seed", data=lines)
    assert reply.json == {"held": len(rows)}


async def send(
    finance: Finance, number: str, bills: list[Row], links: list[Row], *, company: str = "usmf", **changes: str
) -> None:
    """Send an invoice to Finance, map after map."""
    for label, rows in ((HEADERS, [header(number, **changes)]), (ACTUALS, bills), (CONNECTIONS, links)):
        if rows:
            assert (await finance.run(package_of(label, rows), legalEntityId=company))[0] == "Succeeded"


async def invoice(finance: Finance, *, posted: bool = True, lines: int = 3, company: str = "usmf") -> str:
    """Carry an invoice of time lines whose unbilled sales Finance has had before."""
    number = new_number()
    work = [unbilled(INVOICEPROPOSALID=number) for _ in range(lines)]
    bills = [billed(number) for _ in range(lines)]
    await seed(finance, work, posted=posted, company=company)
    links = [connection(bill["ACTUALID"], one["ACTUALID"]) for bill, one in zip(bills, work, strict=True)]
    await send(finance, number, bills, links, company=company)
    return number


async def import_from_staging(finance: Finance, company: str = "usmf") -> Any:
    reply = await finance.do("import-from-staging", {"company": company})
    assert reply.status == 200
    return reply.json


async def proposal(finance: Finance, number: str, company: str = "usmf") -> Any:
    return await finance.sim(f"proposals/{company}/{number}")


async def test_a_complete_invoice_gets_its_lines_and_its_total(finance: Finance) -> None:
    number = await invoice(finance)
    before = await proposal(finance, number)
    assert (before["headerPresent"], before["lines"], before["ready"]) == (True, 0, True)
    assert (await import_from_staging(finance))["proposals"][number] == 3
    after = await proposal(finance, number)
    assert (after["lines"], after["total"], after["currency"]) == (3, "3703.7034", "USD")
    assert number in [one["proposalId"] for one in await finance.sim("proposals")]


async def test_a_second_run_adds_nothing(finance: Finance) -> None:
    number = await invoice(finance)
    await import_from_staging(finance)
    assert number not in (await import_from_staging(finance))["proposals"]
    assert (await proposal(finance, number))["lines"] == 3


async def test_only_chargeable_lines_count(finance: Finance) -> None:
    number, work = new_number(), [unbilled(), unbilled()]
    bills = [billed(number, AMOUNT="10.0001"), billed(number, AMOUNT="5", BILLINGTYPE="nonChargeable")]
    await seed(finance, work, posted=True)
    await send(
        finance, number, bills, [connection(b["ACTUALID"], w["ACTUALID"]) for b, w in zip(bills, work, strict=True)]
    )
    await import_from_staging(finance)
    found = await proposal(finance, number)
    assert (found["lines"], found["total"]) == (2, "10.0001")


async def test_an_unposted_unbilled_row_holds_back_the_whole_proposal_until_its_journal_is_posted(
    finance: Finance,
) -> None:
    number = await invoice(finance, posted=False)
    assert (await import_from_staging(finance))["blocked"][number].startswith(NOT_POSTED)
    found = await proposal(finance, number)
    assert (found["lines"], found["ready"]) == (0, False)
    assert found["blockedBy"].startswith(NOT_POSTED)
    log = [entry["message"] for entry in await finance.sim("import-log") if entry["subject"] == number]
    assert len(log) == 1
    assert (await finance.do("post-journal", {"company": "usmf"})).json["posted"] >= 3
    assert (await import_from_staging(finance))["proposals"][number] == 3


async def test_a_billed_row_without_its_connection_holds_back_all(finance: Finance) -> None:
    number, work, bills = new_number(), unbilled(), [billed(""), billed("")]
    bills = [bill | {"INVOICEPROPOSALID": number} for bill in bills]
    await seed(finance, [work], posted=True)
    await send(finance, number, bills, [connection(bills[0]["ACTUALID"], work["ACTUALID"])])
    assert (await import_from_staging(finance))["blocked"][number].startswith(MISMATCH)
    late = connection(work["ACTUALID"], bills[1]["ACTUALID"])
    ends = {"TRANSACTION1ROLE": "Unbilled Sales", "TRANSACTION2ROLE": "Billed Sales"}
    await finance.run(package_of(CONNECTIONS, [late | ends]))
    assert (await import_from_staging(finance))["proposals"][number] == 2


async def test_billed_sales_without_a_header_wait_for_it(finance: Finance) -> None:
    number = new_number()
    await seed(finance, [billed(number, TRANSACTIONCLASSIFICATION=MILESTONE)])
    assert "does not exist" in (await import_from_staging(finance))["blocked"][number]
    found = await proposal(finance, number)
    assert (found["headerPresent"], found["ready"]) == (False, False)


@pytest.mark.parametrize("transaction_class", [MILESTONE, RETAINER])
async def test_milestones_and_retainers_need_no_unbilled_row(finance: Finance, transaction_class: str) -> None:
    number = new_number()
    await send(finance, number, [billed(number, TRANSACTIONCLASSIFICATION=transaction_class)], [])
    assert (await import_from_staging(finance))["proposals"][number] == 1


@pytest.mark.parametrize("posted", [True, False])
@pytest.mark.parametrize("turned", [True, False])
async def test_a_reversal_needs_the_billed_row_it_takes_back(finance: Finance, posted: bool, turned: bool) -> None:
    number, original = new_number(), billed("OLD")
    credit = billed(number, AMOUNT="-1234.5678")
    ends = [(credit["ACTUALID"], "Reversing"), (original["ACTUALID"], "Original")]
    (first, first_role), (second, second_role) = reversed(ends) if turned else ends
    roles = {"TRANSACTION1ROLE": first_role, "TRANSACTION2ROLE": second_role}
    await seed(finance, [original], posted=posted)
    await send(finance, number, [credit], [connection(first, second, **roles)])
    result = await import_from_staging(finance)
    assert (number in result["proposals"], number in result["blocked"]) == (posted, not posted)


async def test_overlapping_runs_add_the_same_lines_twice(finance: Finance) -> None:
    number = await invoice(finance)
    await finance.switch(importFromStagingSeconds=0.6)
    duplicates = (await finance.sim("counts"))["duplicateLines"]
    await asyncio.gather(import_from_staging(finance), import_from_staging(finance))
    found = await proposal(finance, number)
    assert (found["lines"], found["duplicateLines"], found["total"]) == (6, 3, "7407.4068")
    assert (await finance.sim("counts"))["duplicateLines"] >= duplicates + 3


async def test_overlapping_can_be_forbidden(finance: Finance) -> None:
    number = await invoice(finance)
    await finance.switch(importFromStagingSeconds=0.6, allowOverlap=False)
    runs = [finance.do("import-from-staging", {"company": "usmf"}) for _ in range(2)]
    assert sorted(reply.status for reply in await asyncio.gather(*runs)) == [200, 409]
    assert (await proposal(finance, number))["lines"] == 3


async def test_posting_a_proposal_writes_back_to_its_rows(finance: Finance) -> None:
    number = await invoice(finance)
    place = f"proposals/usmf/{number}/post"
    assert (await finance.do(place)).status == 409
    await import_from_staging(finance)
    assert (await finance.do(place)).json["posted"] is True
    rows = await finance.lines(f"actuals?proposal={number}&type=BilledSales")
    assert len(rows) == 3
    assert {(row["AccountingAmount"], row["ExchangeRate"], row["SalesTaxAmount"], row["posted"]) for row in rows} == {
        (Decimal("1234.57"), 100, Decimal("123.46"), True)
    }
    assert len({row["VoucherNumber"] for row in rows}) == 1
    assert rows[0]["VoucherNumber"].startswith("PSI-")
    assert (await finance.do(place)).status == 409


async def test_a_posted_journal_has_the_rate_of_the_companys_currency(finance: Finance) -> None:
    work = unbilled()
    await finance.run(package_of(ACTUALS, [work]), legalEntityId="demf")
    await import_from_staging(finance, "demf")
    await finance.do("post-journal", {"company": "demf"})
    (row,) = [one for one in await finance.lines("actuals?company=demf") if one["ActualId"] == work["ACTUALID"]]
    assert (row["ExchangeRate"], row["AccountingAmount"]) == (Decimal("90.909091"), Decimal("1122.33"))
    assert row["VoucherNumber"].startswith("PPJ-")


async def test_each_company_is_run_by_itself(finance: Finance) -> None:
    number = await invoice(finance, company="demf")
    assert number not in (await import_from_staging(finance, "usmf"))["proposals"]
    assert (await import_from_staging(finance, "demf"))["proposals"][number] == 3
    assert (await finance.do("import-from-staging", {"company": "frrt"})).status == 400


async def test_seeds_are_taken_whole_or_not_at_all(finance: Finance) -> None:
    good, bad = unbilled(), unbilled(AMOUNT="x")
    reply = await finance.do("seed", data="\n".join(map(json.dumps, (good, bad))))
    assert (reply.status, reply.json["error"].startswith("line 2:")) == (400, True)
    assert good["ACTUALID"] not in {row["ActualId"] for row in await finance.lines("actuals")}


async def test_seeds_of_any_entity_under_either_name(finance: Finance) -> None:
    number = new_number()
    rows = [header(number) | {"entity": HEADERS}, {"ActualsImportId": "", "InvoiceProposalId": number, "Amount": 0.1}]
    assert (await finance.do("seed", data="\n".join(map(json.dumps, rows)))).status == 200
    assert number in {row["InvoiceProposalId"] for row in await finance.lines("headers")}
    (row,) = await finance.lines(f"actuals?proposal={number}")
    assert (row["Amount"], row["posted"]) == (Decimal("0.1"), False)


async def test_counts_tell_imports_and_the_same_actual_under_two_keys(finance: Finance) -> None:
    before, work = await finance.sim("counts"), unbilled()
    await finance.run(package_of(ACTUALS, [work]))
    await finance.run(package_of(ACTUALS, [unbilled(ACTUALID=work["ACTUALID"])]))
    after = await finance.sim("counts")
    changes = {name: after[name] - before[name] for name in ("actuals", "headers", "imports", "duplicates")}
    assert changes == {"actuals": 2, "headers": 0, "imports": 2, "duplicates": 1}
    assert after["importsByEntity"][ACTUALS] - before["importsByEntity"].get(ACTUALS, 0) == 2
