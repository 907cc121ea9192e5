"""One authenticated HTTP call to Dataverse or Finance, and what its answer means.

Every request passes the service's throttle gate, carries a token, and follows no redirect. A 401 drops the token and
tries once more. Everything else that is not an answer becomes one of the errors in `shared/errors.py`.
"""

import asyncio
import json
from collections.abc import Callable, Iterator, Mapping
from copy import copy
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any

import aiohttp
from yarl import URL

from shared.clock import jitter
from shared.errors import ContractBroken, Refused, SignInFailed, Throttled, Unavailable
from shared.gates import GATE_SPREAD, Gates, retry_instant
from shared.rows import cut
from shared.signin import SignIn
from shared.slots import Slots

_PASSING = {408, 500, 502, 503, 504}
_PASSING_CODES = {"0x80044150", "0x80044151"}
"""Dataverse's SQL deadlock and SQL time-out, which may come with any status."""
_LONGEST_TEXT = 2000


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON number")


_EXACT = json.JSONDecoder(parse_float=Decimal, parse_constant=_refuse_constant)


@dataclass(frozen=True)
class Answer:
    """A 2xx answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self, service: str) -> dict[str, Any]:
        """The body as an object, decimals exact. Raises ContractBroken."""
        value = self._parse(service, self.body)
        if not isinstance(value, dict):
            raise ContractBroken(service, "the answer is not a JSON object")
        return value

    def page(self, service: str) -> tuple[list[dict[str, Any]], str | None]:
        """The rows of an OData collection, and the link to the next ones. Raises ContractBroken."""
        rows, link = self.stream(service)
        return list(rows), link

    def stream(self, service: str) -> tuple[Iterator[dict[str, Any]], str | None]:
        """As `page`, but each row is made only when it is asked for. Raises ContractBroken, also while iterating."""
        found = cut(self.body, partial(self._parse, service))
        rows, body = found or (None, self.json(service))
        link, value = body.get("@odata.nextLink"), body.get("value")
        if not isinstance(value, list) or not (link is None or isinstance(link, str)):
            raise ContractBroken(service, "a page without a list of rows, or with a next link that is no text")
        return rows or iter(value), link or None

    def _parse(self, service: str, content: bytes) -> Any:
        try:
            return _EXACT.decode(content.decode("utf-8-sig"))
        except (ValueError, RecursionError) as error:
            raise ContractBroken(service, f"the answer is not JSON: {content[:80]!r}") from error


@dataclass(frozen=True)
class Complaint:
    """What a service says is wrong: its code (may be empty) and its text."""

    code: str
    text: str


class Service:
    """The HTTP side of one service. `explain` reads its error body."""

    def __init__(
        self,
        *,
        name: str,
        origin: str,
        session: aiohttp.ClientSession,
        signin: SignIn,
        gates: Gates,
        clock: Callable[[], datetime],
        concurrency: int,
        longest_wait: timedelta,
        explain: Callable[[bytes], Complaint],
    ) -> None:
        self.name = name
        self.origin = URL(origin).origin()
        self._session = session
        self._signin = signin
        self._gates = gates
        self._clock = clock
        self._slots = Slots(concurrency)
        self._longest_wait = longest_wait
        self._explain = explain
        self._patient_until = datetime.min.replace(tzinfo=UTC)

    def patient(self, until: datetime) -> "Service":
        """The same service for a reader who can wait until then: a GET that is asked to wait less long waits where it
        is."""
        patient = copy(self)
        patient._patient_until = until  # noqa: SLF001 - a copy of its own
        return patient

    def url(self, path_and_query: str) -> URL:
        """A URL of this service; the text is taken as it stands."""
        return URL(f"{self.origin}{path_and_query}", encoded=True)

    def own_url(self, link: str, path: str) -> URL:
        """A link that the service gave us, verbatim, if it leads to this `path` of the service itself. Raises
        ContractBroken.

        A link with another scheme, host, port or user part would carry our token elsewhere, and one with a space or a
        line break cannot be sent as it stands.
        """
        try:
            url = URL(link, encoded=True)
            at_home = (url.scheme, url.host, url.port) == (self.origin.scheme, self.origin.host, self.origin.port)
            is_own = at_home and url.user is None and url.password is None and url.raw_path == path
        except ValueError:
            is_own = False
        if not is_own or any(character <= " " for character in link):
            raise ContractBroken(self.name, f"a link leads away from {self.origin}{path}: {link[:120]!r}")
        return url

    async def get(self, url: URL, headers: Mapping[str, str] | None = None) -> Answer:
        """GET. Raises Throttled, Unavailable, Refused, SignInFailed or ContractBroken."""
        while True:
            try:
                return await self._call("GET", url, headers or {}, None)
            except Throttled as throttled:
                again = throttled.until + jitter(GATE_SPREAD)
                if again > self._patient_until:
                    raise
                await asyncio.sleep((again - self._clock()).total_seconds())

    async def post(self, url: URL, body: Mapping[str, Any]) -> Answer:
        """POST a JSON object. Raises as get does; after Unavailable the service may have done the work."""
        return await self._call("POST", url, {"Content-Type": "application/json"}, json.dumps(body).encode())

    async def send(self, url: URL, headers: Mapping[str, str], body: bytes) -> Answer:
        """POST a body of another kind. Raises as post does."""
        return await self._call("POST", url, headers, body)

    async def _call(self, method: str, url: URL, headers: Mapping[str, str], body: bytes | None) -> Answer:
        token = await self._token()
        status, answer_headers, content = await self._send(method, url, headers, body, token)
        if status == 401:
            token = await self._token(refused=token)
            status, answer_headers, content = await self._send(method, url, headers, body, token)
        if 200 <= status < 300:
            return Answer(status, answer_headers, content)
        raise await self.meaning(status, answer_headers, content)

    async def _token(self, refused: str | None = None) -> str:
        try:
            return await self._signin.token(str(self.origin), refused=refused)
        except SignInFailed as error:
            # Told of the service that the token was for: that is whose gate closes.
            raise SignInFailed(self.name, error.reason, passing=error.passing) from error

    async def _send(
        self, method: str, url: URL, headers: Mapping[str, str], body: bytes | None, token: str
    ) -> tuple[int, Mapping[str, str], bytes]:
        async with self._slots:
            await self._gates.pass_through(self.name)
            try:
                async with self._session.request(
                    method,
                    url,
                    data=body,
                    headers={"Accept": "application/json", **headers, "Authorization": f"Bearer {token}"},
                    allow_redirects=False,
                ) as response:
                    if (hint := response.headers.get("x-ms-dop-hint", "")).isdecimal():
                        self._slots.advise(int(hint))
                    content = await response.read()
                    if response.ok:
                        self._slots.grow()
                    return response.status, response.headers, content
            except (aiohttp.ClientError, TimeoutError, ConnectionError) as error:
                raise Unavailable(self.name, f"{type(error).__name__} on {method} {url.path}") from error

    async def meaning(self, status: int, headers: Mapping[str, str], content: bytes) -> Exception:
        """The error that an answer without success stands for. One that asks to wait closes the gate."""
        complaint = self._explain(content)
        text = complaint.text[:_LONGEST_TEXT]
        if status == 429 or (status == 503 and "Retry-After" in headers):
            until = retry_instant(headers.get("Retry-After"), self._clock(), self._longest_wait)
            self._slots.shrink()
            await self._gates.close(self.name, until, text or f"HTTP {status}")
            return Throttled(self.name, until, text or f"HTTP {status}")
        if status in {401, 403}:
            return SignInFailed(
                self.name, f"HTTP {status}: {text or headers.get('WWW-Authenticate', 'no reason given')}"
            )
        if status in _PASSING or complaint.code in _PASSING_CODES:
            return self._passing(status, complaint)
        if 300 <= status < 400:
            return ContractBroken(self.name, f"HTTP {status} redirects to {headers.get('Location', 'nowhere')[:120]}")
        return Refused(self.name, status, complaint.code, text)

    def _passing(self, status: int, complaint: Complaint) -> Exception:
        return Unavailable(self.name, f"HTTP {status} {complaint.code} {complaint.text[:200]}".strip())
