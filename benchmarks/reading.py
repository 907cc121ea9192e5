"""The app's own reading code without its ledger and queues: for contestants that need rows, and for prebuilt ones."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID

import aiohttp
from yarl import URL

from shared import clock
from shared.engine.ports import Ports
from shared.jobs.job import load_job, load_maps
from shared.maps.table_map import TableMap
from shared.project_operations.actual_pages import NEEDED
from shared.project_operations.billed_sales import billed_filter
from shared.project_operations.links import trace
from shared.services import dataverse
from shared.services.answers import Answer, Expected
from shared.services.dataverse import Dataverse
from shared.services.http import Service
from shared.services.sign_in import SignIn
from shared.services.throttle_gates import ThrottleGates
from shared.settings import read_settings
from simulators.tokens import issue


@dataclass
class PageCopy:
    """One page of billed sales as it was read: the rows of both maps, and the number of additional requests."""

    actuals: list[list[str]]
    connections: list[list[str]]
    requests: list[str]


@dataclass
class Copy:
    """One invoice as it was read."""

    header: list[str]
    header_request: str
    first_request: str
    pages: list[PageCopy] = field(default_factory=list)


class _Recorder(Service):
    """Keeps the addresses of what it gets."""

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self.addresses: list[str] = []

    async def get(
        self, url: URL, headers: Mapping[str, str] | None = None, expected: Expected = Expected.JSON
    ) -> Answer:
        self.addresses.append(url.raw_path_qs)
        return await super().get(url, headers, expected)

    def taken(self) -> list[str]:
        """The addresses since the last time."""
        taken, self.addresses = self.addresses, []
        return taken


@asynccontextmanager
async def reader(job: Mapping[str, Any]) -> AsyncIterator[tuple[Ports, _Recorder]]:
    """The subset of the app's ports that reading and mapping need. The gate is always open, because nothing
    throttles here."""
    settings = read_settings(job["settings"])
    signin = SimpleNamespace(token=_issuer(job))
    gates = SimpleNamespace(pass_through=_open)
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar(), auto_decompress=True) as session:
        service = _Recorder(
            name=dataverse.NAME,
            origin=job["dataverse"],
            session=session,
            signin=cast("SignIn", signin),
            gates=cast("ThrottleGates", gates),
            clock=clock.now,
            concurrency=settings.dataverse_concurrency,
            longest_wait=timedelta(seconds=60),
            forms=dataverse.FORMS,
        )
        ports = SimpleNamespace(settings=settings, maps=load_maps(), dataverse=Dataverse(service), now=clock.now)
        yield cast("Ports", ports), service


async def read_copy(job: Mapping[str, Any]) -> list[Copy]:
    """Read all invoices of the job, one after the other."""
    async with reader(job) as (ports, service):
        return [await _read_invoice(ports, service, UUID(invoice_id)) for invoice_id in job["invoices"]]


async def _read_invoice(ports: Ports, service: _Recorder, invoice_id: UUID) -> Copy:
    service.taken()
    header, actuals, connections = (ports.maps[stage] for stage in load_job().maps)
    invoice = await ports.dataverse.one(header.source.set, invoice_id, header.query)
    assert invoice is not None, "the invoice was made a moment ago"
    copy = Copy(header.write(invoice, ports.settings.zone), service.taken()[0], "")
    options = billed_options(actuals, str(invoice_id))
    async for billed in ports.dataverse.pages(actuals.source.set, options, size=ports.settings.page_rows):
        asked = service.taken()
        copy.first_request = copy.first_request or asked[0]
        produced = await trace(ports, billed)
        copy.pages.append(
            PageCopy(
                [actuals.write(row, ports.settings.zone) for row in [*billed, *produced.unbilled]],
                [connections.write(row, ports.settings.zone) for row in produced.connections],
                service.taken(),
            )
        )
    return copy


def billed_options(actuals: TableMap, invoice_id: str) -> dict[str, str]:
    """The query for the billed sales of an invoice with all that the map needs."""
    select = ",".join(sorted({*actuals.query["$select"].split(","), *NEEDED}))
    return {**actuals.query, "$select": select, "$filter": billed_filter(actuals, UUID(invoice_id))}


def _issuer(job: Mapping[str, Any]) -> Any:
    async def token(audience: str, *, refused: str | None = None) -> str:
        del refused
        return issue_token(job, audience)

    tokens: dict[str, str] = {}

    async def kept(audience: str, *, refused: str | None = None) -> str:
        if audience not in tokens:
            tokens[audience] = await token(audience, refused=refused)
        return tokens[audience]

    return kept


def issue_token(job: Mapping[str, Any], audience: str) -> str:
    """A token for one of the services, made without asking the sign-in simulator: signing in is not what is raced."""
    return issue(
        secret=job["tokenSecret"],
        issuer="",
        tenant=job["tenant"],
        audience=audience,
        client_id=job["clientId"],
        lifetime=3600,
    )


async def _open(service: str) -> None:
    del service
