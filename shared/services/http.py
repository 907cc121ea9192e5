"""One authenticated HTTP call to Dataverse or Finance.

Every request passes the throttle gate of its service, carries a token and follows no redirect. After a 401 the token is
dropped and the request is retried once. `shared/services/answers.py` classifies the answers; this module turns every
answer that is not good into one of the errors in `shared/errors.py`.
"""

import asyncio
import json
import re
from collections.abc import Callable, Coroutine, Mapping
from datetime import datetime, timedelta
from typing import Any

import aiohttp
from yarl import URL

from shared.clock import jitter
from shared.errors import ContractBroken, NotPermitted, Refused, SignInFailed, Throttled, Unavailable
from shared.services.answers import (
    Answer,
    Asked,
    CallerRefused,
    Expected,
    Forbidden,
    Forms,
    Meaning,
    Refusal,
    Reply,
    Throttling,
    Unusable,
    judge,
)
from shared.services.concurrency_limit import ConcurrencyLimit
from shared.services.reader import Reader, name_of
from shared.services.sign_in import SignIn
from shared.services.throttle_gates import GATE_SPREAD, Gates, retry_instant
from shared.services.turns import Turns

# The name of a privilege in a message of Dataverse. It is the same in every language.
_PRIVILEGE = re.compile(r"\bprv[A-Za-z_0-9]+")

# Bytes of an answer, after decompression. A page of 5,000 actuals with all lookups has about 15 million.
MOST_BYTES = 64 * 1024 * 1024
# Seconds that a cancelled reader waits for the answer to a request in flight.
_LAST_ANSWER = 15.0
# After this time a reader that is not allowed to send now tries again.
_TURN = timedelta(seconds=5)


