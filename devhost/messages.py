"""Queue messages on the way to a function: the decoded body and the metadata that the host adds."""

import base64
import binascii
import json
from datetime import datetime
from typing import Any

from azure.storage.queue import QueueMessage

from devhost.worker import Datum, make_datum


class Undecodable(Exception):
    """The message text is not base64, although host.json says that messages are."""


def decode(text: str, *, base64_encoded: bool) -> bytes:
    """Return the body of a message. Raises Undecodable when it is not encoded as host.json says."""
    if not base64_encoded:
        return text.encode()
    try:
        # .NET's decoder skips white space and nothing else.
        return base64.b64decode("".join(text.split()), validate=True)
    except binascii.Error as error:
        raise Undecodable from error


def encode(body: bytes, *, base64_encoded: bool) -> str:
    """Return the text of a message with that body."""
    return base64.b64encode(body).decode() if base64_encoded else body.decode(errors="replace")


def describe_message(message: QueueMessage, body: bytes) -> dict[str, Datum]:
    """Return the trigger metadata of a message.

    Top-level properties of a JSON body become binding data and replace metadata of the same name, in any case: a
    message {"id": 1} makes `msg.id` "1".
    """
    return hide_by_body(
        {
            "Id": make_datum(message.id, "string"),
            "DequeueCount": make_datum(json.dumps(message.dequeue_count), "json"),
            "PopReceipt": make_datum(message.pop_receipt, "string"),
            "InsertionTime": _time(message.inserted_on),
            "ExpirationTime": _time(message.expires_on),
            "NextVisibleTime": _time(message.next_visible_on),
        },
        body,
    )


def hide_by_body(metadata: dict[str, Datum], body: bytes) -> dict[str, Datum]:
    """Add the body and its top-level properties to the metadata. They replace metadata of the same name."""
    text = body.decode(errors="replace")
    metadata = {"queueTrigger": make_datum(text, "string"), **metadata}
    names = {name.lower(): name for name in metadata}
    for name, value in _read_object(text).items():
        if value is not None and not isinstance(value, list):
            metadata[names.setdefault(name.lower(), name)] = _binding_datum(value)
    return metadata


def _read_object(text: str) -> dict[str, Any]:
    if not text.lstrip().startswith("{"):
        return {}
    try:
        content = json.loads(text)
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}


def _binding_datum(value: Any) -> Datum:
    if isinstance(value, dict):
        return make_datum(json.dumps(value), "json")
    return make_datum(value if isinstance(value, str) else str(value), "string")


def _time(moment: datetime | None) -> Datum:
    return make_datum(json.dumps(moment.isoformat() if moment else None), "json")
