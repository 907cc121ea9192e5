"""The notifications after commit, received by a real endpoint."""

import asyncio
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from aiohttp import web

from simulators.processes import Server
from tests.simulators.dataverse.client import Dataverse
from tests.simulators.dataverse.test_writes import account, number

KEYS = {"x-functions-key": "k", "x-own": "o"}
CONTRACTS = "http://schemas.microsoft.com/xrm/2011/Contracts"


@dataclass
class Delivery:
    headers: dict[str, str]
    query: dict[str, str]
    raw: bytes

    @property
    def body(self) -> dict[str, Any]:
        parsed: dict[str, Any] = orjson.loads(self.raw)
        return parsed

    def target(self) -> dict[str, Any]:
        """The attributes of the target by name."""
        [entity] = [entry["value"] for entry in self.body["InputParameters"] if entry["key"] == "Target"]
        return {entry["key"]: entry["value"] for entry in entity["Attributes"]}


@dataclass
class Endpoint:
    """Receives webhooks; answers come from `answers`, then 202."""

    url: str = ""
    deliveries: list[Delivery] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)
    arrived: asyncio.Event = field(default_factory=asyncio.Event)
    delay: float = 0.0

    async def receive(self, request: web.Request) -> web.Response:
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.deliveries.append(Delivery(headers, dict(request.query), await request.read()))
        self.arrived.set()
        if self.delay:
            await asyncio.sleep(self.delay)
        return web.Response(status=self.answers.pop(0) if self.answers else 202)

    async def wait(self, count: int) -> list[Delivery]:
        """Return the deliveries once there are this many."""
        async with asyncio.timeout(20):
            while len(self.deliveries) < count:
                self.arrived.clear()
                await self.arrived.wait()
        return self.deliveries


@pytest.fixture
async def endpoint() -> AsyncIterator[Endpoint]:
    receiver = Endpoint()
    application = web.Application(client_max_size=10_000_000)
    application.router.add_post("/hook", receiver.receive)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    receiver.url = f"http://127.0.0.1:{runner.addresses[0][1]}/hook"
    yield receiver
    await runner.cleanup()


@pytest.fixture
async def register(dataverse: Dataverse, endpoint: Endpoint) -> AsyncIterator[Any]:
    """Register the endpoint for a step; steps end with the test, after the last delivery."""
    steps: list[str] = []

    async def add(**step: Any) -> str:
        defaults = {"url": endpoint.url, "authType": "WebhookKey", "value": "key"}
        steps.append((await dataverse.sim("POST", "webhooks", defaults | step, status=201))["id"])
        return steps[-1]

    yield add
    await settled(dataverse)
    for step in steps:
        await dataverse.sim("DELETE", f"webhooks/{step}")


async def settled(dataverse: Dataverse) -> dict[str, int]:
    """Wait until nothing is under way and return the counts of deliveries."""
    async with asyncio.timeout(20):
        while True:
            state = await dataverse.sim("GET", "webhooks")
            if not state["pending"]:
                counts: dict[str, int] = state["deliveries"]
                return counts
            await asyncio.sleep(0.02)


CONFIRMED = {
    "filteringAttributes": ["msdyn_projectinvoicestatus"],
    "postImage": ["msdyn_projectinvoicestatus", "totalamount"],
}


