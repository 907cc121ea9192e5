"""The owner of the storage account: an organization and its services, stamped by the first app that opens the account.

Two apps on one account (two environments that share a setting, a slot, a sandbox copied from production) would take
each other's messages, and invoices of one would be written to the Finance of the other. So an app whose settings differ
from the stamp processes nothing until one of the two is corrected. The stamp is checked repeatedly, because it can
change while a process runs.
"""

import json
import logging
import time
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from azure.core.exceptions import AzureError, ResourceExistsError, ResourceModifiedError
from azure.data.tables import UpdateMode
from azure.data.tables.aio import TableClient

from shared.clock import parse_stamp, stamp
from shared.configuration.addresses import origin
from shared.errors import NotOurStorage
from shared.log import event
from shared.storage.audit import Audit
from shared.storage.notes import Notes
from shared.tables.rows import unchanged

SETTING = "STORAGE_TAKEN_OVER_FROM"
PARTITION = "owner"
_KEY = {"PartitionKey": PARTITION, "RowKey": "storage"}
_REFUSED_APP = "refused app"
# Reading the stamp for every message would cost one storage operation each.
LOOK_AGAIN_SECONDS = 10.0
# A refused app repeats its note while it runs, so an older note is from an app that has stopped.
_STILL_THERE = timedelta(minutes=2)
_EVER = datetime.min.replace(tzinfo=UTC)
_SHORTEST_SECONDS, _LONGEST_SECONDS = 5.0, 60.0


@dataclass(frozen=True)
class Owner:
    """An organization (a GUID) and the origins of its services, normalized, so that equal owners compare equal."""

    organization: str
    dataverse: str
    finance: str

    @classmethod
    def named(cls, organization: object, dataverse: object, finance: object) -> "Owner":
        """An owner from texts in any spelling."""
        return cls(_normal(organization), _normal(dataverse), _normal(finance))

    def differing(self, other: "Owner") -> dict[str, tuple[str, str]]:
        """The differences by the name of the setting, as pairs (this owner, other owner)."""
        pairs = {
            "DATAVERSE_ORGANIZATION_ID": (self.organization, other.organization),
            "DATAVERSE_URL": (self.dataverse, other.dataverse),
            "FINANCE_URL": (self.finance, other.finance),
        }
        return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}

    def describe(self) -> str:
        """The text for an operator."""
        return f"organization {self.organization}, Dataverse {self.dataverse}, Finance {self.finance}"


def _normal(value: object) -> str:
    text = str(value or "").strip()
    try:
        return str(UUID(text))
    except ValueError:
        pass
    try:
        # The address of the Web API is another name of the same environment.
        return origin(text).replace(".api.crm", ".crm")
    except ValueError:
        return text.lower().rstrip("/")


