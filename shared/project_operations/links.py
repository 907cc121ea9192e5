"""Finds the unbilled sales and the transaction connections that a confirmation created.

Older unbilled sales carry the same invoice stamp and have been sent to Finance before. Type, stamp and dates do not
distinguish them from the new ones, but links do. A new row is linked to the billed ones:

    billed -> unbilled                                    ordinary and edited lines, retainers
    reversal -> original billed <- replacing unbilled     corrections, two hops

An unbilled sale is an original if the draft's invoice line detail points to it. A link in which one of our billed sales
is the Original belongs to a later correction, not to this confirmation.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from shared.engine.ports import Ports
from shared.errors import NotYet
from shared.maps.transforms import Row
from shared.project_operations.billing_methods import billing_methods
from shared.project_operations.codes import (
    ACTUALS,
    CONNECTIONS,
    EXPENSE,
    FEE,
    FIXED_PRICE,
    MATERIAL,
    TIME,
    TIME_AND_MATERIAL,
    UNBILLED_SALES,
)
from shared.services.odata import Guid, guid

TRACED = ("msdyn_actualid", "msdyn_transactionclassification")
"""The columns of a billed sale that are needed to follow its links."""
_ENDS = ("msdyn_transaction1", "msdyn_transaction2")
# On a contract line of time and material, each billed sale of these classes has an unbilled sale.
_LINKED_CLASSES = {TIME, EXPENSE, MATERIAL, FEE}
_TO_A_DETAIL = " or ".join(f"{end}type eq 'msdyn_invoicelinetransaction'" for end in _ENDS)


@dataclass(frozen=True)
class Produced:
    """What billed sales lead to: new unbilled sales, and the connections to send. `unlinked` counts the billed sales
    whose optional link was still missing when the wait was over."""

    unbilled: list[Row]
    connections: list[Row]
    unlinked: int = 0


class Side(NamedTuple):
    """A connection seen from one of its ends."""

    link: Row
    near: Guid
    role: str
    far: Guid
    far_role: str

    @property
    def ends(self) -> set[Guid]:
        """Both ends."""
        return {self.near, self.far}


async def trace(ports: Ports, billed: Sequence[Row], *, waited: bool = True) -> Produced:
    """Follow the links of some billed sales. Raises NotYet while a billed sale lacks a mandatory link. Unless
    `waited`, it also raises NotYet for a missing optional link."""
    ids = {guid(row["msdyn_actualid"]) for row in billed}
    created = [side for side in await _sides(ports, ids) if side.role in {"billed sales", "reversing"}]
    unlinked = await _check_linked(ports, billed, created, waited=waited)
    replacing = await _replacing(ports, {side.far for side in created if side.role == "reversing"})
    links = {side.link["msdyn_transactionconnectionid"]: side for side in [*created, *replacing]}
    types = await _types(ports, {end for side in links.values() for end in side.ends} - ids)
    new_unbilled = await _without_detail(ports, _unbilled(types, (side.far for side in created)))
    new_unbilled |= await _unbilled_only(ports, _unbilled(types, (side.far for side in replacing)))
    # Reversals with skip sync are never sent, and Finance refuses a connection to a row that it does not hold.
    sendable = ids | types.keys()
    return Produced(
        unbilled=await _rows(ports, new_unbilled),
        connections=[side.link for side in links.values() if side.ends <= sendable],
        unlinked=unlinked,
    )


async def _check_linked(ports: Ports, billed: Sequence[Row], created: Iterable[Side], *, waited: bool) -> int:
    """Check that each billed sale has its link, and return how many optional links are missing.

    The billing method of the contract line decides whether an unbilled sale is mandatory. If the method is unknown, the
    link is optional.
    """
    linked = {end for side in created for end in side.ends}
    bare = {guid(row["msdyn_actualid"]): row["msdyn_transactionclassification"] for row in billed}
    # The write-back passes no class: its rows were checked when they were sent.
    bare = {key: kind for key, kind in bare.items() if key not in linked and kind is not None}
    # Only for sales without a link, which are few: it costs two more requests.
    methods = await billing_methods(ports, bare) if bare else {}
    worked = [key for key, kind in bare.items() if kind in _LINKED_CLASSES and methods.get(key) != FIXED_PRICE]
    others = [key for key, kind in bare.items() if kind not in _LINKED_CLASSES]
    must = [key for key in worked if methods.get(key) == TIME_AND_MATERIAL]
    may = [*worked, *(key for key in others if methods.get(key) == TIME_AND_MATERIAL)]
    if must or (may and not waited):
        lacking = must or may
        raise NotYet(
            f"{len(lacking)} of {len(billed)} billed sales have no transaction connection yet, e.g. {lacking[0]}"
        )
    return len(may)


async def _sides(ports: Ports, ids: Collection[Guid]) -> list[Side]:
    """The connections between actuals with one of `ids` as an end, seen from that end."""
    table_map = ports.maps[CONNECTIONS]
    portions = ports.dataverse.rows_in(table_map.source.set, _ENDS, ids, table_map.query, where=table_map.source.filter)
    return [side async for rows in portions for row in rows for side in _seen_from(row, ids)]


def _seen_from(link: Row, ids: Collection[Guid]) -> Iterator[Side]:
    # The spelling of roles is not documented, so case and blanks are ignored.
    one, other = ((guid(link[end]), str(link[f"{end}role"]).strip().lower()) for end in _ENDS)
    for near, far in ((one, other), (other, one)):
        if near[0] in ids:
            yield Side(link, *near, *far)


async def _replacing(ports: Ports, corrected: Collection[Guid]) -> list[Side]:
    """The new unbilled sales that replace corrected billed sales."""
    return [side for side in await _sides(ports, corrected) if side.far_role == "replacing"]


async def _types(ports: Ports, ids: Collection[Guid]) -> dict[Guid, int]:
    """The transaction types of those actuals that are sent to Finance at all."""
    table_map = ports.maps[ACTUALS]
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
    """The rows that no invoice line detail points to: the confirmation created them."""
    options = {"$select": ",".join(_ENDS)}
    pointed: set[Guid] = set()
    async for rows in ports.dataverse.rows_in(
        ports.maps[CONNECTIONS].source.set, _ENDS, ids, options, where=_TO_A_DETAIL
    ):
        pointed |= {guid(row[end]) for row in rows for end in _ENDS}
    return set(ids) - pointed


async def _unbilled_only(ports: Ports, ids: Collection[Guid]) -> set[Guid]:
    """The rows that no billed sale bills. The others are read with their billed sale, which may be on another page."""
    billed = {side.near for side in await _sides(ports, ids) if side.far_role == "billed sales"}
    return set(ids) - billed


async def _rows(ports: Ports, ids: Collection[Guid]) -> list[Row]:
    table_map = ports.maps[ACTUALS]
    portions = ports.dataverse.rows_in(
        table_map.source.set, (table_map.source.key,), ids, table_map.query, where=table_map.source.filter
    )
    return [row async for rows in portions for row in rows]
