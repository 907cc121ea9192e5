"""Tokens, throttling, faults and the statistics that checkers read."""

import asyncio
from collections.abc import Awaitable, Callable
from email.utils import parsedate_to_datetime
from typing import Any

import aiohttp
import pytest

from simulators.waits import FORMS
from tests.simulators.finance.client import ACTION, Finance
from tests.simulators.finance.packages import ACTUALS, new_id, package_of, unbilled

type Counted = Callable[[], Awaitable[dict[str, Any]]]

READ = "/data/ProjActualsImports?$top=1"


@pytest.fixture
async def counted(finance: Finance) -> Counted:
    """The change of the request statistics since the test began."""
    before = await finance.sim("requests")

    async def since() -> dict[str, Any]:
        after = await finance.sim("requests")
        routes = {name: n - before["byRoute"].get(name, 0) for name, n in after["byRoute"].items()}
        changed = {name: n for name, n in routes.items() if n}
        return {name: after[name] - before[name] for name in after if name != "byRoute"} | {"byRoute": changed}

    return since


async def test_only_a_good_token_of_a_registered_application_gets_in(finance: Finance) -> None:
    good = finance.token(client_id="other")
    refused = {
        "": 401,
        "Basic abc": 401,
        "Bearer rubbish": 401,
        f"Bearer {finance.token(lifetime=-10)}": 401,
        f"Bearer {finance.token(audience='https://other.example.com')}": 401,
        f"Bearer {finance.token(client_id='stranger')}": 403,
    }
    for path in (READ, "/metadata/DataEntities", "/data"):
        assert (await finance.send("GET", path, headers={"Authorization": f"Bearer {good}"})).status == 200
        for header, status in refused.items():
            reply = await finance.send("GET", path, headers={"Authorization": header})
            assert reply.status == status, header
            assert not reply.text.startswith("{")


async def test_without_a_token_the_answer_is_empty(finance: Finance) -> None:
    async with finance.session.get(finance.url + READ) as answer:
        assert (answer.status, await answer.read()) == (401, b"")
    async with finance.session.post(finance.url + ACTION + "InitializeDataManagement", json={}) as answer:
        assert answer.status == 401


async def test_a_good_token_may_be_refused_midway(finance: Finance) -> None:
    await finance.switch(tokenRejectNext=1)
    assert [(await finance.send("GET", READ)).status for _ in range(2)] == [401, 200]


async def test_every_answer_carries_the_headers_for_support(finance: Finance) -> None:
    for path in (READ, "/data/Nothing"):
        headers = (await finance.send("GET", path)).headers
        assert len(headers["ms-dyn-aid"]) == 36
        assert headers["server-timing"].startswith("dur=")


async def test_a_throttled_caller_that_goes_on_waits_longer_and_is_counted(finance: Finance, counted: Counted) -> None:
    await finance.switch(throttleNext=1, throttleGraceSeconds=0.0)
    replies = [await finance.send("GET", READ) for _ in range(3)]
    assert [reply.status for reply in replies] == [429, 429, 429]
    assert [int(reply.headers["retry-after"]) for reply in replies] == [1, 2, 4]
    assert "experiencing high resource utilization" in replies[0].text
    requests = await counted()
    assert (requests["throttled"], requests["whileThrottled"]) == (3, 2)


async def test_requests_under_way_when_the_wait_begins_are_no_offence(finance: Finance, counted: Counted) -> None:
    await finance.switch(throttleNext=1, throttleGraceSeconds=0.5)
    replies = await asyncio.gather(*(finance.send("GET", READ) for _ in range(4)))
    assert {reply.status for reply in replies} == {429}
    requests = await counted()
    assert (requests["throttled"], requests["whileThrottled"]) == (4, 0)


async def test_who_waits_as_told_is_served(finance: Finance, counted: Counted) -> None:
    await finance.switch(throttleNext=1)
    reply = await finance.send("GET", READ)
    await asyncio.sleep(int(reply.headers["retry-after"]))
    assert (await finance.send("GET", READ)).status == 200
    assert (await counted())["whileThrottled"] == 0


async def test_data_management_is_exempt_unless_switched_on(finance: Finance) -> None:
    await finance.switch(throttleShare=1.0)
    assert (await finance.send("GET", READ)).status == 429
    assert (await finance.call("InitializeDataManagement")).status == 204
    await finance.switch(throttleActions=True)
    assert (await finance.call("InitializeDataManagement")).status == 429


@pytest.mark.parametrize("form", FORMS)
async def test_the_wait_may_be_told_in_other_ways(finance: Finance, form: str) -> None:
    await finance.switch(throttleNext=1, retryAfterForm=form)
    headers = (await finance.send("GET", READ)).headers
    plain = {"seconds": "1", "decimals": "1.0", "negative": "-1", "zero": "0", "garbage": "soon"}
    if form in plain:
        assert headers["retry-after"] == plain[form]
    elif form in {"date", "past"}:
        wait = parsedate_to_datetime(headers["retry-after"]) - parsedate_to_datetime(headers["date"])
        assert (0 < wait.total_seconds() <= 3) == (form == "date")
    elif form == "missing":
        assert "retry-after" not in headers
    else:
        assert int(headers["retry-after"]) > 86400


@pytest.mark.parametrize("status", [502, 503, 504])
async def test_gateway_errors_are_pages(finance: Finance, status: int) -> None:
    await finance.switch(errorShare=1.0, errorStatus=status)
    reply = await finance.send("GET", READ)
    assert (reply.status, reply.headers["content-type"]) == (status, "text/html; charset=utf-8")
    await finance.switch(errorShare=0.0, errorNext=1)
    assert [(await finance.send("GET", READ)).status for _ in range(2)] == [status, 200]


