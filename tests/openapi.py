"""The app's OpenAPI document as a judge: is this request, or this answer, what the document says?

It is stricter than the document in one point: no answer may have a member that is not named.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema_rs

from devhost.routes import Route
from relay_contract.openapi import Schema, openapi

_JSON = "application/json"


@dataclass(frozen=True)
class Exchange:
    """One request and its answer; `path` begins after /api/."""

    method: str
    path: str
    status: int
    answer: bytes
    body: bytes = b""

    def __str__(self) -> str:
        return f"{self.method} {self.path} {self.status} {self.answer[:300]!r}"


@dataclass
class Judge:
    """Holds exchanges against the document; `seen` are the operations and statuses that it was asked about."""

    document: Schema = field(default_factory=openapi)
    seen: set[tuple[str, str, int]] = field(default_factory=set)

    def problems(self, exchange: Exchange, *, with_body: bool = False) -> Iterator[str]:
        """What is wrong with an answer, and with_body with the request's body as well. An answer without a body is the
        host's own from 400 on."""
        template = self.template(exchange.method, exchange.path)
        if template is None:
            if exchange.status != 404 or exchange.answer:
                yield f"{exchange}: no such endpoint"
            return
        operation = self.document["paths"][template][exchange.method.lower()]
        self.seen.add((exchange.method, template, exchange.status))
        if not exchange.answer and exchange.status >= 400:
            return
        response = operation["responses"].get(str(exchange.status))
        if response is None:
            yield f"{exchange}: no such status"
        elif _JSON in response.get("content", {}):
            yield from self._unlike(exchange, exchange.answer, response["content"][_JSON]["schema"], strict=True)
        if with_body and exchange.body:
            schema = operation["requestBody"]["content"][_JSON]["schema"]
            yield from self._unlike(exchange, exchange.body, schema, strict=False)

    def template(self, method: str, path: str) -> str | None:
        """The path of the document that an address is one of, if any."""
        for template, operations in self.document["paths"].items():
            if method.lower() in operations and _route(template).match(path.strip("/")) is not None:
                return str(template)
        return None

    def _unlike(self, exchange: Exchange, content: bytes, schema: Mapping[str, Any], *, strict: bool) -> Iterator[str]:
        try:
            document = json.loads(content)
        except ValueError:
            yield f"{exchange}: no JSON"
            return
        for error in _validator(json.dumps(schema), strict=strict).iter_errors(document):
            place = "/".join(map(str, error.instance_path))
            yield f"{exchange.method} {exchange.path} {exchange.status}: {place}: {error.message[:300]}"


@cache
def _route(template: str) -> Route:
    return Route(template.strip("/").replace("{file}", "{*file}"), template)


@cache
def _validator(schema: str, *, strict: bool) -> Any:
    components = _closed(openapi()["components"]) if strict else openapi()["components"]
    whole = {**json.loads(schema), "components": {"schemas": components["schemas"]}}
    return jsonschema_rs.Draft202012Validator(whole, validate_formats=True)


def _closed(schema: Any) -> Any:
    """The schema with no room for members that are not named."""
    if isinstance(schema, list):
        return [_closed(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    members = {name: _closed(value) for name, value in schema.items()}
    is_object = schema.get("type") == "object" and isinstance(schema.get("properties"), dict)
    return {"additionalProperties": False, **members} if is_object else members


def path_of(url: str) -> str:
    """The path of a URL of the app, after /api/."""
    return url.partition("/api/")[2].partition("?")[0]


def status_of(route: str) -> int:
    """The status with which the app says that `METHOD /api/path` went well, 200 for what it does not know."""
    method, _, url = route.partition(" ")
    judge = Judge()
    template = judge.template(method, path_of(url))
    return int(min(judge.document["paths"][template][method.lower()]["responses"])) if template else 200


def check_exchanges(kept: Path) -> None:
    """Fail where the app has answered something else than its document says; `kept` is what devhost has kept."""
    judge, lines = Judge(), kept.read_text("utf-8").splitlines() if kept.exists() else []
    problems = [problem for line in lines for problem in judge.problems(_exchange(json.loads(line)))]
    assert not problems, "\n".join(dict.fromkeys(problems[:20]))


def _exchange(kept: dict[str, Any]) -> Exchange:
    return Exchange(kept["method"], path_of(kept["path"]), kept["status"], kept["answer"].encode())
