"""(e) The ceiling: the best schedule that the cost model allows.

Packages are prebuilt; what it reads it throws away. It reads all rows that the relay has to read, with the same
requests, as many at once as Dataverse advises, while the header is still being imported. As soon as the pages of a
lane's package are read and the header is in, the package goes. No ledger, no queue, no mapping, no verification, no
recovery.
"""

import asyncio
import pickle
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import batched
from pathlib import Path
from typing import Any

import aiohttp
from yarl import URL

from benchmarks.contestants.packages import Client, package
from benchmarks.contestants.starting import Job, Work, compete
from benchmarks.reading import Copy, issue_token
from shared.jobs.job import load_job, load_maps
from shared.project_operations.codes import ACTUALS, INVOICES
from shared.settings import Settings, read_settings

_AT_ONCE = 48
"""What Dataverse advises by x-ms-dop-hint."""
_BETWEEN_POLLS = 0.02
_SMALLEST = 5000
"""Rows for which a second lane pays: fewer than this and the package is not divided."""


@dataclass(frozen=True)
class Freight:
    """One prebuilt package, and the pages that have to be read before it may go."""

    stage: str
    project: str
    content: bytes
    pages: frozenset[tuple[int, int]]


async def get_ready(job: Job) -> Work:
    """Build all packages and open the session."""
    settings = read_settings(job["settings"])
    copies: list[Copy] = pickle.loads(Path(job["copy"]).read_bytes())  # noqa: S301, ASYNC240 - our own file, at start
    freights = _freights(settings, copies)
    session = aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar(), connector=aiohttp.TCPConnector(limit=0))
    race = _Race(job, copies, freights, session)
    return race.run


def _freights(settings: Settings, copies: Sequence[Copy]) -> list[Freight]:
    steps, maps = load_job(), load_maps()
    freights = []
    for stage in steps.maps:
        pieces = _pieces(stage, copies)
        rows = sum(len(piece) for _, piece in pieces)
        lanes = max(1, min(settings.lanes.get(stage, steps.step(stage).lanes), rows // _SMALLEST))
        for lane, share in enumerate(_shares(pieces, lanes)):
            project = f"Bench-{stage}-{lane + 1}"
            content = package(maps[stage], project, [row for _, piece in share for row in piece])
            freights.append(Freight(stage, project, content, frozenset(place for place, _ in share)))
    return freights


type _Pieces = list[tuple[tuple[int, int], list[list[str]]]]


def _pieces(stage: str, copies: Sequence[Copy]) -> _Pieces:
    """The rows of a map, page by page, each page named by its invoice and number; the header is page -1."""
    if stage == INVOICES:
        return [((number, -1), [copy.header]) for number, copy in enumerate(copies)]
    return [
        ((number, place), page.actuals if stage == ACTUALS else page.connections)
        for number, copy in enumerate(copies)
        for place, page in enumerate(copy.pages)
    ]


def _shares(pieces: _Pieces, lanes: int) -> list[_Pieces]:
    """Divide the rows evenly over the lanes, in the order of reading; a page may be divided too."""
    rows = [(place, row) for place, piece in pieces for row in piece]
    shares: list[_Pieces] = []
    for share in batched(rows, -(-len(rows) // lanes), strict=False):
        grouped: dict[tuple[int, int], list[list[str]]] = {}
        for place, row in share:
            grouped.setdefault(place, []).append(row)
        shares.append(list(grouped.items()))
    return shares


class _Race:
    def __init__(
        self, job: Job, copies: Sequence[Copy], freights: Sequence[Freight], session: aiohttp.ClientSession
    ) -> None:
        self.job, self.copies, self.freights, self.session = job, copies, freights, session
        self.finance = Client(session, job["finance"], issue_token(job, job["finance"]), _BETWEEN_POLLS)
        self.headers = {
            "Authorization": f"Bearer {issue_token(job, job['dataverse'])}",
            "Accept": "application/json",
            "OData-Version": "4.0",
            "Prefer": "odata.maxpagesize=5000",
        }
        self.slots = asyncio.Semaphore(_AT_ONCE)
        self.read = {
            (number, place): asyncio.Event()
            for number, copy in enumerate(copies)
            for place in range(-1, len(copy.pages))
        }

    async def run(self) -> None:
        reading = asyncio.gather(*(self._read_invoice(number) for number in range(len(self.copies))))
        for stage in load_job().maps:
            await asyncio.gather(*(self._send(freight) for freight in self.freights if freight.stage == stage))
        await reading
        await self.session.close()

    async def _send(self, freight: Freight) -> None:
        for place in freight.pages:
            await self.read[place].wait()
        await self.finance.import_package(freight.project, self.job["company"], freight.content)

    async def _read_invoice(self, number: int) -> None:
        copy = self.copies[number]
        await self._get(copy.header_request)
        self.read[number, -1].set()
        following: Any = copy.first_request
        async with asyncio.TaskGroup() as group:
            for place in range(len(copy.pages)):
                content = await self._get(following)
                following = _next_link(content, self.job["dataverse"])
                group.create_task(self._read_page(number, place))

    async def _read_page(self, number: int, place: int) -> None:
        await asyncio.gather(*(self._get(request) for request in self.copies[number].pages[place].requests))
        self.read[number, place].set()

    async def _get(self, path: str) -> bytes:
        async with self.slots:
            url = URL(self.job["dataverse"] + path, encoded=True)
            async with self.session.get(url, headers=self.headers) as answer:
                answer.raise_for_status()
                return await answer.read()


def _next_link(content: bytes, origin: str) -> str:
    """The path of the next link, found without parsing the page; empty on the last page."""
    mark = b'"@odata.nextLink":"'
    place = content.rfind(mark)
    if place < 0:
        return ""
    link = content[place + len(mark) : content.index(b'"', place + len(mark))].decode()
    return link.removeprefix(origin)


if __name__ == "__main__":
    compete(get_ready)
