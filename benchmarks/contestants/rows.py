"""What the simple contestants have in common: read everything as the relay reads it, send the rest in packages."""

from dataclasses import dataclass

import aiohttp

from benchmarks.contestants.packages import Client, package
from benchmarks.contestants.starting import Job
from benchmarks.reading import Copy, issue_token, read_copy
from shared.jobs.job import load_maps
from shared.maps.table_map import TableMap

_BETWEEN_POLLS = 1.0
"""As a script polls: once a second."""


@dataclass(frozen=True)
class Sender:
    """Finance, and the maps that say what it is sent."""

    job: Job
    session: aiohttp.ClientSession
    client: Client
    maps: dict[str, TableMap]

    async def read(self) -> list[Copy]:
        """All rows of all invoices, mapped."""
        return await read_copy(self.job)

    async def send(self, stage: str, rows: list[list[str]]) -> None:
        """One package with rows of one map."""
        project = f"Script-{stage}"
        await self.client.import_package(project, self.job["company"], package(self.maps[stage], project, rows))


def open_sender(job: Job) -> Sender:
    """Open the session."""
    session = aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar(), connector=aiohttp.TCPConnector(limit=0))
    client = Client(session, job["finance"], issue_token(job, job["finance"]), _BETWEEN_POLLS)
    return Sender(job, session, client, load_maps())


def actuals_of(copy: Copy) -> list[list[str]]:
    """The rows of the second map."""
    return [row for page in copy.pages for row in page.actuals]


def connections_of(copy: Copy) -> list[list[str]]:
    """The rows of the third map."""
    return [row for page in copy.pages for row in page.connections]
