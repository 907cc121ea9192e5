"""Every way in which a package or a call for its import goes wrong."""

import asyncio
import json
import zipfile
from io import BytesIO
from typing import Any

import pytest

from tests.simulators.finance.client import Finance
from tests.simulators.finance.packages import (
    ACTUALS,
    CONNECTIONS,
    HEADERS,
    EntityFile,
    Package,
    billed,
    connection,
    header,
    new_id,
    new_number,
    package_of,
    unbilled,
)


def actuals(**spoiled: object) -> Package:
    return package_of(ACTUALS, [unbilled()], **spoiled)


@pytest.mark.parametrize(
    ("package", "text"),
    [
        (b"no zip at all", "End of Central Directory record could not be found."),
        (Package([], folder="package/"), "Could not find file 'C:\\windows\\TEMP\\"),
        (Package([], leave_out="PackageHeader.xml"), "\\PackageHeader.xml'."),
        (Package([], leave_out="Manifest.xml"), "\\Manifest.xml'."),
        (Package([], namespace="http://example.com/wrong"), "from namespace"),
        (
            package_of("Project actuals", [unbilled()]),
            "Entity Project actuals does not exist in the target environment",
        ),
    ],
    ids=["not a zip", "folder in the zip", "no header", "no manifest", "wrong namespace", "unknown entity"],
)
@pytest.mark.parametrize("action", ["ImportFromPackage", "ImportFromPackageAsync"])
async def test_a_package_that_is_none_is_refused(
    finance: Finance, package: Package | bytes, text: str, action: str
) -> None:
    reply = await finance.start(package, action=action)
    assert reply.status == 400
    assert reply.message.startswith(f"Exception occurred while executing action {action} on Entity ")
    assert text in reply.message


async def test_a_tenant_may_look_into_the_package_only_after_the_answer(finance: Finance) -> None:
    await finance.switch(asyncChecksPackage=False)
    status, execution = await finance.run(package_of("Project actuals", [unbilled()]))
    assert status == "Failed"
    assert "does not exist in the target environment" in (await finance.errors(execution))[0]["ErrorMessage"]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8"])
async def test_manifest_and_header_may_be_utf16_or_utf8(finance: Finance, encoding: str) -> None:
    package = Package([EntityFile(ACTUALS, [unbilled()])], xml_encoding=encoding)
    assert (await finance.run(package))[0] == "Succeeded"


@pytest.mark.parametrize("spoiled", [{"mapping": {}}, {"map_first": False}], ids=["no map", "map out of order"])
async def test_without_a_map_an_import_succeeds_with_zero_rows(finance: Finance, spoiled: dict[str, Any]) -> None:
    status, execution = await finance.run(actuals(**spoiled))
    job = await finance.job(execution)
    assert (status, job["StagingRecordsCreatedCount"], job["TargetRecordsCreatedCount"]) == ("Succeeded", 0, 0)
    assert await finance.errors(execution) == []


async def test_members_out_of_alphabetical_order_are_dropped_without_a_word(finance: Finance) -> None:
    good = actuals().build()
    swapped = BytesIO()
    with zipfile.ZipFile(BytesIO(good)) as source, zipfile.ZipFile(swapped, "w") as target:
        for name in source.namelist():
            text = source.read(name)
            if name == "Manifest.xml":
                manifest = text.decode("utf-16")
                path = "<InputFilePath>data.csv</InputFilePath>"
                manifest = manifest.replace(path, "").replace("<SampleFilePath />", f"<SampleFilePath />{path}")
                text = manifest.encode("utf-16")
            target.writestr(name, text)
    status, execution = await finance.run(swapped.getvalue())
    assert status == "Failed"
    assert (await finance.errors(execution))[0]["ErrorMessage"] == "Could not find file '' in the package."


MAPPED = {name: name for name in unbilled()}


