"""The map files are data: the good ones load, a wrong one is refused with file, field and reason."""

import copy
import json
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID, uuid5
from zoneinfo import ZoneInfo

import pytest

from shared.configuration.time_zones import Zones
from shared.jobs.job import load_job, load_maps
from shared.maps.table_map import MAPS, MapRefused, load_map
from shared.maps.transforms import RowRefused, ValueMap
from shared.project_operations.codes import ACTUALS

BERLIN = Zones(ZoneInfo("Europe/Berlin"))
ACTUAL = "0a1b2c3d-0000-4000-8000-00000000000a"


def _actual(**columns: Any) -> dict[str, Any]:
    return {
        "msdyn_actualid": ACTUAL,
        "msdyn_actualimportid": None,
        "msdyn_amount": Decimal("1234567890.1234"),
        "msdyn_accountingdate": "2026-06-29T22:00:00Z",
        "msdyn_transactiondate": "2026-06-30",
        "msdyn_billingtype": 192350001,
        "msdyn_transactiontypecode": 192350006,
        "msdyn_isjournalized": False,
        "msdyn_description": 'Brücke, "Süd"\nМост',
        "msdyn_Project": {"msdyn_projectnumber": "P-1", "msdyn_owningcompany": {"cdm_companycode": "DEMF"}},
        "msdyn_Product": None,
        **columns,
    }


def _written(**columns: Any) -> dict[str, str]:
    table_map = load_map(ACTUALS)
    return dict(zip(table_map.columns, table_map.write(_actual(**columns), BERLIN), strict=True))


def test_the_three_maps_load_and_the_actuals_map_carries_all_37_pairs() -> None:
    maps = load_maps()
    assert [maps[stage].target.entity for stage in load_job().maps] == [
        "Project invoice proposal V2",
        "Project Operations integration actuals",
        "Integration entity for project transaction relationships",
    ]
    assert len(maps[ACTUALS].fields) == 37


def test_what_finance_owns_after_posting_is_no_column_that_is_sent() -> None:
    table_map = load_map(ACTUALS)
    owned = {"VOUCHERNUMBER", "EXCHANGERATE", "ACCOUNTINGAMOUNT", "SALESTAXAMOUNT", "ISJOURNALIZED"}
    assert table_map.owned == owned
    assert owned.isdisjoint(table_map.columns)
    assert not {"msdyn_isjournalized", "msdyn_accountingtaxamount"} & set(table_map.query["$select"].split(","))


def test_a_column_that_comes_back_is_not_sent_whether_the_map_lists_it_or_not(tmp_path: Path) -> None:
    def change(raw: dict[str, Any]) -> None:
        by_target = {pair["target"]: pair for pair in raw["fields"]}
        by_target["EXCHANGERATE"]["direction"] = "both"
        raw["target"]["changes"] = ["EXTERNALREFERENCE"]

    table_map = load_map(ACTUALS, _spoil(tmp_path, change))
    assert {"EXCHANGERATE", "SALESTAXAMOUNT", "EXTERNALREFERENCE"} <= table_map.owned
    assert table_map.owned.isdisjoint(table_map.columns)
    # The key goes both ways, and without it no row is found again.
    assert {"ACTUALSIMPORTID", "ISJOURNALIZED"} <= set(table_map.columns)


def test_amounts_keep_every_digit_and_never_become_an_exponent() -> None:
    assert _written()["AMOUNT"] == "1234567890.1234"
    assert _written(msdyn_amount=Decimal("0E-10"))["AMOUNT"] == "0.0000000000"


def test_a_local_midnight_becomes_the_local_date_and_not_the_day_before() -> None:
    written = _written()
    assert written["ACCOUNTINGDATE"] == "2026-06-30"
    assert written["DOCUMENTDATE"] == "2026-06-30"


def test_values_go_through_the_value_map_and_an_unknown_one_is_refused_by_name() -> None:
    written = _written()
    assert (written["TRANSACTIONTYPE"], written["BILLINGTYPE"]) == ("BilledSales", "Chargeable")
    with pytest.raises(RowRefused, match="BILLINGTYPE from msdyn_billingtype: 7 has no counterpart"):
        _written(msdyn_billingtype=7)


