"""Webhook registrations. Rows of service endpoints, steps and images are the registration; only the values of
authentication are kept apart, because the service never gives them out."""

import sqlite3
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote
from xml.etree import ElementTree as ET
from xml.sax.saxutils import quoteattr

from simulators.dataverse.events import SqlValue
from simulators.dataverse.schema import Schema, Table
from simulators.dataverse.store import Writer, new_id
from simulators.dataverse.values import now_text

ENDPOINT, STEP, IMAGE = "serviceendpoint", "sdkmessageprocessingstep", "sdkmessageprocessingstepimage"
TABLES = frozenset({ENDPOINT, STEP, IMAGE})
WEBHOOK = 8
ASYNCHRONOUS, POST_OPERATION = 1, 40
POST_IMAGE, BOTH_IMAGES = 1, 2
AUTH_TYPES = {"WebhookKey": 4, "HttpHeader": 5, "HttpQueryString": 6}
KEY, HEADER = AUTH_TYPES["WebhookKey"], AUTH_TYPES["HttpHeader"]
MESSAGES = ("Create", "Update", "Delete", "CreateMultiple", "UpdateMultiple")
BULK = {"CreateMultiple": "Create", "UpdateMultiple": "Update"}
"""The platform merges both kinds of message: a bulk message is raised for single writes too, and holds all rows of a
write.
"""
_ENABLED = """
SELECT s.sdkmessageprocessingstepid, e.url, e.authtype, COALESCE(a.value, ''), m.name, f.primaryobjecttypecode,
       COALESCE(s.filteringattributes, ''), COALESCE(s.asyncautodelete, 0)
FROM sdkmessageprocessingstep s
JOIN serviceendpoint e ON e.serviceendpointid = s.eventhandler
JOIN sdkmessage m ON m.sdkmessageid = s.sdkmessageid
JOIN sdkmessagefilter f ON f.sdkmessagefilterid = s.sdkmessagefilterid
LEFT JOIN sim_authvalue a ON a.endpoint_id = e.serviceendpointid
WHERE s.statecode = 0 AND e.contract = ? ORDER BY s.rank, s.createdon, s.versionnumber
"""
_IMAGES = """
SELECT entityalias, COALESCE(attributes, '') FROM sdkmessageprocessingstepimage
WHERE sdkmessageprocessingstepid = ? AND imagetype IN (?, ?) ORDER BY versionnumber
"""


class RegistrationRefused(Exception):
    """A registration that is invalid."""


@dataclass(frozen=True)
class Step:
    """One enabled step: after commit of `message` on `entity`, post to `address`. `images` are the post-images, each
    with its alias and columns."""

    step_id: str
    url: str
    headers: dict[str, str]
    query: str
    entity: str
    message: str
    filtering: tuple[str, ...]
    images: tuple[tuple[str, tuple[str, ...]], ...]
    auto_delete: bool

    @property
    def address(self) -> str:
        """The URL with what authentication adds to it."""
        separator = "&" if "?" in self.url else "?"
        return f"{self.url}{separator}{self.query}" if self.query else self.url


def enabled_steps(connection: sqlite3.Connection, schema: Schema) -> list[Step]:
    """Return the steps that are delivered now."""
    return [_step(connection, schema, row) for row in connection.execute(_ENABLED, (WEBHOOK,)).fetchall()]


def _step(connection: sqlite3.Connection, schema: Schema, row: tuple[Any, ...]) -> Step:
    step_id, url, auth_type, value, message, entity, filtering, auto_delete = row
    images = connection.execute(_IMAGES, (step_id, POST_IMAGE, BOTH_IMAGES)).fetchall()
    settings = read_settings(value) if auth_type != KEY else {}
    return Step(
        step_id=step_id,
        url=url,
        headers=settings if auth_type == HEADER else {},
        query=f"code={quote(value, safe='')}" if auth_type == KEY else _query(settings) if auth_type != HEADER else "",
        entity=entity,
        message=message,
        filtering=_names(filtering),
        images=tuple((alias, _image_columns(schema.tables[entity], listed)) for alias, listed in images),
        auto_delete=bool(auto_delete),
    )


def _image_columns(table: Table, listed: str) -> tuple[str, ...]:
    """The columns of an image; an image that names none has them all."""
    return tuple(name for name in _names(listed) if name in table.columns) if listed else table.column_names


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


def _query(settings: dict[str, str]) -> str:
    return "&".join(f"{quote(name, safe='')}={quote(text, safe='')}" for name, text in settings.items())


def read_settings(value: str) -> dict[str, str]:
    """Read `<settings><setting name="..." value="..."/></settings>`, the form of several authentication values.
    Raises RegistrationRefused."""
    if not value:
        return {}
    try:
        root = ET.fromstring(value)  # noqa: S314 - the simulator of a service on loopback
        if root.tag != "settings":
            raise RegistrationRefused("the authentication value is no list of settings")
        return {setting.attrib["name"]: setting.attrib["value"] for setting in root}
    except (ET.ParseError, KeyError) as error:
        raise RegistrationRefused(f"the authentication value is no list of settings: {error}") from error


