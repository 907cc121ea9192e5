"""Which map file is in use: one row a map, beside the owner's stamp, with the activations before it.

The row stands in the partition of the stamp, which every process reads every ten seconds before it works. So all
instances see a changed map within that time, without a request of their own.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from azure.data.tables.aio import TableClient

from shared.clock import parse_stamp, stamp
from shared.errors import LeaseLost
from shared.storage.owner import PARTITION
from shared.tables.rows import Row, change_row, find_row

SHIPPED = ""
"""In place of a digest: the map that this version of the app was shipped with."""
_PREFIX = "map "
# They are stored in one table property, which holds at most 32,768 characters. The audit has all of them.
_REMEMBERED = 60
_LONGEST = 32_000
_LONGEST_NAME = 200


@dataclass(frozen=True)
class Activation:
    """A map file was put into use. `digest` is that of the file, or SHIPPED. `version` is the map's own."""

    digest: str
    version: str
    at: datetime
    by: str


type Activations = Mapping[str, tuple[Activation, ...]]
"""The activations of each map that was ever changed, newest first."""


class ActivationLog:
    """The activations in storage."""

    def __init__(self, table: TableClient, clock: Callable[[], datetime]) -> None:
        self._table = table
        self._clock = clock

    async def of(self, stage: str) -> tuple[Activation, ...]:
        """The activations of one map, newest first."""
        return _read(await find_row(self._table, PARTITION, _PREFIX + stage))

    async def activate(self, stage: str, digest: str, version: str, *, by: str, instead_of: str) -> None:
        """Put a file into use instead of another one. Raises LeaseLost if that one is not in use any more."""
        new = Activation(digest, version, self._clock(), by[:_LONGEST_NAME])
        await change_row(self._table, PARTITION, _PREFIX + stage, partial(_add, new, instead_of))


def activations_in(rows: Mapping[str, Any]) -> Activations:
    """The activations in the rows of the stamp's partition."""
    return {key.removeprefix(_PREFIX): _read(row) for key, row in rows.items() if key.startswith(_PREFIX)}


def _add(new: Activation, instead_of: str, row: Any | None) -> Row:
    before = _read(row)
    if (before[0].digest if before else SHIPPED) != instead_of:
        raise LeaseLost("another map was activated meanwhile")
    kept = (new, *before)[:_REMEMBERED]
    while len(written := _written(kept)) > _LONGEST and len(kept) > 1:
        kept = kept[:-1]
    return {**(row or {}), "digest": new.digest, "activations": written}


def _written(activations: Iterable[Activation]) -> str:
    return json.dumps([[each.digest, each.version, stamp(each.at), each.by] for each in activations])


def _read(row: Any | None) -> tuple[Activation, ...]:
    text = row.get("activations") if row else None
    return tuple(
        Activation(digest, version, parse_stamp(at), by) for digest, version, at, by in json.loads(text or "[]")
    )
