"""Staging rows as live dual-write would have written them earlier, taken from JSON lines."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from simulators.finance.entities import ACTUALS, COMPANIES, DEFAULT_COMPANY, ENTITIES, Entity
from simulators.finance.fields import DATE, Stored, ValueRefused, new_guid
from simulators.finance.ledger import Posting, post_rows
from simulators.finance.store import Store


class SeedRefused(Exception):
    """A line that is no staging row; the message names the line."""


@dataclass(frozen=True)
class Seed:
    """One row to be held."""

    entity: Entity
    company: str
    values: dict[str, Stored]
    posted: bool


def seed(store: Store, lines: Iterable[str]) -> int:
    """Hold the rows, all or none, and return how many; business rules are not asked. Raises SeedRefused.

    A line has field or staging column names in any case, `dataAreaId`, for rows of another entity than the actuals
    `entity` with its label, and `posted` for rows that Finance has posted already.
    """
    posted, count = [], 0
    with store.writing() as db:
        for one in (_read(number, line) for number, line in enumerate(lines, start=1) if line.strip()):
            columns = ", ".join(name.lower() for name in one.values)
            marks = ", ".join("?" * (len(one.values) + 1))
            sql = f"INSERT OR REPLACE INTO {one.entity.table} (dataareaid, {columns}) VALUES ({marks})"  # noqa: S608
            recid = db.execute(sql, (one.company, *one.values.values())).lastrowid
            count += 1
            if one.posted:
                posted.append(recid)
        post_rows(db, posted, Posting("PPJ", 0))
    return count


def _read(number: int, line: str) -> Seed:
    try:
        given = {name.upper(): value for name, value in json.loads(line, parse_float=str, parse_int=str).items()}
        entity = ENTITIES[str(given.pop("ENTITY", ACTUALS.label)).lower()]
        company = str(given.pop("DATAAREAID", DEFAULT_COMPANY)).lower()
        posted = bool(given.pop("POSTED", False))
        fields = ((entity.staging[name], value) for name, value in given.items())
        values = {name: _stored(entity, name, value) for name, value in fields}
    except (ValueError, KeyError, AttributeError, ValueRefused) as error:
        raise SeedRefused(f"line {number}: {type(error).__name__}: {error}") from error
    if company not in COMPANIES:
        raise SeedRefused(f"line {number}: company {company} does not exist")
    values.setdefault(entity.key, new_guid())
    return Seed(entity, company if entity.by_company else "", values, posted)


def _stored(entity: Entity, name: str, value: Any) -> Stored:
    kind = entity.fields[name]
    if value is None or value == "":
        return kind.empty
    if isinstance(value, bool):
        return "Yes" if value else "No"
    return kind.parse(str(value)[:10] if kind is DATE else str(value))
