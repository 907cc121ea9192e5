"""Finance's side of dual-write: its projects and their companies. Without `$select`, projects show connection strings
with secrets.

Source: reference tenant.md B.6 and project-operations.md 5.6. The names of the columns with connection strings are not
public; these stand for them.
"""

from collections.abc import Iterator, Mapping

from simulators.finance.fields import enum_of, text_of
from simulators.finance.sets import COMPANY, EntitySet

LABELS = {
    "invoices": "Project invoice proposal V2",
    "msdyn_actuals": "Project Operations integration actuals",
    "msdyn_transactionconnections": "Integration entity for project transaction relationships",
}
"""Finance's labels by the set of Dataverse."""
SECRET = "Url=https://contoso.crm4.dynamics.com;ClientSecret=simulated-secret-of-dual-write"

PROJECT_SET = EntitySet(
    name="DualWriteProjectConfigurations",
    type_name="DualWriteProjectConfiguration",
    entity="DualWriteProjectConfigurationEntity",
    table="dual_write_projects",
    key=("ProjectName",),
    properties={
        "ProjectName": text_of(255),
        "Status": enum_of("DualWriteProjectStatus", "Queueing", "Enabled", "Disabled"),
        "AsyncMode": enum_of("DualWriteAsyncMode", "None", "RequiredSync", "RequiredAsync", "PreferredSync"),
        "InternalEntityName": text_of(255),
        "ExternalEntityName": text_of(255),
        "IntegrationKey": text_of(255),
        "PartitionMap": text_of(1000),
        "QueryFilterExpression": text_of(1000),
        "FieldMap": text_of(4000),
        "ExternalConnectionString": text_of(1000),
        "InternalConnectionString": text_of(1000),
    },
)
PARTITION_SET = EntitySet(
    name="DualWriteProjectPartitionMappings",
    type_name="DualWriteProjectPartitionMapping",
    entity="DualWriteProjectPartitionMappingEntity",
    table="dual_write_partitions",
    key=("ProjectName", "InternalCompanyName"),
    properties={"ProjectName": text_of(255), "ExternalCompanyName": text_of(20), "InternalCompanyName": COMPANY},
)

type Row = dict[str, str | int]


def projects(statuses: Mapping[str, str]) -> Iterator[Row]:
    """A project for each map with a status, by Dataverse's set."""
    for entity_set, status in statuses.items():
        yield {
            "ProjectName": f"DWM-{entity_set}",
            "Status": status,
            "AsyncMode": "RequiredSync",
            "InternalEntityName": LABELS[entity_set],
            "ExternalEntityName": entity_set,
            "IntegrationKey": "",
            "ExternalConnectionString": SECRET,
            "InternalConnectionString": SECRET,
        }


def partitions(statuses: Mapping[str, str], companies: list[str]) -> Iterator[Row]:
    """The companies that are linked, the same for every map."""
    for entity_set in statuses:
        for company in companies:
            yield {
                "ProjectName": f"DWM-{entity_set}",
                "ExternalCompanyName": company.upper(),
                "InternalCompanyName": company,
            }
