"""Sums and groups by `$apply`."""

from decimal import Decimal
from typing import Any

import pytest

from tests.simulators.dataverse.client import BILLED, Dataverse


async def test_sums_by_group_equal_the_rows(dataverse: Dataverse, invoice: dict[str, Any]) -> None:
    filter_ = f"_msdyn_invoice_value eq {invoice['invoiceId']} and msdyn_istransition ne true"
    rows = await dataverse.all("msdyn_actuals", select="msdyn_amount,msdyn_transactiontypecode", filter=filter_)
    apply = (
        f"filter({filter_})/groupby((msdyn_transactiontypecode),aggregate(msdyn_amount with sum as total,$count as n))"
    )
    groups = (await dataverse.query("msdyn_actuals", apply=apply)).rows
    assert len(groups) == 2
    for group in groups:
        amounts = [
            r["msdyn_amount"] for r in rows if r["msdyn_transactiontypecode"] == group["msdyn_transactiontypecode"]
        ]
        assert (group["total"], group["n"]) == (sum(amounts), len(amounts))


async def test_aggregate_alone_and_groups_over_lookups(dataverse: Dataverse, invoice: dict[str, Any]) -> None:
    filter_ = f"_msdyn_invoice_value eq {invoice['invoiceId']} and msdyn_transactiontypecode eq {BILLED}"
    apply = f"filter({filter_})/aggregate(msdyn_amount with max as most,msdyn_actualid with countdistinct as n)"
    [row] = (await dataverse.query("msdyn_actuals", apply=apply)).rows
    assert row["most"] == Decimal("123456789012.3456")
    by_currency = f"filter({filter_})/groupby((transactioncurrencyid/isocurrencycode),aggregate($count as n))"
    [group] = (await dataverse.query("msdyn_actuals", apply=by_currency)).rows
    assert group == {"transactioncurrencyid_isocurrencycode": "USD", "n": row["n"]}


async def test_too_many_rows_are_refused(dataverse: Dataverse, invoice: dict[str, Any]) -> None:
    await dataverse.switch(aggregateLimit=20)
    apply = f"filter(_msdyn_invoice_value eq {invoice['invoiceId']})/aggregate($count as n)"
    assert (await dataverse.query("msdyn_actuals", apply=apply)).error == (400, "0x8004E023")


@pytest.mark.parametrize(
    "apply",
    [
        "aggregate(msdyn_amount with average as x)",
        "groupby((msdyn_accountingdate))",
        "aggregate(msdyn_description with sum as x)",
        "filter(msdyn_amount gt 1)",
        "compute(x)",
        "groupby(msdyn_billingtype)",
    ],
)
async def test_a_bad_apply_is_refused(dataverse: Dataverse, apply: str) -> None:
    assert (await dataverse.query("msdyn_actuals", apply=apply)).error == (400, "0x80060888")
