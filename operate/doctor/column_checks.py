"""The maps against Dataverse's own definitions: tables, columns, lookups hop by hop, and the query as a whole."""

from collections.abc import Iterator

from operate.doctor.check import Check, Finding, Verdict
from operate.doctor.definitions import Gap, Path, Reached, paths_of, reach, selective, table_of
from operate.doctor.onlooker import NotThere, UnknownColumn, Unseen
from operate.doctor.visit import Visit
from shared.errors import Refused
from shared.maps.table_map import TableMap, options_of

_CORRECT = "Correct the path in the map {}, or install the release of Project Operations that has it"


async def look_at_columns(visit: Visit) -> list[Finding]:
    """Every path of a map leads to a column that can be read, and what is written back to one that can be written."""
    return [await _columns_of(visit, name, table_map) for name, table_map in visit.maps.items()]


async def _columns_of(visit: Visit, name: str, table_map: TableMap) -> Finding:
    reached = await reach(visit, table_map)
    problems = [*_unreachable(reached, table_map), *await _unwritable(visit, table_map)]
    paths, count = len(set(paths_of(table_map))), len(reached.tables)
    expected = f"all {paths} paths of the map lead to columns of Dataverse"
    if problems:
        seen = "; ".join(dict.fromkeys(problems))
        return Finding(Verdict.FAIL, seen, expected, _CORRECT.format(name), name)
    return Finding(Verdict.OK, f"{paths} paths over {count} {'table' if count == 1 else 'tables'}", expected, "", name)


def _unreachable(reached: Reached, table_map: TableMap) -> Iterator[str]:
    for steps in dict.fromkeys([*paths_of(table_map), *_beside(table_map)]):
        try:
            reached.column(steps)
        except Gap as gap:
            # If the table itself is missing, that is all there is to say.
            yield f"{_users(table_map, steps)}{gap}" if not reached.gaps.get(()) else str(gap)


def _beside(table_map: TableMap) -> Iterator[Path]:
    """Columns of the same row that transforms read, and the key."""
    yield (table_map.source.key,)
    yield from ((column,) for pair in table_map.outgoing if pair.transform for column in pair.transform.columns_beside)


def _users(table_map: TableMap, steps: Path) -> str:
    targets = [pair.target for pair in table_map.outgoing if pair.steps == steps]
    return f"{', '.join(targets)} from {'.'.join(steps)}: " if targets else f"{'.'.join(steps)}: "


async def _unwritable(visit: Visit, table_map: TableMap) -> list[str]:
    if not table_map.writeBack or not table_map.written_back:
        return []
    try:
        table = await table_of(visit, name=table_map.writeBack.table)
    except Gap as gap:
        return [f"write-back: {gap}"]
    problems = []
    for target, column in table_map.written_back.items():
        try:
            if not table.column(column).writable:
                problems.append(f"{target} to {column}: the column cannot be updated")
        except Gap as gap:
            problems.append(f"{target} to {column}: {gap}")
    return problems


async def look_at_queries(visit: Visit) -> list[Finding]:
    """Dataverse answers the query of each map, its filter included."""
    return [await _query_of(visit, name, table_map) for name, table_map in visit.maps.items()]


async def _query_of(visit: Visit, name: str, table_map: TableMap) -> Finding:
    expected = f"Dataverse answers the query of the map over {table_map.source.set}"
    step = f"Correct source.filter or the paths of the map {name}"
    condition = {"$filter": table_map.source.filter} if table_map.source.filter else {}
    try:
        query = options_of(await selective(visit, table_map.source.set, table_map.paths))
        rows = await visit.dataverse.read(table_map.source.set, {**query, **condition, "$top": "1"})
    except (UnknownColumn, NotThere, Gap) as error:
        return Finding(Verdict.FAIL, str(error), expected, step, name)
    except Unseen as error:
        cause = error.__cause__
        if isinstance(cause, Refused) and cause.status == 400:
            return Finding(Verdict.FAIL, f"Dataverse refuses the query: {cause.text}", expected, step, name)
        return Finding(Verdict.UNKNOWN, str(error), expected, error.remedy, name)
    seen = "a row came back" if rows else "no row matches yet, and the query is well-formed"
    return Finding(Verdict.OK, seen, expected, "", name)


CHECKS = (
    Check("map-columns", "Tables, columns and lookups of the maps", "maps", look_at_columns),
    Check("map-query", "Queries of the maps", "maps", look_at_queries),
)
