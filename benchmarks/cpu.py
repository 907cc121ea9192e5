"""Our own CPU without any service: read, map, encode and zip one page, against a bare loop over the same bytes.

    ours   parse the page, map every row, count money and keys, encode, zip, as the app does
    bare   decode the same JSON, write the same number of its values by csv.writer, zip

Both take the same page from the simulator, in this process, in turn; the clock is the process's CPU time.
"""

import asyncio
import csv
import io
import json
import time
import zlib
from collections.abc import Callable
from decimal import Decimal
from types import SimpleNamespace
from typing import Any, cast

from benchmarks.reading import billed_options, reader
from benchmarks.workload import Round
from shared.engine.ports import Ports
from shared.project_operations.actual_batches import ActualBatches
from shared.project_operations.codes import ACTUALS
from shared.services.answers import Answer, Asked, Reply
from shared.storage.landing import encode


def measure(ground: Round, rounds: int) -> tuple[list[float], list[float], int]:
    """CPU seconds of ours and of the bare loop, round by round, and how many rows were in the page."""
    body, ports = asyncio.run(_page(ground.job))
    works: tuple[Callable[[], int], ...] = (lambda: _ours(body, ports), lambda: _bare(body))
    taken: tuple[list[float], list[float]] = ([], [])
    rows = 0
    for _ in range(rounds + 1):
        for work, seconds in zip(works, taken, strict=True):
            began = time.process_time()
            rows = work()
            seconds.append(time.process_time() - began)
    # The first round fills caches and is not counted.
    return taken[0][1:], taken[1][1:], rows


async def _page(job: dict[str, Any]) -> tuple[bytes, Ports]:
    async with reader(job) as (ports, service):
        table_map = ports.maps[ACTUALS]
        options = billed_options(table_map, job["invoices"][0])
        found = await ports.dataverse.page(table_map.source.set, options, cursor="", size=5000)
        [address] = service.taken()
        answer = await service.get(service.url(address), {"Prefer": "odata.maxpagesize=5000"})
        assert found.rows
        return answer.body, cast("Ports", SimpleNamespace(maps=ports.maps, settings=ports.settings))


def _ours(body: bytes, ports: Ports) -> int:
    rows, _ = Answer("Dataverse", Asked("GET", "/"), Reply(200, {}, body)).stream()
    actuals = ActualBatches(ports)
    for row in rows:
        actuals.add(row, is_billed=True)
    zipper = zlib.compressobj(1)
    count = 0
    for batch in actuals.batches():
        zipper.compress(encode(batch.rows))
        count += len(batch.rows)
    zipper.flush()
    return count


def _bare(body: bytes) -> int:
    rows = json.loads(body, parse_float=Decimal)["value"]
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\r\n").writerows(_plain(row) for row in rows)
    zipper = zlib.compressobj(1)
    zipper.compress(text.getvalue().encode("utf-16-le"))
    zipper.flush()
    return len(rows)


def _plain(row: dict[str, Any]) -> list[Any]:
    """The values as they come: expanded lookups by their values, nothing chosen and nothing changed."""
    values: list[Any] = []
    for value in row.values():
        values.extend(value.values() if isinstance(value, dict) else (value,))
    return values
