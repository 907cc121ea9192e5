"""The host's rules that are plain decisions: durations, back-off, schedules, host.json, routes."""

import json
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devhost.host_json import parse_host_json
from devhost.messages import Undecodable, decode
from devhost.outputs import list_messages
from devhost.polling import PollingInterval, RenewalInterval
from devhost.queues import name_poison_queue
from devhost.refusal import StartRefused
from devhost.routes import Route
from devhost.schedule import parse_schedule
from devhost.timespan import parse_time_span
from devhost.worker import make_datum

GUID = "c11e47a9-0000-4000-8000-000000000001"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("00:00:02", timedelta(seconds=2)),
        ("00:00:00.2", timedelta(milliseconds=200)),
        ("01:30", timedelta(hours=1, minutes=30)),
        ("1.02:03:04", timedelta(days=1, hours=2, minutes=3, seconds=4)),
        ("30", timedelta(days=30)),
        ("24:00:00", timedelta(days=24)),
        ("1:02:03:04", timedelta(days=1, hours=2, minutes=3, seconds=4)),
        ("-00:00:01", timedelta(seconds=-1)),
    ],
)
def test_durations_are_read_as_dotnet_reads_them(text: str, expected: timedelta) -> None:
    assert parse_time_span(text) == expected


@pytest.mark.parametrize("text", ["", "5s", "00:60:00", "00:00:61", "1.24:00:00", "::", "1:2:3:4:5", "1.5"])
def test_other_durations_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a duration"):
        parse_time_span(text)


def test_waits_double_from_a_tenth_of_a_second_up_to_the_maximum() -> None:
    interval = PollingInterval(timedelta(seconds=1), uniform=lambda _low, _high: 1.0)
    waits = [interval.next_wait(found=True)] + [interval.next_wait(found=False) for _ in range(6)]
    assert [wait / timedelta(milliseconds=1) for wait in waits] == [100, 200, 300, 500, 900, 1000, 1000]
    assert interval.next_wait(found=True) == timedelta(milliseconds=100)


@given(st.lists(st.booleans(), max_size=40), st.integers(min_value=100, max_value=60_000))
def test_no_wait_leaves_its_limits(finds: list[bool], maximum: int) -> None:
    interval = PollingInterval(timedelta(milliseconds=maximum))
    waits = [interval.next_wait(found=found) for found in finds]
    assert all(timedelta(milliseconds=100) <= wait <= timedelta(milliseconds=max(maximum, 100)) for wait in waits)


def test_the_first_step_has_twenty_percent_of_jitter() -> None:
    for share, expected in ((0.8, 180), (1.2, 220)):
        interval = PollingInterval(timedelta(minutes=1), uniform=lambda _low, _high, share=share: share)  # type: ignore[misc]
        interval.next_wait(found=True)
        assert interval.next_wait(found=False) / timedelta(milliseconds=1) == pytest.approx(expected)


def test_a_lease_is_renewed_at_its_half_and_sooner_after_failures() -> None:
    interval = RenewalInterval(timedelta(minutes=10))
    waits = [interval.next_wait(renewed=renewed) for renewed in (True, False, False, False, False, True)]
    assert [wait / timedelta(minutes=1) for wait in waits] == [5, 2.5, 1.25, 1, 1, 5]


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("*/15 * * * * *", ["10:30:45", "10:31:00", "10:31:15"]),
        ("0 */5 * * * *", ["10:35:00", "10:40:00", "10:45:00"]),
        ("*/20 * * * *", ["10:40:00", "11:00:00", "11:20:00"]),
        ("5/25 31 10 * * *", ["10:31:05", "10:31:30", "10:31:55"]),
        ("0 0 9-11,23 * * *", ["11:00:00", "23:00:00", "09:00:00"]),
        ("01:00:00", ["11:30:30", "12:30:30", "13:30:30"]),
    ],
)
def test_schedules_within_a_day(expression: str, expected: list[str]) -> None:
    found, moment = [], datetime(2026, 11, 20, 10, 30, 30)  # noqa: DTZ001 - schedules are in local time
    for _ in expected:
        moment = parse_schedule(expression).next_after(moment)
        found.append(moment.strftime("%H:%M:%S"))
    assert found == expected


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("0 0 0 1 * *", "2026-12-01"),
        ("0 0 0 * * MON-FRI", "2026-11-23"),
        ("0 0 0 * feb,March 1", "2027-02-01"),
        ("0 0 0 29 2 *", "2028-02-29"),
        # Both day fields must match: the next thirteenth that is a Friday.
        ("0 0 0 13 * 5", "2027-08-13"),
    ],
)
def test_schedules_by_day(expression: str, expected: str) -> None:
    moment = parse_schedule(expression).next_after(datetime(2026, 11, 20, 10, 30, 30))  # noqa: DTZ001 - as above
    assert moment.strftime("%Y-%m-%d") == expected


@pytest.mark.parametrize(
    "expression",
    ["* * * *", "60 * * * * *", "* * 24 * * *", "* * * 0 * *", "* * * * * 7", "5-3 * * * * *", "*/0 * * * * *",
     "a * * * * *", "00:00:00", "-00:00:01", "daily"],
)  # fmt: skip
def test_other_schedules_are_refused(expression: str) -> None:
    with pytest.raises(ValueError, match=r"is no|is not within"):
        parse_schedule(expression)


