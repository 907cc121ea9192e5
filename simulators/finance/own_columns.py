"""Columns that the tenant has added to Finance's entities, as an extension of a data entity adds them."""

from simulators.finance.entities import ENTITIES
from simulators.finance.fields import DATE, DECIMAL, GUID, INT32, NO_YES, Kind, text_of
from simulators.finance.published import SETS
from simulators.own_columns import OwnColumns

_KINDS = {"decimal": DECIMAL, "integer": INT32, "date": DATE, "guid": GUID, "noYes": NO_YES}


def extend(columns: OwnColumns) -> None:
    """Add the columns to the entities of this process, before its database is made. Names of other tables are left to
    Dataverse."""
    for entity in ENTITIES.values():
        for name, spec in columns.get(entity.name, {}).items():
            entity.fields[name] = _kind(spec)
            for one in SETS.values():
                if one.entity == entity.name:
                    one.properties[name] = _kind(spec)


def _kind(spec: str) -> Kind:
    kind, _, length = spec.partition(" ")
    return text_of(int(length)) if kind == "text" else _KINDS[kind]
