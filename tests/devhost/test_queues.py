"""Queue functions on a real queue: what is run, again, moved, deleted."""

import asyncio
import base64
import json
import re
import time
import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from azure.core.exceptions import ResourceNotFoundError
from azure.storage.queue import QueueMessage
from azure.storage.queue.aio import QueueClient, QueueServiceClient

from simulators.azurite import Azurite
from simulators.processes import Server
from tests.devhost.hosts import Record, make_host, until

SETTINGS = ("WORK", "HOPELESS", "RAW", "CHAIN", "OUT")


@dataclass(frozen=True)
class Bench:
    """One host of the queue app, its queues by the names of their settings, and what its functions noted."""

    host: Server
    names: dict[str, str]
    service: QueueServiceClient
    record: Record

    def queue(self, setting: str, suffix: str = "") -> QueueClient:
        return self.service.get_queue_client(self.names[setting] + suffix)

    async def put(self, setting: str, content: object) -> None:
        text = content if isinstance(content, str) else json.dumps(content)
        await self.queue(setting).send_message(base64.b64encode(text.encode()).decode())

    async def await_messages(self, setting: str, count: int, suffix: str = "") -> list[QueueMessage]:
        """Wait until a queue holds `count` messages, and take them."""
        messages: list[QueueMessage] = []
        async with asyncio.timeout(20):
            while len(messages) < count:
                try:
                    messages += [m async for m in self.queue(setting, suffix).receive_messages(visibility_timeout=60)]
                except ResourceNotFoundError:
                    await asyncio.sleep(0.05)
        return messages

    async def count(self, setting: str) -> int:
        """How many messages a queue holds, visible or not."""
        return (await self.queue(setting).get_queue_properties()).approximate_message_count or 0

    async def await_empty(self, setting: str) -> None:
        """Wait until a queue holds nothing."""
        async with asyncio.timeout(20):
            while await self.count(setting):  # noqa: ASYNC110 - the queue is another process
                await asyncio.sleep(0.05)

    async def post(self, path: str, **request: Any) -> tuple[int, str]:
        """Call the host with the master key; return status and text."""
        async with (
            aiohttp.ClientSession(self.host.url, headers={"x-functions-key": "master"}) as session,
            session.post(path, **request) as response,
        ):
            return response.status, await response.text()


@asynccontextmanager
async def open_bench(
    azurite: Azurite, run_dir: Path, *flags: str, host_json: Mapping[str, Any] | None = None
) -> AsyncIterator[Bench]:
    names = {setting: f"{setting.lower()}-{uuid.uuid4().hex[:8]}" for setting in SETTINGS}
    names["HOPELESS"] += "-poison"
    record = Record(run_dir / "events")
    settings = {**names, "Storage": azurite.connection_string(), "RECORD": str(record.path)}
    host = make_host("queues", run_dir, settings, *flags, host_json=host_json)
    async with QueueServiceClient.from_connection_string(azurite.connection_string()) as service:
        for setting in ("WORK", "HOPELESS", "RAW", "CHAIN"):
            await service.create_queue(names[setting])
        host.start()
        try:
            host.await_ready()
            yield Bench(host, names, service, record)
        finally:
            host.stop()


@pytest.fixture(scope="module")
async def shared_bench(azurite: Azurite, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Bench]:
    async with open_bench(azurite, Path(tmp_path_factory.mktemp("queues"))) as bench:
        yield bench


@pytest.fixture
async def bench(shared_bench: Bench) -> AsyncIterator[Bench]:
    """The host that most tests share, with nothing on its queues and nothing on record."""
    yield shared_bench
    for setting in SETTINGS:
        for suffix in ("", "-poison"):
            with suppress(ResourceNotFoundError):
                await shared_bench.queue(setting, suffix).clear_messages()
    shared_bench.record.path.unlink(missing_ok=True)


