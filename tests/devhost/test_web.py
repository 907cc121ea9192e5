"""HTTP functions: what reaches the function, what comes back, and who may call."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import aiohttp
import pytest

from simulators.processes import Server
from tests.devhost.hosts import make_host, until


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = make_host("web", Path(tmp_path_factory.mktemp("web")), {})
    server.start()
    try:
        server.await_ready()
        yield server
    finally:
        server.stop()


@pytest.fixture
async def client(host: Server) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(host.url) as session:
        yield session


async def test_a_request_reaches_the_function_as_the_host_sends_it(client: aiohttp.ClientSession, host: Server) -> None:
    path = "/api/echo/caf%C3%A9/7?a=1&a=2&empty=&b=%20"
    async with client.post(path, data=b"body", headers={"X-Mixed-Case": "Kept"}) as response:
        seen = await response.json()
        assert (response.status, response.headers["x-seen"]) == (201, "yes")
    assert seen["method"] == "POST"
    assert seen["url"].startswith(f"{host.url}/api/echo/")
    assert seen["headers"]["x-mixed-case"] == "Kept"
    assert seen["params"] == {"a": "1,2", "b": " "}
    assert seen["route"] == {"name": "café", "number": "7"}
    assert seen["body"] == "body"


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/api/echo/x", 201),
        ("GET", "/api/ECHO/x/12", 201),
        ("HEAD", "/api/echo/x", 201),
        ("GET", "/api/echo/x/twelve", 404),
        ("GET", "/api/echo", 404),
        ("DELETE", "/api/echo/x", 404),
        ("GET", "/echo/x", 404),
        ("GET", "/api/nothing", 500),
        ("OPTIONS", "/api/spoken", 200),
        ("GET", "/", 404),
    ],
)
async def test_routes_and_methods(client: aiohttp.ClientSession, method: str, path: str, status: int) -> None:
    async with client.request(method, path) as response:
        assert response.status == status


async def test_a_literal_route_wins_over_a_parameter(client: aiohttp.ClientSession) -> None:
    async with client.get("/api/echo/fixed") as response:
        assert await response.text() == "fixed"


async def test_a_catch_all_takes_the_rest_of_the_path(client: aiohttp.ClientSession) -> None:
    async with client.get("/api/files/a/b%20c/d.txt") as response:
        assert await response.text() == "a/b c/d.txt"


@pytest.mark.parametrize(
    ("path", "key", "status"),
    [
        ("/api/guarded", None, 401),
        ("/api/guarded", "", 401),
        ("/api/guarded", "wrong", 401),
        ("/api/guarded", "only-echo", 401),
        ("/api/guarded", "only-guarded", 200),
        ("/api/guarded", "any-function", 200),
        ("/api/guarded", "master", 200),
        ("/api/administered", "any-function", 401),
        ("/api/administered", "master", 200),
        ("/admin/host/status", "any-function", 401),
        ("/admin/host/status", "master", 200),
        ("/admin/functions", None, 401),
        ("/admin/functions", "master", 200),
        ("/admin/host/ping", None, 200),
    ],
)
async def test_keys(client: aiohttp.ClientSession, path: str, key: str | None, status: int) -> None:
    presented = {} if key is None else {"x-functions-key": key}
    async with client.get(path, headers=presented) as by_header:
        assert by_header.status == status
        assert status != 401 or await by_header.read() == b""
    async with client.get(path, params={} if key is None else {"code": key}) as by_query:
        assert by_query.status == status


async def test_an_exception_is_a_500_without_body(client: aiohttp.ClientSession, host: Server) -> None:
    async with client.get("/api/failing") as response:
        assert (response.status, await response.read()) == (500, b"")
    assert "no such invoice" in host.log.read_text()


async def test_two_cookies_are_two_headers(client: aiohttp.ClientSession) -> None:
    async with client.get("/api/cookies") as response:
        assert response.headers.getall("Set-Cookie") == ["a=1; Path=/", "b=2"]


async def test_a_body_of_a_hundred_megabytes_reaches_the_function(client: aiohttp.ClientSession) -> None:
    async with client.post("/api/size", data=bytes(100 * 1024 * 1024)) as response:
        assert await response.text() == str(100 * 1024 * 1024)


async def test_a_function_over_its_time_limit_has_failed(client: aiohttp.ClientSession, host: Server) -> None:
    async with client.get("/api/slow") as response:
        assert response.status == 500
    assert "Timeout value of 1.0 s exceeded by function 'Functions.slow'" in host.log.read_text()


async def test_a_function_that_blocks_its_loop_does_not_block_the_host(
    client: aiohttp.ClientSession, host: Server
) -> None:
    blocked = asyncio.create_task(client.get("/api/blocking?seconds=0.8"))
    await until(lambda: "Executing 'Functions.blocking'" in host.log.read_text())
    async with client.get("/admin/host/ping") as ping:
        assert ping.status == 200
    assert not blocked.done()
    assert (await blocked).status == 200


async def test_records_pass_by_the_levels_of_host_json(client: aiohttp.ClientSession, host: Server) -> None:
    for name in ("noisy", "spoken"):
        async with client.get(f"/api/{name}") as response:
            assert response.status == 200
    log = host.log.read_text()
    assert "Function.noisy.User: hear this" in log
    assert "quiet please" not in log
    assert "Executing 'Functions.noisy'" not in log
    assert "Function.spoken.User: an ordinary word" in log
    assert "Executed 'Functions.spoken' (Succeeded" in log


async def test_the_status_page_says_that_the_host_runs(client: aiohttp.ClientSession) -> None:
    async with client.get("/admin/host/status", headers={"x-functions-key": "master"}) as response:
        status = await response.json()
    assert status["state"] == "Running"
    assert len(status["id"]) == 32
    assert status["processUptime"] >= 0


async def test_no_key_is_ever_logged(client: aiohttp.ClientSession, host: Server) -> None:
    async with client.get("/api/guarded?code=only-guarded") as response:
        assert response.status == 200
    assert "only-guarded" not in host.log.read_text()
