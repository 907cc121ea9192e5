"""Values of the maps against the tenant's: choices with a value map, and the behaviour of dates."""

from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from operate.doctor.check import Check, Finding, Verdict
from operate.doctor.choices import Misfit, misfit
from operate.doctor.definitions import Gap, Table, reach
from operate.doctor.tables import Column, Tables
from operate.doctor.visit import Visit
from shared.jobs.job import Measures
from shared.maps.map_parts import FieldPair
from shared.maps.transforms import LocalDate, LocalDay, PlainDate, ValueMap

_DATE = "DateTime"
_FITTING: Mapping[type[Any], Mapping[str, Verdict]] = {
    LocalDay: {"UserLocal": Verdict.OK, "DateOnly": Verdict.OK, "TimeZoneIndependent": Verdict.WARN},
    LocalDate: {"UserLocal": Verdict.OK, "DateOnly": Verdict.OK, "TimeZoneIndependent": Verdict.FAIL},
    PlainDate: {"UserLocal": Verdict.FAIL, "DateOnly": Verdict.OK, "TimeZoneIndependent": Verdict.OK},
}
"""A transform and Dataverse's DateTimeBehavior. UserLocal columns hold the instant of a local midnight, the others a
day: the one must be converted, and the other must not."""


@dataclass(frozen=True)
class _Place:
    """A field of a map, and the column that it comes from: None with the `gap` if there is none."""

    map: str
    pair: FieldPair
    table: Table | None
    column: Column | None
    gap: str = ""

    @property
    def about(self) -> str:
        return f"{self.map}: {self.pair.target}"

    def unknown(self) -> Finding:
        step = "Do what the check map-columns says first"
        return Finding(Verdict.UNKNOWN, f"nothing to compare with: {self.gap}", "a column", step, self.about)


async def _places(visit: Visit) -> AsyncIterator[_Place]:
    for name, table_map in visit.maps.items():
        reached = await reach(visit, table_map)
        for pair in table_map.outgoing:
            if not pair.steps:
                continue
            try:
                yield _Place(name, pair, reached.table(pair.steps[:-1]), reached.column(pair.steps))
            except Gap as gap:
                yield _Place(name, pair, None, None, str(gap))


async def look_at_choices(visit: Visit) -> list[Finding]:
    """Value maps name the values that the tenant's choices have, and no others."""
    mapped = [place async for place in _places(visit) if isinstance(place.pair.transform, ValueMap)]
    found = [finding for place in mapped for finding in await _compare_values(visit, place)]
    count = len(mapped)
    expected = "the values of each choice in the tenant"
    return found or [Finding(Verdict.OK, f"{count} {'value map fits' if count == 1 else 'value maps fit'}", expected)]


async def _compare_values(visit: Visit, place: _Place) -> list[Finding]:
    if place.table is None or place.column is None:
        return [place.unknown()]
    values = place.pair.transform.values if isinstance(place.pair.transform, ValueMap) else {}
    options = await Tables(visit.dataverse).options(place.table.name, place.column)
    found = misfit(values, place.column, options)
    return list(_differences(place, found, options or {}, _measures(visit, place)))


def _measures(visit: Visit, place: _Place) -> Measures | None:
    """The measures of the map, if the column of this field tells them apart. Then the rules of the job choose rows by
    it, and meet no others."""
    measures = visit.job.step(place.map).measures
    return measures if measures and measures.by == place.pair.target else None


def _differences(
    place: _Place, found: Misfit, options: Mapping[bool | int, str], measures: Measures | None
) -> Iterator[Finding]:
    expected = f"the values of {place.pair.source}: {', '.join(map(str, options))}"
    correct = f"Correct the value map of {place.pair.target} in the map {place.map}"
    if found.wrong:
        expected = expected if options else f"the values of {place.pair.source}, as {found.holds}"
        seen = f"{_listed(found.wrong)} can never match, because the column holds {found.holds}"
        yield Finding(Verdict.FAIL, seen, expected, correct, place.about)
    if found.missing:
        needed = measures and found.missing.keys() & measures.values.keys()
        seen = f"the tenant has no value for {_listed(found.missing)}"
        yield Finding(Verdict.FAIL if needed else Verdict.WARN, seen, expected, correct, place.about)
    if found.more and not measures:
        seen = f"the map has no name for {_listed(found.more)}: a row with such a value is rejected"
        yield Finding(Verdict.WARN, seen, expected, correct, place.about)


def _listed(values: Mapping[str, object]) -> str:
    return ", ".join(f"{value} ({name})" for name, value in values.items())


async def look_at_dates(visit: Visit) -> list[Finding]:
    """Each date is read as its column means it: a local midnight is converted, a day is not."""
    dated = [place async for place in _places(visit) if _has_to_do_with_dates(place)]
    found = [finding for place in dated for finding in await _compare_behaviours(visit, place)]
    count = len(dated)
    expected = "the transform that the behaviour of the column needs"
    return found or [
        Finding(Verdict.OK, f"{count} {'date is' if count == 1 else 'dates are'} read as the column behaves", expected)
    ]


def _has_to_do_with_dates(place: _Place) -> bool:
    return type(place.pair.transform) in _FITTING or bool(place.column and place.column.type == _DATE)


async def _compare_behaviours(visit: Visit, place: _Place) -> list[Finding]:
    if place.table is None or place.column is None:
        return [place.unknown()]
    described = await Tables(visit.dataverse).behaviours(place.table.name)
    behaviours = {name: behaviour.name for name, behaviour in described.items()}
    free = place.pair.transform.zoneFree if isinstance(place.pair.transform, LocalDay) else None
    found = [_compare(place, behaviours.get(place.column.name, ""))]
    if free and behaviours.get(free) == "UserLocal":
        seen = f"{free} is taken for a day without a zone, and its behaviour is UserLocal"
        step = f"Name another column in zoneFree of {place.pair.target} in the map {place.map}, or none"
        found.append(Finding(Verdict.FAIL, seen, "DateOnly or TimeZoneIndependent", step, place.about))
    return [finding for finding in found if finding]


def _compare(place: _Place, behaviour: str) -> Finding | None:
    source, transform = place.pair.source, place.pair.transform
    step = f"Change the transform of {place.pair.target} in the map {place.map} to {_fitting(behaviour)}"
    expected = "a transform that fits the behaviour of the column"
    if not behaviour:
        seen = f"{source} is no date of Dataverse"
        return Finding(Verdict.FAIL, seen, "a column with date and time", step, place.about)
    if type(transform) not in _FITTING:
        seen = f"{source} holds dates of behaviour {behaviour}, and the map sends them as they are"
        return Finding(Verdict.WARN, seen, expected, step, place.about)
    verdict = _FITTING[type(transform)].get(behaviour, Verdict.UNKNOWN)
    if verdict is Verdict.OK:
        return None
    seen = f"{source} has the behaviour {behaviour}: the transform {transform.kind} may give the day before or after"  # type: ignore[union-attr]
    return Finding(verdict, seen, expected, step, place.about)


def _fitting(behaviour: str) -> str:
    return "localDay (or localDate for a date with a time)" if behaviour == "UserLocal" else "date"


CHECKS = (
    Check("map-choices", "Values of choices", "maps", look_at_choices),
    Check("map-dates", "Behaviour of dates", "maps", look_at_dates),
)
