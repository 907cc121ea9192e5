"""Maps against the definitions of Dataverse: columns, lookups, queries, choices and dates."""

import pytest

from operate.doctor import column_checks, value_checks
from operate.doctor.check import Check, Finding, Verdict
from shared.maps.table_map import TableMap
from tests.doctor.patient import Patient

CHECKS = (*column_checks.CHECKS, *value_checks.CHECKS)
NAMED = {check.name: check for check in CHECKS}
SOURCES = {
    "map-columns": "EntityDefinitions",
    "map-query": "msdyn_actuals",
    "map-choices": "EntityDefinitions",
    "map-dates": "Attributes",
}
EMPTY_MAPS: dict[str, TableMap] = {}


def changed(table_map: TableMap, target: str, **changes: object) -> TableMap:
    """The map with another field."""
    content = table_map.model_dump(mode="json")
    [field] = [each for each in content["fields"] if each["target"] == target]
    field.update(changes)
    return TableMap.model_validate(content)


async def findings(patient: Patient, name: str, **maps: TableMap) -> dict[str, Finding]:
    """Those that are not ok, by what they are about."""
    found = await patient.diagnose(NAMED[name], maps={**patient.ports.maps, **maps})
    return {finding.about: finding for finding in found if finding.verdict != Verdict.OK}


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.name)
async def test_all_is_well(patient: Patient, check: Check) -> None:
    found = await patient.diagnose(check)
    assert {finding.verdict for finding in found} == {Verdict.OK}, found


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.name)
async def test_what_may_not_be_seen_is_unknown(patient: Patient, check: Check) -> None:
    await patient.dataverse.switch(forbidTables=SOURCES[check.name])
    found = await patient.diagnose(check)
    verdicts = {finding.verdict for finding in found}
    assert Verdict.UNKNOWN in verdicts
    assert verdicts <= {Verdict.UNKNOWN, Verdict.OK}


async def test_one_forbidden_table_hides_no_other_map(patient: Patient) -> None:
    await patient.dataverse.switch(missingPrivileges="prvReadProduct")
    found = await findings(patient, "map-query")
    assert {about: finding.verdict for about, finding in found.items()} == {"actuals": Verdict.UNKNOWN}
    assert "prvReadProduct" in found["actuals"].next_step


async def test_a_column_that_an_older_solution_lacks(patient: Patient) -> None:
    await patient.dataverse.switch(
        missingColumns="msdyn_actual.msdyn_externaloriginreference,msdyn_projecttask.msdyn_activitynumber"
    )
    found = await findings(patient, "map-columns")
    assert found.keys() == {"actuals"}
    assert found["actuals"].verdict == Verdict.FAIL
    for text in (
        "EXTERNALORIGINREFERENCE from",
        "TASKNUMBER from msdyn_Task.msdyn_activitynumber: msdyn_projecttask has no",
    ):
        assert text in found["actuals"].seen
    assert "msdyn_externaloriginreference" in (await findings(patient, "map-query"))["actuals"].seen


async def test_a_lookup_that_is_missing_is_told_once_for_each_field(patient: Patient) -> None:
    await patient.dataverse.switch(missingColumns="msdyn_actual.msdyn_task")
    found = await findings(patient, "map-columns")
    assert (
        "TASKNUMBER from msdyn_Task.msdyn_activitynumber: msdyn_actual has no navigation property"
        in found["actuals"].seen
    )


async def test_the_case_of_a_navigation_property_counts(patient: Patient) -> None:
    content = patient.ports.maps["actuals"].model_dump(mode="json")
    content["source"]["lookups"].append("msdyn_task")
    wrong = TableMap.model_validate(content)
    wrong = changed(wrong, "TASKNUMBER", source="msdyn_task.msdyn_activitynumber")
    found = await findings(patient, "map-columns", actuals=wrong)
    assert "it is written msdyn_Task" in found["actuals"].seen


async def test_a_column_that_is_a_lookup_needs_a_path(patient: Patient) -> None:
    wrong = changed(patient.ports.maps["actuals"], "TASKNUMBER", source="msdyn_task")
    assert (
        "msdyn_task of msdyn_actual is a lookup"
        in (await findings(patient, "map-columns", actuals=wrong))["actuals"].seen
    )


async def test_a_table_that_is_not_there_is_told_alone(patient: Patient) -> None:
    headers = patient.ports.maps["invoices"]
    strange = headers.model_copy(update={"source": headers.source.model_copy(update={"set": "strange_tables"})})
    found = await findings(patient, "map-columns", invoices=strange)
    assert (found["invoices"].verdict, found["invoices"].seen) == (Verdict.FAIL, "there is no table strange_tables")
    assert (await findings(patient, "map-query", invoices=strange))["invoices"].verdict == Verdict.FAIL


