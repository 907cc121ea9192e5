"""While a service is throttling, no process sends it a request, neither the one that received the 429 nor any other."""

import asyncio
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from azure.data.tables.aio import TableClient
from hypothesis import given
from hypothesis import strategies as st

from shared import clock
from shared.errors import Throttled, Unavailable
from shared.services.http import Service
from shared.services.reader import Reader
from shared.services.sign_in import SignIn
from shared.services.throttle_gates import ThrottleGates, retry_instant
from tests.contract.server import Server, html, said
from tests.contract.wiring import App, Clock, wired

TOO_MANY = {"error": {"code": "0x80072322", "message": "Number of requests exceeded the limit of 6000."}}
LONGEST = timedelta(hours=1)


class Ticking(Clock):
    """The clock on the wall."""

    def now(self) -> datetime:
        """This instant."""
        return clock.now()


async def ask(service: Service) -> None:
    await service.get(service.url("/data/ProjActualsImports"))


async def throttled(service: Service) -> Throttled:
    with pytest.raises(Throttled) as caught:
        await ask(service)
    return caught.value


def wait_of(throttling: Throttled, moving: Clock) -> float:
    return (throttling.until - moving.now()).total_seconds()


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry_After": "17"}, 17),
        ({"Retry_After": "1.5"}, 1.5),
        ({"Retry_After": "0"}, 1),
        ({}, 30),
        ({"Retry_After": "soon"}, 30),
        ({"Retry_After": ""}, 30),
        ({"Retry_After": "86400"}, 3600),
        ({"Retry_After": "-20"}, 1),
    ],
)
async def test_a_429_waits_as_long_as_it_says_within_reason(
    app: App, server: Server, headers: dict[str, str], seconds: float
) -> None:
    server.script(said(TOO_MANY, 429, **headers))
    throttling = await throttled(app.source)
    assert wait_of(throttling, app.clock) == seconds
    assert throttling.reason == "Number of requests exceeded the limit of 6000."


async def test_a_retry_after_may_be_a_date(app: App, server: Server) -> None:
    until = (app.clock.now() + timedelta(seconds=90)).replace(microsecond=0)
    server.script(said(TOO_MANY, 429, Retry_After=format_datetime(until, usegmt=True)))
    assert (await throttled(app.source)).until == until


async def test_a_503_with_retry_after_is_throttling(app: App, server: Server) -> None:
    server.script(html(503, Retry_After="12"))
    assert wait_of(await throttled(app.target), app.clock) == 12


async def test_a_503_without_retry_after_closes_no_gate(app: App, server: Server) -> None:
    server.script(html(503), said({}))
    with pytest.raises(Unavailable):
        await ask(app.target)
    await ask(app.target)


async def test_a_closed_gate_lets_nothing_of_this_process_through_until_it_opens(app: App, server: Server) -> None:
    server.script(said(TOO_MANY, 429, Retry_After="20"), said({}))
    until = (await throttled(app.source)).until
    for seconds in (0, 10, 9.9):
        app.clock.advance(timedelta(seconds=seconds))
        assert (await throttled(app.source)).until == until
    assert len(server.received) == 1
    app.clock.advance(timedelta(seconds=0.1))
    await ask(app.source)
    assert len(server.received) == 2


async def test_a_gate_closes_one_service_only(app: App, server: Server) -> None:
    server.script(said(TOO_MANY, 429, Retry_After="20"), said({}))
    await throttled(app.source)
    await ask(app.target)


async def test_a_closed_gate_holds_another_process_back(
    app: App, server: Server, signin: SignIn, table: TableClient
) -> None:
    server.script(said(TOO_MANY, 429, Retry_After="20"), said({}))
    until = (await throttled(app.source)).until
    async with wired(server.url, signin, table, moving=app.clock) as other:
        held = await throttled(other.source)
        assert abs(held.until - until) < timedelta(milliseconds=1)
        assert held.reason == "Number of requests exceeded the limit of 6000."
        assert len(server.received) == 1
        app.clock.advance(timedelta(seconds=20))
        await ask(other.source)


