"""Checks whether the days of an invoice's rows are plausible, before the first row is sent.

A single day that is not a midnight in the app's zone was chosen by a user elsewhere. Its day can be determined, and the
row is counted. If most rows are like that, the zone in the settings is probably wrong, and so may be all days: then the
run needs attention.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from shared.configuration.time_zones import ZONES_SETTING, Zones
from shared.engine.ports import Ports
from shared.errors import NeedsAttention
from shared.project_operations.billed_sales import billed_filter
from shared.project_operations.codes import ACTUALS

# Enough for a majority, and one small page.
_SAMPLE = 200


@dataclass
class DayTally:
    """The number of rows, of doubtful rows among them, and an example."""

    rows: int = 0
    doubtful: int = 0
    example: str = ""

    def add(self, days_in_doubt: Sequence[str]) -> None:
        """Count one row."""
        self.rows += 1
        if days_in_doubt:
            self.doubtful += 1
            self.example = self.example or days_in_doubt[0]

    def check(self, zones: Zones) -> None:
        """Raise NeedsAttention if most rows contradict the zones of the settings."""
        # A minority are users in other zones; a majority means a wrong setting.
        if 2 * self.doubtful > self.rows:
            raise NeedsAttention(
                f"{self.doubtful} of {self.rows} rows have a day that is not a midnight in {zones}, e.g. "
                f"{self.example}. DATAVERSE_TIME_ZONE is probably not the zone of the app's user. None of these rows "
                f"was sent. Set it, or name the zones of the people who chose these days in {ZONES_SETTING}, then "
                "replay the run"
            )


async def check_days_of_actuals(ports: Ports, invoice_id: UUID) -> None:
    """Check a sample of an invoice's billed sales before its header is sent. Raises what `DayTally.check` raises."""
    table_map, tally = ports.maps[ACTUALS], DayTally()
    options = {**table_map.query, "$filter": billed_filter(table_map, invoice_id)}
    for row in await ports.dataverse.first(table_map.source.set, options, _SAMPLE):
        tally.add(table_map.days_in_doubt(row, ports.settings.zone))
    tally.check(ports.settings.zone)
