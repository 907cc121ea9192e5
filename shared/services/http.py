"""One authenticated HTTP call to Dataverse or Finance, and what its answer means.

Every request passes the service's throttle gate, carries a token, and follows no redirect. A 401 drops the token and
tries once more. What an answer means is decided in `shared/services/answers.py`; what is not a good answer becomes one
of the errors in `shared/errors.py` here.
"""

import asyncio
import json
import re
from collections.abc import Callable, Coroutine, Mapping
from copy import copy
from datetime import datetime, timedelta
from typing import Any

import aiohttp
from yarl import URL

from shared.clock import jitter
from shared.errors import ContractBroken, NotPermitted, Refused, SignInFailed, Throttled, Unavailable
from shared.services.answers import (
    Answer,
    Asked,
    Expected,
    Forbidden,
    Forms,
    Meaning,
    Refusal,
    Reply,
    Shut,
    Throttling,
    Unusable,
    judge,
)
from shared.services.concurrency_limit import ConcurrencyLimit
from shared.services.reader import Reader, name_of
from shared.services.sign_in import SignIn
from shared.services.throttle_gates import GATE_SPREAD, ThrottleGates, retry_instant
from shared.services.turns import Turns

_PRIVILEGE = re.compile(r"\bprv[A-Za-z_0-9]+")
"""Dataverse's name of a privilege, which is the same in every language."""

_LAST_ANSWER = 15.0
"""Seconds for which a reader that leaves off waits for what it has asked already."""
_TURN = timedelta(seconds=5)
"""After this long a reader that is not in turn asks again."""