def write_settings(settings: dict[str, str]) -> str:
    """Return authentication values in the form in which they are registered."""
    entries = "".join(f"<setting name={quoteattr(name)} value={quoteattr(text)} />" for name, text in settings.items())
    return f"<settings>{entries}</settings>"


def keep_secret(connection: sqlite3.Connection, endpoint_id: str, value: str) -> None:
    """Keep the authentication value of an endpoint."""
    connection.execute("INSERT OR REPLACE INTO sim_authvalue VALUES (?, ?)", (endpoint_id, value))


def register(writer: Writer, body: dict[str, Any]) -> str:
    """Write endpoint, step and image as a control request describes them; return the id of the step. Raises
    RegistrationRefused."""
    checked = _checked(writer.schema, body)
    entity, message = checked["entity"], checked["message"]
    message_id, filter_id = writer.connection.execute(
        "SELECT m.sdkmessageid, f.sdkmessagefilterid FROM sdkmessage m JOIN sdkmessagefilter f "
        "ON f.sdkmessageid = m.sdkmessageid WHERE m.name = ? AND f.primaryobjecttypecode = ?",
        (message, entity),
    ).fetchone()
    endpoint, step, now = new_id(), new_id(), now_text()
    standard: dict[str, SqlValue] = {"createdon": now, "modifiedon": now, "statecode": 0, "statuscode": 1}
    writer.insert(ENDPOINT, {**standard, "serviceendpointid": endpoint, "name": f"Webhook {checked['url']}"[:256],
        "url": checked["url"], "contract": WEBHOOK, "authtype": AUTH_TYPES[checked["authType"]],
        "isauthvalueset": 1})  # fmt: skip
    keep_secret(writer.connection, endpoint, _auth_value(checked))
    writer.insert(STEP, {**standard, "sdkmessageprocessingstepid": step, "mode": ASYNCHRONOUS,
        "name": f"{message} of {entity}", "stage": POST_OPERATION, "rank": 1, "supporteddeployment": 0,
        "filteringattributes": ",".join(checked["filteringAttributes"]) or None,
        "asyncautodelete": int(bool(body.get("asyncAutoDelete", False))), "sdkmessageid": message_id,
        "sdkmessagefilterid": filter_id, "eventhandler": endpoint})  # fmt: skip
    if checked["postImage"]:
        alias = str(body.get("imageAlias", "PostImage"))
        writer.insert(IMAGE, {**standard, "sdkmessageprocessingstepimageid": new_id(), "name": alias,
            "entityalias": alias, "imagetype": POST_IMAGE, "messagepropertyname": "Target",
            "attributes": ",".join(checked["postImage"]), "sdkmessageprocessingstepid": step})  # fmt: skip
    return step


def _checked(schema: Schema, body: dict[str, Any]) -> dict[str, Any]:
    standard = {"authType": "WebhookKey", "entity": "invoice", "message": "Update", "url": None}
    filled = {**standard, "filteringAttributes": (), "postImage": (), **body}
    if not isinstance(filled["url"], str) or not filled["url"].startswith(("http://", "https://")):
        raise RegistrationRefused("'url' must be an http address")
    if filled["authType"] not in AUTH_TYPES:
        raise RegistrationRefused(f"'authType' must be one of {', '.join(AUTH_TYPES)}")
    if filled["entity"] not in schema.tables or filled["message"] not in MESSAGES:
        raise RegistrationRefused(f"no step can be registered for {filled['message']} of {filled['entity']}")
    for name in (*filled["filteringAttributes"], *filled["postImage"]):
        if name not in schema.tables[filled["entity"]].columns:
            raise RegistrationRefused(f"'{filled['entity']}' has no column '{name}'")
    return filled


def _auth_value(checked: dict[str, Any]) -> str:
    if checked["authType"] == "WebhookKey":
        return str(checked.get("value", ""))
    values = checked.get("headers" if checked["authType"] == "HttpHeader" else "value", {})
    return write_settings({str(name): str(text) for name, text in values.items()} if isinstance(values, dict) else {})


def unregister(writer: Writer, step_id: str) -> None:
    """Remove a step with its images; its endpoint stays, as it does in the service."""
    remove_images(writer, step_id)
    writer.connection.execute("DELETE FROM sdkmessageprocessingstep WHERE sdkmessageprocessingstepid = ?", (step_id,))


def remove_images(writer: Writer, step_id: str) -> None:
    """Remove the images of a step."""
    writer.connection.execute(
        "DELETE FROM sdkmessageprocessingstepimage WHERE sdkmessageprocessingstepid = ?", (step_id,)
    )
