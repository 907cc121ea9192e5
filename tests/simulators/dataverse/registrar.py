"""An administrator who registers webhooks by the Web API."""

from typing import Any

from tests.simulators.dataverse.client import Dataverse

SETTINGS = '<settings><setting name="x-functions-key" value="k&amp;1" /><setting name="x-name" value="n" /></settings>'
ENDPOINTS, STEPS, IMAGES = "serviceendpoints", "sdkmessageprocessingsteps", "sdkmessageprocessingstepimages"
STATUS = "msdyn_projectinvoicestatus"


class Admin(Dataverse):
    """An administrator, who registers by the Web API."""

    async def create(self, where: str, body: dict[str, Any], status: int = 201) -> Any:
        reply = await self.call("POST", where, body, Prefer="return=representation")
        assert reply.status == status, reply.body
        return reply.json if status == 201 else reply

    async def endpoint(self, url: str, **changes: Any) -> str:
        body = {"name": "Relay", "url": url, "contract": 8, "authtype": 5, "authvalue": SETTINGS, **changes}
        return str((await self.create(ENDPOINTS, body))["serviceendpointid"])

    async def step_body(self, endpoint_id: str, message: str = "Update", **changes: Any) -> dict[str, Any]:
        [found] = await self.all("sdkmessages", filter=f"name eq '{message}'", select="sdkmessageid")
        [filtered] = await self.all(
            "sdkmessagefilters",
            filter=f"primaryobjecttypecode eq 'invoice' and sdkmessageid/name eq '{message}'",
            select="sdkmessagefilterid",
        )
        return {
            "name": "Relay", "stage": 40, "mode": 1, "rank": 1, "supporteddeployment": 0, "asyncautodelete": True,
            "filteringattributes": STATUS,
            "eventhandler_serviceendpoint@odata.bind": f"/serviceendpoints({endpoint_id})",
            "sdkmessageid@odata.bind": f"/sdkmessages({found['sdkmessageid']})",
            "sdkmessagefilterid@odata.bind": f"/sdkmessagefilters({filtered['sdkmessagefilterid']})",
            **changes,
        }  # fmt: skip

    async def step(self, endpoint_id: str, **changes: Any) -> str:
        body = await self.step_body(endpoint_id, **changes)
        return str((await self.create(STEPS, body))["sdkmessageprocessingstepid"])

    async def image(self, step_id: str, **changes: Any) -> str:
        body = {
            "name": "PostImage", "entityalias": "PostImage", "imagetype": 1, "messagepropertyname": "Target",
            "attributes": f"{STATUS},msdyn_ordertype",
            "sdkmessageprocessingstepid@odata.bind": f"/sdkmessageprocessingsteps({step_id})", **changes,
        }  # fmt: skip
        return str((await self.create(IMAGES, body))["sdkmessageprocessingstepimageid"])

    async def ids(self, where: str) -> list[str]:
        return [row[f"{where[:-1]}id"] for row in await self.all(where, select=f"{where[:-1]}id")]