@pytest.fixture
async def own_bench(azurite: Azurite, tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Bench]:
    """A host for one test, with the flags of the parameter."""
    async with open_bench(azurite, tmp_path, *getattr(request, "param", ())) as bench:
        yield bench


def texts(messages: list[QueueMessage]) -> list[str]:
    return sorted(base64.b64decode(message.content).decode() for message in messages)


async def test_a_message_is_run_with_its_metadata_and_deleted(bench: Bench) -> None:
    await bench.put("WORK", "plain text")
    (seen,) = await until(lambda: bench.record.events(event="begin"))
    await bench.await_empty("WORK")
    assert (seen["text"], seen["count"]) == ("plain text", 1)
    assert seen["id"]
    assert seen["receipt"]
    assert seen["inserted"] < seen["visible"] < seen["expires"]


async def test_properties_of_the_body_hide_the_metadata(bench: Bench) -> None:
    await bench.put("WORK", {"ID": "mine", "dequeueCount": 77, "work": {}})
    (seen,) = await until(lambda: bench.record.events(event="begin"))
    assert (seen["id"], seen["count"]) == ("mine", 77)


async def test_a_failing_message_is_run_max_dequeue_count_times_and_then_moved(bench: Bench) -> None:
    body = {"work": {"fail": True}}
    await bench.put("WORK", body)
    (poisoned,) = await bench.await_messages("WORK", 1, "-poison")
    assert [event["count"] for event in bench.record.events(event="begin")] == [1, 2, 3]
    assert texts([poisoned]) == [json.dumps(body)]
    assert poisoned.dequeue_count == 1
    await bench.await_empty("WORK")
    assert "Message has reached MaxDequeueCount of 3" in bench.host.log.read_text()
    assert json.dumps(body) not in bench.host.log.read_text()


async def test_a_failing_message_stops_nobody_else(bench: Bench) -> None:
    await bench.put("WORK", {"work": {"fail": True}})
    for number in range(20):
        await bench.put("WORK", f"good {number}")
    await until(lambda: len(bench.record.events(event="end")) == 20)
    assert len(await bench.await_messages("WORK", 1, "-poison")) == 1


async def test_text_that_is_not_base64_goes_to_poison_unseen(bench: Bench) -> None:
    await bench.queue("WORK").send_message("not base64!")
    (poisoned,) = await bench.await_messages("WORK", 1, "-poison")
    assert poisoned.content == "not base64!"
    assert not bench.record.events()
    assert "Message decoding has failed! Check MessageEncoding settings" in bench.host.log.read_text()


async def test_a_failing_message_of_a_poison_queue_stays_invisible(bench: Bench) -> None:
    await bench.put("HOPELESS", "x")
    await until(lambda: "Executed 'Functions.fail_for_ever' (Failed" in bench.host.log.read_text())
    await bench.put("WORK", "later")
    await until(lambda: bench.record.events(event="end"))
    assert len(bench.record.events(event="hopeless")) == 1
    assert not [m async for m in bench.queue("HOPELESS").receive_messages()]
    assert await bench.count("HOPELESS") == 1
    with pytest.raises(ResourceNotFoundError):
        await bench.queue("HOPELESS", "-poison").get_queue_properties()


async def test_binary_data_reaches_the_function_byte_for_byte(bench: Bench) -> None:
    await bench.queue("RAW").send_message(base64.b64encode(b"\xff\x00\xfe").decode())
    await until(lambda: bench.record.events(event="bytes", hex="ff00fe"))


async def test_no_more_than_batch_and_threshold_run_at_once(bench: Bench) -> None:
    for number in range(12):
        await bench.put("WORK", {"work": {"wait": 0.2 + number % 2 * 0.3}, "number": number})
    await until(lambda: len(bench.record.events(event="end")) == 12)
    running = peak = 0
    for event in bench.record.events():
        running += 1 if event["event"] == "begin" else -1
        peak = max(peak, running)
    assert peak == 3


