"""Requests to Azure Resource Manager, in the name of the person or pipeline that runs azd."""

import json
import os
import subprocess
import time
from collections.abc import Callable
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen


class Refused(Exception):
    """A service does not do what was asked. `status` is 0 when there was no answer at all."""

    def __init__(self, status: int, words: str) -> None:
        super().__init__(words)
        self.status = status


def manage(method: str, path: str, version: str, body: Any = None) -> Any:
    """Ask Resource Manager. `path` is the id of a resource and what follows it. Raises Refused."""
    origin = os.environ.get("ARM_ENDPOINT", "https://management.azure.com")
    mark = "&" if "?" in path else "?"
    headers = {"Authorization": f"Bearer {_token()}", "Content-Type": "application/json"}
    return ask(method, f"{origin}{path}{mark}api-version={version}", headers, body)


def ask(method: str, address: str, headers: dict[str, str], body: Any = None) -> Any:
    """Send a request and return the JSON of its answer. Raises Refused."""
    data = None if body is None else json.dumps(body).encode()
    request = Request(address, data, headers, method=method)  # noqa: S310 - our own addresses
    try:
        with urlopen(request, timeout=60) as answer:  # noqa: S310 - our own addresses
            return json.loads(answer.read() or b"null")
    except HTTPError as error:
        raise Refused(error.code, f"HTTP {error.code}: {error.read().decode(errors='replace')[:500]}") from error
    except (OSError, HTTPException, ValueError) as error:  # also a connection that ends before its answer
        raise Refused(0, str(error)) from error


def _token() -> str:
    done = subprocess.run(
        ["azd", "auth", "token", "--output", "json"],  # noqa: S607 - as the hook's shell finds it
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise Refused(0, f"azd has no token: {done.stderr.strip()}; sign in with azd auth login")
    return str(json.loads(done.stdout)["token"])


def awaited(what: str, look: Callable[[], Any], within: float, *passing: int) -> Any:
    """What `look` finds, or None if it has found nothing `within` seconds. Says what it waits for.

    A refusal with one of the statuses that are `passing` counts as nothing found. Raises any other Refused."""
    pause, ends = float(os.environ.get("HOOK_PAUSE_SECONDS", "10")), time.monotonic() + within
    while not (found := _found(look, passing)) and (left := ends - time.monotonic()) > 0:
        print(f"waiting for {what}, {left:.0f} s at most", flush=True)
        time.sleep(min(pause, left))
    return found


def _found(look: Callable[[], Any], passing: tuple[int, ...]) -> Any:
    try:
        return look()
    except Refused as refused:
        if refused.status in passing:
            return None
        raise


def outputs(*names: str) -> list[str]:
    """Outputs of the template, which azd puts into the environment of hooks. Raises Refused with the missing one."""
    if missing := [name for name in names if not os.environ.get(name)]:
        raise Refused(0, f"{missing[0]} is not known: it is an output of infra/main.bicep, so run azd provision first")
    return [os.environ[name] for name in names]


def run(hook: Callable[[], None]) -> None:
    """Run a hook and end the process with one sentence if it fails."""
    try:
        hook()
    except Refused as refused:
        raise SystemExit(str(refused)) from refused
