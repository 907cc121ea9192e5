"""What the app asks Finance's Data Management, as it stands on the wire, and what it makes of the answers."""

import json
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote, urlsplit
from uuid import uuid4

import pytest

from shared.errors import ContractBroken, NotPermitted, Refused, Unavailable
from shared.services.finance import Counts, ImportStatus, RowError
from tests.contract.server import Reply, Server, html, said
from tests.contract.wiring import App

ACTION = "/data/DataManagementDefinitionGroups/Microsoft.Dynamics.DataEntities."
EXECUTION = "relay-actuals-6f1a0c1e"
CONTEXT = "https://contoso.operations.dynamics.com/data/$metadata#Edm.String"
EXPIRES = datetime(2026, 11, 20, 14, 32, 10, tzinfo=UTC)
SAS = "sv=2014-02-14&sr=b&sig=a%2Bb%2Fc%3D&st=2026-11-20T13%3A57%3A10Z&se=2026-11-20T14%3A32%3A10Z&sp=rw"


def answer(value: object) -> Reply:
    return said({"@odata.context": CONTEXT, "value": value})


def write_url(url: object) -> Reply:
    return answer(json.dumps({"BlobId": "{" + str(uuid4()).upper() + "}", "BlobUrl": url}))


def not_found(text: str, status: int = 400) -> Reply:
    message = f"Exception occurred while executing action GetExecutionSummaryStatus on Entity X: {text}"
    inner = {"message": message, "type": "System.InvalidOperationException", "stacktrace": ""}
    return said({"error": {"code": "", "message": "An error has occurred.", "innererror": inner}}, status)


def only(server: Server) -> tuple[str, str, Any]:
    [request] = server.received
    assert request.header("Content-Type") == "application/json"
    assert request.header("Cookie") is None
    assert request.token
    return request.method, request.target, json.loads(request.body)


async def test_a_write_url_is_asked_for_by_file_name_and_read_out_of_the_json_in_a_string(
    app: App, server: Server
) -> None:
    url = f"https://dmfstore.blob.core.windows.net/dmf/{EXECUTION}.zip?{SAS}"
    server.script(write_url(url))
    upload = await app.finance.write_url(f"{EXECUTION}.zip")
    assert only(server) == ("POST", f"{ACTION}GetAzureWriteUrl", {"uniqueFileName": f"{EXECUTION}.zip"})
    assert upload.url == url
    assert upload.expires == EXPIRES


async def test_an_expiry_that_is_a_date_alone_is_an_instant_too(app: App, server: Server) -> None:
    server.script(write_url("https://dmfstore.blob.core.windows.net/dmf/x.zip?sig=a&se=2026-11-20"))
    assert (await app.finance.write_url("x.zip")).expires == datetime(2026, 11, 20, tzinfo=UTC)


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example.com/dmf/x.zip",
        "https://dmf.blob.core.windows.net.example.com/dmf/x.zip",
        "https://blob.core.windows.net/dmf/x.zip",
        "https://evil.example.com/.blob.core.windows.net/x.zip",
        "https://evil.example.com?.blob.core.windows.net/x.zip",
        "https://evil.example.com#.blob.core.windows.net/x.zip",
        "https://evil.example.com\\.blob.core.windows.net/x.zip",
        "https://evil.example.com%2f.blob.core.windows.net/x.zip",
        "https://dmf.blob.core.windows.net@evil.example.com/x.zip",
        "https://user:password@dmf.blob.core.windows.net/x.zip",
        "https://:password@dmf.blob.core.windows.net/x.zip",
        "http://dmf.blob.core.windows.net/dmf/x.zip",
        "ftp://127.0.0.1/dmf/x.zip",
        "file:///etc/passwd",
        "//dmf.blob.core.windows.net/dmf/x.zip",
        "https://[::1/dmf/x.zip",
        "",
    ],
)
async def test_a_place_to_upload_to_outside_the_allowed_hosts_is_refused(app: App, server: Server, url: str) -> None:
    server.script(write_url(f"{url}?{SAS}"))
    with pytest.raises((ContractBroken, Unavailable)):
        await app.finance.write_url("x.zip")