@pytest.mark.parametrize(
    ("spoiled", "text"),
    [
        ({"encoding": "utf-8"}, "Selected file is not Unicode"),
        ({"encoding": "utf-16-le"}, "Selected file is not Unicode"),
        ({"encoding": "utf-16-be"}, "Selected file is not Unicode"),
        ({"line_end": "\n"}, "the mapping is incorrect for entity Project Operations integration actuals and field {"),
        ({"mapping": MAPPED | {"SUBCONTRACTLINE": "SUBCONTRACTLINE"}}, "DMF2060"),
        ({"mapping": MAPPED | {"AMOUNT": "NOSUCHFIELD"}}, "DMF1966"),
        ({"mapping": MAPPED | {"AMOUNT": "Amount"}}, "DMF1966"),
        ({"mapping": {name: name for name in MAPPED if name != "AMOUNT"}}, "DMF1966"),
        ({"raw": "\ufeff".encode("utf-16-le")}, "DMF2053"),
        ({"raw": ",".join(MAPPED).encode("utf-16") + "\r\n1,2\r\n".encode("utf-16-le")}, "DMF2018"),
        ({"raw": ",".join(MAPPED).lower().encode("utf-16") + "\r\n".encode("utf-16-le")}, "DMF2060"),
        ({"source_format": "EXCEL"}, "DMF1855"),
    ],
    ids=[
        "UTF-8",
        "no byte order mark",
        "big endian",
        "line feeds only",
        "mapped column absent",
        "unknown field",
        "field in the wrong case",
        "column not mapped",
        "empty file",
        "too few columns",
        "header in lower case",
        "not CSV",
    ],
)
async def test_a_file_that_is_wrong_fails_its_whole_entity(
    finance: Finance, spoiled: dict[str, Any], text: str
) -> None:
    status, execution = await finance.run(actuals(**spoiled))
    assert status == "Failed"
    (error,) = await finance.errors(execution)
    assert text in error["ErrorMessage"]
    job = await finance.job(execution)
    assert (job["StagingStatus"], job["TargetStatus"], job["TargetRecordsCreatedCount"]) == ("Error", "NotRun", 0)


async def test_a_key_twice_in_one_file_fails_the_whole_entity(finance: Finance) -> None:
    work = unbilled()
    again = work | {"ACTUALSIMPORTID": work["ACTUALSIMPORTID"].upper()}
    status, execution = await finance.run(package_of(ACTUALS, [unbilled(), work, again]))
    assert status == "Failed"
    message = (await finance.errors(execution))[0]["ErrorMessage"]
    assert "DMF1959" in message
    assert "DMF2057" in message
    assert (await finance.job(execution))["TargetRecordsCreatedCount"] == 0


async def test_one_entity_may_fail_and_another_stand(finance: Finance) -> None:
    files = [
        EntityFile(HEADERS, [header(new_number())], name="h.csv"),
        EntityFile(ACTUALS, [unbilled()], name="a.csv", encoding="utf-8"),
    ]
    assert (await finance.run(Package(files)))[0] == "PartiallySucceeded"


@pytest.mark.parametrize(("fail_unit", "created"), [(True, 0), (False, 1)])
async def test_a_failed_level_stops_its_unit_when_asked(finance: Finance, fail_unit: bool, created: int) -> None:
    work = unbilled()
    files = [
        EntityFile(HEADERS, [header("")], name="h.csv", level=1, fail_unit=fail_unit),
        EntityFile(ACTUALS, [work], name="a.csv", level=2),
    ]
    _, execution = await finance.run(Package(files))
    accepted = [entry for entry in await finance.lines("journal") if entry["executionId"] == execution]
    assert len(accepted) == created


@pytest.mark.parametrize("company", ["usmf1", "frrt"])
async def test_an_unknown_legal_entity_is_refused(finance: Finance, company: str) -> None:
    reply = await finance.start(actuals(), legalEntityId=company)
    assert reply.status == 400
    assert company in reply.message


