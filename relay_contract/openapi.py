"""The OpenAPI 3.1 document of the app, generated from the table of endpoints and their models."""

from functools import cache
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaMode, models_json_schema

from relay_contract import endpoints
from relay_contract.endpoints import ENDPOINTS, Endpoint
from relay_contract.problems import Problem
from relay_contract.version import VERSION

type Schema = dict[str, Any]

REF = "#/components/schemas/{model}"
_MODE: JsonSchemaMode = "validation"
_JSON = "application/json"
# The catch-all {*file} of Functions has no counterpart in OpenAPI.
_PAGE_PATHS = ("page", "page/{file}")
_TITLE = "Invoice relay"
_ABOUT = (
    "What operators, Dataverse and Finance ask of the app, and what it answers. Amounts are decimal strings, instants "
    "are in UTC. Members may be added to answers: ignore those that you do not know."
)
_MEANINGS = {
    200: "Done.",
    202: "Accepted: it goes on after the answer.",
    304: "The file is the one that the caller has.",
    308: "The page is at its address without the slash.",
    400: "The request is wrong; the message names the member and the reason.",
    401: "No key, or none for this endpoint: the Functions host sends no body. Not signed in: the message says so.",
    403: "Signed in, but not allowed.",
    404: "There is no such run, group, import, map or file; the message says which.",
    409: "A conflict; the message says with what.",
    413: "The body is too large.",
    502: "Dataverse or Finance refused.",
    503: "Storage, Dataverse, Finance or the sign-in is not available: ask again later.",
}
_KEYS = {
    "operator": (
        "A host key. Where OPERATOR_SIGN_IN is appServiceAuthentication, the platform signs operators in and no key "
        "is asked for."
    ),
    "administrator": (
        "The master key. Where OPERATOR_SIGN_IN is appServiceAuthentication, an operator also needs ADMINISTRATOR_ROLE."
    ),
    "webhook": "A host key, or a key of this function alone.",
}


class _Schemas(GenerateJsonSchema):
    """Generates schemas without titles, which would only repeat the names of members."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        del schema
        return False


@cache
def openapi() -> Schema:
    """The document. It is shared by all callers and must not be changed."""
    return {
        "openapi": "3.1.0",
        "info": {"title": _TITLE, "version": VERSION, "description": _ABOUT},
        "servers": [{"url": "/api"}],
        "paths": _paths(),
        "components": {
            "schemas": _schemas(),
            "securitySchemes": {
                name: {"type": "apiKey", "in": "header", "name": "x-functions-key", "description": text}
                for name, text in _KEYS.items()
            },
        },
    }


def _paths() -> Schema:
    paths: Schema = {}
    for endpoint in ENDPOINTS:
        for path in _PAGE_PATHS if endpoint is endpoints.PAGE else (endpoint.path,):
            paths.setdefault(f"/{path}", {})[endpoint.method.lower()] = _operation(endpoint, path)
    return paths


def _operation(endpoint: Endpoint, path: str) -> Schema:
    operation: Schema = {
        # Unique in the document, although the page has two paths.
        "operationId": endpoint.name if path in {endpoint.path, "page"} else f"{endpoint.name}_file",
        "summary": endpoint.summary,
        "security": [] if endpoint.access == "everybody" else [{endpoint.access: []}],
        "parameters": [*_path_parameters(endpoint, path), *_query_parameters(endpoint)],
        "responses": {str(status): _response(status, models) for status, models in endpoint.answers.items()}
        | {str(status): _response(status, (Problem,)) for status in sorted(endpoint.problems)},
    }
    if endpoint.body:
        operation["requestBody"] = {"required": True, "content": {_JSON: {"schema": _ref(endpoint.body)}}}
    elif endpoint.method == "POST":
        # An event of Finance: the body may be anything, and is not used.
        operation["requestBody"] = {"required": False, "content": {_JSON: {"schema": {}}}}
    return operation


def _path_parameters(endpoint: Endpoint, path: str) -> list[Schema]:
    return [
        {"name": name, "in": "path", "required": True, "description": text, "schema": {"type": "string"}}
        for name, text in endpoint.parameters.items()
        if f"{{{name}}}" in path
    ]


def _query_parameters(endpoint: Endpoint) -> list[Schema]:
    if endpoint.query is None:
        return []
    schema = endpoint.query.model_json_schema(by_alias=True, mode=_MODE, schema_generator=_Schemas)
    return [
        {"name": name, "in": "query", "required": False, "schema": _without_null(member)}
        for name, member in schema["properties"].items()
    ]


def _without_null(member: Schema) -> Schema:
    """The schema of a query parameter, without null: a query omits a parameter that has no value."""
    kinds = [kind for kind in member.get("anyOf", []) if kind != {"type": "null"}]
    return kinds[0] if kinds else {name: value for name, value in member.items() if name != "default" or value}


def _response(status: int, models: tuple[type[BaseModel], ...]) -> Schema:
    response: Schema = {"description": _MEANINGS[status]}
    schemas = [_ref(model) for model in models]
    if schemas:
        response["content"] = {_JSON: {"schema": schemas[0] if len(schemas) == 1 else {"anyOf": schemas}}}
    elif status == 200:
        response["content"] = {"*/*": {"schema": {"type": "string", "format": "binary"}}}
    return response


def _ref(model: type[BaseModel]) -> Schema:
    return {"type": "object"} if model is BaseModel else {"$ref": REF.format(model=model.__name__)}


def _schemas() -> Schema:
    found: list[type[BaseModel]] = [Problem, *(model for each in ENDPOINTS for model in _models(each))]
    unique: list[type[BaseModel]] = list(dict.fromkeys(found))
    modes = [(model, _MODE) for model in unique if model is not BaseModel]
    _, document = models_json_schema(modes, by_alias=True, ref_template=REF, schema_generator=_Schemas)
    return dict(sorted(document["$defs"].items()))


def _models(endpoint: Endpoint) -> list[type[BaseModel]]:
    answers = [model for models in endpoint.answers.values() for model in models]
    return [*answers, *([endpoint.body] if endpoint.body else [])]