async def test_a_refused_place_is_named_without_its_signature(app: App, server: Server) -> None:
    server.script(write_url(f"https://evil.example.com/x.zip?{SAS}"))
    with pytest.raises(ContractBroken, match="FINANCE_UPLOAD_HOSTS") as caught:
        await app.finance.write_url("x.zip")
    assert "evil.example.com" in str(caught.value)
    assert "sig=" not in str(caught.value)


@pytest.mark.parametrize(
    "value",
    [
        None,
        "",
        "no json",
        "[]",
        "7",
        '{"BlobId": "x"}',
        '{"BlobUrl": null}',
        '{"BlobUrl": "https://dmf.blob.core.windows.net/x.zip"}',
        '{"BlobUrl": "https://dmf.blob.core.windows.net/x.zip?se=soon"}',
        {"BlobUrl": f"https://dmf.blob.core.windows.net/x.zip?{SAS}"},
    ],
)
async def test_an_answer_without_a_signed_url_is_no_answer(app: App, server: Server, value: object) -> None:
    server.script(answer(value))
    with pytest.raises(Unavailable):
        await app.finance.write_url("x.zip")


async def test_an_import_is_started_with_all_nine_members(app: App, server: Server) -> None:
    server.script(answer(EXECUTION))
    url = f"https://dmfstore.blob.core.windows.net/dmf/{EXECUTION}.zip?{SAS}"
    await app.finance.start_import(
        project="InvoiceRelay-actuals-2", execution_id=EXECUTION, company="usmf", package_url=url
    )
    assert only(server) == (
        "POST",
        f"{ACTION}ImportFromPackageAsync",
        {
            "packageUrl": url,
            "definitionGroupId": "InvoiceRelay-actuals-2",
            "executionId": EXECUTION,
            "execute": True,
            "overwrite": True,
            "legalEntityId": "usmf",
            "failOnError": False,
            "runAsyncWithoutBatch": True,
            "thresholdToRunInBatch": 0,
        },
    )


async def test_an_import_that_is_answered_without_a_body_may_have_been_started(app: App, server: Server) -> None:
    server.script(Reply(204, b""))
    with pytest.raises(Unavailable, match="an empty body"):
        await app.finance.start_import(project="P", execution_id=EXECUTION, company="usmf", package_url="https://x")
    assert len(server.received) == 1


@pytest.mark.parametrize("status", ImportStatus)
async def test_the_state_of_an_import_is_read(app: App, server: Server, status: ImportStatus) -> None:
    server.script(answer(str(status)))
    assert await app.finance.status(EXECUTION) is status
    assert only(server) == ("POST", f"{ACTION}GetExecutionSummaryStatus", {"executionId": EXECUTION})


def test_only_an_import_that_is_over_is_final() -> None:
    assert {status for status in ImportStatus if not status.is_final} == {"Unknown", "NotRun", "Executing"}


async def test_an_import_that_is_not_found_yet_has_no_state(app: App, server: Server) -> None:
    server.script(not_found(f"Execution details were not found for execution id: {EXECUTION}"))
    assert await app.finance.status(EXECUTION) is None


@pytest.mark.parametrize("status", [400, 500])
async def test_in_whatever_words_finance_refuses_to_tell_the_import_has_no_state(
    app: App, server: Server, status: int
) -> None:
    """The job details say whether it arrived."""
    server.script(not_found("Die Ausführungsdetails fehlen.", status))
    assert await app.finance.status(EXECUTION) is None


@pytest.mark.parametrize("value", ["Finished", "succeeded", "", None, 3, {"state": "Succeeded"}])
async def test_an_unknown_state_is_no_answer(app: App, server: Server, value: object) -> None:
    server.script(answer(value))
    with pytest.raises(Unavailable, match="import status"):
        await app.finance.status(EXECUTION)


async def test_the_counts_of_an_import_are_asked_for_across_companies_and_summed(app: App, server: Server) -> None:
    rows = [
        {"JobId": EXECUTION, "TargetRecordsCreatedCount": 3, "TargetRecordsUpdatedCount": 1},
        {"JobId": EXECUTION, "TargetRecordsCreatedCount": 4, "TargetRecordsUpdatedCount": 0},
        {"JobId": EXECUTION, "TargetRecordsCreatedCount": None},
    ]
    server.script(said({"value": rows}))
    assert await app.finance.counts("it's") == Counts(created=7, updated=1)
    [request] = server.received
    assert request.method == "GET"
    assert request.target == ("/data/DataManagementExecutionJobDetails?$filter=JobId%20eq%20'it''s'&cross-company=true")