async def test_another_process_that_has_just_looked_learns_of_a_closed_gate_within_a_second(
    app: App, server: Server, signin: SignIn, table: TableClient
) -> None:
    async with wired(server.url, signin, table, moving=app.clock) as other:
        server.script(said({}), said(TOO_MANY, 429, Retry_After="20"))
        await ask(other.source)
        await throttled(app.source)
        app.clock.advance(timedelta(seconds=1))
        await throttled(other.source)
        assert len(server.received) == 2


async def test_a_process_that_starts_with_many_requests_at_once_sends_none_through_a_closed_gate(
    app: App, server: Server, signin: SignIn, table: TableClient
) -> None:
    # The first caller reads the gate; those who came while it was reading took the gate for open.
    server.script(said(TOO_MANY, 429, Retry_After="20"), *[said({})] * 8)
    await throttled(app.source)
    async with wired(server.url, signin, table, moving=app.clock) as other:
        await asyncio.gather(*(throttled(other.source) for _ in range(8)))
    assert len(server.received) == 1


async def test_nothing_that_waited_for_its_turn_follows_a_429(
    server: Server, signin: SignIn, table: TableClient
) -> None:
    # The slot was free before the gate was closed, and the next in the queue went through.
    server.rule = lambda _: said(TOO_MANY, 429, Retry_After="20")
    async with wired(server.url, signin, table, concurrency=1) as app:
        await asyncio.gather(*(throttled(app.source) for _ in range(8)))
    assert len(server.received) == 1


async def test_a_reader_sits_a_short_wait_out_and_a_writer_does_not(
    server: Server, signin: SignIn, table: TableClient
) -> None:
    server.script(said(TOO_MANY, 429, Retry_After="1"), said({"value": []}), said(TOO_MANY, 429, Retry_After="1"))
    async with wired(server.url, signin, table, moving=Ticking()) as app:
        began = clock.now()
        with Reader(clock.now, timedelta(seconds=30)).reading():
            await ask(app.source)
            assert clock.now() - began >= timedelta(seconds=1)
            with pytest.raises(Throttled):
                await app.source.post(app.source.url("/data/ProjActualsImports"), {})
    assert len(server.received) == 3


async def test_a_reader_whose_patience_ends_before_the_wait_raises_at_once(
    server: Server, signin: SignIn, table: TableClient
) -> None:
    server.script(said(TOO_MANY, 429, Retry_After="20"))
    async with wired(server.url, signin, table, moving=Ticking()) as app:
        with Reader(clock.now, timedelta(seconds=19)).reading():
            throttling = await throttled(app.source)
        assert throttling.until > clock.now() + timedelta(seconds=15)


async def test_of_two_ends_the_later_counts(table: TableClient) -> None:
    still = Clock()
    ours, theirs, third = (ThrottleGates(table, still.now) for _ in range(3))
    near, far = still.now() + timedelta(seconds=5), still.now() + timedelta(seconds=60)
    await asyncio.gather(theirs.close("Finance", far, "long"), ours.close("Finance", near, "short"))
    await ours.close("Finance", near, "short")
    gate = await third.look("Finance")
    assert gate is not None
    assert gate.reason == "long"


async def test_many_processes_that_are_told_to_wait_at_once_leave_the_latest_end(table: TableClient) -> None:
    still = Clock()
    ends = [still.now() + timedelta(seconds=seconds) for seconds in (9, 3, 60, 1, 30, 5, 20, 2)]
    await asyncio.gather(*(ThrottleGates(table, still.now).close("Finance", end, f"{end}") for end in ends))
    gate = await ThrottleGates(table, still.now).look("Finance")
    assert gate is not None
    assert gate.reason == f"{max(ends)}"


@given(st.one_of(st.text(max_size=40), st.floats().map(str), st.datetimes().map(format_datetime)))
def test_any_retry_after_means_a_wait_between_a_second_and_the_longest(header: str) -> None:
    now = datetime(2026, 11, 20, 14, 2, 10, tzinfo=UTC)
    assert timedelta(seconds=1) <= retry_instant(header, now, LONGEST) - now <= LONGEST
