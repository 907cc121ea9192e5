"""The actions of `DataManagementDefinitionGroups`: the package API as clients call it."""

import asyncio
import csv
import io
from collections.abc import Awaitable, Callable
from typing import Any

import orjson
from aiohttp import web

from simulators.finance.answers import ServiceRefused, action_failed, json_answer
from simulators.finance.blobs import Blobs
from simulators.finance.entities import DEFAULT_COMPANY, Entity
from simulators.finance.executions import Executions, ImportRequest
from simulators.finance.fields import new_guid
from simulators.finance.imports import Imports
from simulators.finance.package import PackageRefused, find_entity
from simulators.finance.store import FIRST_RECORD_ID, Store
from simulators.finance.switches import Switches
from simulators.language import speak

PREFIX = "Microsoft.Dynamics.DataEntities."
MUTE_PARAMETERS = ("failOnError", "runAsyncWithoutBatch", "thresholdToRunInBatch")

type Body = dict[str, Any]


class Actions:
    """One method an action; each takes the JSON body and returns the `value` of the answer."""

    def __init__(
        self,
        *,
        origin: str,
        store: Store,
        blobs: Blobs,
        switches: Switches,
        executions: Executions,
        imports: Imports,
    ) -> None:
        self._origin = origin
        self._store = store
        self._blobs = blobs
        self._switches = switches
        self._executions = executions
        self._imports = imports
        self._actions: dict[str, Callable[[Body], Awaitable[object]]] = {
            "GetAzureWriteUrl": self._write_url,
            "ImportFromPackage": self._import,
            "ImportFromPackageAsync": self._import_async,
            "GetExecutionSummaryStatus": self._status,
            "GetEntityExecutionSummaryStatusList": self._entity_statuses,
            "GetExecutionErrors": self._errors,
            "GetExecutionSummaryPageUrl": self._page_url,
            "GenerateImportTargetErrorKeysFile": self._generate_keys_file,
            "GetImportTargetErrorKeysFileUrl": self._keys_file_url,
            "GetImportStagingErrorFileUrl": self._staging_file_url,
            "InitializeDataManagement": self._initialize,
        }

    async def answer(self, request: web.Request) -> web.Response:
        """Run the action that the path names."""
        name = request.match_info["action"].removeprefix(PREFIX)
        action = self._actions.get(name)
        if action is None:
            raise ServiceRefused(404, f"No action '{name}' was found on 'DataManagementDefinitionGroups'.")
        value = await action(_parse(await request.read(), name))
        if name == "InitializeDataManagement":
            return web.Response(status=204)
        kind = "Edm.Boolean" if isinstance(value, bool) else "Edm.String"
        kind = f"Collection({kind})" if isinstance(value, list) else kind
        return json_answer({"@odata.context": f"{self._origin}/data/$metadata#{kind}", "value": value})

    async def _write_url(self, body: Body) -> str:
        name = _text(body, "uniqueFileName", "GetAzureWriteUrl")
        if not name:
            raise action_failed("GetAzureWriteUrl", "The unique file name must be specified.")
        url = self._blobs.url(name, self._switches.sas_seconds, write=True)
        return orjson.dumps({"BlobId": f"{{{new_guid().upper()}}}", "BlobUrl": url}).decode()

    async def _import(self, body: Body) -> str:
        return await self._imports.start(_import_request(body, "ImportFromPackage"), answer_at_once=False)

    async def _import_async(self, body: Body) -> str:
        for name in MUTE_PARAMETERS:
            if name not in body:
                raise action_failed("ImportFromPackageAsync", f"Parameter '{name}' is missing.")
        return await self._imports.start(_import_request(body, "ImportFromPackageAsync"), answer_at_once=True)

    async def _status(self, body: Body) -> str:
        action = "GetExecutionSummaryStatus"
        return await asyncio.to_thread(self._executions.status, action, _text(body, "executionId", action))

    async def _entity_statuses(self, body: Body) -> list[str]:
        action = "GetEntityExecutionSummaryStatusList"
        execution_id = _text(body, "executionId", action)
        self._executions.company_of(action, execution_id)
        sql = "SELECT entityname, targetstatus FROM jobs WHERE jobid = ? ORDER BY recid"
        return [
            orjson.dumps({"EntityName": row["entityname"], "EntityStatus": row["targetstatus"]}).decode()
            for row in self._store.rows(sql, (execution_id,))
        ]

    async def _errors(self, body: Body) -> str:
        action = "GetExecutionErrors"
        execution_id = _text(body, "executionId", action)
        company = self._executions.company_of(action, execution_id)
        return await asyncio.to_thread(self._error_list, execution_id, company)

    def _error_list(self, execution_id: str, company: str) -> str:
        """Return the errors as Finance writes them: text pasted between quotes, so it is often invalid JSON."""
        found = [
            {
                "RecordId": self._record_id(row, company, number),
                "Field": row["field"],
                "ErrorMessage": speak(row["message"], self._switches.language),
            }
            for number, row in enumerate(self._executions.errors(execution_id))
        ]
        if self._switches.errors_well_formed:
            return orjson.dumps(found).decode()
        pasted = (",".join(f'"{name}":"{text}"' for name, text in one.items()) for one in found)
        return _misshape("[" + ",".join(f"{{{members}}}" for members in pasted) + "]", self._switches.errors_form)

    def _record_id(self, row: Any, company: str, number: int) -> str:
        if row["row"] == 0:
            return ""
        if self._switches.record_id_form == "row":
            return str(row["row"])
        if self._switches.record_id_form == "recid":
            return str(FIRST_RECORD_ID + 7 * number)
        return _full_key(row, company)

    async def _page_url(self, body: Body) -> str:
        action = "GetExecutionSummaryPageUrl"
        execution_id = _text(body, "executionId", action)
        company = self._executions.company_of(action, execution_id)
        return f"{self._origin}/?cmp={company}&mi=DMFExecutionSummary&executionId={execution_id}"

    async def _generate_keys_file(self, body: Body) -> bool:
        """Start writing the file with the keys of failed target rows. False when there are none."""
        action = "GenerateImportTargetErrorKeysFile"
        execution_id, entity = _execution_and_entity(body, action)
        company = self._executions.company_of(action, execution_id)
        rows = [row for row in self._executions.errors(execution_id, entity.label, "target") if row["row"]]
        if not rows or self._switches.staging_cleaned:
            return False
        header = [column.upper() for column in entity.key_columns]
        keys = dict.fromkeys(_full_key(row, company) for row in rows)
        data = _csv([header, *(key.split(",", len(header) - 1) for key in keys)])
        url = await asyncio.to_thread(self._offer, f"{new_guid()}_errorkeys.csv", data)
        sql = "INSERT OR REPLACE INTO key_files VALUES (?, ?, ?, 0)"
        await asyncio.to_thread(self._store.change, sql, (execution_id, entity.label, url))
        return True

    async def _keys_file_url(self, body: Body) -> str:
        """Return "" until the file exists, which takes a poll or two, and always "" when it was never requested."""
        execution_id, entity = _execution_and_entity(body, "GetImportTargetErrorKeysFileUrl")
        where = "WHERE executionid = ? AND entity = ?"
        rows = self._store.rows(f"SELECT url, polls FROM key_files {where}", (execution_id, entity.label))  # noqa: S608
        if not rows:
            return ""
        sql = f"UPDATE key_files SET polls = polls + 1 {where}"  # noqa: S608 - nothing here comes from outside
        await asyncio.to_thread(self._store.change, sql, (execution_id, entity.label))
        return "" if rows[0]["polls"] < self._switches.error_keys_polls else str(rows[0]["url"])

    async def _staging_file_url(self, body: Body) -> str:
        """Return the URL of a file of the rows that did not reach staging, "" when there are none."""
        execution_id, entity = _execution_and_entity(body, "GetImportStagingErrorFileUrl")
        errors = self._executions.errors(execution_id, entity.label, "staging")
        rows = {row["row"]: orjson.loads(row["raw"]) for row in errors if row["raw"]}
        if not rows or self._switches.staging_cleaned:
            return ""
        return await asyncio.to_thread(self._offer, f"{new_guid()}_staging.csv", _csv(list(rows.values())))

    async def _initialize(self, _body: Body) -> None:
        """Refresh the list of entities."""
        self._switches.entity_list_refreshed = True

    def _offer(self, name: str, data: bytes) -> str:
        return self._blobs.offer(name, data, self._switches.sas_seconds)


