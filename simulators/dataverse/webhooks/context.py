"""The RemoteExecutionContext that a webhook receives, as the platform's serializer writes it."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

import orjson

from simulators.dataverse.events import Event, SqlValue
from simulators.dataverse.organization import business_unit, user_id
from simulators.dataverse.schema import Column, Schema, Table
from simulators.dataverse.values import TIME_ZONE, parse_instant
from simulators.dataverse.webhooks.registration import BULK, Step

CONTRACTS = "http://schemas.microsoft.com/xrm/2011/Contracts"
LARGEST_BODY = 256 * 1024
STRIPPED = ("ParentContext", "InputParameters", "PreEntityImages", "PostEntityImages")
NO_USER = "00000000-0000-0000-0000-000000000000"
_HIDDEN = {"versionnumber", "modifiedon", "createdon"}

type Json = dict[str, object]


@dataclass(frozen=True)
class Job:
    """One delivery: an event for a step, with the id of its system job. A step on a bulk message receives all
    `events` of a write in one delivery, other steps one event per delivery."""

    events: tuple[Event, ...]
    step: Step
    job_id: str
    correlation_id: str
    created: datetime

    @property
    def event(self) -> Event:
        """The first event."""
        return self.events[0]

    @property
    def is_bulk(self) -> bool:
        """Whether the step receives many rows in one delivery."""
        return self.step.message in BULK


@dataclass(frozen=True)
class ContextWriter:
    schema: Schema
    organization_id: str

    def context(self, job: Job, *, offset_dates: bool) -> Json:
        """Return the body of one delivery."""
        table = self.schema.tables[job.event.table]
        context = self._core(job, offset_dates=offset_dates)
        parent = context | {
            "InputParameters": [*self._inputs(table, job.event), {"key": "SuppressDuplicateDetection", "value": False}],
            "ParentContext": None,
            "Stage": 30,
            "SharedVariables": [
                {"key": "IsAutoTransact", "value": True},
                {
                    "key": "ChangedEntityTypes",
                    "value": [
                        {
                            "__type": "KeyValuePairOfstringstring:#System.Collections.Generic",
                            "key": table.logical_name,
                            "value": job.event.message,
                        }
                    ],
                },
            ],
        }
        if job.is_bulk:
            return context | {"InputParameters": self._all_inputs(table, job), "ParentContext": parent}
        created = [{"key": "id", "value": job.event.key}] if job.event.message == "Create" else []
        return context | {
            "InputParameters": self._inputs(table, job.event),
            "OutputParameters": created,
            "ParentContext": parent,
            "PostEntityImages": self._images(table, job),
        }

    def _core(self, job: Job, *, offset_dates: bool) -> Json:
        step: Json = {
            "Id": job.step.step_id,
            "KeyAttributes": [],
            "LogicalName": "sdkmessageprocessingstep",
            "Name": None,
        }
        user = user_id(job.event.user)
        return {
            "BusinessUnitId": business_unit(self.organization_id),
            "CorrelationId": job.correlation_id,
            "Depth": 1,
            "InitiatingUserAgent": "",
            "InitiatingUserAzureActiveDirectoryObjectId": NO_USER,
            "InitiatingUserId": user,
            "InputParameters": [],
            "IsExecutingOffline": False,
            "IsInTransaction": False,
            "IsOfflinePlayback": False,
            "IsolationMode": 1,
            "MessageName": job.step.message,
            "Mode": 1,
            "OperationCreatedOn": _operation_date(job.created, suffixed=offset_dates),
            "OperationId": job.job_id,
            "OrganizationId": self.organization_id,
            "OrganizationName": f"unq{self.organization_id.replace('-', '')[:29]}",
            "OutputParameters": [],
            "OwningExtension": step | {"RowVersion": None},
            "ParentContext": None,
            "PostEntityImages": [],
            "PreEntityImages": [],
            "PrimaryEntityId": NO_USER if job.is_bulk else job.event.key,
            "PrimaryEntityName": job.event.table,
            "RequestId": None,
            "SecondaryEntityName": "none",
            "SharedVariables": [],
            "Stage": 40,
            "UserAzureActiveDirectoryObjectId": NO_USER,
            "UserId": user,
        }

    def _inputs(self, table: Table, event: Event) -> list[Json]:
        if event.message == "Delete":
            return [{"key": "Target", "value": _reference(table.logical_name, event.key)}]
        columns = [name for name in event.changes if name not in _HIDDEN and name != table.key]
        attributes = self._attributes(table, columns, event.row)
        attributes.append({"key": table.key, "value": event.key})
        attributes.append({"key": "modifiedon", "value": _date(event.row["modifiedon"])})
        attributes.append({"key": "modifiedby", "value": _reference("systemuser", user_id(event.user))})
        attributes.append({"key": "modifiedonbehalfby", "value": None})
        entity = self._entity(table, event, attributes, columns)
        return [{"key": "Target", "value": {"__type": f"Entity:{CONTRACTS}", **entity}}]

    def _all_inputs(self, table: Table, job: Job) -> list[Json]:
        entities: list[object] = []
        for event in job.events:
            [target] = [entry["value"] for entry in self._inputs(table, event) if entry["key"] == "Target"]
            # Members of a typed collection do not name their type.
            entities.append({name: value for name, value in target.items() if name != "__type"})  # type: ignore[attr-defined]
        collection = {
            "__type": f"EntityCollection:{CONTRACTS}",
            "Entities": entities,
            "EntityName": table.logical_name,
            "MinActiveRowVersion": None,
            "MoreRecords": False,
            "PagingCookie": None,
            "TotalRecordCount": -1,
            "TotalRecordCountLimitExceeded": False,
        }
        return [{"key": "Targets", "value": collection}]

    def _images(self, table: Table, job: Job) -> list[Json]:
        if job.event.message == "Delete":
            return []
        images: list[tuple[str, tuple[str, ...]]] = [("AsynchronousStepPrimaryName", (table.primary_name,))]
        images += job.step.images
        found: list[Json] = []
        for name, columns in images:
            attributes = self._attributes(table, columns, job.event.row)
            attributes.append({"key": table.key, "value": job.event.key})
            found.append({"key": name, "value": self._entity(table, job.event, attributes, columns)})
        return found

    def _entity(self, table: Table, event: Event, attributes: list[Json], columns: Iterable[str]) -> Json:
        return {
            "Attributes": attributes,
            "EntityState": None,
            "FormattedValues": self._formatted(table, columns, event.row),
            "Id": event.key,
            "KeyAttributes": [],
            "LogicalName": table.logical_name,
            "RelatedEntities": [],
            "RowVersion": None,
        }

    def _attributes(self, table: Table, columns: Iterable[str], row: Mapping[str, SqlValue]) -> list[Json]:
        found: list[Json] = []
        for name in columns:
            column, value = table.columns[name], row[name]
            found.append({"key": name, "value": _attribute(column, value)})
            if column.type == "money":
                found.append({"key": f"{name}_base", "value": _attribute(column, value)})
        return found

    def _formatted(self, table: Table, columns: Iterable[str], row: Mapping[str, SqlValue]) -> list[Json]:
        found: list[Json] = []
        for name in columns:
            choice, value = table.columns[name].choice, row[name]
            if choice and value is not None:
                found.append({"key": name, "value": self.schema.choices[choice].get(int(value), str(value))})
        return found


def serialize(context: Json) -> bytes:
    """Return the text with every slash escaped, as the platform's serializer does."""
    return orjson.dumps(context).replace(b"/", b"\\/")