class Ownership:
    """The stamp of the account, checked by one process."""

    def __init__(
        self,
        table: TableClient,
        owner: Owner,
        *,
        taken_over_from: Collection[str] = (),
        audit: Audit,
        notes: Notes,
        clock: Callable[[], datetime],
    ) -> None:
        self._table = table
        self._owner = owner
        self._former = {_normal(each) for each in taken_over_from}
        self._audit = audit
        self._notes = notes
        self._clock = clock
        self._refusal: str | None = None
        self._is_known = False
        self._look_at = 0.0
        self._refused_since = 0.0
        self.rows: Mapping[str, Any] = {}
        """The rows of the stamp's partition by their keys, as last read: the stamp, and which maps are in use."""
        self.since = _EVER
        """When the account became this owner's. What was confirmed before may be in Finance without being known here: a
        lost account was replaced by this one, or another app has carried it."""

    async def check(self) -> None:
        """Return if the account is ours. An unstamped account is stamped. Raises NotOurStorage, and the SDK's error
        while storage cannot be reached and the owner is unknown."""
        if time.monotonic() >= self._look_at:
            await self._look()
        if self._refusal is not None:
            raise NotOurStorage(self._refusal)

    def look_again(self) -> None:
        """Read the stamp again at the next check, however lately it was read."""
        self._look_at = 0.0

    def patience(self) -> timedelta:
        """How long a refused message waits: seconds at first, since the owner may be running next to us, later a
        minute."""
        refused = time.monotonic() - self._refused_since
        return timedelta(seconds=min(max(refused / 10, _SHORTEST_SECONDS), _LONGEST_SECONDS))

    async def refused_app(self) -> str | None:
        """The text for the owner about another app that was refused lately, or None."""
        note = await self._notes.read(_REFUSED_APP)
        if not note or self._clock() - datetime.fromisoformat(note["at"]) > _STILL_THERE:
            return None
        return (
            f"another app uses this storage account and is refused ({note['app']}): it takes messages and puts them "
            "back, which slows everything down; give it a storage account of its own"
        )

    async def _look(self) -> None:
        try:
            refusal = await self._claim()
            await self._leave_note(refusal)
        except AzureError:
            if not self._is_known:
                raise
            refusal = self._refusal
        if refusal is not None and self._refusal is None:
            self._refused_since = time.monotonic()
        self._refusal, self._is_known = refusal, True
        self._look_at = time.monotonic() + LOOK_AGAIN_SECONDS

    async def _leave_note(self, refusal: str | None) -> None:
        """Write a note for the owner while we are refused. The owner's own processes clear it when they start."""
        if refusal is not None:
            event("storage refused", severity=logging.ERROR)
            await self._notes.write(_REFUSED_APP, {"app": self._owner.describe(), "at": stamp(self._clock())})
        elif not self._is_known and await self._notes.read(_REFUSED_APP):
            await self._notes.write(_REFUSED_APP, {})

    async def _claim(self) -> str | None:
        """The reason why the account is not ours, or None."""
        while True:
            # One request for all that every work item must know about the account.
            rows = self._table.query_entities(f"PartitionKey eq '{PARTITION}'")
            self.rows = {str(row["RowKey"]): row async for row in rows}
            row = self.rows.get(_KEY["RowKey"])
            if row is None:
                await self._stamp()
                continue
            standing = Owner.named(row.get("organization"), row.get("dataverse"), row.get("finance"))
            if not standing.differing(self._owner):
                self.since = parse_stamp(row["at"]) if row.get("at") else _EVER
                await self._note_take_over(row)
                return None
            if refusal := self._not_taken_over(standing, _history(row)):
                return refusal
            await self._take_over(row, standing)

    async def _stamp(self) -> None:
        """Create the stamp. If a concurrent writer was faster, its stamp is read next."""
        with suppress(ResourceExistsError):
            await self._table.create_entity({**_KEY, **asdict(self._owner), "at": stamp(self._clock())})

    def _not_taken_over(self, standing: Owner, history: list[dict[str, Any]]) -> str | None:
        differing = standing.differing(self._owner)
        if not self._names(differing):
            return _explain(differing)
        before = [each for each in history if each["from"] == asdict(standing) and each["to"] == asdict(self._owner)]
        return _explain_again(differing, before[-1]["at"]) if before else None

    def _names(self, differing: Mapping[str, tuple[str, str]]) -> bool:
        """Whether the setting names everything that changed: the organization or its address, and Finance's address
        separately."""
        changed = {name for name, (there, _) in differing.items() if there not in self._former}
        of_dataverse = {"DATAVERSE_ORGANIZATION_ID", "DATAVERSE_URL"} & differing.keys()
        return "FINANCE_URL" not in changed and (not of_dataverse or bool(of_dataverse - changed))

    async def _take_over(self, row: Mapping[str, Any], standing: Owner) -> None:
        """Replace the stamp unless a concurrent writer has just done so. The change stays in the row until it is in
        the audit log."""
        at = stamp(self._clock())
        done = {"from": asdict(standing), "to": asdict(self._owner), "at": at}
        entity = {
            **_KEY,
            **asdict(self._owner),
            "at": at,
            "history": json.dumps([*_history(row), done]),
            "unaudited": json.dumps(done),
        }
        await self._replace(row, entity)

    async def _note_take_over(self, row: Mapping[str, Any]) -> None:
        if row.get("unaudited"):
            await self._audit.note("take storage over", SETTING, json.loads(row["unaudited"]))
            await self._replace(row, {**row, "unaudited": ""})

    async def _replace(self, row: Any, entity: Mapping[str, Any]) -> None:
        with suppress(ResourceModifiedError):
            options = {"mode": UpdateMode.REPLACE, **unchanged(row.metadata["etag"])}
            await self._table.update_entity(dict(entity), **options)


def _history(row: Mapping[str, Any]) -> list[dict[str, Any]]:
    return list(json.loads(row.get("history") or "[]"))


def _explain(differing: Mapping[str, tuple[str, str]]) -> str:
    return (
        f"{_compare(differing)}. Nothing is worked on, and nothing is lost: messages wait on their queues. Correct "
        f"{_listed(differing)}, or give this app a storage account of its own, and restart it. Only if the environment "
        f"itself has moved and no other app uses the account, set {SETTING}={_wanted(differing)}"
    )


def _explain_again(differing: Mapping[str, tuple[str, str]], at: str) -> str:
    return (
        f"{_compare(differing)}. {SETTING} was followed at {at}, and the other app has taken the account back since: "
        "two apps want it. Nothing is worked on. Give one of them a storage account of its own. To take this one over "
        "once more, stop the other app and delete the row storage of partition owner in table gates"
    )


def _compare(differing: Mapping[str, tuple[str, str]]) -> str:
    parts = [f"{name} is {here} here and {there} there" for name, (there, here) in differing.items()]
    return f"The storage account belongs to an app with other settings: {'; '.join(parts)}"


def _listed(differing: Mapping[str, object]) -> str:
    *most, last = differing
    return f"{', '.join(most)} and {last}" if most else last


def _wanted(differing: Mapping[str, tuple[str, str]]) -> str:
    """The value that the setting needs. Dataverse is named by its organization if that has changed, else by its
    address."""
    names = [name for name in differing if name != "DATAVERSE_URL" or "DATAVERSE_ORGANIZATION_ID" not in differing]
    return ",".join(differing[name][0] for name in names)