async def test_a_queue_function_is_run_by_hand(bench: Bench) -> None:
    assert await bench.post("/admin/functions/take", json={"input": "typed in"}) == (202, "")
    await until(lambda: bench.record.events(event="end", text="typed in"))


@pytest.mark.parametrize(
    ("path", "body", "expected"),
    [
        ("text", "plain", ["plain"]),
        ("text", '{"amount": 1.10, "at": "2026-01-01T00:00:00.500Z"}',
         ['{\n  "amount": 1.1,\n  "at": "2026-01-01T00:00:00.5Z"\n}']),
        ("text", '["a", {"b": []}]', ["a", '{\n  "b": []\n}']),
        ("text", "{not json", ["{not json"]),
        ("list", '["{\\"amount\\": 1.10}", "[1]"]', ["[1]", '{"amount": 1.10}']),
        ("bytes", '{"amount": 1.10}', ['{"amount": 1.10}']),
        ("return", "plain", ["plain"]),
    ],
)  # fmt: skip
async def test_outputs_land_as_the_host_writes_them(bench: Bench, path: str, body: str, expected: list[str]) -> None:
    # A function that returns its message to a queue has nothing for the caller.
    answer = (204, "") if path == "return" else (200, "sent")
    assert await bench.post(f"/api/emit/{path}", data=body) == answer
    assert texts(await bench.await_messages("OUT", len(expected))) == sorted(expected)


async def test_an_output_that_cannot_be_sent_fails_the_invocation(bench: Bench) -> None:
    assert await bench.post("/api/emit/too-large") == (500, "")


async def test_an_output_feeds_the_next_function(bench: Bench) -> None:
    assert await bench.post("/api/emit/chain", data=b"link") == (200, "sent")
    assert texts(await bench.await_messages("OUT", 2)) == ["link-0", "link-1"]


@pytest.mark.parametrize("own_bench", [("--lease-seconds", "2")], indirect=True)
async def test_a_message_comes_again_when_its_host_was_killed(own_bench: Bench) -> None:
    await own_bench.put("WORK", {"work": {"wait": 4}})
    await until(lambda: own_bench.record.events(event="begin"))
    own_bench.host.kill()
    assert not own_bench.record.events(event="end")
    own_bench.host.start()
    own_bench.host.await_ready()
    await until(lambda: own_bench.record.events(event="end"))
    assert [event["count"] for event in own_bench.record.events(event="begin")] == [1, 2]
    assert "WARNING: queue messages are leased for 2 s" in own_bench.host.log.read_text()


@pytest.mark.parametrize("own_bench", [("--lease-seconds", "2")], indirect=True)
async def test_a_message_in_work_is_renewed_even_when_the_function_blocks(own_bench: Bench) -> None:
    await own_bench.put("WORK", {"work": {"block": 4}})
    await until(lambda: own_bench.record.events(event="end"))
    await own_bench.await_empty("WORK")
    assert len(own_bench.record.events(event="begin")) == 1


@pytest.mark.parametrize("own_bench", [("--lease-seconds", "1")], indirect=True)
async def test_a_message_that_kills_its_host_each_time_is_put_aside_without_a_run(own_bench: Bench) -> None:
    await own_bench.put("WORK", {"work": {"wait": 30}})
    for life in range(1, 4):
        await until(lambda count=life: own_bench.record.events(event="begin", count=count))  # type: ignore[misc]
        own_bench.host.kill()
        own_bench.host.start()
        own_bench.host.await_ready()
    await own_bench.await_messages("WORK", 1, "-poison")
    assert len(own_bench.record.events(event="begin")) == 3


@pytest.mark.parametrize("own_bench", [("--lease-seconds", "1")], indirect=True)
async def test_an_app_that_ends_its_worker_ends_the_host(own_bench: Bench) -> None:
    await own_bench.put("WORK", {"work": {"quit": True}})
    await until(lambda: not own_bench.host.running)
    assert "the app ended the worker" in own_bench.host.tail()


