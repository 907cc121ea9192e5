"""Finds the unbilled sales that a confirmation created and that are not linked to one of its billed sales. Reading,
verification, reconciliation and the out-of-sync search all use this one definition.

A confirmation also creates unbilled sales that stay unbilled: the rest of a retainer, a line made non-chargeable, a
line added by hand. Their links may be missing, so they are searched for by other columns: unbilled sales of the invoice
or of its contract, not skip-sync, created at the time of its billed sales. The links of a row that was found tell which
invoice it belongs to:

    it has a cost                         none: an approval created it
    a detail or billed sale points to it  the invoice of that detail or billed sale
    it replaces a billed or unbilled row  the invoice that reversed the billed row, or billed the unbilled row
    no link, but stamped with an invoice  that invoice
    no link and no stamp                  unknown. The row is reported as unexplained, unless another invoice of the
                                          contract has a billed sale nearer in time

A row to which a detail points may be new or may have been in Finance before, so it is looked up there. The sign of an
amount is never used. A row that the run has sent by itself, because it was found here or chosen by an operator, stays
part of the confirmation.
"""

from collections.abc import AsyncIterator, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from shared.clock import parse_stamp
from shared.engine.ports import Ports
from shared.engine.resend import sent_singly
from shared.maps.transforms import Row
from shared.project_operations.billed_sales import billed_filter, count_rows
from shared.project_operations.codes import (
    ACTUALS,
    BILLED_SALES,
    CONNECTIONS,
    DETAILS,
    INVOICE_LINE_DETAIL,
    INVOICES,
    UNBILLED_SALES,
)
from shared.project_operations.held_actuals import held_by_actual
from shared.services.odata import Guid, all_of, guid

# Dataverse's largest page.
_PAGE = 5000
# A confirmation writes its rows within minutes. In the background it may use several transactions.
_AROUND = timedelta(minutes=15)
_ENDS = ("msdyn_transaction1", "msdyn_transaction2")
_LINK = ",".join(["msdyn_transactionconnectionid", *(f"{end}{part}" for end in _ENDS for part in ("", "role", "type"))])
_LIGHT = (
    "msdyn_actualid,msdyn_amount,msdyn_billingtype,msdyn_transactionclassification,createdon,_msdyn_invoice_value,"
    "_msdyn_salescontract_value"
)


@dataclass(frozen=True)
class Beside:
    """The result of the search. `belonging` are the unbilled sales of the confirmation, each with its connections to
    the rows that it replaces. `missing` are those of them that Finance does not hold. `unexplained` are rows whose
    invoice cannot be determined, and which Finance does not hold. `unbilled` counts the rows of `belonging` and
    `unexplained` that stay unbilled, `seen` all rows that were examined."""

    belonging: Mapping[Guid, frozenset[Guid]] = field(default_factory=dict)
    missing: frozenset[Guid] = frozenset()
    unexplained: Sequence[Row] = ()
    unbilled: int = 0
    seen: int = 0

    @property
    def links(self) -> set[Guid]:
        """The connections of all rows in `belonging`."""
        return {link for links in self.belonging.values() for link in links}


@dataclass(frozen=True)
class Claim:
    """What the links of an unbilled sale say: it comes from an approval, or it belongs to `invoices`. `replaces` are
    its links to rows that it replaces. `pointed` is true if a detail or a billed sale points to it."""

    is_approved: bool = False
    invoices: frozenset[Guid] = frozenset()
    replaces: frozenset[Guid] = frozenset()
    pointed: bool = False


@dataclass(frozen=True)
class Scope:
    """The search range of a confirmation. `first` and `last` are the creation times of its first and last billed
    sale."""

    invoice_id: UUID
    contract: UUID | None
    first: datetime
    last: datetime

    @property
    def condition(self) -> str:
        """The filter for unbilled sales that the confirmation may have created. Rows stamped with another invoice
        are excluded."""
        own = f"_msdyn_invoice_value eq {self.invoice_id}"
        shared = f"(_msdyn_salescontract_value eq {self.contract} and _msdyn_invoice_value eq null)"
        return all_of(
            f"msdyn_transactiontypecode eq {UNBILLED_SALES}",
            f"{own} or {shared}" if self.contract else own,
            f"createdon ge {_instant(self.first - _AROUND)}",
            f"createdon le {_instant(self.last + _AROUND)}",
        )


async def scope_of(ports: Ports, invoice_id: UUID) -> Scope | None:
    """The search range, or None if the invoice has no billed sales."""
    first = await _billed_at(ports, invoice_id, "asc")
    last = await _billed_at(ports, invoice_id, "desc")
    if first is None or last is None:
        return None
    options = {"$select": "_salesorderid_value"}
    invoice = await ports.dataverse.one(ports.maps[INVOICES].source.set, invoice_id, options)
    contract = (invoice or {}).get("_salesorderid_value")
    return Scope(invoice_id, UUID(contract) if contract else None, first, last)


async def count_beside(ports: Ports, invoice_id: UUID) -> int:
    """The number of candidates."""
    scope = await scope_of(ports, invoice_id)
    source = ports.maps[ACTUALS].source
    return await count_rows(ports, source.set, source.key, all_of(scope.condition, source.filter)) if scope else 0


