"""Writes the accounting detail that Finance gives a posted row to the actual in Dataverse."""

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any
from uuid import UUID

from shared.engine.messages import WriteBack
from shared.engine.ports import Ports
from shared.errors import ColumnsLocked, Refused
from shared.maps.transforms import Row
from shared.project_operations.codes import ACTUALS
from shared.project_operations.held_actuals import held_actuals
from shared.services.dataverse import NAME as DATAVERSE

KEPT_BACK = 0
"""The status of a row that the app itself did not write, without asking Dataverse."""
_NOT_THERE = 404
# Finance has no null in a column of a table: these stand for an empty date and an empty id.
_NO_DATE = "1900-01-01"
_NO_GUID = "00000000-0000-0000-0000-000000000000"


async def start(ports: Ports, invoice_id: UUID) -> None:
    """Queue the write-back of one invoice."""
    await ports.queues.send(WriteBack(subject=invoice_id))


async def posted_rows(ports: Ports, company: str, ids: Iterable[UUID]) -> list[Row]:
    """The rows with these keys that Finance has posted."""
    return [row async for row in held_actuals(ports, company, ids, where="VoucherNumber ne ''")]


async def write_rows(ports: Ports, posted: Sequence[Row]) -> dict[UUID, Refused]:
    """Write Finance's values of these posted rows to their actuals where they differ. Return the refused rows.
    Raises ColumnsLocked."""
    table_map = ports.maps[ACTUALS]
    columns = table_map.written_back
    if not columns or table_map.writeBack is None:
        return {}
    wanted = {UUID(row["ActualId"]): _values(columns, row) for row in posted}
    standing = await _standing(ports, wanted, columns)
    found = {
        actual: {name: value for name, value in values.items() if not _same(value, standing[actual].get(name))}
        for actual, values in wanted.items()
        if actual in standing
    }
    emptied = {actual: names for actual, values in found.items() if (names := _emptied(values, standing[actual]))}
    changes = {
        actual: left
        for actual, values in found.items()
        if (left := {name: value for name, value in values.items() if name not in emptied.get(actual, ())})
    }
    source, write_back = table_map.source, table_map.writeBack
    refused = await ports.bulk_updates.write(source.set, write_back.table, source.key, changes)
    if is_locked(refused, tried=len(changes), standing=len(standing)):
        raise ColumnsLocked(explain_lock(refused))
    # A refusal by Dataverse takes precedence over values that were kept back.
    kept = {actual: _kept(names, wanted[actual], standing[actual]) for actual, names in emptied.items()}
    return kept | refused | {actual: _gone(actual) for actual in wanted.keys() - standing.keys()}


def _emptied(values: Mapping[str, Any], standing: Row) -> list[str]:
    """The columns that are empty in Finance but not in Dataverse. Posting sets values. If one is missing afterwards,
    it was removed by something else, and Dataverse may hold the only copy."""
    return [name for name, value in values.items() if is_nothing(value) and not is_nothing(standing.get(name))]


def is_nothing(value: Any) -> bool:
    """Whether a value of either service means "empty". Finance has no empty values."""
    if isinstance(value, int | Decimal):
        return not value
    return not value or str(value) in {"No", _NO_GUID} or str(value).startswith(_NO_DATE)


def _kept(names: Sequence[str], values: Mapping[str, Any], standing: Row) -> Refused:
    what = "; ".join(
        f"{name} is {standing[name]} in Dataverse and {values[name] or 'empty'} in Finance" for name in names
    )
    return Refused(
        DATAVERSE,
        KEPT_BACK,
        "",
        f"{what}. A value is not replaced by nothing: if Finance is right, empty the column in Dataverse, then replay "
        "the row; if Dataverse is right, correct Finance, or dismiss the row",
    )


def _gone(actual: UUID) -> Refused:
    return Refused(DATAVERSE, _NOT_THERE, "", f"Dataverse has no actual {actual}, though Finance has posted it")


def _values(columns: Mapping[str, str], row: Row) -> dict[str, Any]:
    """Finance's values under Dataverse's column names. Finance's property names are the column names in another
    case."""
    shown = {name.upper(): value for name, value in row.items()}
    return {column: shown[target] for target, column in columns.items() if target in shown}


async def _standing(ports: Ports, ids: Iterable[UUID], columns: Mapping[str, str]) -> dict[UUID, Row]:
    source = ports.maps[ACTUALS].source
    options = {"$select": ",".join(sorted({source.key, *columns.values()}))}
    portions = ports.dataverse.rows_in(source.set, (source.key,), ids, options)
    return {UUID(row[source.key]): row async for rows in portions for row in rows}


def _same(value: Any, standing: Any) -> bool:
    if isinstance(value, int | Decimal):
        return standing is not None and Decimal(value) == Decimal(standing)
    return bool(value == standing)


def is_locked(refused: Mapping[UUID, Refused], *, tried: int, standing: int) -> bool:
    """Whether the columns are refused, not single rows: all of several rows were refused with one code, and none of
    them has ever been written. One refused row proves nothing about the others."""
    return len(refused) == tried == standing > 1 and len({error.code for error in refused.values()}) == 1


def explain_lock(refused: Mapping[UUID, Refused]) -> str:
    """What Dataverse says about locked columns, and what to do about it."""
    error = next(iter(refused.values()))
    return (
        f"Dataverse refused all {len(refused)} rows alike: {error.text.rstrip('.')}. Where it lets only dual-write "
        "write these columns, set writeBack.strategy in shared/maps/actuals.json to customColumns and name columns of "
        "your own, or to off and let Finance's own half of the map run; then write the invoice back again"
    )
