"""Write protection of actuals: most columns can be written by dual-write only."""

from collections.abc import Iterable
from dataclasses import dataclass

from simulators.dataverse.errors import ServiceError
from simulators.dataverse.schema import Table
from simulators.dataverse.switches import Switches

ACTUAL = "msdyn_actual"
_PLUGIN_ERROR = "0x80040265"


@dataclass(frozen=True)
class ActualRules:
    """Project Operations refuses actuals created by hand, and only dual-write may change the dual-write columns.

    Custom columns and descriptions may be changed by every user. Each check raises ServiceError.
    """

    switches: Switches

    def check_create(self, table: Table) -> None:
        if table.logical_name == ACTUAL:
            raise ServiceError(
                400,
                _PLUGIN_ERROR,
                "Actuals cannot be created directly. Use entry journals instead. See https://aka.ms/EntryJournals.",
            )

    def check_delete(self, table: Table) -> None:
        if table.logical_name == ACTUAL:
            raise ServiceError(400, _PLUGIN_ERROR, "Actuals cannot be deleted.")

    def check_update(self, table: Table, key: str, names: Iterable[str], user: str) -> None:
        if table.logical_name != ACTUAL:
            return
        if key in self.switches.refuseUpdatesOf.lower().split(","):
            # This stands for a plug-in of the customer. Its error text can be anything.
            raise ServiceError(400, _PLUGIN_ERROR, f"The period of actual {key} is closed.")
        for name in names:
            if name in table.dualwrite:
                self._check_dual_write(name, user)
            elif name not in {*table.custom, *table.writable}:
                raise ServiceError(
                    400,
                    _PLUGIN_ERROR,
                    f"The column '{name}' of an actual cannot be updated directly. See https://aka.ms/EntryJournals.",
                )

    def _check_dual_write(self, name: str, user: str) -> None:
        if not self.switches.dualWriteColumnsLocked or user in self.switches.dualWriteClients.split(","):
            return
        raise ServiceError(
            400, _PLUGIN_ERROR, f"The column '{name}' of an actual can only be updated by the dual-write process."
        )
