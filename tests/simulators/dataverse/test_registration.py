"""Webhooks that are registered by rows of the Web API."""

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from simulators.processes import Server
from tests.simulators.dataverse.client import Dataverse, Reply
from tests.simulators.dataverse.registrar import ENDPOINTS, IMAGES, SETTINGS, STATUS, STEPS, Admin
from tests.simulators.dataverse.test_webhooks import Endpoint, endpoint, settled  # noqa: F401 - a fixture


@pytest.fixture
async def admin(dataverse: Dataverse, dataverse_server: Server, session: aiohttp.ClientSession) -> AsyncIterator[Admin]:
    """An administrator. What was registered is gone after the test."""
    client = Admin(dataverse_server.url, session, user="az", person="admin")
    yield client
    await settled(dataverse)
    for where in (STEPS, ENDPOINTS):
        for key in await client.ids(where):
            assert (await client.call("DELETE", f"{where}({key})")).status == 204


async def test_rows_are_the_registration(dataverse: Dataverse, admin: Admin, endpoint: Endpoint) -> None:  # noqa: F811
    step = await admin.step(await admin.endpoint(endpoint.url))
    await admin.image(step)
    invoice = await dataverse.confirmed(12)
    [delivery] = await endpoint.wait(1)
    assert (delivery.headers["x-functions-key"], delivery.headers["x-name"]) == ("k&1", "n")
    assert (delivery.body["OwningExtension"]["Id"], delivery.body["PrimaryEntityId"]) == (step, invoice["invoiceId"])
    images = {image["key"]: image["value"]["Attributes"] for image in delivery.body["PostEntityImages"]}
    assert {entry["key"] for entry in images["PostImage"]} == {STATUS, "msdyn_ordertype", "invoiceid"}


async def test_a_changed_registration_holds_at_once(
    dataverse: Dataverse, admin: Admin, endpoint: Endpoint  # noqa: F811
) -> None:  # fmt: skip
    handler = await admin.endpoint(endpoint.url)
    step = await admin.step(handler)
    image = await admin.image(step, attributes=None)
    other = SETTINGS.replace("k&amp;1", "k2")
    assert (await admin.call("PATCH", f"{ENDPOINTS}({handler})", {"authvalue": other}, If_Match="*")).status == 204
    await dataverse.confirmed(1)
    [first] = await endpoint.wait(1)
    assert first.headers["x-functions-key"] == "k2"
    [whole] = [each for each in first.body["PostEntityImages"] if each["key"] == "PostImage"]
    assert len(whole["value"]["Attributes"]) > 20

    assert (await admin.call("PATCH", f"{STEPS}({step})", {"statecode": 1}, If_Match="*")).status == 204
    [row] = await admin.all(STEPS, filter=f"_eventhandler_value eq {handler}", select="statecode,statuscode")
    assert (row["statecode"], row["statuscode"]) == (1, 2)
    await dataverse.confirmed(1)
    assert (await admin.call("PATCH", f"{STEPS}({step})", {"statecode": 0}, If_Match="*")).status == 204
    assert (await admin.call("DELETE", f"{IMAGES}({image})")).status == 204
    await dataverse.confirmed(1)
    await settled(dataverse)
    assert len(await endpoint.wait(2)) == 2


async def test_the_authentication_value_is_never_read(admin: Admin, endpoint: Endpoint) -> None:  # noqa: F811
    handler = await admin.endpoint(endpoint.url)
    reply = await admin.get(f"{ENDPOINTS}({handler})")
    assert reply.json["isauthvalueset"] is True
    assert b"k&amp;1" not in reply.body
    assert "authvalue" not in reply.json
    assert (await admin.get(f"{ENDPOINTS}({handler})?$select=authvalue")).error == (400, "0x80060888")
    bare = await admin.create(ENDPOINTS, {"name": "Relay", "url": endpoint.url, "contract": 8, "authtype": 5})
    assert not bare["isauthvalueset"]
    assert len(await admin.all(ENDPOINTS, filter="contract eq 8 and name eq 'Relay'", select="name")) == 2


