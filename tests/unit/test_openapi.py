"""The OpenAPI documents are valid and up to date, and the page and the command call only endpoints that are in them."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from openapi_spec_validator import OpenAPIV2SpecValidator, OpenAPIV31SpecValidator

from relay_contract.__main__ import texts
from relay_contract.endpoints import ENDPOINTS
from relay_contract.openapi import openapi
from relay_contract.requests import RunsQuery
from relay_contract.swagger import swagger
from tests.openapi import Exchange, Judge

PROJECT = Path(__file__).resolve().parent.parent.parent
LIST_FUNCTIONS = """
import json, function_app
print(json.dumps([[f.get_function_name(), f.get_trigger().route, [m.name for m in f.get_trigger().methods],
    f.get_trigger().auth_level.name] for f in function_app.app.get_functions() if f.is_http_function()]))
"""
SETTINGS = {
    "AzureWebJobsStorage": "UseDevelopmentStorage=true",
    "DATAVERSE_URL": "https://contoso.crm.dynamics.com",
    "DATAVERSE_ORGANIZATION_ID": "7b8f3f8e-0c52-4f0e-9d5c-2f2f0f3c1a11",
    "FINANCE_URL": "https://contoso.operations.dynamics.com",
    "SIGN_IN_AUTHORITY": "https://login.microsoftonline.com/7b8f3f8e-0c52-4f0e-9d5c-2f2f0f3c1a11",
    "SIGN_IN_CLIENT_ID": "7b8f3f8e-0c52-4f0e-9d5c-2f2f0f3c1a11",
    "SIGN_IN_CLIENT_SECRET": "secret",
}
LEVELS = {"operator": "FUNCTION", "administrator": "ADMIN", "webhook": "FUNCTION", "everybody": "ANONYMOUS"}


@pytest.mark.parametrize("name", texts())
def test_the_document_in_docs_is_that_of_the_code(name: str) -> None:
    assert (PROJECT / "docs" / name).read_text("utf-8") == texts()[name], "run `make openapi`"


def test_every_http_function_is_in_the_table_with_its_route_and_nothing_else_is() -> None:
    listed = subprocess.run(  # noqa: S603 - our own command
        [sys.executable, "-c", LIST_FUNCTIONS], cwd=PROJECT, env=SETTINGS, capture_output=True, text=True, check=False
    )
    assert listed.returncode == 0, listed.stderr
    functions = sorted(json.loads(listed.stdout))
    assert functions == sorted([each.name, each.path, [each.method], LEVELS[each.access]] for each in ENDPOINTS)


def test_the_documents_are_valid() -> None:
    OpenAPIV31SpecValidator(openapi()).validate()
    OpenAPIV2SpecValidator(swagger(openapi())).validate()


def _words(document: Any) -> Iterator[tuple[str, Any]]:
    """Every member of a document with its value."""
    if isinstance(document, dict):
        yield from document.items()
    for each in document.values() if isinstance(document, dict) else document if isinstance(document, list) else ():
        yield from _words(each)


def test_openapi_2_has_no_word_that_openapi_2_does_not_know() -> None:
    document = swagger(openapi())
    later = {"oneOf", "anyOf", "const", "$defs", "examples", "components", "nullable", "prefixItems", "requestBody"}
    assert not later & {name for name, _ in _words(document)}
    assert all(isinstance(value, str | dict) and value != "null" for name, value in _words(document) if name == "type")
    assert None not in [value for _, value in _words(document)]
    referred = {value for name, value in _words(document) if name == "$ref"}
    assert referred <= {f"#/definitions/{name}" for name in document["definitions"]}
    may_be_null = document["definitions"]["RunDetail"]["properties"]["postedAt"]
    assert may_be_null == {"type": "string", "format": "date-time", "x-nullable": True}
    ids = [each["operationId"] for operations in document["paths"].values() for each in operations.values()]
    assert sorted(ids) == sorted(each.name for each in ENDPOINTS if each.name != "page")


def test_every_address_that_the_page_calls_is_in_the_document() -> None:
    calls = [
        (method.upper(), re.sub(r"\$\{[^}]+\}", "x", path))
        for script in (PROJECT / "operate" / "page" / "static").glob("*.js")
        for method, path in re.findall(r"(?<![.\w])(get|post)\([\"`]([^\"`]+)[\"`]", script.read_text("utf-8"))
    ]
    assert len(calls) > 15
    answered = {call: [*Judge().problems(Exchange(*call, status=401, answer=b""))] for call in calls}
    assert not any(answered.values()), answered


def test_every_address_that_the_command_calls_is_in_the_document() -> None:
    calls = [
        (method.upper(), re.sub(r"\{[^}]+\}", "x", path))
        for module in (PROJECT / "relay_cli").rglob("*.py")
        for method, path in re.findall(r"(?:relay|app|\))\.(get|post)\(f?\"([^\"]+)\"", module.read_text("utf-8"))
    ]
    assert len(calls) > 10
    answered = {call: [*Judge().problems(Exchange(*call, status=401, answer=b""))] for call in calls}
    assert not any(answered.values()), answered


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (b'{"paused": []}', ""),
        (b'{"paused": [], "more": 1}', "more"),
        (b"{}", "paused"),
        (b'{"paused": [{"map": null, "reason": "r", "by": "b", "at": "yesterday"}]}', "date-time"),
        (b"<html>", "no JSON"),
    ],
)
def test_the_judge_says_what_is_wrong_with_an_answer(answer: bytes, told: str) -> None:
    problems = list(Judge().problems(Exchange("GET", "pauses", 200, answer)))
    assert [told in problem for problem in problems] == ([True] if told else [])
    assert list(Judge().problems(Exchange("GET", "pauses", 202, b'{"paused": []}')))
    assert list(Judge().problems(Exchange("GET", "elsewhere", 200, b"{}")))


def test_the_query_of_the_list_is_described_member_by_member() -> None:
    parameters = {each["name"]: each["schema"] for each in openapi()["paths"]["/runs"]["get"]["parameters"]}
    assert parameters.keys() == RunsQuery.model_fields.keys()
    assert parameters["top"] == {"type": "integer", "minimum": 1, "maximum": 500, "default": 50}
    assert parameters["since"] == {"type": "string", "format": "date-time"}
