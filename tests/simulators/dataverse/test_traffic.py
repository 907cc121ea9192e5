"""Service protection limits, faults and the counts of requests."""

import asyncio
import re
import time
from email.utils import parsedate_to_datetime
from typing import Any

import aiohttp
import pytest

from simulators.processes import Server
from tests.simulators.dataverse.client import SECRET, Dataverse
from tests.simulators.dataverse.test_writes import number


@pytest.fixture
async def fresh(dataverse: Dataverse, session: aiohttp.ClientSession) -> Dataverse:
    """A separate user, so that its waits delay no other test."""
    return Dataverse(dataverse.url, session, "other")


async def test_requests_are_counted_by_route_and_sim_is_not_one(dataverse: Dataverse) -> None:
    before = await dataverse.sim("GET", "requests")
    await dataverse.get("uoms")
    await dataverse.get("cdm_companies(cdm_companycode='usmf')")
    after = await dataverse.sim("GET", "requests")
    assert after["total"] == before["total"] + 2
    assert after["byRoute"]["GET uoms"] == before["byRoute"].get("GET uoms", 0) + 1
    assert "GET cdm_companies" in after["byRoute"]


async def test_an_unknown_switch_or_value_is_a_400_that_names_it(dataverse: Dataverse) -> None:
    for switches, named in (
        ({"nonsense": 1}, "nonsense"),
        ({"throttleShare": "x"}, "throttleShare"),
        ({"webhookOff": 1}, "webhookOff"),
        ({"retryAfterForm": "soon"}, "retryAfterForm"),
    ):
        refused = await dataverse.sim("PUT", "switches", {"latencySeconds": 5.0, **switches}, status=400)
        assert named in refused["error"]
    assert (await dataverse.sim("GET", "switches"))["latencySeconds"] == 0


async def test_throttled_callers_who_do_not_wait_wait_longer(
    dataverse: Dataverse, session: aiohttp.ClientSession
) -> None:
    hasty = Dataverse(dataverse.url, session, "hasty")
    await dataverse.switch(throttleNext=1, throttleSeconds=1.0, throttleGraceSeconds=0.0)
    before = await dataverse.sim("GET", "requests")
    first = await hasty.get("uoms")
    assert first.error == (429, "0x80072322")
    waits = [int(first.headers["retry-after"])]
    for _ in range(2):
        again = await hasty.get("uoms")
        assert again.status == 429
        waits.append(int(again.headers["retry-after"]))
    assert waits == [1, 2, 3]
    after = await dataverse.sim("GET", "requests")
    assert after["throttled"] - before["throttled"] == 3
    assert after["whileThrottled"] - before["whileThrottled"] == 2
    assert (await dataverse.get("uoms")).status == 200


async def test_requests_on_their_way_when_the_wait_is_told_are_not_held_against_the_caller(
    dataverse: Dataverse,
) -> None:
    await dataverse.switch(throttleNext=1, throttleSeconds=0.3, throttleGraceSeconds=5.0)
    before = await dataverse.sim("GET", "requests")
    replies = await asyncio.gather(*(dataverse.get("uoms") for _ in range(5)))
    assert {reply.status for reply in replies} <= {200, 429}
    after = await dataverse.sim("GET", "requests")
    assert after["whileThrottled"] == before["whileThrottled"]
    await asyncio.sleep(0.35)


async def test_the_service_can_be_closed_until_a_moment(dataverse: Dataverse, fresh: Dataverse) -> None:
    opens = time.time() + 0.4
    await dataverse.switch(throttleUntil=opens, throttleGraceSeconds=5.0)
    assert [(await fresh.get("uoms")).status for _ in range(3)] == [429, 429, 429]
    await asyncio.sleep(opens - time.time() + 0.05)
    assert (await fresh.get("uoms")).status == 200


async def test_a_request_that_was_slow_to_arrive_is_no_disobedience(dataverse: Dataverse, fresh: Dataverse) -> None:
    await dataverse.switch(throttleNext=1, throttleSeconds=0.6, throttleGraceSeconds=0.0, latencySeconds=0.2)
    before = await dataverse.sim("GET", "requests")
    replies = await asyncio.gather(*(fresh.get("uoms") for _ in range(3)))
    after = await dataverse.sim("GET", "requests")
    assert [reply.status for reply in replies] == [429, 429, 429]
    assert after["whileThrottled"] == before["whileThrottled"]
    await asyncio.sleep(0.6)


@pytest.mark.parametrize("form", ["date", "missing", "absurd"])
async def test_retry_after_has_other_forms(dataverse: Dataverse, fresh: Dataverse, form: str) -> None:
    await dataverse.switch(throttleNext=1, throttleSeconds=0.05, retryAfterForm=form)
    reply = await fresh.get("uoms")
    assert reply.status == 429
    value = reply.headers.get("retry-after")
    if form == "date":
        assert value
        assert abs(parsedate_to_datetime(value).timestamp() - time.time()) < 10
        await asyncio.sleep(0.1)
    else:
        assert value == (None if form == "missing" else "31536000")
    assert (await fresh.get("uoms")).status == 200


