"""Creating, updating, upserting and deleting rows."""

from decimal import Decimal
from itertools import count
from typing import Any
from uuid import uuid4

import aiohttp
import pytest

from tests.simulators.dataverse.client import BILLED, Dataverse

_numbers = count(1)


def number() -> str:
    return f"T-{next(_numbers):06d}"


async def account(dataverse: Dataverse, **values: Any) -> str:
    reply = await dataverse.call("POST", "accounts", {"name": "A", "accountnumber": number(), **values})
    assert reply.status == 204, reply.body
    return reply.headers["odata-entityid"].split("(")[1].rstrip(")")


async def test_create_answers_where_the_row_is(dataverse: Dataverse) -> None:
    reply = await dataverse.call("POST", "accounts", {"name": "Müller & Söhne", "accountnumber": number()})
    assert (reply.status, reply.body) == (204, b"")
    assert (await dataverse.get(reply.headers["odata-entityid"])).json["name"] == "Müller & Söhne"


async def test_create_can_return_the_row_instead(dataverse: Dataverse) -> None:
    reply = await dataverse.call(
        "POST", "accounts?$select=name", {"name": "B", "accountnumber": number()}, Prefer="return=representation"
    )
    assert reply.status == 201
    assert reply.json["name"] == "B"
    assert "odata-entityid" not in reply.headers
    assert reply.headers["preference-applied"] == "return=representation"


async def test_values_come_back_as_they_went(dataverse: Dataverse) -> None:
    key = str(uuid4())
    body = {"accountid": key, "name": " x\n,\"'é🚧 ", "accountnumber": number(), "contoso_creditlimit": 12345678.9012}
    assert (await dataverse.call("POST", "accounts", body)).status == 204
    row = (await dataverse.get(f"accounts({key})")).json
    assert row["name"] == body["name"]
    assert row["contoso_creditlimit"] == Decimal("12345678.9012")


async def test_a_lookup_is_bound_by_navigation_property(dataverse: Dataverse) -> None:
    key = await account(dataverse, **{"msdyn_company@odata.bind": "/cdm_companies(cdm_companycode='demf')"})
    row = (await dataverse.get(f"accounts({key})?$expand=msdyn_company($select=cdm_companycode)")).json
    assert row["msdyn_company"]["cdm_companycode"] == "demf"
    assert (await dataverse.call("PATCH", f"accounts({key})", {"msdyn_company@odata.bind": None})).status == 204
    assert (await dataverse.get(f"accounts({key})")).json["_msdyn_company_value"] is None


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ({"nope": 1}, (400, "0x80048d19")),
        ({"name": 5}, (400, "0x80048d19")),
        ({"_msdyn_company_value": "00000000-0000-0000-0000-000000000001"}, (400, "0x80048d19")),
        ({"Msdyn_Company@odata.bind": "/cdm_companies(cdm_companycode='usmf')"}, (400, "0x80048d19")),
        ({"msdyn_company@odata.bind": "/cdm_companies(cdm_companycode='none')"}, (404, "0x80060891")),
        ({"name": "x" * 161}, (400, "0x80044331")),
        ({"statecode": 77}, (400, "0x8004431a")),
        ({"name": "\ud800"}, (400, "0x80048d19")),
        ({"statecode": 10**30}, (400, "0x80048d19")),
        ({"contoso_creditlimit": 1e300}, (400, "0x80048d19")),
        ({"msdyn_company": {"cdm_companycode": "usmf"}}, (400, "0x80048d19")),
        (b"{", (400, "0x80048d19")),
        (b"[]", (400, "0x80048d19")),
    ],
)
async def test_a_body_that_does_not_fit_is_refused(dataverse: Dataverse, body: Any, error: tuple[int, str]) -> None:
    assert (await dataverse.call("POST", "accounts", body)).error == error


async def test_update_needs_a_row_where_if_match_says_so(dataverse: Dataverse) -> None:
    key = await account(dataverse)
    path = f"accounts({key})"
    assert (await dataverse.call("PATCH", path, {"name": "C"}, If_Match="*")).status == 204
    assert (await dataverse.get(path)).json["name"] == "C"
    missing = await dataverse.call("PATCH", f"accounts({uuid4()})", {"name": "C"}, If_Match="*")
    assert missing.error == (404, "0x80040217")
    shown = await dataverse.call("PATCH", path, {"name": "D"}, Prefer="return=representation")
    assert (shown.status, shown.json["name"]) == (200, "D")


async def test_patch_without_a_condition_is_an_upsert(dataverse: Dataverse) -> None:
    key = str(uuid4())
    body = {"name": "E", "accountnumber": number()}
    assert (await dataverse.call("PATCH", f"accounts({key})", body)).status == 204
    assert (await dataverse.call("PATCH", f"accounts({key})", {"name": "F"})).status == 204
    assert (await dataverse.get(f"accounts({key})")).json["name"] == "F"
    again = await dataverse.call("PATCH", f"accounts({key})", {"name": "G"}, If_None_Match="*")
    assert again.status == 412
    assert again.message == "A record with matching key values already exists."


