"""Entity metadata: `/data`, `/data/$metadata` and the JSON services under `/metadata`, which is written in any case."""

from typing import Any
from xml.sax.saxutils import quoteattr

from aiohttp import web

from simulators.finance.answers import json_answer
from simulators.finance.computed import Computed
from simulators.finance.descriptions import (
    DATA_ENTITY_SET,
    ENUMERATION_SET,
    PUBLIC_ENTITY_SET,
    Description,
    Descriptions,
    enumerations,
)
from simulators.finance.fields import Kind
from simulators.finance.published import SETS
from simulators.finance.queries import Options, Reader, bad_query
from simulators.finance.sets import NAMESPACE, EntitySet
from simulators.finance.switches import Switches
from simulators.odata import parse_select

EDM = "http://docs.oasis-open.org/odata/ns/edm"
EDMX = "http://docs.oasis-open.org/odata/ns/edmx"
ROOT = "/{root:(?i:metadata)}"
SERVICES = {one.name: one for one in (DATA_ENTITY_SET, PUBLIC_ENTITY_SET, ENUMERATION_SET)}


class Metadata:
    """Read-only routes. The header and the connections are known to Data Management but not to OData."""

    def __init__(self, origin: str, switches: Switches) -> None:
        self._origin = origin
        self._root = f"{origin}/metadata"
        self._descriptions = Descriptions(switches)

    def add_routes(self, router: web.UrlDispatcher) -> None:
        """Add what this part serves."""
        kinds = "|".join(SERVICES)
        router.add_get("/data{slash:/?}", self.get_service_document)
        router.add_get("/data/$metadata", self.get_document)
        router.add_get(f"{ROOT}/{{kind:{kinds}}}", self.get_list)
        router.add_get(f"{ROOT}/{{kind:{kinds}}}({{name}})", self.get_one)
        router.add_get(f"{ROOT}/Labels(Id={{id}},Language={{language}})", self.get_label)

    async def get_service_document(self, _request: web.Request) -> web.Response:
        """The sets that can be read."""
        sets = [{"name": one.name, "kind": "EntitySet", "url": one.name} for one in self._descriptions.public.values()]
        return json_answer({"@odata.context": f"{self._origin}/data/$metadata", "value": sets})

    async def get_document(self, _request: web.Request) -> web.Response:
        """The metadata document."""
        return web.Response(text=document(), content_type="application/xml")

    async def get_list(self, request: web.Request) -> web.Response:
        """Data entities, public entities with their properties, or enumerations; with query options."""
        described_set = SERVICES[request.match_info["kind"]]
        described = self._descriptions.of(described_set)
        options = dict(request.query)
        select = _selected(options.pop("$select", "*"), described_set)
        return json_answer(self._page(described_set, described, options, select))

    async def get_one(self, request: web.Request) -> web.Response:
        """One of them by name."""
        kind, name = request.match_info["kind"], request.match_info["name"].strip("'")
        found = self._descriptions.of(SERVICES[kind]).get(name)
        if found is None:
            raise web.HTTPNotFound
        return json_answer({"@odata.context": f"{self._root}/$metadata#{kind}/$entity"} | found)

    async def get_label(self, request: web.Request) -> web.Response:
        """The text of a label. Here it is the same in every language."""
        label, language = (request.match_info[name].strip("'") for name in ("id", "language"))
        text = self._descriptions.labels().get(label)
        if text is None:
            raise web.HTTPNotFound
        context = {"@odata.context": f"{self._root}/$metadata#Labels/$entity"}
        return json_answer(context | {"Id": label, "Language": language, "Value": text})

    def _page(
        self, described_set: EntitySet, described: dict[str, Description], options: Options, select: set[str] | None
    ) -> dict[str, Any]:
        def computed(_set: EntitySet) -> Computed:
            return Computed(described_set, map(_flat, described.values()))

        page = Reader(computed, self._root).page(described_set, options)
        full = (described[row["Name"]] for row in page["value"])
        page["value"] = [{name: one[name] for name in one if select is None or name in select} for one in full]
        return page


def _flat(description: Description) -> dict[str, Any]:
    """The members that a filter can name."""
    return {
        name: int(value) if isinstance(value, bool) else value
        for name, value in description.items()
        if not isinstance(value, list)
    }


NESTED = {
    PUBLIC_ENTITY_SET.name: {"Properties", "NavigationProperties", "PropertyGroups", "Actions"},
    ENUMERATION_SET.name: {"Members"},
}


def _selected(text: str, described_set: EntitySet) -> set[str] | None:
    names = set(parse_select(text))
    if names == {"*"}:
        return None
    known = set(described_set.properties) | NESTED.get(described_set.name, set())
    for name in sorted(names - known):
        raise bad_query(described_set.unknown(name).message)
    return names


def document() -> str:
    """Return the metadata document of the sets held here."""
    types = "".join(_entity_type(one) for one in SETS.values())
    enums = "".join(_enum_type(name, kind) for name, kind in enumerations().items())
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
