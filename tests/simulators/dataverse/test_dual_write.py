"""Dual-write's tables: every saved version is a row, and only a map that runs is known to the runtime."""

import json
from typing import Any

import pytest

from tests.simulators.dataverse.client import Dataverse

MAPS = "msdyn_dualwriteentitymaps"
RUNTIME = "msdyn_dualwriteruntimeconfigs"


async def _mapping(dataverse: Dataverse, version: str) -> Any:
    condition = f"msdyn_version eq '{version}' and contains(msdyn_name,'[msdyn_actuals')"
    options = {"select": "msdyn_mapping", "filter": condition}
    [row] = (await dataverse.query(MAPS, **options)).rows
    return json.loads(row["msdyn_mapping"])


async def test_every_saved_version_of_a_map_is_a_row_and_the_highest_is_a_draft(dataverse: Dataverse) -> None:
    options = {"select": "msdyn_name,msdyn_version,ismanaged", "filter": "contains(msdyn_name,'[msdyn_actuals')"}
    rows = (await dataverse.query(MAPS, **options)).rows
    assert sorted(row["msdyn_version"] for row in rows) == ["1.0.0.16", "1.0.0.3", "9.9.9.9"]
    assert {row["msdyn_name"] for row in rows} == {
        "msdyn_dualwritemaps_[msdyn_actuals - Project Operations integration actuals]"
    }
    running, parked = [(await _mapping(dataverse, version))["legs"][0] for version in ("1.0.0.16", "9.9.9.9")]
    assert len(parked["fieldMappings"]) < len(running["fieldMappings"])
    assert {type(each["syncDirection"]) for each in running["fieldMappings"]} == {int, str}


async def test_the_runtime_knows_only_what_runs_and_swaps_its_sides(dataverse: Dataverse) -> None:
    assert (await dataverse.query(RUNTIME, select="msdyn_unsecure")).rows == []
    await dataverse.switch(dualWriteRunning="msdyn_actuals", dualWriteRunningVersion="1.0.0.3")
    [row] = (await dataverse.query(RUNTIME, select="msdyn_unsecure", filter="statecode eq 0")).rows
    content = json.loads(row["msdyn_unsecure"])
    assert (content["SourceEntityName"], content["SourceEnvironmentType"]) == ("msdyn_actuals", 1)
    assert content["EntityMapVersion"] == {"Major": 1, "Minor": 0, "Build": 0, "Revision": 3}
    assert {"SourceField": "msdyn_amount", "DestinationField": "AMOUNT"} in content["FieldMappings"]
    await dataverse.switch(dualWriteRunning="", dualWriteRunningVersion="")


async def test_the_json_may_be_encoded_twice(dataverse: Dataverse) -> None:
    await dataverse.switch(dualWriteEncodedTwice=True)
    text = await _mapping(dataverse, "1.0.0.16")
    assert isinstance(text, str)
    assert json.loads(text)["centerEnvironmentType"] == "CRM"
    await dataverse.switch(dualWriteEncodedTwice=False)


@pytest.mark.parametrize("name", ["msdyn_dualwriteentitymap", "msdyn_dualwriteruntimeconfig"])
async def test_an_environment_without_dual_write_has_no_such_tables(dataverse: Dataverse, name: str) -> None:
    options = {"select": "EntitySetName", "filter": f"LogicalName eq '{name}'"}
    assert len((await dataverse.query("EntityDefinitions", **options)).rows) == 1
    await dataverse.switch(dualWriteMissing=True)
    assert (await dataverse.query("EntityDefinitions", **options)).rows == []
    assert (await dataverse.query(f"{name}s", select="statecode")).status == 404
    await dataverse.switch(dualWriteMissing=False)