async def test_confirming_posts_the_context_of_the_update(
    dataverse: Dataverse, endpoint: Endpoint, register: Any, dataverse_server: Server
) -> None:
    step = await register(**CONFIRMED)
    invoice = await dataverse.confirmed(12)
    [delivery] = await endpoint.wait(1)
    body = delivery.body
    assert delivery.query == {"code": "key"}
    assert delivery.headers["x-ms-dynamics-entity-name"] == "invoice"
    assert delivery.headers["x-ms-dynamics-request-name"] == "Update"
    assert delivery.headers["x-ms-dynamics-organization"].endswith(".dynamics.com")
    assert delivery.headers["x-ms-correlation-request-id"] == body["CorrelationId"]
    assert "x-ms-dynamics-msg-size-exceeded" not in delivery.headers
    assert (body["MessageName"], body["PrimaryEntityName"], body["Stage"], body["Mode"]) == ("Update", "invoice", 40, 1)
    assert body["PrimaryEntityId"] == invoice["invoiceId"]
    assert body["OrganizationId"] == dataverse_server.facts["organizationId"]
    assert body["OwningExtension"]["Id"] == step
    assert "__type" not in body["OwningExtension"]
    assert delivery.target()["msdyn_projectinvoicestatus"] == {
        "__type": f"OptionSetValue:{CONTRACTS}",
        "Value": 192350002,
    }
    assert re.fullmatch(r"/Date\(\d+\)/", delivery.target()["modifiedon"])
    assert body["ParentContext"]["Stage"] == 30
    assert body["RequestId"] is None


async def test_slashes_are_escaped_and_types_lead(dataverse: Dataverse, endpoint: Endpoint, register: Any) -> None:
    await register(**CONFIRMED)
    await dataverse.confirmed(1)
    [delivery] = await endpoint.wait(1)
    assert b'{"__type":"Entity:http:\\/\\/schemas.microsoft.com\\/xrm\\/2011\\/Contracts"' in delivery.raw
    assert b'"\\/Date(' in delivery.raw
    assert re.search(rb"(?<!\\)/", delivery.raw) is None


async def test_the_post_image_has_no_type_and_the_platform_adds_the_name(
    dataverse: Dataverse, endpoint: Endpoint, register: Any
) -> None:
    await register(**CONFIRMED, imageAlias="after")
    invoice = await dataverse.confirmed(12)
    [delivery] = await endpoint.wait(1)
    images = {entry["key"]: entry["value"] for entry in delivery.body["PostEntityImages"]}
    assert set(images) == {"AsynchronousStepPrimaryName", "after"}
    assert all("__type" not in image and image["RowVersion"] is None for image in images.values())
    after = {entry["key"]: entry["value"] for entry in images["after"]["Attributes"]}
    assert after["totalamount"]["__type"] == f"Money:{CONTRACTS}"
    assert after["invoiceid"] == invoice["invoiceId"]
    assert {"key": "msdyn_projectinvoicestatus", "value": "Confirmed"} in images["after"]["FormattedValues"]


async def test_other_columns_do_not_fire_a_filtered_step(
    dataverse: Dataverse, endpoint: Endpoint, register: Any
) -> None:
    await register(**CONFIRMED)
    invoice = await dataverse.invoice(1)
    path = f"invoices({invoice['invoiceId']})"
    assert (await dataverse.call("PATCH", path, {"description": "quiet"})).status == 204
    assert (await dataverse.call("PATCH", path, {"msdyn_projectinvoicestatus": 192350001})).status == 204
    [delivery] = await endpoint.wait(1)
    assert delivery.target()["msdyn_projectinvoicestatus"]["Value"] == 192350001
    assert "description" not in delivery.target()


async def test_a_bypassed_write_is_not_told(dataverse: Dataverse, endpoint: Endpoint, register: Any) -> None:
    await register(**CONFIRMED)
    invoice = await dataverse.invoice(1)
    path, body = f"invoices({invoice['invoiceId']})", {"msdyn_projectinvoicestatus": 192350001}
    quiet = {"MSCRM.BypassBusinessLogicExecution": "CustomSync,CustomAsync"}
    assert (await dataverse.call("PATCH", path, body, **quiet)).status == 204
    assert (await dataverse.call("PATCH", path, {"msdyn_projectinvoicestatus": 192350000})).status == 204
    await settled(dataverse)
    assert [one.target()["msdyn_projectinvoicestatus"]["Value"] for one in endpoint.deliveries] == [192350000]