class Service:
    """The HTTP client of one service. `forms` describes its error responses.

    A throttled GET of a reader waits in place as long as the reader's patience lasts and the reader is allowed to send.
    Answers that the reader got before an interruption are not requested again.
    """

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

    @property
    def patience(self) -> float | None:
        """Seconds that a server may be silent before a request to it times out."""
        return self._session.timeout.sock_read

    async def tenant(self) -> str:
        """The Entra tenant in which the app signs in to this service. Raises SignInFailed."""
        return await self._signin.tenant(str(self.origin))

    def url(self, path_and_query: str) -> URL:
        """A URL of this service. The text is already encoded."""
        return URL(f"{self.origin}{path_and_query}", encoded=True)

    def own_url(self, link: str, path: str) -> URL:
        """A link that the service sent, unchanged, if it leads to `path` of this service. Raises ContractBroken
        otherwise.

        A link to another scheme, host, port or user would send our token to another server. A link with a space or a
        line break cannot be sent unchanged.
        """
        try:
            url = URL(link, encoded=True)
            same_origin = (url.scheme, url.host, url.port) == (self.origin.scheme, self.origin.host, self.origin.port)
            is_own = same_origin and url.user is None and url.password is None and url.raw_path == path
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
        reader = Reader.current()
        if reader is None:
            return await self._call(asked, url, headers or {}, None)
        name = name_of(str(url), headers or {})
        if known := reader.recall(name):
            return Answer(self.name, asked, known)
        return await self._get_patiently(reader, name, asked, url, headers or {})

    async def _get_patiently(
        self, reader: Reader, name: str, asked: Asked, url: URL, headers: Mapping[str, str]
    ) -> Answer:
        reader.join(self._turns)
        while True:
            if not self._turns.admits(reader):
                raise Throttled(self.name, self._clock() + _TURN, "it limits us, and another reader has its turn")
            try:
                return await _shielded(self._call(asked, url, headers, None), reader, name)
            except Throttled as throttled:
                self._turns.narrow()
                again = throttled.until + jitter(GATE_SPREAD)
                if again > reader.until or not self._turns.admits(reader):
                    raise
                await asyncio.sleep((again - self._clock()).total_seconds())

    async def post(self, url: URL, body: Mapping[str, Any]) -> Answer:
        """POST a JSON object. Raises the same errors as get. After Unavailable the service may have done the work."""
        return await self.send(url, {"Content-Type": "application/json"}, json.dumps(body).encode(), Expected.JSON)

    async def send(self, url: URL, headers: Mapping[str, str], body: bytes, expected: Expected) -> Answer:
        """POST a body of another content type. Raises the same errors as post."""
        return await self._call(Asked("POST", url.path, expected), url, headers, body)

    async def _call(self, asked: Asked, url: URL, headers: Mapping[str, str], body: bytes | None) -> Answer:
        token = await self._token()
        reply = await self._send(asked.verb, url, headers, body, token)
        # A token can be revoked before it expires. One retry with a new token tells that from a missing registration.
        if reply.status == 401:
            token = await self._token(refused=token)
            reply = await self._send(asked.verb, url, headers, body, token)
        return await self.judged(asked, reply)

    async def _token(self, refused: str | None = None) -> str:
        try:
            return await self._signin.token(str(self.origin), refused=refused)
        except SignInFailed as error:
            # Raise it again with the name of the service that the token was for: the gate of that service is closed.
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
                    # A redirect would carry the token to another address, and a sign-in page would look like a good
                    # answer.
                    allow_redirects=False,
                ) as response:
                    if (hint := response.headers.get("x-ms-dop-hint", "")).isdecimal():
                        self._limit.advise(int(hint))
                    content = await self._read(response)
                    if response.ok:
                        self._limit.grow()
                    return Reply(response.status, response.headers, content)
            except (aiohttp.ClientError, TimeoutError, ConnectionError) as error:
                raise Unavailable(self.name, f"{type(error).__name__} on {method} {url.path}") from error

    async def _read(self, response: aiohttp.ClientResponse) -> bytes:
        """The body. Raises Unavailable for one without an end, or that a few compressed bytes blow up."""
        content = bytearray()
        async for piece in response.content.iter_any():
            content += piece
            if len(content) > MOST_BYTES:
                response.close()
                raise Unavailable(
                    self.name, f"an answer of more than {MOST_BYTES // 1024**2} MB on {response.url.path}"
                )
        return bytes(content)

    async def judged(self, asked: Asked, reply: Reply) -> Answer:
        """Return a good answer, or raise the error that the answer means. A throttling answer also closes the gate."""
        meaning = judge(self.name, self._forms, asked, reply)
        if isinstance(meaning, Answer):
            return meaning
        if isinstance(meaning, Throttling):
            until = retry_instant(meaning.retry_after, self._clock(), self._longest_wait)
            # Before the gate is written: requests that wait for a slot must not start meanwhile.
            self._limit.shrink()
            await self._gates.close(self.name, until, meaning.text)
            raise Throttled(self.name, until, meaning.text)
        if isinstance(meaning, CallerRefused) and meaning.doubtful and await self._admits_caller():
            meaning = Forbidden("", meaning.text)
        raise self._error(asked, reply.status, meaning)

    def _error(self, asked: Asked, status: int, meaning: Meaning) -> Exception:
        if isinstance(meaning, Forbidden):
            found = _PRIVILEGE.search(meaning.text)
            privilege = found[0] if found else "reading" if asked.verb == "GET" else "writing"
            return NotPermitted(self.name, asked.place, privilege=privilege, code=meaning.code, text=meaning.text)
        if isinstance(meaning, CallerRefused):
            return SignInFailed(self.name, meaning.text)
        if isinstance(meaning, Refusal):
            return Refused(self.name, status, meaning.code, meaning.text)
        return Unavailable(self.name, meaning.text if isinstance(meaning, Unusable) else f"HTTP {status}")

    async def _admits_caller(self) -> bool:
        """Whether a 403 of unknown form concerns one request only. To find out, a request is sent that every
        admitted caller may make. A firewall in front of the service, or a missing registration, refuses that one
        too."""
        url = self.url(self._forms.whoami)
        reply = await self._send("GET", url, {}, None, await self._token())
        return reply.status not in {401, 403}


async def _shielded(call: Coroutine[Any, Any, Answer], reader: Reader, name: str) -> Answer:
    """The answer to a call. If the reader is cancelled meanwhile, because another of its requests was throttled, the
    answer is still awaited and kept: the service has done the work already."""
    task = asyncio.ensure_future(call)
    try:
        answer = await asyncio.shield(task)
    except asyncio.CancelledError:
        # Throwing the answer away would repeat its cost at the next try, when the service is still throttling.
        await asyncio.wait([task], timeout=_LAST_ANSWER)
        if task.done() and not task.cancelled() and task.exception() is None:
            reader.take(name, task.result().reply)
        task.cancel()
        raise
    reader.take(name, answer.reply)
    return answer
