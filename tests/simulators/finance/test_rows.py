"""What the entities reject row by row, how the errors are reported, and that the other rows are accepted."""

import csv
import io
import json

import pytest

from tests.simulators.finance.client import Finance
from tests.simulators.finance.packages import (
    ACTUALS,
    CONNECTIONS,
    HEADERS,
    Row,
    billed,
    connection,
    header,
    new_id,
    new_number,
    package_of,
    unbilled,
)

STAGING = [
    ("ACTUALID", "no-guid", 'The value "no-guid" cannot be converted to type Guid.'),
    ("AMOUNT", "1,5", "cannot be converted to type Real"),
    ("AMOUNT", "1e3", "cannot be converted to type Real"),
    ("AMOUNT", "0.1234567", "has more than 6 decimals"),
    ("AMOUNT", "99999999999999", "is too large"),
    ("DOCUMENTDATE", "31.03.2026", "DMF2016"),
    ("DOCUMENTDATE", "2026-02-30", "DMF2016"),
    ("DOCUMENTDATE", "2026-03-30T00:00:00Z", "DMF2016"),
    ("BILLINGTYPE", "192350001", "is not an element of enum ProjBillingType"),
    ("TRANSACTIONTYPE", "Unbilled Sales", "is not an element of enum ProjCDSTransType"),
    ("ISJOURNALIZED", "true", "is not an element of enum NoYes"),
    ("TRANSACTIONCLASSIFICATION", "Time", "cannot be converted to type Int64"),
    ("DESCRIPTION", "x" * 256, "of 256 characters would be truncated to 255"),
    ("INVOICEPROPOSALID", "x" * 21, "of 21 characters would be truncated to 20"),
]
TARGET = [
    ("ACCOUNTINGDATE", "", "Field 'Accounting date' must be filled in."),
    ("DOCUMENTDATE", "", "Field 'Document date' must be filled in."),
    ("BILLINGTYPE", "", "Field 'Billing type' must be filled in."),
    ("BILLINGTYPE", "notSpecified", "Field 'Billing type' must be filled in."),
    ("PROJECTID", "", "Field 'Project ID' must be filled in."),
    ("TRANSACTIONCLASSIFICATION", "", "Field 'Transaction classification' must be filled in."),
    ("TRANSACTIONCURRENCYID", "", "Field 'Currency' must be filled in."),
    (
        "TRANSACTIONCURRENCYID",
        "XYZ",
        "The value 'XYZ' in field 'Currency' is not found in the related table 'Currencies'.",
    ),
]


@pytest.mark.parametrize(("field", "value", "text"), STAGING)
async def test_a_value_that_does_not_fit_its_field_never_reaches_the_target(
    finance: Finance, field: str, value: str, text: str
) -> None:
    bad = unbilled() | {field: value}
    status, execution = await finance.run(package_of(ACTUALS, [unbilled(), bad, unbilled()]))
    assert status == "PartiallySucceeded"
    (error,) = await finance.errors(execution)
    assert (error["RecordId"], error["Field"]) == (f"usmf,{bad['ACTUALSIMPORTID']}", field)
    assert text in error["ErrorMessage"]
    job = await finance.job(execution)
    assert (job["StagingRecordsCreatedCount"], job["StagingErrorCount"]) == (2, 1)
    assert (job["StagingStatus"], job["TargetStatus"], job["TargetRecordsCreatedCount"]) == ("Error", "Finished", 2)


@pytest.mark.parametrize(("field", "value", "text"), TARGET)
async def test_a_row_that_breaks_a_rule_of_the_entity_is_refused_alone(
    finance: Finance, field: str, value: str, text: str
) -> None:
    bad = unbilled() | {field: value}
    status, execution = await finance.run(package_of(ACTUALS, [unbilled(), bad]))
    assert status == "PartiallySucceeded"
    (error,) = await finance.errors(execution)
    assert (error["RecordId"], error["Field"]) == (f"usmf,{bad['ACTUALSIMPORTID']}", field)
    assert error["ErrorMessage"].splitlines()[0] == text
    job = await finance.job(execution)
    assert (job["TargetStatus"], job["TargetRecordsCreatedCount"], job["TargetErrorCount"]) == ("Error", 1, 1)


async def test_nothing_taken_is_failed(finance: Finance) -> None:
    assert (await finance.run(package_of(ACTUALS, [unbilled(PROJECTID="")])))[0] == "Failed"