@pytest.mark.parametrize("status", [502, 503, 504])
async def test_a_gateway_answers_in_html(dataverse: Dataverse, status: int) -> None:
    await dataverse.switch(errorNext=1, errorStatus=status)
    reply = await dataverse.get("uoms")
    assert reply.status == status
    assert reply.headers["content-type"].startswith("text/html")
    assert b"<html>" in reply.body
    assert (await dataverse.get("uoms")).status == 200


async def test_shares_strike_about_as_often_as_they_say_and_only_on_their_route(dataverse: Dataverse) -> None:
    await dataverse.switch(errorShare=0.5, faultRoute="GET uoms", faultSeed=1)
    statuses = [(await dataverse.get("uoms")).status for _ in range(40)]
    assert 8 < statuses.count(503) < 32
    assert (await dataverse.get("products")).status == 200


async def test_a_connection_can_drop_before_or_after_the_work(dataverse: Dataverse) -> None:
    lost, kept = number(), number()
    await dataverse.switch(resetBeforeNext=1)
    with pytest.raises(aiohttp.ClientError):
        await dataverse.call("POST", "accounts", {"accountnumber": lost})
    assert (await dataverse.get(f"accounts(accountnumber='{lost}')")).status == 404
    await dataverse.switch(resetAfterCommitNext=1)
    with pytest.raises(aiohttp.ClientError):
        await dataverse.call("POST", "accounts", {"accountnumber": kept})
    assert (await dataverse.get(f"accounts(accountnumber='{kept}')")).status == 200


async def test_sql_can_time_out_and_tokens_be_revoked(dataverse: Dataverse) -> None:
    await dataverse.switch(sqlTimeoutNext=1)
    assert (await dataverse.get("uoms")).error == (500, "0x80044151")
    await dataverse.switch(tokenRejectNext=2)
    assert [(await dataverse.get("uoms")).status for _ in range(3)] == [401, 401, 200]


async def test_answers_take_as_long_as_they_are_told_to(dataverse: Dataverse, invoice: dict[str, Any]) -> None:
    await dataverse.switch(latencySeconds=0.1)
    started = time.monotonic()
    await dataverse.get("uoms")
    assert time.monotonic() - started >= 0.1
    await dataverse.switch(latencySeconds=0.0, pageLatencySeconds=10.0)
    started = time.monotonic()
    await dataverse.query("msdyn_actuals", filter=f"_msdyn_invoice_value eq {invoice['invoiceId']}", top="50")
    assert time.monotonic() - started >= 0.1


@pytest.mark.parametrize(
    ("limits", "code"),
    [
        ({"limitRequests": 3}, "0x80072322"),
        ({"limitExecutionSeconds": 0.7, "pageLatencySeconds": 500.0}, "0x80072321"),
    ],
)
async def test_a_window_overshot_is_throttled_with_its_own_code(
    session: aiohttp.ClientSession, tmp_path_factory: pytest.TempPathFactory, limits: dict[str, Any], code: str
) -> None:
    server = start(tmp_path_factory)
    try:
        client = Dataverse(server.url, session)
        await client.switch(limitsOn=True, limitWindowSeconds=300.0, **limits)
        for _ in range(3):
            first = await client.query("uoms")
            assert first.status == 200
        reply = await client.query("uoms")
        assert reply.error == (429, code)
        assert int(reply.headers["retry-after"]) >= 1
        other = await Dataverse(server.url, session, "other").query("uoms")
        assert other.status == 200
        assert int(first.headers["x-ms-ratelimit-burst-remaining-xrm-requests"]) < 6_000
    finally:
        server.stop()


async def test_too_many_at_once_are_throttled_at_once(dataverse: Dataverse, session: aiohttp.ClientSession) -> None:
    await dataverse.switch(limitsOn=True, limitConcurrency=3, limitRetryAfterSeconds=0.05, pageLatencySeconds=300.0)
    user = Dataverse(dataverse.url, session, "sync")
    replies = await asyncio.gather(*(user.query("uoms") for _ in range(8)))
    codes = {reply.error[1] for reply in replies if reply.status == 429}
    assert codes == {"0x80072326"}
    assert sum(reply.status == 200 for reply in replies) == 3
    await asyncio.sleep(0.1)


