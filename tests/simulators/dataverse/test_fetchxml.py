"""`?fetchXml=`: what readers ask in FetchXML."""

from decimal import Decimal
from typing import Any
from urllib.parse import quote, unquote
from xml.etree.ElementTree import fromstring

import pytest

from tests.simulators.dataverse.client import Dataverse, Reply

MORE = "Microsoft.Dynamics.CRM.morerecords"
COOKIE = "Microsoft.Dynamics.CRM.fetchxmlpagingcookie"
PAGING = f'odata.include-annotations="{COOKIE},{MORE}"'


async def fetch(dataverse: Dataverse, entity_set: str, text: str) -> Reply:
    return await dataverse.get(f"{entity_set}?fetchXml={quote(text, safe='')}", Prefer=PAGING)


async def test_attributes_filters_and_orders(dataverse: Dataverse) -> None:
    found = await fetch(
        dataverse,
        "uoms",
        "<fetch><entity name='uom'><attribute name='name'/><attribute name='versionnumber' alias='v'/>"
        "<order attribute='name' descending='true'/>"
        "<filter type='or'><condition attribute='name' operator='like' value='m%'/>"
        "<filter><condition attribute='name' operator='in'><value>Hour</value><value>x</value></condition>"
        "<condition attribute='statecode' operator='eq' value='0'/></filter></filter></entity></fetch>",
    )
    assert [row["name"] for row in found.rows] == ["Meter", "Hour"]
    assert found.rows[0].keys() == {"name", "v"}


async def test_empty_columns_are_left_out(dataverse: Dataverse) -> None:
    text = "<fetch top='1'><entity name='msdyn_paymentterm'><attribute name='msdyn_name'/>"
    found = await fetch(dataverse, "msdyn_paymentterms", text + "<attribute name='msdyn_company'/></entity></fetch>")
    assert [row.keys() for row in found.rows] == [{"msdyn_name"}]


async def test_sums_over_a_link(dataverse: Dataverse, invoice: dict[str, Any]) -> None:
    found = await fetch(
        dataverse,
        "msdyn_actuals",
        "<fetch aggregate='true'><entity name='msdyn_actual'>"
        "<attribute name='msdyn_amount' aggregate='sum' alias='total'/>"
        "<attribute name='msdyn_actualid' aggregate='count' alias='many'/>"
        "<link-entity name='invoice' from='invoiceid' to='msdyn_invoice' alias='i'>"
        "<attribute name='name' alias='invoice' groupby='true'/>"
        f"<filter><condition attribute='invoiceid' operator='eq' value='{invoice['invoiceId']}'/></filter>"
        "</link-entity></entity></fetch>",
    )
    [row] = found.rows
    billed = await dataverse.all(
        "msdyn_actuals", select="msdyn_amount", filter=f"_msdyn_invoice_value eq {invoice['invoiceId']}"
    )
    assert row["many"] == len(billed)
    assert Decimal(str(row["total"])) == sum(each["msdyn_amount"] for each in billed)


async def test_columns_of_a_link_carry_its_alias(dataverse: Dataverse) -> None:
    found = await fetch(
        dataverse,
        "msdyn_projects",
        "<fetch top='1'><entity name='msdyn_project'><attribute name='msdyn_owningcompany'/>"
        "<link-entity name='cdm_company' from='cdm_companyid' to='msdyn_owningcompany' link-type='outer' alias='c'>"
        "<attribute name='cdm_companycode'/></link-entity></entity></fetch>",
    )
    [row] = found.rows
    assert row.keys() == {"_msdyn_owningcompany_value", "c.cdm_companycode"}


async def test_pages_by_the_cookie(dataverse: Dataverse) -> None:
    text = "<fetch count='2'{}><entity name='bookableresource'><attribute name='name'/></entity></fetch>"
    names, page = [], ""
    while True:
        reply = await fetch(dataverse, "bookableresources", text.format(page))
        names += [row["name"] for row in reply.rows]
        if not reply.json[f"@{MORE}"]:
            break
        cookie = fromstring(reply.json[f"@{COOKIE}"])  # noqa: S314 - the simulator's
        inner = unquote(unquote(str(cookie.get("pagingcookie"))))
        page = f" page='{cookie.get('pagenumber')}' paging-cookie='{inner.replace('<', '&lt;')}'"
    assert len(names) == len(set(names)) == 5


async def test_an_order_by_a_link_has_no_cookie(dataverse: Dataverse, invoice: dict[str, Any]) -> None:
    assert invoice
    text = (
        "<fetch count='1'><entity name='msdyn_actual'><attribute name='msdyn_actualid'/>"
        "<link-entity name='invoice' from='invoiceid' to='msdyn_invoice'><order attribute='name'/></link-entity>"
        "</entity></fetch>"
    )
    reply = await fetch(dataverse, "msdyn_actuals", text)
    assert (reply.json[f"@{MORE}"], f"@{COOKIE}" in reply.json) == (True, False)


@pytest.mark.parametrize(
    "text",
    [
        "<fetch>",
        "<fetch/>",
        "<fetch><entity name='nothing'/></fetch>",
        "<fetch><entity name='product'/></fetch>",
        "<fetch count='0'><entity name='uom'/></fetch>",
        "<fetch><entity name='uom'><attribute name='nothing'/></entity></fetch>",
        "<fetch><entity name='uom'><filter><condition attribute='name' operator='near'/></filter></entity></fetch>",
    ],
)
async def test_what_is_wrong_is_a_400(dataverse: Dataverse, text: str) -> None:
    assert (await fetch(dataverse, "uoms", text)).status == 400


async def test_linked_tables_need_a_privilege_too(dataverse: Dataverse) -> None:
    await dataverse.switch(missingPrivileges="prvReadcdm_Company")
    text = "<link-entity name='cdm_company' from='cdm_companyid' to='msdyn_owningcompany'/>"
    text = f"<fetch><entity name='msdyn_project'>{text}</entity></fetch>"
    assert (await fetch(dataverse, "msdyn_projects", text)).error == (403, "0x80040220")