async def test_a_missing_line_property_refuses_billing_type_not_available(finance: Finance) -> None:
    row = unbilled(BILLINGTYPE="notAvailable")
    assert (await finance.run(package_of(ACTUALS, [row])))[0] == "Succeeded"
    await finance.switch(linePropertyMissing=True)
    status, execution = await finance.run(package_of(ACTUALS, [row]))
    assert status == "Failed"
    assert "Line property Not available doesn't exist" in (await finance.errors(execution))[0]["ErrorMessage"]


async def test_billed_sales_before_their_header_are_refused(finance: Finance) -> None:
    number = new_number()
    bill = billed(number)
    await finance.run(package_of(HEADERS, [header(number)]), legalEntityId="demf")
    status, execution = await finance.run(package_of(ACTUALS, [bill]))
    assert status == "Failed"
    (error,) = await finance.errors(execution)
    text = f"The value '{number}' in field 'Invoice proposal' is not found in the related table"
    assert error["ErrorMessage"].startswith(text)
    await finance.run(package_of(HEADERS, [header(number.lower())]))
    assert (await finance.run(package_of(ACTUALS, [bill])))[0] == "Succeeded"


@pytest.mark.parametrize("end", ["TRANSACTION1ID", "TRANSACTION2ID"])
async def test_connections_before_their_actuals_are_refused(finance: Finance, end: str) -> None:
    work, other = unbilled(), unbilled()
    await finance.run(package_of(ACTUALS, [work, other]))
    link = connection(work["ACTUALID"], other["ACTUALID"]) | {end: new_id()}
    status, execution = await finance.run(package_of(CONNECTIONS, [link]))
    assert status == "Failed"
    (error,) = await finance.errors(execution)
    assert (error["RecordId"], error["Field"]) == (link["CONNECTIONID"], end)
    assert "is not found in the related table 'Project Operations integration actuals'" in error["ErrorMessage"]


async def test_an_end_that_is_no_actual_need_not_be_there(finance: Finance) -> None:
    work = unbilled()
    await finance.run(package_of(ACTUALS, [work]))
    link = connection(new_id(), work["ACTUALID"], TRANSACTION1TYPE="msdyn_journalline")
    assert (await finance.run(package_of(CONNECTIONS, [link])))[0] == "Succeeded"


@pytest.mark.parametrize("field", [name for name in connection("", "") if name != "CONNECTIONID"])
async def test_all_six_fields_of_a_connection_are_mandatory(finance: Finance, field: str) -> None:
    work = unbilled()
    await finance.run(package_of(ACTUALS, [work]))
    link = connection(work["ACTUALID"], work["ACTUALID"]) | {field: ""}
    _, execution = await finance.run(package_of(CONNECTIONS, [link]))
    assert [error["Field"] for error in await finance.errors(execution)] == [field]


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"INVOICEPROPOSALID": ""}, "must be filled in"),
        ({"INVOICEPROPOSALID": "x" * 21}, "would be truncated to 20"),
        ({"PROJECTCONTRACTID": ""}, "Field 'Project contract ID' must be filled in."),
        ({"SALESCURRENCY": ""}, "Field 'Currency' must be filled in."),
        ({"SALESCURRENCY": "XYZ"}, "is not found in the related table 'Currencies'"),
        ({"PROJECTCONTRACTID": "C-2"}, "is not found in the related table 'Project contracts'"),
    ],
)
async def test_a_header_is_checked(finance: Finance, changes: Row, text: str) -> None:
    await finance.switch(contracts=["C-1"])
    status, execution = await finance.run(package_of(HEADERS, [header(new_number()) | changes]))
    assert status == "Failed"
    assert text in (await finance.errors(execution))[0]["ErrorMessage"]


@pytest.mark.parametrize("form", ["row", "recid"])
async def test_the_record_id_of_an_error_may_be_something_else(finance: Finance, form: str) -> None:
    await finance.switch(recordIdForm=form)
    bad = unbilled(PROJECTID="")
    _, execution = await finance.run(package_of(ACTUALS, [unbilled(), unbilled(), bad]))
    (error,) = await finance.errors(execution)
    assert error["RecordId"] == "3" if form == "row" else int(error["RecordId"]) > 2**32