async def test_each_server_has_its_own_budget_and_cookies_choose_it(
    session: aiohttp.ClientSession, tmp_path_factory: pytest.TempPathFactory
) -> None:
    server = start(tmp_path_factory)
    try:
        client = Dataverse(server.url, session)
        await client.switch(limitsOn=True, limitRequests=2, servers=2)
        first = [await client.get("uoms", Cookie="ARRAffinity=0") for _ in range(3)]
        second = [await client.get("uoms", Cookie="ARRAffinity=1") for _ in range(3)]
        assert [reply.status for reply in first + second] == [200, 200, 429, 200, 200, 429]
        assert first[0].headers["set-cookie"].startswith("ARRAffinity=0;")
    finally:
        server.stop()


def start(factory: pytest.TempPathFactory) -> Server:
    server = Server("dataverse", "simulators.dataverse", ["--token-secret", SECRET], run_dir=factory.mktemp("limits"))
    server.start()
    server.await_ready()
    return server


async def test_data_outlives_the_process(
    session: aiohttp.ClientSession, tmp_path_factory: pytest.TempPathFactory
) -> None:
    run_dir = tmp_path_factory.mktemp("kept")
    server = Server(
        "dataverse",
        "simulators.dataverse",
        ["--token-secret", SECRET, "--data", str(run_dir / "data")],
        run_dir=run_dir,
    )
    server.start()
    organization = server.await_ready()["organizationId"]
    client = Dataverse(server.url, session)
    hook = {"url": "http://127.0.0.1:9/hook", "value": "k", "filteringAttributes": ["msdyn_projectinvoicestatus"]}
    step = await client.sim("POST", "webhooks", hook)
    invoice = await client.invoice(3)
    tag = (await client.get(f"invoices({invoice['invoiceId']})")).headers["etag"]
    assert server.stop() == 0
    server.start()
    try:
        assert server.await_ready()["organizationId"] == organization
        client = Dataverse(server.url, session)
        assert (await client.get(f"invoices({invoice['invoiceId']})")).headers["etag"] == tag
        assert [one["id"] for one in (await client.sim("GET", "webhooks"))["steps"]] == [step["id"]]
        assert (await client.confirm(invoice["invoiceId"]))["status"] == "confirmed"
    finally:
        assert server.stop() == 0


async def test_the_same_seed_makes_the_same_invoice(
    session: aiohttp.ClientSession, tmp_path_factory: pytest.TempPathFactory
) -> None:
    made = []
    for _ in range(2):
        server = start(tmp_path_factory)
        try:
            client = Dataverse(server.url, session)
            invoice = await client.confirmed(25, seed=9)
            produced = await client.lines(f"invoices/{invoice['invoiceId']}/produced")
            made.append((invoice["invoiceId"], invoice["proformaTotal"], produced))
        finally:
            server.stop()
    assert made[0] == made[1]


SPOILT = {
    "page": rb"<!DOCTYPE html>.*</html>",
    "empty": rb"",
    "cut": rb'\{"@odata.*[^}]',
    "mixed": rb'\{"@odata.*\{"error":.*\}\}',
    "error": rb'\{"error":.*\}\}',
    "shape": rb'\{"status":"ok","items":\[\]\}',
}


@pytest.mark.parametrize("form", SPOILT)
async def test_an_answer_may_be_none(dataverse: Dataverse, form: str) -> None:
    await dataverse.switch(spoilForm=form, spoilNext=1, spoilRoute="GET uoms", spoilStatus=200)
    assert (await dataverse.get("products")).status == 200
    reply = await dataverse.get("uoms")
    assert reply.status == 200
    assert re.fullmatch(SPOILT[form], reply.body, re.DOTALL), reply.body
    assert int(reply.headers.get("content-length", "0")) == len(reply.body)
    assert (await dataverse.get("uoms")).status == 200
    await dataverse.switch(spoilUntil=time.time() + 60, spoilStatus=404)
    assert [(await dataverse.get("uoms")).status for _ in range(2)] == [404, 404]
    await dataverse.switch(spoilForm="", spoilUntil=0.0)


async def test_a_role_may_not_hold_a_table(dataverse: Dataverse) -> None:
    await dataverse.switch(forbidTables="uoms")
    reply = await dataverse.get("uoms")
    assert reply.error == (403, "0x80040220")
    assert "prvReadUoM privilege" in reply.message
    assert (await dataverse.get("products")).status == 200
    await dataverse.switch(forbidTables="", forbidCaller=True)
    assert (await dataverse.get("products")).error == (403, "0x80072560")
    await dataverse.switch(forbidCaller=False)


async def test_messages_come_in_the_language_of_the_user(dataverse: Dataverse) -> None:
    path = f"uoms({'0' * 8}-0000-4000-8000-{'0' * 12})"
    await dataverse.switch(language="de")
    german = await dataverse.get(path)
    await dataverse.switch(language="en")
    english = await dataverse.get(path)
    assert german.error == english.error
    assert "Does Not Exist" in english.message
    assert "xist" not in german.message
    assert "'uom'" in german.message
