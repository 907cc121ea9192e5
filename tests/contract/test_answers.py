"""What the app makes of every answer that is not a good one."""

import asyncio
import gzip
import json
from decimal import Decimal
from typing import Any

import pytest
from azure.data.tables.aio import TableClient

from shared.errors import Refused, Unavailable
from shared.services.answers import Asked
from shared.services.http import MOST_BYTES
from shared.services.sign_in import SignIn
from tests.contract.calls import X_ERROR, Call, get, post
from tests.contract.server import Manner, Reply, Server, html, said
from tests.contract.wiring import PATIENCE, App, wired

PLUGIN_ERROR = {"error": {"code": "0x80040265", "message": "An error occurred in the plug-in."}}


@pytest.mark.parametrize("status", [408, 500, 502, 503, 504])
async def test_a_passing_failure_is_unavailable_and_is_not_repeated(
    app: App, server: Server, call: Call, status: int
) -> None:
    server.script(html(status), said({}))
    with pytest.raises(Unavailable, match=str(status)):
        await call(app.target)
    assert len(server.received) == 1
    assert await app.gates.look("Finance") is None


async def test_a_passing_failure_keeps_the_services_words(app: App, server: Server) -> None:
    server.script(said(X_ERROR, 500))
    with pytest.raises(Unavailable, match="ProjCDSActualsImportEntity"):
        await get(app.target)


async def test_a_connection_reset_before_anything_was_read_is_unavailable(app: App, server: Server, call: Call) -> None:
    server.hangs_up = True
    with pytest.raises(Unavailable):
        await call(app.source)


async def test_a_connection_reset_after_the_request_was_read_is_unavailable(
    app: App, server: Server, call: Call
) -> None:
    server.script(*[Reply(manner=Manner.RESET)] * 5)
    with pytest.raises(Unavailable):
        await call(app.source)
    # aiohttp retries a GET once by itself.
    assert len(server.received) == (2 if call is get else 1)


async def test_a_post_on_a_kept_connection_that_breaks_is_not_sent_again(app: App, server: Server) -> None:
    # What was read may have been done: a second import would be a second invoice.
    server.script(Reply(keep=True), Reply(manner=Manner.RESET), said({}))
    await get(app.target)
    with pytest.raises(Unavailable):
        await post(app.target)
    assert server.connections == 1
    assert [request.method for request in server.received] == ["GET", "POST"]


async def test_nobody_listening_is_unavailable(server: Server, signin: SignIn, table: TableClient, call: Call) -> None:
    async with wired("http://127.0.0.1:9", signin, table) as app:
        with pytest.raises(Unavailable):
            await call(app.source)


async def test_half_a_body_is_unavailable(app: App, server: Server, call: Call) -> None:
    server.script(Reply(body=b'{"value": [1, 2, 3, 4]}', manner=Manner.CUT))
    with pytest.raises(Unavailable):
        await call(app.source)


async def test_half_a_compressed_body_is_unavailable(app: App, server: Server) -> None:
    body = gzip.compress(b'{"value": [' + b"1," * 5000 + b"1]}")
    server.script(Reply(body=body, headers={"Content-Encoding": "gzip"}, manner=Manner.CUT))
    with pytest.raises(Unavailable):
        await get(app.source)


async def test_a_compressed_body_that_is_none_is_unavailable(app: App, server: Server) -> None:
    server.script(Reply(body=b'{"value": []}', headers={"Content-Encoding": "gzip"}))
    with pytest.raises(Unavailable):
        await get(app.source)


async def test_a_compressed_answer_is_read(app: App, server: Server) -> None:
    server.script(Reply(body=gzip.compress(b'{"value": [1.10]}'), headers={"Content-Encoding": "gzip"}))
    assert (await get(app.source)).json() == {"value": [Decimal("1.10")]}


@pytest.mark.parametrize("headers", [{}, {"Content-Encoding": "gzip"}], ids=["plain", "compressed"])
async def test_an_answer_is_not_read_without_end(app: App, server: Server, headers: dict[str, str]) -> None:
    body = b'{"value": [' + b" " * MOST_BYTES
    server.script(Reply(body=gzip.compress(body, 1) if headers else body, headers=headers))
    with pytest.raises(Unavailable, match="more than 64 MB"):
        await get(app.source)


async def test_silence_is_unavailable_after_the_time_out(
    server: Server, signin: SignIn, table: TableClient, call: Call
) -> None:
    server.script(Reply(manner=Manner.SILENT), said({}))
    async with wired(server.url, signin, table, timeout=PATIENCE) as app:
        with pytest.raises(Unavailable, match="Timeout"):
            await call(app.source)
    assert len(server.received) == 1


