"""How the environment is set up, as OData shows it: registered applications, users and roles, the list of entities,
companies, Project Operations' switch, and number sequences. The rows are computed from the switches.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from simulators.finance import dual_write
from simulators.finance.entities import COMPANIES, ENTITIES, Entity
from simulators.finance.fields import BOOLEAN, INT32, NO_YES, Stored, enum_of, text_of
from simulators.finance.sets import COMPANY, EntitySet
from simulators.finance.switches import Switches

USER = "relay"
SCOPE = enum_of("NumberSequenceType", "DataArea", "DataAreaFiscalCalender", "LegalEntity", "OperatingUnit", "Global")
CATEGORY = enum_of("EntityCategory", "Master", "Configuration", "Transaction", "Reference", "Document", "Parameters")
SEQUENCE = "Proj_14"
"""Both companies have a sequence of this code: it is one only together with its scope."""

type Row = dict[str, Stored]


@dataclass(frozen=True)
class Facts:
    """What the rows are computed from. `clients` are the registered applications."""

    switches: Switches
    clients: Iterable[str]

    @property
    def companies(self) -> list[str]:
        """The companies with transactions."""
        known = (*COMPANIES, *self.switches.further_companies)
        return [company for company in known if company not in self.switches.missing_companies]


def label_of(entity: Entity, switches: Switches) -> str:
    """The Data Management label of an entity in this environment."""
    return switches.entity_labels.get(entity.name, entity.label)


def _clients(facts: Facts) -> Iterator[Row]:
    for client in sorted(facts.clients):
        yield {"AADClientId": client, "Name": "Invoice relay", "UserId": USER}


def _users(facts: Facts) -> Iterator[Row]:
    yield {"UserID": "Admin", "UserName": "Admin", "Company": "dat", "Enabled": 1}
    yield {
        "UserID": USER,
        "UserName": "Invoice relay",
        "Company": "usmf",
        "Enabled": int(facts.switches.user_enabled),
        "PreferredTimeZone": "GMTPLUS0100_AMSTERDAM_BERLIN_BERN_ROME",
    }


def _roles(facts: Facts) -> Iterator[Row]:
    for identifier in facts.switches.roles:
        yield {
            "UserId": USER,
            "SecurityRoleIdentifier": identifier.upper().replace(" ", ""),
            "SecurityRoleName": identifier,
            "AssignmentStatus": "Enabled",
            "AssignmentMode": "Manual",
        }


def _entities(facts: Facts) -> Iterator[Row]:
    """Nothing until the entity list has been refreshed for the first time."""
    switches = facts.switches
    for entity in ENTITIES.values() if switches.entity_list_refreshed else ():
        if entity.name in switches.not_in_data_management:
            continue
        yield {
            "EntityName": label_of(entity, switches),
            "TargetName": entity.name,
            "StagingTableName": f"{entity.name.removesuffix('Entity')}Staging",
            "EntityKey": switches.entity_keys.get(entity.name, ", ".join(name.upper() for name in entity.key_columns)),
            "EntityIsEnabled": "No" if entity.name in switches.not_enabled else "Yes",
            "IsShared": "No" if entity.by_company else "Yes",
            "Category": "Transaction",
            "Modules": "Project management and accounting",
        }


def _parameters(facts: Facts) -> Iterator[Row]:
    for company in facts.companies:
        off = company in facts.switches.integration_off
        yield {"dataAreaId": company, "Key": 0, "ProjectOperationsIntegrationFeatureStatus": "No" if off else "Yes"}


def _references(facts: Facts) -> Iterator[Row]:
    for company in facts.companies:
        yield {**_scope(company), "DataTypeName": "ProjInvoiceId", "NumberSequenceCode": "Proj_9"}
        if company not in facts.switches.without_number_sequence:
            data_type = facts.switches.number_sequence_data_type
            yield {**_scope(company), "DataTypeName": data_type, "NumberSequenceCode": SEQUENCE}


def _sequences(facts: Facts) -> Iterator[Row]:
    for company in facts.companies:
        flags = facts.switches.number_sequence_flags.get(company, {})
        same = {**_scope(company), "Next": 101, "Format": "######", "Continuous": "No", "Stopped": "No"}
        yield {**same, "NumberSequenceCode": "Proj_9", "Name": "Project invoice"}
        yield {
            **same,
            "NumberSequenceCode": SEQUENCE,
            "Name": "Invoice proposal",
            "Manual": "No",
            "ToALowerNumber": "Yes",
            "ToAHigherNumber": "Yes",
            **{name: value for name, value in flags.items() if name in SEQUENCE_SET.properties},
        }


def _scope(company: str) -> Row:
    return {"ScopeType": "DataArea", "ScopeValue": company}


def _companies(facts: Facts) -> Iterator[Row]:
    """Every environment has the company `dat`, which holds no transactions. Codes are in capitals here, although rows
    have them in small letters."""
    for company in ("dat", *facts.companies):
        yield {"LegalEntityId": company.upper(), "Name": f"Contoso {company.upper()}"}


CLIENT_SET = EntitySet(
    name="SysAADClients",
    type_name="SysAADClient",
    entity="SysAADClientTableEntity",
    table="aad_clients",
    key=("AADClientId",),
    properties={"AADClientId": text_of(255), "Name": text_of(255), "UserId": text_of(20)},
)
USER_SET = EntitySet(
    name="SystemUsers",
    type_name="SystemUser",
    entity="SystemUserEntity",
    table="system_users",
    key=("UserID",),
    properties={
        "UserID": text_of(20),
        "UserName": text_of(60),
        "Company": text_of(4),
        "Enabled": BOOLEAN,
        "ExternalUser": BOOLEAN,
        "UserInfoLanguage": text_of(10),
        "PreferredTimeZone": enum_of(
            "Timezone", "GMT_COORDINATEDUNIVERSALTIME", "GMTPLUS0100_AMSTERDAM_BERLIN_BERN_ROME"
        ),
    },
)
ROLE_SET = EntitySet(
    name="SecurityUserRoleAssociations",
    type_name="SecurityUserRoleAssociation",
    entity="SecurityUserRoleAssociationEntity",
    table="user_roles",
    key=("UserId", "SecurityRoleIdentifier"),
    properties={
        "UserId": text_of(20),
        "SecurityRoleIdentifier": text_of(255),
        "SecurityRoleName": text_of(255),
        "AssignmentStatus": enum_of("RoleAssignmentStatus", "None", "Enabled", "Disabled"),
        "AssignmentMode": enum_of("RoleAssignmentMode", "None", "Manual", "Automatic"),
    },
)
ENTITY_SET = EntitySet(
    name="DataManagementEntities",
    type_name="DataManagementEntity",
    entity="DMFEntityEntity",
    table="dmf_entities",
    key=("EntityName",),
    properties={
        "EntityName": text_of(255),
        "TargetName": text_of(80),
        "StagingTableName": text_of(80),
        "EntityKey": text_of(255),
        "EntityIsEnabled": NO_YES,
        "IsShared": NO_YES,
        "Category": CATEGORY,
        "Modules": text_of(255),
        "Tags": text_of(255),
        "ConfigurationKeyName": text_of(80),
    },
)
PARAMETER_SET = EntitySet(
    name="ProjectParameterV2",
    type_name="ProjectParametersV2",
    entity="ProjParametersV2Entity",
    table="project_parameters",
    key=("dataAreaId", "Key"),
    properties={"dataAreaId": COMPANY, "Key": INT32, "ProjectOperationsIntegrationFeatureStatus": NO_YES},
)
REFERENCE_SET = EntitySet(
    name="NumberSequencesV2References",
    type_name="NumberSequencesV2Reference",
    entity="NumberSequenceReferenceV2Entity",
    table="sequence_references",
    key=("DataTypeName", "ScopeType", "ScopeValue"),
    properties={
        "DataTypeName": text_of(80),
        "ScopeType": SCOPE,
        "ScopeValue": text_of(80),
        "NumberSequenceCode": text_of(10),
        "ReuseNumbers": NO_YES,
    },
    readable_by_key=False,
)
SEQUENCE_SET = EntitySet(
    name="SequenceV2Tables",
    type_name="SequenceV2Table",
    entity="NumberSequenceTableV2Entity",
    table="sequence_tables",
    key=("NumberSequenceCode", "ScopeType", "ScopeValue"),
    properties={
        "NumberSequenceCode": text_of(10),
        "ScopeType": SCOPE,
        "ScopeValue": text_of(80),
        "Name": text_of(60),
        "Format": text_of(40),
        "Next": INT32,
        "Manual": NO_YES,
        "ToALowerNumber": NO_YES,
        "ToAHigherNumber": NO_YES,
        "Continuous": NO_YES,
        "Stopped": NO_YES,
        "InUse": NO_YES,
    },
    readable_by_key=False,
)
COMPANY_SET = EntitySet(
    name="LegalEntities",
    type_name="LegalEntity",
    entity="OMLegalEntity",
    table="legal_entities",
    key=("LegalEntityId",),
    properties={"LegalEntityId": COMPANY, "Name": text_of(60), "UseForFinancialConsolidationProcess": NO_YES},
)
_ROWS: dict[str, Callable[[Facts], Iterator[Row]]] = {
    CLIENT_SET.name: _clients,
    USER_SET.name: _users,
    ROLE_SET.name: _roles,
    ENTITY_SET.name: _entities,
    PARAMETER_SET.name: _parameters,
    REFERENCE_SET.name: _references,
    SEQUENCE_SET.name: _sequences,
    COMPANY_SET.name: _companies,
    dual_write.PROJECT_SET.name: lambda facts: dual_write.projects(facts.switches.dual_write),
    dual_write.PARTITION_SET.name: lambda facts: dual_write.partitions(facts.switches.dual_write, facts.companies),
}
SETUP_SETS = (
    CLIENT_SET,
    USER_SET,
    ROLE_SET,
    ENTITY_SET,
    PARAMETER_SET,
    REFERENCE_SET,
    SEQUENCE_SET,
    COMPANY_SET,
    dual_write.PROJECT_SET,
    dual_write.PARTITION_SET,
)


def rows_of(entity_set: EntitySet, facts: Facts) -> Iterator[Row]:
    """The present rows of a set of SETUP_SETS."""
    return _ROWS[entity_set.name](facts)
