"""Finance's Data Management package API and its OData reads.

The actions are bound to DataManagementDefinitionGroups; their answer is in `value`. What they answer was measured by
others on live systems, awkwardness included: JSON inside a string, error lists that are no valid JSON, and
"Execution details were not found" for an import that is only just starting.
"""

import json
import re
from collections.abc import AsyncIterator, Mapping
from copy import copy
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from fnmatch import fnmatch
from typing import IO
from urllib.parse import parse_qs, urlsplit

from azure.core.exceptions import AzureError, HttpResponseError
from azure.storage.blob.aio import BlobClient, LinearRetry

from shared.configuration.addresses import is_loopback
from shared.errors import ContractBroken, Refused, Unavailable, UploadRefused
from shared.maps.transforms import Row
from shared.services.answers import FINANCE, Expected
from shared.services.http import Service
from shared.services.odata import query, quote_text
from shared.services.reader import Reader

NAME = "Finance"
_ACTIONS = "/data/DataManagementDefinitionGroups/Microsoft.Dynamics.DataEntities."
_NOT_FOUND = {400, 404, 500}
"""How Finance refuses to tell of an import that it does not know, or not yet; it says so in the user's language."""
FORMS = FINANCE
_RETRIES = LinearRetry(backoff=1, retry_total=2, random_jitter_range=1)
"""Seconds, not the SDK's minute: the place for longer waits is the queue, and the lease of the shipment runs."""
_PASSING_UPLOADS = {408, 429}
_HOST = re.compile(r"[a-z0-9.:-]+")
_ERROR_ENTRY = re.compile(
    r'"RecordId"\s*:\s*"?(?P<record>.*?)"?\s*,\s*"Field"\s*:\s*"(?P<field>.*?)"\s*,\s*"ErrorMessage"\s*:\s*"(?P<text>.*)"\s*',
    re.DOTALL,
)


_MOST_IN_A_PAGE = 10_000
"""Rows, by Microsoft's documentation of Finance's OData endpoint."""


def _behind(options: Mapping[str, str], come: int) -> str:
    skip = int(options.get("$skip", 0)) + come
    return query({**options, "$skip": str(skip), "cross-company": "true"})


class ImportStatus(StrEnum):
    """DMFExecutionSummaryStatus."""

    UNKNOWN = "Unknown"
    NOT_RUN = "NotRun"
    EXECUTING = "Executing"
    SUCCEEDED = "Succeeded"
    PARTIALLY_SUCCEEDED = "PartiallySucceeded"
    FAILED = "Failed"
    CANCELED = "Canceled"

    @property
    def is_final(self) -> bool:
        """Nothing more will come."""
        return self not in {ImportStatus.UNKNOWN, ImportStatus.NOT_RUN, ImportStatus.EXECUTING}


@dataclass(frozen=True)
class Upload:
    """Where a package may be written to, until when."""

    url: str
    expires: datetime


@dataclass(frozen=True)
class Counts:
    """What an import did to the target, summed over the entities of its package."""

    created: int
    updated: int

    @property
    def taken(self) -> int:
        """The rows that are in the target now."""
        return self.created + self.updated


@dataclass(frozen=True)
class RowError:
    """One line of Finance's error list. What `record` holds is undocumented: a key, a row number or a record id."""

    record: str
    field: str
    text: str


