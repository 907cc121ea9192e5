"""What is installed: actions that are called by POST although they only read."""

from aiohttp import web

from simulators.finance.answers import ServiceRefused, json_answer
from simulators.finance.switches import Switches

PREFIX = "Microsoft.Dynamics.DataEntities."
MODULES = ("ApplicationSuite", "ProjectOperationsIntegration", "DualWrite")


class Versions:
    """Actions of `DataManagementEntities` and `SystemNotifications`."""

    def __init__(self, origin: str, switches: Switches) -> None:
        self._context = f"{origin}/data/$metadata#"
        self._switches = switches

    def add_routes(self, router: web.UrlDispatcher) -> None:
        """Add what this part serves."""
        router.add_post("/data/{set:DataManagementEntities|SystemNotifications}/{action}", self.answer)

    async def answer(self, request: web.Request) -> web.Response:
        """Run the action that the path names."""
        bound_to = request.match_info["set"]
        name = request.match_info["action"].removeprefix(PREFIX)
        value = self._values().get((bound_to, name))
        if value is None:
            raise ServiceRefused(404, f"No action '{name}' was found on '{bound_to}'.")
        kind = "Collection(Edm.String)" if isinstance(value, list) else "Edm.String"
        return json_answer({"@odata.context": self._context + kind, "value": value})

    def _values(self) -> dict[tuple[str, str], str | list[str]]:
        version = self._switches.application_version
        return {
            ("DataManagementEntities", "GetApplicationVersion"): version,
            ("DataManagementEntities", "GetApplicationBuildVersion"): version,
            ("DataManagementEntities", "GetPlatformBuildVersion"): self._switches.platform_version,
            ("SystemNotifications", "GetInstalledModules"): [_module(name, version) for name in MODULES],
        }


def _module(name: str, version: str) -> str:
    return (
        f"Name: {name} | Version: {version} | Module: {name} | Publisher: Microsoft Corporation | DisplayName: {name}"
    )
