"""Every map that the app has used, stored under its digest.

A part may be read by one deployment and shipped by a later one with a changed map. The name of a part contains the
digest of the map that wrote it. A map is stored before the first part refers to it, and is never deleted.
"""

import json
import logging
from collections.abc import Mapping
from pathlib import Path

from azure.core.exceptions import ResourceNotFoundError
from azure.storage.blob.aio import ContainerClient
from pydantic import ValidationError

from relay_contract.version import VERSION
from shared.errors import NewerVersion
from shared.log import event
from shared.maps.table_map import FORMAT, MAPS, TableMap, digest_of, read_written
from shared.storage.landing import FIRST_RELEASE, LandedName, PartLost

RELEASED = MAPS / "released"
"""The maps of released versions that did not store theirs, by version and stage."""


class MapLost(PartLost):
    """The map that wrote a landed part was not found, so the meaning of its columns is unknown."""

    def __init__(self, name: str) -> None:
        super().__init__(name, "was written by a map that is not in storage any more")


class MapReplaced(PartLost):
    """Finance accepts no row of a landed part, and the map that wrote the part has been replaced since, perhaps for
    that reason."""

    def __init__(self, name: str) -> None:
        super().__init__(name, "was written by a map that has been replaced, and Finance refuses it")


class KnownMaps:
    """The maps of parts of all deployments."""

    def __init__(self, container: ContainerClient, present: Mapping[str, TableMap]) -> None:
        self._container = container
        self._present = present
        self._found = {(stage, table_map.digest): table_map for stage, table_map in present.items()}

    def with_present(self, present: Mapping[str, TableMap]) -> "KnownMaps":
        """The same maps, with others in use."""
        return KnownMaps(self._container, present)

    async def keep(self) -> None:
        """Store the maps in use. A stored map whose content was changed is written again."""
        for stage, table_map in self._present.items():
            if await self._read(stage, table_map.digest) is None:
                await self._container.upload_blob(
                    _path(stage, table_map.digest),
                    table_map.written,
                    overwrite=True,
                    metadata={"format": str(FORMAT), "writtenBy": VERSION},
                )

    async def of(self, stage: str, blob: str) -> TableMap:
        """The map that wrote the landed part `blob` of this stage. Columns, key and entity are those of the part;
        the filters for reading Dataverse and Finance are those of the map in use. Raises MapLost, and NewerVersion
        for a map that only a later version of the app can read."""
        digest = LandedName.parse(blob).map
        known = self._found.get((stage, digest))
        if known is None:
            known = await self._find(stage, digest, blob)
            self._found[stage, digest] = known
        return known

    async def _find(self, stage: str, digest: str, blob: str) -> TableMap:
        written = _released(stage, digest) or await self._read(stage, digest)
        if written is None:
            raise MapLost(blob)
        content = json.loads(written)
        if content["format"] > FORMAT:
            raise NewerVersion(f"the map of {blob}", await self._writer(stage, digest))
        try:
            return read_written(content, self._present[stage])
        except ValidationError as error:
            # The digest matches, so the bytes are intact. The map probably contains a transform of a later version.
            raise NewerVersion(f"the map of {blob}", await self._writer(stage, digest)) from error

    async def _read(self, stage: str, digest: str) -> bytes | None:
        """The bytes stored under a digest. None if there are none or their digest differs."""
        try:
            written = await (await self._container.download_blob(_path(stage, digest))).readall()
        except ResourceNotFoundError:
            return None
        # A map with other content would write other columns under the same name.
        if digest_of(written) == digest:
            return written
        event("map changed in storage", severity=logging.ERROR, stage=stage)
        return None

    async def _writer(self, stage: str, digest: str) -> str:
        found = await self._container.get_blob_client(_path(stage, digest)).get_blob_properties()
        return str((found.metadata or {}).get("writtenBy", ""))


def _path(stage: str, digest: str) -> str:
    return f"{stage}/{digest}.json"


def _released(stage: str, version: str, folder: Path = RELEASED) -> bytes | None:
    return (folder / version / f"{stage}.json").read_bytes() if version == FIRST_RELEASE else None