@pytest.mark.parametrize("status", [502, 503, 504])
async def test_a_gateway_error_gets_one_more_attempt(
    dataverse: Dataverse, endpoint: Endpoint, register: Any, status: int
) -> None:
    step = await register(**CONFIRMED)
    await dataverse.switch(webhookRetrySeconds=0.01)
    endpoint.answers = [status, 202]
    await dataverse.confirmed(1)
    first, second = await endpoint.wait(2)
    assert first.raw == second.raw
    await settled(dataverse)
    assert [job["statuscode"] for job in await jobs(dataverse, step)] == [30]
    endpoint.answers = [status, status, 202]
    await dataverse.confirmed(1)
    await settled(dataverse)
    assert len(endpoint.deliveries) == 4
    assert [job["statuscode"] for job in await jobs(dataverse, step)] == [30, 31]


@pytest.mark.parametrize("status", [400, 401, 408, 429, 500])
async def test_any_other_error_loses_the_event(
    dataverse: Dataverse, endpoint: Endpoint, register: Any, status: int
) -> None:
    step = await register(**CONFIRMED)
    endpoint.answers = [status]
    await dataverse.confirmed(1)
    await settled(dataverse)
    assert len(endpoint.deliveries) == 1
    [job] = await jobs(dataverse, step)
    assert (job["statecode"], job["statuscode"]) == (3, 31)
    assert str(status) in job["friendlymessage"]


async def test_no_answer_in_time_loses_the_event(dataverse: Dataverse, endpoint: Endpoint, register: Any) -> None:
    step = await register(**CONFIRMED)
    await dataverse.switch(webhookTimeoutSeconds=0.1)
    endpoint.delay = 1
    await dataverse.confirmed(1)
    await settled(dataverse)
    assert len(endpoint.deliveries) == 1
    assert "timed out" in (await jobs(dataverse, step))[0]["message"]


async def test_failed_jobs_name_the_invoice_and_jobs_that_wait_are_counted(
    dataverse: Dataverse, endpoint: Endpoint, register: Any
) -> None:
    step = await register(**CONFIRMED)
    endpoint.answers = [400]
    invoice = await dataverse.confirmed(1)
    await settled(dataverse)
    [job] = (
        await dataverse.query(
            "asyncoperations",
            filter=f"_owningextensionid_value eq {step} and statuscode eq 31",
            select="createdon,completedon,friendlymessage,errorcode,retrycount,_regardingobjectid_value",
            orderby="completedon desc",
        )
    ).rows
    assert (job["_regardingobjectid_value"], job["retrycount"]) == (invoice["invoiceId"], 0)
    waiting = await dataverse.query(
        "asyncoperations",
        filter=f"_owningextensionid_value eq {step} and statecode ne 3",
        select="createdon",
        orderby="createdon",
        count="true",
    )
    assert (waiting.json["@odata.count"], waiting.rows) == (0, [])


async def jobs(dataverse: Dataverse, step: str) -> list[dict[str, Any]]:
    return await dataverse.all(
        "asyncoperations", filter=f"_owningextensionid_value eq {step}", orderby="createdon,statuscode"
    )


async def test_operation_ids_are_jobs_and_dates_can_carry_an_offset(
    dataverse: Dataverse, endpoint: Endpoint, register: Any
) -> None:
    step = await register(**CONFIRMED)
    await dataverse.switch(webhookOffsetDates=True)
    await dataverse.confirmed(1)
    [delivery] = await endpoint.wait(1)
    match = re.fullmatch(r"/Date\((\d+)([+-])(\d\d)(\d\d)\)/", delivery.body["OperationCreatedOn"])
    assert match
    offset = (int(match[3]) * 3600 + int(match[4]) * 60) * (1 if match[2] == "+" else -1)
    assert offset in {3600, 7200}
    assert abs(int(match[1]) / 1000 + offset - datetime.now(UTC).timestamp()) < 60
    await settled(dataverse)
    assert [job["asyncoperationid"] for job in await jobs(dataverse, step)] == [delivery.body["OperationId"]]


