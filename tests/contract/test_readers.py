"""Under tight limits readers finish: their answers are kept, and they do not starve each other."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from shared.clock import now
from shared.engine.messages import Load
from shared.engine.ports import Ports
from shared.engine.worker import work
from shared.errors import Throttled
from shared.project_operations.codes import ACTUALS
from shared.services.answers import Reply as AnswerReply
from shared.services.dataverse import IDS_IN_A_URL
from shared.services.reader import LONGEST_READING, AnswerBudget, Reader
from shared.storage.kept_answers import KEPT_FOR
from tests.contract.server import Received, Reply, Server, said
from tests.contract.test_wiring import ports
from tests.contract.wiring import Clock

__all__ = ["ports"]

AT_A_TIME = 8
NEEDED = 22
TOO_MANY = {"error": {"code": "0x80072322", "message": "Number of requests exceeded the limit of 8."}}


class Limited:
    """A service that answers a limited number of requests per second."""

    def __init__(self) -> None:
        self.answered: list[str] = []
        self.refused = 0
        self._left = AT_A_TIME

    def open(self) -> None:
        """Begin another window."""
        self._left = AT_A_TIME

    def only(self, left: int) -> None:
        """Answer `left` requests until the next window."""
        self._left = left

    def answer(self, request: Received) -> Reply:
        """An answer, or the wish to wait."""
        if not self._left:
            self.refused += 1
            return said(TOO_MANY, 429, Retry_After="1")
        self._left -= 1
        self.answered.append(request.target)
        return said({"value": [{"msdyn_actualid": request.target[-20:]}]})


async def read(ports: Ports, ids: list[UUID]) -> int:
    """Read a page with its related rows: many requests, some of them concurrent."""
    portions = ports.dataverse.rows_in("msdyn_actuals", ("msdyn_actualid",), ids, {"$select": "msdyn_actualid"})
    return sum([len(rows) async for rows in portions])


async def opened(ports: Ports) -> None:
    """Wait until the gate lets requests through."""
    if gate := await ports.gates.look("Dataverse"):
        await asyncio.sleep(max(0.0, (gate.until - now()).total_seconds()))


def impatient(ports: Ports) -> None:
    """No reader waits in place: each refusal delays the message."""
    object.__setattr__(ports, "settings", ports.settings.model_copy(update={"throttle_in_place": 0.0}))


async def test_a_page_of_more_requests_than_are_answered_at_a_time_comes_to_its_end(
    ports: Ports, server: Server
) -> None:
    """The reader restarted from the beginning after each refusal: 0 rows in 404 seconds."""
    limited, found = Limited(), []
    server.rule = limited.answer
    ids = [uuid4() for _ in range(NEEDED * IDS_IN_A_URL)]
    impatient(ports)
    await opened(ports)

    async def handler(reading: Ports, message: Any) -> None:
        del message
        found.append(await read(reading, ids))

    body = Load(stage=ACTUALS, subject=uuid4()).model_dump_json().encode()
    for _ in range(3):
        limited.open()
        await opened(ports)
        await work(ports, ACTUALS, body, 1, {"load": handler})
    assert found == [NEEDED]
    assert len(limited.answered) == len(set(limited.answered)) == NEEDED


async def test_what_was_kept_is_gone_with_the_end_of_the_page(ports: Ports, server: Server) -> None:
    limited = Limited()
    server.rule = limited.answer
    ids = [uuid4() for _ in range(2 * AT_A_TIME * IDS_IN_A_URL)]
    name = f"{uuid4()}/answers/x"
    impatient(ports)
    await opened(ports)
    with pytest.raises(Throttled):
        await _reading(ports, name, ids)
    assert len(await ports.kept_answers.load(name, now())) == AT_A_TIME
    assert await ports.kept_answers.load(name, now() + KEPT_FOR + timedelta(seconds=5)) == []
    await opened(ports)
    limited.open()
    assert await _reading(ports, name, ids) == 2 * AT_A_TIME
    assert await ports.kept_answers.load(name, now()) == []


async def _reading(ports: Ports, name: str, ids: list[UUID]) -> int:
    async with ports.reading(name):
        return await read(ports, ids)


async def test_who_asks_the_same_twice_asks_the_service_twice(ports: Ports, server: Server) -> None:
    """Counting again at the end must not be answered with the count of the beginning."""
    limited, ids = Limited(), [uuid4()]
    server.rule = limited.answer
    name = f"{uuid4()}/answers/x"
    impatient(ports)
    await opened(ports)
    limited.only(2)
    with pytest.raises(Throttled):
        await _repeat(ports, name, ids, 3)
    await opened(ports)
    limited.open()
    await _repeat(ports, name, ids, 4)
    assert len(limited.answered) == 4


async def _repeat(ports: Ports, name: str, ids: list[UUID], times: int) -> None:
    async with ports.reading(name):
        for _ in range(times):
            await read(ports, ids)


async def test_of_many_readers_one_goes_on_while_the_service_limits_them(ports: Ports, server: Server) -> None:
    """All of them came back when the gate opened, and none got to the end of its page."""
    limited = Limited()
    server.rule = limited.answer
    pages = [[uuid4() for _ in range(4 * IDS_IN_A_URL)] for _ in range(6)]

    async def page(ids: list[UUID]) -> int:
        for _ in range(40):
            try:
                return await _reading(ports, f"{ids[0]}/answers/x", ids)
            except Throttled:
                await opened(ports)
                limited.open()
                await asyncio.sleep(0.05)
        raise AssertionError("a page never came to its end")

    impatient(ports)
    await opened(ports)
    async with asyncio.timeout(60):
        assert await asyncio.gather(*map(page, pages)) == [4] * 6
    assert len(limited.answered) == len(set(limited.answered)) == 24


def test_a_reader_waits_for_so_long_since_its_last_answer_and_never_as_long_as_the_host_does() -> None:
    clock = Clock()
    reader = Reader(clock.now, timedelta(seconds=60))
    began = clock.now()
    for minute in range(1, 12):
        assert reader.until == min(began + timedelta(minutes=minute), began + LONGEST_READING)
        clock.advance(timedelta(minutes=1))
        reader.take("x", AnswerReply(200, {}, b""))


def test_answers_that_do_not_fit_are_asked_for_again() -> None:
    budget = AnswerBudget(10)
    reader = Reader(now, timedelta(), budget)
    for size in (6, 6, 4):
        reader.take(str(size), AnswerReply(200, {}, b"x" * size))
    assert [name for name, _ in reader.answers] == ["6", "4"]
    reader.leave()
    assert budget.take(10)
