"""Finance's Data Management package API and its OData reads.

The actions are bound to DataManagementDefinitionGroups and return their result in `value`. Their answers were measured
on live systems: JSON inside a string, error lists that are not valid JSON, and "Execution details were not found" for
an import that has just been started.
"""

import json
import re
from collections.abc import AsyncIterator, Mapping
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

NAME = "Finance"
_ACTIONS = "/data/DataManagementDefinitionGroups/Microsoft.Dynamics.DataEntities."
# How Finance answers for an import that it does not know, or not yet. The message is in the user's language.
_NOT_FOUND = {400, 404, 500}
FORMS = FINANCE
# Seconds, not the SDK's minute: longer waits happen in the queue, because the lease of the shipment is running.
_RETRIES = LinearRetry(backoff=1, retry_total=2, random_jitter_range=1)
# Statuses below 500 that are transient; every other 4xx is a refusal of this URL.
_PASSING_UPLOADS = {408, 429}
_HOST = re.compile(r"[a-z0-9.:-]+")
_ERROR_ENTRY = re.compile(
    r'"RecordId"\s*:\s*"?(?P<record>.*?)"?\s*,\s*"Field"\s*:\s*"(?P<field>.*?)"\s*,\s*"ErrorMessage"\s*:\s*"(?P<text>.*)"\s*',
    re.DOTALL,
)


# Rows. Source: Microsoft's documentation of Finance's OData endpoint.
_MOST_IN_A_PAGE = 10_000


def _next_query(options: Mapping[str, str], received: int) -> str:
    skip = int(options.get("$skip", 0)) + received
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
        """Whether this state is the last one."""
        return self not in {ImportStatus.UNKNOWN, ImportStatus.NOT_RUN, ImportStatus.EXECUTING}


@dataclass(frozen=True)
class Upload:
    """The signed URL that a package may be uploaded to, and when it expires."""

    url: str
    expires: datetime


@dataclass(frozen=True)
class Counts:
    """How many rows an import created and updated in the target, summed over the entities of its package."""

    created: int
    updated: int

    @property
    def taken(self) -> int:
        """The rows that are in the target now."""
        return self.created + self.updated


@dataclass(frozen=True)
class RowError:
    """One entry of Finance's error list. The form of `record` is undocumented: a key, a row number or a record id."""

    record: str
    field: str
    text: str


