"""Push and activate: a map lies in storage until it has passed its check, and the way back is always open."""

import json
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest

from operate.api.refusals import BadRequest
from operate.maps.files import activate, history, list_maps, push, read_content, show
from relay_contract.maps import ActivatedMap
from relay_contract.requests import MapActivationRequest, MapPushRequest
from shared.engine.ports import Ports
from shared.maps.table_map import load_map
from shared.project_operations.codes import ACTUALS, INVOICES
from tests.doctor.patient import Patient

type Content = dict[str, Any]


def _constant(value: object, target: str = "PROJACTUALSIMPORTSYNC") -> Callable[[Content], None]:
    def change(content: Content) -> None:
        transform = {"kind": "constant", "value": value}
        # Another version each time: the tests share one storage account.
        content["version"] = f"8.{uuid4().int % 10**9}"
        content["fields"].append({"target": target, "direction": "toFinance", "transform": transform})

    return change


def _named(content: Content, target: str) -> Content:
    found: Content = next(pair for pair in content["fields"] if pair["target"] == target)
    return found


def _fixed(target: str, value: str) -> Callable[[Content], None]:
    transform = {"kind": "constant", "value": value}
    return lambda content: _named(content, target).update(source="", direction="toFinance", transform=transform)


async def _pushed(ports: Ports, change: Callable[[Content], None], stage: str = ACTUALS) -> str:
    content = json.loads(json.dumps(load_map(stage).document))
    change(content)
    asked = MapPushRequest(content=content, by="Ada")
    return (await push(ports, stage, asked, read_content(ports, stage, json.dumps(content)))).digest


async def _current(ports: Ports) -> Ports:
    ports.ownership.look_again()
    await ports.ownership.check()
    return await ports.with_current_maps()


async def _activated(ports: Ports, digest: str, stage: str = ACTUALS, **options: Any) -> ActivatedMap:
    return await activate(await _current(ports), stage, MapActivationRequest(digest=digest, by="Ada", **options))


async def _audited(ports: Ports, action: str) -> list[Content]:
    rows = [row async for row in ports.audit.table.query_entities(f"action eq '{action}'")]
    return [json.loads(row["what"]) for row in sorted(rows, key=lambda row: str(row["RowKey"]))]


@pytest.fixture
async def ports(patient: Patient) -> Any:
    """The app's ports; the shipped maps are in use again afterwards."""
    yield patient.ports
    for stage in (ACTUALS, INVOICES):
        await _activated(patient.ports, "shipped", stage)


async def test_what_is_pushed_is_stored_and_not_in_use(ports: Ports) -> None:
    digest = await _pushed(ports, _constant("Yes"))
    works = await _current(ports)
    assert works.maps == works.map_choice.shipped
    found = await show(works, ACTUALS, digest[:8])
    assert found.content["fields"][-1]["transform"] == {"kind": "constant", "value": "Yes"}
    stored = {each.digest: each for each in (await history(works, ACTUALS)).stored}
    assert (stored[digest].by, stored[digest].version) == ("Ada", found.version)
    assert {"map": ACTUALS, "digest": digest, "version": found.version} in await _audited(ports, "push map")


async def test_a_map_is_checked_and_activated_and_the_one_before_comes_back(ports: Ports) -> None:
    first, second = [await _pushed(ports, _constant(value)) for value in ("Yes", "No")]
    done = await _activated(ports, first)
    assert (done.before, done.digest) == ("", first)
    assert done.check is not None
    assert done.check.passed
    assert (await _activated(ports, second[:10], instead_of=first)).before == first
    back = await _activated(ports, first)
    assert back.check is None
    listed = next(each for each in (await list_maps(await _current(ports))).maps if each.map == ACTUALS)
    assert (listed.digest, listed.base_digest) == (first, listed.shipped_digest)
    found = await history(await _current(ports), ACTUALS)
    assert [each.digest for each in found.activations][:3] == [first, second, first]
    audited = {(each["before"], each["digest"]) for each in await _audited(ports, "activate map")}
    assert audited >= {("", first), (first, second), (second, first)}


async def test_a_map_that_does_not_fit_the_tenant_is_not_activated(ports: Ports) -> None:
    digest = await _pushed(ports, _constant("Perhaps"))
    with pytest.raises(BadRequest, match="Perhaps is none of No, Yes") as refused:
        await _activated(ports, digest, unproven=True)
    assert (refused.value.status, refused.value.code) == (409, "mapRefused")
    assert not (await _current(ports)).in_use.chosen


def _key_from(source: str) -> Callable[[Content], None]:
    def change(content: Content) -> None:
        content["version"] = f"8.{uuid4().int % 10**9}"
        content["fields"][0].update(source=source, transform=None)

    return change


def _other_company(content: Content) -> None:
    content["version"] = f"8.{uuid4().int % 10**9}"
    content["company"] = "msdyn_Project.msdyn_owningcompany.cdm_companyid"