async def test_an_answer_may_be_lost_after_the_work_has_begun(finance: Finance) -> None:
    await finance.switch(resetAfterCommit={"ImportFromPackageAsync": 1})
    execution = new_id()
    with pytest.raises(aiohttp.ClientConnectionError):
        await finance.start(package_of(ACTUALS, [unbilled()]), executionId=execution)
    assert await finance.finish(execution) == "Succeeded"


async def test_a_request_may_be_lost_before_it_is_read(finance: Finance) -> None:
    await finance.switch(resetBefore={"ImportFromPackageAsync": 1})
    execution = new_id()
    with pytest.raises(aiohttp.ClientConnectionError):
        await finance.start(package_of(ACTUALS, [unbilled()]), executionId=execution)
    assert await finance.status(execution) == ""
    await finance.started(package_of(ACTUALS, [unbilled()]), executionId=execution)
    assert await finance.finish(execution) == "Succeeded"


async def test_a_caller_that_hangs_up_does_not_stop_a_slow_import(finance: Finance) -> None:
    await finance.switch(slowUnpackSeconds=1.0)
    body = {"packageUrl": await finance.upload(package_of(ACTUALS, [unbilled()])), "legalEntityId": "usmf"}
    body |= {"definitionGroupId": f"Relay {new_id()}", "executionId": (execution := new_id())}
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.6):
            await finance.call("ImportFromPackage", **body, execute=True, overwrite=True)
    assert await finance.finish(execution) == "Succeeded"


async def test_latency_is_added_to_every_request(finance: Finance) -> None:
    await finance.switch(latencySeconds=0.2)
    loop = asyncio.get_running_loop()
    started = loop.time()
    await finance.send("GET", READ)
    assert loop.time() - started >= 0.2


async def test_requests_are_counted_by_route_and_control_is_not(finance: Finance, counted: Counted) -> None:
    key = f"dataAreaId='usmf',ActualsImportId={new_id()}"
    await finance.send("GET", READ)
    await finance.send("GET", f"/data/ProjActualsImports({key})")
    await finance.send("PATCH", f"/data/ProjActualsImports({key})", {})
    await finance.call("InitializeDataManagement")
    assert await counted() == {
        "total": 4,
        "byRoute": {"GET ProjActualsImports": 2, "PATCH ProjActualsImports": 1, "POST InitializeDataManagement": 1},
        "throttled": 0,
        "whileThrottled": 0,
        "inFlight": 0,
    }


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"noSuchSwitch": 1}, "noSuchSwitch"),
        ({"errorShare": "all"}, "errorShare"),
        ({"busyProject": "x"}, "busyProject"),
    ],
)
async def test_an_unknown_switch_or_value_is_refused_by_name(finance: Finance, given: object, named: str) -> None:
    before = await finance.sim("switches")
    async with finance.session.put(f"{finance.url}/sim/switches", json=given) as answer:
        assert answer.status == 400
        assert named in await answer.text()
    assert await finance.sim("switches") == before


@pytest.mark.parametrize("form", ["page", "empty", "cut", "mixed", "error", "shape"])
async def test_an_answer_may_be_none(finance: Finance, form: str) -> None:
    await finance.switch(spoilForm=form, spoilNext=1, spoilRoute="GET ProjActualsImports", spoilStatus=200)
    reply = await finance.send("GET", READ)
    assert reply.status == 200
    assert '"value":[' not in reply.text or not reply.text.endswith("]}")
    assert (await finance.send("GET", READ)).status == 200
    await finance.switch(spoilForm="")


async def test_an_answer_may_be_none_after_the_work_has_begun(finance: Finance) -> None:
    await finance.switch(spoilForm="cut", spoilNext=1, spoilRoute="ImportFromPackageAsync")
    execution = new_id()
    reply = await finance.start(package_of(ACTUALS, [unbilled()]), executionId=execution)
    assert reply.status == 200
    assert await finance.finish(execution) == "Succeeded"
    await finance.switch(spoilForm="")


async def test_a_role_may_not_hold_an_entity_or_an_action(finance: Finance) -> None:
    await finance.switch(forbidEntities=["ProjActualsImports", "GetAzureWriteUrl"])
    for reply in (await finance.send("GET", READ), await finance.call("GetAzureWriteUrl", uniqueFileName="x")):
        assert reply.status == 403
        assert "not authorized" in reply.message
    assert (await finance.send("GET", "/data/DataManagementExecutionJobDetails?$top=1")).status == 200
    await finance.switch(forbidEntities=[], forbidCaller=True)
    reply = await finance.send("GET", READ)
    assert (reply.status, reply.text[:1]) == (403, "<")
    await finance.switch(forbidCaller=False)


async def test_messages_come_in_the_language_of_the_user(finance: Finance) -> None:
    await finance.switch(language="de")
    reply = await finance.call("GetExecutionSummaryStatus", executionId="nothing")
    assert reply.status == 400
    assert "not found" not in reply.message
    assert "gefunden" in reply.message
    await finance.switch(language="en")


async def test_an_answer_may_be_a_redirect_to_the_sign_in_page(finance: Finance) -> None:
    await finance.switch(spoilForm="redirect", spoilNext=1)
    headers = {"Authorization": f"Bearer {finance.token()}"}
    async with finance.session.get(finance.url + READ, headers=headers, allow_redirects=False) as answer:
        assert answer.status == 302
        assert answer.headers["Location"].startswith("https://login.microsoftonline.com/")
    await finance.switch(spoilForm="")