async def test_what_is_written_back_must_be_writable(patient: Patient) -> None:
    actuals = patient.ports.maps["actuals"]
    assert actuals.writeBack is not None
    columns = {"strategy": "customColumns", "columns": {"VOUCHERNUMBER": "createdon", "EXCHANGERATE": "contoso_rate"}}
    back = actuals.model_copy(update={"writeBack": actuals.writeBack.model_copy(update=columns)})
    seen = (await findings(patient, "map-columns", actuals=back))["actuals"].seen
    assert "VOUCHERNUMBER to createdon: the column cannot be updated" in seen
    assert "EXCHANGERATE to contoso_rate: msdyn_actual has no column contoso_rate" in seen


async def test_a_filter_that_dataverse_refuses(patient: Patient) -> None:
    headers = patient.ports.maps["invoices"]
    quoted = headers.source.model_copy(update={"filter": "msdyn_ordertype eq '192350001'"})
    found = await findings(patient, "map-query", invoices=headers.model_copy(update={"source": quoted}))
    assert (found["invoices"].verdict, "refuses the query" in found["invoices"].seen) == (Verdict.FAIL, True)


async def test_choices_with_other_values(patient: Patient) -> None:
    await patient.dataverse.switch(missingChoices="billingtype=192350002", addedChoices="billingtype=192350009")
    found = await patient.diagnose(NAMED["map-choices"])
    assert [(finding.verdict, finding.about) for finding in found] == [(Verdict.WARN, "actuals: BILLINGTYPE")] * 2
    assert "192350002 (Complimentary)" in found[0].seen
    assert "192350009 (Option 192350009)" in found[1].seen


async def test_a_choice_that_the_job_measures_by_must_have_its_values(patient: Patient) -> None:
    await patient.dataverse.switch(missingChoices="transactiontype=192350006")
    found = await findings(patient, "map-choices")
    assert {about: finding.verdict for about, finding in found.items()} == {"actuals: TRANSACTIONTYPE": Verdict.FAIL}


@pytest.mark.parametrize(
    ("target", "values"),
    [
        ("ISJOURNALIZED", {"Yes": 1, "No": 0}),
        ("BILLINGTYPE", {"Chargeable": True}),
        ("DESCRIPTION", {"Chargeable": 192350001}),
    ],
)
async def test_values_of_the_wrong_type_match_no_row(patient: Patient, target: str, values: dict[str, object]) -> None:
    content = patient.ports.maps["actuals"].model_dump(mode="json")
    content["target"]["changes"] = []
    wrong = changed(TableMap.model_validate(content), target, transform={"kind": "valueMap", "values": values})
    found = await findings(patient, "map-choices", actuals=wrong)
    assert (found[f"actuals: {target}"].verdict, "never match" in found[f"actuals: {target}"].seen) == (
        Verdict.FAIL,
        True,
    )


@pytest.mark.parametrize(
    ("column", "behaviour", "target", "verdict"),
    [
        ("msdyn_transactiondate", "UserLocal", "DOCUMENTDATE", Verdict.FAIL),
        ("msdyn_accountingdate", "TimeZoneIndependent", "ACCOUNTINGDATE", Verdict.WARN),
        ("msdyn_startdatetime", "TimeZoneIndependent", "STARTDATE", Verdict.FAIL),
    ],
)
async def test_a_date_of_another_behaviour(
    patient: Patient, column: str, behaviour: str, target: str, verdict: Verdict
) -> None:
    await patient.dataverse.switch(dateBehaviors=f"msdyn_actual.{column}={behaviour}")
    found = await findings(patient, "map-dates")
    assert {about: finding.verdict for about, finding in found.items()} == {f"actuals: {target}": verdict}
    assert behaviour in found[f"actuals: {target}"].seen


async def test_a_date_without_a_transform_and_a_transform_without_a_date(patient: Patient) -> None:
    plain = changed(patient.ports.maps["actuals"], "ACCOUNTINGDATE", transform=None)
    wrong = changed(plain, "DOCUMENTDATE", source="msdyn_description")
    found = await findings(patient, "map-dates", actuals=wrong)
    assert {about: finding.verdict for about, finding in found.items()} == {
        "actuals: ACCOUNTINGDATE": Verdict.WARN,
        "actuals: DOCUMENTDATE": Verdict.FAIL,
    }


async def test_a_day_without_a_zone_must_be_one(patient: Patient) -> None:
    free = {"kind": "localDay", "zoneFree": "msdyn_documentdate"}
    wrong = changed(patient.ports.maps["actuals"], "ACCOUNTINGDATE", transform=free)
    found = await findings(patient, "map-dates", actuals=wrong)
    assert "msdyn_documentdate is taken for a day" in found["actuals: ACCOUNTINGDATE"].seen