def test_a_false_is_no_zero_in_a_value_map() -> None:
    yes_or_no = ValueMap(kind="valueMap", values={"Yes": True, "No": False})
    assert yes_or_no.apply(False, {}, BERLIN) == "No"
    with pytest.raises(RowRefused, match="0 has no counterpart"):
        yes_or_no.apply(0, {}, BERLIN)


@pytest.mark.parametrize(("value", "text"), [("RELAY", "RELAY"), (7, "7"), (True, "Yes"), ("007", "007")])
def test_a_constant_is_sent_with_every_row_and_reads_nothing(tmp_path: Path, value: Any, text: str) -> None:
    def change(raw: dict[str, Any]) -> None:
        transform = {"kind": "constant", "value": value}
        raw["fields"].append({"target": "ORIGIN", "direction": "toFinance", "transform": transform})

    table_map = load_map(ACTUALS, _spoil(tmp_path, change))
    assert table_map.write(_actual(), BERLIN)[-1] == text
    assert table_map.query == load_map(ACTUALS).query


@pytest.mark.parametrize(
    ("pair", "reason"),
    [
        ({"direction": "toFinance"}, "source: is missing. Only a constant has none"),
        (
            {"direction": "both", "transform": {"kind": "constant", "value": "X"}},
            "a constant has no source, and its direction is toFinance",
        ),
        ({"direction": "toFinance", "transform": {"kind": "constant", "value": ""}}, "at least 1 character"),
        ({"direction": "toFinance", "transform": {"kind": "constant", "value": 1.5}}, "transform.constant.value"),
    ],
)
def test_a_column_has_a_source_or_a_constant(tmp_path: Path, pair: dict[str, Any], reason: str) -> None:
    folder = _spoil(tmp_path, lambda raw: raw["fields"].append({"target": "ORIGIN", **pair}))
    with pytest.raises(MapRefused) as refused:
        load_map(ACTUALS, folder)
    assert "fields[37]" in str(refused.value)
    assert reason in str(refused.value)


def test_half_an_emoji_refuses_its_row_and_no_other() -> None:
    with pytest.raises(RowRefused, match="DESCRIPTION from msdyn_description: the text holds half a character"):
        _written(msdyn_description="cut \ud83d")
    assert _written(msdyn_description="whole 🏗")["DESCRIPTION"] == "whole 🏗"


def test_a_row_without_import_id_gets_the_same_one_every_time() -> None:
    first, second = _written()["ACTUALSIMPORTID"], _written()["ACTUALSIMPORTID"]
    assert first == second == str(uuid5(UUID("6f7c1a52-9f3e-5d0b-8a44-2f2b6d1c7e90"), ACTUAL))
    given = "AAAAAAAA-0000-4000-8000-00000000000B"
    assert _written(msdyn_actualimportid=given)["ACTUALSIMPORTID"] == given.lower()


def test_an_empty_lookup_leaves_its_columns_empty() -> None:
    assert _written()["PRODUCTNUMBER"] == ""


def test_the_company_is_that_of_the_project_and_a_row_without_one_is_refused() -> None:
    table_map = load_map(ACTUALS)
    assert table_map.company_of(_actual()) == "demf"
    with pytest.raises(RowRefused, match="no company"):
        table_map.company_of(_actual(msdyn_Project=None))


