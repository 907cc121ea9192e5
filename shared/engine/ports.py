"""The ports: the services, the stores, the queues and the clock that the engine uses. `shared/wiring.py` creates
them.
"""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from shared.engine.leases import Leases
from shared.engine.queues import Queues
from shared.engine.ship_calls import ShipCalls
from shared.errors import Throttled
from shared.jobs.job import Job
from shared.ledger.dock import Dock
from shared.ledger.rejected_rows import Rejections
from shared.ledger.run_list import RunList
from shared.ledger.runs import Ledger
from shared.maps.table_map import TableMap
from shared.services import dataverse, finance
from shared.services.bulk_updates import BulkUpdates
from shared.services.dataverse import Dataverse
from shared.services.finance import Finance
from shared.services.memory_budget import MemoryBudget
from shared.services.onlookers import Onlookers
from shared.services.reader import AnswerBudget, Reader
from shared.services.throttle_gates import ThrottleGates
from shared.settings import Settings
from shared.storage.activations import ActivationLog, activations_in
from shared.storage.audit import Audit
from shared.storage.kept_answers import KEPT_FOR, KeptAnswers
from shared.storage.known_maps import KnownMaps
from shared.storage.landing import Landing
from shared.storage.maps_in_use import MapChoice, MapsInUse
from shared.storage.notes import Notes
from shared.storage.owner import Ownership
from shared.storage.pauses import Pauses
from shared.storage.pending import Pending
from shared.storage.throughput import Throughput


@dataclass(frozen=True)
class Ports:
    """The services, the stores and the clock, and the `job` to be done.

    `maps` are the maps in use when a work item begins, and stay the same until it ends (`with_current_maps`). `in_use`
    says why these. A landed part may have been written by another map, which `known_maps` finds.
    """

    settings: Settings
    job: Job
    maps: Mapping[str, TableMap]
    in_use: MapsInUse
    map_choice: MapChoice
    activation_log: ActivationLog
    known_maps: KnownMaps
    dataverse: Dataverse
    bulk_updates: BulkUpdates
    finance: Finance
    onlookers: Onlookers
    ledger: Ledger
    rejections: Rejections
    run_list: RunList
    dock: Dock
    landing: Landing
    queues: Queues
    ship_calls: ShipCalls
    memory_budget: MemoryBudget
    answer_budget: AnswerBudget
    kept_answers: KeptAnswers
    gates: ThrottleGates
    leases: Leases
    pauses: Pauses
    pending: Pending
    notes: Notes
    throughput: Throughput
    audit: Audit
    ownership: Ownership
    now: Callable[[], datetime]

    async def with_current_maps(self) -> "Ports":
        """The ports with the maps that are in use now, as far as the stamp of the storage account was read. These ports
        themselves, if nothing has changed."""
        activations = activations_in(self.ownership.rows)
        if activations == self.in_use.activations:
            return self
        in_use = await self.map_choice.choose(activations)
        known_maps = self.known_maps.with_present(in_use.maps)
        # Before anything is landed: a part names its map by digest only.
        await known_maps.keep()
        return replace(self, maps=in_use.maps, in_use=in_use, known_maps=known_maps)

    def lanes(self, stage: str) -> int:
        """How many imports of one map may run at once: one data project each."""
        return self.settings.lanes.get(stage, self.job.step(stage).lanes)

    @asynccontextmanager
    async def reading(self, name: str = "", *, again: bool = False) -> AsyncIterator[None]:
        """Work as a new reader. Throttled requests wait in place while answers keep coming.

        If the reader has to stop, the answers for its `name` are kept. They are used when the same reader runs `again`.
        """
        reader = Reader(self.now, timedelta(seconds=self.settings.throttle_in_place), self.answer_budget)
        kept = await self.kept_answers.load(name, self.now()) if name and await self._may_be_kept(again) else []
        reader.resume_from(kept)
        refused = False
        try:
            with reader.reading():
                yield
        except Throttled:
            refused = True
            if name and reader.answers:
                await self.kept_answers.save(name, reader.answers)
            raise
        finally:
            reader.leave(refused=refused)
            if kept and not refused:
                await self.kept_answers.delete(name)

    async def _may_be_kept(self, again: bool) -> bool:
        """Whether kept answers may exist: a service has throttled recently."""
        since = self.now() - KEPT_FOR
        return again or any([await self.gates.was_closed(name, since) for name in (dataverse.NAME, finance.NAME)])
