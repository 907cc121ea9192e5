"""`?sql=`: the part of SQL that Dataverse answers."""

from decimal import Decimal
from typing import Any
from urllib.parse import quote

import pytest

from tests.simulators.dataverse.client import Dataverse, Reply


async def ask(dataverse: Dataverse, entity_set: str, statement: str) -> Reply:
    return await dataverse.get(f"{entity_set}?sql={quote(statement, safe='')}")


async def rows(dataverse: Dataverse, entity_set: str, statement: str) -> list[dict[str, Any]]:
    return (await ask(dataverse, entity_set, statement)).rows


async def test_columns_conditions_and_order(dataverse: Dataverse) -> None:
    found = await rows(dataverse, "uoms", "SELECT name, msdyn_symbol FROM uom WHERE name <> 'Each' ORDER BY name DESC")
    assert found == [{"name": "Meter", "msdyn_symbol": "m"}, {"name": "Hour", "msdyn_symbol": "hr"}]


@pytest.mark.parametrize(
    ("condition", "names"),
    [
        ("name LIKE 'm%'", ["Meter"]),
        ("name IN ('Hour', 'Each')", ["Each", "Hour"]),
        ("name NOT IN ('Hour', 'Each')", ["Meter"]),
        ("name BETWEEN 'F' AND 'I'", ["Hour"]),
        ("NOT (name = 'hour' OR name = 'each')", ["Meter"]),
        ("msdyn_symbol IS NULL", []),
        ("msdyn_symbol IS NOT NULL AND statecode = 0", ["Each", "Hour", "Meter"]),
        ("createdon < '2020-01-01'", []),
    ],
)
async def test_what_where_takes(dataverse: Dataverse, condition: str, names: list[str]) -> None:
    found = await rows(dataverse, "uoms", f"select name from uom u where {condition} order by u.name")  # noqa: S608
    assert [row["name"] for row in found] == names


async def test_sums_are_exact_and_grouped_over_a_join(dataverse: Dataverse, invoice: dict[str, Any]) -> None:
    currency = "a.transactioncurrencyid = c.transactioncurrencyid"
    where = f"a.msdyn_invoice = '{invoice['invoiceId']}' AND a.msdyn_transactiontypecode = 192350006"
    what = "c.isocurrencycode, COUNT(*) AS lines, SUM(a.msdyn_amount) AS total"
    source = f"msdyn_actual a INNER JOIN transactioncurrency c ON {currency}"
    statement = f"SELECT {what} FROM {source} WHERE {where} GROUP BY c.isocurrencycode"  # noqa: S608
    [found] = await rows(dataverse, "msdyn_actuals", statement)
    billed = await dataverse.all(
        "msdyn_actuals",
        select="msdyn_amount",
        filter=f"_msdyn_invoice_value eq {invoice['invoiceId']} and msdyn_transactiontypecode eq 192350006",
    )
    assert found["lines"] == len(billed)
    assert Decimal(str(found["total"])) == sum(row["msdyn_amount"] for row in billed)


async def test_pages_follow_the_next_link(dataverse: Dataverse) -> None:
    await dataverse.switch(shortPages=2)
    reply = await ask(dataverse, "bookableresources", "SELECT name FROM bookableresource")
    names = [row["name"] for row in reply.rows]
    while link := reply.json.get("@odata.nextLink"):
        reply = await dataverse.get(link)
        names += [row["name"] for row in reply.rows]
    assert len(names) == len(set(names)) == 5
    top = await ask(dataverse, "bookableresources", "SELECT TOP 2 name FROM bookableresource")
    assert (len(top.rows), "@odata.nextLink" in top.json) == (2, False)
    second = "SELECT name FROM bookableresource ORDER BY name OFFSET 1 ROWS FETCH NEXT 1 ROWS ONLY"
    assert [row["name"] for row in await rows(dataverse, "bookableresources", second)] == [sorted(names)[1]]


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT * FROM uom",
        "SELECT name FROM uom; SELECT name FROM uom",
        "DELETE FROM uom",
        "SELECT name FROM uom WHERE name = (SELECT name FROM product)",
        "SELECT name FROM uom CROSS JOIN product",
        "SELECT name FROM uom GROUP BY name HAVING COUNT(*) > 1",
        "SELECT LOWER(name) FROM uom",
        "SELECT TOP 5001 name FROM uom",
        "SELECT name FROM product",
        "SELECT name FROM",
        "SELECT nothing FROM uom",
        "SELECT name FROM uom WHERE 'x' = name",
    ],
)
async def test_what_is_not_supported_is_a_400(dataverse: Dataverse, statement: str) -> None:
    assert (await ask(dataverse, "uoms", statement)).status == 400


async def test_joined_tables_need_a_privilege_too(dataverse: Dataverse) -> None:
    await dataverse.switch(missingPrivileges="prvReadcdm_Company")
    statement = (
        "SELECT p.msdyn_subject FROM msdyn_project p JOIN cdm_company c ON p.msdyn_owningcompany = c.cdm_companyid"
    )
    assert (await ask(dataverse, "msdyn_projects", statement)).error == (403, "0x80040220")


async def test_an_environment_may_not_take_sql_yet(dataverse: Dataverse) -> None:
    await dataverse.switch(sqlUnsupported=True)
    refused = await ask(dataverse, "uoms", "SELECT name FROM uom")
    assert (refused.status, refused.message) == (400, "sql query parameter is not supported.")
