"""A package of each entity goes in, and can be read back."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from urllib.parse import parse_qs, urlsplit

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

AWKWARD = 'Quote "here", comma, and\r\na line break, Grüße, 東京, 🙂'


async def test_a_header_then_actuals_then_connections_are_all_taken(finance: Finance) -> None:
    number, work = new_number(), unbilled()
    bill = billed(number)
    for label, rows in ((HEADERS, [header(number)]), (ACTUALS, [work, bill])):
        assert (await finance.run(package_of(label, rows)))[0] == "Succeeded"
    link = connection(bill["ACTUALID"], work["ACTUALID"])
    status, execution = await finance.run(package_of(CONNECTIONS, [link]))
    assert status == "Succeeded"
    job = await finance.job(execution)
    assert (job["EntityName"], job["StagingStatus"], job["TargetStatus"]) == (CONNECTIONS, "Finished", "Finished")
    assert link["CONNECTIONID"] in {row["ConnectionId"] for row in await finance.lines("connections")}


async def test_what_went_in_comes_out_exactly(finance: Finance) -> None:
    number = new_number()
    bill = billed(number, AMOUNT="123456789012.123456", UNITPRICE="-0.0001", DESCRIPTION=AWKWARD, QUANTITY="")
    await finance.run(package_of(HEADERS, [header(number)]))
    await finance.run(package_of(ACTUALS, [bill]))
    key = f"dataAreaId='usmf',ActualsImportId={bill['ACTUALSIMPORTID']}"
    row = await finance.get(f"/data/ProjActualsImports({key})")
    assert row["Amount"] == Decimal("123456789012.123456")
    assert row["UnitPrice"] == Decimal("-0.0001")
    assert row["Description"] == AWKWARD
    assert (row["TransactionType"], row["BillingType"], row["IsJournalized"]) == ("BilledSales", "Chargeable", "No")
    assert (row["DocumentDate"], row["StartDate"]) == ("2026-03-30T12:00:00Z", "1900-01-01T12:00:00Z")
    assert (row["Quantity"], row["VoucherNumber"]) == (0, "")


async def test_the_same_rows_again_are_updates(finance: Finance) -> None:
    work = unbilled()
    _, first = await finance.run(package_of(ACTUALS, [work]))
    _, second = await finance.run(package_of(ACTUALS, [work | {"AMOUNT": "7"}, unbilled()]))
    counts = [
        (job["TargetRecordsCreatedCount"], job["TargetRecordsUpdatedCount"])
        for job in (await finance.job(first), await finance.job(second))
    ]
    assert counts == [(1, 0), (1, 1)]


async def test_an_update_leaves_the_fields_alone_that_it_does_not_map(finance: Finance) -> None:
    work = unbilled()
    await finance.run(package_of(ACTUALS, [work]))
    await finance.run(package_of(ACTUALS, [{"ACTUALSIMPORTID": work["ACTUALSIMPORTID"].upper(), "AMOUNT": "7"}]))
    key = f"dataAreaId='usmf',ActualsImportId={work['ACTUALSIMPORTID']}"
    row = await finance.get(f"/data/ProjActualsImports({key})?$select=Amount,Description")
    assert (row["Amount"], row["Description"]) == (7, "Consulting")


async def test_the_write_url_is_json_in_a_string_with_a_signature_of_half_an_hour(finance: Finance) -> None:
    now = datetime.now(UTC)
    target = json.loads(await finance.value("GetAzureWriteUrl", uniqueFileName="some package.zip"))
    signature = {name: values[0] for name, values in parse_qs(urlsplit(target["BlobUrl"]).query).items()}
    starts, ends = (datetime.fromisoformat(signature[name]) for name in ("st", "se"))
    assert urlsplit(target["BlobUrl"]).path == "/financedmf/dmf/some%20package.zip"
    assert (signature["sp"], signature["sr"]) == ("rw", "b")
    assert abs(starts - now + timedelta(minutes=5)) < timedelta(seconds=10)
    assert abs(ends - now - timedelta(minutes=30)) < timedelta(seconds=10)


async def test_the_signature_ends(finance: Finance) -> None:
    await finance.switch(sasSeconds=-1.0)
    target = json.loads(await finance.value("GetAzureWriteUrl", uniqueFileName="late.zip"))
    headers = {"x-ms-blob-type": "BlockBlob"}
    async with finance.session.put(target["BlobUrl"], data=b"x", headers=headers) as answer:
        assert answer.status == 403


async def test_an_execution_is_not_found_at_first_then_runs_then_ends(finance: Finance) -> None:
    await finance.switch(notFoundPolls=2, importFixedSeconds=0.8)
    execution = await finance.started(package_of(ACTUALS, [unbilled()]))
    first = await finance.call("GetExecutionSummaryStatus", executionId=execution)
    assert first.status == 400
    assert first.message == (
        "Exception occurred while executing action GetExecutionSummaryStatus on Entity DataManagementDefinitionGroup: "
        f"Execution details were not found for execution id: {execution}"
    )
    seen: list[str] = []
    while not seen or seen[-1] not in {"Succeeded", "Failed"}:
        seen.append(await finance.status(execution))
    assert [status for status, last in zip(seen, ["?", *seen], strict=False) if status != last] == [
        "",
        "NotRun",
        "Executing",
        "Succeeded",
    ]


async def test_an_unknown_execution_is_never_found_and_has_no_job(finance: Finance) -> None:
    execution = new_id()
    assert {await finance.status(execution) for _ in range(5)} == {""}
    assert (await finance.get(f"/data/DataManagementExecutionJobDetails?$filter=JobId eq '{execution}'"))["value"] == []


async def test_a_running_import_is_found_by_its_data_project(finance: Finance) -> None:
    project = f"Relay {new_id()}"
    await finance.run(package_of(ACTUALS, [unbilled()]), definitionGroupId=project)
    found = await finance.get(f"/data/DataManagementExecutionJobDetails?$filter=DefinitionGroupId eq '{project}'")
    assert [job["TargetRecordsCreatedCount"] for job in found["value"]] == [1]
    assert (await finance.get(f"/data/DataManagementDefinitionGroups('{project}')"))["Name"] == project


async def test_an_empty_execution_id_is_filled_in(finance: Finance) -> None:
    execution = await finance.started(package_of(ACTUALS, [unbilled()]), executionId="")
    assert await finance.finish(execution) == "Succeeded"


async def test_three_entities_in_one_package_go_level_by_level(finance: Finance) -> None:
    number, work = new_number(), unbilled()
    bill = billed(number)
    files = [
        EntityFile(CONNECTIONS, [connection(bill["ACTUALID"], work["ACTUALID"])], name="c.csv", level=3),
        EntityFile(ACTUALS, [bill, work], name="a.csv", level=2),
        EntityFile(HEADERS, [header(number)], name="h.csv", level=1),
    ]
    status, execution = await finance.run(Package(files))
    assert status == "Succeeded"
    journal = [entry["entity"] for entry in await finance.lines("journal") if entry["executionId"] == execution]
    assert journal == [HEADERS, ACTUALS, ACTUALS, CONNECTIONS]


async def test_the_synchronous_import_answers_when_the_package_is_unpacked(finance: Finance) -> None:
    await finance.switch(slowUnpackSeconds=0.2)
    started = asyncio.get_running_loop().time()
    reply = await finance.start(package_of(ACTUALS, [unbilled()]), action="ImportFromPackage")
    assert reply.status == 200
    assert asyncio.get_running_loop().time() - started > 0.2
    assert await finance.finish(reply.json["value"]) == "Succeeded"


async def test_staging_only_writes_no_target(finance: Finance) -> None:
    work = unbilled()
    status, execution = await finance.run(package_of(ACTUALS, [work]), execute=False)
    job = await finance.job(execution)
    assert (status, job["StagingStatus"], job["TargetStatus"]) == ("Succeeded", "Finished", "NotRun")
    assert (job["StagingRecordsCreatedCount"], job["TargetRecordsCreatedCount"]) == (1, 0)


async def test_progress_can_be_watched(finance: Finance) -> None:
    await finance.switch(importSecondsPerRow=0.0002)
    execution = await finance.started(package_of(ACTUALS, [unbilled() for _ in range(1500)]))
    seen: set[int] = set()
    while await finance.status(execution) != "Succeeded":
        found = await finance.get(f"/data/DataManagementExecutionJobDetails?$filter=JobId eq '{execution}'")
        seen |= {job["TargetRecordsCreatedCount"] for job in found["value"]}
    assert seen & {500, 1000}
    assert (await finance.job(execution))["TargetRecordsCreatedCount"] == 1500
