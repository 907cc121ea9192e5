"""A tenant's maps: every instance works with the one that is active, and one that cannot be used stops nothing."""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any
from uuid import uuid4

import pytest
from azure.data.tables.aio import TableClient
from azure.storage.blob import ContentSettings

from link_transactions.verification import verify
from operate.views.health import health
from relay_contract.version import VERSION
from shared.clock import now
from shared.engine.landed_rows import landed_rows
from shared.engine.messages import Verify
from shared.engine.ports import Ports
from shared.errors import LeaseLost
from shared.ledger.run import State
from shared.maps.table_map import FORMAT, TableMap, load_map
from shared.project_operations.codes import ACTUALS, CONNECTIONS, INVOICES
from shared.project_operations.proposal_number import number_pair
from shared.storage.activations import SHIPPED, ActivationLog
from shared.storage.audit import Audit
from shared.storage.notes import Notes
from shared.storage.owner import Owner, Ownership
from simulators.azurite import Azurite
from tests.contract.conftest import Tenant
from tests.contract.opening import opened
from tests.contract.server import Server
from tests.contract.test_landed_parts import _landed, _row
from tests.contract.test_wiring import ports
from tests.contract.world import World, actual

__all__ = ["ports"]

NEWER = json.dumps({"format": FORMAT + 1, "map": {}}).encode()

type Change = Callable[[dict[str, Any]], None]


@dataclass
class Instance:
    """One process of the app on an account of its own."""

    ports: Ports

    async def work_item(self) -> Ports:
        """The ports of its next work item, ten seconds after the last one."""
        self.ports.ownership.look_again()
        await self.ports.ownership.check()
        self.ports = await self.ports.with_current_maps()
        return self.ports

    async def push(self, change: Change, stage: str = ACTUALS) -> str:
        """Store a changed map; its digest."""
        return await self.ports.map_choice.files.put(stage, _changed(self.shipped(stage), change), by="Ada", at=now())

    async def activate(self, digest: str, version: str = "9.0", stage: str = ACTUALS) -> None:
        """Put a stored map into use, whatever was in use."""
        log = self.ports.activation_log
        standing = await log.of(stage)
        before = standing[0].digest if standing else SHIPPED
        await log.activate(stage, digest, version, by="Ada", instead_of=before)

    def shipped(self, stage: str) -> TableMap:
        """The map of this version."""
        return self.ports.map_choice.shipped[stage]


def _changed(table_map: TableMap, change: Change) -> TableMap:
    content = table_map.model_dump(mode="json")
    change(content)
    return TableMap.model_validate(content)


def _instance(ports: Ports, table: TableClient) -> Instance:
    audit, notes = Audit(table, now), Notes(table)
    owner = Owner.named("a", "https://a.crm4.dynamics.com", "https://a.operations.dynamics.com")
    ownership = Ownership(table, owner, audit=audit, notes=notes, clock=now)
    return Instance(replace(ports, ownership=ownership, activation_log=ActivationLog(table, now)))


@pytest.fixture
async def two(ports: Ports, table: TableClient) -> tuple[Instance, Instance]:
    """Two instances of the app."""
    return _instance(ports, table), _instance(ports, table)


def _add_note(content: dict[str, Any]) -> None:
    transform = {"kind": "constant", "value": f"note {uuid4()}"}
    content["fields"].append({"target": "MYNOTE", "direction": "toFinance", "source": "", "transform": transform})


def _other_filter(content: dict[str, Any]) -> None:
    content["source"]["filter"] = "statecode eq 0"


async def test_without_an_activation_the_shipped_maps_are_in_use(two: tuple[Instance, Instance]) -> None:
    one, _ = two
    await one.push(_add_note)
    works = await one.work_item()
    assert works.maps == one.ports.map_choice.shipped
    assert not works.in_use.chosen


async def test_every_instance_sees_the_pointer_move_and_a_work_item_keeps_its_map(
    two: tuple[Instance, Instance],
) -> None:
    one, other = two
    before = await other.work_item()
    digest = await one.push(_add_note)
    await one.activate(digest)
    seen = await other.work_item()
    assert "MYNOTE" in seen.maps[ACTUALS].columns
    assert seen.in_use.file_of(ACTUALS) == digest
    # The item that had begun goes on with what it began with.
    assert "MYNOTE" not in before.maps[ACTUALS].columns
    assert await other.work_item() is seen


