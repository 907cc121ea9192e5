"""The last actuals of a confirmation, written some time after the status."""

from math import ceil
from typing import NamedTuple

from simulators.dataverse.scenario.rows import Rows, Values
from simulators.dataverse.store import Writer
from simulators.dataverse.values import now_text

_ACTUAL, _CONNECTION = "msdyn_actual", "msdyn_transactionconnection"


class Late(NamedTuple):
    """A row that is written later."""

    table: str
    key: str
    values: Values


class LateRows(Rows):
    """Collects all rows of a confirmation and delays the last share of its actuals, together with their connections."""

    def __init__(self, writer: Writer, now: str, share: float) -> None:
        super().__init__(writer, now)
        self.share = share
        self.late: list[Late] = []
        self._all: list[Late] = []

    def add(self, table: str, key: str, values: Values) -> None:
        """Take one active row."""
        self._all.append(Late(table, key, dict(values)))

    def flush(self) -> None:
        actuals = [row.key for row in self._all if row.table == _ACTUAL]
        held = set(actuals[len(actuals) - ceil(len(actuals) * self.share) :])
        for row in self._all:
            if _touches(row, held):
                self.late.append(row)
            else:
                super().add(*row)
        self._all.clear()
        super().flush()


def write_late(writer: Writer, rows: list[Late]) -> None:
    """Write the delayed rows with the current time as their creation time."""
    written = Rows(writer, now_text())
    for row in rows:
        written.add(*row)
    written.flush()


def _touches(row: Late, held: set[str]) -> bool:
    if row.table != _CONNECTION:
        return row.key in held
    return row.values["msdyn_transaction1"] in held or row.values["msdyn_transaction2"] in held
