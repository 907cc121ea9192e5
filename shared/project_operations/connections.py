"""Maps transaction connections for Finance, read with their actuals or alone when they are sent again."""

from collections.abc import Iterable

from shared.engine.loading import Batch, Reading
from shared.engine.ports import Ports
from shared.ledger.rejected_rows import RejectedRow
from shared.maps.transforms import Row, RowRefused
from shared.project_operations.codes import CONNECTIONS


def write_connections(ports: Ports, company: str, links: Iterable[Row]) -> Reading:
    """Map connections. One that cannot be mapped is rejected under its id in Dataverse."""
    table_map = ports.maps[CONNECTIONS]
    written: list[list[str]] = []
    refused: list[RejectedRow] = []
    for link in links:
        try:
            written.append(table_map.write(link, ports.settings.zone))
        except RowRefused as refusal:
            key = link[table_map.source.key]
            refused.append(RejectedRow(CONNECTIONS, key, "contract", str(refusal), source_id=key))
    return Reading([Batch(CONNECTIONS, company, written)], refused)
