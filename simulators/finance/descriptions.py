"""What the metadata services say of each data entity, public entity and enumeration, in full."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from simulators.finance.entities import ENTITIES
from simulators.finance.fields import BOOLEAN, Kind, enum_of, text_of
from simulators.finance.published import SETS
from simulators.finance.rules import LABELS
from simulators.finance.sets import NAMESPACE, EntitySet
from simulators.finance.setup import CATEGORY, label_of
from simulators.finance.switches import Switches
from simulators.odata import FINANCE_METADATA

LABEL = "@InvoiceRelay:"
type Returned = tuple[str, bool]
"""The name of a type, and whether it is a collection."""

STRING: Returned = ("Edm.String", False)
STRINGS: Returned = ("Edm.String", True)
EXECUTION = ("executionId",)
ACTIONS: dict[str, dict[str, tuple[tuple[str, ...], Returned]]] = {
    "DataManagementEntity": {
        "GetApplicationVersion": ((), STRING),
        "GetApplicationBuildVersion": ((), STRING),
        "GetPlatformBuildVersion": ((), STRING),
    },
    "DataManagementDefinitionGroup": {
        "GetAzureWriteUrl": (("uniqueFileName",), STRING),
        "GetExecutionSummaryStatus": (EXECUTION, (f"{NAMESPACE}.DMFExecutionSummaryStatus", False)),
        "GetExecutionErrors": (EXECUTION, STRING),
        "GetExecutionSummaryPageUrl": (EXECUTION, STRING),
        "GetEntityExecutionSummaryStatusList": (EXECUTION, STRINGS),
    },
}
"""Actions of public entities: their text parameters, and what they return."""

type Description = dict[str, Any]


def _service(name: str, type_name: str, properties: dict[str, Kind]) -> EntitySet:
    described = EntitySet(name, type_name, "", name.lower(), ("Name",), properties)
    return replace(described, namespace="Microsoft.Dynamics.Metadata", dialect=FINANCE_METADATA)


DATA_ENTITY_SET = _service(
    "DataEntities",
    "DataEntity",
    {
        "Name": text_of(80),
        "PublicEntityName": text_of(80),
        "PublicCollectionName": text_of(80),
        "LabelId": text_of(255),
        "DataServiceEnabled": BOOLEAN,
        "DataManagementEnabled": BOOLEAN,
        "EntityCategory": enum_of("EntityCategory", *CATEGORY.members),
        "IsReadOnly": BOOLEAN,
    },
)
PUBLIC_ENTITY_SET = _service(
    "PublicEntities",
    "PublicEntity",
    {
        "Name": text_of(80),
        "EntitySetName": text_of(80),
        "LabelId": text_of(255),
        "IsReadOnly": BOOLEAN,
        "ConfigurationEnabled": BOOLEAN,
    },
)
ENUMERATION_SET = _service("PublicEnumerations", "PublicEnumeration", {"Name": text_of(80), "LabelId": text_of(255)})


class Descriptions:
    """All of them as the switches have it now, by name."""

    def __init__(self, switches: Switches) -> None:
        self._switches = switches

    @property
    def public(self) -> dict[str, EntitySet]:
        """The sets that OData serves, by name."""
        return {name: one for name, one in SETS.items() if one.entity not in self._switches.not_public}

    def of(self, described_set: EntitySet) -> dict[str, Description]:
        """The descriptions of one service, by name."""
        found = {
            DATA_ENTITY_SET.name: self._data_entities,
            PUBLIC_ENTITY_SET.name: self._public_entities,
            ENUMERATION_SET.name: _enumerations,
        }[described_set.name]
        return {one["Name"]: one for one in found()}

    def labels(self) -> dict[str, str]:
        """The texts of all label ids."""
        entities = {entity.name: label_of(entity, self._switches) for entity in ENTITIES.values()}
        sets = {one.entity: one.type_name for one in SETS.values()}
        return {f"{LABEL}{name}": text for name, text in (LABELS | sets | entities).items()}

    def _data_entities(self) -> Iterator[Description]:
        sets = {one.entity: one for one in SETS.values()}
        managed = {entity.name for entity in ENTITIES.values()} - set(self._switches.not_in_data_management)
        for name in dict.fromkeys([*(entity.name for entity in ENTITIES.values()), *sets]):
            one = sets.get(name)
            yield {
                "Name": name,
                "PublicEntityName": one.type_name if one else None,
                "PublicCollectionName": one.name if one else None,
                "LabelId": LABEL + name,
                "DataServiceEnabled": one is not None and name not in self._switches.not_public,
                "DataManagementEnabled": name in managed,
                "EntityCategory": "Transaction",
                "IsReadOnly": False,
            }

    def _public_entities(self) -> Iterator[Description]:
        return map(_public_entity, self.public.values())


def enumerations() -> dict[str, Kind]:
    """The enumerations of all properties, by name."""
    kinds = [kind for one in SETS.values() for kind in one.properties.values() if kind.members]
    return {kind.edm.removeprefix(f"{NAMESPACE}."): kind for kind in kinds}


def _enumerations() -> Iterator[Description]:
    for name, kind in enumerations().items():
        members = [{"Name": member, "Value": value} for value, member in enumerate(kind.members)]
        yield {"Name": name, "LabelId": None, "Members": members}


def _public_entity(one: EntitySet) -> Description:
    return {
        "Name": one.type_name,
        "EntitySetName": one.name,
        "LabelId": LABEL + one.entity,
        "IsReadOnly": False,
        "ConfigurationEnabled": True,
        "Properties": [_property(one, name, kind) for name, kind in one.properties.items()],
        "NavigationProperties": [],
        "PropertyGroups": [],
        "Actions": [_action(name, *shape) for name, shape in ACTIONS.get(one.type_name, {}).items()],
    }


def _action(name: str, parameters: tuple[str, ...], returned: Returned) -> Description:
    return {
        "Name": name,
        "BindingKind": "BoundToEntitySet",
        "FieldLookup": None,
        "Parameters": [{"Name": one, "Type": _type(*STRING)} for one in parameters],
        "ReturnType": _type(*returned),
    }


def _type(name: str, is_collection: bool) -> Description:
    return {"TypeName": name, "IsCollection": is_collection}


def _property(one: EntitySet, name: str, kind: Kind) -> Description:
    key = name in one.key
    return {
        "Name": name,
        "TypeName": kind.edm,
        "DataType": kind.data_type,
        "LabelId": LABEL + name if name in LABELS else None,
        "IsKey": key,
        "IsMandatory": key or name in one.mandatory,
        "ConfigurationEnabled": True,
        "AllowEdit": not key,
        "AllowEditOnCreate": True,
        "IsDimension": False,
        "DimensionRelation": None,
        "IsDynamicDimension": False,
        "DimensionLegalEntityProperty": None,
        "DimensionTypeProperty": None,
    }