async def test_a_map_with_another_filter_alone_is_another_file(two: tuple[Instance, Instance]) -> None:
    one, other = two
    digest = await one.push(_other_filter)
    await one.activate(digest)
    works = await other.work_item()
    assert works.maps[ACTUALS].source.filter == "statecode eq 0"
    assert works.maps[ACTUALS].digest == one.shipped(ACTUALS).digest


async def test_a_part_is_read_by_the_map_that_wrote_it_while_the_pointer_moves(two: tuple[Instance, Instance]) -> None:
    one, other = two
    await one.activate(await one.push(_add_note))
    writer = await one.work_item()
    part = await _landed(writer, ACTUALS, [_row(writer.maps[ACTUALS])])
    # The other instance has not looked yet, and works with the shipped map.
    landed = await landed_rows(other.ports, part)
    assert landed.table_map.columns == writer.maps[ACTUALS].columns
    # The pointer goes back; what was read under the shipped map is found, too.
    shipped = await _landed(other.ports, ACTUALS, [_row(other.ports.maps[ACTUALS])])
    await one.activate(SHIPPED)
    back = await one.work_item()
    assert back.maps == one.ports.map_choice.shipped
    assert (await landed_rows(back, part)).table_map.digest == writer.maps[ACTUALS].digest
    assert (await landed_rows(writer, shipped)).table_map.digest == back.maps[ACTUALS].digest


async def test_a_run_whose_map_changes_before_its_comparison_is_read_again(
    two: tuple[Instance, Instance], server: Server
) -> None:
    one, other = two
    world = World(one.ports, [actual()])
    await world.carry(one.ports)

    def no_description(content: dict[str, Any]) -> None:
        pair = next(pair for pair in content["fields"] if pair["target"] == "DESCRIPTION")
        pair |= {"source": "", "transform": {"kind": "constant", "value": "from the relay"}}

    await one.activate(await one.push(no_description))
    server.rule = world.answer
    works = await other.work_item()
    await verify(works, Verify(stage=CONNECTIONS, subject=world.invoice_id))
    run = await works.ledger.run(world.invoice_id)
    assert run is not None
    assert (run.state, run.generation) == (State.SYNCING_ACTUALS, 2)
    assert run.wait.startswith("Dataverse or the map has changed since 1 row was read")


async def test_two_activations_at_once_do_not_overwrite_each_other(two: tuple[Instance, Instance]) -> None:
    one, other = two
    first, second = await one.push(_add_note), await one.push(_add_note)
    await one.activate(first)
    with pytest.raises(LeaseLost):
        await other.ports.activation_log.activate(ACTUALS, second, "9.0", by="Grace", instead_of=SHIPPED)
    assert (await other.work_item()).in_use.file_of(ACTUALS) == first


async def test_the_history_says_when_who_and_what_before(two: tuple[Instance, Instance]) -> None:
    one, other = two
    first, second = await one.push(_add_note), await one.push(_add_note)
    for digest in (first, second, SHIPPED, first):
        await one.activate(digest)
    history = await other.ports.activation_log.of(ACTUALS)
    assert [each.digest for each in history] == [first, SHIPPED, second, first]
    assert {each.by for each in history} == {"Ada"}
    assert all((now() - each.at).total_seconds() < 60 for each in history)


async def test_the_history_fits_whatever_the_names_are(two: tuple[Instance, Instance]) -> None:
    """A property of a row holds 32,768 characters, and a letter of such a name takes six of them."""
    one, _ = two
    log, name = one.ports.activation_log, "株" * 200
    before = SHIPPED
    for number in range(30):
        digest = f"{number:032}"
        await log.activate(ACTUALS, digest, "9.0", by=name, instead_of=before)
        before = digest
    history = await log.of(ACTUALS)
    assert [each.digest for each in history[:3]] == [f"{number:032}" for number in (29, 28, 27)]