async def test_a_version_that_has_moved_on_is_a_412(dataverse: Dataverse) -> None:
    key = await account(dataverse)
    tag = (await dataverse.get(f"accounts({key})")).headers["etag"]
    assert (await dataverse.call("PATCH", f"accounts({key})", {"name": "1"}, If_Match=tag)).status == 204
    stale = await dataverse.call("PATCH", f"accounts({key})", {"name": "2"}, If_Match=tag)
    assert stale.error == (412, "0x80060882")
    assert (await dataverse.call("DELETE", f"accounts({key})", If_Match=tag)).error == (412, "0x80060882")
    assert (await dataverse.call("DELETE", f"accounts({key})")).status == 204
    assert (await dataverse.call("DELETE", f"accounts({key})")).error == (404, "0x80040217")


async def test_upsert_by_alternate_key(dataverse: Dataverse) -> None:
    first, second = number(), number()
    path = f"accounts(accountnumber='{first}')"
    assert (await dataverse.call("PATCH", path, {"name": "new"})).status == 204
    assert (await dataverse.get(path)).json["accountnumber"] == first
    # The key in the body of a row that exists is dropped without a word.
    assert (await dataverse.call("PATCH", path, {"name": "old", "accountnumber": second})).status == 204
    assert (await dataverse.get(path)).json["name"] == "old"
    # For a new row the body wins over the address.
    third = number()
    odd = await dataverse.call("PATCH", f"accounts(accountnumber='{second}')", {"name": "x", "accountnumber": third})
    assert odd.status == 204
    assert (await dataverse.get(f"accounts(accountnumber='{third}')")).status == 200
    assert (await dataverse.get(f"accounts(accountnumber='{second}')")).error == (404, "0x80060891")


async def test_duplicates_are_a_412_with_the_kind_of_key(dataverse: Dataverse) -> None:
    taken, key = number(), str(uuid4())
    body = {"accountid": key, "accountnumber": taken}
    assert (await dataverse.call("POST", "accounts", body)).status == 204
    assert (await dataverse.call("POST", "accounts", body | {"accountnumber": number()})).error == (412, "0x80040237")
    assert (await dataverse.call("POST", "accounts", {"accountnumber": taken})).error == (412, "0x80060892")


async def test_one_column_is_put_and_deleted(dataverse: Dataverse) -> None:
    key = await account(dataverse)
    assert (await dataverse.call("PUT", f"accounts({key})/telephone1", {"value": "+49"})).status == 204
    assert (await dataverse.get(f"accounts({key})/telephone1")).json["value"] == "+49"
    assert (await dataverse.call("DELETE", f"accounts({key})/telephone1")).status == 204
    assert (await dataverse.get(f"accounts({key})/telephone1")).status == 204


async def test_a_method_that_makes_no_sense_is_a_405(dataverse: Dataverse) -> None:
    assert (await dataverse.call("PATCH", "accounts", {})).status == 405
    assert (await dataverse.call("POST", f"accounts({uuid4()})", {})).status == 405


async def test_actuals_are_neither_made_nor_deleted_by_hand(dataverse: Dataverse, invoice: dict[str, Any]) -> None:
    filter_ = f"_msdyn_invoice_value eq {invoice['invoiceId']}"
    [row] = (await dataverse.query("msdyn_actuals", filter=filter_, top="1", select="msdyn_actualid")).rows
    created = await dataverse.call("POST", "msdyn_actuals", {"msdyn_description": "x"})
    assert created.error == (400, "0x80040265")
    assert "aka.ms/EntryJournals" in created.message
    deleted = await dataverse.call("DELETE", f"msdyn_actuals({row['msdyn_actualid']})")
    assert deleted.error == (400, "0x80040265")


async def test_dual_write_columns_are_for_dual_write_alone(
    dataverse: Dataverse, session: aiohttp.ClientSession
) -> None:
    invoice = await dataverse.confirmed(1)
    filter_ = f"_msdyn_invoice_value eq {invoice['invoiceId']} and msdyn_transactiontypecode eq {BILLED}"
    # A line whose quantity was reduced makes two of them.
    [row, *_] = (await dataverse.query("msdyn_actuals", filter=filter_, select="msdyn_actualid")).rows
    path = f"msdyn_actuals({row['msdyn_actualid']})"
    assert (await dataverse.call("PATCH", path, {"msdyn_vouchernumber": "V1"})).error == (400, "0x80040265")
    assert (await dataverse.call("PATCH", path, {"msdyn_amount": 1})).error == (400, "0x80040265")
    for allowed in ({"contoso_voucher": "V1"}, {"msdyn_description": "new"}, {"msdyn_externaldescription": None}):
        assert (await dataverse.call("PATCH", path, allowed)).status == 204
    await dataverse.switch(dualWriteClients="sync")
    sync = Dataverse(dataverse.url, session, "sync")
    assert (await sync.call("PATCH", path, {"msdyn_vouchernumber": "V2"})).status == 204
    assert (await dataverse.call("PATCH", path, {"msdyn_vouchernumber": "V3"})).status == 400
    await dataverse.switch(dualWriteColumnsLocked=False)
    assert (await dataverse.call("PATCH", path, {"msdyn_accountingamount": 12.3456})).status == 204
    written = (await dataverse.get(path)).json
    assert (written["msdyn_vouchernumber"], written["msdyn_accountingamount"]) == ("V2", Decimal("12.3456"))
