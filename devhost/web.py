"""HTTP triggers: routes, keys, requests and responses as the host exchanges them with the worker."""

from collections.abc import Mapping
from http.cookies import SimpleCookie
from typing import Any
from urllib.parse import parse_qsl

from aiohttp import web
from multidict import CIMultiDict

from devhost.admin import Admin
from devhost.bindings import RETURN, Function, HttpTrigger
from devhost.exchanges import Exchanges
from devhost.invocation import Invoker
from devhost.keys import KeyFile
from devhost.routes import Route
from devhost.worker import Answer, Datum, make_datum

LARGEST_BODY = 100 * 1024 * 1024
# aiohttp's server writes these headers itself.
FRAMING = frozenset({"content-length", "transfer-encoding", "connection"})


class Website:
    """Answers every request of the host: admin pages, HTTP functions, 404."""

    def __init__(
        self,
        functions: list[Function],
        prefix: str,
        keys: KeyFile,
        invoker: Invoker,
        admin: Admin,
        *,
        exchanges: Exchanges | None = None,
    ) -> None:
        routed = []
        for function in functions:
            if isinstance(function.trigger, HttpTrigger):
                template = "/".join(part for part in (prefix, function.trigger.route) if part)
                routed.append((Route(template, function.name), function.trigger, function))
        self._routes = sorted(routed, key=lambda entry: (entry[0].rank, entry[0].template))
        self._keys = keys
        self._invoker = invoker
        self._admin = admin
        self._exchanges = exchanges

    def application(self) -> web.Application:
        """The aiohttp application."""
        application = web.Application(client_max_size=LARGEST_BODY)
        application.router.add_route("*", "/{path:.*}", self._answer)
        return application

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        path = request.rel_url.raw_path.strip("/")
        if path == "admin" or path.startswith("admin/"):
            return await self._admin.answer(request, path.removeprefix("admin").strip("/"), present_key(request))
        for route, trigger, function in self._routes:
            allowed = not trigger.methods or request.method in trigger.methods
            if allowed and (parameters := route.match(path)) is not None:
                response = await self._call(request, trigger, function, parameters)
                if self._exchanges:
                    self._exchanges.keep(request, await request.read(), response)
                return response
        # 404, not 405, also when only the method does not match: the host does the same.
        return web.Response(status=404)

    async def _call(
        self, request: web.Request, trigger: HttpTrigger, function: Function, parameters: dict[str, str]
    ) -> web.StreamResponse:
        if not self._is_open(trigger, function, present_key(request)):
            return web.Response(status=401)
        call = await _read_request(request, parameters)
        reason = "This function was programmatically called via the host APIs."
        answer = await self._invoker.invoke(function, call, {}, reason=reason)
        # With a queue output as return value, the returned value is the message; the caller gets an empty response.
        return _make_response(answer) if function.output(RETURN) is None else _make_empty_response(answer)

    def _is_open(self, trigger: HttpTrigger, function: Function, key: str | None) -> bool:
        if trigger.level == "anonymous":
            return True
        if trigger.level == "function":
            return self._keys.open_function(function.name, key)
        return self._keys.open_admin(key)


def present_key(request: web.Request) -> str | None:
    """The key of a request: the x-functions-key header, else the `code` query parameter."""
    return request.headers.get("x-functions-key") or request.query.get("code")


async def _read_request(request: web.Request, parameters: dict[str, str]) -> Datum:
    headers: dict[str, str] = {}
    for name, value in request.headers.items():
        headers[name.lower()] = f"{headers[name.lower()]},{value}" if name.lower() in headers else value
    query: dict[str, str] = {}
    # parse_qsl drops empty values, as the host does.
    for name, value in parse_qsl(request.rel_url.raw_query_string):
        query[name] = f"{query[name]},{value}" if name in query else value
    return make_datum(
        {
            "method": make_datum(request.method, "string"),
            "url": make_datum(str(request.url), "string"),
            "headers": _datums(headers),
            "query": _datums(query),
            "params": _datums(parameters),
            "body": make_datum(await request.read(), "bytes"),
        },
        "http",
    )


def _datums(values: Mapping[str, str]) -> dict[str, Datum]:
    return {name: make_datum(value, "string") for name, value in values.items()}


def _make_empty_response(answer: Answer) -> web.Response:
    return web.Response(status=204 if answer.error is None else 500)


def _make_response(answer: Answer) -> web.Response:
    returned = answer.returned
    if answer.error is not None or returned is None:
        return _make_empty_response(answer)
    if returned.type != "http":
        return web.Response(text=str(returned.value))
    content: dict[str, Any] = returned.value
    response = web.Response(
        status=int(content["status_code"].value), headers=_read_headers(content), body=content["body"].value
    )
    for cookie in content.get("cookies") or ():
        _add_cookie(response, cookie)
    return response


def _read_headers(content: dict[str, Any]) -> CIMultiDict[str]:
    pairs = ((name, str(datum.value)) for name, datum in content["headers"].items())
    return CIMultiDict(pair for pair in pairs if pair[0].lower() not in FRAMING)


def _add_cookie(response: web.Response, cookie: SimpleCookie) -> None:
    for morsel in cookie.values():
        response.headers.add("Set-Cookie", morsel.OutputString())
