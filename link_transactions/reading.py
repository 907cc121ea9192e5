"""Reads single connections again, when some are sent again."""

from shared.engine.loading import Announce, Reading
from shared.engine.ports import Ports
from shared.engine.resend import repaired_ids
from shared.ledger.run import Page, Run
from shared.project_operations.codes import CONNECTIONS
from shared.project_operations.connections import write_connections


async def read_connections(ports: Ports, run: Run, page: Page, announce: Announce) -> Reading:
    """Read the connections that a repair page names."""
    await announce(None)
    table_map = ports.maps[CONNECTIONS]
    source = table_map.source
    portions = ports.dataverse.rows_in(
        source.set, (source.key,), repaired_ids(page), table_map.query, where=source.filter
    )
    links = [row async for rows in portions for row in rows]
    return write_connections(ports, run.company, links)
