"""What the page costs storage: opening Runs reads one page of the register, however many runs there are."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from itertools import batched
from typing import Any
from uuid import UUID

import pytest
from azure.data.tables.aio import TableClient, TableServiceClient

from shared.ledger.run import Run
from shared.ledger.run_list import RunList
from shared.project_operations.codes import ACTUALS
from shared.storage.throughput import SLOT, Throughput
from simulators.azurite import Azurite
from tests.contract.wiring import Clock

RUNS = 3000
START = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
async def table(azurite: Azurite) -> AsyncIterator[TableClient]:
    """A register of three thousand runs."""
    service = TableServiceClient.from_connection_string(azurite.connection_string())
    async with service, service.get_table_client("pageregister") as table:
        await table.create_table()
        for some in batched(range(RUNS), 100, strict=False):
            await table.submit_transaction([("create", entry(number)) for number in some])
        yield table


def entry(number: int) -> dict[str, Any]:
    """A run as the register holds it; every hundredth needs attention."""
    at = START + timedelta(minutes=number)
    left = int((datetime(3000, 1, 1, tzinfo=UTC) - at).total_seconds() * 1000)
    return {
        "PartitionKey": "run",
        "RowKey": f"{left:016}|{UUID(int=number)}",
        "runId": f"{number:032x}",
        "number": f"PRO-{number:06}",
        "company": "usmf",
        "state": "completed" if number % 100 else "needs attention",
        "final": True,
        "detail": "",
        "rejected": 0,
        "expected": "",
        "acceptedAt": at.isoformat(),
        "updatedAt": at.isoformat(),
    }


async def _unasked(invoice_id: UUID) -> Run | None:
    raise AssertionError(f"the run of {invoice_id} was read, which rests")


async def counted(table: TableClient, **query: Any) -> tuple[int, list[str]]:
    """How many requests it takes to read the first fifty entries, and their numbers."""
    requests: list[Any] = []
    numbers: list[str] = []
    original = table.query_entities

    def counting(*positional: Any, **named: Any) -> Any:
        return original(*positional, **named, raw_response_hook=requests.append)

    table.query_entities = counting  # type: ignore[method-assign]
    try:
        async for found in RunList(table, _unasked).entries(page_size=51, **query):
            numbers.append(found.number)
            if len(numbers) > 50:
                break
    finally:
        table.query_entities = original  # type: ignore[method-assign]
    return len(requests), numbers


async def test_the_first_page_of_thousands_of_runs_is_one_request(table: TableClient) -> None:
    requests, numbers = await counted(table)
    assert requests == 1
    assert numbers == [f"PRO-{RUNS - 1 - place:06}" for place in range(51)]


async def test_a_page_far_down_is_one_request_too(table: TableClient) -> None:
    after = str(entry(1000)["RowKey"])
    requests, numbers = await counted(table, after=after)
    assert (requests, numbers[0], len(numbers)) == (1, "PRO-000999", 51)


async def test_a_day_of_imports_is_a_bounded_number_of_counters_that_go_round(azurite: Azurite) -> None:
    clock = Clock()
    service = TableServiceClient.from_connection_string(azurite.connection_string())
    async with service, service.get_table_client("pagethroughput") as counters:
        await counters.create_table()
        throughput = Throughput(counters, clock.now)
        for _ in range(100):
            await throughput.count(ACTUALS, rows=10, rejected=1)
            clock.advance(SLOT)
        slots = await throughput.last_day()
        assert 95 <= len(slots) <= 96
        assert all((slot.imports, slot.rows, slot.rejected) == (1, 10, 1) for slot in slots)
        assert len([row async for row in counters.query_entities("PartitionKey eq 'throughput'")]) == 96
        await throughput.count(ACTUALS, rows=5, rejected=0)
        await throughput.count(ACTUALS, rows=5, rejected=0)
        assert (await throughput.last_day())[-1].imports == 2