class Finance:
    """One Finance environment. Every method raises the errors of `Service.get` and `Service.post`."""

    def __init__(self, service: Service, upload_hosts: str) -> None:
        self._service = service
        self._upload_hosts = [host.strip().lower() for host in upload_hosts.split(",")]

    async def write_url(self, file_name: str) -> Upload:
        """Ask for a URL to upload a package to. It is valid for about half an hour."""
        value = await self._action("GetAzureWriteUrl", {"uniqueFileName": file_name})
        try:
            url = str(json.loads(str(value))["BlobUrl"] or "")
            self._check_upload_host(url)
            # `se` is the expiry of the shared access signature.
            expires = datetime.fromisoformat(parse_qs(urlsplit(url).query)["se"][0])
        except (ValueError, KeyError, TypeError) as error:
            raise Unavailable(NAME, "Finance answered GetAzureWriteUrl with no signed URL") from error
        return Upload(url, expires if expires.tzinfo else expires.replace(tzinfo=UTC))

    async def upload(self, upload: Upload, package: IO[bytes]) -> None:
        """Upload a package. Large packages are sent in blocks, so that memory use does not grow with them."""
        # A redirect would send customers' figures to a host that was not checked.
        async with BlobClient.from_blob_url(
            upload.url, retry_policy=_RETRIES, permit_redirects=False, read_timeout=self._service.patience
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
        """Start an import. After Unavailable it may have been started nevertheless."""
        body = {
            "packageUrl": package_url,
            "definitionGroupId": project,
            "executionId": execution_id,
            "execute": True,
            # The data project is created from the manifest; with false, an existing project is an error.
            "overwrite": True,
            "legalEntityId": company,
            "failOnError": False,
            "runAsyncWithoutBatch": True,
            "thresholdToRunInBatch": 0,
        }
        await self._action("ImportFromPackageAsync", body)

    async def status(self, execution_id: str) -> ImportStatus | None:
        """The state of an import. None if Finance does not find it: it has not been registered yet, or it never
        arrived."""
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
        """How many rows an import created and updated. None if Finance has no record of it."""
        options = {"$filter": f"JobId eq {quote_text(execution_id)}", "cross-company": "true"}
        # One row per entity of the package.
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
        """The address of an import in Finance's user interface, None for an import that Finance does not find.
        Raises ContractBroken for an address of another host, because operators click it."""
        try:
            value = await self._action("GetExecutionSummaryPageUrl", {"executionId": execution_id})
        except Refused as refusal:
            if refusal.status in _NOT_FOUND and await self.counts(execution_id) is None:
                return None
            raise
        return str(self._service.own_url(str(value), path="/"))

    async def count(self, entity_set: str, condition: str) -> int:
        """How many rows of an entity set match a filter, across companies. The answer starts with a byte order mark."""
        options = {"$filter": condition, "cross-company": "true"}
        url = self._service.url(f"/data/{entity_set}/$count?{query(options)}")
        return (await self._service.get(url, expected=Expected.NUMBER)).number()

    async def pages(self, entity_set: str, options: Mapping[str, str]) -> AsyncIterator[list[Row]]:
        """All rows of an entity set across companies, page by page. A full page without a next link is the last one
        only if Finance counts no more rows. Otherwise the following rows are requested."""
        url = self._service.url(f"/data/{entity_set}?{query({**options, 'cross-company': 'true'})}")
        seen, received = {str(url)}, 0
        while True:
            rows, link = (await self._service.get(url)).page()
            received += len(rows)
            yield rows
            if link is None:
                if len(rows) < _MOST_IN_A_PAGE or await self._is_all(entity_set, options, received):
                    return
                link = str(self._service.url(f"/data/{entity_set}?{_next_query(options, received)}"))
            if link in seen:
                raise ContractBroken(NAME, f"the next links of {entity_set} go in a circle")
            seen.add(link)
            url = self._service.own_url(link, path=f"/data/{entity_set}")

    async def _is_all(self, entity_set: str, options: Mapping[str, str], received: int) -> bool:
        if received >= int(options.get("$top", received + 1)):
            return True
        left = await self.count(entity_set, options.get("$filter", "")) - int(options.get("$skip", 0)) - received
        return left <= 0

    async def _action(self, name: str, body: Mapping[str, object]) -> object:
        answer = await self._service.post(self._service.url(_ACTIONS + name), body)
        value: object = answer.value()
        return value

    def _check_upload_host(self, url: str) -> None:
        """Raises ContractBroken for a host that is not allowed, ValueError for text that is not an address."""
        parts = urlsplit(url)
        if not parts.scheme and not parts.netloc:
            raise ValueError("no address")
        host = parts.hostname or ""
        safe = parts.scheme == "https" or (parts.scheme == "http" and is_loopback(host))
        # Some HTTP clients end the host name at a backslash or percent sign, and would connect to another host.
        plain = _HOST.fullmatch(host) and "@" not in parts.netloc
        if not safe or not plain or not any(fnmatch(host, pattern) for pattern in self._upload_hosts):
            raise ContractBroken(NAME, f"it wants the package at {parts.scheme}://{host}, not in FINANCE_UPLOAD_HOSTS")


def parse_errors(text: str) -> list[RowError]:
    """Parse the answer of GetExecutionErrors.

    Finance escapes neither quotes nor line breaks in the messages. Text that is not valid JSON is therefore split at
    the start of each entry. Text without entries is one error of the import as a whole.
    """
    try:
        raw = json.loads(text or "[]")
    except (ValueError, RecursionError):
        # A message may contain text that looks like the start of an entry, so the entry before must end with a quote.
        entries = re.split(r'(?:(?<=")\s*\}\s*,|^\s*\[?)\s*\{\s*(?="RecordId"\s*:)', text)
        found = [_ERROR_ENTRY.match(entry.strip().rstrip("],").rstrip().removesuffix("}")) for entry in entries]
        errors = [RowError(match["record"], match["field"], match["text"]) for match in found if match]
        return errors or [RowError("", "", text)]
    return [_row_error(entry) for entry in (raw if isinstance(raw, list) else [raw]) if entry]


def _row_error(entry: object) -> RowError:
    if not isinstance(entry, dict):
        return RowError("", "", str(entry))
    return RowError(str(entry.get("RecordId", "")), str(entry.get("Field", "")), str(entry.get("ErrorMessage", "")))
