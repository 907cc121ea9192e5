"""Storage is stamped with its owner by the first app. Another app processes nothing."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import asdict, replace
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from azure.core.exceptions import ResourceExistsError, ServiceRequestError
from azure.data.tables.aio import TableClient
from azure.storage.queue.aio import QueueServiceClient

from shared import wiring
from shared.engine.ports import Ports
from shared.engine.queues import Queues
from shared.errors import NotOurStorage
from shared.storage import owner
from shared.storage.audit import Audit
from shared.storage.notes import Notes
from shared.storage.owner import Owner, Ownership
from shared.wiring import ports_or_none, ports_or_put_back
from simulators.azurite import Azurite
from tests.contract.test_wiring import ports
from tests.contract.wiring import Clock

__all__ = ["ports"]

PRODUCTION = Owner(
    "4ef5b371-0000-4000-8000-000000000001",
    "https://contoso.crm4.dynamics.com",
    "https://contoso.operations.dynamics.com",
)
SANDBOX = Owner(
    "4ef5b371-0000-4000-8000-000000000002",
    "https://contoso-test.crm4.dynamics.com",
    "https://contoso-test.sandbox.operations.dynamics.com",
)
ALONE = {
    "organization": "DATAVERSE_ORGANIZATION_ID",
    "dataverse": "DATAVERSE_URL",
    "finance": "FINANCE_URL",
}


class Account:
    """A storage account of its own, and the apps that open it."""

    def __init__(self, table: TableClient) -> None:
        self.table = table
        self.clock = Clock()

    def app(self, settings: Owner, taken_over_from: str = "") -> Ownership:
        """One process of an app with these settings."""
        return Ownership(
            self.table,
            settings,
            taken_over_from=taken_over_from.split(","),
            audit=Audit(self.table, self.clock.now),
            notes=Notes(self.table),
            clock=self.clock.now,
        )

    async def refusal(self, settings: Owner, taken_over_from: str = "") -> str:
        """What an app with these settings says when it is refused."""
        with pytest.raises(NotOurStorage) as refused:
            await self.app(settings, taken_over_from).check()
        return str(refused.value)

    async def audited(self) -> list[dict[str, Any]]:
        """What the audit knows of take-overs."""
        rows = self.table.query_entities("action eq 'take storage over'")
        return [json.loads(row["what"]) async for row in rows]

    async def stamp(self) -> dict[str, Any]:
        """The stamp."""
        return dict(await self.table.get_entity("owner", "storage"))


@pytest.fixture
async def account(azurite: Azurite) -> AsyncIterator[Account]:
    """An account as the last release left it: without a stamp."""
    async with TableClient.from_connection_string(azurite.connection_string(), f"gates{uuid4().hex[:12]}") as client:
        await client.create_table()
        yield Account(client)
        await client.delete_table()


async def test_storage_without_a_stamp_is_stamped_by_the_first_app(account: Account) -> None:
    await account.app(PRODUCTION).check()
    await account.app(PRODUCTION).check()
    assert asdict(PRODUCTION).items() <= (await account.stamp()).items()


async def test_another_app_is_refused_and_told_what_to_do(account: Account) -> None:
    await account.app(PRODUCTION).check()
    words = await account.refusal(SANDBOX)
    for name, value in asdict(PRODUCTION).items():
        assert f"{ALONE[name]} is {asdict(SANDBOX)[name]} here and {value} there" in words
    assert "nothing is lost" in words
    assert f"STORAGE_TAKEN_OVER_FROM={PRODUCTION.organization},{PRODUCTION.finance}" in words
    assert asdict(PRODUCTION).items() <= (await account.stamp()).items()


@pytest.mark.parametrize("name", ALONE)
async def test_each_value_that_differs_alone_is_refused_by_its_name(account: Account, name: str) -> None:
    await account.app(PRODUCTION).check()
    words = await account.refusal(replace(PRODUCTION, **{name: asdict(SANDBOX)[name]}))
    assert ALONE[name] in words
    assert not any(other in words for other in ALONE.values() if other != ALONE[name])


async def test_two_apps_that_start_at_the_same_instant_agree_on_one(account: Account) -> None:
    apps = [account.app(each) for each in [PRODUCTION, SANDBOX] * 6]
    outcomes = await asyncio.gather(*(app.check() for app in apps), return_exceptions=True)
    admitted = {number % 2 for number, outcome in enumerate(outcomes) if outcome is None}
    refused = {number % 2 for number, outcome in enumerate(outcomes) if isinstance(outcome, NotOurStorage)}
    assert len(admitted) == len(refused) == 1
    assert admitted != refused


@pytest.mark.parametrize(
    "spelled",
    [
        Owner.named(PRODUCTION.organization.upper(), PRODUCTION.dataverse.upper(), PRODUCTION.finance + "/"),
        Owner.named(f"{{{PRODUCTION.organization}}}", PRODUCTION.dataverse + ":443/", PRODUCTION.finance),
        Owner.named(PRODUCTION.organization, "https://contoso.api.crm4.dynamics.com", PRODUCTION.finance),
    ],
)
async def test_an_owner_is_the_same_in_every_spelling(account: Account, spelled: Owner) -> None:
    await account.app(PRODUCTION).check()
    await account.app(spelled).check()


async def test_a_corrected_setting_lets_the_app_work_again(account: Account) -> None:
    await account.app(PRODUCTION).check()
    await account.refusal(replace(PRODUCTION, finance=SANDBOX.finance))
    await account.app(PRODUCTION).check()


@pytest.mark.parametrize(
    ("stamped", "named"),
    [
        (replace(SANDBOX, finance=PRODUCTION.finance), SANDBOX.organization),
        (replace(SANDBOX, finance=PRODUCTION.finance), SANDBOX.dataverse.upper() + "/"),
        (replace(PRODUCTION, dataverse=SANDBOX.dataverse), SANDBOX.dataverse),
        (replace(PRODUCTION, finance=SANDBOX.finance), f"{SANDBOX.finance}:443"),
        (SANDBOX, f"{SANDBOX.organization.upper()},{SANDBOX.finance}"),
        (SANDBOX, f"{SANDBOX.finance},{SANDBOX.dataverse}"),
    ],
)
async def test_an_environment_that_moved_is_taken_over_and_audited(
    account: Account, stamped: Owner, named: str
) -> None:
    await account.app(stamped).check()
    await account.app(PRODUCTION, named).check()
    assert asdict(PRODUCTION).items() <= (await account.stamp()).items()
    assert [(each["from"], each["to"]) for each in await account.audited()] == [(asdict(stamped), asdict(PRODUCTION))]
    await account.refusal(stamped)


@pytest.mark.parametrize(
    "named",
    [
        PRODUCTION.organization,
        "4ef5b371-0000-4000-8000-000000000003",
        SANDBOX.organization,
        SANDBOX.finance,
        f"{PRODUCTION.organization},{SANDBOX.finance}",
    ],
)
async def test_what_the_setting_does_not_name_is_not_taken_over(account: Account, named: str) -> None:
    await account.app(SANDBOX).check()
    await account.refusal(PRODUCTION, named)
    assert await account.audited() == []


async def test_the_setting_does_no_harm_when_it_is_left_in_place(account: Account) -> None:
    left = f"{SANDBOX.organization},{SANDBOX.finance}"
    await account.app(SANDBOX).check()
    await account.app(PRODUCTION, left).check()
    await account.app(PRODUCTION, left).check()
    assert len(await account.audited()) == 1
    # Another invalid setting is refused in the same way as without it.
    await account.refusal(replace(PRODUCTION, finance="https://other.operations.dynamics.com"), left)
    # And two apps do not take the account from each other for ever.
    await account.app(SANDBOX, f"{PRODUCTION.organization},{PRODUCTION.finance}").check()
    assert "two apps want it" in await account.refusal(PRODUCTION, left)
    assert len(await account.audited()) == 2


async def test_processes_that_take_over_at_the_same_instant_do_it_once(account: Account) -> None:
    await account.app(SANDBOX).check()
    apps = [account.app(PRODUCTION, f"{SANDBOX.organization},{SANDBOX.finance}") for _ in range(6)]
    await asyncio.gather(*(app.check() for app in apps))
    assert len(json.loads((await account.stamp())["history"])) == 1


async def test_a_take_over_that_a_crash_kept_from_the_audit_is_audited_later(account: Account) -> None:
    await account.app(SANDBOX).check()
    stamped = await account.table.get_entity("owner", "storage")
    crashing = account.app(PRODUCTION, f"{SANDBOX.organization},{SANDBOX.finance}")
    await crashing._take_over(stamped, SANDBOX)
    assert await account.audited() == []
    await account.app(PRODUCTION).check()
    assert len(await account.audited()) == 1


async def test_a_process_that_loses_its_storage_stops(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(owner, "LOOK_AGAIN_SECONDS", 0.0)
    running = account.app(PRODUCTION)
    await running.check()
    await account.app(SANDBOX, f"{PRODUCTION.organization},{PRODUCTION.finance}").check()
    with pytest.raises(NotOurStorage):
        await running.check()


async def test_what_is_known_holds_while_storage_cannot_be_asked(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(owner, "LOOK_AGAIN_SECONDS", 0.0)

    async def away(*_: object) -> None:
        raise ServiceRequestError("away")

    first, known, refused = account.app(PRODUCTION), account.app(PRODUCTION), account.app(SANDBOX)
    await known.check()
    with suppress(NotOurStorage):
        await refused.check()
    monkeypatch.setattr(account.table, "get_entity", away)
    await known.check()
    with pytest.raises(NotOurStorage):
        await refused.check()
    with pytest.raises(ServiceRequestError):
        await first.check()


async def test_the_owner_hears_of_another_app_until_it_is_gone(account: Account) -> None:
    app = account.app(PRODUCTION)
    await app.check()
    assert await app.refused_app() is None
    await account.refusal(SANDBOX)
    assert SANDBOX.finance in str(await app.refused_app())
    account.clock.advance(timedelta(minutes=3))
    assert await app.refused_app() is None
    await account.refusal(replace(PRODUCTION, finance=SANDBOX.finance))
    # It was this app itself, and its setting is corrected.
    restarted = account.app(PRODUCTION)
    await restarted.check()
    assert await restarted.refused_app() is None


@pytest.mark.parametrize("body", [b'{"v": 1,  "kind":"load"}', "Größe\n".encode(), b"\xff\xfe\x00", b""])
async def test_a_message_is_put_back_as_it_is(azurite: Azurite, body: bytes) -> None:
    name = f"queue-{uuid4().hex[:12]}-poison"
    async with QueueServiceClient.from_connection_string(azurite.connection_string()) as service:
        queue = service.get_queue_client(name)
        await queue.create_queue()
        await Queues({}, {name: queue}).send_again(name, body, delay=timedelta())
        [found] = await queue.peek_messages(32)
        assert base64.b64decode(found.content) == body
        assert found.expires_on
        assert found.expires_on.year > 2100
        await Queues({}, {name: queue}).send_again(name, body, delay=timedelta(seconds=5))
        assert len(await queue.peek_messages(32)) == 1
        await queue.delete_queue()


@pytest.mark.parametrize("queue", ["actuals", "actuals-poison"])
async def test_a_refused_process_puts_back_what_its_triggers_are_given(
    account: Account, ports: Ports, queue: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await account.app(PRODUCTION).check()
    process = wiring._Process()
    process._ports = replace(ports, ownership=account.app(SANDBOX))
    monkeypatch.setattr(wiring, "_process", process)
    with suppress(ResourceExistsError):
        await ports.queues._untouched[queue].create_queue()
    before = (await ports.queues._untouched[queue].get_queue_properties()).approximate_message_count or 0
    assert await ports_or_put_back(queue, b"whatever it says") is None
    assert await ports_or_none() is None
    assert (await ports.queues._untouched[queue].get_queue_properties()).approximate_message_count == before + 1
    process._ports = replace(ports, ownership=account.app(PRODUCTION))
    assert await ports_or_put_back(queue, b"") is process._ports
    assert await ports_or_none() is process._ports


async def test_what_is_put_back_waits_longer_the_longer_it_is_refused(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    await account.app(PRODUCTION).check()
    refused = account.app(SANDBOX)
    with suppress(NotOurStorage):
        await refused.check()
    assert refused.patience() == timedelta(seconds=5)
    monkeypatch.setattr(refused, "_refused_since", refused._refused_since - 200)
    assert timedelta(seconds=20) <= refused.patience() < timedelta(seconds=30)
    monkeypatch.setattr(refused, "_refused_since", refused._refused_since - 2000)
    assert refused.patience() == timedelta(minutes=1)