async def test_the_error_list_is_often_no_json(finance: Finance) -> None:
    await finance.switch(
        errorsWellFormed=False, rejectRows=[{"entity": ACTUALS, "everyNth": 1, "message": 'Item "A"\r\nis on hold.'}]
    )
    rows = [unbilled(), unbilled()]
    _, execution = await finance.run(package_of(ACTUALS, rows))
    text = await finance.value("GetExecutionErrors", executionId=execution)
    with pytest.raises(json.JSONDecodeError):
        json.loads(text)
    assert text.startswith(f'[{{"RecordId":"usmf,{rows[0]["ACTUALSIMPORTID"]}","Field":"","ErrorMessage":"Item "A"\r\n')
    assert text.count('},{"RecordId"') == 1


async def test_rows_can_be_refused_by_rule(finance: Finance) -> None:
    rows = [unbilled(PROJECTID=f"P-{number}") for number in range(1, 11)]
    await finance.switch(
        rejectRows=[
            {"entity": ACTUALS, "field": "PROJECTID", "equals": "P-1", "message": "The project is closed."},
            {"entity": ACTUALS, "everyNth": 5},
            {"field": "projectid", "contains": "-7"},
        ]
    )
    _, execution = await finance.run(package_of(ACTUALS, rows))
    errors = await finance.errors(execution)
    refused = [error["RecordId"].split(",")[1] for error in errors]
    assert refused == [rows[at]["ACTUALSIMPORTID"] for at in (0, 4, 6, 9)]
    assert errors[0]["ErrorMessage"].startswith("The project is closed.")


async def read_csv(finance: Finance, url: str) -> list[list[str]]:
    async with finance.session.get(url) as answer:
        assert answer.status == 200
        return list(csv.reader(io.StringIO((await answer.read()).decode("utf-16"), newline="")))


async def test_the_keys_of_failed_rows_come_as_a_file_after_asking_and_waiting(finance: Finance) -> None:
    await finance.switch(errorKeysPolls=2)
    bad = unbilled(PROJECTID="")
    _, execution = await finance.run(package_of(ACTUALS, [unbilled(), bad]))
    which = {"executionId": execution, "entityName": ACTUALS}
    assert await finance.value("GetImportTargetErrorKeysFileUrl", **which) == ""
    assert await finance.value("GenerateImportTargetErrorKeysFile", **which) is True
    urls = [await finance.value("GetImportTargetErrorKeysFileUrl", **which) for _ in range(3)]
    assert urls[:2] == ["", ""]
    assert await read_csv(finance, urls[2]) == [["DATAAREAID", "ACTUALSIMPORTID"], ["usmf", bad["ACTUALSIMPORTID"]]]


async def test_without_failed_rows_there_is_no_file_of_keys(finance: Finance) -> None:
    _, execution = await finance.run(package_of(ACTUALS, [unbilled()]))
    which = {"executionId": execution, "entityName": ACTUALS}
    assert await finance.value("GenerateImportTargetErrorKeysFile", **which) is False
    assert await finance.value("GetImportTargetErrorKeysFileUrl", **which) == ""


async def test_rows_that_staging_refused_are_in_a_file_of_their_own(finance: Finance) -> None:
    bad = unbilled(AMOUNT="x")
    _, execution = await finance.run(package_of(ACTUALS, [unbilled(), bad]))
    which = {"executionId": execution, "entityName": ACTUALS}
    assert await finance.value("GenerateImportTargetErrorKeysFile", **which) is False
    url = await finance.value("GetImportStagingErrorFileUrl", **which)
    assert await read_csv(finance, url) == [list(bad.values())]


async def test_after_a_clean_up_the_files_are_gone(finance: Finance) -> None:
    _, execution = await finance.run(package_of(ACTUALS, [unbilled(AMOUNT="x"), unbilled(PROJECTID="")]))
    await finance.switch(stagingCleaned=True)
    which = {"executionId": execution, "entityName": ACTUALS}
    assert await finance.value("GetImportStagingErrorFileUrl", **which) == ""
    assert await finance.value("GenerateImportTargetErrorKeysFile", **which) is False


async def test_the_summary_calls_answer(finance: Finance) -> None:
    _, execution = await finance.run(package_of(ACTUALS, [unbilled()]))
    page = await finance.value("GetExecutionSummaryPageUrl", executionId=execution)
    statuses = await finance.value("GetEntityExecutionSummaryStatusList", executionId=execution)
    assert page.startswith(finance.url)
    assert [json.loads(one) for one in statuses] == [{"EntityName": ACTUALS, "EntityStatus": "Finished"}]
    assert (await finance.call("InitializeDataManagement")).status == 204