async def test_all_listeners_to_invoice_updates_are_found(admin: Admin, endpoint: Endpoint) -> None:  # noqa: F811
    step = await admin.step(await admin.endpoint(endpoint.url))
    rows = await admin.all(
        STEPS,
        filter="sdkmessagefilterid/primaryobjecttypecode eq 'invoice' and sdkmessageid/name eq 'Update'"
        " and eventhandler_serviceendpoint/serviceendpointid ne null",
        select="sdkmessageprocessingstepid,name,stage,mode,asyncautodelete,filteringattributes,statecode",
        expand="sdkmessageid($select=name),sdkmessagefilterid($select=primaryobjecttypecode)",
    )
    assert [row["sdkmessageprocessingstepid"] for row in rows] == [step]
    assert rows[0]["sdkmessageid"]["name"] == "Update"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"stage": 20}, "0x80040203"),
        ({"Eventhandler_Serviceendpoint@odata.bind": "/serviceendpoints(x)"}, "0x80048d19"),
        ({"SdkMessageId@odata.bind": "/sdkmessages(x)"}, "0x80048d19"),
        ({"plugin": 1}, "0x80048d19"),
        ({"mode": 7}, "0x8004431a"),
    ],
)
async def test_a_step_that_the_service_refuses(
    admin: Admin, endpoint: Endpoint, changes: dict[str, Any], code: str  # noqa: F811
) -> None:  # fmt: skip
    body = await admin.step_body(await admin.endpoint(endpoint.url), **changes)
    assert (await admin.create(STEPS, body, 400)).error == (400, code)


@pytest.mark.parametrize(
    "changes",
    [
        {"contract": 3},
        {"authtype": 9},
        {"authvalue": "no settings"},
        {"authvalue": "x" * 2049},
        {"url": "ftp://x"},
        {"url": "https://contoso.example:8443/x"},
        {"name": None},
    ],
)
async def test_an_endpoint_that_the_service_refuses(admin: Admin, changes: dict[str, Any]) -> None:
    body = {"name": "Relay", "url": "https://contoso.example/x", "contract": 8, "authtype": 5, "authvalue": SETTINGS}
    refused: Reply = await admin.create(ENDPOINTS, {**body, **changes}, 400)
    assert refused.status == 400


async def test_an_image_names_the_property_of_its_message(admin: Admin, endpoint: Endpoint) -> None:  # noqa: F811
    handler = await admin.endpoint(endpoint.url)
    updated, created = await admin.step(handler), await admin.step(handler, message="Create", filteringattributes=None)
    body = {"name": "x", "entityalias": "x", "imagetype": 1}
    for step, right, wrong in ((updated, "Target", "Id"), (created, "Id", "Target")):
        bound = {**body, "sdkmessageprocessingstepid@odata.bind": f"/{STEPS}({step})"}
        assert (await admin.create(IMAGES, {**bound, "messagepropertyname": wrong}, 400)).status == 400
        await admin.create(IMAGES, {**bound, "messagepropertyname": right})


async def test_a_step_takes_its_images_with_it_and_an_endpoint_outlives_its_steps(
    admin: Admin, endpoint: Endpoint  # noqa: F811
) -> None:  # fmt: skip
    handler = await admin.endpoint(endpoint.url)
    step = await admin.step(handler)
    await admin.image(step)
    assert (await admin.call("DELETE", f"{ENDPOINTS}({handler})")).error == (400, "0x80040227")
    assert (await admin.call("DELETE", f"{STEPS}({step})")).status == 204
    assert await admin.ids(IMAGES) == []
    assert await admin.ids(ENDPOINTS) == [handler]
    gone = await admin.call("PATCH", f"{STEPS}({step})", {"rank": 1}, If_Match="*")
    assert gone.status == 404


async def test_only_an_administrator_registers(dataverse: Dataverse, admin: Admin, endpoint: Endpoint) -> None:  # noqa: F811
    handler = await admin.endpoint(endpoint.url)
    step = await admin.step(handler)
    body = {"name": "Relay", "url": endpoint.url, "contract": 8, "authtype": 5}
    for method, where, sent, name in (
        ("POST", ENDPOINTS, body, "prvCreateServiceEndpoint"),
        ("PATCH", f"{ENDPOINTS}({handler})", {"name": "x"}, "prvWriteServiceEndpoint"),
        ("DELETE", f"{STEPS}({step})", None, "prvDeleteSdkMessageProcessingStep"),
    ):
        refused = await dataverse.call(method, where, sent)
        assert refused.error == (403, "0x80040220")
        assert name in refused.message