class Service:
    """The HTTP side of one service; `forms` are those in which it says no."""

    def __init__(
        self,
        *,
        name: str,
        origin: str,
        session: aiohttp.ClientSession,
        signin: SignIn,
        gates: ThrottleGates,
        clock: Callable[[], datetime],
        concurrency: int,
        longest_wait: timedelta,
        forms: Forms,
    ) -> None:
        self.name = name
        self.origin = URL(origin).origin()
        self._session = session
        self._signin = signin
        self._gates = gates
        self._clock = clock
        self._limit = ConcurrencyLimit(concurrency)
        self._longest_wait = longest_wait
        self._forms = forms
        self._turns = Turns()
        self._reader: Reader | None = None

    def patient(self, reader: Reader) -> "Service":
        """The same service for a reader: a GET that is asked to wait waits where it is, for as long as the reader can
        and it is its turn; what the reader was answered before it left off is not asked for again."""
        patient = copy(self)
        patient._reader = reader  # noqa: SLF001 - a copy of its own
        return patient

    def leave(self, reader: Reader, *, refused: bool) -> None:
        """A reader has ended, or left off because the service asked it to wait."""
        self._turns.leave(reader, refused=refused)

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

    async def get(
        self, url: URL, headers: Mapping[str, str] | None = None, expected: Expected = Expected.JSON
    ) -> Answer:
        """GET. Raises Throttled, Unavailable, Refused, NotPermitted or SignInFailed."""
        asked = Asked("GET", url.path, expected)
        if self._reader is None:
            return await self._call(asked, url, headers or {}, None)
        name = name_of(str(url), headers or {})
        if known := self._reader.recall(name):
            return Answer(self.name, asked, known)
        return await self._get_patiently(self._reader, name, asked, url, headers or {})

    async def _get_patiently(
        self, reader: Reader, name: str, asked: Asked, url: URL, headers: Mapping[str, str]
    ) -> Answer:
        while True:
            if not self._turns.admits(reader):
                raise Throttled(self.name, self._clock() + _TURN, "it limits us, and another reader has its turn")
            try:
                return await _to_its_end(self._call(asked, url, headers, None), reader, name)
            except Throttled as throttled:
                self._turns.narrow()
                again = throttled.until + jitter(GATE_SPREAD)
                if again > reader.until or not self._turns.admits(reader):
                    raise
                await asyncio.sleep((again - self._clock()).total_seconds())

    async def post(self, url: URL, body: Mapping[str, Any]) -> Answer:
        """POST a JSON object. Raises as get does; after Unavailable the service may have done the work."""
        return await self.send(url, {"Content-Type": "application/json"}, json.dumps(body).encode(), Expected.JSON)

    async def send(self, url: URL, headers: Mapping[str, str], body: bytes, expected: Expected) -> Answer:
        """POST a body of another kind. Raises as post does."""
        return await self._call(Asked("POST", url.path, expected), url, headers, body)

    async def _call(self, asked: Asked, url: URL, headers: Mapping[str, str], body: bytes | None) -> Answer:
        token = await self._token()
        reply = await self._send(asked.verb, url, headers, body, token)
        if reply.status == 401:
            token = await self._token(refused=token)
            reply = await self._send(asked.verb, url, headers, body, token)
        return await self.judged(asked, reply)

    async def _token(self, refused: str | None = None) -> str:
        try:
            return await self._signin.token(str(self.origin), refused=refused)
        except SignInFailed as error:
            # Told of the service that the token was for: that is whose gate closes.
            raise SignInFailed(self.name, error.reason, passing=error.passing) from error

    async def _send(self, method: str, url: URL, headers: Mapping[str, str], body: bytes | None, token: str) -> Reply:
        async with self._limit:
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
                        self._limit.advise(int(hint))
                    content = await response.read()
                    if response.ok:
                        self._limit.grow()
                    return Reply(response.status, response.headers, content)
            except (aiohttp.ClientError, TimeoutError, ConnectionError) as error:
                raise Unavailable(self.name, f"{type(error).__name__} on {method} {url.path}") from error

    async def judged(self, asked: Asked, reply: Reply) -> Answer:
        """A good answer, or the error that the answer stands for. One that asks to wait closes the gate."""
        meaning = judge(self.name, self._forms, asked, reply)
        if isinstance(meaning, Answer):
            return meaning
        if isinstance(meaning, Throttling):
            until = retry_instant(meaning.retry_after, self._clock(), self._longest_wait)
            self._limit.shrink()
            await self._gates.close(self.name, until, meaning.text)
            raise Throttled(self.name, until, meaning.text)
        if isinstance(meaning, Shut) and meaning.doubtful and await self._is_let_in():
            meaning = Forbidden("", meaning.text)
        raise self._error(asked, reply.status, meaning)

    def _error(self, asked: Asked, status: int, meaning: Meaning) -> Exception:
        if isinstance(meaning, Forbidden):
            found = _PRIVILEGE.search(meaning.text)
            privilege = found[0] if found else "reading" if asked.verb == "GET" else "writing"
            return NotPermitted(self.name, asked.place, privilege=privilege, code=meaning.code, text=meaning.text)
        if isinstance(meaning, Shut):
            return SignInFailed(self.name, meaning.text)
        if isinstance(meaning, Refusal):
            return Refused(self.name, status, meaning.code, meaning.text)
        return Unavailable(self.name, meaning.text if isinstance(meaning, Unusable) else f"HTTP {status}")

    async def _is_let_in(self) -> bool:
        """Whether a 403 in no known form is about one request: another one, which everybody may make whom the service
        lets in, gets an answer. A firewall before the service, or a missing registration, refuses both."""
        url = self.url(self._forms.whoami)
        reply = await self._send("GET", url, {}, None, await self._token())
        return reply.status not in {401, 403}


async def _to_its_end(call: Coroutine[Any, Any, Answer], reader: Reader, name: str) -> Answer:
    """The answer to a call, which the reader takes even when it leaves off meanwhile because another of its requests
    was refused: the service has done the work."""
    task = asyncio.ensure_future(call)
    try:
        answer = await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task], timeout=_LAST_ANSWER)
        if task.done() and not task.cancelled() and task.exception() is None:
            reader.take(name, task.result().reply)
        task.cancel()
        raise
    reader.take(name, answer.reply)
    return answer
