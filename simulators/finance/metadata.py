"""Entity metadata: `/data/$metadata` and the JSON services under `/metadata`."""

from typing import Any
from xml.sax.saxutils import quoteattr

from aiohttp import web

from simulators.finance.answers import json_answer
from simulators.finance.entities import ENTITIES, Entity
from simulators.finance.fields import Kind
from simulators.finance.sets import NAMESPACE, SETS, EntitySet

EDM = "http://docs.oasis-open.org/odata/ns/edm"
EDMX = "http://docs.oasis-open.org/odata/ns/edmx"


class Metadata:
    """Read-only routes. The header and the connections are known to Data Management but not to OData."""

    def __init__(self, origin: str) -> None:
        self._context = f"{origin}/metadata/$metadata"

    def add_routes(self, router: web.UrlDispatcher) -> None:
        """Add what this part serves."""
        router.add_get("/data/$metadata", self.get_document)
        router.add_get("/metadata/DataEntities", self.get_data_entities)
        router.add_get("/metadata/PublicEntities", self.get_public_entities)
        router.add_get("/metadata/{kind:PublicEntities|PublicEnumerations}({name})", self.get_one)

    async def get_document(self, _request: web.Request) -> web.Response:
        """The metadata document."""
        return web.Response(text=document(), content_type="application/xml")

    async def get_data_entities(self, _request: web.Request) -> web.Response:
        """All data entities, public or not."""
        public = {one.entity: one for one in SETS.values()}
        hidden = [_data_entity(entity.name, entity.label, None) for entity in _hidden(public)]
        shown = [_data_entity(one.entity, _label(one), one) for one in SETS.values()]
        return json_answer({"@odata.context": f"{self._context}#DataEntities", "value": hidden + shown})

    async def get_public_entities(self, _request: web.Request) -> web.Response:
        """The public entities with their properties."""
        entities = [_public_entity(one) for one in SETS.values()]
        return json_answer({"@odata.context": f"{self._context}#PublicEntities", "value": entities})

    async def get_one(self, request: web.Request) -> web.Response:
        """One public entity or enumeration by name."""
        kind, name = request.match_info["kind"], request.match_info["name"].strip("'")
        found = _entity_named(name) if kind == "PublicEntities" else _enumeration_named(name)
        if found is None:
            raise web.HTTPNotFound
        return json_answer({"@odata.context": f"{self._context}#{kind}/$entity"} | found)


def document() -> str:
    """Return the metadata document of the sets held here."""
    types = "".join(_entity_type(one) for one in SETS.values())
    enums = "".join(_enum_type(name, kind) for name, kind in _enumerations().items())
    sets = "".join(f'<EntitySet Name="{one.name}" EntityType="{NAMESPACE}.{one.type_name}" />' for one in SETS.values())
    return (
        f'<?xml version="1.0" encoding="utf-8"?><edmx:Edmx Version="4.0" xmlns:edmx="{EDMX}"><edmx:DataServices>'
        f'<Schema Namespace="{NAMESPACE}" xmlns="{EDM}">{types}{enums}'
        f'<EntityContainer Name="Resources">{sets}</EntityContainer></Schema></edmx:DataServices></edmx:Edmx>'
    )


def _entity_type(one: EntitySet) -> str:
    keys = "".join(f'<PropertyRef Name="{name}" />' for name in one.key)
    properties = "".join(
        f'<Property Name="{name}" Type={quoteattr(kind.edm)}{_nullable(kind)} />'
        for name, kind in one.properties.items()
    )
    return f'<EntityType Name="{one.type_name}"><Key>{keys}</Key>{properties}</EntityType>'


def _nullable(kind: Kind) -> str:
    return "" if kind.data_type in {"String", "Enum"} else ' Nullable="false"'


def _enum_type(name: str, kind: Kind) -> str:
    members = "".join(f'<Member Name="{member}" Value="{value}" />' for value, member in enumerate(kind.members))
    return f'<EnumType Name="{name}">{members}</EnumType>'


def _enumerations() -> dict[str, Kind]:
    kinds = [kind for one in SETS.values() for kind in one.properties.values() if kind.members]
    return {kind.edm.removeprefix(f"{NAMESPACE}."): kind for kind in kinds}


def _hidden(public: dict[str, EntitySet]) -> list[Entity]:
    return [entity for entity in ENTITIES.values() if entity.name not in public]


def _label(one: EntitySet) -> str:
    return next((entity.label for entity in ENTITIES.values() if entity.name == one.entity), one.type_name)


def _data_entity(name: str, label: str, public: EntitySet | None) -> dict[str, Any]:
    return {
        "Name": name,
        "PublicEntityName": public.type_name if public else None,
        "PublicCollectionName": public.name if public else None,
        "LabelId": label,
        "DataServiceEnabled": public is not None,
        "DataManagementEnabled": any(entity.name == name for entity in ENTITIES.values()),
        "EntityCategory": "Transaction",
        "IsReadOnly": False,
    }


def _entity_named(name: str) -> dict[str, Any] | None:
    return next((_public_entity(one) for one in SETS.values() if one.type_name == name), None)


def _public_entity(one: EntitySet) -> dict[str, Any]:
    return {
        "Name": one.type_name,
        "EntitySetName": one.name,
        "LabelId": _label(one),
        "IsReadOnly": False,
        "ConfigurationEnabled": True,
        "Properties": [_property(one, name, kind) for name, kind in one.properties.items()],
    }


def _property(one: EntitySet, name: str, kind: Kind) -> dict[str, Any]:
    key = name in one.key
    return {
        "Name": name,
        "TypeName": kind.edm,
        "DataType": kind.data_type,
        "LabelId": None,
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


def _enumeration_named(name: str) -> dict[str, Any] | None:
    kind = _enumerations().get(name)
    if kind is None:
        return None
    members = [{"Name": member, "Value": value} for value, member in enumerate(kind.members)]
    return {"Name": name, "LabelId": None, "Members": members}
