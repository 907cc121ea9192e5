"""Dual-write's maps become map files: the tenant's own, as the simulated dual-write has them."""

import json
from typing import Any

import pytest

from operate.maps.translation import translate
from relay_contract.maps import Translation
from shared.maps.review import review
from shared.maps.table_map import TableMap, load_map
from shared.project_operations.codes import ACTUALS, CONNECTIONS, INVOICES
from tests.doctor.patient import Patient


async def _translated(patient: Patient, stage: str) -> tuple[Translation, TableMap]:
    found = await translate(patient.ports, stage, None)
    assert found.content is not None
    assert found.faults == []
    table_map = review(json.dumps(found.content)).table_map
    assert table_map is not None
    return found, table_map


def _pair(table_map: TableMap, target: str) -> Any:
    return next(pair for pair in table_map.fields if pair.target == target)


def _line(found: Translation, target: str) -> tuple[str, str]:
    line = next(line for line in found.report if line.target == target)
    return line.kind, line.text


@pytest.mark.parametrize("stage", [INVOICES, CONNECTIONS])
async def test_a_map_like_the_shipped_one_becomes_the_shipped_one(patient: Patient, stage: str) -> None:
    _, table_map = await _translated(patient, stage)
    shipped = load_map(stage)
    assert table_map.written == shipped.written
    assert table_map.company == shipped.company


async def test_the_actuals_map_is_the_shipped_one_with_what_the_tenant_has_added(patient: Patient) -> None:
    found, table_map = await _translated(patient, ACTUALS)
    shipped = load_map(ACTUALS)
    own = {"PROJACTUALSIMPORTSYNC", "CUSTOMERACCOUNTNUMBER"}
    assert {pair.target for pair in table_map.fields} == {pair.target for pair in shipped.fields} | own
    for pair in shipped.fields:
        assert _pair(table_map, pair.target) == pair
    assert _pair(table_map, "PROJACTUALSIMPORTSYNC").transform.value == "Yes"
    assert _pair(table_map, "CUSTOMERACCOUNTNUMBER").source == "msdyn_AccountCustomer.accountnumber"
    assert table_map.owned == shipped.owned
    assert table_map.written_back == shipped.written_back
    assert (found.running, table_map.version) == (False, "1.0.0.16")
    assert "none is seen running" in found.found


async def test_every_rule_that_changed_something_is_told(patient: Patient) -> None:
    found, _ = await _translated(patient, ACTUALS)
    assert _line(found, "AMOUNT") == ("taken", "")
    kind, text = _line(found, "BILLINGTYPE")
    assert kind == "changed"
    assert "nonChargeable is NonChargeable in a package" in text
    assert "the default 'notAvailable' of an empty column is left out" in text
    assert _line(found, "PROJECTID") == (
        "changed",
        "msdyn_project.msdyn_projectnumber is msdyn_Project.msdyn_projectnumber in the Web API",
    )
    assert "with the rule localDay of the shipped map" in _line(found, "ACCOUNTINGDATE")[1]
    assert _line(found, "DATAAREAID") == ("changed", "left out: dual-write adds it by itself")
    assert "every row is sent with the constant Yes" in _line(found, "PROJACTUALSIMPORTSYNC")[1]


async def test_the_filter_loses_its_quotes_where_a_column_is_no_text(patient: Patient) -> None:
    found, table_map = await _translated(patient, ACTUALS)
    assert table_map.source.filter == (
        "((msdyn_transactiontypecode eq 192350000 and _msdyn_project_value ne null) or "
        "msdyn_transactiontypecode eq 192350006 or "
        "(msdyn_transactiontypecode eq 192350005 and msdyn_istransition ne true)) and (msdyn_istransition ne true)"
    )
    assert "the shipped condition stays beside it: msdyn_istransition ne true" in _line(found, "filter")[1]
    assert "'192350000' is 192350000, because msdyn_transactiontypecode is no text" in _line(found, "filter")[1]
    rows = await patient.ports.dataverse.first("msdyn_actuals", {"$filter": table_map.source.filter}, 1)
    assert isinstance(rows, list)


async def test_the_version_that_runs_is_translated_and_not_the_highest(patient: Patient) -> None:
    await patient.dataverse.switch(dualWriteRunning="msdyn_actuals", dualWriteRunningVersion="1.0.0.3")
    found, table_map = await _translated(patient, ACTUALS)
    assert found.running
    assert "version 1.0.0.3 of 3 saved ones" in found.found
    assert table_map.version == "1.0.0.3"
    assert _pair(table_map, "DOCUMENTDATE").source == "msdyn_documentdate"


async def test_json_that_is_encoded_twice_is_read(patient: Patient) -> None:
    await patient.dataverse.switch(dualWriteEncodedTwice=True, dualWriteRunning="invoices")
    found, _ = await _translated(patient, INVOICES)
    assert found.running


async def test_a_tenant_without_dual_write_is_named(patient: Patient) -> None:
    await patient.dataverse.switch(dualWriteMissing=True)
    found = await translate(patient.ports, ACTUALS, None)
    assert found.content is None
    assert found.found == "no dual-write: this Dataverse has no tables of it"


async def test_a_reader_without_the_right_is_told_which_is_missing(patient: Patient) -> None:
    await patient.dataverse.switch(forbidTables="msdyn_dualwriteentitymaps")
    found = await translate(patient.ports, ACTUALS, None)
    assert found.content is None
    assert "does not let the app's user read msdyn_dualwriteentitymap" in found.found


async def test_a_file_is_translated_where_the_reader_has_no_right(patient: Patient) -> None:
    mapping = {
        "name": "ours",
        "legs": [
            {
                "sourceSchema": "Project Operations integration actuals",
                "destinationSchema": "msdyn_actuals",
                "reversedSourceFilter": "statecode eq '0'",
                "fieldMappings": [{"syncDirection": "2", "sourceField": "AMOUNT", "destinationField": "msdyn_amount"}],
            }
        ],
    }
    await patient.dataverse.switch(forbidTables="msdyn_dualwriteentitymaps")
    found = await translate(patient.ports, ACTUALS, mapping)
    assert found.content is not None
    assert found.content["fields"] == [{"target": "AMOUNT", "source": "msdyn_amount", "direction": "toFinance"}]
    assert found.content["source"]["filter"] == "(statecode eq 0) and (msdyn_istransition ne true)"
    assert {line.target for line in found.report if line.kind == "missing"} >= {"ACTUALSIMPORTID", "PROJECTID"}
    assert any("ACTUALSIMPORTID" in fault for fault in found.faults)


async def test_a_translation_only_reads(patient: Patient) -> None:
    await patient.forget_requests()
    await translate(patient.ports, ACTUALS, None)
    asked = [each for each in await patient.asked() if "/sim/" not in each]
    assert asked
    assert all(each.startswith("GET ") for each in asked)
    metadata = ("/metadata/",)
    assert all("$select=" in each or any(name in each for name in metadata) for each in asked)