async def test_no_more_requests_are_open_at_once_than_the_app_is_allowed(
    app: App, server: Server, signin: SignIn, table: TableClient
) -> None:
    server.script(*[Reply(manner=Manner.SILENT)] * 3)
    server.rule = lambda _: said({"value": 1})
    async with wired(server.url, signin, table, concurrency=3) as limited:
        waiting = [asyncio.create_task(get(limited.source)) for _ in range(7)]
        await server.await_requests(3)
        for _ in range(5):
            await get(app.source)
        assert len(server.received) == 3 + 5
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)


async def test_an_answer_that_is_no_http_is_unavailable(app: App, server: Server) -> None:
    server.script(Reply(headers={"Content-Length": "many"}))
    with pytest.raises(Unavailable):
        await get(app.source)


@pytest.mark.parametrize("status", [400, 404, 405, 409, 412, 413, 422, 501])
async def test_a_refusal_by_dataverse_carries_status_code_and_text(app: App, server: Server, status: int) -> None:
    server.script(said(PLUGIN_ERROR, status))
    with pytest.raises(Refused) as caught:
        await get(app.source)
    refusal = caught.value
    assert (refusal.status, refusal.code, refusal.text) == (
        status,
        "0x80040265",
        "An error occurred in the plug-in.",
    )
    assert len(server.received) == 1


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (X_ERROR, "Write failed for table row of type 'ProjCDSActualsImportEntity'."),
        ({"error": {"code": "", "message": "An error has occurred."}}, "An error has occurred."),
        ({"Message": "Authorization has been denied for this request."}, "Authorization has been denied"),
        ({"odata.error": {"code": "", "message": {"lang": "de", "value": "Nein."}}}, "Nein."),
    ],
)
async def test_a_refusal_by_finance_carries_its_useful_words(app: App, server: Server, body: object, text: str) -> None:
    server.script(said(body, 400))
    with pytest.raises(Refused) as caught:
        await post(app.target)
    assert (caught.value.status, caught.value.code) == (400, "")
    assert caught.value.text.startswith(text)


@pytest.mark.parametrize(
    "body",
    [
        {"error": {"code": None, "message": None}}, {"error": {}}, {"error": []}, {"error": None}, {"error": "no"},
        {"Message": None}, {"value": []}, {}, [], 7, "error",
    ],
)  # fmt: skip
@pytest.mark.parametrize("status", [400, 404, 409])
async def test_an_error_that_is_not_in_a_services_own_form_is_no_answer(
    app: App, server: Server, call: Call, body: object, status: int
) -> None:
    for service in (app.source, app.target):
        server.script(said(body, status))
        with pytest.raises(Unavailable, match=f"{service.name} answered {status} with"):
            await call(service)
        assert await app.gates.look(service.name) is None


@pytest.mark.parametrize("status", [200, 201, 400, 404, 405, 409, 414, 500, 501, 502])
async def test_a_page_is_no_answer_whatever_its_status(app: App, server: Server, call: Call, status: int) -> None:
    for service in (app.source, app.target):
        server.script(html(status))
        with pytest.raises(Unavailable, match=f"{service.name} answered {status} with an HTML page to [A-Z]* /data/"):
            await call(service)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_not_followed_and_is_no_answer(
    app: App, server: Server, elsewhere: Server, call: Call, status: int
) -> None:
    server.script(html(status, Location=f"{elsewhere.url}/login?state=secret"))
    with pytest.raises(Unavailable, match=r"a redirect to 127\.0\.0\.1") as caught:
        await call(app.target)
    assert "secret" not in str(caught.value)


async def test_an_endless_error_text_is_cut(app: App, server: Server) -> None:
    server.script(said({"error": {"code": "", "message": "x" * 100_000}}, 400))
    with pytest.raises(Refused) as caught:
        await get(app.source)
    assert len(caught.value.text) == 2000


DEEP = b"[" * 200_000


@pytest.mark.parametrize(
    "body",
    [b"", b"<html></html>", b"[]", b"7", b"null", b'"text"', b'{"value": [', b"\xff\xfe", DEEP, b'{"value": NaN}'],
    ids=["empty", "HTML", "list", "number", "null", "text", "half", "no UTF-8", "too deep", "not a JSON number"],
)
async def test_a_good_status_without_a_json_object_is_no_answer(
    app: App, server: Server, call: Call, body: bytes
) -> None:
    server.script(Reply(body=body))
    with pytest.raises(Unavailable, match="answered 200 with"):
        (await call(app.source)).json()


async def test_an_error_body_nested_too_deep_is_no_answer(app: App, server: Server) -> None:
    for service in (app.source, app.target):
        server.script(Reply(status=400, body=DEEP))
        with pytest.raises(Unavailable):
            await get(service)


