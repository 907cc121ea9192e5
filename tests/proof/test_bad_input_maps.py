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
from shared.maps.dual_write import NoMapping, translate
from shared.maps.dual_write_paths import Described
from shared.maps.odata_filter import FilterRefused, parse_filter
from shared.maps.review import review
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


@settings(max_examples=150, derandomize=True, deadline=None, database=None)
@given(stage=st.sampled_from(load_job().maps), data=st.data())
def test_looking_through_a_map_and_loading_it_agree(tmp_path_factory: Any, stage: str, data: st.DataObject) -> None:
    text = json.dumps(data.draw(_changed(stage)), indent=1)
    found = review(text, load_map(stage))
    loaded = _read(stage, text, tmp_path_factory.mktemp("map"))
    assert (found.table_map is None) == (loaded is None)
    assert found.table_map is not None or found.faults
    lines = len(text.splitlines())
    assert all(0 <= remark.line <= lines for remark in found.remarks)


_FIELD = st.fixed_dictionaries(
    {},
    optional={
        "syncDirection": st.sampled_from([1, "2", 3, "both"]) | _JSON,
        "sourceField": st.sampled_from(["AMOUNT", "amount", "BILLINGTYPE"]) | _JSON,
        "destinationField": st.sampled_from(["msdyn_amount", "msdyn_project.msdyn_projectnumber", ""]) | _JSON,
        "valueTransforms": _JSON
        | st.lists(
            st.fixed_dictionaries(
                {"transformType": st.sampled_from(["ValueMap", "Default"]) | _JSON},
                optional={"valueMap": _JSON, "defaultValue": _JSON},
            ),
            max_size=2,
        ),
        "isSystemGenerated": _JSON,
    },
)
_LEG = st.fixed_dictionaries(
    {"fieldMappings": st.lists(_FIELD | _JSON, max_size=4) | _JSON},
    optional={"reversedSourceFilter": _TEXTS | _JSON, "sourceSchema": _JSON, "sourceEnvironmentType": _JSON},
)


@settings(max_examples=300, derandomize=True, deadline=None, database=None)
@given(mapping=st.fixed_dictionaries({"legs": st.lists(_LEG | _JSON, max_size=2) | _JSON}, optional={"name": _JSON}))
def test_a_dual_write_map_with_anything_in_it_is_translated_or_refused(mapping: dict[str, Any]) -> None:
    try:
        translated = translate(mapping, load_map(ACTUALS), Described())
    except NoMapping:
        return
    found = review(json.dumps(translated.content))
    assert found.table_map is not None or found.faults


@settings(max_examples=300, derandomize=True, deadline=None, database=None)
@given(
    text=st.text(max_size=30)
    | st.lists(st.sampled_from(["a", "eq", "1", "'x'", "(", ")", "and", "or", "not", "'"])).map(" ".join)
)
def test_a_filter_with_anything_in_it_is_understood_or_refused_with_a_place(text: str) -> None:
    try:
        parse_filter(text)
    except FilterRefused as refused:
        assert 0 <= refused.at <= len(text)  # noqa: PT017 - both outcomes are right


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
