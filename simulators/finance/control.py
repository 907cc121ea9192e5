"""The control routes under `/sim/`: switches, statistics, and Finance's own records for checkers."""

import asyncio
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

import orjson
from aiohttp import web

from simulators.finance.entities import ACTUALS, CONNECTIONS, DETAILS, HEADERS, Entity
from simulators.finance.executions import Executions
from simulators.finance.fields import EMPTY_GUID
from simulators.finance.gate import Gate
from simulators.finance.ledger import POSTED
from simulators.finance.store import Store
from simulators.finance.switches import Switches, UnknownSwitch

LINES_A_WRITE = 2000


class Control:
    """Loopback only, without authentication; nothing here counts as a service request."""

    def __init__(self, store: Store, switches: Switches, executions: Executions, gate: Gate) -> None:
        self._store = store
        self._switches = switches
        self._executions = executions
        self._gate = gate

    def add_routes(self, router: web.UrlDispatcher) -> None:
        """Add what this part serves."""
        router.add_get("/sim/switches", self.get_switches)
        router.add_put("/sim/switches", self.put_switches)
        router.add_get("/sim/requests", self.get_requests)
        router.add_get("/sim/journal", self.get_journal)
        router.add_get("/sim/counts", self.get_counts)
        router.add_get("/sim/actuals", self.get_actuals)
        router.add_get("/sim/connections", self.get_connections)
        router.add_get("/sim/headers", self.get_headers)
        router.add_get("/sim/details", self.get_details)
        router.add_post("/sim/clean-history", self.post_clean_history)

    async def get_switches(self, _request: web.Request) -> web.Response:
        """`GET /sim/switches`: all switches with their present values."""
        return plain(self._switches.as_json())

    async def put_switches(self, request: web.Request) -> web.Response:
        """`PUT /sim/switches`: set the given ones. Setting `throttleShare` also ends a wait that was announced."""
        try:
            given = orjson.loads(await request.read())
            self._switches.merge(given)
        except (UnknownSwitch, orjson.JSONDecodeError, AttributeError) as error:
            return plain({"error": str(error)}, 400)
        if "throttleShare" in given:
            self._gate.relax()
        return plain(self._switches.as_json())

    async def get_requests(self, _request: web.Request) -> web.Response:
        """`GET /sim/requests`: service requests so far, by route, refused with 429, and sent in spite of a wait."""
        return plain(self._gate.statistics())

    async def get_journal(self, request: web.Request) -> web.StreamResponse:
        """`GET /sim/journal?after=N`: accepted rows as JSON lines, in the order in which they were written."""
        after = int(request.query.get("after", "0"))
        sql = "SELECT seq, entity, key, executionid, project, action FROM journal WHERE seq > ? ORDER BY seq"
        return await self._stream(request, sql, (after,), _journal_line)

    async def get_counts(self, _request: web.Request) -> web.Response:
        """`GET /sim/counts`: rows held, imports and those under way, actuals under more than one key,
        clashes of imports."""
        return plain(await asyncio.to_thread(self._counts))

    async def get_actuals(self, request: web.Request) -> web.StreamResponse:
        """`GET /sim/actuals?proposal=&type=&company=`: held actuals as JSON lines."""
        conditions = {"proposal": "invoiceproposalid", "type": "transactiontype", "company": "dataareaid"}
        given = [name for name in conditions if name in request.query]
        where = " AND ".join(["1", *(f"{conditions[name]} = ?" for name in given)])
        return await self._dump(request, ACTUALS, where, tuple(request.query[name] for name in given))

    async def get_connections(self, request: web.Request) -> web.StreamResponse:
        """`GET /sim/connections`: held connections as JSON lines."""
        return await self._dump(request, CONNECTIONS)

    async def get_headers(self, request: web.Request) -> web.StreamResponse:
        """`GET /sim/headers`: held proposal headers as JSON lines."""
        return await self._dump(request, HEADERS)

    async def get_details(self, request: web.Request) -> web.StreamResponse:
        """`GET /sim/details`: held rows of the customer's own entity as JSON lines."""
        return await self._dump(request, DETAILS)

    async def post_clean_history(self, _request: web.Request) -> web.Response:
        """`POST /sim/clean-history`: the job history clean-up; imports that are over leave no trace but their rows."""
        return plain({"forgotten": await asyncio.to_thread(self._executions.forget)})

    def _counts(self) -> dict[str, Any]:
        count = {entity.table: self._number(f"SELECT count(*) FROM {entity.table}") for entity in ENTITY_TABLES}  # noqa: S608
        repeated = "SELECT count(*) - count(DISTINCT actualid) FROM actuals WHERE actualid <> ?"
        lines = "SELECT count(*) - count(DISTINCT actual) FROM proposal_lines"
        by_entity = self._store.rows("SELECT entityname, count(*) FROM jobs GROUP BY entityname ORDER BY entityname")
        return count | {
            "imports": self._number("SELECT count(*) FROM executions"),
            "running": self._number(
                "SELECT count(*) FROM executions WHERE status IN ('Unknown', 'NotRun', 'Executing')"
            ),
            "importsByEntity": {row[0]: row[1] for row in by_entity},
            "duplicates": self._number(repeated, EMPTY_GUID),
            "duplicateLines": self._number(lines),
            "clashes": self._executions.clashes,
        }

    def _number(self, sql: str, *parameters: str) -> int:
        return int(self._store.rows(sql, parameters)[0][0])

    async def _dump(
        self, request: web.Request, entity: Entity, where: str = "1", parameters: tuple[str, ...] = ()
    ) -> web.StreamResponse:
        columns = ", ".join(["dataareaid", "state", *(name.lower() for name in entity.fields)])
        sql = f"SELECT {columns} FROM {entity.table} WHERE {where} ORDER BY recid"  # noqa: S608 - our own names
        return await self._stream(request, sql, parameters, line_maker(entity))

    async def _stream(
        self, request: web.Request, sql: str, parameters: tuple[Any, ...], line: Callable[[Any], dict[str, Any]]
    ) -> web.StreamResponse:
        answer = web.StreamResponse(headers={"Content-Type": "application/x-ndjson"})
        await answer.prepare(request)
        with self._store.snapshot() as db:
            cursor = db.execute(sql, parameters)
            while block := await asyncio.to_thread(_lines, cursor, line):
                await answer.write(block)
        return answer


ENTITY_TABLES = (HEADERS, ACTUALS, CONNECTIONS)


def plain(body: object, status: int = 200) -> web.Response:
    """Answer a control request."""
    return web.Response(body=orjson.dumps(body), status=status, content_type="application/json")


def line_maker(entity: Entity) -> Callable[[Any], dict[str, Any]]:
    """Return the function that shows a held row: every field, its company, and whether Finance has posted it."""
    shows = [(name, place, kind.show) for place, (name, kind) in enumerate(entity.fields.items(), start=2)]

    def line(row: Any) -> dict[str, Any]:
        shown = {name: show(row[place]) for name, place, show in shows}
        return {"dataAreaId": row[0], **shown, "posted": row[1] == POSTED}

    return line


def _journal_line(row: Any) -> dict[str, Any]:
    names = {"executionid": "executionId"}
    return {names.get(name, name): row[name] for name in row.keys()}  # noqa: SIM118 - a Row is no mapping


def _lines(cursor: Iterator[Any], line: Callable[[Any], dict[str, Any]]) -> bytes:
    return b"".join(orjson.dumps(line(row)) + b"\n" for row in islice(cursor, LINES_A_WRITE))
