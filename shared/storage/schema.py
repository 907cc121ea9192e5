"""Which version of the app wrote a row, so that an earlier one, after a roll-back, leaves alone what it does not know.

A row without a schema was written by the first release, which had none; its rows are of schema 1.
"""

from collections.abc import Mapping
from typing import Any

from relay_contract.version import VERSION
from shared.errors import NewerVersion

SCHEMA = 1
"""The form of the rows. A version that changes what a column means, or adds one that must not be overlooked, raises it;
columns that an earlier version may overlook need no other schema, and stay when that version changes the row."""
SIGNATURE = {"schema": SCHEMA, "writtenBy": VERSION}
"""What every row carries besides its own columns."""


def newer(row: Mapping[str, Any], what: str) -> NewerVersion | None:
    """Why a row, `what` names it, is not to be worked on by this version; None where it is."""
    schema = row.get("schema", SCHEMA)
    return NewerVersion(what, str(row.get("writtenBy", ""))) if isinstance(schema, int) and schema > SCHEMA else None


def check(row: Mapping[str, Any], what: str) -> None:
    """Raise NewerVersion for a row that only a later version understands."""
    if error := newer(row, what):
        raise error