@pytest.mark.parametrize(("form", "missing"), [("absent", "none"), ("null", None), ("empty", [])])
async def test_a_stripped_body_keeps_what_identifies_the_row(
    dataverse: Dataverse, endpoint: Endpoint, register: Any, form: str, missing: Any
) -> None:
    await register(**CONFIRMED)
    await dataverse.switch(webhookStrip=True, webhookStripForm=form)
    invoice = await dataverse.confirmed(1)
    [delivery] = await endpoint.wait(1)
    assert "x-ms-dynamics-msg-size-exceeded" in delivery.headers
    for member in ("ParentContext", "InputParameters", "PreEntityImages", "PostEntityImages"):
        assert delivery.body.get(member, "none") == missing
    assert delivery.body["PrimaryEntityId"] == invoice["invoiceId"]


async def test_a_body_over_the_limit_is_stripped_by_itself(
    dataverse: Dataverse, endpoint: Endpoint, register: Any
) -> None:
    await register(postImage=["description"])
    invoice = await dataverse.invoice(1)
    path = f"invoices({invoice['invoiceId']})"
    assert (await dataverse.call("PATCH", path, {"description": "x" * 100_000})).status == 204
    [delivery] = await endpoint.wait(1)
    assert "InputParameters" not in delivery.body
    assert "x-ms-dynamics-msg-size-exceeded" in delivery.headers
    assert len(delivery.raw) < 10_000


async def test_update_multiple_tells_of_every_row(dataverse: Dataverse, endpoint: Endpoint, register: Any) -> None:
    await register(entity="account", filteringAttributes=["name"])
    keys = [await account(dataverse) for _ in range(20)]
    items = [{"@odata.type": "Microsoft.Dynamics.CRM.account", "accountid": key, "name": "n"} for key in keys]
    await dataverse.switch(webhookShuffle=True)
    await dataverse.call("POST", "accounts/Microsoft.Dynamics.CRM.UpdateMultiple", {"Targets": items})
    told = [delivery.body["PrimaryEntityId"] for delivery in await endpoint.wait(20)]
    assert sorted(told) == sorted(keys)
    assert len({delivery.body["OperationId"] for delivery in endpoint.deliveries}) == 20


async def test_create_and_delete_have_their_own_shapes(dataverse: Dataverse, endpoint: Endpoint, register: Any) -> None:
    await register(entity="account", message="Create")
    await register(entity="account", message="Delete")
    key = await account(dataverse, contoso_creditlimit=100.5, accountnumber=number())
    [created] = await endpoint.wait(1)
    assert created.body["OutputParameters"] == [{"key": "id", "value": key}]
    assert created.target()["contoso_creditlimit"] == {"__type": f"Money:{CONTRACTS}", "Value": 100.5}
    await dataverse.call("DELETE", f"accounts({key})")
    [_, deleted] = await endpoint.wait(2)
    [target] = deleted.body["InputParameters"]
    assert target["value"]["__type"] == f"EntityReference:{CONTRACTS}"
    assert target["value"]["Id"] == key


async def test_duplicates_losses_and_silence(dataverse: Dataverse, endpoint: Endpoint, register: Any) -> None:
    await register(**CONFIRMED)
    await dataverse.switch(webhookDuplicates=2)
    await dataverse.confirmed(1)
    assert len({delivery.raw for delivery in await endpoint.wait(3)}) == 1
    for silence in ({"webhookLost": 1.0}, {"webhookOff": True}):
        await dataverse.switch(webhookDuplicates=0, **silence)
        await dataverse.confirmed(1)
        await settled(dataverse)
    assert len(endpoint.deliveries) == 3


@pytest.mark.parametrize(
    ("step", "headers", "query"),
    [
        ({"authType": "HttpHeader", "headers": KEYS}, KEYS, {}),
        ({"authType": "HttpQueryString", "value": {"a": "1 2", "b": "&"}}, {}, {"a": "1 2", "b": "&"}),
        ({"authType": "WebhookKey", "value": "a/b+c="}, {}, {"code": "a/b+c="}),
    ],
)
async def test_authentication_goes_where_it_was_registered(
    dataverse: Dataverse, endpoint: Endpoint, register: Any, *, step: Any, headers: Any, query: Any
) -> None:
    step_id = await register(**CONFIRMED, **step)
    await dataverse.confirmed(1)
    [delivery] = await endpoint.wait(1)
    assert delivery.query == query
    assert headers.items() <= delivery.headers.items()
    row = (await dataverse.get(f"sdkmessageprocessingsteps({step_id})?$expand=eventhandler_serviceendpoint")).json
    assert row["filteringattributes"] == "msdyn_projectinvoicestatus"
    assert row["eventhandler_serviceendpoint"]["url"] == endpoint.url
    assert row["eventhandler_serviceendpoint"]["contract"] == 8
    assert "authvalue" not in row["eventhandler_serviceendpoint"]


