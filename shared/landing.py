"""Landed parts: the rows of one part as CSV text in a private blob, from reading until the invoice is verified.

The blob holds what goes into the package's data file, UTF-16LE and CRLF, without the header, so that shipping copies
bytes. It holds customers' figures: it is deleted when the run is done, and a lifecycle rule removes what is left.
"""

import csv
import io
from collections.abc import AsyncIterator, Iterable, Iterator
from datetime import datetime
from uuid import UUID, uuid4

from azure.core.exceptions import ResourceNotFoundError
from azure.storage.blob.aio import ContainerClient

from shared.stages import Stage

ENCODING = "utf-16-le"


class BlobGone(Exception):
    """A landed part is not there any more."""


def encode(rows: list[list[str]]) -> bytes:
    """Rows as the package's data file wants them."""
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\r\n").writerows(rows)
    return text.getvalue().encode(ENCODING)


def decode(content: bytes, *, cell: str = "") -> Iterator[list[str]]:
    """The rows that encode wrote. With `cell`, a word, those in which it may be the text of some column: of many rows
    only these are taken apart."""
    lines = io.StringIO(content.decode(ENCODING), newline="")
    return csv.reader(_rows_with(cell, lines) if cell else lines)


def _rows_with(cell: str, lines: Iterable[str]) -> Iterator[str]:
    row = ""
    for line in lines:
        row += line
        # Between quotation marks a line break belongs to a value; a mark inside a value is doubled.
        if row.count('"') % 2 == 0:
            if f",{cell}," in f",{row.rstrip('\r\n')},":
                yield row
            row = ""


class Landing:
    """The container of landed parts."""

    def __init__(self, container: ContainerClient) -> None:
        self._container = container

    async def write(self, invoice_id: UUID, stage: Stage, content: bytes) -> str:
        """Write a part under a name of its own and return the name; the ledger decides which name counts."""
        name = f"{invoice_id}/{stage}/{uuid4().hex}"
        await self._container.upload_blob(name, content)
        return name

    async def chunks(self, name: str) -> AsyncIterator[bytes]:
        """The bytes of a part, piece by piece. Raises BlobGone."""
        try:
            stream = await self._container.download_blob(name)
        except ResourceNotFoundError as error:
            raise BlobGone(name) from error
        async for chunk in stream.chunks():
            yield chunk

    async def rows(self, name: str, *, cell: str = "") -> list[list[str]]:
        """The rows of a part, of which `decode` leaves those without `cell` out. Raises BlobGone."""
        return list(decode(b"".join([chunk async for chunk in self.chunks(name)]), cell=cell))

    async def delete(self, name: str) -> None:
        """Delete a part; deleting it twice is the same as once."""
        try:
            await self._container.delete_blob(name)
        except ResourceNotFoundError:
            return

    async def older_than(self, instant: datetime) -> AsyncIterator[str]:
        """The names of all parts written before `instant`, those of an invoice together."""
        async for blob in self._container.list_blobs():
            if blob.last_modified < instant:
                yield blob.name

    async def clear(self, invoice_id: UUID) -> None:
        """Delete all parts of an invoice."""
        async for name in self._container.list_blob_names(name_starts_with=f"{invoice_id}/"):
            await self.delete(name)