async def test_a_used_execution_id_is_refused(finance: Finance) -> None:
    execution = await finance.started(actuals())
    await finance.finish(execution)
    before = await finance.sim("counts")
    reply = await finance.start(actuals(), executionId=execution)
    assert reply.status == 400
    assert f"execution id '{execution}' already exists" in reply.message
    assert await finance.sim("counts") == before


async def test_a_data_project_is_made_once_and_then_only_overwritten_when_asked(finance: Finance) -> None:
    project = f"Relay {new_id()}"
    assert (await finance.run(actuals(), definitionGroupId=project, overwrite=False))[0] == "Succeeded"
    reply = await finance.start(actuals(), definitionGroupId=project, overwrite=False)
    assert reply.status == 400
    assert reply.message.endswith(f"The data project '{project}' exists and overwrite has not been specified.")
    assert (await finance.run(actuals(), definitionGroupId=project, overwrite=True))[0] == "Succeeded"


@pytest.mark.parametrize("busy", ["refuse", "fail"])
async def test_a_second_import_on_a_busy_data_project_clashes(finance: Finance, busy: str) -> None:
    await finance.switch(importFixedSeconds=2.0, busyProject=busy)
    clashes = (await finance.sim("counts"))["clashes"]
    project = f"Relay {new_id()}"
    first = await finance.started(actuals(), definitionGroupId=project)
    second = await finance.start(actuals(), definitionGroupId=project)
    await finance.switch(importFixedSeconds=0.0)
    other = await finance.started(actuals())
    if busy == "refuse":
        assert second.status == 400
        assert "DMF1996" in second.message
    else:
        assert await finance.finish(second.json["value"]) == "Failed"
        assert "DMF2025" in (await finance.errors(second.json["value"]))[0]["ErrorMessage"]
    assert {await finance.finish(one) for one in (first, other)} == {"Succeeded"}
    assert (await finance.sim("counts"))["clashes"] == clashes + 1


async def test_two_at_once_on_one_data_project_never_both_run(finance: Finance) -> None:
    await finance.switch(importFixedSeconds=2.0)
    project = f"Relay {new_id()}"
    replies = await asyncio.gather(*(finance.start(actuals(), definitionGroupId=project) for _ in range(5)))
    assert sorted(reply.status for reply in replies) == [200, 400, 400, 400, 400]


async def test_only_finances_own_blobs_are_imported(finance: Finance) -> None:
    for url in ("http://127.0.0.1:1/financedmf/dmf/x.zip", "https://example.com/x.zip", ""):
        reply = await finance.start(actuals(), packageUrl=url)
        assert (reply.status, "not a URL of the data management" in reply.message) == (400, True)


async def test_a_package_that_was_never_uploaded_is_refused(finance: Finance) -> None:
    url = (await finance.upload(actuals())).replace(".zip", ".zap")
    reply = await finance.start(actuals(), packageUrl=url)
    assert reply.status == 400
    assert "The remote server returned an error: (403)" in reply.message


async def test_all_nine_parameters_are_wanted(finance: Finance) -> None:
    body = {"packageUrl": "x", "definitionGroupId": "p", "executionId": "", "execute": True, "overwrite": True}
    reply = await finance.call("ImportFromPackageAsync", **body, legalEntityId="usmf", failOnError=False)
    assert reply.status == 400
    assert "'runAsyncWithoutBatch' is missing" in reply.message


async def test_connections_have_no_company(finance: Finance) -> None:
    number, work = new_number(), unbilled()
    bill = billed(number)
    await finance.run(package_of(HEADERS, [header(number)]), legalEntityId="demf")
    await finance.run(package_of(ACTUALS, [work, bill]), legalEntityId="demf")
    link = connection(bill["ACTUALID"], work["ACTUALID"])
    await finance.run(package_of(CONNECTIONS, [link]), legalEntityId="demf")
    _, execution = await finance.run(package_of(CONNECTIONS, [link]), legalEntityId="usmf")
    job = await finance.job(execution)
    assert (job["TargetRecordsCreatedCount"], job["TargetRecordsUpdatedCount"]) == (0, 1)


