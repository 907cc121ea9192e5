"""A map file with anything in it is understood or refused by name, and so is a row with anything in it."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st

from shared.configuration.time_zones import Zones
from shared.jobs.job import load_job
from shared.maps.table_map import MAPS, MapRefused, TableMap, load_map
from shared.maps.transforms import RowRefused
from shared.project_operations.codes import ACTUALS

ZONE = Zones(ZoneInfo("Europe/Berlin"))
_ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.decimals() | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=4,
)
_JSON = _ANYTHING.map(lambda value: json.loads(json.dumps(value, default=str)))
_TEXTS = st.sampled_from(["", "msdyn_amount", "a.b.c", "..", "both", "valueMap", "9", "\ud83d", "x" * 300])


@st.composite
def _changed(draw: st.DrawFn, stage: str) -> Any:
    """A map of ours in which one thing, however deep, is something else, or gone."""
    raw = json.loads((MAPS / f"{stage}.json").read_text("utf-8"))
    place: Any = raw
    while True:
        step: Any = draw(st.sampled_from(sorted(place) if isinstance(place, dict) else range(len(place))))
        if isinstance(place[step], dict | list) and place[step] and draw(st.booleans()):
            place = place[step]
            continue
        if draw(st.booleans()):
            place[step] = draw(_JSON | _TEXTS)
        else:
            del place[step]
        return raw


def _read(stage: str, text: str, folder: Path) -> TableMap | None:
    (folder / f"{stage}.json").write_text(text, "utf-8", errors="surrogatepass")
    try:
        return load_map(stage, folder)
    except MapRefused as refused:
        assert f"{stage}.json refused" in str(refused)  # noqa: PT017 - both outcomes are right
        return None


@settings(max_examples=300, derandomize=True, deadline=None, database=None)
@given(stage=st.sampled_from(load_job().maps), data=st.data())
def test_a_map_with_anything_in_it_is_understood_or_refused(
    tmp_path_factory: Any, stage: str, data: st.DataObject
) -> None:
    raw = data.draw(_changed(stage))
    table_map = _read(stage, json.dumps(raw), tmp_path_factory.mktemp("map"))
    if table_map is not None:
        assert set(table_map.query) <= {"$select", "$expand"}
        assert _outcome(table_map, {}) in {"written", "refused"}


@settings(max_examples=300, derandomize=True, deadline=None, database=None)
@given(stage=st.sampled_from(load_job().maps), data=st.data())
def test_a_row_with_anything_in_it_is_written_or_refused(stage: str, data: st.DataObject) -> None:
    table_map = load_map(stage)
    row: dict[str, Any] = {}
    for pair in table_map.outgoing:
        value = data.draw(st.none() | st.booleans() | st.integers() | st.decimals() | st.text() | _TEXTS)
        place = row
        for step in pair.steps[:-1]:
            place = place.setdefault(step, {})
        place[pair.steps[-1]] = value
    row.setdefault(table_map.source.key, "0a1b2c3d-0000-4000-8000-00000000000a")
    assert _outcome(table_map, row) in {"written", "refused"}


def _outcome(table_map: TableMap, row: dict[str, Any]) -> str:
    try:
        written = table_map.write(row, ZONE)
    except RowRefused:
        return "refused"
    return "written" if all(isinstance(text, str) for text in written) else f"{written}"


def test_an_amount_of_any_size_is_written_in_digits() -> None:
    table_map = load_map(ACTUALS)
    pair = next(pair for pair in table_map.outgoing if pair.target == "AMOUNT")
    assert pair.write({"msdyn_amount": Decimal("1E+20")}, ZONE) == "1" + "0" * 20