def test_a_schedule_that_never_fires_is_found_out() -> None:
    with pytest.raises(ValueError, match="never fires"):
        parse_schedule("0 0 0 31 2 *").next_after(datetime(2026, 11, 20))  # noqa: DTZ001 - as above


def queues(**settings: Any) -> dict[str, Any]:
    return {"extensions": {"queues": settings}}


@pytest.mark.parametrize(
    ("content", "culprit"),
    [
        (queues(batchSize=0), r"extensions\.queues\.batchSize is 0"),
        (queues(batchSize=33), r"extensions\.queues\.batchSize is 33"),
        (queues(batchSize="16"), r"extensions\.queues\.batchSize is '16'"),
        (queues(newBatchThreshold=-1), "newBatchThreshold is -1"),
        (queues(maxDequeueCount=0), "maxDequeueCount is 0"),
        (queues(maxPollingInterval="00:00:00.05"), "maxPollingInterval is 00:00:00.05"),
        (queues(visibilityTimeout="soon"), "visibilityTimeout: 'soon' is not a duration"),
        (queues(visibilityTimeout="8"), "visibilityTimeout is 8"),
        (queues(messageEncoding="utf8"), "messageEncoding is 'utf8'"),
        ({"extensions": []}, r"host\.json\.extensions must be an object"),
        ({"functionTimeout": "00:00:00"}, "functionTimeout is 00:00:00"),
    ],
)
def test_host_json_is_refused_by_name(content: dict[str, Any], culprit: str) -> None:
    with pytest.raises(StartRefused, match=culprit):
        parse_host_json(content)


def test_host_json_has_the_hosts_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    monkeypatch.delenv("AZURE_FUNCTIONS_ENVIRONMENT", raising=False)
    options = parse_host_json({}).queues
    assert (options.batch_size, options.new_batch_threshold, options.max_dequeue_count) == (16, 16, 5)
    assert (options.max_polling_interval, options.visibility_timeout) == (timedelta(minutes=1), timedelta(0))
    assert options.base64
    assert parse_host_json({}).function_timeout == timedelta(minutes=30)
    assert parse_host_json({"functionTimeout": "-1"}).function_timeout is None


def test_an_untouched_polling_interval_is_shorter_in_development(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_FUNCTIONS_ENVIRONMENT", "Development")
    assert parse_host_json({}).queues.max_polling_interval == timedelta(seconds=2)
    assert parse_host_json(queues(maxPollingInterval="00:00:07")).queues.max_polling_interval == timedelta(seconds=7)


@pytest.mark.parametrize(
    ("template", "path", "expected"),
    [
        ("api/runs/{id}", "api/runs/7", {"id": "7"}),
        ("api/runs/{id}", "API/RUNS/a%20b", {"id": "a b"}),
        ("api/runs/{id}", "api/runs", None),
        ("api/runs/{id}", "api/runs/7/8", None),
        ("api/runs/{id?}", "api/runs", {}),
        ("api/runs/{id=all}", "api/runs", {"id": "all"}),
        ("api/runs/{id:int}", "api/runs/x", None),
        ("api/runs/{id:int:min(3)}", "api/runs/2", None),
        ("api/runs/{id:guid}", f"api/runs/{GUID}", {"id": GUID}),
        ("api/runs/{id:guid}", "api/runs/c11e47a9", None),
        ("api/{kind:alpha}-{number:int}", "api/run-12", {"kind": "run", "number": "12"}),
        ("api/{code:length(3)}", "api/abcd", None),
        ("api/{year:range(2000,2100)}", "api/2026", {"year": "2026"}),
        ("files/{*rest}", "files", {"rest": ""}),
        ("files/{*rest}", "files/a/b", {"rest": "a/b"}),
        ("", "", {}),
        ("", "x", None),
    ],
)  # fmt: skip
def test_route_templates(template: str, path: str, expected: dict[str, str] | None) -> None:
    assert Route(template, "f").match(path) == expected


@pytest.mark.parametrize("template", ["runs/{id", "runs/{id:colour}", "runs/{}"])
def test_wrong_route_templates_are_refused_with_the_functions_name(template: str) -> None:
    with pytest.raises(StartRefused, match="function 'f'"):
        Route(template, "f")


@pytest.mark.parametrize(
    ("queue", "poison"),
    [("invoices", "invoices-poison"), ("x-poison", None), ("q" * 56, "q" * 56 + "-poison"), ("q" * 57, None)],
)
def test_which_queues_have_a_poison_queue(queue: str, poison: str | None) -> None:
    assert name_poison_queue(queue) == poison


@pytest.mark.parametrize("text", ["not base64!", "YQ", "{}", "YQ==="])
def test_text_that_is_not_base64_is_undecodable(text: str) -> None:
    with pytest.raises(Undecodable):
        decode(text, base64_encoded=True)
    assert decode(text, base64_encoded=False) == text.encode()


def test_an_empty_list_is_no_message() -> None:
    assert list_messages(make_datum("[]", "json")) == []


@given(st.lists(st.text(), max_size=5))
def test_a_list_of_texts_arrives_untouched(texts: list[str]) -> None:
    messages = list_messages(make_datum(json.dumps(texts), "json"))
    assert [message.decode(errors="surrogatepass") for message in messages] == texts