@pytest.mark.parametrize("name", ["importFailsWhole", "succeedsWithZeroRows"])
async def test_imports_can_be_made_to_fail_whole_or_do_nothing(finance: Finance, name: str) -> None:
    await finance.switch(**{name: 1})
    status, execution = await finance.run(actuals())
    assert status == {"importFailsWhole": "Failed", "succeedsWithZeroRows": "Succeeded"}[name]
    assert (await finance.job(execution))["TargetRecordsCreatedCount"] == 0
    assert (await finance.run(actuals()))[0] == "Succeeded"


async def test_a_whole_failure_has_the_status_and_the_text_that_were_asked_for(finance: Finance) -> None:
    await finance.switch(importFailsWhole=1, importFailsAs="Canceled", importFailsWith="DMF2036 The index was rebuilt.")
    status, execution = await finance.run(actuals())
    assert status == "Canceled"
    assert "DMF2036 The index was rebuilt." in await finance.value("GetExecutionErrors", executionId=execution)
    await finance.switch(importFailsWhole=1, importFailsAs="Failed", importFailsWith="")
    status, execution = await finance.run(actuals())
    assert (status, await finance.value("GetExecutionErrors", executionId=execution)) == ("Failed", "[]")


@pytest.mark.parametrize(("form", "status"), [("own", 400), ("own", 500), ("page", 500), ("page", 503)])
@pytest.mark.parametrize("late", [False, True])
async def test_a_start_can_be_refused_before_or_after_it_has_happened(
    finance: Finance, *, form: str, status: int, late: bool
) -> None:
    await finance.switch(refuseStarts=1, refuseStartsForm=form, refuseStartsStatus=status, refuseStartsLate=late)
    execution = f"relay-{new_id()}"
    reply = await finance.start(actuals(), executionId=execution)
    assert reply.status == status
    assert ("deadlock occurred" in reply.text) is (form == "own")
    again = await finance.start(actuals(), executionId=execution)
    assert again.status == (400 if late else 200)


async def test_a_file_can_be_refused_for_what_it_holds(finance: Finance) -> None:
    work = unbilled()
    await finance.switch(refuseStartsContaining=work["ACTUALID"], refuseStartsWith="record has never been selected")
    assert "never been selected" in (await finance.start(package_of(ACTUALS, [work]))).message
    assert (await finance.start(actuals())).status == 200


async def test_the_counts_of_an_import_can_be_wrong(finance: Finance) -> None:
    await finance.switch(saidCount=7)
    _, execution = await finance.run(actuals())
    job = await finance.job(execution)
    assert (job["TargetRecordsCreatedCount"], job["TargetRecordsUpdatedCount"]) == (7, 0)


async def test_a_value_too_long_fails_the_entity_and_names_no_row(finance: Finance) -> None:
    short, long = ({**unbilled(), "DESCRIPTION": "x" * length} for length in (40, 41))
    await finance.switch(longestValues={"DESCRIPTION": 40})
    assert (await finance.run(package_of(ACTUALS, [short])))[0] == "Succeeded"
    status, execution = await finance.run(package_of(ACTUALS, [short, long]))
    assert (status, (await finance.job(execution))["TargetRecordsCreatedCount"]) == ("Failed", 0)
    [error] = json.loads(await finance.value("GetExecutionErrors", executionId=execution))
    assert error["RecordId"] == ""
    assert long["ACTUALID"] not in error["ErrorMessage"]


async def test_an_import_can_be_made_to_run_for_ever(finance: Finance) -> None:
    await finance.switch(importNeverEnds=1)
    project = f"Relay {new_id()}"
    execution = await finance.started(actuals(), definitionGroupId=project)
    while await finance.status(execution) != "Executing":
        pass
    assert (await finance.start(actuals(), definitionGroupId=project)).status == 400
    assert await finance.status(execution) == "Executing"
