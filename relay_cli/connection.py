"""The way to the app: one address, one key, one HTTP call at a time."""

import ipaddress
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests

from relay_cli.problems import Misused, NotAllowed, Problem, Unreachable

CONNECT_SECONDS = 10
READ_SECONDS = 230
"""Azure's load balancer ends a request after 230 s; waiting longer brings nothing."""

KEY_VARIABLE = "RELAY_KEY"
KEY_ADVICE = (
    "Use the host key named operator: `az functionapp keys list` shows it, in RELAY_KEY or in a file for --key-file. "
    "The webhook's key opens none of these endpoints."
)
ADDRESS_ADVICE = (
    "Is the app running, and is RELAY_URL (or --url) its address, such as https://contoso.azurewebsites.net?"
)

type Query = Mapping[str, str | float | list[str] | None]


class App:
    """The app's operator endpoints. Every call raises Unreachable, NotAllowed or Misused with what to do next."""

    def __init__(self, url: str, key: str) -> None:
        self._base = check_address(url)
        self._session = requests.Session()
        self._session.headers["x-functions-key"] = key
        # A proxy that the machine is set to use cannot reach this machine's own loopback.
        self._session.trust_env = not is_loopback(urlsplit(self._base).hostname or "")

    def get(self, path: str, query: Query | None = None) -> Any:
        """The JSON of GET /api/<path>; members of the query that are None are left out."""
        return self._call("GET", path, params=query)

    def post(self, path: str, body: Mapping[str, Any]) -> Any:
        """The JSON of POST /api/<path>; members of the body that are None are sent as null."""
        return self._call("POST", path, json=body)

    def _call(self, method: str, path: str, **content: Any) -> Any:
        try:
            answer = self._session.request(
                method,
                f"{self._base}/api/{path}",
                timeout=(CONNECT_SECONDS, READ_SECONDS),
                # The key goes to the given address and nowhere else.
                allow_redirects=False,
                **content,
            )
        except requests.RequestException as error:
            raise self._unreachable(method, error) from error
        if answer.status_code not in (200, 202):
            raise explain(answer.status_code, _body(answer), self._base)
        if not isinstance(document := _body(answer), dict):
            raise Unreachable(f"{self._base} answered with something else than the app's JSON.", ADDRESS_ADVICE)
        return document

    def _unreachable(self, method: str, error: requests.RequestException) -> Unreachable:
        if isinstance(error, requests.ReadTimeout) and method == "POST":
            return Unreachable(
                f"{self._base} did not answer within {READ_SECONDS} s. It is not known whether the change was made.",
                "Check with `relay runs list` and `relay errors list` before you repeat the command.",
            )
        return Unreachable(f"{self._base} cannot be reached: {_reason(error)}.", ADDRESS_ADVICE)


def connect(url: str, key_file: Path | None) -> App:
    """The app at an address, with the key from the file or from RELAY_KEY; Misused when either is no good."""
    return App(url, read_key(key_file))


def read_key(key_file: Path | None) -> str:
    """The operator's key: from the file when there is one, else from RELAY_KEY."""
    try:
        key = (key_file.read_text() if key_file else os.environ.get(KEY_VARIABLE, "")).strip()
    except (OSError, UnicodeDecodeError) as error:
        raise Misused(f"The key file {key_file} cannot be read: {error}.", KEY_ADVICE) from error
    if not key:
        raise Misused(f"{key_file} is empty." if key_file else "There is no key.", KEY_ADVICE)
    if not (key.isascii() and key.isprintable() and " " not in key):
        raise Misused("The key is not one line of printable characters without spaces.", KEY_ADVICE)
    return key


def check_address(url: str) -> str:
    """The address without a trailing slash or /api; Misused unless it is https, or http on this machine."""
    try:
        parts = urlsplit(url.strip())
        sound = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        sound = False
    if not sound or parts.username is not None or parts.query or parts.fragment:
        raise Misused(f"{url!r} is not the address of an app.", "Give one like https://contoso.azurewebsites.net.")
    if parts.scheme == "http" and not is_loopback(parts.hostname or ""):
        raise Misused(f"{url} would send the key unencrypted.", "Use https; http is for this machine only.")
    return url.strip().rstrip("/").removesuffix("/api")


def is_loopback(host: str) -> bool:
    """Whether a host is this machine itself."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def explain(status: int, body: Any, base: str) -> Problem:
    """The problem behind an answer that is not a success; the app's own words come first where it has some."""
    error = body.get("error") if isinstance(body, dict) else None
    words = str(error.get("message") or "") if isinstance(error, dict) else ""
    if status == 401:
        return NotAllowed("The key was refused.", KEY_ADVICE)
    if status == 403:
        return NotAllowed(words or "This key may not do that.", KEY_ADVICE)
    if status >= 500 or status == 429:
        return Unreachable(
            words or f"{base} answered {status}.", "Try again; `relay health` says more once it answers."
        )
    if words:
        return Misused(words)
    return Unreachable(f"{base} answered {status}: no operator endpoint of the app is there.", ADDRESS_ADVICE)


def _body(answer: requests.Response) -> Any:
    try:
        return answer.json()
    except requests.JSONDecodeError:
        return None


def _reason(error: requests.RequestException) -> str:
    # requests wraps what happened in urllib3's words about retries and pools; the innermost says it.
    inner: BaseException = error
    while cause := inner.__cause__ or inner.__context__:
        inner = cause
    return str(inner) or type(error).__name__
