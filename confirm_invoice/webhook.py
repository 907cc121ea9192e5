"""Interprets the body of Dataverse's webhook, without any request to Dataverse.

The body is a RemoteExecutionContext. It is only a hint: the invoice is read back before anything is written. Above 256
KB Dataverse removes ParentContext, InputParameters and the images, so a member that is absent, null or empty proves
nothing.

    the status is Confirmed                              the run is opened at once
    one invoice was updated, and no column is in it      the same: the step is registered for the status alone
    a later status, or an unknown one                    the invoice is looked up
    it is unknown which invoices changed                 recently changed invoices are looked up
    Draft, In Review, no project invoice, another table  ignored, with the reason

A step on Update gets one event for each row of a bulk write. A step on UpdateMultiple gets all rows in one event, in
InputParameters.Targets, with PrimaryEntityId all zeros.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from relay_contract.problems import Code
from shared.project_operations.codes import CONFIRMED, DRAFT, IN_REVIEW, PROJECT_INVOICE

_STATUS = "msdyn_projectinvoicestatus"
_ORDER_TYPE = "msdyn_ordertype"
_PROBE = "RelayProbe"
_PROBE_TEXT = re.compile(r"[A-Za-z0-9-]{1,100}")
_NO_ID = UUID(int=0)
_CODES: dict[str, tuple[Code, Code]] = {
    "OrganizationId": ("noOrganizationId", "badOrganizationId"),
    "PrimaryEntityId": ("noPrimaryEntityId", "badPrimaryEntityId"),
}
_BULK = {"CreateMultiple", "UpdateMultiple", "UpsertMultiple"}
_SINGLE = {"Create", "Upsert", "SetState", "SetStateDynamicEntity"}
_NAMING = ("Target", "EntityMoniker", "id")


class BadConfirmation(Exception):
    """A request that is not a confirmation for this app: the HTTP status of the answer, an error code, and the
    reason."""

    def __init__(self, status: int, code: Code, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.code: Code = code
        self.text = text


@dataclass(frozen=True)
class Confirmation:
    """According to Dataverse, this invoice may have been confirmed."""

    invoice_id: UUID


@dataclass(frozen=True)
class Ignored:
    """A valid event, or one row of it, that is not the confirmation of a project invoice."""

    reason: str
    invoice_id: UUID | None = None


@dataclass(frozen=True)
class Doubtful:
    """The event does not tell whether this invoice was confirmed, so it must be looked up."""

    invoice_id: UUID


@dataclass(frozen=True)
class Probe:
    """`relay webhook` asks whether its key opens this function. `text` is sent back."""

    text: str


type Judgement = Confirmation | Doubtful | Ignored


@dataclass(frozen=True)
class Several:
    """The rows of an event. `unnamed` is the reason why rows may be missing, or ""."""

    rows: tuple[Judgement, ...] = ()
    unnamed: str = ""


type Notice = Judgement | Several | Probe


def read_event(body: bytes, organization_id: UUID) -> Notice:
    """Interpret a webhook's body. Raises BadConfirmation: 400 for an invalid event, 403 for another organization's."""
    context = _object(body)
    sender = _guid(context, "OrganizationId")
    if sender != organization_id:
        raise BadConfirmation(403, "otherOrganization", f"OrganizationId {sender} is not the one this app serves")
    if _PROBE in context:
        return _read_probe(context[_PROBE])
    entity = context.get("PrimaryEntityName")
    if entity != "invoice":
        return Ignored(f"PrimaryEntityName is {entity!r}, not 'invoice'")
    message = str(context.get("MessageName"))
    if message == "Update":
        return _read_update(context)
    if message in _BULK:
        return _read_bulk(context)
    # Actions of Project Operations and of extensions have a publisher prefix. For example, msdyn_PostInvoice confirms.
    if message in _SINGLE or "_" in message:
        return _read_other(context, message)
    return Ignored(f"MessageName is {message!r}, which confirms nothing")


def _read_probe(text: Any) -> Probe:
    if not isinstance(text, str) or not _PROBE_TEXT.fullmatch(text):
        raise BadConfirmation(400, "badProbe", f"{_PROBE} must be up to 100 letters, digits, and hyphens")
    return Probe(text)


def _read_update(context: dict[str, Any]) -> Judgement:
    invoice_id = _guid(context, "PrimaryEntityId")
    if invoice_id == _NO_ID:
        raise BadConfirmation(400, "noInvoiceId", "PrimaryEntityId is empty")
    sent, image = _columns(_named(context.get("InputParameters"), "Target")), _image(context)
    judged = _judge(invoice_id, sent, image)
    # The body was cut, or the step has no image. The step's filtering attribute implies that the status has changed.
    tells_nothing = not sent and _STATUS not in image
    return Confirmation(invoice_id) if tells_nothing and isinstance(judged, Doubtful) else judged


def _read_other(context: dict[str, Any], message: str) -> Judgement | Several:
    inputs, outputs = context.get("InputParameters"), context.get("OutputParameters")
    named = [context.get("PrimaryEntityId"), *(_named(some, name) for some in (inputs, outputs) for name in _NAMING)]
    invoice_id = next(filter(None, map(_id_of, named)), None)
    if invoice_id is None:
        return Several(unnamed=f"{message} names no invoice")
    return _judge(invoice_id, _columns(_named(inputs, "Target")), _image(context))


def _read_bulk(context: dict[str, Any]) -> Several:
    targets = _targets(_named(context.get("InputParameters"), "Targets"))
    if targets is None:
        return Several(unnamed="the targets are not in the body: Dataverse leaves them out above 256 KB")
    images, judged, nameless = _images(context), dict[UUID, Judgement](), 0
    for target in targets:
        sent = _columns(target)
        invoice_id = _id_of(target) or _id_of(sent.get("invoiceid"))
        if invoice_id is None:
            nameless += 1
        elif not isinstance(judged.get(invoice_id), Confirmation):
            judged[invoice_id] = _judge(invoice_id, sent, images.get(invoice_id, {}))
    unnamed = f"targets without a usable id: {nameless} of {len(targets)}" if nameless else ""
    return Several(tuple(judged.values()), unnamed)


def _judge(invoice_id: UUID, sent: dict[str, Any], image: dict[str, Any]) -> Judgement:
    """Judge one invoice by the columns that were sent and by the image. Two cases are Doubtful: a status that is only
    in the image may have been there before, and a status later than Confirmed does not tell when the invoice was
    confirmed."""
    known = {**image, **sent}
    if known.get(_ORDER_TYPE, PROJECT_INVOICE) != PROJECT_INVOICE:
        return Ignored(
            f"{_ORDER_TYPE} is {known[_ORDER_TYPE]!r}, not {PROJECT_INVOICE} (a project invoice)", invoice_id
        )
    if sent and _STATUS not in known:
        return Ignored(f"{_STATUS} is not among the changed columns", invoice_id)
    if _STATUS in known and known[_STATUS] in (DRAFT, IN_REVIEW, None):
        return Ignored(f"{_STATUS} is {known[_STATUS]!r}, not {CONFIRMED} (Confirmed) or one after it", invoice_id)
    is_now = known.get(_STATUS) == CONFIRMED and (_STATUS in sent or not sent)
    return Confirmation(invoice_id) if is_now else Doubtful(invoice_id)


def _object(body: bytes) -> dict[str, Any]:
    try:
        context = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise BadConfirmation(400, "notJson", f"The body is not JSON: {error}") from error
    if not isinstance(context, dict):
        raise BadConfirmation(400, "notAnObject", "The body is not a JSON object (a RemoteExecutionContext)")
    return context


def _guid(context: dict[str, Any], member: str) -> UUID:
    value, (missing, bad) = context.get(member), _CODES[member]
    if not isinstance(value, str):
        raise BadConfirmation(400, missing, f"{member} is missing or no text")
    try:
        return UUID(value)
    except ValueError as error:
        raise BadConfirmation(400, bad, f"{member} is no GUID") from error


def _id_of(value: Any) -> UUID | None:
    """The id of an Entity, an EntityReference or a plain GUID. None if it is missing or all zeros."""
    text = value.get("Id") if isinstance(value, dict) else value
    try:
        found = UUID(text) if isinstance(text, str) else _NO_ID
    except ValueError:
        return None
    return None if found == _NO_ID else found


def _targets(collection: Any) -> list[Any] | None:
    """The rows of an EntityCollection, which may also come as a plain array. None if there are none."""
    rows = collection.get("Entities") if isinstance(collection, dict) else collection
    return rows if isinstance(rows, list) else None


def _image(context: dict[str, Any]) -> dict[str, Any]:
    """The columns of all post-images of a single row."""
    image: dict[str, Any] = {}
    for _, entity in _pairs(context.get("PostEntityImages")):
        image |= _columns(entity)
    return image


def _images(context: dict[str, Any]) -> dict[UUID, dict[str, Any]]:
    """The columns of the post-images of a bulk message, by row."""
    images: dict[UUID, dict[str, Any]] = {}
    for entity in _imaged(context):
        if invoice_id := _id_of(entity):
            images.setdefault(invoice_id, {}).update(_columns(entity))
    return images


def _imaged(context: dict[str, Any]) -> Iterator[Any]:
    collections = context.get("PostEntityImagesCollection")
    for collection in [context.get("PostEntityImages"), *(collections if isinstance(collections, list) else [])]:
        for _, value in _pairs(collection):
            yield from _targets(value) or [value]


def _pairs(collection: Any) -> list[tuple[Any, Any]]:
    """The entries of a Dataverse collection, a list of {"key", "value"}."""
    entries = collection if isinstance(collection, list) else []
    return [(entry.get("key"), entry.get("value")) for entry in entries if isinstance(entry, dict)]


def _named(collection: Any, name: str) -> Any:
    return next((value for key, value in _pairs(collection) if key == name), None)


def _columns(entity: Any) -> dict[str, Any]:
    attributes = entity.get("Attributes") if isinstance(entity, dict) else None
    return {str(key): _plain(value) for key, value in _pairs(attributes)}


def _plain(value: Any) -> Any:
    """The number of an OptionSetValue; any other value is returned unchanged."""
    return value.get("Value") if isinstance(value, dict) and "Value" in value else value
