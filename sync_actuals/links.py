"""Which unbilled sales and which transaction connections a confirmation created.

Unbilled sales that were there before carry the same invoice stamp and went to Finance long ago; neither type nor stamp
nor dates tell them from the new ones. Links do. A new row is reached from the billed ones

    billed -> unbilled                                    ordinary and edited lines, retainers
    reversal -> original billed <- replacing unbilled     corrections, two hops

and an unbilled sale is an original when the draft's invoice line detail points to it. A link in which one of our
billed sales is the Original belongs to a later correction, not to this confirmation.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from shared.billed import UNBILLED_SALES
from shared.errors import NotYet
from shared.odata import Guid, guid
from shared.ports import Ports
from shared.stages import Stage
from shared.transform import Row

TRACED = ("msdyn_actualid", "msdyn_transactionclassification")
"""The columns of a billed sale that following its links needs."""
_ENDS = ("msdyn_transaction1", "msdyn_transaction2")
_LINKED_CLASSES = {192350000, 192350001, 192350002, 192350004}
"""Time, expense, material and fee: Project Operations requires an unbilled sale behind each such billed one."""
_TO_A_DETAIL = " or ".join(f"{end}type eq 'msdyn_invoicelinetransaction'" for end in _ENDS)


@dataclass(frozen=True)
class Produced:
    """What some billed sales bring along: new unbilled sales, and the connections that go to Finance."""

    unbilled: list[Row]
    connections: list[Row]


class Side(NamedTuple):
    """A connection seen from one end."""

    link: Row
    near: Guid
    role: str
    far: Guid
    far_role: str

    @property
    def ends(self) -> set[Guid]:
        """Both ends."""
        return {self.near, self.far}


async def trace(ports: Ports, billed: Sequence[Row]) -> Produced:
    """Follow the links from some billed sales. Raises NotYet while a billed sale lacks a link that it must have."""
    ids = {guid(row["msdyn_actualid"]) for row in billed}
    created = [side for side in await _sides(ports, ids) if side.role in {"billed sales", "reversing"}]
    _check_linked(billed, created)
    replacing = await _replacing(ports, {side.far for side in created if side.role == "reversing"})
    links = {side.link["msdyn_transactionconnectionid"]: side for side in [*created, *replacing]}
    types = await _types(ports, {end for side in links.values() for end in side.ends} - ids)
    fresh = await _without_detail(ports, _unbilled(types, (side.far for side in created)))
    fresh |= await _unbilled_only(ports, _unbilled(types, (side.far for side in replacing)))
    sendable = ids | types.keys()
    return Produced(
        unbilled=await _rows(ports, fresh),
        connections=[side.link for side in links.values() if side.ends <= sendable],
    )


def _check_linked(billed: Sequence[Row], created: Iterable[Side]) -> None:
    linked = {end for side in created for end in side.ends}
    bare = [
        row["msdyn_actualid"]
        for row in billed
        if row["msdyn_transactionclassification"] in _LINKED_CLASSES and guid(row["msdyn_actualid"]) not in linked
    ]
    if bare:
        raise NotYet(f"{len(bare)} of {len(billed)} billed sales have no transaction connection yet, e.g. {bare[0]}")


async def _sides(ports: Ports, ids: Collection[Guid]) -> list[Side]:
    """The connections between actuals at which one of `ids` is an end, seen from that end."""
    table_map = ports.maps[Stage.CONNECTIONS]
    portions = ports.dataverse.rows_in(table_map.source.set, _ENDS, ids, table_map.query, where=table_map.source.filter)
    return [side async for rows in portions for row in rows for side in _seen_from(row, ids)]


def _seen_from(link: Row, ids: Collection[Guid]) -> Iterator[Side]:
    one, other = ((guid(link[end]), str(link[f"{end}role"]).strip().lower()) for end in _ENDS)
    for near, far in ((one, other), (other, one)):
        if near[0] in ids:
            yield Side(link, *near, *far)


async def _replacing(ports: Ports, corrected: Collection[Guid]) -> list[Side]:
    """The new unbilled sales that replace corrected billed sales."""
    return [side for side in await _sides(ports, corrected) if side.far_role == "replacing"]


async def _types(ports: Ports, ids: Collection[Guid]) -> dict[Guid, int]:
    """The transaction types of those actuals that go to Finance at all."""
    table_map = ports.maps[Stage.ACTUALS]
    options = {"$select": "msdyn_actualid,msdyn_transactiontypecode"}
    found: dict[Guid, int] = {}
    async for rows in ports.dataverse.rows_in(
        table_map.source.set, (table_map.source.key,), ids, options, where=table_map.source.filter
    ):
        found |= {guid(row["msdyn_actualid"]): row["msdyn_transactiontypecode"] for row in rows}
    return found


def _unbilled(types: dict[Guid, int], ids: Iterable[Guid]) -> set[Guid]:
    return {key for key in ids if types.get(key) == UNBILLED_SALES}


async def _without_detail(ports: Ports, ids: Collection[Guid]) -> set[Guid]:
    """Those to which no invoice line detail points: the confirmation made them."""
    options = {"$select": ",".join(_ENDS)}
    pointed: set[Guid] = set()
    async for rows in ports.dataverse.rows_in(
        ports.maps[Stage.CONNECTIONS].source.set, _ENDS, ids, options, where=_TO_A_DETAIL
    ):
        pointed |= {guid(row[end]) for row in rows for end in _ENDS}
    return set(ids) - pointed


async def _unbilled_only(ports: Ports, ids: Collection[Guid]) -> set[Guid]:
    """Those that no billed sale bills: the others come with their billed sale, which may be on another page."""
    billed = {side.near for side in await _sides(ports, ids) if side.far_role == "billed sales"}
    return set(ids) - billed


async def _rows(ports: Ports, ids: Collection[Guid]) -> list[Row]:
    table_map = ports.maps[Stage.ACTUALS]
    portions = ports.dataverse.rows_in(
        table_map.source.set, (table_map.source.key,), ids, table_map.query, where=table_map.source.filter
    )
    return [row async for rows in portions for row in rows]
