"""Reading single connections again, when some are to be sent once more."""

from shared.loading import Announce, Batch, Reading
from shared.ports import Ports
from shared.rejected import RejectedRow
from shared.repair import repaired_ids
from shared.run import Page, Run
from shared.stages import Stage
from shared.tablemap import RowRefused


async def read_connections(ports: Ports, run: Run, page: Page, announce: Announce) -> Reading:
    """Read the connections that a repair page names."""
    await announce(None)
    table_map = ports.maps[Stage.CONNECTIONS]
    source = table_map.source
    written: list[list[str]] = []
    refused: list[RejectedRow] = []
    async for rows in ports.dataverse.rows_in(
        source.set, (source.key,), repaired_ids(page), table_map.query, where=source.filter
    ):
        for row in rows:
            try:
                written.append(table_map.write(row, ports.settings.zone))
            except RowRefused as refusal:
                key = row[source.key]
                refused.append(RejectedRow(Stage.CONNECTIONS, key, "contract", str(refusal), source_id=key))
    return Reading([Batch(Stage.CONNECTIONS, run.company, written)], refused)