async def find_beside(
    ports: Ports, invoice_id: UUID, known: Collection[Guid], singly: Collection[Guid] | None = None
) -> Beside:
    """The unbilled sales of a confirmation other than `known`, and the rows whose invoice cannot be determined.
    `singly` are the rows on its repair pages, if the caller has read them."""
    scope = await scope_of(ports, invoice_id)
    sent = await sent_singly(ports, invoice_id, ACTUALS) if singly is None else singly
    search = _Search(ports, scope, known, sent)
    async for rows in _candidates(ports, scope):
        await search.look_at(rows)
    return search.result()


async def claims_of(ports: Ports, ids: Collection[Guid]) -> dict[Guid, Claim]:
    """What the links of some unbilled sales say."""
    approved = await _approved(ports, ids)
    found = {key: Claim(is_approved=True) for key in approved}
    return found | await _claimed(ports, set(ids) - approved)


async def _approved(ports: Ports, ids: Collection[Guid]) -> set[Guid]:
    """The rows that have a cost. If work was approved shortly before the confirmation, these are most of the
    candidates."""
    where = " or ".join(f"{end}role eq 'Cost'" for end in _ENDS)
    sides = await _sides(ports, ids, where=where)
    return {side.near for side in sides if "cost" in {side.near_role, side.far_role}}


async def _claimed(ports: Ports, ids: Collection[Guid]) -> dict[Guid, Claim]:
    sides = await _sides(ports, ids)
    replaced = {side.far for side in sides if side.is_replacing}
    behind = await _sides(ports, replaced)
    details = {side.far for side in [*sides, *behind] if side.is_of_detail}
    invoices = await _invoices(ports, DETAILS, details)
    actuals = {side.far for side in [*sides, *behind] if side.is_of_billing}
    invoices |= await _invoices(ports, ports.maps[ACTUALS].source.set, actuals)
    leads, direct = _leading(behind, invoices), _leading(sides, invoices)
    links: dict[Guid, list[_Side]] = {key: [] for key in ids}
    for side in sides:
        links[side.near].append(side)
    return {
        key: Claim(
            invoices=direct.get(key, frozenset()).union(
                *(leads.get(side.far, ()) for side in own if side.is_replacing)
            ),
            replaces=frozenset(side.link for side in own if side.is_replacing),
            pointed=any(side.is_of_detail or side.far_role == "billed sales" for side in own),
        )
        for key, own in links.items()
    }


@dataclass
class _Search:
    """The state of a search over pages of candidates."""

    ports: Ports
    scope: Scope | None
    known: Collection[Guid]
    sent: Collection[Guid]
    belonging: dict[Guid, frozenset[Guid]] = field(default_factory=dict)
    missing: set[Guid] = field(default_factory=set)
    unexplained: list[Row] = field(default_factory=list)
    unbilled: int = 0
    seen: int = 0

    async def look_at(self, rows: Sequence[Row]) -> None:
        """Examine one page."""
        self.seen += len(rows)
        rest = {guid(row["msdyn_actualid"]): row for row in rows}
        rest = {key: row for key, row in rest.items() if key not in self.known}
        claims = await claims_of(self.ports, rest)
        asked = [key for key, claim in claims.items() if self._must_be_asked_for(claim, rest[key])]
        held_ids = await held_by_actual(self.ports, asked)
        for key, claim in claims.items():
            if self._is_ours(claim, rest[key]) or key in self.sent:
                self.missing |= {key} - held_ids
                # A row in Finance is an original, unless this run sent it or its links say that it replaces a row.
                if key not in held_ids or key in self.sent or (claim.replaces and not claim.pointed):
                    self.belonging[key] = claim.replaces
                    self.unbilled += not claim.pointed
            elif key in asked and key not in held_ids and await self._is_nearest(rest[key]):
                self.unexplained.append(rest[key])
                self.unbilled += 1

    def _must_be_asked_for(self, claim: Claim, row: Row) -> bool:
        if guid(row["msdyn_actualid"]) in self.sent:
            return True
        return self._is_ours(claim, row) or not (claim.is_approved or claim.invoices)

    def _is_ours(self, claim: Claim, row: Row) -> bool:
        # The stamp is the last evidence: an original from an approval carries the stamp of the invoice that bills it.
        own = guid(str(self.scope.invoice_id)) if self.scope else None
        stamp = row.get("_msdyn_invoice_value")
        if claim.is_approved:
            return False
        return own in claim.invoices or (not claim.invoices and stamp is not None and guid(stamp) == own)

    async def _is_nearest(self, row: Row) -> bool:
        """Whether no other invoice of the contract has a billed sale nearer to the row's creation time."""
        if self.scope is None:
            return False
        created = parse_stamp(row["createdon"])
        # Invoices of one contract are often confirmed in one go, up to 250 at once (article
        # bulk-confirm-project-invoices), so their search ranges overlap.
        gap = max(self.scope.first - created, created - self.scope.last, timedelta())
        return gap <= await _gap_to_others(self.ports, self.scope, created)

    def result(self) -> Beside:
        """The result."""
        return Beside(self.belonging, frozenset(self.missing), self.unexplained, self.unbilled, self.seen)


