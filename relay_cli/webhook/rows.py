"""The rows of a registration in Dataverse: what they hold, and what differs."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from xml.sax.saxutils import quoteattr

ENDPOINTS, STEPS, IMAGES = "serviceendpoints", "sdkmessageprocessingsteps", "sdkmessageprocessingstepimages"
STATUS, ORDER_TYPE = "msdyn_projectinvoicestatus", "msdyn_ordertype"
ENDPOINT_NAME = "Invoice relay"
STEP_NAME = "Invoice relay: invoice confirmed"
ALIAS = "PostImage"
WEBHOOK, HTTP_HEADER = 8, 5
ENABLED = {"statecode": 0, "statuscode": 1}
DISABLED = {"statecode": 1, "statuscode": 2}
STEP: Mapping[str, Any] = {
    "stage": 40,
    "mode": 1,
    "rank": 1,
    "asyncautodelete": True,
    "filteringattributes": STATUS,
}
IMAGE: Mapping[str, Any] = {
    "entityalias": ALIAS,
    "imagetype": 1,
    "messagepropertyname": "Target",
    "attributes": f"{STATUS},{ORDER_TYPE}",
}
_LISTS = {"filteringattributes", "attributes"}

type Row = Mapping[str, Any]


@dataclass(frozen=True)
class Found:
    """What is registered: the endpoints that are ours by name or address, the steps on them, the images of our steps,
    and all steps that listen to updates of invoices by any endpoint."""

    endpoints: list[Row]
    steps: list[Row]
    images: list[Row]
    listeners: list[Row]

    @property
    def our_steps(self) -> list[Row]:
        """The steps on our endpoints for updates of invoices."""
        return [step for step in self.steps if is_ours(step)]

    @property
    def foreign(self) -> list[Row]:
        """Steps of other endpoints that listen to updates of invoices as well."""
        ours = {step["sdkmessageprocessingstepid"] for step in self.steps}
        return [step for step in self.listeners if step["sdkmessageprocessingstepid"] not in ours]


@dataclass(frozen=True)
class Change:
    """One row: to be created without a `key`, changed by `values`, or left as it is when there are none. `was` is the
    address that an endpoint has now."""

    entity_set: str
    noun: str
    key: str | None
    values: Row = field(default_factory=dict)
    was: str = ""

    @property
    def line(self) -> str:
        """What is done to it, for the administrator."""
        if self.key is None:
            return f"Create the {self.noun}"
        # The endpoint may be another app's of the same name.
        old = f" (now {self.was})" if "url" in self.values else ""
        return f"Change the {self.noun} {self.key}: {', '.join(self.values)}{old}" if self.values else ""


def is_ours(step: Row) -> bool:
    """Whether a step listens to updates of invoices."""
    message, table = step.get("sdkmessageid") or {}, step.get("sdkmessagefilterid") or {}
    return (message.get("name"), table.get("primaryobjecttypecode")) == ("Update", "invoice")


def differences(row: Row, wanted: Row) -> dict[str, Any]:
    """The columns of `wanted` that differ in the row. The order of column lists does not count."""
    return {name: value for name, value in wanted.items() if _plain(name, row.get(name)) != _plain(name, value)}


def auth_value(name: str, key: str) -> str:
    """The headers that Dataverse sends: the key, and its name, by which the app tells under which key an event came."""
    headers = {"x-functions-key": key, "x-relay-key": name}
    settings = "".join(f"<setting name={quoteattr(each)} value={quoteattr(text)} />" for each, text in headers.items())
    return f"<settings>{settings}</settings>"


def _plain(name: str, value: Any) -> Any:
    return sorted(part.strip() for part in str(value or "").split(",")) if name in _LISTS else value
