"""What Dataverse's webhook says, as far as it can be told without asking back.

The body is a RemoteExecutionContext. It is a hint: the invoice is read back before anything is written. Above 256 KB
Dataverse removes ParentContext, InputParameters and the images, so what is absent, null or empty tells nothing.
"""

import json
from dataclasses import dataclass
from typing import Any
from uuid import UUID

PROJECT_INVOICE = 192350001
CONFIRMED = 192350002
PAID = 192350003
_STATUS = "msdyn_projectinvoicestatus"
_ORDER_TYPE = "msdyn_ordertype"
_NO_ID = UUID(int=0)


class BadConfirmation(Exception):
    """A request that is no confirmation of ours: the HTTP status to answer with, a word for it, and what is wrong."""

    def __init__(self, status: int, code: str, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.code = code
        self.text = text


@dataclass(frozen=True)
class Confirmation:
    """Dataverse says that this invoice may have been confirmed."""

    invoice_id: UUID


@dataclass(frozen=True)
class Ignored:
    """A proper event that is no confirmation of a project invoice."""

    reason: str


def read_event(body: bytes, organization_id: UUID) -> Confirmation | Ignored:
    """Read a webhook's body. Raises BadConfirmation: 400 for what is no event, 403 for another organization's."""
    context = _object(body)
    sender = _guid(context, "OrganizationId")
    if sender != organization_id:
        raise BadConfirmation(403, "otherOrganization", f"OrganizationId {sender} is not the one this app serves")
    entity = context.get("PrimaryEntityName")
    if entity != "invoice":
        return Ignored(f"PrimaryEntityName is {entity!r}, not 'invoice'")
    message = context.get("MessageName")
    if message != "Update":
        return Ignored(f"MessageName is {message!r}, not 'Update'")
    invoice_id = _guid(context, "PrimaryEntityId")
    if invoice_id == _NO_ID:
        raise BadConfirmation(400, "noInvoiceId", "PrimaryEntityId is empty")
    reason = _no_confirmation(context)
    return Ignored(reason) if reason else Confirmation(invoice_id)


def _object(body: bytes) -> dict[str, Any]:
    try:
        context = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise BadConfirmation(400, "notJson", f"The body is not JSON: {error}") from error
    if not isinstance(context, dict):
        raise BadConfirmation(400, "notAnObject", "The body is not a JSON object (a RemoteExecutionContext)")
    return context


def _guid(context: dict[str, Any], member: str) -> UUID:
    value = context.get(member)
    if not isinstance(value, str):
        raise BadConfirmation(400, f"no{member}", f"{member} is missing or no text")
    try:
        return UUID(value)
    except ValueError as error:
        raise BadConfirmation(400, f"bad{member}", f"{member} is no GUID") from error


def _no_confirmation(context: dict[str, Any]) -> str:
    """Why this update is no confirmation, or nothing where it is one or where that cannot be told."""
    sent = _columns(_named(context.get("InputParameters"), "Target"))
    image: dict[str, Any] = {}
    for pair in _pairs(context.get("PostEntityImages")):
        image |= _columns(pair[1])
    known = {**image, **sent}
    if sent and _STATUS not in known:
        return f"{_STATUS} is not among the changed columns"
    if _STATUS in known and known[_STATUS] != CONFIRMED:
        return f"{_STATUS} is {known[_STATUS]!r}, not {CONFIRMED} (Confirmed)"
    if _ORDER_TYPE in known and known[_ORDER_TYPE] != PROJECT_INVOICE:
        return f"{_ORDER_TYPE} is {known[_ORDER_TYPE]!r}, not {PROJECT_INVOICE} (a project invoice)"
    return ""


def _pairs(collection: Any) -> list[tuple[Any, Any]]:
    """Dataverse's collections are lists of {"key", "value"}."""
    entries = collection if isinstance(collection, list) else []
    return [(entry.get("key"), entry.get("value")) for entry in entries if isinstance(entry, dict)]


def _named(collection: Any, name: str) -> Any:
    return next((value for key, value in _pairs(collection) if key == name), None)


def _columns(entity: Any) -> dict[str, Any]:
    attributes = entity.get("Attributes") if isinstance(entity, dict) else None
    return {str(key): _plain(value) for key, value in _pairs(attributes)}


def _plain(value: Any) -> Any:
    """An OptionSetValue's number; everything else as it is."""
    return value.get("Value") if isinstance(value, dict) and "Value" in value else value
