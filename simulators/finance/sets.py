"""The OData entity sets that Finance publishes here: their properties, keys and how their rows are stored.

The proposal header and the connections have no public set, so they can only be written through packages.
"""

import base64
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from simulators.finance.entities import ACTUALS
from simulators.finance.fields import INT32, INT64, Kind, enum_of, text_of
from simulators.finance.store import FIRST_RECORD_ID
from simulators.odata import FINANCE, Column, Dialect, ODataError, Path
from simulators.odata import Kind as ColumnKind

NAMESPACE = "Microsoft.Dynamics.DataEntities"
COMPANY = text_of(4)
JOB_STATUS = enum_of(
    "DMFBatchJobStatus",
    "NotStarted",
    "Waiting",
    "Executing",
    "Error",
    "Finished",
    "Ready",
    "NotRun",
    "Cancelling",
    "Canceled",
    "Hold",
)


@dataclass(frozen=True)
class EntitySet:
    """One set. SQL columns are the property names in lower case. `readable_by_key` is False where the key has an enum:
    the real service answers 404 to every such read, although a filter finds the row."""

    name: str
    type_name: str
    entity: str
    table: str
    key: tuple[str, ...]
    properties: dict[str, Kind]
    mandatory: tuple[str, ...] = ()
    versioned: bool = False
    readable_by_key: bool = True
    namespace: str = NAMESPACE
    dialect: Dialect = FINANCE

    @property
    def by_company(self) -> bool:
        """Whether rows belong to a legal entity."""
        return self.key[0] == "dataAreaId"

    def resolve(self, path: Path) -> Column:
        """Answer a path of a filter; raises ODataError for a property that the type does not have."""
        name = "/".join(path.segments)
        kind = self.properties.get(name)
        if kind is None:
            raise self.unknown(name)
        return _column(name.lower(), kind)

    def unknown(self, name: str) -> ODataError:
        """The refusal of a property name."""
        return ODataError(f"Could not find a property named '{name}' on type '{self.namespace}.{self.type_name}'.")

    def check_names(self, names: tuple[str, ...]) -> None:
        """Raise ODataError for the first name that is no property."""
        for name in names:
            if name not in self.properties:
                raise self.unknown(name)

    def columns(self, select: tuple[str, ...] | None) -> str:
        """Return the SQL columns to read for `shower`: record id and version, then the properties in turn."""
        names = self.properties if select is None else select
        version = "recversion" if self.versioned else "1"
        return ", ".join(["recid", f"{version} AS recversion", *(name.lower() for name in names)])

    def shower(self, select: tuple[str, ...] | None) -> Callable[[Any], dict[str, Any]]:
        """Return the function that turns a row of `columns` into its JSON object."""
        names = self.properties if select is None else select
        shows = [(name, place, self.properties[name].show) for place, name in enumerate(names, start=2)]

        def show(row: Any) -> dict[str, Any]:
            shown = {"@odata.etag": etag(row["recversion"], row["recid"])}
            for name, place, convert in shows:
                shown[name] = convert(row[place])
            return shown

        return show


def etag(version: int, recid: int) -> str:
    """Return the weak tag of a row: record version and record id, in base64."""
    pair = f"'{version},{FIRST_RECORD_ID + recid}'"
    return f'W/"{base64.b64encode(pair.encode()).decode()}"'


def _column(name: str, kind: Kind) -> Column:
    if kind.members:
        return Column(name, "enum", members={member: member for member in kind.members})
    return Column(name, _KINDS.get(kind.edm, "string"), scale=6 if kind.edm == "Edm.Decimal" else 0)


_KINDS: dict[str, ColumnKind] = {
    "Edm.Decimal": "decimal",
    "Edm.Int64": "integer",
    "Edm.Int32": "integer",
    "Edm.Boolean": "boolean",
    "Edm.Guid": "guid",
    "Edm.DateTimeOffset": "datetime",
}


ACTUAL_SET = EntitySet(
    name="ProjActualsImports",
    type_name="ProjActualsImport",
    entity=ACTUALS.name,
    table=ACTUALS.table,
    key=("dataAreaId", ACTUALS.key),
    properties={"dataAreaId": COMPANY, **ACTUALS.fields},
    mandatory=ACTUALS.mandatory,
    versioned=True,
)
PROJECT_SET = EntitySet(
    name="DataManagementDefinitionGroups",
    type_name="DataManagementDefinitionGroup",
    entity="DMFDefinitionGroupEntity",
    table="projects",
    key=("Name",),
    properties={
        "Name": text_of(60),
        "Description": text_of(60),
        "OperationType": enum_of("DMFOperationType", "Export", "Import"),
        "ProjectCategory": enum_of("DMFProjectCategory", "Project", "Integration", "Configuration"),
        "GenerateDataPackage": enum_of("NoYes", "No", "Yes"),
    },
    mandatory=("Name",),
)
PROJECT_ENTITY_SET = EntitySet(
    name="DataManagementDefinitionGroupDetails",
    type_name="DataManagementDefinitionGroupDetail",
    entity="DMFDefinitionGroupDetailEntity",
    table="project_entities",
    key=("DefinitionGroupId", "EntityName"),
    properties={
        "DefinitionGroupId": text_of(60),
        "EntityName": text_of(255),
        "SourceFormat": text_of(30),
        "AutoGenerateMapping": enum_of("NoYes", "No", "Yes"),
        "ExecutionUnit": INT32,
        "LevelInExecutionUnit": INT32,
        "SequenceInLevel": INT32,
    },
    mandatory=("DefinitionGroupId", "EntityName"),
)
JOB_SET = EntitySet(
    name="DataManagementExecutionJobDetails",
    type_name="DataManagementExecutionJobDetail",
    entity="DMFExecutionJobDetailEntity",
    table="jobs",
    key=("JobId", "EntityName"),
    properties={
        "JobId": text_of(255),
        "DefinitionGroupId": text_of(60),
        "EntityName": text_of(255),
        "StagingStatus": JOB_STATUS,
        "TargetStatus": JOB_STATUS,
        "StagingRecordsCreatedCount": INT64,
        "StagingRecordsUpdatedCount": INT64,
        "StagingErrorCount": INT64,
        "TargetRecordsCreatedCount": INT64,
        "TargetRecordsUpdatedCount": INT64,
        "TargetErrorCount": INT64,
    },
)
STORED_SETS = (ACTUAL_SET, PROJECT_SET, PROJECT_ENTITY_SET, JOB_SET)
"""Sets whose rows are in the database."""
