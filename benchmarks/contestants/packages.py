"""Imports by the package API, written without the app: a raw client that polls as fast as it is answered."""

import asyncio
import io
import json
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import uuid4

import aiohttp

from shared.engine.targets.data_package import file_name, manifest, package_header
from shared.maps.table_map import TableMap
from shared.storage.landing import encode

_ACTIONS = "/data/DataManagementDefinitionGroups/Microsoft.Dynamics.DataEntities."
_BOM = b"\xff\xfe"
_FINAL = {"Succeeded", "PartiallySucceeded", "Failed", "Canceled"}


class ImportWentWrong(Exception):
    """An import that did not succeed."""


def package(table_map: TableMap, project: str, rows: Sequence[list[str]]) -> bytes:
    """A whole package in memory."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.writestr("Manifest.xml", _BOM + manifest(table_map, project, table_map.columns).encode("utf-16-le"))
        archive.writestr("PackageHeader.xml", _BOM + package_header(project).encode("utf-16-le"))
        archive.writestr(file_name(table_map), _BOM + encode([list(table_map.columns), *rows]))
    return content.getvalue()


@dataclass(frozen=True)
class Client:
    """Finance over one HTTP session; `between_polls` seconds between two looks at an import."""

    session: aiohttp.ClientSession
    origin: str
    token: str
    between_polls: float

    async def import_package(self, project: str, company: str, content: bytes) -> None:
        """Upload and import one package, and wait for its end. Raises ImportWentWrong."""
        execution = f"bench-{uuid4()}"
        written = json.loads(str(await self._act("GetAzureWriteUrl", {"uniqueFileName": f"{execution}.zip"})))
        async with self.session.put(written["BlobUrl"], data=content, headers={"x-ms-blob-type": "BlockBlob"}) as put:
            put.raise_for_status()
        body = {
            "packageUrl": written["BlobUrl"],
            "definitionGroupId": project,
            "executionId": execution,
            "execute": True,
            "overwrite": True,
            "legalEntityId": company,
            "failOnError": False,
            "runAsyncWithoutBatch": True,
            "thresholdToRunInBatch": 0,
        }
        await self._act("ImportFromPackageAsync", body)
        status = None
        while status not in _FINAL:
            await asyncio.sleep(self.between_polls)
            status = await self._act("GetExecutionSummaryStatus", {"executionId": execution})
        if status != "Succeeded":
            raise ImportWentWrong(f"{project}: {status}")

    async def _act(self, action: str, body: dict[str, object]) -> object:
        headers = {"Authorization": f"Bearer {self.token}"}
        async with self.session.post(f"{self.origin}{_ACTIONS}{action}", json=body, headers=headers) as answer:
            content = await answer.read()
            if answer.status == 400 and b"were not found for execution id" in content:
                return None
            if answer.status >= 400:
                raise ImportWentWrong(f"{action}: HTTP {answer.status} {content[:300]!r}")
            return json.loads(content).get("value") if content else None