def stripped(context: Json, form: str) -> Json:
    """Return the rest of a body over the size limit. `form` says how the missing members are written."""
    rest = {name: value for name, value in context.items() if name not in STRIPPED}
    if form == "absent":
        return rest
    return rest | dict.fromkeys(STRIPPED, None if form == "null" else [])


def _attribute(column: Column, value: SqlValue) -> object:
    if value is None:
        return None
    if column.lookup:
        return _reference(column.lookup.target, str(value))
    if column.type not in _WRITTEN:
        return value
    return _WRITTEN[column.type](column, value)


def _number(column: Column, value: SqlValue) -> orjson.Fragment:
    text = format(Decimal(int(value or 0)).scaleb(-column.scale).normalize(), "f")
    return orjson.Fragment(text)


def _reference(table: str, key: str) -> Json:
    return {
        "__type": f"EntityReference:{CONTRACTS}",
        "Id": key,
        "KeyAttributes": [],
        "LogicalName": table,
        "Name": None,
        "RowVersion": None,
    }


def _date(instant: SqlValue) -> str | None:
    return f"/Date({_milliseconds(parse_instant(str(instant)))})/" if instant else None


def _operation_date(moment: datetime, *, suffixed: bool) -> str:
    """Return the date of the job. In the suffixed form the true instant is the number plus the offset."""
    if not suffixed:
        return f"/Date({_milliseconds(moment)})/"
    local = moment.astimezone(TIME_ZONE)
    offset = local.utcoffset()
    shifted = moment - offset if offset else moment
    return f"/Date({_milliseconds(shifted)}{local.strftime('%z')})/"


def _milliseconds(moment: datetime) -> int:
    return int(moment.astimezone(UTC).timestamp() * 1000)


_WRITTEN: dict[str, Callable[[Column, SqlValue], object]] = {
    "choice": lambda _, value: {"__type": f"OptionSetValue:{CONTRACTS}", "Value": value},
    "money": lambda column, value: {"__type": f"Money:{CONTRACTS}", "Value": _number(column, value)},
    "decimal": _number,
    "bool": lambda _, value: bool(value),
    "instant": lambda _, value: _date(value),
    "day": lambda _, value: _date(f"{value}T00:00:00Z"),
}
