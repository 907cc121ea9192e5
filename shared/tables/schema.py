"""The schema of table rows. After a roll-back, an earlier version does not touch rows that it cannot understand.

A row without a schema was written by the first release. Its rows have schema 1.
"""

from collections.abc import Mapping
from typing import Any

from relay_contract.version import VERSION
from shared.errors import NewerVersion

SCHEMA = 1
"""The schema of rows. It is raised by a version that changes the meaning of a column or adds a column that must not
be ignored. Columns that earlier versions may ignore need no new schema; they are preserved when those change the
row.
"""
SIGNATURE = {"schema": SCHEMA, "writtenBy": VERSION}
"""Columns that every row has in addition to its own."""


def newer(row: Mapping[str, Any], what: str) -> NewerVersion | None:
    """The reason why this version must not change a row, or None. `what` names the row."""
    schema = row.get("schema", SCHEMA)
    return NewerVersion(what, str(row.get("writtenBy", ""))) if isinstance(schema, int) and schema > SCHEMA else None


def check(row: Mapping[str, Any], what: str) -> None:
    """Raise NewerVersion for a row that only a later version understands."""
    if error := newer(row, what):
        raise error
