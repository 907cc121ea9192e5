"""`$batch`: parts, change sets, errors."""

import re
from uuid import uuid4

import pytest

from tests.simulators.dataverse.client import Dataverse, Reply
from tests.simulators.dataverse.test_writes import account, number

PART = "Content-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n"


def part(method: str, url: str, body: str = "", content_id: str = "") -> str:
    identity = f"Content-ID: {content_id}\r\n" if content_id else ""
    return (
        f"{PART}{identity}\r\n{method} {url} HTTP/1.1\r\nContent-Type: application/json; type=entry\r\n\r\n{body}\r\n"
    )


def change_set(*parts: str) -> str:
    inner = "".join(f"--changeset_1\r\n{text}" for text in parts)
    return f"Content-Type: multipart/mixed; boundary=changeset_1\r\n\r\n{inner}--changeset_1--\r\n"


async def send(dataverse: Dataverse, *parts: str, newline: str = "\r\n", quoted: bool = True, **headers: str) -> Reply:
    text = "".join(f"--batch_1\r\n{one}" for one in parts) + "--batch_1--\r\n"
    boundary = '"batch_1"' if quoted else "batch_1"
    headers["Content_Type"] = f"multipart/mixed; boundary={boundary}"
    return await dataverse.call("POST", "$batch", text.replace("\r\n", newline).encode(), **headers)


def statuses(reply: Reply) -> list[int]:
    return [int(status) for status in re.findall(rb"HTTP/1.1 (\d+) ", reply.body)]


@pytest.mark.parametrize("newline", ["\r\n", "\n"])
@pytest.mark.parametrize("quoted", [True, False])
async def test_parts_are_answered_in_order(dataverse: Dataverse, newline: str, quoted: bool) -> None:
    body = f'{{"name":"b","accountnumber":"{number()}"}}'
    reply = await send(
        dataverse,
        part("GET", f"{dataverse.url}/api/data/v9.2/cdm_companies?$select=cdm_companycode"),
        part("POST", "/api/data/v9.2/accounts", body),
        part("GET", "cdm_companies/$count"),
        newline=newline,
        quoted=quoted,
    )
    assert reply.status == 200
    assert statuses(reply) == [200, 204, 200]
    assert reply.headers["content-type"].startswith("multipart/mixed; boundary=batchresponse_")
    assert b"demf" in reply.body
    assert b"OData-EntityId" in reply.body


async def test_a_batch_stops_at_the_first_error_with_its_status(dataverse: Dataverse) -> None:
    missing = part("GET", f"accounts({uuid4()})")
    reply = await send(dataverse, part("GET", "uoms"), missing, part("GET", "uoms"))
    assert reply.status == 404
    assert statuses(reply) == [200, 404]
    assert b"REQ_ID" in reply.body
    assert b'"code":"0x80040217"' in reply.body


async def test_a_batch_can_go_on_after_errors(dataverse: Dataverse) -> None:
    missing = part("GET", f"accounts({uuid4()})")
    reply = await send(dataverse, missing, part("GET", "uoms"), Prefer="odata.continue-on-error")
    assert reply.status == 200
    assert statuses(reply) == [404, 200]


async def test_a_change_set_is_all_or_none_and_its_rows_can_be_referred_to(dataverse: Dataverse) -> None:
    key = str(uuid4())
    good = change_set(
        part("POST", "/api/data/v9.2/accounts", f'{{"accountid":"{key}","accountnumber":"{number()}"}}', "1"),
        part("PATCH", "$1", '{"name":"by reference"}', "2"),
    )
    assert statuses(await send(dataverse, good)) == [204, 204]
    assert (await dataverse.get(f"accounts({key})")).json["name"] == "by reference"
    lost = str(uuid4())
    bad = change_set(
        part("POST", "/api/data/v9.2/accounts", f'{{"accountid":"{lost}","accountnumber":"{number()}"}}', "1"),
        part("POST", "/api/data/v9.2/accounts", '{"nope":1}', "2"),
    )
    reply = await send(dataverse, bad)
    assert (reply.status, statuses(reply)) == (400, [400])
    assert (await dataverse.get(f"accounts({lost})")).status == 404


async def test_a_reference_to_nothing_and_a_get_in_a_change_set_are_refused(dataverse: Dataverse) -> None:
    reply = await send(dataverse, change_set(part("PATCH", "$7", '{"name":"x"}', "1")))
    assert reply.status == 400
    assert b"Content-ID Reference: '$7' does not exist in the batch context." in reply.body
    assert (await send(dataverse, change_set(part("GET", "accounts")))).status == 400


async def test_a_batch_holds_a_thousand_requests_and_no_batch(dataverse: Dataverse) -> None:
    assert (await send(dataverse, *[part("GET", "uoms/$count")] * 1_000)).status == 200
    assert (await send(dataverse, *[part("GET", "uoms/$count")] * 1_001)).status == 400
    assert (await send(dataverse, part("POST", "$batch"))).status == 400


async def test_addresses_inside_a_batch_may_be_twice_as_long(dataverse: Dataverse) -> None:
    address = "uoms?$filter=" + "x" * 40_000
    assert statuses(await send(dataverse, part("GET", address))) == [400]
    assert statuses(await send(dataverse, part("GET", address + "x" * 30_000))) == [414]


async def test_one_part_can_be_throttled(dataverse: Dataverse) -> None:
    key = await account(dataverse)
    await dataverse.switch(throttleNext=1, faultRoute="batch PATCH")
    reply = await send(
        dataverse,
        part("PATCH", f"accounts({key})", '{"name":"1"}'),
        part("PATCH", f"accounts({key})", '{"name":"2"}'),
        Prefer="odata.continue-on-error",
    )
    assert statuses(reply) == [429, 204]
    assert b"Retry-After: 2" in reply.body
