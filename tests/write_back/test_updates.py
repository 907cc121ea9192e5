"""Many rows of Dataverse are changed in portions that it bears, and one bad row keeps no other back."""

import asyncio
from decimal import Decimal
from itertools import batched
from uuid import UUID, uuid4

import pytest
from azure.data.tables.aio import TableClient

from shared.errors import Throttled, Unavailable
from shared.services.bulk_updates import MOST_ROWS, Values
from shared.services.concurrency_limit import ConcurrencyLimit
from shared.services.sign_in import SignIn
from tests.contract.server import Reply, Server
from tests.write_back.conftest import Organization
from tests.write_back.wire import Environment, environment

BYPASS = "MSCRM.BypassBusinessLogicExecution"
UPDATE_MULTIPLE = "UpdateMultiple"
SO_LONG = "v" * 101
"""One more than the column holds."""


def vouchers(ids: list[UUID], voucher: str) -> dict[UUID, Values]:
    return {actual: {"contoso_voucher": voucher} for actual in ids}


def without_bulk(organization: Organization) -> None:
    organization.switch(bulkUnsupported="msdyn_actual")


async def test_all_rows_arrive_in_portions_that_grow_and_never_exceed_a_thousand(
    app: Environment, organization: Organization
) -> None:
    assert await app.write(vouchers(organization.actuals, "first")) == {}
    first = app.wire.bulks
    app.wire.forget()
    assert await app.write(vouchers(organization.actuals, "second")) == {}
    assert max(first) == 200
    assert app.wire.bulks[0] == MOST_ROWS
    assert max(app.wire.bulks) <= MOST_ROWS
    assert sum(app.wire.bulks) == len(organization.actuals)
    assert app.wire.batches == []
    held = await app.read(organization.actuals, "contoso_voucher")
    assert held == dict.fromkeys(organization.actuals, ("second",))


async def test_a_table_without_bulk_operations_is_written_by_batch_and_asked_only_once(
    app: Environment, organization: Organization
) -> None:
    without_bulk(organization)
    assert await app.write(vouchers(organization.actuals[:1], "batch one")) == {}
    assert (app.wire.bulks, app.wire.batches) == ([1], [1])
    app.wire.forget()
    assert await app.write(vouchers(organization.actuals, "batch all")) == {}
    assert app.wire.bulks == []
    assert max(app.wire.batches) <= MOST_ROWS
    held = await app.read(organization.actuals, "contoso_voucher")
    assert held == dict.fromkeys(organization.actuals, ("batch all",))


@pytest.mark.parametrize("bulk", [True, False], ids=["in bulk", "by batch"])
async def test_one_bad_row_among_many_is_left_behind_alone(
    app: Environment, organization: Organization, bulk: bool
) -> None:
    if not bulk:
        without_bulk(organization)
    rows, bad = vouchers(organization.actuals[:150], f"good {bulk}"), organization.actuals[77]
    refused = await app.write(rows | {bad: {"contoso_voucher": SO_LONG}})
    assert list(refused) == [bad]
    assert "contoso_voucher" in refused[bad].text
    held = await app.read(rows, "contoso_voucher")
    assert held.pop(bad) != (SO_LONG,)
    assert set(held.values()) == {(f"good {bulk}",)}


async def test_a_row_that_is_not_there_is_refused_alone_and_ends_no_bulk_operations(
    app: Environment, organization: Organization
) -> None:
    # Its 404 was taken for the one of a table without bulk operations.
    stranger = uuid4()
    refused = await app.write(vouchers([*organization.actuals[:20], stranger], "not there"))
    assert list(refused) == [stranger]
    app.wire.forget()
    assert await app.write(vouchers(organization.actuals[:20], "there")) == {}
    assert (app.wire.bulks, app.wire.batches) == ([20], [])


async def test_columns_kept_for_dual_write_are_refused_in_dataverses_words(
    app: Environment, organization: Organization
) -> None:
    some = organization.actuals[:3]
    refused = await app.write({actual: {"msdyn_vouchernumber": "PSI-1"} for actual in some})
    assert set(refused) == set(some)
    assert {error.text for error in refused.values()} == {
        "The column 'msdyn_vouchernumber' of an actual can only be updated by the dual-write process."
    }


@pytest.mark.parametrize("bulk", [True, False], ids=["in bulk", "by batch"])
@pytest.mark.parametrize("amount", ["1234567890.1234", "-0.0001", "99999999999.9999", "0.3", "7"])
async def test_decimals_arrive_to_the_last_place(
    app: Environment, organization: Organization, bulk: bool, amount: str
) -> None:
    if not bulk:
        without_bulk(organization)
    actual = organization.actuals[0]
    assert await app.write({actual: {"contoso_accountingamount": Decimal(amount), "contoso_voucher": '"0"'}}) == {}
    assert f'"contoso_accountingamount": {amount}'.encode() in app.wire.sent[-1].body
    held = await app.read([actual], "contoso_accountingamount", "contoso_voucher")
    assert held == {actual: (Decimal(amount), '"0"')}


async def test_an_empty_value_empties_the_column(app: Environment, organization: Organization) -> None:
    actual = organization.actuals[1]
    await app.write({actual: {"contoso_voucher": "to go"}})
    await app.write({actual: {"contoso_voucher": None}})
    assert await app.read([actual], "contoso_voucher") == {actual: (None,)}


