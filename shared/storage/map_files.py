"""The maps of a tenant: whole map files in the container of maps, each under the digest of its content.

A file is never changed. Which file is in use is said by its activation (`shared/storage/activations.py`).
"""

import json
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from azure.core.exceptions import ResourceNotFoundError
from azure.storage.blob.aio import ContainerClient

from relay_contract.version import VERSION
from shared.clock import stamp
from shared.errors import NewerVersion
from shared.maps.table_map import FORMAT, MapRefused, TableMap, read_map

_FOLDER = "files"
_DIGEST = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True)
class StoredFile:
    """A map file in storage, by its digest."""

    stage: str
    digest: str
    stored_at: datetime


class MapFiles:
    """The map files in the container of maps."""

    def __init__(self, container: ContainerClient) -> None:
        self._container = container

    async def put(self, stage: str, table_map: TableMap, *, by: str, at: datetime) -> str:
        """Store a map. Returns its digest. Storing it again changes nothing but the name and the time."""
        content = {"format": FORMAT, "by": by, "at": stamp(at), "map": table_map.document}
        await self._container.upload_blob(
            _path(stage, table_map.file_digest),
            json.dumps(content).encode(),
            # Otherwise a file that was damaged in storage could not be repaired.
            overwrite=True,
            metadata={"format": str(FORMAT), "writtenBy": VERSION},
        )
        return table_map.file_digest

    async def get(self, stage: str, digest: str) -> TableMap:
        """The map of a digest. Raises MapRefused with the reason, also when it is missing or was changed in storage,
        and NewerVersion for the form of a later version."""
        content = await self._content(stage, digest)
        if content["format"] > FORMAT:
            raise NewerVersion(f"map {stage} {digest[:12]}", await self._writer(stage, digest))
        table_map = read_map(stage, json.dumps(content["map"]))
        if table_map.file_digest != digest:
            raise MapRefused(f"{stage}.json refused: its content was changed in storage")
        return table_map

    async def find(self, stage: str, beginning: str) -> list[str]:
        """The digests that begin with these characters."""
        return [file.digest async for file in self.stored(stage) if file.digest.startswith(beginning.lower())]

    async def stored(self, stage: str) -> AsyncIterator[StoredFile]:
        """The files of one map."""
        async for blob in self._container.list_blobs(name_starts_with=f"{_FOLDER}/{stage}/"):
            digest = str(blob.name).rpartition("/")[2].removesuffix(".json")
            if _DIGEST.fullmatch(digest):
                yield StoredFile(stage, digest, blob.creation_time or blob.last_modified)

    async def _content(self, stage: str, digest: str) -> Any:
        try:
            written = await (await self._container.download_blob(_path(stage, digest))).readall()
        except ResourceNotFoundError:
            raise MapRefused(f"{stage}.json refused: {digest[:12]} is not in storage") from None
        try:
            content = json.loads(written)
            known = isinstance(content["format"], int) and isinstance(content["map"], dict)
        except (ValueError, KeyError, TypeError):
            known = False
        if not known:
            raise MapRefused(f"{stage}.json refused: {digest[:12]} is not a map file as this app stores it")
        return content

    async def _writer(self, stage: str, digest: str) -> str:
        found = await self._container.get_blob_client(_path(stage, digest)).get_blob_properties()
        return str((found.metadata or {}).get("writtenBy", ""))


def _path(stage: str, digest: str) -> str:
    return f"{_FOLDER}/{stage}/{digest}.json"
