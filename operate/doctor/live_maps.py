"""The maps of dual-write in the tenant: which of them run, and which versions are saved.

Rows of the runtime exist only for maps that run with Dataverse as source, and a restored database loses them. So no row
means "none seen", never "stopped". Every saved version of a map is a row, and the highest one may be a parked draft.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from operate.doctor.onlooker import Onlooker
from shared.maps.dual_write import NoMapping, decode
from shared.maps.table_map import TableMap

RUNTIME, SAVED = "msdyn_dualwriteruntimeconfig", "msdyn_dualwriteentitymap"
_PARTS = ("Major", "Minor", "Build", "Revision")


@dataclass(frozen=True)
class Running:
    """A map that the runtime carries: Dataverse's set, Finance's entity, and its version."""

    entity_set: str
    entity: str
    version: str

    def is_of(self, table_map: TableMap) -> bool:
        """Whether it carries the rows that a map of this app carries."""
        return self.entity_set.lower() in (table_map.source.set, table_map.source.set.removesuffix("s"))


@dataclass(frozen=True)
class Saved:
    """A saved version of a map."""

    key: str
    name: str
    version: str
    modified: str


async def is_installed(dataverse: Onlooker) -> bool:
    """Whether the environment has dual-write."""
    options = {"$select": "EntitySetName", "$filter": f"LogicalName eq '{RUNTIME}'"}
    return bool(await dataverse.read("EntityDefinitions", options))


async def running(dataverse: Onlooker) -> tuple[list[Running], int]:
    """The maps that are seen running, and how many rows could not be read: any map may be behind such a row."""
    options = {"$select": "msdyn_unsecure,statecode", "$filter": "statecode eq 0"}
    found = [_running(str(row.get("msdyn_unsecure") or "")) for row in await dataverse.read(f"{RUNTIME}s", options)]
    known = [each for each in found if each is not None]
    return known, len(found) - len(known)


def _running(text: str) -> Running | None:
    try:
        content = decode(text)
    except NoMapping:
        return None
    if not isinstance(content, dict):
        return None
    if not content.get("SourceEntityName"):
        return None
    version = content.get("EntityMapVersion")
    numbers = ".".join(str(version.get(part, 0)) for part in _PARTS) if isinstance(version, dict) else ""
    return Running(str(content.get("SourceEntityName", "")), str(content.get("DestinationEntityName", "")), numbers)


async def saved(dataverse: Onlooker, table_map: TableMap) -> list[Saved]:
    """The saved versions of the map that carries the rows of a map of this app, the last changed one first."""
    options = {
        "$select": "msdyn_dualwriteentitymapid,msdyn_name,msdyn_displayname,msdyn_version,modifiedon",
        "$filter": f"contains(msdyn_name,'[{table_map.source.set} - ')",
    }
    rows = await dataverse.read(f"{SAVED}s", options)
    fitting = [row for row in rows if f"[{table_map.source.set} - {table_map.target.entity}]" in str(row["msdyn_name"])]
    found = [_saved(row) for row in fitting or rows]
    return sorted(found, key=lambda each: each.modified, reverse=True)


def _saved(row: Any) -> Saved:
    name = str(row.get("msdyn_displayname") or row["msdyn_name"])
    return Saved(
        str(row["msdyn_dualwriteentitymapid"]), name, str(row.get("msdyn_version", "")), str(row.get("modifiedon", ""))
    )


async def mapping_of(dataverse: Onlooker, version: Saved) -> dict[str, Any]:
    """The content of a saved version. Raises NoMapping."""
    row = await dataverse.one(f"{SAVED}s({version.key})", {"$select": "msdyn_mapping"})
    content = decode(str(row.get("msdyn_mapping") or ""))
    if not isinstance(content, dict):
        raise NoMapping("it is not an object")
    return content


def chosen(versions: Sequence[Saved], runs: Sequence[Running], table_map: TableMap) -> tuple[Saved | None, bool]:
    """The version to translate, and whether it runs: the one that runs, otherwise the last changed one that is no
    parked draft."""
    version = next((each.version for each in runs if each.is_of(table_map)), "")
    if version and (found := next((each for each in versions if _same(each.version, version)), None)):
        return found, True
    usual = [each for each in versions if not each.version.startswith("9.9.")]
    return max(usual or versions, key=lambda each: (each.modified, _numbers(each.version)), default=None), False


def _same(one: str, other: str) -> bool:
    return _numbers(one) == _numbers(other)


def _numbers(version: str) -> tuple[int, ...]:
    parts = [int(part) if part.isdecimal() else 0 for part in version.split(".")]
    return tuple(parts + [0] * (4 - len(parts)))
