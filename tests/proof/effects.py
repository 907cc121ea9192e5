"""Every effect of the app on something outside its process, named after the code that has it.

All of them are HTTP: tables, queues, blobs, the two services, the sign-in. So they are met where every request has to
pass, in the two HTTP clients there are, and none can be forgotten. The name comes from the call stack:

    ship actuals: shipping._claim > dock.claim                  the work, who asks for it, and the action
    load invoices: loading.put_on_dock > queues.send ship       what goes on a queue is named too
    settle actuals: settling._poll > finance.status
    host: actuals.delete                                        the host's own: a message is done

Reading the app's own storage is no effect. Asking a service is one, for the service may do something about it.
"""

import asyncio
import json
import sys
from base64 import b64decode
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from functools import cache
from pathlib import Path
from types import FrameType
from typing import Any
from xml.etree import ElementTree as ET

import aiohttp
import requests
from yarl import URL

from simulators.azurite import APP_ACCOUNT
from simulators.processes import PROJECT

type Around = Callable[[str, str], None]
"""Called with "before" or "after" and the name of the effect."""

_APP = {"confirm_invoice", "sync_actuals", "link_transactions", "run_jobs", "write_back", "operate", "shared"}
_PLUMBING = {"worker", "transactions", "http", "functions", "wiring", "ports", "concurrency_limit", "answers"}
_DOORS = {
    "audit", "bulk_updates", "dataverse", "dock", "finance", "landing", "lifecycle", "notes", "pauses", "queues",
    "rejected_rows", "reports", "run_list", "runs", "sign_in", "throttle_gates", "waiting",
}  # fmt: skip
"""The modules with the actions. Their callers are not part of an effect's name."""
_ALSO_ASK = {("lifecycle", name) for name in ("hand_over", "read_again", "claim", "go_on", "revive")}
"""What asks for actions all the same, so that effects with different reasons have different names."""
_OF_THE_HOST = {"_delete", "_release", "_poison"}

type Frames = tuple[tuple[FrameType, str, str], ...]

_begun_by: ContextVar[Frames] = ContextVar("begun_by", default=())
"""The app's frames that started the current task; a task's own stack ends at its start."""


def install(around: Around) -> None:
    """Have `around` called around every effect of this process from now on."""
    send_async, send, begin = aiohttp.ClientSession._request, requests.Session.send, asyncio.ensure_future

    def begin_task(work: Any, **options: Any) -> Any:
        token = _begun_by.set((*_frames(sys._getframe(1)), *_begun_by.get()))
        try:
            return begin(work, **options)
        finally:
            _begun_by.reset(token)

    async def request(session: Any, method: str, url: Any, **options: Any) -> Any:
        name = name_of(method, URL(url), options.get("data"), sys._getframe(1))
        if name:
            around("before", name)
        response = await send_async(session, method, url, **options)
        if name:
            around("after", name)
        return response

    def send_in_thread(session: Any, prepared: Any, **options: Any) -> Any:
        name = name_of(prepared.method, URL(prepared.url), None, sys._getframe(1))
        if name:
            around("before", name)
        response = send(session, prepared, **options)
        if name:
            around("after", name)
        return response

    asyncio.ensure_future = begin_task  # type: ignore[assignment]
    aiohttp.ClientSession._request = request  # type: ignore[method-assign, assignment]
    requests.Session.send = send_in_thread  # type: ignore[method-assign, assignment]


def name_of(method: str, url: URL, body: Any, frame: FrameType | None) -> str:
    """The name of the effect that a request has, or nothing where it has none."""
    if url.path.startswith(f"/{APP_ACCOUNT}/") and method in {"GET", "HEAD"}:
        return ""
    frames = [*_frames(frame), *_begun_by.get()]
    steps = [(module, name) for _, module, name in frames if module not in _PLUMBING]
    if not frames:
        return _of_host(method, url, frame)
    if ("clients", "open_storage") in steps:
        return f"start: storage.open_storage > create {_target(url)}"
    if ("known_maps", "keep") in steps:
        return f"start: known_maps.keep > {method}"
    if ("owner", "check") in steps:
        return f"start: owner.check > {_target(url)}"
    action = ".".join(_action(steps))
    asker = next((f"{step[0]}.{step[1]} > " for step in steps if step[0] not in _DOORS or step in _ALSO_ASK), "")
    return f"{_work(frames)}{asker}{action}{_detail(method, url, body, action)}"


def _action(steps: list[tuple[str, str]]) -> tuple[str, str]:
    module, name = steps[0]
    return next((step for step in steps if step[0] == module and not step[1].startswith("_")), (module, name))


def _frames(frame: FrameType | None) -> Iterator[tuple[FrameType, str, str]]:
    """The app's own frames, the innermost first: frame, module and function."""
    while frame is not None:
        if module := _module(frame.f_code.co_filename):
            yield frame, module, frame.f_code.co_qualname.rpartition(".")[2]
        frame = frame.f_back


@cache
def _module(file: str) -> str:
    """The name of a module of the app; nothing for any other file."""
    path = Path(file)
    is_ours = path.is_relative_to(PROJECT) and path.relative_to(PROJECT).parts[0] in _APP
    # The operators' endpoints stand by subject; what they are is functions.
    stem = "functions" if path.parent.name == "api" and path.stem not in _PLUMBING else path.stem
    return stem if is_ours else ""


def _work(frames: list[tuple[FrameType, str, str]]) -> str:
    for frame, module, name in frames:
        if (module, name) == ("worker", "work"):
            message = frame.f_locals.get("message")
            return f"{getattr(message, 'kind', 'unreadable')} {frame.f_locals['queue']}: "
    functions = [name for _, module, name in frames if module == "functions" and not name.startswith("_")]
    return f"{functions[-1]}: " if functions else ""


def _detail(method: str, url: URL, body: Any, action: str) -> str:
    if action == "queues.send":
        text = ET.fromstring(body).findtext("MessageText") or ""  # noqa: S314 - the app's own request
        return f" {json.loads(b64decode(text))['kind']} to {_target(url)}"
    if action.startswith(("dataverse.", "bulk_updates.")) or action in {"finance.pages", "finance.count"}:
        return f" {url.path.removesuffix('/$count').rpartition('/')[2].partition('(')[0]}"
    if action.startswith("sign_in."):
        return f" {method} {url.path.rpartition('/')[2]}"
    return ""


def _target(url: URL) -> str:
    return "table" if url.path.endswith("/Tables") else url.path.split("/")[2]


def _of_host(method: str, url: URL, frame: FrameType | None) -> str:
    """What the host does with a message that the app is done with; fetching and renewing come and go with the time."""
    while frame is not None:
        path, name = Path(frame.f_code.co_filename), frame.f_code.co_name
        if path.parent.name == "devhost" and path.stem == "queues" and name in _OF_THE_HOST:
            return f"host: {_target(url)}.{name.strip('_')}{' ' + method if name == '_poison' else ''}"
        frame = frame.f_back
    return ""
