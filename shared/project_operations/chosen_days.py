"""Whether the days of an invoice's rows can be believed, before the first of them is written into a ledger.

A single day that is no midnight in the app's zone was chosen by a person elsewhere: the day that it means is known, and
it is counted. If most rows of a reading are like that, the zone in the settings is probably not the zone of the tenant,
and what is doubted is not one day but all of them: a person has to say.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from shared.configuration.time_zones import ZONES_SETTING, Zones
from shared.engine.ports import Ports
from shared.errors import NeedsAttention
from shared.project_operations.billed_sales import billed_filter
from shared.stages import Stage

_SAMPLE = 200


@dataclass
class DayTally:
    """`rows` seen, `doubtful` rows among them, and an example of those."""

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
        """Raises NeedsAttention where most rows speak against the zones of the settings."""
        if 2 * self.doubtful > self.rows:
            raise NeedsAttention(
                f"{self.doubtful} of {self.rows} rows have a day that is no midnight in {zones}, e.g. {self.example}. "
                "DATAVERSE_TIME_ZONE is probably not the zone of the app's user. None of these rows was sent. Set it, "
                f"or name the zones of the people who chose these days in {ZONES_SETTING}, then replay the run"
            )


async def check_days_of_actuals(ports: Ports, invoice_id: UUID) -> None:
    """Look at some billed sales of an invoice before its header goes. Raises what `DayTally.check` raises."""
    table_map, tally = ports.maps[Stage.ACTUALS], DayTally()
    options = {**table_map.query, "$filter": billed_filter(table_map, invoice_id)}
    for row in await ports.dataverse.first(table_map.source.set, options, _SAMPLE):
        tally.add(table_map.days_in_doubt(row, ports.settings.zone))
    tally.check(ports.settings.zone)
