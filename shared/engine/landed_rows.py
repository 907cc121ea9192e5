"""Reads landed parts back, with the map that wrote them. The content is checked against what was written."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

from shared.engine.ports import Ports
from shared.ledger.run import Part
from shared.ledger.shipments import Cargo
from shared.maps.table_map import TableMap
from shared.storage.landing import BlobChanged, LandedName


@dataclass(frozen=True)
class LandedRows:
    """Rows of a part. Their columns are those of `table_map`."""

    table_map: TableMap
    rows: list[list[str]]


async def landed_rows(ports: Ports, part: Part | Cargo, *, cell: str = "") -> LandedRows:
    """The rows of a part, filtered by `cell`. Raises PartLost if they are not what was written or their map is lost,
    and NewerVersion if only a later version of the app can read them."""
    table_map = await ports.known_maps.of(part.stage, part.blob)
    rows = await ports.landing.rows(part.blob, cell=cell)
    # A blob of the first release has no digest, so a wrong shape is the only sign of a change.
    if any(len(row) != len(table_map.columns) for row in rows) or (not cell and len(rows) != part.rows):
        raise BlobChanged(part.blob)
    return LandedRows(table_map, rows)


async def landed_bytes(ports: Ports, part: Part | Cargo) -> AsyncIterator[bytes]:
    """The bytes of a part, for a package. Raises PartLost, at the latest after the last chunk."""
    if not LandedName.parse(part.blob).content:
        # The first release stored no digest. The number of rows and columns is checked instead.
        await landed_rows(ports, part)
    async for chunk in ports.landing.chunks(part.blob):
        yield chunk
