"""Checks a map against the tenant by reading alone: its columns on both sides, its values, its filter, and one row."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence

from operate.doctor.choices import misfit
from operate.doctor.definitions import Gap, Path, Reached, reach_from, selective
from operate.doctor.onlooker import NoAnswer, NotThere, UnknownColumn, Unseen
from operate.doctor.tables import Column, Tables
from operate.doctor.visit import Visit, visit
from relay_contract.maps import MapCheck, MapRemark, MapSample
from shared.engine.ports import Ports
from shared.errors import Refused, Throttled
from shared.maps.map_parts import FieldPair
from shared.maps.odata_filter import parse_filter
from shared.maps.table_map import TableMap, options_of
from shared.maps.transforms import Constant, Default, Row, RowRefused, ValueMap

LONGEST_CHECK = 120.0
"""Seconds. The platform ends a request after 230."""
_ENTITIES = "/metadata/DataEntities"
_PUBLIC = "/metadata/PublicEntities"
_ENUMERATIONS = "/metadata/PublicEnumerations"


async def check(ports: Ports, stage: str, table_map: TableMap) -> MapCheck:
    """What is found when a map is compared with the tenant. Nothing is changed, and no gate is closed."""
    going = _Check(visit(ports), table_map, ports.maps[stage], ports.map_choice.shipped[stage])
    try:
        async with asyncio.timeout(LONGEST_CHECK):
            remarks = [remark async for remark in going.remarks()]
    except TimeoutError:
        remarks = [*going.seen, _unknown("the check", f"it was not over within {LONGEST_CHECK:.0f} seconds")]
    verdicts = {remark.verdict for remark in remarks}
    return MapCheck(
        map=stage,
        digest=table_map.file_digest,
        version=table_map.version,
        passed="fail" not in verdicts,
        proven=verdicts.isdisjoint({"fail", "unknown"}),
        remarks=remarks,
        sample=going.sample,
    )


def _unknown(about: str, text: str) -> MapRemark:
    return MapRemark(verdict="unknown", about=about, text=text, next_step="Give the app's user the right, or try again")


def _fail(about: str, text: str, step: str = "Correct the map") -> MapRemark:
    return MapRemark(verdict="fail", about=about, text=text, next_step=step)


def _warn(about: str, text: str, step: str = "") -> MapRemark:
    return MapRemark(verdict="warn", about=about, text=text, next_step=step)


class _Check:
    """One check of a map. `before` is the map in use."""

    def __init__(self, visit: Visit, table_map: TableMap, before: TableMap, shipped: TableMap) -> None:
        self._visit = visit
        self._map = table_map
        self._before = before
        self._shipped = shipped
        self._tables = Tables(visit.dataverse)
        self.seen: list[MapRemark] = []
        self.sample: MapSample | None = None

    async def remarks(self) -> AsyncIterator[MapRemark]:
        """Everything there is to say, part by part. A part that cannot be seen is said to be unknown."""
        parts = (
            ("columns of Dataverse", self._sources),
            ("entity of Finance", self._entity),
            ("columns of Finance", self._targets),
            ("filter", self._filter),
            ("sample", self._one_row),
        )
        for about, part in parts:
            for remark in await self._part(about, part()):
                self.seen.append(remark)
                yield remark

    async def _part(self, about: str, found: AsyncIterator[MapRemark]) -> list[MapRemark]:
        remarks = list[MapRemark]()
        try:
            async for remark in found:
                remarks.append(remark)
        except Unseen as error:
            remarks.append(_unknown(about, str(error)))
        except Throttled as error:
            remarks.append(_unknown(about, f"{error.service} asks to wait, so nothing was sent"))
        return remarks or [MapRemark(verdict="ok", about=about, text="as the map needs it")]

    async def _sources(self) -> AsyncIterator[MapRemark]:
        named = [(about, tuple(path.split("."))) for about, path in _paths(self._map)]
        reached = await self._reach(steps for _, steps in named)
        for about, steps in named:
            try:
                owner, column = reached.table(steps[:-1]).name, reached.column(steps)
            except Gap as gap:
                yield _fail(about, f"{'.'.join(steps)}: {gap}")
                continue
            pair = next((pair for pair in self._map.fields if pair.target == about), None)
            if pair and isinstance(pair.transform, ValueMap):
                for remark in await self._values(pair, pair.transform, owner, column):
                    yield remark

    async def _values(self, pair: FieldPair, values: ValueMap, owner: str, column: Column) -> list[MapRemark]:
        misfits = misfit(values.values, column, await self._tables.options(owner, column))
        found = list[MapRemark]()
        if misfits.wrong:
            listed = ", ".join(map(str, misfits.wrong.values()))
            found.append(_fail(pair.target, f"{pair.source} holds {misfits.holds}, and the value map has {listed}"))
        if misfits.missing:
            listed = ", ".join(sorted(map(str, misfits.missing.values())))
            found.append(_fail(pair.target, f"{pair.source} has no value {listed}"))
        if misfits.more:
            listed = ", ".join(map(str, misfits.more.values()))
            which = "value" if len(misfits.more) == 1 else "values"
            text = f"{pair.source} also has the {which} {listed}: such a row is refused"
            found.append(_warn(pair.target, text, "Add them to the value map if such rows occur"))
        return found

    async def _entity(self) -> AsyncIterator[MapRemark]:
        target = self._map.target
        options = {"$select": "EntityName", "$filter": f"TargetName eq '{target.aot}'"}
        labels = [str(row["EntityName"]) for row in await self._visit.finance.read("DataManagementEntities", options)]
        if not labels:
            step = "Refresh the entity list in Finance (Data management, Framework parameters, Entity settings)"
            yield _fail("target.aot", f"Data management of Finance has no entity {target.aot}", step)
        elif target.entity not in labels:
            yield _fail("target.entity", f"Finance calls {target.aot} {labels[0]}, the map {target.entity}")

    async def _targets(self) -> AsyncIterator[MapRemark]:
        properties = await self._properties()
        if properties is None:
            # Nothing describes the columns of such an entity. Those of the shipped map are known to be right.
            known = {pair.target for pair in self._shipped.fields}
            for column in self._map.columns:
                if column not in known:
                    text = (
                        f"Finance does not describe {self._map.target.aot}, so it is not known whether it has {column}"
                    )
                    yield _unknown(column, text)
            return
        by_name = {str(each["Name"]).upper(): each for each in properties}
        for pair in self._map.fields:
            described = by_name.get(pair.target)
            if described is None:
                yield _fail(pair.target, f"{self._map.target.aot} of Finance has no column {pair.target}")
            elif names := _names_sent(pair):
                for remark in await self._members(pair.target, str(described.get("TypeName", "")), names):
                    yield remark
        sent = {*self._map.columns, *self._map.owned, "DATAAREAID"}
        for name, each in by_name.items():
            if each.get("IsMandatory") and name not in sent:
                yield _warn(name, f"Finance requires {each['Name']}, and the map does not send it")

    async def _properties(self) -> Sequence[Row] | None:
        """The columns of the entity, or None if Finance describes none."""
        options = {"$filter": f"Name eq '{self._map.target.aot}'"}
        entities = await self._visit.finance.read(_ENTITIES, options)
        entity = entities[0] if entities else {}
        if not entity.get("DataServiceEnabled") or not entity.get("PublicEntityName"):
            return None
        described = await self._visit.finance.one(f"{_PUBLIC}('{entity['PublicEntityName']}')")
        return list(described.get("Properties") or [])

    async def _members(self, target: str, type_name: str, names: Iterable[str]) -> list[MapRemark]:
        """What is wrong with the names of an enumeration that a column sends."""
        if type_name.startswith("Edm."):
            return []
        described = await self._visit.finance.one(f"{_ENUMERATIONS}('{type_name.rpartition('.')[2]}')")
        members = [str(each["Name"]) for each in described.get("Members") or []]
        return [_odd_member(target, name, members) for name in names if name not in members]

    async def _filter(self) -> AsyncIterator[MapRemark]:
        named = [tuple(path.split(".")) for path in parse_filter(self._map.source.filter).paths]
        reached = await self._reach(named)
        for steps in named:
            try:
                reached.column(steps)
            except Gap as gap:
                yield _fail("source.filter", str(gap))

    async def _reach(self, paths: Iterable[Path]) -> Reached:
        """Where paths lead. Raises the errors of reading, and Unseen when the table itself is not there."""
        reached = await reach_from(self._visit, self._map.source.set, paths)
        try:
            _ = reached.root
        except Gap as gap:
            raise NotThere(self._visit.dataverse.name, f"entity set {self._map.source.set}") from gap
        return reached

    async def _one_row(self) -> AsyncIterator[MapRemark]:
        source, paths = self._map.source, self._map.paths_with(self._before)
        try:
            both = options_of(await selective(self._visit, source.set, paths))
        except Gap:
            # The check of the columns has said so.
            yield _unknown("sample", "no row was read, because a lookup of the map leads nowhere")
            return
        options = {**both, "$top": "1"} | ({"$filter": source.filter} if source.filter else {})
        try:
            rows = await self._visit.dataverse.read(source.set, options)
        except UnknownColumn as error:
            yield _fail("sample", str(error))
            return
        except NoAnswer as error:
            refusal = error.__cause__
            if not isinstance(refusal, Refused) or refusal.status != 400:
                raise
            yield _fail("sample", f"Dataverse refuses the query of the map: {refusal.text}")
            return
        if not rows:
            yield _warn("sample", "no row matches the filter, so no row was tried", "Check again when there is one")
            return
        self.sample = self._written(rows[0])
        if self.sample.refused:
            yield _warn("sample", f"row {self.sample.source_id} would be refused: {self.sample.refused}")

    def _written(self, row: Row) -> MapSample:
        before, _ = self._texts(self._before, row)
        after, refused = self._texts(self._map, row)
        columns = list(dict.fromkeys([*self._map.columns, *self._before.columns]))
        return MapSample(
            source_id=str(row.get(self._map.source.key, "")),
            before={column: before.get(column) for column in columns},
            after={column: after.get(column) for column in columns},
            refused=refused,
        )

    def _texts(self, table_map: TableMap, row: Row) -> tuple[Mapping[str, str], str]:
        try:
            texts = table_map.write(row, self._visit.settings.zone)
        except RowRefused as refused:
            return {}, str(refused)
        return dict(zip(table_map.columns, texts, strict=True)), ""


def _paths(table_map: TableMap) -> list[tuple[str, str]]:
    """All columns of Dataverse that a map names, with what in the map names them."""
    found = [(pair.target, pair.source) for pair in table_map.fields if pair.source]
    found += [
        (pair.target, beside) for pair in table_map.fields if pair.transform for beside in pair.transform.columns_beside
    ]
    own = (("company", table_map.company), ("customer", table_map.customer))
    return [*found, *((about, path) for about, path in own if path)]


def _names_sent(pair: FieldPair) -> list[str]:
    """The texts that a column certainly sends sooner or later, of a column that goes to Finance."""
    if pair.direction == "toDataverse":
        return []
    match pair.transform:
        case ValueMap(values=values):
            return list(values)
        case Constant(value=str(value)) | Default(value=str(value)):
            return [value]
    return []


def _odd_member(target: str, name: str, members: Sequence[str]) -> MapRemark:
    meant = next((member for member in members if member.lower() == name.lower()), None)
    if meant:
        return _warn(target, f"Finance writes {meant}, the map {name}", f"Write {meant}")
    return _fail(target, f"{name} is none of {', '.join(members)}")