def _spoil(tmp_path: Path, change: Any) -> Path:
    raw = copy.deepcopy(json.loads((MAPS / "actuals.json").read_text("utf-8")))
    change(raw)
    (tmp_path / "actuals.json").write_text(json.dumps(raw), "utf-8")
    return tmp_path


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda raw: raw.update(comment="x"), "comment: is not a field of a map"),
        (lambda raw: raw["fields"][4].update(note="x"), r"fields\[4\].note: is not a field of a map"),
        (lambda raw: raw["fields"][4].update(source="msdyn_amount..x"), r"fields\[4\].source: .*not a column name"),
        (
            lambda raw: raw["fields"][4].update(source="msdyn_Projct.msdyn_x"),
            r"fields\[4\].source: msdyn_Projct.msdyn_x goes through msdyn_Projct, .*not among source.lookups",
        ),
        (
            lambda raw: raw["fields"][4].update(transform={"kind": "rot13"}),
            r"fields\[4\].transform: kind 'rot13' is unknown; .*'date'",
        ),
        (lambda raw: raw["fields"][4].update(transform={"kind": "valueMap", "values": {}}), r"fields\[4\].transform"),
        (
            lambda raw: raw["fields"][4].update(transform={"kind": "valueMap", "values": {"A": 1, "B": 1}}),
            "two names stand for the same",
        ),
        (lambda raw: raw["fields"][4].update(target="ACTUALID"), "ACTUALID is given twice"),
        (lambda raw: raw["fields"][4].update(direction="sideways"), r"fields\[4\].direction"),
        (lambda raw: raw.update(integrationKey=["VOUCHERNUMBER"]), "integrationKey: VOUCHERNUMBER"),
        (lambda raw: raw.pop("version"), "version: is missing"),
        (lambda raw: raw["fields"].pop(4), "AMOUNT must go to Finance"),
        (lambda raw: raw["target"].update(changes=["VOUCHERNUMBER"]), "target.changes: VOUCHERNUMBER"),
        (lambda raw: raw["target"].update(changes=["AMOUNT"]), "AMOUNT must go to Finance"),
        (lambda raw: raw["target"].update(changes=["ACTUALID", "NOWHERE"]), "target.changes: NOWHERE"),
        (lambda raw: raw.update(company="msdyn_Nowhere.cdm_companycode"), "company: .*not among source.lookups"),
        (lambda raw: raw["fields"].clear(), "fields: needs at least 1 entry"),
        (lambda raw: raw.update(fields={}), "fields: must be a list"),
        (lambda raw: raw.update(source="msdyn_actuals"), "source: must be an object"),
        (lambda raw: raw["fields"][4].update(transform={"of": "x"}), r"fields\[4\].transform: kind: is missing"),
    ],
)
def test_a_wrong_map_is_refused_with_file_field_and_reason(tmp_path: Path, change: Any, reason: str) -> None:
    with pytest.raises(MapRefused, match=reason) as refused:
        load_map(ACTUALS, _spoil(tmp_path, change), needs=load_job().step(ACTUALS).needs)
    assert "actuals.json refused" in str(refused.value)


def test_a_map_that_is_no_json_or_says_a_thing_twice_is_refused(tmp_path: Path) -> None:
    (tmp_path / "actuals.json").write_text("{", "utf-8")
    with pytest.raises(MapRefused, match=r"actuals\.json refused: "):
        load_map(ACTUALS, tmp_path)
    (tmp_path / "actuals.json").write_text('{"name": "a", "name": "b"}', "utf-8")
    with pytest.raises(MapRefused, match="name is given twice"):
        load_map(ACTUALS, tmp_path)


def test_a_map_with_a_byte_order_mark_is_read(tmp_path: Path) -> None:
    """Some editors of Windows write one."""
    plain = _spoil(tmp_path, lambda raw: None) / "actuals.json"
    digest = load_map(ACTUALS, tmp_path).digest
    plain.write_text(plain.read_text("utf-8"), "utf-8-sig")
    assert load_map(ACTUALS, tmp_path).digest == digest


def test_a_custom_column_is_an_edit_of_json(tmp_path: Path) -> None:
    added = {"target": "CONTOSOBRIDGE", "source": "msdyn_Project.contoso_bridge", "direction": "toFinance"}
    table_map = load_map(ACTUALS, _spoil(tmp_path, lambda raw: raw["fields"].append(added)))
    row = _actual(msdyn_Project={"contoso_bridge": "B12", "msdyn_owningcompany": {"cdm_companycode": "demf"}})
    assert table_map.write(row, BERLIN)[table_map.position("CONTOSOBRIDGE")] == "B12"
    assert "contoso_bridge" in table_map.query["$expand"]
