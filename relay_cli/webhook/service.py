"""HTTP calls with an administrator's token. The token goes to one origin alone, over https, and follows no redirect."""

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import requests

from relay_cli.connection import CONNECT_SECONDS, is_loopback, reason_of
from relay_cli.problems import Misused, NotAllowed, Problem, Unreachable
from relay_cli.webhook.sign_in import Tokens

READ_SECONDS = 120
AGAIN = "Run the command again: it sees what is there and does the rest."
_ANSWERED = {"GET", "POST"}
_PRIVILEGE = re.compile(r"\bprv\w+")


class Gone(Problem):
    """What was to be changed or deleted is not there."""


class Bearer(requests.auth.AuthBase):
    """Sends a token. As an `auth` of its own it is not replaced by one of ~/.netrc."""

    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request


class Service:
    """One service. Every call raises NotAllowed, Unreachable, Gone or Misused, each with the next step."""

    def __init__(self, name: str, origin: str, tokens: Tokens, audience: str = "") -> None:
        self.name, self.origin = name, origin
        self._tokens, self._audience = tokens, audience or origin
        self._session = session_for(origin)

    def call(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Any:
        """The JSON of an answer, None without a body."""
        try:
            answer = self._session.request(
                method,
                self.origin + path,
                params=query,
                json=body,
                headers=headers,
                auth=Bearer(self._tokens(self._audience)),
                timeout=(CONNECT_SECONDS, READ_SECONDS),
                allow_redirects=False,
            )
        except requests.RequestException as error:
            raise self._lost(method, error) from error
        document = _document(answer)
        if not 200 <= answer.status_code < 300:
            raise self._explain(answer.status_code, document)
        # A change may be answered without a body, what was asked for may not.
        if not isinstance(document, dict) and (answer.content or method in _ANSWERED):
            raise Unreachable(f"{self.name} answered with something else than JSON.", AGAIN)
        return document

    def _lost(self, method: str, error: requests.RequestException) -> Unreachable:
        done = "" if method == "GET" else " It is not known whether the change was made."
        return Unreachable(f"{self.name} ({self.origin}) gave no answer: {reason_of(error)}.{done}", AGAIN)

    def _explain(self, status: int, document: Any) -> Problem:
        error = document.get("error") if isinstance(document, dict) else None
        words = str(error.get("message", "")) if isinstance(error, dict) else ""
        if status in (401, 403):
            return self._refusal(status, words)
        if status == 404:
            return Gone(f"{self.name}: {words or 'not there'}", AGAIN)
        if status == 429 or status >= 500 or not words:
            said = f": {words}" if words else ""
            return Unreachable(f"{self.name} ({self.origin}) answered {status}{said}", AGAIN)
        return Misused(f"{self.name} refuses this: {words}")

    def _refusal(self, status: int, words: str) -> NotAllowed:
        if missing := _PRIVILEGE.search(words):
            return NotAllowed(
                f"You are not allowed to do this in {self.name}: your user has no privilege {missing[0]}.",
                "Sign in as a user with the role System Administrator or System Customizer.",
            )
        said = f": {words}" if words else ""
        return NotAllowed(f"{self.name} ({self.origin}) refuses your sign-in with {status}{said}")


def session_for(origin: str) -> requests.Session:
    """A session for one origin."""
    session = requests.Session()
    # A proxy from the environment cannot reach this machine's loopback, where tests run.
    session.trust_env = not is_loopback(urlsplit(origin).hostname or "")
    return session


def origin_of(address: str, what: str) -> str:
    """The origin of an address. Raises Misused unless it is https, or http on this machine, without a path."""
    try:
        parts = urlsplit(address.strip())
        sound = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        sound = False
    if not sound or parts.username is not None or parts.path not in ("", "/") or parts.query or parts.fragment:
        raise Misused(f"{address!r} is not the address of {what}.", "Give one like https://contoso.crm.dynamics.com.")
    if parts.scheme == "http" and not is_loopback(parts.hostname or ""):
        raise Misused(f"{address} would send your token unencrypted.", "Use https; http is for this machine only.")
    return f"{parts.scheme}://{parts.netloc}".lower()


def _document(answer: requests.Response) -> Any:
    try:
        return answer.json() if answer.content else None
    except requests.JSONDecodeError:
        return None
