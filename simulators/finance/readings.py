"""Actions that are called by POST although they only read: what is installed, and a query of the entity list."""

from collections.abc import Iterator
from typing import Any

import orjson
from aiohttp import web

from simulators.finance.answers import ServiceRefused, json_answer
from simulators.finance.setup import CATEGORY, ENTITY_SET, Facts, rows_of

PREFIX = "Microsoft.Dynamics.DataEntities."
MODULES = ("ApplicationSuite", "ProjectOperationsIntegration", "DualWrite")
FILTERS = {
    "categoryFilters": ("Category", CATEGORY.members),
    "isSharedFilters": ("IsShared", ("No", "Yes")),
    "moduleFilters": ("Modules", ()),
    "tagFilters": ("Tags", ()),
    "configKeyFilters": ("ConfigurationKeyName", ()),
    "countryRegionCodeFilters": ("CountryRegionCodes", ()),
}
"""Parameters of `query`, all of them lists: the column that each filters, and the members that its numbers stand for.
An empty list filters nothing."""


class Readings:
    """Actions of `DataManagementEntities` and `SystemNotifications`."""

    def __init__(self, origin: str, facts: Facts) -> None:
        self._context = f"{origin}/data/$metadata#"
        self._facts = facts

    def add_routes(self, router: web.UrlDispatcher) -> None:
        """Add what this part serves."""
        router.add_post("/data/{set:DataManagementEntities|SystemNotifications}/{action}", self.answer)

    async def answer(self, request: web.Request) -> web.Response:
        """Run the action that the path names."""
        bound_to = request.match_info["set"]
        name = request.match_info["action"].removeprefix(PREFIX)
        if (bound_to, name) == (ENTITY_SET.name, "query"):
            rows = list(self._query(orjson.loads(await request.read() or b"{}")))
            return json_answer({"@odata.context": self._context + bound_to, "value": rows})
        value = self._values().get((bound_to, name))
        if value is None:
            raise ServiceRefused(404, f"No action '{name}' was found on '{bound_to}'.")
        kind = "Collection(Edm.String)" if isinstance(value, list) else "Edm.String"
        return json_answer({"@odata.context": self._context + kind, "value": value})

    def _values(self) -> dict[tuple[str, str], str | list[str]]:
        version = self._facts.switches.application_version
        return {
            ("DataManagementEntities", "GetApplicationVersion"): version,
            ("DataManagementEntities", "GetApplicationBuildVersion"): version,
            ("DataManagementEntities", "GetPlatformBuildVersion"): self._facts.switches.platform_version,
            ("SystemNotifications", "GetInstalledModules"): [_module(name, version) for name in MODULES],
        }

    def _query(self, given: dict[str, list[Any]]) -> Iterator[dict[str, Any]]:
        for name in FILTERS:
            if name not in given:
                raise ServiceRefused(400, f"Parameter '{name}' is missing.")
        for row in rows_of(ENTITY_SET, self._facts):
            full = {name: row.get(name, kind.empty) for name, kind in ENTITY_SET.properties.items()}
            if all(_passes(full, name, given[name]) for name in FILTERS):
                yield full


def _passes(row: dict[str, Any], name: str, wanted: list[Any]) -> bool:
    column, members = FILTERS[name]
    values = [members[one] for one in wanted] if members else wanted
    return not wanted or row.get(column) in values


def _module(name: str, version: str) -> str:
    return (
        f"Name: {name} | Version: {version} | Module: {name} | Publisher: Microsoft Corporation | DisplayName: {name}"
    )
