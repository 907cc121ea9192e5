"""The app's own ports against the simulated tenant, and what a test does with them."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from operate.doctor.check import Check, Finding, Verdict
from operate.doctor.looking import look
from operate.doctor.visit import visit
from shared.engine.ports import Ports
from shared.maps.table_map import TableMap
from shared.settings import read_settings
from tests.contract.wiring import Clock
from tests.simulators.dataverse.client import Dataverse
from tests.simulators.finance.client import Finance

ADMINISTRATOR = "relay"
"""The client as which the tests themselves speak to both services."""


@dataclass(frozen=True)
class Patient:
    """The app to be examined, and its tenant."""

    ports: Ports
    given: Mapping[str, str]
    clock: Clock
    dataverse: Dataverse
    finance: Finance

    async def diagnose(
        self, check: Check, *, maps: Mapping[str, TableMap] | None = None, **settings: str
    ) -> list[Finding]:
        """The findings of one check, made by a new visit, with changed maps or settings (an empty one is missing)."""
        return await look(visit(self.with_changes(maps, settings)), check)

    async def verdict(self, check: Check, *, maps: Mapping[str, TableMap] | None = None, **settings: str) -> Verdict:
        """The verdict of a check that has one finding."""
        [finding] = await self.diagnose(check, maps=maps, **settings)
        return finding.verdict

    def with_changes(self, maps: Mapping[str, TableMap] | None, settings: Mapping[str, str]) -> Ports:
        """The ports with other maps or settings, as far as a check sees them; the services stay the same."""
        return replace(
            self.ports,
            settings=read_settings({**self.given, **settings}),
            maps=self.ports.maps if maps is None else maps,
        )

    async def asked(self) -> list[str]:
        """The requests that both services were sent since they were forgotten: "VERB /path?query"."""
        dataverse: list[str] = await self.dataverse.sim("GET", "asked")
        finance: list[str] = await self.finance.sim("asked")
        return [*dataverse, *finance]

    async def forget_requests(self) -> None:
        """Forget the requests of the tests before."""
        for url in (self.dataverse.url, self.finance.url):
            async with self.dataverse.session.delete(f"{url}/sim/asked") as answer:
                assert answer.ok


async def switches_of(client: Any) -> dict[str, Any]:
    """The switches of a service as they are."""
    async with client.session.get(f"{client.url}/sim/switches") as answer:
        found: dict[str, Any] = await answer.json()
    return found
