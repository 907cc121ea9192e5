"""Webhook registrations: service endpoints and the steps that point to them."""

import sqlite3
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import orjson

from simulators.dataverse.events import SqlValue
from simulators.dataverse.organization import base_rows
from simulators.dataverse.schema import Schema
from simulators.dataverse.store import Writer, new_id
from simulators.dataverse.values import now_text

AUTH_TYPES = {"WebhookKey": 4, "HttpHeader": 5, "HttpQueryString": 6}
MESSAGES = ("Create", "Update", "Delete", "CreateMultiple", "UpdateMultiple")
BULK = {"CreateMultiple": "Create", "UpdateMultiple": "Update"}
"""The platform merges both kinds of message: a bulk message is raised for single writes too, and holds all rows of a
write.
"""


class RegistrationRefused(Exception):
    """A registration that is invalid."""


@dataclass(frozen=True)
class Step:
    """One registered step: after commit of `message` on `entity`, post to `url`."""

    step_id: str
    url: str
    auth_type: str
    headers: dict[str, str]
    query: str
    entity: str
    message: str
    filtering: tuple[str, ...]
    post_image: tuple[str, ...]
    image_alias: str
    auto_delete: bool

    @property
    def address(self) -> str:
        """The URL with what authentication adds to it."""
        separator = "&" if "?" in self.url else "?"
        return f"{self.url}{separator}{self.query}" if self.query else self.url


def parse_step(schema: Schema, step_id: str, body: dict[str, Any]) -> Step:
    """Return the step that a registration describes. Raises RegistrationRefused."""
    url, auth_type = body.get("url"), body.get("authType", "WebhookKey")
    entity, message = body.get("entity", "invoice"), body.get("message", "Update")
    if not isinstance(url, str) or not url.startswith(("http://", "https://")):
        raise RegistrationRefused("'url' must be an http address")
    if auth_type not in AUTH_TYPES:
        raise RegistrationRefused(f"'authType' must be one of {', '.join(AUTH_TYPES)}")
    if entity not in schema.tables or message not in MESSAGES:
        raise RegistrationRefused(f"no step can be registered for {message} of {entity}")
    filtering, image = tuple(body.get("filteringAttributes", ())), tuple(body.get("postImage", ()))
    for name in (*filtering, *image):
        if name not in schema.tables[entity].columns:
            raise RegistrationRefused(f"'{entity}' has no column '{name}'")
    headers = {str(name): str(value) for name, value in body.get("headers", {}).items()}
    return Step(
        step_id=step_id,
        url=url,
        auth_type=auth_type,
        headers=headers if auth_type == "HttpHeader" else {},
        query=_query(auth_type, body),
        entity=entity,
        message=message,
        filtering=filtering,
        post_image=image,
        image_alias=str(body.get("imageAlias", "PostImage")),
        auto_delete=bool(body.get("asyncAutoDelete", False)),
    )


def _query(auth_type: str, body: dict[str, Any]) -> str:
    value = body.get("value", body.get("headers", ""))
    if auth_type == "WebhookKey":
        return f"code={quote(str(value), safe='')}"
    if auth_type == "HttpQueryString" and isinstance(value, dict):
        return "&".join(f"{quote(str(name), safe='')}={quote(str(text), safe='')}" for name, text in value.items())
    return str(value) if auth_type == "HttpQueryString" else ""


def register(writer: Writer, body: dict[str, Any]) -> Step:
    """Write the endpoint, the step and what the platform keeps to itself: the authentication values."""
    step = parse_step(writer.schema, new_id(), body)
    endpoint, now = new_id(), now_text()
    message = base_rows().messages[step.message]
    filter_id = writer.connection.execute(
        "SELECT sdkmessagefilterid FROM sdkmessagefilter WHERE primaryobjecttypecode = ? AND sdkmessageid = ?",
        (step.entity, message),
    ).fetchone()[0]
    standard: dict[str, SqlValue] = {"createdon": now, "modifiedon": now, "statecode": 0, "statuscode": 1}
    writer.insert("serviceendpoint", {**standard, "serviceendpointid": endpoint, "name": f"Webhook {step.url}",
        "url": step.url, "contract": 8, "authtype": AUTH_TYPES[step.auth_type]})  # fmt: skip
    writer.insert("sdkmessageprocessingstep", {**standard, "sdkmessageprocessingstepid": step.step_id, "mode": 1,
        "name": f"{step.message} of {step.entity}", "stage": 40,
        "filteringattributes": ",".join(step.filtering) or None,
        "asyncautodelete": int(step.auto_delete), "sdkmessageid": message, "sdkmessagefilterid": filter_id,
        "eventhandler": endpoint})  # fmt: skip
    writer.connection.execute("INSERT INTO sim_webhook VALUES (?, ?)", (step.step_id, orjson.dumps(body).decode()))
    return step


def unregister(writer: Writer, step_id: str) -> None:
    """Remove a step; its endpoint stays, as it does in the service."""
    writer.connection.execute("DELETE FROM sim_webhook WHERE step_id = ?", (step_id,))
    writer.connection.execute("DELETE FROM sdkmessageprocessingstep WHERE sdkmessageprocessingstepid = ?", (step_id,))


def registered_steps(connection: sqlite3.Connection, schema: Schema) -> list[Step]:
    """Return the steps of earlier runs."""
    rows = connection.execute("SELECT step_id, definition FROM sim_webhook").fetchall()
    return [parse_step(schema, step_id, orjson.loads(definition)) for step_id, definition in rows]
