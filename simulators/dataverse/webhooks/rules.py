"""What the service checks when endpoints, steps and images are written through the Web API, and who may write them."""

import sqlite3
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from simulators.dataverse.errors import ServiceError, bad_payload, not_permitted
from simulators.dataverse.events import SqlValue
from simulators.dataverse.organization import user_id
from simulators.dataverse.schema import Table
from simulators.dataverse.store import Writer
from simulators.dataverse.webhooks.registration import (
    ASYNCHRONOUS,
    ENDPOINT,
    KEY,
    POST_OPERATION,
    STEP,
    TABLES,
    WEBHOOK,
    RegistrationRefused,
    keep_secret,
    read_settings,
    remove_images,
)

SECRET = "authvalue"
LONGEST_SECRET = 2048
PORTS = {None, 80, 443}
INVALID, IN_USE, NO_NAME = "0x80040203", "0x80040227", "0x80044331"
# The property of a message that an image is taken of.
_IMAGED = {"Create": "Id"}

type Values = dict[str, SqlValue]


@dataclass(frozen=True)
class RegistrationRules:
    """Every method raises ServiceError for what the service refuses. `administrators` are the users with the
    privileges to register."""

    administrators: frozenset[str]

    def permit(self, verb: str, table: Table, user: str) -> None:
        """Only administrators and customizers have the privileges."""
        if table.logical_name in TABLES and user not in self.administrators:
            raise not_permitted(f"prv{verb}{table.privilege}", table.logical_name, user_id(user))

    def take_secret(self, table: Table, body: dict[str, Any]) -> tuple[dict[str, Any], str | None]:
        """Take the authentication value out of a body: it is written and never read."""
        if table.logical_name != ENDPOINT or SECRET not in body:
            return body, None
        value = body[SECRET]
        if not isinstance(value, str):
            raise bad_payload(
                table.set_name, f"Cannot convert the literal '{value}' to the expected type 'Edm.String'."
            )
        if len(value) > LONGEST_SECRET:
            raise _invalid(f"The length of the '{SECRET}' attribute exceeded the maximum of '{LONGEST_SECRET}'.")
        return {name: each for name, each in body.items() if name not in {SECRET, "isauthvalueset"}}, value

    def check_create(self, connection: sqlite3.Connection, table: Table, row: Values) -> Values:
        """Return what is written of a new row. A state that it asks for is not: rows are created enabled."""
        if table.logical_name not in TABLES:
            return row
        self.check(connection, table, row)
        return {**row, "statecode": 0, "statuscode": 1}

    def check(self, connection: sqlite3.Connection, table: Table, row: Values) -> None:
        """Check a whole row, as it will be."""
        match table.logical_name:
            case "serviceendpoint":
                _check_endpoint(table, row)
            case "sdkmessageprocessingstep":
                _check_step(connection, row)
            case "sdkmessageprocessingstepimage":
                _check_image(connection, row)

    def complete(self, table: Table, values: Values) -> Values:
        """Return the changes of a row; a state without a status gets the state's own."""
        if table.logical_name != STEP or "statecode" not in values or "statuscode" in values:
            return values
        return {**values, "statuscode": 2 if values["statecode"] else 1}

    def keep(self, writer: Writer, key: str, value: str | None) -> None:
        """Keep the authentication value of an endpoint that was written."""
        if value is not None:
            keep_secret(writer.connection, key, value)
            writer.update(ENDPOINT, key, {"isauthvalueset": int(bool(value))})

    def before_delete(self, writer: Writer, table: Table, key: str) -> None:
        """A step takes its images with it. An endpoint stays as long as a step points to it."""
        if table.logical_name == STEP:
            remove_images(writer, key)
        if table.logical_name == ENDPOINT:
            used = "SELECT 1 FROM sdkmessageprocessingstep WHERE eventhandler = ?"
            if writer.connection.execute(used, (key,)).fetchone():
                raise ServiceError(
                    400,
                    IN_USE,
                    "The object you tried to delete is associated with another object and cannot be deleted.",
                )
            writer.connection.execute("DELETE FROM sim_authvalue WHERE endpoint_id = ?", (key,))


def check_secret(auth_type: SqlValue, value: str | None) -> None:
    """Check the form of an authentication value: a bare key, or settings."""
    if value and auth_type != KEY:
        try:
            read_settings(value)
        except RegistrationRefused as refused:
            raise _invalid(str(refused)) from refused


def _check_endpoint(table: Table, row: Values) -> None:
    for name in ("name", "contract", "authtype"):
        if row.get(name) is None:
            raise ServiceError(400, NO_NAME, f"Required field '{name}' of '{table.logical_name}' is missing.")
    if row["contract"] != WEBHOOK:
        return
    parts = urlsplit(str(row.get("url") or ""))
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise _invalid("The webhook's url must be an absolute http or https address.")
    # Simulators have ports of their own.
    if parts.hostname not in {"127.0.0.1", "localhost"} and parts.port not in PORTS:
        raise _invalid("Only ports 80 and 443 can be used by a webhook.")


def _check_step(connection: sqlite3.Connection, row: Values) -> None:
    if row.get("sdkmessageid") is None or row.get("eventhandler") is None:
        raise _invalid("A step needs a message and an event handler.")
    if row.get("mode") == ASYNCHRONOUS and row.get("stage") != POST_OPERATION:
        raise _invalid("Only steps of stage 40 (PostOperation) can run asynchronously.")
    found = connection.execute(
        "SELECT sdkmessageid FROM sdkmessagefilter WHERE sdkmessagefilterid = ?", (row.get("sdkmessagefilterid"),)
    ).fetchone()
    if found and found[0] != row["sdkmessageid"]:
        raise _invalid("The message filter belongs to another message.")


def _check_image(connection: sqlite3.Connection, row: Values) -> None:
    message = connection.execute(
        "SELECT m.name FROM sdkmessage m JOIN sdkmessageprocessingstep s ON s.sdkmessageid = m.sdkmessageid "
        "WHERE s.sdkmessageprocessingstepid = ?",
        (row.get("sdkmessageprocessingstepid"),),
    ).fetchone()
    if message is None or not row.get("entityalias") or row.get("imagetype") is None:
        raise _invalid("An image needs a step, an alias and a type.")
    expected = _IMAGED.get(message[0], "Target")
    if row.get("messagepropertyname") != expected:
        raise _invalid(
            f"Message property name '{row.get('messagepropertyname')}' is not valid on message {message[0]}."
        )


def _invalid(reason: str) -> ServiceError:
    return ServiceError(400, INVALID, reason)
