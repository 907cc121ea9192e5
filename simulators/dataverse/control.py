"""The control endpoints below /sim: scenarios, switches and the simulator's own records. No sign-in: loopback only."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field, fields
from functools import partial
from time import monotonic
from typing import Any

import orjson
from aiohttp import web

from simulators.dataverse import dual_write, tenant, variant
from simulators.dataverse.organization import COMPANIES, align_message_filters
from simulators.dataverse.scenario.approval import approve
from simulators.dataverse.scenario.confirmation import Confirmation, ConfirmRefused, Manner, Part
from simulators.dataverse.scenario.correction import Correction, Credit
from simulators.dataverse.scenario.creation import Creation, Order, UnknownContract
from simulators.dataverse.scenario.figures import (
    UnknownInvoice,
    all_invoices,
    invoice_info,
    originals_chunk,
    produced_chunk,
)
from simulators.dataverse.scenario.late import Late, write_late
from simulators.dataverse.service import Service
from simulators.dataverse.store import Store, Writer
from simulators.dataverse.switches import Switches, SwitchRefused
from simulators.dataverse.webhooks.registration import RegistrationRefused, enabled_steps, register, unregister
from simulators.dataverse.webhooks.sender import Sender

type Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class BadOrder(Exception):
    """A control request whose body is invalid."""


@dataclass(frozen=True)
class Control:
    store: Store
    service: Service
    switches: Switches
    sender: Sender
    tasks: set[asyncio.Task[None]] = field(default_factory=set)

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/sim/requests", _guarded(self.requests)),
            web.get("/sim/switches", _guarded(self.read_switches)),
            web.put("/sim/switches", _guarded(self.set_switches)),
            web.get("/sim/webhooks", _guarded(self.webhooks)),
            web.post("/sim/webhooks", _guarded(self.register)),
            web.delete("/sim/webhooks/{id}", _guarded(self.unregister)),
            web.get("/sim/invoices", _guarded(self.invoices)),
            web.post("/sim/invoices", _guarded(self.create)),
            web.get("/sim/invoices/{id}", _guarded(self.invoice)),
            web.post("/sim/invoices/{id}/confirm", _guarded(self.confirm)),
            web.post("/sim/invoices/{id}/correct", _guarded(self.correct)),
            web.post("/sim/invoices/{id}/approvals", _guarded(self.approve)),
            web.get("/sim/invoices/{id}/produced", _guarded(self.produced)),
            web.get("/sim/invoices/{id}/originals", _guarded(self.originals)),
        ]

    async def requests(self, _: web.Request) -> web.Response:
        return _json(self.service.statistics())

    async def read_switches(self, _: web.Request) -> web.Response:
        return _json(self.switches.as_json())

    async def set_switches(self, request: web.Request) -> web.Response:
        """Set the given switches. Setting `throttleShare` also ends a wait that was announced."""
        changes = await _body(request)
        before = self.switches.as_json()
        self.switches.merge(changes)
        changed = {name for name, value in self.switches.as_json().items() if value != before[name]}
        if "throttleShare" in changes:
            self.service.protection.relax()
        if "bulkUnsupported" in changes:
            unsupported = self.switches.bulkUnsupported.split(",")
            await self.store.write(lambda writer: align_message_filters(writer, unsupported))
        if changed & tenant.NAMES:
            await self.store.write(lambda writer: tenant.settle(writer, self.switches))
        if changed & dual_write.NAMES:
            await self.store.write(lambda writer: dual_write.settle(writer, self.switches))
        if changed & variant.NAMES:
            self.service.dispatcher = self.service.dispatcher.over(variant.vary(self.store.schema, self.switches))
        return _json(self.switches.as_json())

    async def webhooks(self, _: web.Request) -> web.Response:
        """Registered webhooks, and the results of the deliveries so far."""
        steps = [{"id": step.step_id, "url": step.url, "entity": step.entity, "message": step.message}
                 for step in self.sender.steps]  # fmt: skip
        return _json({"steps": steps, "deliveries": dict(self.sender.counts), "pending": self.sender.pending})

    async def register(self, request: web.Request) -> web.Response:
        body = await _body(request)
        step_id = await self._change_steps(lambda writer: register(writer, body))
        return _json({"id": step_id}, 201)

    async def unregister(self, request: web.Request) -> web.Response:
        step_id = request.match_info["id"]
        await self._change_steps(lambda writer: unregister(writer, step_id))
        return web.Response(status=204)

    async def _change_steps[T](self, work: Callable[[Writer], T]) -> T:
        def change(writer: Writer) -> T:
            result = work(writer)
            self.sender.steps = enabled_steps(writer.connection, writer.schema)
            return result

        return await self.store.write(change)

    async def invoices(self, _: web.Request) -> web.Response:
        return _json(await self.store.read(all_invoices))

    async def invoice(self, request: web.Request) -> web.Response:
        return await self._info(request.match_info["id"])

    async def create(self, request: web.Request) -> web.Response:
        order = _order(await _body(request))
        invoice_id = await self.store.write(lambda writer: Creation(writer, order).write())
        return await self._info(invoice_id, 201)

    async def confirm(self, request: web.Request) -> web.Response:
        invoice_id, started = request.match_info["id"], monotonic()
        info = await self.store.read(lambda connection: invoice_info(connection, invoice_id))
        for number, part in enumerate(self._parts(int(str(info["lines"])))):
            if number:
                await asyncio.sleep(self.switches.confirmGapSeconds)
            if late := await self.store.write(self._confirmation(invoice_id, part)):
                self._write_later(late)
        return await self._info(invoice_id, seconds=round(monotonic() - started, 3))

    def _confirmation(self, invoice_id: str, part: Part) -> Callable[[Writer], list[Late]]:
        manner = Manner(
            stamped=self.switches.newUnbilledStamped,
            replacements_linked=self.switches.replacementsLinked,
            non_chargeable_billed=self.switches.nonChargeableBilled,
            added_point_to_unbilled=self.switches.addedLinesPointToUnbilled,
            late_share=self.switches.lateShare,
        )

        def confirm(writer: Writer) -> list[Late]:
            confirmation = Confirmation(writer, invoice_id, manner)
            confirmation.run(part)
            return confirmation.late

        return confirm

    def _write_later(self, late: list[Late]) -> None:
        async def write() -> None:
            await asyncio.sleep(self.switches.lateSeconds)
            await self.store.write(lambda writer: write_late(writer, late))

        task = asyncio.create_task(write())
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def approve(self, request: web.Request) -> web.Response:
        """Approve more work on the contract of an invoice; answer the ids of its unbilled sales."""
        body, invoice_id = await _body(request), request.match_info["id"]
        entries = _whole(body, "entries", 1)
        made = await self.store.write(lambda writer: approve(writer, invoice_id, entries))
        return _json({"unbilled": made}, 201)

    def _parts(self, lines: int) -> list[Part]:
        if self.switches.confirmWithoutActuals:
            return [Part(makes_actuals=False)]
        if not self.switches.confirmInTwoTransactions:
            return [Part()]
        half = (lines + 1) // 2
        return [Part(limit=half), Part(offset=half, writes_status=False)]

    async def correct(self, request: web.Request) -> web.Response:
        body, source = await _body(request), request.match_info["id"]
        credit = Credit(lines=_whole(body, "lines", -1), partial=_share(body, "partial", 0.5))
        invoice_id = await self.store.write(lambda writer: Correction(writer, source, credit).write())
        return await self._info(invoice_id, 201)

    async def produced(self, request: web.Request) -> web.StreamResponse:
        return await _stream(request, self._produced(request.match_info["id"]))

    async def originals(self, request: web.Request) -> web.StreamResponse:
        return await _stream(request, self._originals(request.match_info["id"]))

    async def _produced(self, invoice_id: str) -> AsyncIterator[bytes]:
        after: int | None = None
        while after != 0:
            chunk, after = await self.store.read(partial(produced_chunk, invoice_id=invoice_id, after=after or 0))
            yield chunk

    async def _originals(self, invoice_id: str) -> AsyncIterator[bytes]:
        after: str | None = None
        while after != "":
            chunk, after = await self.store.read(partial(originals_chunk, invoice_id=invoice_id, after=after or ""))
            yield chunk

    async def _info(self, invoice_id: str, status: int = 200, **extra: object) -> web.Response:
        info = await self.store.read(lambda connection: invoice_info(connection, invoice_id))
        return _json(info | extra, status)


def _guarded(handler: Handler) -> Handler:
    """Turn refusals into answers with a reason."""

    async def guarded(request: web.Request) -> web.StreamResponse:
        try:
            return await handler(request)
        except (SwitchRefused, BadOrder, RegistrationRefused) as refused:
            return _json({"error": str(refused)}, 400)
        except (UnknownInvoice, UnknownContract) as refused:
            return _json({"error": str(refused)}, 404)
        except ConfirmRefused as refused:
            return _json({"error": str(refused)}, 409)

    return guarded


async def _stream(request: web.Request, chunks: AsyncIterator[bytes]) -> web.StreamResponse:
    # The first chunk comes before the headers, so that an unknown invoice is still a 404.
    first = await anext(chunks)
    response = web.StreamResponse(headers={"Content-Type": "application/x-ndjson"})
    await response.prepare(request)
    await response.write(first)
    async for chunk in chunks:
        await response.write(chunk)
    await response.write_eof()
    return response


def _json(content: object, status: int = 200) -> web.Response:
    return web.Response(status=status, body=orjson.dumps(content), content_type="application/json")


async def _body(request: web.Request) -> dict[str, Any]:
    text = await request.read()
    try:
        body = orjson.loads(text) if text.strip() else {}
    except orjson.JSONDecodeError as error:
        raise BadOrder(f"the body is not JSON: {error}") from error
    if not isinstance(body, dict):
        raise BadOrder("the body is not a JSON object")
    return body


def _order(body: dict[str, Any]) -> Order:
    unknown = set(body) - {member.name for member in fields(Order)}
    if unknown:
        raise BadOrder(f"unknown member '{min(unknown)}'")
    order = Order(
        lines=_whole(body, "lines", 0),
        seed=_whole(body, "seed", 1),
        company=body.get("company", "usmf"),
        edited=_share(body, "edited", 0.1),
        **{name: _count(body, name) for name in ("retainersUsed", "addedFixedPrice", "addedTimeMaterial")},
        sharesContractWith=str(body.get("sharesContractWith", "")),
    )
    if not isinstance(order.company, str) or order.company not in COMPANIES:
        raise BadOrder(f"unknown company '{order.company}'")
    if order.lines < 1:
        raise BadOrder("'lines' must be a whole number of at least 1")
    return order


def _whole(body: dict[str, Any], name: str, default: int) -> int:
    value = body.get(name, default)
    if type(value) is not int:
        raise BadOrder(f"'{name}' must be a whole number")
    return value


def _count(body: dict[str, Any], name: str) -> int:
    if (value := _whole(body, name, 0)) < 0:
        raise BadOrder(f"'{name}' must not be negative")
    return value


def _share(body: dict[str, Any], name: str, default: float) -> float:
    value = body.get(name, default)
    if type(value) not in {int, float} or not 0 <= value <= 1:
        raise BadOrder(f"'{name}' must be a number from 0 to 1")
    return float(value)