async def test_an_import_without_details_left_no_trace(app: App, server: Server) -> None:
    server.script(said({"value": []}))
    assert await app.finance.counts(EXECUTION) is None


@pytest.mark.parametrize(
    "body", [{}, {"value": "x"}, {"value": ["x"]}, {"value": [{"TargetRecordsCreatedCount": "many"}]}]
)
async def test_details_in_another_form_are_no_answer(app: App, server: Server, body: object) -> None:
    # Taken for "no trace", they would have a package sent again that Finance has imported.
    server.script(said(body))
    with pytest.raises(Unavailable):
        await app.finance.counts(EXECUTION)


async def test_the_errors_of_an_import_are_read_even_where_their_text_is_no_json(app: App, server: Server) -> None:
    text = '[{"RecordId":"1","Field":"PROJECTID","ErrorMessage":"The value "P-1"\nis unknown"}]'
    server.script(answer(text))
    assert await app.finance.errors(EXECUTION) == [RowError("1", "PROJECTID", 'The value "P-1"\nis unknown')]
    assert only(server) == ("POST", f"{ACTION}GetExecutionErrors", {"executionId": EXECUTION})


@pytest.mark.parametrize("value", ["", None, "[]", "null"])
async def test_no_error_list_is_no_errors(app: App, server: Server, value: object) -> None:
    server.script(answer(value))
    assert await app.finance.errors(EXECUTION) == []


@pytest.mark.parametrize(
    ("value", "error"),
    [
        ("The import failed", RowError("", "", "The import failed")),
        ('"The import failed"', RowError("", "", "The import failed")),
        ('["The import failed"]', RowError("", "", "The import failed")),
        ('{"RecordId":"1","Field":"F","ErrorMessage":"M"}', RowError("1", "F", "M")),
    ],
)
async def test_the_words_of_an_error_list_in_another_form_are_kept(
    app: App, server: Server, value: str, error: RowError
) -> None:
    server.script(answer(value))
    assert await app.finance.errors(EXECUTION) == [error]


async def test_rows_are_read_across_companies_page_after_page(app: App, server: Server) -> None:
    link = f"{server.url}/data/ProjActualsImports?$skiptoken=10000&cross-company=true"
    server.script(said({"value": [{"n": 1}], "@odata.nextLink": link}), said({"value": [{"n": 2}]}))
    options = {"$filter": "dataAreaId eq 'usmf' and InvoiceProposalId eq 'A&B''s #1'", "$select": "Amount"}
    assert [row["n"] async for rows in app.finance.pages("ProjActualsImports", options) for row in rows] == [1, 2]
    first, second = server.received
    path, query = urlsplit(first.target).path, first.target.partition("?")[2]
    assert path == "/data/ProjActualsImports"
    assert dict(pair.split("=", 1) for pair in query.split("&")) == {
        "$filter": "dataAreaId%20eq%20'usmf'%20and%20InvoiceProposalId%20eq%20'A%26B''s%20%231'",
        "$select": "Amount",
        "cross-company": "true",
    }
    assert unquote(query).startswith(f"$filter={options['$filter']}&")
    assert second.target == "/data/ProjActualsImports?$skiptoken=10000&cross-company=true"
    assert {request.header("Accept") for request in server.received} == {"application/json"}


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (html(502), Unavailable),
        (html(500), Unavailable),
        (said({"Message": "An error has occurred."}, 500), Refused),
        (Reply(200, b"", {}), Unavailable),
        (said({"error": {"code": "", "message": "Forbidden"}}, 403), NotPermitted),
        (not_found("Entity X does not exist in the target environment"), Refused),
    ],
)
async def test_no_action_is_sent_twice(app: App, server: Server, reply: Reply, error: type[Exception]) -> None:
    server.script(reply, said({}))
    with pytest.raises(error):
        await app.finance.start_import(project="P", execution_id=EXECUTION, company="usmf", package_url="https://x")
    assert len(server.received) == 1