ROW = b'{"@odata.etag":"W/1","Amount":1.10}'
NO_PAGES = {
    "half a body": b'{"value":[' + ROW + b"," + ROW[:20],
    "half a body and an error": b'{"value":[' + ROW + b"," + ROW[:20] + b'{"error":{"code":"0x1","message":"x"}}',
    "half a row between two": b'{"value":[' + ROW + b"," + ROW[:25] + b"}," + ROW + b"]}",
    "a row that is an error": b'{"value":[' + ROW + b',{"error":{"code":"0x1","message":"x"}}]}',
    "rows and an error": b'{"value":[' + ROW + b'],"error":{"code":"0x1","message":"x"}}',
    "an error": b'{"error":{"code":"0x1","message":"x"}}',
    "no list": b'{"value":7}',
    "no value": b"{}",
    "no rows": b'{"value":[1,2]}',
    "a link that is none": b'{"value":[],"@odata.nextLink":7}',
}


@pytest.mark.parametrize("body", NO_PAGES.values(), ids=NO_PAGES.keys())
async def test_what_is_no_page_gives_no_rows(app: App, server: Server, body: bytes) -> None:
    """Each with a correct length, as a server sends that fails in the middle of writing."""
    server.rule = lambda _: Reply(body=body, headers={"Content-Type": "application/json"})
    with pytest.raises(Unavailable):
        list((await app.dataverse.stream("msdyn_actuals", {}, cursor="", size=5000)).rows)
    with pytest.raises(Unavailable):
        await app.dataverse.page("msdyn_actuals", {}, cursor="", size=5000)
    with pytest.raises(Unavailable):
        [rows async for rows in app.finance.pages("ProjActualsImports", {})]


@pytest.mark.parametrize("body", [b"", b"many", b"<html></html>", b'{"error":{"message":"x"}}'])
async def test_a_count_that_is_no_number_is_no_answer(app: App, server: Server, body: bytes) -> None:
    server.script(Reply(body=body))
    with pytest.raises(Unavailable, match="ProjActualsImports/"):
        await app.finance.count("ProjActualsImports", "Amount gt 0")


@pytest.mark.parametrize("answer", [said({"value": "Vielleicht"}), said({"value": None}), said({})])
async def test_an_import_status_that_nobody_knows_is_no_answer(app: App, server: Server, answer: Reply) -> None:
    server.script(answer)
    with pytest.raises(Unavailable):
        await app.finance.status("x")


GERMAN = {"error": {"code": "", "message": "Fehler.", "innererror": {"message": "Einzelheiten fehlen.", "type": "T"}}}


async def test_an_import_that_finance_does_not_find_is_known_by_the_refusal_not_by_its_words(
    app: App, server: Server
) -> None:
    server.script(said(GERMAN, 400), said(GERMAN, 400), said({"value": []}), said(GERMAN, 400), said({"value": [{}]}))
    assert await app.finance.status("x") is None
    assert await app.finance.summary_page("x") is None
    with pytest.raises(Refused, match="Einzelheiten fehlen"):
        await app.finance.summary_page("x")


async def test_a_byte_order_mark_before_the_json_does_no_harm(app: App, server: Server) -> None:
    server.script(Reply(body=b'\xef\xbb\xbf{"value": 1}'))
    assert (await get(app.source)).json() == {"value": 1}


@pytest.mark.parametrize(
    "amount", ["1234567890.1234", "0.1", "20000.0000", "-0.00", "123456789012345678901234567890.12", "1E-4", "7"]
)
async def test_amounts_arrive_as_the_digits_that_were_sent(app: App, server: Server, amount: str) -> None:
    body = f'{{"value": [{{"Amount": {amount}}}]}}'.encode()
    server.script(Reply(body=body), Reply(body=body))
    options = {"$select": "Amount"}
    read: list[Any] = [row["Amount"] async for rows in app.finance.pages("Imports", options) for row in rows]
    read += [row["Amount"] async for rows in app.dataverse.pages("imports", options, size=2) for row in rows]
    assert [str(Decimal(value)) for value in read] == [str(Decimal(amount))] * 2
    assert not any(isinstance(value, float) for value in read)


async def test_a_body_is_sent_as_json_with_its_type(app: App, server: Server) -> None:
    server.script(said({}))
    body = {"text": 'O\'Hara & "Söhne" 🧾', "flag": True, "none": None}
    await app.target.post(app.target.url("/data/Action"), body)
    [request] = server.received
    assert request.header("Content-Type") == "application/json"
    assert request.header("Accept") == "application/json"
    assert json.loads(request.body) == body


@pytest.mark.parametrize("called", ["RetrieveUserPrivileges()", "RetrieveUserPrivilegeByPrivilegeName(Name=@p)"])
def test_the_place_of_a_function_is_what_it_is_bound_to(called: str) -> None:
    row = "/api/data/v9.2/systemusers(00000000-0000-4000-8000-000000000001)"
    assert Asked("GET", f"{row}/Microsoft.Dynamics.CRM.{called}").place == "systemusers"