async def test_after_a_503_the_portion_goes_again_in_halves(app: Environment, organization: Organization) -> None:
    organization.switch(errorNext=1, faultRoute=UPDATE_MULTIPLE)
    some = organization.actuals[:200]
    assert await app.write(vouchers(some, "after a 503")) == {}
    assert app.wire.bulks == [200, 100, 100]
    assert set((await app.read(some, "contoso_voucher")).values()) == {("after a 503",)}


async def test_a_service_that_stays_away_is_unavailable_and_later_gets_small_portions(
    app: Environment, organization: Organization
) -> None:
    organization.switch(errorNext=1000, faultRoute=UPDATE_MULTIPLE)
    with pytest.raises(Unavailable):
        await app.write(vouchers(organization.actuals[:200], "never"))
    assert app.wire.bulks == [200, 100, 50, 25]
    app.wire.forget()
    organization.switch(errorNext=0)
    assert await app.write(vouchers(organization.actuals[:200], "back again")) == {}
    assert max(app.wire.bulks) == 12
    assert set((await app.read(organization.actuals[:200], "contoso_voucher")).values()) == {("back again",)}


async def test_an_answer_lost_after_the_work_was_done_does_no_harm(
    app: Environment, organization: Organization
) -> None:
    organization.switch(resetAfterCommitNext=1, faultRoute=UPDATE_MULTIPLE)
    some = organization.actuals[:40]
    assert await app.write(vouchers(some, "twice")) == {}
    assert app.wire.bulks == [40, 20, 20]
    assert set((await app.read(some, "contoso_voucher")).values()) == {("twice",)}


async def test_a_wait_that_is_told_inside_a_batch_closes_the_gate(app: Environment, organization: Organization) -> None:
    without_bulk(organization)
    organization.switch(faultRoute="batch PATCH", throttleNext=1, throttleSeconds=30.0)
    try:
        for _ in range(2):
            with pytest.raises(Throttled):
                await app.write(vouchers(organization.actuals[:20], "throttled"))
        assert app.wire.batches == [20]
    finally:
        organization.switch(throttleShare=0.0, throttleSeconds=2.0)


@pytest.mark.parametrize("bulk", [True, False], ids=["in bulk", "by batch"])
async def test_what_is_written_back_is_no_news_to_any_webhook(
    app: Environment, organization: Organization, server: Server, bulk: bool
) -> None:
    if not bulk:
        without_bulk(organization)
    server.rule = lambda _: Reply()
    organization.tell_of_updates(server.url)
    ours, theirs = organization.actuals[5:15], organization.actuals[20]
    await app.write(vouchers(ours, f"quiet {bulk}"))
    assert {request.headers[BYPASS] for request in app.wire.sent} == {"CustomAsync"}
    organization.change(theirs, contoso_voucher="loud")
    # Webhooks go out in the order of the changes: the loud one comes behind any of ours.
    await server.await_requests(1)
    told = [str(actual) for actual in organization.actuals if str(actual).encode() in server.received[0].body]
    assert told == [str(theirs)]


def hinting(hint: str) -> Reply:
    return Reply(204, b"", {"x-ms-dop-hint": hint})


@pytest.mark.parametrize(("hint", "most"), [("1", 1), ("2", 2), ("48", 8), ("0", 1), ("many", 8)])
async def test_dataverses_hint_narrows_the_requests_in_flight_and_never_widens_them(
    server: Server, signin: SignIn, table: TableClient, hint: str, most: int
) -> None:
    server.rule = lambda _: hinting(hint)
    async with environment(server.url, signin, table) as app:
        await app.write(vouchers([uuid4()], "hinted"))
        app.wire.forget()
        app.wire.is_open.clear()
        async with asyncio.timeout(20), asyncio.TaskGroup() as group:
            group.create_task(app.write(vouchers([uuid4() for _ in range(8000)], "many")))
            await app.wire.await_in_flight(most)
            app.wire.is_open.set()
        assert len(app.wire.sent) > 8
        assert app.wire.most_in_flight == most


async def test_advice_that_widens_again_lets_those_go_that_wait_already() -> None:
    # Each one that left woke one of those that waited, however many could go.
    limit, inside, together = ConcurrencyLimit(8), 0, asyncio.Event()

    async def stay() -> None:
        nonlocal inside
        async with limit:
            inside += 1
            if inside == 8:
                together.set()
            await together.wait()

    limit.advise(1)
    async with asyncio.timeout(10), asyncio.TaskGroup() as group, limit:
        for _ in range(8):
            group.create_task(stay())
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert inside == 0
        limit.advise(8)


async def test_a_batch_answers_row_by_row_across_its_portions(app: Environment, organization: Organization) -> None:
    without_bulk(organization)
    bad: dict[UUID, Values] = {
        portion[3]: {"contoso_voucher": SO_LONG} for portion in batched(organization.actuals, 500, strict=False)
    }
    refused = await app.write(vouchers(organization.actuals, "all but some") | bad)
    assert set(refused) == set(bad)
    held = await app.read(organization.actuals, "contoso_voucher")
    assert {actual for actual, (voucher,) in held.items() if voucher != "all but some"} == set(bad)