def _misshape(text: str, form: str) -> str:
    """A malformed error list: broken into lines, cut off, missing, or of another shape."""
    return {
        "wrapped": text.replace("},{", "},\r\n{").replace('","', '",\r\n "'),
        "cut": text[: len(text) // 2],
        "nothing": "",
        "prose": "The import was completed with errors. Open the execution log for details.",
        "page": "<html><body>Request timed out.</body></html>",
    }.get(form, text)


def _import_request(body: Body, action: str) -> ImportRequest:
    project = _text(body, "definitionGroupId", action)
    if not project:
        raise action_failed(action, "The definition group must be specified.")
    return ImportRequest(
        action=action,
        package_url=_text(body, "packageUrl", action),
        project=project,
        execution_id=_text(body, "executionId", action) or f"{project}-{new_guid()}",
        execute=_flag(body, "execute", action),
        overwrite=_flag(body, "overwrite", action),
        company=_text(body, "legalEntityId", action).lower() or DEFAULT_COMPANY,
    )


def _parse(data: bytes, action: str) -> Body:
    try:
        body = orjson.loads(data or b"{}")
    except orjson.JSONDecodeError as error:
        raise action_failed(action, f"The request body is not valid JSON: {error}") from error
    if not isinstance(body, dict):
        raise action_failed(action, "The request body is not a JSON object.")
    return body


def _text(body: Body, name: str, action: str) -> str:
    value = body.get(name)
    if not isinstance(value, str):
        raise action_failed(action, f"Parameter '{name}' is missing or not a string.")
    return value


def _flag(body: Body, name: str, action: str) -> bool:
    value = body.get(name)
    if not isinstance(value, bool):
        raise action_failed(action, f"Parameter '{name}' is missing or not a Boolean.")
    return value


def _execution_and_entity(body: Body, action: str) -> tuple[str, Entity]:
    try:
        return _text(body, "executionId", action), find_entity(_text(body, "entityName", action))
    except PackageRefused as error:
        raise action_failed(action, str(error)) from error


def _full_key(row: Any, company: str) -> str:
    """Return the key with its company. A row refused by staging has its key without company."""
    key = str(row["key"])
    if row["step"] == "target":
        return key
    return find_entity(row["entity"]).key_text(company, key)


def _csv(rows: list[list[str]]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\r\n").writerows(rows)
    return text.getvalue().encode("utf-16")