class Finance:
    """One Finance environment. Every method raises what `Service.get` and `Service.post` raise."""

    def __init__(self, service: Service, upload_hosts: str, patience: float = 120.0) -> None:
        """`patience` is how many seconds storage may take to answer to an upload."""
        self._service = service
        self._patience = patience
        self._upload_hosts = [host.strip().lower() for host in upload_hosts.split(",")]

    def patient(self, reader: Reader) -> "Finance":
        """The same for a reader, as `Service.patient`."""
        patient = copy(self)
        patient._service = self._service.patient(reader)  # noqa: SLF001 - a copy of its own
        return patient

    def leave(self, reader: Reader, *, refused: bool) -> None:
        """As `Service.leave`."""
        self._service.leave(reader, refused=refused)

    async def write_url(self, file_name: str) -> Upload:
        """Ask for a place to write a package to; it is good for about half an hour."""
        value = await self._action("GetAzureWriteUrl", {"uniqueFileName": file_name})
        try:
            url = str(json.loads(str(value))["BlobUrl"] or "")
            self._check_upload_host(url)
            expires = datetime.fromisoformat(parse_qs(urlsplit(url).query)["se"][0])
        except (ValueError, KeyError, TypeError) as error:
            raise Unavailable(NAME, "Finance answered GetAzureWriteUrl with no signed URL") from error
        return Upload(url, expires if expires.tzinfo else expires.replace(tzinfo=UTC))

    async def upload(self, upload: Upload, package: IO[bytes]) -> None:
        """Write a package; large ones go in blocks, so memory does not grow with them."""
        # A redirect would carry customers' figures to a host that nobody checked.
        async with BlobClient.from_blob_url(
            upload.url, retry_policy=_RETRIES, permit_redirects=False, read_timeout=self._patience
        ) as blob:
            try:
                await blob.upload_blob(package, overwrite=True)
            except HttpResponseError as error:
                reason = f"upload refused with HTTP {error.status_code} {error.reason}"
                is_no = error.status_code in range(400, 500) and error.status_code not in _PASSING_UPLOADS
                raise (UploadRefused if is_no else Unavailable)(NAME, reason) from error
            except AzureError as error:
                raise Unavailable(NAME, f"upload failed: {type(error).__name__}") from error

    async def start_import(self, *, project: str, execution_id: str, company: str, package_url: str) -> None:
        """Start an import. After Unavailable it may have been started all the same."""
        body = {
            "packageUrl": package_url,
            "definitionGroupId": project,
            "executionId": execution_id,
            "execute": True,
            "overwrite": True,
            "legalEntityId": company,
            "failOnError": False,
            "runAsyncWithoutBatch": True,
            "thresholdToRunInBatch": 0,
        }
        await self._action("ImportFromPackageAsync", body)

    async def status(self, execution_id: str) -> ImportStatus | None:
        """The state of an import; None while Finance does not find it, which is too early or never arrived."""
        try:
            value = await self._action("GetExecutionSummaryStatus", {"executionId": execution_id})
        except Refused as refusal:
            if refusal.status in _NOT_FOUND:
                return None
            raise
        try:
            return ImportStatus(str(value))
        except ValueError as error:
            raise Unavailable(NAME, f"Finance answered with an unknown import status: {str(value)[:40]!r}") from error

    async def counts(self, execution_id: str) -> Counts | None:
        """How many rows an import created and updated; None where Finance has no trace of it."""
        options = {"$filter": f"JobId eq {quote_text(execution_id)}", "cross-company": "true"}
        answer = await self._service.get(self._service.url(f"/data/DataManagementExecutionJobDetails?{query(options)}"))
        rows, _ = answer.page()
        try:
            created = sum(int(row.get("TargetRecordsCreatedCount") or 0) for row in rows)
            updated = sum(int(row.get("TargetRecordsUpdatedCount") or 0) for row in rows)
        except (AttributeError, TypeError, ValueError) as error:
            raise answer.unusable("execution details without counts") from error
        return Counts(created, updated) if rows else None

    async def errors(self, execution_id: str) -> list[RowError]:
        """The error list of an import."""
        value = await self._action("GetExecutionErrors", {"executionId": execution_id})
        return parse_errors(str(value or ""))

    async def summary_page(self, execution_id: str) -> str | None:
        """The address at which Finance's own pages show an import, None for one that it does not find. Raises
        ContractBroken for an address elsewhere: people will follow it."""
        try:
            value = await self._action("GetExecutionSummaryPageUrl", {"executionId": execution_id})
        except Refused as refusal:
            if refusal.status in _NOT_FOUND and await self.counts(execution_id) is None:
                return None
            raise
        return str(self._service.own_url(str(value), path="/"))

    async def count(self, entity_set: str, condition: str) -> int:
        """How many rows of an entity set fulfil a filter, across companies; a byte order mark comes first."""
        options = {"$filter": condition, "cross-company": "true"}
        url = self._service.url(f"/data/{entity_set}/$count?{query(options)}")
        return (await self._service.get(url, expected=Expected.NUMBER)).number()

    async def pages(self, entity_set: str, options: Mapping[str, str]) -> AsyncIterator[list[Row]]:
        """All rows of an entity set across companies, page after page. A full page without a next link is
        the last one only if Finance counts no more rows; else the rows behind those that came are asked for."""
        url = self._service.url(f"/data/{entity_set}?{query({**options, 'cross-company': 'true'})}")
        seen, come = {str(url)}, 0
        while True:
            rows, link = (await self._service.get(url)).page()
            come += len(rows)
            yield rows
            if link is None:
                if len(rows) < _MOST_IN_A_PAGE or await self._is_all(entity_set, options, come):
                    return
                link = str(self._service.url(f"/data/{entity_set}?{_behind(options, come)}"))
            if link in seen:
                raise ContractBroken(NAME, f"the next links of {entity_set} go in a circle")
            seen.add(link)
            url = self._service.own_url(link, path=f"/data/{entity_set}")

    async def _is_all(self, entity_set: str, options: Mapping[str, str], come: int) -> bool:
        if come >= int(options.get("$top", come + 1)):
            return True
        left = await self.count(entity_set, options.get("$filter", "")) - int(options.get("$skip", 0)) - come
        return left <= 0

    async def _action(self, name: str, body: Mapping[str, object]) -> object:
        answer = await self._service.post(self._service.url(_ACTIONS + name), body)
        value: object = answer.value()
        return value

    def _check_upload_host(self, url: str) -> None:
        """Raises ContractBroken for a place outside the allowed hosts, ValueError for what is no address at all."""
        parts = urlsplit(url)
        if not parts.scheme and not parts.netloc:
            raise ValueError("no address")
        host = parts.hostname or ""
        safe = parts.scheme == "https" or (parts.scheme == "http" and is_loopback(host))
        # A backslash or a percent sign in the name may be the end of it for whoever connects.
        plain = _HOST.fullmatch(host) and "@" not in parts.netloc
        if not safe or not plain or not any(fnmatch(host, pattern) for pattern in self._upload_hosts):
            raise ContractBroken(NAME, f"it wants the package at {parts.scheme}://{host}, not in FINANCE_UPLOAD_HOSTS")


def parse_errors(text: str) -> list[RowError]:
    """Read GetExecutionErrors. Finance escapes neither quotes nor line breaks inside the messages, so where the text
    is no JSON it is cut at the start of each entry. What has no entries is one error of the import as a whole."""
    try:
        raw = json.loads(text or "[]")
    except (ValueError, RecursionError):
        # The text of a message may look like the start of an entry: only a quote ends the one before.
        entries = re.split(r'(?:(?<=")\s*\}\s*,|^\s*\[?)\s*\{\s*(?="RecordId"\s*:)', text)
        found = [_ERROR_ENTRY.match(entry.strip().rstrip("],").rstrip().removesuffix("}")) for entry in entries]
        errors = [RowError(match["record"], match["field"], match["text"]) for match in found if match]
        return errors or [RowError("", "", text)]
    return [_row_error(entry) for entry in (raw if isinstance(raw, list) else [raw]) if entry]


def _row_error(entry: object) -> RowError:
    if not isinstance(entry, dict):
        return RowError("", "", str(entry))
    return RowError(str(entry.get("RecordId", "")), str(entry.get("Field", "")), str(entry.get("ErrorMessage", "")))
