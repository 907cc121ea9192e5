"""Which maps the app works with: those that a tenant has activated, otherwise those it was shipped with.

A map that cannot be used never stops the app. The one that was active before it is used instead, and the operator is
told. All instances of one version decide alike, because they decide by the stored activations alone.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from shared.errors import NewerVersion
from shared.jobs.job import Job, check_map
from shared.log import event
from shared.maps.table_map import MapRefused, TableMap
from shared.storage.activations import SHIPPED, Activation, Activations
from shared.storage.map_files import MapFiles

type Accept = Callable[[Mapping[str, TableMap]], dict[str, TableMap]]
"""Makes of the maps of all steps those to work with. Raises MapRefused if they do not fit together."""


@dataclass(frozen=True)
class SetAside:
    """An activated map that cannot be used. `newer` says that a later version of the app wrote it."""

    stage: str
    activation: Activation
    reason: str
    newer: bool


@dataclass(frozen=True)
class MapsInUse:
    """The maps to work with. `chosen` has the activation of each map that is not the shipped one, `set_aside` what
    is active and cannot be used, and `activations` all that was decided by."""

    maps: Mapping[str, TableMap]
    chosen: Mapping[str, Activation] = field(default_factory=dict)
    set_aside: tuple[SetAside, ...] = ()
    activations: Activations = field(default_factory=dict)

    def file_of(self, stage: str) -> str:
        """The digest of the file in use, or SHIPPED."""
        return self.chosen[stage].digest if stage in self.chosen else SHIPPED


class MapChoice:
    """Chooses the maps to work with. `shipped` are those of this version."""

    def __init__(self, files: MapFiles, job: Job, shipped: Mapping[str, TableMap], accept: Accept) -> None:
        self.files = files
        self.shipped = shipped
        self._job = job
        self._accept = accept

    async def choose(self, activations: Activations) -> MapsInUse:
        """The maps to work with after these activations."""
        choosing = _Choosing(self, activations)
        in_use = await choosing.result()
        for each in in_use.set_aside:
            event("map set aside", severity=logging.ERROR, stage=each.stage, kind="newer" if each.newer else "refused")
        return in_use

    async def load(self, stage: str, digest: str) -> TableMap:
        """A stored map, which fits its step. Raises MapRefused and NewerVersion."""
        table_map = await self.files.get(stage, digest)
        self.check(stage, table_map)
        return table_map

    def check(self, stage: str, table_map: TableMap) -> None:
        """Raise MapRefused for a map with which the step of this name cannot work."""
        check_map(self._job.step(stage), table_map)
        source = self.shipped[stage].source
        if (table_map.source.set, table_map.source.key) != (source.set, source.key):
            raise MapRefused(
                f"{stage}.json refused:\n  source: must stay set {source.set} with key {source.key}; the rules of this "
                "step work on no other table"
            )

    def accept(self, maps: Mapping[str, TableMap]) -> dict[str, TableMap]:
        """The maps of all steps as they are worked with. Raises MapRefused if they do not fit together."""
        return self._accept(maps)


class _Choosing:
    """One choice: goes back from the newest activation of each map until all maps can be used together."""

    def __init__(self, choice: MapChoice, activations: Activations) -> None:
        self._choice = choice
        self._activations = activations
        self._left = {stage: list(activations.get(stage, ())) for stage in choice.shipped}
        self._maps = dict(choice.shipped)
        self._chosen: dict[str, Activation] = {}
        self._set_aside: list[SetAside] = []

    async def result(self) -> MapsInUse:
        for stage in self._left:
            await self._go_back(stage)
        while True:
            try:
                maps = self._choice.accept(self._maps)
            except MapRefused as refused:
                # The shipped maps fit together, or the app had not started.
                newest = max(self._chosen, key=lambda stage: self._chosen[stage].at)
                self._put_aside(newest, self._left[newest].pop(0), refused)
                await self._go_back(newest)
            else:
                return MapsInUse(maps, self._chosen, tuple(self._set_aside), self._activations)

    async def _go_back(self, stage: str) -> None:
        """Take the newest map of the stage that can be used by itself."""
        left = self._left[stage]
        while left and left[0].digest != SHIPPED:
            try:
                self._maps[stage] = await self._choice.load(stage, left[0].digest)
            except (MapRefused, NewerVersion) as error:
                self._put_aside(stage, left.pop(0), error)
            else:
                self._chosen[stage] = left[0]
                return
        self._maps[stage] = self._choice.shipped[stage]
        self._chosen.pop(stage, None)

    def _put_aside(self, stage: str, activation: Activation, error: Exception) -> None:
        self._set_aside.append(SetAside(stage, activation, str(error), isinstance(error, NewerVersion)))
