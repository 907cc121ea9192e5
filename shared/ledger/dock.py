"""The dock: parts that are ready, lanes and shipments, with one table partition per map.

    part|<subject>|<part>   a landed part; `shipment` names its shipment, "" while it waits
    lane|<n>                one data project in Finance; `shipment` names the import that it is running
    shipment|<ticket>       one import: claimed -> sending -> running -> finished, then deleted

A claim is one transaction over a lane, a shipment and its parts. Two workers cannot claim the same lane or part: the
second one gets LeaseLost.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from azure.core.exceptions import ResourceExistsError
from azure.data.tables.aio import TableClient

from shared.ledger.run import Part
from shared.ledger.shipments import Cargo, ImportStep, Lane, Shipment, View, new_execution_id
from shared.tables.entities import Entities
from shared.tables.rows import find_row
from shared.tables.schema import newer
from shared.tables.transactions import deleted, guarded, transact

# A claim rewrites up to 97 parts in one transaction, whose body is limited to 4 MiB.
_TEXT_LIMIT = 4000


class Dock:
    """The dock table."""

    def __init__(self, table: TableClient, clock: Callable[[], datetime], lease: timedelta) -> None:
        self._table = table
        self._clock = clock
        self._lease = lease

    async def land(self, part: Part) -> None:
        """Put a landed part on the dock. Idempotent. A piece of a divided part is shipped alone."""
        now = self._clock()
        cargo = Cargo(part.stage, part.subject, part.row_key, part.company, part.rows, part.blob, now)
        if part.path:
            cargo = replace(cargo, group=cargo.row_key, formed_at=now)
        try:
            await self._table.create_entity(_cargo_entity(cargo))
        except ResourceExistsError:
            # A duplicate message, or a worker that crashed after this write. The part may be on its way already.
            return

    async def view(self, stage: str) -> View:
        """The whole dock of one map."""
        view = View()
        async for row in self._table.query_entities("PartitionKey eq @stage", parameters={"stage": str(stage)}):
            kind, _, name = row["RowKey"].partition("|")
            if error := newer(row, _name_of(row)):
                view.newer.append(error)
                view.foreign.add(name if kind == "shipment" else "")
            elif kind == "part":
                view.cargo.append(_CARGO.value(row))
            elif kind == "lane":
                view.lanes[int(name)] = Lane(int(name), row["shipment"], str(row.metadata["etag"]))
            else:
                view.shipments[name] = _SHIPMENT.value(row)
        return view

    async def shipment(self, stage: str, ticket: str) -> Shipment | None:
        """A shipment by its ticket."""
        row = await find_row(self._table, str(stage), f"shipment|{ticket}")
        return _SHIPMENT.value(row) if row else None

    async def cargo(self, shipment: Shipment) -> list[Cargo]:
        """The parts of a shipment, in the order of their rows in the file."""
        condition = "PartitionKey eq @stage and RowKey ge 'part|' and RowKey lt 'part}' and shipment eq @ticket"
        names = {"stage": str(shipment.stage), "ticket": shipment.ticket}
        rows = [_CARGO.value(row) async for row in self._table.query_entities(condition, parameters=names)]
        return sorted(rows, key=lambda cargo: cargo.row_key)

    async def claim(self, view: View, load: Sequence[Cargo], *, lane: int, ticket: str) -> Shipment:
        """Claim a lane and parts for a new shipment, in one transaction. Raises LeaseLost."""
        first = load[0]
        shipment = Shipment(
            stage=first.stage,
            ticket=ticket,
            company=first.company,
            lane=lane,
            execution_id=new_execution_id(first.stage),
            rows=sum(cargo.rows for cargo in load),
            level=first.level,
            step=ImportStep.CLAIMED,
            lease_until=self._clock() + self._lease,
        )
        # A lane that has never been used has no row.
        standing = view.lanes.get(lane)
        lane_entity = _lane_entity(first.stage, lane, ticket)
        operations: list[Any] = [("create", _shipment_entity(shipment))]
        operations.append(guarded(lane_entity, standing.etag) if standing else ("create", lane_entity))
        operations += [guarded(_cargo_entity(replace(cargo, shipment=ticket)), cargo.etag) for cargo in load]
        results = await transact(self._table, operations)
        return replace(shipment, etag=results[0]["etag"])

    async def save(self, shipment: Shipment, **changes: Any) -> Shipment:
        """Change a shipment and renew its lease. Raises LeaseLost on an ETag conflict."""
        changed = replace(shipment, **{"lease_until": self._clock() + self._lease} | changes)
        results = await transact(self._table, [guarded(_shipment_entity(changed), shipment.etag)])
        return replace(changed, etag=results[0]["etag"])

    async def finish(self, shipment: Shipment) -> Shipment:
        """Mark the import as finished and free its lane, in one transaction. Raises LeaseLost."""
        changed = replace(shipment, step=ImportStep.FINISHED, lease_until=self._clock() + self._lease)
        # The lane needs no ETag: only the holder of its shipment writes it.
        lane = _lane_entity(shipment.stage, shipment.lane, "")
        results = await transact(self._table, [guarded(_shipment_entity(changed), shipment.etag), ("upsert", lane)])
        return replace(changed, etag=results[0]["etag"])

    async def remove(self, shipment: Shipment, cargo: Iterable[Cargo]) -> None:
        """Remove a booked shipment and its parts from the dock. Raises LeaseLost."""
        # Without ETags. A worker that comes second finds the shipment gone, and the whole transaction fails.
        keys = [f"shipment|{shipment.ticket}", *(item.row_key for item in cargo)]
        await transact(self._table, [("delete", {"PartitionKey": str(shipment.stage), "RowKey": key}) for key in keys])

    async def put_back(self, shipment: Shipment, cargo: Iterable[Cargo], *, drop: Iterable[Cargo] = ()) -> None:
        """Dissolve a shipment. Its parts, changed as in `cargo`, wait for a lane again; those in `drop` leave the
        dock. Raises LeaseLost."""
        operations: list[Any] = [_deletion(shipment.stage, f"shipment|{shipment.ticket}")]
        operations += [guarded(_cargo_entity(replace(item, shipment="")), item.etag) for item in cargo]
        operations += [_deletion(item.stage, item.row_key) for item in drop]
        await transact(self._table, operations)

    async def change(self, cargo: Iterable[Cargo]) -> None:
        """Change waiting parts. Raises LeaseLost on an ETag conflict, or when one is gone."""
        await transact(self._table, [guarded(_cargo_entity(item), item.etag) for item in cargo])

    async def take_off(self, cargo: Cargo) -> None:
        """Remove a waiting part from the dock. Raises LeaseLost on an ETag conflict, or when it is gone."""
        await transact(self._table, [deleted(_cargo_entity(cargo), cargo.etag)])

    async def of_subject(self, stage: str, subject: UUID) -> list[Cargo]:
        """The parts of one subject on the dock of one map."""
        condition = "PartitionKey eq @stage and RowKey ge @lower and RowKey lt @upper"
        names = {"stage": str(stage), "lower": f"part|{subject}|", "upper": f"part|{subject}}}"}
        return [_CARGO.value(row) async for row in self._table.query_entities(condition, parameters=names)]


def _deletion(stage: str, row_key: str) -> tuple[str, dict[str, str]]:
    return ("delete", {"PartitionKey": str(stage), "RowKey": row_key})


def _lane_entity(stage: str, number: int, ticket: str) -> dict[str, Any]:
    return {"PartitionKey": str(stage), "RowKey": f"lane|{number}", "shipment": ticket}


def _name_of(row: Any) -> str:
    return f"{row['RowKey'].replace('|', ' ')} on the dock of {row['PartitionKey']}"


def _of_key(place: int) -> Callable[[Any], str]:
    return lambda row: str(row["RowKey"].split("|", 2)[place])


_STAGE = {"stage": lambda row: str(row["PartitionKey"])}
_CARGO = Entities(
    Cargo,
    _name_of,
    others={**_STAGE, "subject": lambda row: UUID(_of_key(1)(row)), "part_key": _of_key(2)},
    limits={"why": _TEXT_LIMIT},
)
_SHIPMENT = Entities(Shipment, _name_of, others={**_STAGE, "ticket": _of_key(1)})


def _cargo_entity(cargo: Cargo) -> dict[str, Any]:
    return {"PartitionKey": str(cargo.stage), "RowKey": cargo.row_key, **_CARGO.columns(cargo)}


def _shipment_entity(shipment: Shipment) -> dict[str, Any]:
    key = f"shipment|{shipment.ticket}"
    return {"PartitionKey": str(shipment.stage), "RowKey": key, **_SHIPMENT.columns(shipment)}