@pytest.mark.parametrize(
    ("change", "named"), [(_key_from("msdyn_actualid"), "ACTUALSIMPORTID"), (_other_company, "company")]
)
async def test_a_map_with_another_key_would_send_rows_a_second_time(
    ports: Ports, change: Callable[[Content], None], named: str
) -> None:
    digest = await _pushed(ports, change)
    with pytest.raises(BadRequest, match=f"recognizes rows by: {named}.*would be there twice") as refused:
        await _activated(ports, digest)
    assert (refused.value.status, refused.value.code) == (409, "mapRefused")
    assert not (await _current(ports)).in_use.chosen
    # Before the first run it is an administrator's choice, there and back.
    await _activated(ports, digest, unproven=True)
    with pytest.raises(BadRequest, match="would be there twice"):
        await _activated(ports, "shipped")
    await _activated(ports, "shipped", unproven=True)


async def test_what_could_not_be_seen_must_be_accepted(ports: Ports) -> None:
    digest = await _pushed(ports, _constant("X", "CONTOSONOTE"), INVOICES)
    with pytest.raises(BadRequest, match=r"it is not known whether it has CONTOSONOTE.*can be accepted"):
        await _activated(ports, digest, INVOICES)
    assert (await _activated(ports, digest, INVOICES, unproven=True)).digest == digest
    assert {digest: True}.items() <= {
        each["digest"]: each["unproven"] for each in await _audited(ports, "activate map")
    }.items()


async def test_the_way_back_is_open_while_dataverse_does_not_answer(ports: Ports, patient: Patient) -> None:
    digest = await _pushed(ports, _constant("Yes"))
    await _activated(ports, digest)
    await patient.dataverse.switch(forbidCaller=True)
    assert (await _activated(ports, "shipped")).before == digest
    assert (await _activated(ports, digest)).before == ""


async def test_two_administrators_do_not_overwrite_each_other(ports: Ports) -> None:
    digest = await _pushed(ports, _constant("Yes"))
    with pytest.raises(BadRequest, match="Another map was activated meanwhile") as refused:
        await _activated(ports, digest, instead_of="0" * 32)
    assert (refused.value.status, refused.value.code) == (409, "changedMeanwhile")
    assert not (await _current(ports)).in_use.chosen


async def test_the_way_back_is_open_when_the_map_in_use_is_lost(ports: Ports) -> None:
    digest = await _pushed(ports, _constant("Yes"))
    await _activated(ports, digest)
    works = await _current(ports)
    async for blob in works.known_maps._container.list_blobs(name_starts_with=f"files/{ACTUALS}/{digest}"):
        await works.known_maps._container.delete_blob(blob.name)
    listed = next(each for each in (await list_maps(works)).maps if each.map == ACTUALS)
    assert (listed.digest, listed.base_digest) == (digest, "")
    shown = await show(works, ACTUALS, "active")
    assert shown.content["fields"][-1]["transform"] == {"kind": "constant", "value": "Yes"}
    assert (await _activated(ports, "shipped")).before == digest


async def test_a_map_that_cannot_be_used_is_replaced_by_way_of_the_one_that_is_used(ports: Ports) -> None:
    digest = await _pushed(ports, _constant("Yes"))
    await _activated(ports, digest)
    container = ports.known_maps._container
    await container.delete_blob(f"files/{ACTUALS}/{digest}.json")
    works = await _current(ports)
    assert [each.activation.digest for each in works.in_use.set_aside] == [digest]
    # What the command shows, and says in its request.
    used = (await show(works, ACTUALS, "active")).digest
    assert used == ""
    assert (await _activated(ports, "shipped", instead_of=used)).before == digest
    assert (await _current(ports)).in_use.set_aside == ()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda content: content.pop("integrationKey"), "integrationKey: is missing"),
        (lambda content: content["source"].update(filter="a eq"), "source.filter: no OData filter"),
        (lambda content: content["source"].update(set="invoices"), "must stay set msdyn_actuals"),
        (
            lambda content: content.update(fields=[p for p in content["fields"] if p["target"] != "AMOUNT"]),
            "AMOUNT must go to Finance",
        ),
        (_fixed("AMOUNT", "1.00"), "AMOUNT cannot be a constant"),
        (_fixed("ACTUALSIMPORTID", "X"), "integrationKey: made by constant alone"),
        (
            lambda content: _named(content, "ACTUALSIMPORTID").update(transform={"kind": "default", "value": "NONE"}),
            "integrationKey: made by default alone",
        ),
        (
            lambda content: _named(content, "TRANSACTIONTYPE")["transform"].update(values={"billedSales": 192350006}),
            "TRANSACTIONTYPE needs a value map with BilledSales, written so",
        ),
        (
            lambda content: _named(content, "TRANSACTIONTYPE").update(transform=None),
            "TRANSACTIONTYPE needs a value map with BilledSales",
        ),
    ],
)
async def test_what_is_no_map_is_not_stored(ports: Ports, change: Callable[[Content], None], reason: str) -> None:
    with pytest.raises(BadRequest) as refused:
        await _pushed(ports, change)
    assert (refused.value.status, refused.value.code) == (400, "mapRefused")
    assert reason in str(refused.value)


@pytest.mark.parametrize("name", ["0" * 8, "abcdef"])
async def test_a_digest_that_is_not_there_is_named(ports: Ports, name: str) -> None:
    with pytest.raises(BadRequest, match=f"no file of map actuals whose digest begins with {name}") as refused:
        await show(ports, ACTUALS, name)
    assert refused.value.status == 404
