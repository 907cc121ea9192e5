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
from shared.clock import parse_stamp, stamp
from shared.errors import NewerVersion
from shared.maps.table_map import FORMAT, MapRefused, TableMap, read_map

_FOLDER = "files"
_DIGEST = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True)
class MapRecord:
    """A map in storage: who stored it, when, and the digest of the map that the app was shipped with then."""

    table_map: TableMap
    by: str
    at: datetime
    base: str


class MapFiles:
    """The map files in the container of maps."""

    def __init__(self, container: ContainerClient) -> None:
        self._container = container

    async def put(self, stage: str, table_map: TableMap, *, by: str, at: datetime, base: str = "") -> str:
        """Store a map. Returns its digest. Storing it again changes nothing but who stored it, when, and the `base`."""
        content = {"format": FORMAT, "by": by, "at": stamp(at), "base": base, "map": table_map.document}
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
        return (await self.record(stage, digest)).table_map

    async def record(self, stage: str, digest: str) -> MapRecord:
        """What is stored under a digest. Raises like `get`."""
        content = await self._content(stage, digest)
        if content["format"] > FORMAT:
            raise NewerVersion(f"map {stage} {digest[:12]}", await self._writer(stage, digest))
        table_map = read_map(stage, json.dumps(content["map"]))
        if table_map.file_digest != digest:
            raise MapRefused(f"{stage}.json refused: its content was changed in storage")
        at = parse_stamp(content["at"])
        return MapRecord(table_map, str(content.get("by", "")), at, str(content.get("base", "")))

    async def base_of(self, stage: str, digest: str) -> str:
        """The digest of the map that the app was shipped with when a file was stored, "" if it is not known."""
        try:
            return (await self.record(stage, digest)).base
        except (MapRefused, NewerVersion):
            return ""

    async def find(self, stage: str, beginning: str) -> list[str]:
        """The digests that begin with these characters."""
        return [digest async for digest in self.digests(stage) if digest.startswith(beginning.lower())]

    async def digests(self, stage: str) -> AsyncIterator[str]:
        """The digests of the files of one map."""
        async for blob in self._container.list_blobs(name_starts_with=f"{_FOLDER}/{stage}/"):
            digest = str(blob.name).rpartition("/")[2].removesuffix(".json")
            if _DIGEST.fullmatch(digest):
                yield digest

    async def _content(self, stage: str, digest: str) -> Any:
        try:
            written = await (await self._container.download_blob(_path(stage, digest))).readall()
        except ResourceNotFoundError:
            raise MapRefused(f"{stage}.json refused: {digest[:12]} is not in storage") from None
        try:
            content = json.loads(written)
            known = isinstance(content["format"], int) and isinstance(content["map"], dict)
            if known and content["format"] <= FORMAT:
                # A later form may have no time.
                parse_stamp(content["at"])
        except (ValueError, KeyError, TypeError, RecursionError):
            known = False
        if not known:
            raise MapRefused(f"{stage}.json refused: {digest[:12]} is not a map file as this app stores it")
        return content

    async def _writer(self, stage: str, digest: str) -> str:
        found = await self._container.get_blob_client(_path(stage, digest)).get_blob_properties()
        return str((found.metadata or {}).get("writtenBy", ""))


def _path(stage: str, digest: str) -> str:
    return f"{_FOLDER}/{stage}/{digest}.json"
