"""The same document in OpenAPI 2.0 (Swagger), for tools that accept nothing newer, such as Power Platform custom
connectors.

OpenAPI 2.0 has no unions and no null. A nullable member has `x-nullable`, and an answer with several possible models is
an object without schema.
"""

from typing import Any

from relay_contract.openapi import Schema

_HOST = "contoso.azurewebsites.net"
_JSON = "application/json"


def swagger(openapi: Schema) -> Schema:
    """The document in OpenAPI 2.0. `host` is an example; replace it by the app's own."""
    schemes = openapi["components"]["securitySchemes"]
    return {
        "swagger": "2.0",
        "info": openapi["info"],
        "host": _HOST,
        "basePath": openapi["servers"][0]["url"],
        "schemes": ["https"],
        "consumes": [_JSON],
        "produces": [_JSON],
        "securityDefinitions": schemes,
        "paths": {
            path: {method: _operation(operation) for method, operation in operations.items()}
            for path, operations in openapi["paths"].items()
            if not path.startswith("/page")
        },
        "definitions": {name: _schema(schema) for name, schema in openapi["components"]["schemas"].items()},
    }


def _operation(operation: Schema) -> Schema:
    body = operation.get("requestBody")
    parameters = [_parameter(each) for each in operation["parameters"]]
    if body:
        schema = _schema(body["content"][_JSON]["schema"]) or {"type": "object"}
        parameters.append({"name": "body", "in": "body", "required": body["required"], "schema": schema})
    kept = {name: operation[name] for name in ("operationId", "summary", "security")}
    responses = {status: _response(response) for status, response in operation["responses"].items()}
    return {**kept, "parameters": parameters, "responses": responses}


def _parameter(parameter: Schema) -> Schema:
    """A parameter in OpenAPI 2.0 is described by its own members, and an array of values repeats its name."""
    told = {name: value for name, value in parameter.items() if name != "schema"}
    schema = _schema(parameter["schema"])
    repeated = {"collectionFormat": "multi"} if schema.get("type") == "array" else {}
    return {**told, **schema, **repeated}


def _response(response: Schema) -> Schema:
    content = response.get("content", {})
    if _JSON not in content:
        return {"description": response["description"]}
    return {"description": response["description"], "schema": _schema(content[_JSON]["schema"])}


def _schema(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_schema(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    if "anyOf" in schema:
        return _union(schema)
    if "$ref" in schema:
        # Alone: OpenAPI 2.0 ignores whatever stands beside a $ref.
        return {"$ref": schema["$ref"].replace("#/components/schemas/", "#/definitions/")}
    # OpenAPI 2.0 has neither `const` nor `examples`.
    members = {name: _schema(value) for name, value in schema.items() if name not in {"const", "examples"}}
    if "const" in schema:
        members["enum"] = [schema["const"]]
    if members.get("default", "") is None:
        # There is no null in OpenAPI 2.0, so it cannot be a default.
        del members["default"]
    return members


def _union(schema: Schema) -> Schema:
    kinds = [kind for kind in schema["anyOf"] if kind != {"type": "null"}]
    rest = {name: value for name, value in schema.items() if name not in {"anyOf", "default"}}
    if len(kinds) > 1:
        return {**rest, "type": "object"}
    nullable = {"x-nullable": True} if len(kinds) < len(schema["anyOf"]) else {}
    return {**rest, **_schema(kinds[0]), **nullable}
