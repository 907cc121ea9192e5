"""HTTP calls to the app: one address, one key, one call at a time."""

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
"""Azure's load balancer ends a request after 230 s, so waiting longer is useless."""

KEY_VARIABLE = "RELAY_KEY"
ADMINISTRATOR_VARIABLE = "RELAY_ADMINISTRATOR_KEY"
ADMINISTRATOR_ADVICE = (
    "Changing maps changes amounts, so the operator's key is not enough. Use the master key: `az functionapp keys "
    "list` shows it, in RELAY_ADMINISTRATOR_KEY or in a file for --key-file."
)
KEY_ADVICE = (
    "Use the host key named operator: `az functionapp keys list` shows it, in RELAY_KEY or in a file for --key-file. "
    "The webhook's key opens none of these endpoints."
)
ADDRESS_ADVICE = (
    "Is the app running, and is RELAY_URL (or --url) its address, such as https://contoso.azurewebsites.net?"
)

type Query = Mapping[str, str | float | list[str] | None]


class App:
    """The app's operator endpoints. Every call raises Unreachable, NotAllowed or Misused, each with the next step."""

    def __init__(self, url: str, key: str, advice: str = KEY_ADVICE) -> None:
        self._base = check_address(url)
        self._advice = advice
        self._session = requests.Session()
        self._session.headers["x-functions-key"] = key
        # A proxy from the environment cannot reach this machine's loopback, where demo and tests run.
        self._session.trust_env = not is_loopback(urlsplit(self._base).hostname or "")

    def get(self, path: str, query: Query | None = None) -> Any:
        """The JSON of GET /api/<path>. Query members that are None are left out."""
        return self._call("GET", path, params=query)

    def post(self, path: str, body: Mapping[str, Any]) -> Any:
        """The JSON of POST /api/<path>. Body members that are None are sent as null."""
        return self._call("POST", path, json=body)

    def _call(self, method: str, path: str, **content: Any) -> Any:
        try:
            answer = self._session.request(
                method,
                f"{self._base}/api/{path}",
                timeout=(CONNECT_SECONDS, READ_SECONDS),
                # A redirect would send the key to another address.
                allow_redirects=False,
                **content,
            )
        except requests.RequestException as error:
            raise self._unreachable(method, error) from error
        if answer.status_code not in (200, 202):
            raise explain(answer.status_code, _body(answer), self._base, self._advice)
        if not isinstance(document := _body(answer), dict):
            raise Unreachable(f"{self._base} answered with something else than the app's JSON.", ADDRESS_ADVICE)
        return document

    def _unreachable(self, method: str, error: requests.RequestException) -> Unreachable:
        # The app may have made the change although its answer did not come, so repeating it blindly is not advised.
        if isinstance(error, requests.ReadTimeout) and method == "POST":
            return Unreachable(
                f"{self._base} did not answer within {READ_SECONDS} s. It is not known whether the change was made.",
                "Check with `relay runs list` and `relay errors list` before you repeat the command.",
            )
        return Unreachable(f"{self._base} cannot be reached: {reason_of(error)}.", ADDRESS_ADVICE)


def connect(url: str, key_file: Path | None) -> App:
    """The app at an address, with the key from the file or from RELAY_KEY. Raises Misused if either is unusable."""
    return App(url, read_key(key_file))


def connect_administrator(url: str, key_file: Path | None) -> App:
    """The app at an address, with the administrator's key: from the file, from RELAY_ADMINISTRATOR_KEY, or from
    RELAY_KEY. Raises Misused if either is unusable."""
    variable = ADMINISTRATOR_VARIABLE if os.environ.get(ADMINISTRATOR_VARIABLE) else KEY_VARIABLE
    return App(url, read_key(key_file, variable, ADMINISTRATOR_ADVICE), ADMINISTRATOR_ADVICE)


def read_key(key_file: Path | None, variable: str = KEY_VARIABLE, advice: str = KEY_ADVICE) -> str:
    """The key: from the file if there is one, else from the environment."""
    try:
        key = (key_file.read_text() if key_file else os.environ.get(variable, "")).strip()
    except (OSError, UnicodeDecodeError) as error:
        raise Misused(f"The key file {key_file} cannot be read: {error}.", advice) from error
    if not key:
        raise Misused(f"{key_file} is empty." if key_file else "There is no key.", advice)
    # Such a key could not be sent in a header, and the error of the library would quote it.
    if not (key.isascii() and key.isprintable() and " " not in key):
        raise Misused("The key is not one line of printable characters without spaces.", advice)
    return key


def check_address(url: str) -> str:
    """The address without a trailing slash or /api. Raises Misused unless it is https, or http on this machine."""
    try:
        parts = urlsplit(url.strip())
        # Asked for inside the `try`: `port` raises ValueError if it is not a number up to 65535.
        sound = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        sound = False
    if not sound or parts.username is not None or parts.query or parts.fragment:
        raise Misused(f"{url!r} is not the address of an app.", "Give one like https://contoso.azurewebsites.net.")
    if parts.scheme == "http" and not is_loopback(parts.hostname or ""):
        raise Misused(f"{url} would send the key unencrypted.", "Use https; http is for this machine only.")
    return url.strip().rstrip("/").removesuffix("/api")


def is_loopback(host: str) -> bool:
    """Whether a host is this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def explain(status: int, body: Any, base: str, advice: str = KEY_ADVICE) -> Problem:
    """The problem for an answer without success. The app's own error text is used if there is one."""
    error = body.get("error") if isinstance(body, dict) else None
    words = str(error.get("message") or "") if isinstance(error, dict) else ""
    # The Functions host refuses a key by itself, without a body.
    if status == 401:
        return NotAllowed("The key was refused.", advice)
    if status == 403:
        return NotAllowed(words or "This key may not do that.", advice)
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


def reason_of(error: requests.RequestException) -> str:
    """Why a service cannot be reached, in the words of the innermost error."""
    # requests wraps the error in urllib3's texts about retries and pools. The innermost error has the reason.
    inner: BaseException = error
    while cause := inner.__cause__ or inner.__context__:
        inner = cause
    return str(inner) or type(error).__name__
