"""Translates a dual-write map of the tenant, with what the tenant's metadata says."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from operate.doctor import live_maps
from operate.doctor.onlooker import NotThere, Onlooker, Unseen
from operate.doctor.tables import Tables
from operate.doctor.visit import Visit, visit
from relay_contract.maps import Translation, TranslationLine
from shared.engine.ports import Ports
from shared.errors import Throttled
from shared.maps import dual_write
from shared.maps.dual_write import NoMapping, Translated, decode, leg_of
from shared.maps.dual_write_paths import LOOKUP_TYPES, Described, Hop
from shared.maps.review import review
from shared.maps.table_map import MapRefused, TableMap


async def translate(ports: Ports, stage: str, given: dict[str, Any] | None) -> Translation:
    """A dual-write map as a map file: the given one, otherwise the one that runs in the tenant."""
    visiting, shipped = visit(ports), ports.map_choice.shipped[stage]
    try:
        if given is not None:
            return await _translated(visiting, stage, shipped, _unwrapped(given), found="the file that was given")
        return await _of_tenant(visiting, stage, shipped)
    except (NoMapping, Unseen) as error:
        return Translation(map=stage, found=f"no dual-write map could be read: {error}", content=None)
    except Throttled as error:
        return Translation(map=stage, found=f"{error.service} asks to wait, so nothing was read", content=None)


def _unwrapped(given: dict[str, Any]) -> dict[str, Any]:
    """The mapping of a file: itself, or the column of a row that was exported, perhaps as JSON text."""
    inner = decode(given["msdyn_mapping"]) if isinstance(given.get("msdyn_mapping"), str) else given
    if not isinstance(inner, dict):
        raise NoMapping("it is not an object")
    return inner


async def _of_tenant(visiting: Visit, stage: str, shipped: TableMap) -> Translation:
    dataverse = visiting.dataverse
    if not await live_maps.is_installed(dataverse):
        return Translation(map=stage, found="no dual-write: this Dataverse has no tables of it", content=None)
    versions = await live_maps.saved(dataverse, shipped)
    seen, _ = await live_maps.running(dataverse)
    version, runs = live_maps.chosen(versions, seen, shipped)
    if version is None:
        text = f"dual-write has no map of {shipped.source.set} with {shipped.target.entity}"
        return Translation(map=stage, found=text, content=None)
    others = f" of {len(versions)} saved ones" if len(versions) > 1 else ""
    state = "which runs" if runs else "the last changed one; none is seen running"
    mapping = await live_maps.mapping_of(dataverse, version)
    found = f"version {version.version}{others} of {version.name}, {state}"
    return await _translated(visiting, stage, shipped, mapping, found=found, version=version.version, runs=runs)


async def _translated(
    visiting: Visit,
    stage: str,
    shipped: TableMap,
    mapping: dict[str, Any],
    *,
    found: str,
    version: str = "",
    runs: bool = False,
) -> Translation:
    described, unseen = await _describe(visiting, shipped, mapping)
    translated = dual_write.translate(mapping, shipped, described, version)
    return Translation(
        map=stage,
        found=found + (f". Without metadata: {unseen}" if unseen else ""),
        content=translated.content,
        report=[
            TranslationLine(kind=each.kind, target=each.target, source=each.source, text=each.text)
            for each in translated.report
        ],
        running=runs,
        faults=_faults(visiting.ports, stage, translated),
    )


def _faults(ports: Ports, stage: str, translated: Translated) -> list[str]:
    """Why the translated file cannot be used as it is."""
    found = review(json.dumps(translated.content))
    if found.table_map is None or found.faults:
        return [f"{each.about}: {each.text}" if each.about else each.text for each in found.faults]
    try:
        ports.map_choice.check(stage, found.table_map)
    except MapRefused as refused:
        return [" ".join(str(refused).split())]
    return []


async def _describe(visiting: Visit, shipped: TableMap, mapping: dict[str, Any]) -> tuple[Described, str]:
    """What the metadata says about the paths of a mapping, and why it says nothing."""
    fields = [each for each in leg_of(mapping)["fieldMappings"] if isinstance(each, dict)]
    paths = [str(each.get("destinationField") or "") for each in fields]
    try:
        reader = _Reader(visiting.dataverse)
        await reader.read(shipped.source.set, filter(None, paths))
        return reader.described(await _members(visiting.finance, shipped)), ""
    except Unseen as error:
        return Described(), str(error)


class _Reader:
    """Reads the tables along paths of logical names."""

    def __init__(self, dataverse: Onlooker) -> None:
        self._tables = Tables(dataverse)
        self._table = ""
        self._hops: dict[str, list[Hop]] = {}
        self._columns: dict[str, dict[str, str]] = {}
        self._days: dict[str, Mapping[str, str]] = {}
        self._sets: dict[str, str] = {}

    async def read(self, entity_set: str, paths: Iterable[str]) -> None:
        self._table = await self._tables.of_set(entity_set)
        await self._learn(self._table)
        for path in paths:
            await self._walk(path.split(".")[:-1])

    def described(self, members: Mapping[str, list[str]]) -> Described:
        return Described(self._table, self._hops, self._columns, self._days, self._sets, members)

    async def _walk(self, hops: list[str]) -> None:
        tables = {self._table}
        for hop in hops:
            tables = {each.table for table in tables for each in self._hops[table] if each.column == hop.lower()}
            for table in sorted(tables):
                await self._learn(table)

    async def _learn(self, table: str) -> None:
        if table in self._columns:
            return
        columns = await self._tables.columns(table)
        refers = any(each.type in LOOKUP_TYPES for each in columns.values())
        lookups = await self._tables.lookups(table) if refers else []
        self._columns[table] = {name: column.type for name, column in columns.items()}
        self._hops[table] = [Hop(each.column, each.navigation, each.table) for each in lookups]
        self._days[table] = await self._tables.days(table)
        self._sets[table] = await self._tables.set_of(table)


async def _members(finance: Onlooker, shipped: TableMap) -> dict[str, list[str]]:
    """The enumerations of Finance's entity by column; nothing where Finance does not describe it."""
    try:
        entities = await finance.read("/metadata/DataEntities", {"$filter": f"Name eq '{shipped.target.aot}'"})
        name = entities[0].get("PublicEntityName") if entities else None
        if not name:
            return {}
        described = await finance.one(f"/metadata/PublicEntities('{name}')")
        kinds = {str(each["Name"]).upper(): str(each["TypeName"]) for each in described.get("Properties") or []}
        return {column: await _names(finance, kind) for column, kind in kinds.items() if not kind.startswith("Edm.")}
    except Unseen:
        return {}


async def _names(finance: Onlooker, kind: str) -> list[str]:
    try:
        described = await finance.one(f"/metadata/PublicEnumerations('{kind.rpartition('.')[2]}')")
    except NotThere:
        return []
    return [str(each["Name"]) for each in described.get("Members") or []]
