"""Every map that the app has worked with, kept in storage under its digest.

Parts are read by one deployment and shipped by a later one, whose map may be another. A part's name says which map
wrote it; this is where that map is found. A map is kept before the first part names it, and nothing deletes it.
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
from shared.stages import Stage
from shared.storage.landing import FIRST_RELEASE, LandedName, PartLost

RELEASED = MAPS / "released"
"""The maps of released versions that did not keep theirs in storage, by version and stage."""


class MapLost(PartLost):
    """The map that wrote a landed part is nowhere to be found: what its columns mean cannot be told."""

    def __init__(self, name: str) -> None:
        super().__init__(name, "was written by a map that is not in storage any more")


class MapReplaced(PartLost):
    """Finance takes nothing of what a landed part holds, and the map that wrote it is not in use any more: it may have
    been replaced for that reason."""

    def __init__(self, name: str) -> None:
        super().__init__(name, "was written by a map that has been replaced, and Finance refuses it")


class KnownMaps:
    """The maps of parts, whichever deployment wrote them."""

    def __init__(self, container: ContainerClient, present: Mapping[Stage, TableMap]) -> None:
        self._container = container
        self._present = present
        self._found = {(stage, table_map.digest): table_map for stage, table_map in present.items()}

    async def keep(self) -> None:
        """Keep the present maps, those that are kept already included if their content was changed."""
        for stage, table_map in self._present.items():
            if await self._read(stage, table_map.digest) is None:
                await self._container.upload_blob(
                    _path(stage, table_map.digest),
                    table_map.written,
                    overwrite=True,
                    metadata={"format": str(FORMAT), "writtenBy": VERSION},
                )

    async def of(self, stage: Stage, blob: str) -> TableMap:
        """The map that wrote the landed part `blob` of this stage. Its columns, key and entity are those of the part;
        what Finance is asked for, and which rows Dataverse is asked for, are those of the present. Raises MapLost, and
        NewerVersion for a map that only a later version of the app can read."""
        digest = LandedName.parse(blob).map
        known = self._found.get((stage, digest))
        if known is None:
            known = await self._find(stage, digest, blob)
            self._found[stage, digest] = known
        return known

    async def _find(self, stage: Stage, digest: str, blob: str) -> TableMap:
        written = _released(stage, digest) or await self._read(stage, digest)
        if written is None:
            raise MapLost(blob)
        content = json.loads(written)
        if content["format"] > FORMAT:
            raise NewerVersion(f"the map of {blob}", await self._writer(stage, digest))
        try:
            return read_written(content, self._present[stage])
        except ValidationError as error:
            # Its bytes are those that were kept: it may have a transform of a later version.
            raise NewerVersion(f"the map of {blob}", await self._writer(stage, digest)) from error

    async def _read(self, stage: Stage, digest: str) -> bytes | None:
        """What is kept under a digest; None where there is nothing, or something else."""
        try:
            written = await (await self._container.download_blob(_path(stage, digest))).readall()
        except ResourceNotFoundError:
            return None
        if digest_of(written) == digest:
            return written
        event("map changed in storage", severity=logging.ERROR, stage=stage)
        return None

    async def _writer(self, stage: Stage, digest: str) -> str:
        found = await self._container.get_blob_client(_path(stage, digest)).get_blob_properties()
        return str((found.metadata or {}).get("writtenBy", ""))


def _path(stage: Stage, digest: str) -> str:
    return f"{stage}/{digest}.json"


def _released(stage: Stage, version: str, folder: Path = RELEASED) -> bytes | None:
    return (folder / version / f"{stage}.json").read_bytes() if version == FIRST_RELEASE else None