async def test_a_function_that_cancels_itself_has_failed(bench: Bench) -> None:
    await bench.put("WORK", {"work": {"cancel": True}})
    assert len(await bench.await_messages("WORK", 1, "-poison")) == 1
    assert len(bench.record.events(event="begin")) == 3


async def test_a_message_that_someone_else_has_taken_is_left_to_them(bench: Bench) -> None:
    await bench.put("WORK", {"work": {"wait": 1}})
    (seen,) = await until(lambda: bench.record.events(event="begin"))
    taken = await bench.queue("WORK").update_message(seen["id"], seen["receipt"], visibility_timeout=30)
    await until(lambda: bench.record.events(event="end"))
    await bench.put("WORK", "the next one")
    await until(lambda: bench.record.events(event="end", text="the next one"))
    # The new receipt still works: the host has deleted nothing of ours.
    await bench.queue("WORK").delete_message(taken)
    assert "left as it is" not in bench.host.log.read_text()


async def test_a_failed_message_comes_again_after_the_visibility_timeout(azurite: Azurite, tmp_path: Path) -> None:
    settings = {"visibilityTimeout": "00:00:01", "maxDequeueCount": 2, "maxPollingInterval": "00:00:00.1"}
    host_json = {"version": "2.0", "extensions": {"queues": settings}}
    async with open_bench(azurite, tmp_path, host_json=host_json) as bench:
        await bench.put("WORK", {"work": {"fail": True}})
        first, second = await until(lambda: len(e := bench.record.events(event="begin")) == 2 and e)  # type: ignore[misc]
        assert second["at"] - first["at"] >= 1
        assert len(await bench.await_messages("WORK", 1, "-poison")) == 1


async def test_an_output_wakes_the_listener_of_its_queue(azurite: Azurite, tmp_path: Path) -> None:
    queues = {"maxPollingInterval": "00:01:00"}
    host_json = {
        "version": "2.0",
        "extensions": {"queues": queues},
        "logging": {"logLevel": {"default": "Debug"}},
    }
    async with open_bench(azurite, tmp_path, host_json=host_json) as bench:
        # Four digits from 2000 on: the next look is two seconds away or more.
        idle = re.compile(f"queue {bench.names['CHAIN']} is looked at again in [2-9]\\d{{3}} ms")
        await until(lambda: idle.search(bench.host.log.read_text()))
        started = time.monotonic()
        assert await bench.post("/api/emit/chain", data=b"link") == (200, "sent")
        await until(lambda: "Executed 'Functions.chain'" in bench.host.log.read_text())
        assert time.monotonic() - started < 1.5


async def test_a_stopped_host_lets_what_runs_end_and_fetches_no_more(own_bench: Bench) -> None:
    await own_bench.put("WORK", {"work": {"wait": 1}})
    await until(lambda: own_bench.record.events(event="begin"))
    stopping = asyncio.create_task(asyncio.to_thread(own_bench.host.stop, 30))
    await own_bench.put("CHAIN", "not any more")
    assert await stopping == 0
    assert len(own_bench.record.events(event="end")) == 1
    assert await own_bench.count("WORK") == 0


async def test_messages_wait_while_storage_is_down_and_are_worked_off_after(tmp_path: Path) -> None:
    azurite = Azurite(tmp_path)
    azurite.start()
    azurite.await_ready()
    record = Record(tmp_path / "events")
    names = {setting: setting.lower() for setting in SETTINGS} | {"HOPELESS": "hopeless-poison"}
    settings = {**names, "Storage": azurite.connection_string(), "RECORD": str(record.path)}
    host = make_host("queues", tmp_path, settings)
    try:
        host.start()
        host.await_ready()
        azurite.restart()
        async with QueueServiceClient.from_connection_string(azurite.connection_string()) as service:
            await service.create_queue("work")
            await service.get_queue_client("work").send_message(base64.b64encode(b"after").decode())
        await until(lambda: record.events(event="end", text="after"), within=30)
    finally:
        host.stop()
        azurite.stop()
