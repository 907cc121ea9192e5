"""The crash matrix: every named effect, the host killed right before it, right after it, and twice.

A case is one journey with a few deaths at effects that lie far apart in it, so that the system has recovered from
one before the next comes; killing twice means that the host dies at the same place again in its next life. The
effects come from a recording of each journey, so what the app does in future is in the matrix of the future.
"""

import random
import time
import traceback
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import batched, count
from pathlib import Path
from queue import Empty, Queue

from shared.engine.worker import MAX_DEQUEUE_COUNT
from tests.proof.figures import tell
from tests.proof.findings import Findings
from tests.proof.journeys import JOURNEYS
from tests.proof.ordeal import Ordeal, given_up, ordeal, settle_down

PLACES_IN_A_CASE = {1: 5, 2: 3}
"""By how often the host is killed at each."""
TRIES = 6
"""Some effects come only by chance, as when a row appears between two pages just there."""
_SLOW_FINANCE = ("finance", {"odataSecondsPerRowRead": 0.25})
_SLOW_DATAVERSE = ("dataverse", {"readSeconds": 2.0})
SLOWED_AT_TRY = {2: _SLOW_FINANCE, 4: _SLOW_DATAVERSE, 5: _SLOW_FINANCE, 6: _SLOW_DATAVERSE}
"""A stage is read while it is imported, and compared while the next is: some effects come only where the one is faster,
and some only where the other is."""
OWN_SYSTEM_AT_TRY = 3
"""Some effects come only once in the life of a storage account, as when the app notes that it owns it."""


@dataclass(frozen=True)
class Place:
    """An effect, the side of it at which the host is killed, and how often."""

    effect: str
    when: str
    kills: int


@dataclass(frozen=True)
class Case:
    """A journey and the places at which the host is killed. `tries` counts the attempts to reach them."""

    journey: str
    places: tuple[Place, ...]
    tries: int = 1


@dataclass
class Result:
    """What came of a matrix. `undisturbed` are the seconds of each journey without a death, `delays` the seconds that
    a death added, `unreached` the places that no attempt led to, and `failed` the cases that did not end well."""

    effects: set[str] = field(default_factory=set)
    undisturbed: dict[str, float] = field(default_factory=dict)
    kills: int = 0
    killed: set[Place] = field(default_factory=set)
    twice: int = 0
    delays: list[float] = field(default_factory=list)
    findings: list[Findings] = field(default_factory=list)
    sweeps: int = 0
    unreached: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)


def enumerate_effects(tested: Ordeal, result: Result, journeys: Iterable[str]) -> dict[str, list[str]]:
    """Make each journey undisturbed and list the effects that none before it had, in their order."""
    fresh: dict[str, list[str]] = {}
    for number, name in enumerate(journeys):
        before = len(tested.effects()) if result.effects else 0
        tested.oblige()
        tested.plan()
        began = time.monotonic()
        journey = JOURNEYS[name](tested, 1000 + 10 * number)
        result.undisturbed[name] = time.monotonic() - began
        result.findings.append(settle_down(tested, journey))
        seen = dict.fromkeys(tested.effects()[before:])
        fresh[name] = [effect for effect in seen if effect not in result.effects]
        result.effects |= seen.keys()
    return fresh


