"""A plain HTTP client of a Dataverse organization, as the tests need one."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from urllib.parse import quote

import aiohttp
from yarl import URL

from simulators import tokens

SECRET = "a secret of the simulated tenant only, nothing else"
API = "/api/data/v9.2/"
BILLED = 192350006
UNBILLED = 192350005


@dataclass(frozen=True)
class Reply:
    """An answer with its body as bytes."""

    status: int
    body: bytes
    headers: dict[str, str]

    @property
    def json(self) -> Any:
        """The body, decimals exact."""
        return json.loads(self.body, parse_float=Decimal)

    @property
    def rows(self) -> list[dict[str, Any]]:
        assert self.status == 200, self.body[:500]
        return list(self.json["value"])

    @property
    def error(self) -> tuple[int, str]:
        """Status and code of a refusal."""
        return self.status, str(self.json["error"]["code"])

    @property
    def message(self) -> str:
        return str(self.json["error"]["message"])


class Dataverse:
    """Speaks to one organization as the application user `user`, or as a `person`."""

    def __init__(self, url: str, session: aiohttp.ClientSession, user: str = "relay", person: str = "") -> None:
        self.url, self.session, self.user, self.person = url, session, user, person

    @property
    def token(self) -> str:
        return tokens.issue(
            secret=SECRET,
            issuer="https://idp",
            tenant="t",
            audience=self.url,
            client_id=self.user,
            lifetime=600,
            person=self.person,
        )

    async def call(self, method: str, path: str, body: Any = None, **headers: str) -> Reply:
        """Send a request; header names have `_` for `-`; `path` is relative, or a link followed as it is."""
        url = path if path.startswith("http") else self.url + (path if path.startswith("/") else API + path)
        sent = {"Authorization": f"Bearer {self.token}"}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        async with self.session.request(method, URL(url, encoded=True), data=data, headers=sent) as answer:
            return Reply(
                answer.status, await answer.read(), {name.lower(): text for name, text in answer.headers.items()}
            )

    async def get(self, path: str, **headers: str) -> Reply:
        return await self.call("GET", path, **headers)

    async def query(self, entity_set: str, prefer: str = "", **options: str) -> Reply:
        """GET a set with `$` options, encoded."""
        text = "&".join(f"${name}={quote(value)}" for name, value in options.items())
        return await self.get(f"{entity_set}?{text}", **({"Prefer": prefer} if prefer else {}))

    async def pages(self, entity_set: str, prefer: str = "", **options: str) -> AsyncIterator[Reply]:
        """Follow next links as they are."""
        reply = await self.query(entity_set, prefer, **options)
        while True:
            yield reply
            link = reply.json.get("@odata.nextLink")
            if link is None:
                return
            reply = await self.get(link, **({"Prefer": prefer} if prefer else {}))

    async def all(self, entity_set: str, **options: str) -> list[dict[str, Any]]:
        return [row async for page in self.pages(entity_set, **options) for row in page.rows]

    async def sim(self, method: str, path: str, body: Any = None, status: int | None = None) -> Any:
        """Use a control endpoint and return its JSON."""
        async with self.session.request(method, f"{self.url}/sim/{path}", json=body) as answer:
            text = await answer.text()
            assert answer.status == status or (status is None and answer.ok), text
            return json.loads(text) if text else None

    async def lines(self, path: str) -> list[dict[str, Any]]:
        """Read JSON lines from a control endpoint."""
        async with self.session.get(f"{self.url}/sim/{path}") as answer:
            assert answer.ok, await answer.text()
            return [json.loads(line) async for line in answer.content]

    async def switch(self, **switches: Any) -> None:
        await self.sim("PUT", "switches", switches)

    async def invoice(self, lines: int = 20, **order: Any) -> dict[str, Any]:
        """Create a draft."""
        created: dict[str, Any] = await self.sim("POST", "invoices", {"lines": lines, **order})
        return created

    async def confirmed(self, lines: int = 20, **order: Any) -> dict[str, Any]:
        """Create an invoice and confirm it."""
        return await self.confirm((await self.invoice(lines, **order))["invoiceId"])

    async def confirm(self, invoice_id: str) -> dict[str, Any]:
        confirmed: dict[str, Any] = await self.sim("POST", f"invoices/{invoice_id}/confirm")
        return confirmed
