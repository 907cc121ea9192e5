"""Landed parts: the rows of one part as CSV text in a private blob, kept from reading until the run is verified.

The blob has the format of the package's data file (UTF-16LE, CRLF) without the header, so shipping only copies bytes.
It contains customers' figures. It is deleted at the end of the run; a lifecycle rule deletes what is left over. The
blob's name contains the digests of the map and of the content. So a part, its entry on the dock and its blob always
agree about both, whichever version of the app rewrites the rows.
"""

import csv
import hashlib
import io
from collections.abc import AsyncIterator, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Self
from uuid import UUID, uuid4

from azure.core.exceptions import ResourceNotFoundError
from azure.storage.blob.aio import ContainerClient

ENCODING = "utf-16-le"


FIRST_RELEASE = "ef26520"
"""The version whose parts do not name the map that wrote them. It was that version's own map."""
# 128 bits detect any accidental change; this is no protection against an attacker with write access.
_DIGEST_BYTES = 16


class PartLost(Exception):
    """A landed part can no longer be used, so its rows must be read again. `name` is the name of its blob."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"the landed part {name} {reason}")
        self.name = name
        self.reason = reason


class BlobGone(PartLost):
    """The blob of a landed part no longer exists."""

    def __init__(self, name: str) -> None:
        super().__init__(name, "was deleted from storage before its rows were in Finance")


class BlobChanged(PartLost):
    """A landed part does not contain the bytes that were written."""

    def __init__(self, name: str) -> None:
        super().__init__(name, "was changed in storage after it had been written")


@dataclass(frozen=True)
class LandedName:
    """The name of a landed part, `<subject>/<stage>/<map>.<content>.<unique>`.

    `map` is the digest of the map that wrote the rows, `content` the digest of the blob's bytes. Names of the first
    release end in `<unique>` alone: then `map` is FIRST_RELEASE and `content` is empty, which means unknown.
    """

    folder: str
    map: str
    content: str
    unique: str

    @classmethod
    def parse(cls, name: str) -> Self:
        """Parse a name. A name of another form is treated as one of the first release."""
        folder, _, last = name.rpartition("/")
        pieces = last.split(".")
        return cls(folder, *pieces) if len(pieces) == 3 and all(pieces) else cls(folder, FIRST_RELEASE, "", last)

    @classmethod
    def of(cls, folder: str, written_by: str, content: bytes) -> Self:
        """A new name for `content`, written with the map whose digest is `written_by`."""
        return cls(folder, written_by, _digest(content), uuid4().hex)

    def __str__(self) -> str:
        return (
            f"{self.folder}/{self.map}.{self.content}.{self.unique}" if self.content else f"{self.folder}/{self.unique}"
        )


def _digest(content: bytes) -> str:
    return hashlib.blake2b(content, digest_size=_DIGEST_BYTES).hexdigest()


def encode(rows: list[list[str]]) -> bytes:
    """Rows in the format of the package's data file."""
    text = io.StringIO(newline="")
    # Finance requires CRLF in CSV-Unicode files.
    csv.writer(text, lineterminator="\r\n").writerows(rows)
    return text.getvalue().encode(ENCODING)


def decode(content: bytes, *, cell: str = "") -> Iterator[list[str]]:
    """The rows that `encode` wrote. With `cell`, only the rows that may contain this text as a column: the others
    are not parsed, which is faster."""
    lines = io.StringIO(content.decode(ENCODING), newline="")
    return csv.reader(_rows_with(cell, lines) if cell else lines)


def _rows_with(cell: str, lines: Iterable[str]) -> Iterator[str]:
    row = ""
    for line in lines:
        row += line
        # Inside quotation marks a line break belongs to the value. A quotation mark inside a value is doubled, so
        # parity works.
        if row.count('"') % 2 == 0:
            if f",{cell}," in f",{row.rstrip('\r\n')},":
                yield row
            row = ""


class Landing:
    """The blob container of landed parts."""

    def __init__(self, container: ContainerClient) -> None:
        self._container = container

    async def write(self, subject: UUID, stage: str, content: bytes, *, written_by: str) -> str:
        """Write a part under a new name and return the name. The ledger decides which name is valid. `written_by` is
        the digest of the map that wrote the rows."""
        return await self._write(LandedName.of(f"{subject}/{stage}", written_by, content), content)

    async def write_beside(self, name: str, content: bytes) -> str:
        """Write some rows of the part `name` as another part of the same subject, stage and map. Return its name."""
        known = LandedName.parse(name)
        return await self._write(LandedName.of(known.folder, known.map, content), content)

    async def _write(self, name: LandedName, content: bytes) -> str:
        await self._container.upload_blob(str(name), content)
        return str(name)

    async def ask(self) -> None:
        """Request the container's properties, to test whether the app has access. Raises the SDK's errors."""
        await self._container.get_container_properties()

    async def chunks(self, name: str) -> AsyncIterator[bytes]:
        """The bytes of a part in chunks. They are verified only after the last chunk. Raises BlobGone, and
        BlobChanged at the end."""
        written = hashlib.blake2b(digest_size=_DIGEST_BYTES)
        try:
            stream = await self._container.download_blob(name)
        except ResourceNotFoundError as error:
            raise BlobGone(name) from error
        async for chunk in stream.chunks():
            written.update(chunk)
            yield chunk
        if LandedName.parse(name).content not in {"", written.hexdigest()}:
            raise BlobChanged(name)

    async def rows(self, name: str, *, cell: str = "") -> list[list[str]]:
        """The rows of a part, filtered by `cell` as in `decode`. Raises BlobGone and BlobChanged."""
        return list(decode(b"".join([chunk async for chunk in self.chunks(name)]), cell=cell))

    async def delete(self, name: str) -> None:
        """Delete a part. Idempotent."""
        try:
            await self._container.delete_blob(name)
        except ResourceNotFoundError:
            return

    async def older_than(self, instant: datetime) -> AsyncIterator[str]:
        """The names of all parts written before `instant`. Those of one subject follow each other."""
        async for blob in self._container.list_blobs():
            if blob.last_modified < instant:
                yield blob.name

    async def clear(self, subject: UUID, names: Iterable[str] | None = None) -> None:
        """Delete the parts of a subject with these `names`, or all that are found."""
        for name in names or ():
            await self.delete(name)
        if names is not None:
            return
        async for name in self._container.list_blob_names(name_starts_with=f"{subject}/"):
            await self.delete(name)