def all_cases(effects: dict[str, list[str]]) -> list[Case]:
    """Every effect before and after once. In addition, alternating between the two sides, a second time in the next
    process."""
    cases = []
    for journey, names in effects.items():
        sides = [["before"] * len(names), ["after"] * len(names), ["before", "after"] * len(names)]
        for kills, when in zip((1, 1, 2), sides, strict=True):
            places = [Place(*each, kills) for each in zip(names, when, strict=False)]
            stride = -(-len(names) // PLACES_IN_A_CASE[kills])
            cases += [Case(journey, tuple(places[start::stride])) for start in range(stride)]
    return cases


def sample(effects: dict[str, list[str]], places: int, seed: int) -> list[Case]:
    """A number of places, drawn by a seed."""
    choice = random.Random(seed)  # noqa: S311 - a reproducible sample
    cases = []
    for journey, names in effects.items():
        drawn = sorted(choice.sample(range(len(names)), min(places, len(names))))
        chosen = tuple(Place(names[at], choice.choice(["before", "after"]), choice.choice([1, 2])) for at in drawn)
        cases += [Case(journey, tuple(portion)) for portion in batched(chosen, PLACES_IN_A_CASE[2], strict=False)]
    return cases


class Matrix:
    """Runs cases. What comes of them is in `result`."""

    def __init__(self, result: Result, cases: Sequence[Case]) -> None:
        self.result = result
        self._waiting: Queue[Case] = Queue()
        self._numbers = count(1)
        for case in cases:
            self._waiting.put(case)

    def run(self, run_dir: Path, *, workers: int) -> None:
        """Run all cases on several systems concurrently."""
        with ThreadPoolExecutor(workers) as pool:
            for done in [pool.submit(self._work, run_dir) for _ in range(workers)]:
                done.result()

    def run_on(self, tested: Ordeal) -> bool:
        """Run cases on one system until none is left, or one has failed: then False."""
        while True:
            try:
                case = self._waiting.get_nowait()
            except Empty:
                return True
            try:
                self._try_where_it_belongs(tested, case)
            except Exception as error:  # noqa: BLE001 - whatever it is, the others are still to be tried
                if self._is_taken_apart(tested, case):
                    return False
                self.result.failed.append(f"{case}: {error!r}")
                tell(f"FAILED {case}: {''.join(traceback.format_exception(error))}")
                return False

    def _work(self, run_dir: Path) -> None:
        is_done = False
        while not is_done:
            # After a failure the next case gets a system that nothing has happened to.
            with ordeal(run_dir / f"system-{next(self._numbers)}") as tested:
                is_done = self.run_on(tested)
                self.result.sweeps += tested.sweeps

    def _is_taken_apart(self, tested: Ordeal, case: Case) -> bool:
        """A case that killed the host so often during one message that the message became poison proves nothing
        about each of its places. Each place then gets a case of its own."""
        if sum(place.kills for place in case.places) < MAX_DEQUEUE_COUNT or not given_up(tested.system):
            return False
        tell(f"taken apart: {case}")
        for place in case.places:
            self._waiting.put(Case(case.journey, (place,)))
        return True

    def _try_where_it_belongs(self, tested: Ordeal, case: Case) -> None:
        if case.tries != OWN_SYSTEM_AT_TRY:
            self._try(tested, case)
            return
        with ordeal(tested.control.parents[1] / f"own-{next(self._numbers)}", is_asked=False) as own:
            self._try(own, case)

    def _try(self, tested: Ordeal, case: Case) -> None:
        tested.oblige()
        if case.tries in SLOWED_AT_TRY:
            service, pace = SLOWED_AT_TRY[case.tries]
            tested.system.tenant.switch(service, **pace)
        if case.tries > 1 or any(place.effect.startswith("start:") for place in case.places):
            # Some effects come only once in the life of a host: it signs in, and keeps what it has read.
            tested.begin_anew()
        plan = tested.plan([{"effect": each.effect, "when": each.when, "kills": each.kills} for each in case.places])
        if not tested.is_asked:
            tested.ask("health")
        began = time.monotonic()
        journey = JOURNEYS[case.journey](tested, 10 * next(self._numbers))
        seconds = time.monotonic() - began
        tested.plan()
        findings = settle_down(tested, journey)
        assert findings.clean, findings.problems()
        self.result.findings.append(findings)
        died = [(each["effect"], each["when"]) for each in tested.deaths(plan)]
        self._book(case, died, seconds)
        tell(f"{case.journey}: {len(died)} deaths, {seconds:.1f} s, {self._waiting.qsize()} cases to go")

    def _book(self, case: Case, died: Sequence[tuple[str, str]], seconds: float) -> None:
        result = self.result
        result.kills += len(died)
        for place in case.places:
            times = died.count((place.effect, place.when))
            result.twice += times == 2
            if times:
                result.killed.add(place)
            elif case.tries < TRIES:
                self._waiting.put(Case(case.journey, (place,), case.tries + 1))
            else:
                result.unreached.append(f"{place.when} {place.effect}")
                tell(f"not reached: {case.journey}, {place}")
        if died:
            result.delays.append(max(0.0, seconds - result.undisturbed[case.journey]) / len(died))