async def _damage(instance: Instance, digest: str, content: bytes, written_by: str = VERSION) -> None:
    container = instance.ports.known_maps._container
    await container.upload_blob(
        f"files/{ACTUALS}/{digest}.json",
        content,
        overwrite=True,
        metadata={"writtenBy": written_by},
        content_settings=ContentSettings(content_type="application/json"),
    )


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "is not a map file as this app stores it"),
        (b"[1]", "is not a map file as this app stores it"),
        (b'{"format": 1, "at": "2026-11-20T00:00:00Z", "map": {"name": "x"}}', "version: is missing"),
        (b'{"format": 1, "at": "yesterday", "map": {}}', "is not a map file as this app stores it"),
        (b'{"format": 1, "at": "", "map": {"a": ' + b"[" * 200_000, "is not a map file as this app stores it"),
        (NEWER, f"was written by version 9.1 of this app; this is {VERSION}"),
    ],
    ids=["empty", "a list", "no map", "no time", "too deep", "a newer form"],
)
async def test_a_map_that_cannot_be_used_leaves_the_last_good_one_in_use(
    two: tuple[Instance, Instance], content: bytes, reason: str
) -> None:
    one, other = two
    good, bad = await one.push(_add_note), await one.push(_add_note)
    await _damage(one, bad, content, written_by="9.1")
    await one.activate(good, "8.0")
    await one.activate(bad)
    works = await other.work_item()
    assert works.in_use.file_of(ACTUALS) == good
    assert "MYNOTE" in works.maps[ACTUALS].columns
    problem = next(text for text in (await health(works)).problems if text.startswith("map actuals"))
    assert bad[:12] in problem
    assert reason in problem
    assert f"Version 8.0 ({good[:12]}) is used instead" in problem


async def test_a_map_that_is_not_in_storage_leaves_the_shipped_one_in_use(two: tuple[Instance, Instance]) -> None:
    one, other = two
    await one.activate("0" * 32)
    works = await other.work_item()
    assert works.maps == other.ports.map_choice.shipped
    [aside] = works.in_use.set_aside
    assert "is not in storage" in aside.reason
    problem = next(text for text in (await health(works)).problems if text.startswith("map actuals"))
    assert "The map that this version was shipped with is used instead" in problem


async def test_a_map_without_what_its_step_needs_is_set_aside(two: tuple[Instance, Instance]) -> None:
    one, other = two

    def without_amount(content: dict[str, Any]) -> None:
        content["fields"] = [pair for pair in content["fields"] if pair["target"] != "AMOUNT"]

    await one.activate(await one.push(without_amount))
    [aside] = (await other.work_item()).in_use.set_aside
    assert "AMOUNT must go to Finance" in aside.reason


async def test_maps_that_do_not_fit_together_are_not_used_together(two: tuple[Instance, Instance]) -> None:
    one, other = two

    def other_number(content: dict[str, Any]) -> None:
        content["fields"][0]["source"] = "invoicenumber"

    good = await one.push(_add_note)
    await one.activate(good)
    await one.activate(await one.push(other_number, INVOICES), stage=INVOICES)
    works = await other.work_item()
    assert works.in_use.file_of(ACTUALS) == good
    assert works.in_use.file_of(INVOICES) == SHIPPED
    [aside] = works.in_use.set_aside
    assert aside.stage == INVOICES
    assert "must take the same column of the invoice" in aside.reason


async def test_the_setting_of_the_number_column_holds_for_stored_maps_too(
    tenant: Tenant, azurite: Azurite, server: Server, table: TableClient
) -> None:
    async with opened(tenant, azurite, server, INVOICE_NUMBER_COLUMN="invoicenumber") as ports:
        one = _instance(ports, table)
        # Stored with the column that the map is shipped with, in a tenant that uses the other one.
        digest = await one.ports.map_choice.files.put(ACTUALS, _changed(load_map(ACTUALS), _add_note), by="A", at=now())
        await one.activate(digest)
        works = await one.work_item()
        assert works.in_use.set_aside == ()
        assert number_pair(works.maps[ACTUALS]).source == "msdyn_Invoice.invoicenumber"
        assert "MYNOTE" in works.maps[ACTUALS].columns
        await one.activate(await one.push(_other_filter, INVOICES), stage=INVOICES)
        assert number_pair((await one.work_item()).maps[INVOICES]).source == "invoicenumber"


async def test_a_map_of_another_table_is_set_aside(two: tuple[Instance, Instance]) -> None:
    one, other = two

    def other_table(content: dict[str, Any]) -> None:
        content["source"]["set"] = "msdyn_projecttasks"

    await one.activate(await one.push(other_table))
    [aside] = (await other.work_item()).in_use.set_aside
    assert "must stay set msdyn_actuals" in aside.reason
