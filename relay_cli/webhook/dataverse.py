"""Reads and writes the registration in Dataverse."""

from dataclasses import dataclass
from typing import Any

from relay_cli.problems import Unreachable
from relay_cli.webhook.rows import ENABLED, ENDPOINTS, HTTP_HEADER, IMAGES, STEPS, WEBHOOK, Change, Found, Row
from relay_cli.webhook.service import AGAIN, Gone, Service, origin_of
from relay_cli.webhook.sign_in import Tokens

_ROOT = "/api/data/v9.2/"
_HEADERS = {"OData-MaxVersion": "4.0", "OData-Version": "4.0"}
_ENDPOINT = "serviceendpointid,name,url,authtype,isauthvalueset"
_STEP = "sdkmessageprocessingstepid,name,stage,mode,rank,asyncautodelete,filteringattributes,statecode"
_STEP_PARTS = "sdkmessageid($select=name),sdkmessagefilterid($select=primaryobjecttypecode)"
_IMAGE = "sdkmessageprocessingstepimageid,entityalias,imagetype,attributes,messagepropertyname"
_LISTENERS = (
    "sdkmessagefilterid/primaryobjecttypecode eq 'invoice' and sdkmessageid/name eq 'Update' and "
    "eventhandler_serviceendpoint/serviceendpointid ne null"
)


@dataclass(frozen=True)
class Dataverse:
    """One environment. Names of rows are not unique in it."""

    service: Service

    def organization(self) -> str:
        """The id of the organization."""
        who = self.service.call("GET", f"{_ROOT}WhoAmI", headers=_HEADERS)
        if not (found := str(who.get("OrganizationId") or "")):
            raise Unreachable(f"{self.service.origin} does not say which organization it is.", AGAIN)
        return found.lower()

    def find(self, name: str, url: str) -> Found:
        """What is registered under this name or for this address."""
        webhooks = self._rows(ENDPOINTS, f"contract eq {WEBHOOK}", _ENDPOINT)
        ours = [row for row in webhooks if row["name"] == name or is_same_address(row["url"], url)]
        steps = [step for endpoint in ours for step in self._steps(endpoint["serviceendpointid"])]
        images = [image for step in steps for image in self._images(step["sdkmessageprocessingstepid"])]
        listeners = self._rows(
            STEPS, _LISTENERS, _STEP, f"{_STEP_PARTS},eventhandler_serviceendpoint($select=name,url)"
        )
        return Found(ours, steps, images, listeners)

    def create_endpoint(self, name: str, url: str, secret: str) -> str:
        """Create the endpoint; return its id."""
        body = {"name": name, "url": url, "contract": WEBHOOK, "authtype": HTTP_HEADER, "authvalue": secret}
        return str(self._create(ENDPOINTS, body, "serviceendpointid")["serviceendpointid"])

    def create_step(self, endpoint: str, values: Row) -> Row:
        """Create a step of an endpoint for updates of invoices; return it."""
        # Ids of messages and filters differ between environments.
        message = self._only("sdkmessages", "name eq 'Update'", "sdkmessageid")
        of_invoices = f"primaryobjecttypecode eq 'invoice' and sdkmessageid/sdkmessageid eq {message}"
        table = self._only("sdkmessagefilters", of_invoices, "sdkmessagefilterid")
        # The service takes these names in lower case alone.
        bound = {
            "eventhandler_serviceendpoint@odata.bind": f"/{ENDPOINTS}({endpoint})",
            "sdkmessageid@odata.bind": f"/sdkmessages({message})",
            "sdkmessagefilterid@odata.bind": f"/sdkmessagefilters({table})",
        }
        return self._create(STEPS, {**values, "supporteddeployment": 0, **bound}, "sdkmessageprocessingstepid")

    def create_image(self, step: str, values: Row) -> None:
        """Create the image of a step."""
        bound = {"sdkmessageprocessingstepid@odata.bind": f"/{STEPS}({step})"}
        self._create(IMAGES, {**values, **bound}, "sdkmessageprocessingstepimageid")

    def change(self, change: Change) -> None:
        """Change a row that is there. Raises Gone if it is not."""
        self._patch(change.entity_set, str(change.key), change.values)

    def enable(self, step: str, state: Row = ENABLED) -> None:
        """Enable a step, or give it another state."""
        self._patch(STEPS, step, state)

    def delete(self, entity_set: str, key: str) -> None:
        """Delete a row; the images of a step go with it. It is no error if it is gone already."""
        try:
            self.service.call("DELETE", f"{_ROOT}{entity_set}({key})", headers=_HEADERS)
        except Gone:
            return

    def _steps(self, endpoint: str) -> list[Row]:
        return self._rows(STEPS, f"_eventhandler_value eq {endpoint}", _STEP, _STEP_PARTS)

    def _images(self, step: str) -> list[Row]:
        return self._rows(IMAGES, f"_sdkmessageprocessingstepid_value eq {step}", _IMAGE)

    def _only(self, entity_set: str, condition: str, column: str) -> str:
        rows = self._rows(entity_set, condition, column)
        if len(rows) != 1:
            raise Unreachable(f"Dataverse has {len(rows)} {entity_set} with {condition}, not one.")
        return str(rows[0][column])

    def _rows(self, entity_set: str, condition: str, select: str, expand: str = "") -> list[Row]:
        query = {"$filter": condition, "$select": select, **({"$expand": expand} if expand else {})}
        document = self.service.call("GET", _ROOT + entity_set, query=query, headers=_HEADERS)
        rows = document.get("value")
        # A second page of registrations would be a sign of something else than a registration.
        columns = select.split(",")
        if not isinstance(rows, list) or "@odata.nextLink" in document or not all(_has(row, columns) for row in rows):
            raise Unreachable(f"Dataverse's list of {entity_set} is not understood.")
        return rows

    def _create(self, entity_set: str, body: Row, key: str) -> dict[str, Any]:
        headers = {**_HEADERS, "Prefer": "return=representation"}
        made: dict[str, Any] = self.service.call("POST", _ROOT + entity_set, body, headers=headers)
        if key not in made:
            raise Unreachable(f"Dataverse's answer to a new row of {entity_set} has no {key}.", AGAIN)
        return made

    def _patch(self, entity_set: str, key: str, values: Row) -> None:
        # Without If-Match the service would create a row that is not there.
        self.service.call("PATCH", f"{_ROOT}{entity_set}({key})", values, headers={**_HEADERS, "If-Match": "*"})


def _has(row: object, columns: list[str]) -> bool:
    return isinstance(row, dict) and all(column in row for column in columns)


def open_dataverse(address: str, tokens: Tokens) -> Dataverse:
    """The environment at an address. Raises Misused for an address that is not one."""
    return Dataverse(Service("Dataverse", origin_of(address, "a Dataverse environment"), tokens))


def is_same_address(one: object, other: str) -> bool:
    """Whether two addresses of a webhook are the same."""
    return str(one or "").rstrip("/").lower() == other.lower()
