"""The service root `/data`: which read or write a request is, alone or inside a batch."""

import asyncio
import re
import sqlite3
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import orjson
from aiohttp import web

from simulators.finance.answers import JSON_TYPE, ServiceRefused, envelope
from simulators.finance.changes import Changer
from simulators.finance.gate import ROWS_READ, ROWS_WRITTEN
from simulators.finance.published import SETS
from simulators.finance.queries import Options, Reader, read_key
from simulators.finance.sets import ACTUAL_SET, PROJECT_ENTITY_SET, PROJECT_SET, EntitySet
from simulators.finance.switches import Switches

BYTE_ORDER_MARK = b"\xef\xbb\xbf"
CREATABLE = (ACTUAL_SET, PROJECT_SET, PROJECT_ENTITY_SET)
_RESOURCE = re.compile(r"/data/(?P<set>\w+)(?:\((?P<key>.*)\))?(?P<count>/\$count)?/?", re.DOTALL)


@dataclass(frozen=True)
class Call:
    """One OData request, as it arrived or as a part of a batch."""

    method: str
    url: str
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""

    @property
    def changes(self) -> bool:
        """Whether it writes."""
        return self.method != "GET"


@dataclass(frozen=True)
class Reply:
    """Its answer."""

    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    rows: int = 0


@dataclass(frozen=True)
class Target:
    """What a URL addresses."""

    entity_set: EntitySet
    key: dict[str, str] | None
    count: bool
    options: Options


class Data:
    """Answers calls. `answer` serves one web request, `reply` one call inside an open transaction or none."""

    def __init__(self, reader: Reader, changer: Changer, switches: Switches, origin: str) -> None:
        self._reader = reader
        self._changer = changer
        self._switches = switches
        self._root = f"{origin}/data"

    async def answer(self, request: web.Request) -> web.Response:
        """Serve one request of its own."""
        headers = {name.lower(): text for name, text in request.headers.items()}
        call = Call(request.method, str(request.raw_path), headers, await request.read())
        reply = await asyncio.to_thread(self._reply_alone, call)
        request[ROWS_WRITTEN], request[ROWS_READ] = int(call.changes), reply.rows
        return web.Response(body=reply.body, status=reply.status, headers=reply.headers)

    def _reply_alone(self, call: Call) -> Reply:
        if not call.changes:
            return self.read(call)
        with self._changer.changing() as db:
            return self.change(db, call, self._switches.duplicate_post_status)

    def read(self, call: Call) -> Reply:
        """Answer a GET; raises ServiceRefused."""
        target = self._target(call.url)
        if target.count:
            number = str(self._reader.count(target.entity_set, target.options)).encode()
            return Reply(200, BYTE_ORDER_MARK + number, {"Content-Type": "text/plain; charset=utf-8"})
        if target.key is None:
            page = self._reader.page(target.entity_set, target.options)
            return replace(_json(200, page), rows=len(page["value"]))
        return _json(200, self._reader.one(target.entity_set, target.key, target.options))

    def change(self, db: sqlite3.Connection, call: Call, duplicate_status: int) -> Reply:
        """Answer a write inside the given transaction; raises ServiceRefused, after which it must be rolled back."""
        target = self._target(call.url)
        tag = call.headers.get("if-match")
        if call.method == "POST" and target.key is None and target.entity_set in CREATABLE:
            key = self._changer.create(db, target.entity_set, call.body, duplicate_status)
            return self._created(db, target.entity_set, key)
        if target.key is None or target.entity_set is not ACTUAL_SET:
            raise ServiceRefused(405, f"{call.method} is not supported on '{target.entity_set.name}'.")
        if call.method in {"PATCH", "PUT"}:
            self._changer.update(db, target.key, target.options, call.body, tag)
        elif call.method == "DELETE":
            self._changer.delete(db, target.key, target.options, tag)
        else:
            raise ServiceRefused(405, f"{call.method} is not supported on a single entity.")
        return Reply(204)

    def _target(self, url: str) -> Target:
        target = _target(url)
        if target.entity_set.entity in self._switches.not_public:
            raise web.HTTPNotFound
        return target

    def _created(self, db: sqlite3.Connection, entity_set: EntitySet, key: dict[str, Any]) -> Reply:
        where = " AND ".join(f"{name.lower()} = ?" for name in key)
        sql = f"SELECT {entity_set.columns(None)} FROM {entity_set.table} WHERE {where}"  # noqa: S608 - our own names
        row = db.execute(sql, tuple(key.values())).fetchone()
        body = {"@odata.context": f"{self._root}/$metadata#{entity_set.name}/$entity"}
        place = ",".join(f"{name}='{value}'" for name, value in key.items())
        headers = {"Location": f"{self._root}/{entity_set.name}({place})"}
        return _json(201, body | entity_set.shower(None)(row), headers)


def refusal(refused: ServiceRefused) -> Reply:
    """Return a refusal as the answer of a part of a batch."""
    return _json(refused.status, envelope(refused))


def _target(url: str) -> Target:
    parts = urlsplit(url)
    match = _RESOURCE.fullmatch(unquote(parts.path))
    entity_set = SETS.get(match["set"]) if match else None
    if match is None or entity_set is None:
        raise web.HTTPNotFound
    key = None if match["key"] is None else read_key(entity_set, match["key"])
    return Target(entity_set, key, match["count"] is not None, dict(parse_qsl(parts.query, keep_blank_values=True)))


def _json(status: int, body: dict[str, Any], headers: dict[str, str] | None = None) -> Reply:
    all_headers = {"Content-Type": JSON_TYPE, "OData-Version": "4.0"} | (headers or {})
    return Reply(status, orjson.dumps(body), all_headers)
