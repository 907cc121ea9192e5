"""A visit: what a check may read. It sends GET requests with `$select` alone, closes no gate, and sends nothing to a
service whose gate is closed.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from operate.doctor.onlooker import DATAVERSE, FINANCE, Onlooker
from shared.engine.ports import Ports
from shared.jobs.job import Job
from shared.maps.table_map import TableMap
from shared.settings import Settings


@dataclass(frozen=True)
class Visit:
    """What the checks of one run share. Equal requests are sent once."""

    ports: Ports
    dataverse: Onlooker
    finance: Onlooker

    @property
    def settings(self) -> Settings:
        """The app settings."""
        return self.ports.settings

    @property
    def job(self) -> Job:
        """The job of this app."""
        return self.ports.job

    @property
    def maps(self) -> Mapping[str, TableMap]:
        """The table maps in use, by name."""
        return self.ports.maps

    def now(self) -> datetime:
        """The app's time."""
        return self.ports.now()

    async def user_id(self) -> str:
        """The id of the app's user in Dataverse. Raises the errors of reading."""
        return str((await self.dataverse.one("WhoAmI", needs=("UserId",)))["UserId"])


def visit(ports: Ports) -> Visit:
    """A new visit."""
    return Visit(ports, Onlooker(ports.onlookers.dataverse, DATAVERSE), Onlooker(ports.onlookers.finance, FINANCE))