@pytest.mark.parametrize(
    "step",
    [{"url": "ftp://x"}, {"authType": "None"}, {"entity": "none"}, {"filteringAttributes": ["none"]}, {"message": "X"}],
)
async def test_a_registration_that_makes_no_sense_is_refused(dataverse: Dataverse, step: dict[str, Any]) -> None:
    assert "error" in await dataverse.sim("POST", "webhooks", {"url": "http://127.0.0.1:9/x"} | step, status=400)


async def test_nothing_is_told_of_a_write_that_was_rolled_back(
    dataverse: Dataverse, endpoint: Endpoint, register: Any
) -> None:
    await register(entity="account", filteringAttributes=["name"])
    key = await account(dataverse)
    item = {"@odata.type": "Microsoft.Dynamics.CRM.account", "accountid": key, "name": "lost"}
    reply = await dataverse.call(
        "POST", "accounts/Microsoft.Dynamics.CRM.UpdateMultiple", {"Targets": [item, {**item, "nope": 1}]}
    )
    assert reply.status == 400
    assert (await dataverse.call("PATCH", f"accounts({key})", {"name": "kept"})).status == 204
    await settled(dataverse)
    assert [delivery.target()["name"] for delivery in endpoint.deliveries] == ["kept"]


def targets(delivery: Delivery) -> list[dict[str, Any]]:
    """The rows of a bulk message."""
    [collection] = [entry["value"] for entry in delivery.body["InputParameters"] if entry["key"] == "Targets"]
    assert collection["__type"] == f"EntityCollection:{CONTRACTS}"
    rows: list[dict[str, Any]] = collection["Entities"]
    return rows


async def test_a_step_on_a_bulk_message_gets_all_rows_of_a_write_at_once(
    dataverse: Dataverse, endpoint: Endpoint, register: Any
) -> None:
    await register(**CONFIRMED, message="UpdateMultiple")
    ids = [(await dataverse.invoice(1))["invoiceId"] for _ in range(2)]
    rows = [
        {"@odata.type": "Microsoft.Dynamics.CRM.invoice", "invoiceid": key, "msdyn_projectinvoicestatus": 192350001}
        for key in ids
    ]
    path = "invoices/Microsoft.Dynamics.CRM.UpdateMultiple"
    assert (await dataverse.call("POST", path, {"Targets": rows})).status == 204
    [delivery] = await endpoint.wait(1)
    assert (delivery.body["MessageName"], delivery.headers["x-ms-dynamics-request-name"]) == ("UpdateMultiple",) * 2
    assert delivery.body["PrimaryEntityId"] == "00000000-0000-0000-0000-000000000000"
    assert [row["Id"] for row in targets(delivery)] == ids
    assert all("__type" not in row for row in targets(delivery))


async def test_a_step_on_a_bulk_message_hears_of_a_single_write_that_it_filters_for(
    dataverse: Dataverse, endpoint: Endpoint, register: Any
) -> None:
    await register(**CONFIRMED, message="UpdateMultiple")
    invoice = await dataverse.invoice(1)
    path = f"invoices({invoice['invoiceId']})"
    assert (await dataverse.call("PATCH", path, {"description": "quiet"})).status == 204
    assert (await dataverse.call("PATCH", path, {"msdyn_projectinvoicestatus": 192350001})).status == 204
    [delivery] = await endpoint.wait(1)
    assert [row["Id"] for row in targets(delivery)] == [invoice["invoiceId"]]