class _Side(NamedTuple):
    """A connection seen from one of its ends."""

    link: Guid
    near: Guid
    near_role: str
    far: Guid
    far_role: str
    far_type: str

    @property
    def is_replacing(self) -> bool:
        """The near end replaces the far end."""
        return self.near_role == "replacing" and not self.is_of_detail

    @property
    def is_of_detail(self) -> bool:
        """The far end is an invoice line detail."""
        return self.far_type == INVOICE_LINE_DETAIL

    @property
    def is_of_billing(self) -> bool:
        """The far end bills the near end, or reverses it."""
        return self.far_role in {"billed sales", "reversing"}

    @property
    def tells_invoice(self) -> bool:
        """The far end belongs to the invoice whose confirmation created the near end."""
        return self.is_of_detail or self.is_of_billing


async def _sides(ports: Ports, ids: Collection[Guid], *, where: str = "") -> list[_Side]:
    entity_set = ports.maps[CONNECTIONS].source.set
    portions = ports.dataverse.rows_in(entity_set, _ENDS, ids, {"$select": _LINK}, where=where)
    return [side async for rows in portions for row in rows for side in _seen_from(row, ids)]


def _seen_from(row: Row, ids: Collection[Guid]) -> Iterable[_Side]:
    one, other = ((guid(row[end]), _word(row[f"{end}role"]), _word(row[f"{end}type"])) for end in _ENDS)
    link = guid(row["msdyn_transactionconnectionid"])
    for near, far in ((one, other), (other, one)):
        if near[0] in ids:
            yield _Side(link, near[0], near[1], *far)


def _word(text: object) -> str:
    # The stored spelling of roles is not documented, so case and blanks are ignored.
    return str(text or "").strip().lower()


def _leading(sides: Iterable[_Side], invoices: Mapping[Guid, Guid]) -> dict[Guid, frozenset[Guid]]:
    """For each near end, the invoices of the details, billed sales or reversals linked to it."""
    found: dict[Guid, set[Guid]] = {}
    for side in sides:
        # Only these links name an invoice. A "replacing" link does not: the unbilled sales of a correction replace
        # billed sales of the corrected invoice, and were once taken for rows of that invoice.
        if side.tells_invoice and side.far in invoices:
            found.setdefault(side.near, set()).add(invoices[side.far])
    return {key: frozenset(owners) for key, owners in found.items()}


async def _invoices(ports: Ports, entity_set: str, ids: Collection[Guid]) -> dict[Guid, Guid]:
    """The invoice of each of these rows, where it has one."""
    key = "msdyn_actualid" if entity_set == ports.maps[ACTUALS].source.set else f"{INVOICE_LINE_DETAIL}id"
    found: dict[Guid, Guid] = {}
    async for rows in ports.dataverse.rows_in(entity_set, (key,), ids, {"$select": f"{key},_msdyn_invoice_value"}):
        found |= {guid(row[key]): guid(row["_msdyn_invoice_value"]) for row in rows if row["_msdyn_invoice_value"]}
    return found


async def _candidates(ports: Ports, scope: Scope | None) -> AsyncIterator[list[Row]]:
    if scope is None:
        return
    table_map = ports.maps[ACTUALS]
    options = {
        "$select": _LIGHT,
        "$expand": "transactioncurrencyid($select=isocurrencycode)",
        "$filter": all_of(scope.condition, table_map.source.filter),
    }
    async for rows in ports.dataverse.pages(table_map.source.set, options, size=_PAGE):
        yield rows


async def _billed_at(ports: Ports, invoice_id: UUID, order: str) -> datetime | None:
    """The creation time of the first (asc) or last (desc) billed sale of an invoice."""
    table_map = ports.maps[ACTUALS]
    return await _created(ports, billed_filter(table_map, invoice_id), order)


async def _gap_to_others(ports: Ports, scope: Scope, created: datetime) -> timedelta:
    """The time from `created` to the nearest billed sale of another invoice of the contract."""
    others = all_of(
        f"msdyn_transactiontypecode eq {BILLED_SALES}",
        f"_msdyn_salescontract_value eq {scope.contract}",
        f"_msdyn_invoice_value ne {scope.invoice_id} and _msdyn_invoice_value ne null",
    )
    before = await _created(ports, all_of(others, f"createdon le {_instant(created)}"), "desc")
    after = await _created(ports, all_of(others, f"createdon ge {_instant(created)}"), "asc")
    return min((abs(created - each) for each in (before, after) if each), default=timedelta.max)


async def _created(ports: Ports, condition: str, order: str) -> datetime | None:
    options = {
        "$select": "msdyn_actualid,createdon",
        "$filter": condition,
        "$orderby": f"createdon {order}",
    }
    rows = await ports.dataverse.first(ports.maps[ACTUALS].source.set, options, 1)
    return parse_stamp(rows[0]["createdon"]) if rows else None


def _instant(instant: datetime) -> str:
    return f"{instant.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
