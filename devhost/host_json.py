"""host.json: the settings of the host, with the defaults and limits of the Functions host 4.x."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from devhost.refusal import StartRefused
from devhost.timespan import parse_time_span

DEVELOPMENT_POLLING_INTERVAL = timedelta(seconds=2)
POLLING_INTERVAL = timedelta(minutes=1)
MINIMUM_POLLING_INTERVAL = timedelta(milliseconds=100)
MAXIMUM_VISIBILITY = timedelta(days=7)


@dataclass(frozen=True)
class QueueOptions:
    """`extensions.queues`: settings of the queue listeners."""

    batch_size: int
    new_batch_threshold: int
    max_polling_interval: timedelta
    visibility_timeout: timedelta
    max_dequeue_count: int
    base64: bool


@dataclass(frozen=True)
class HostJson:
    """The settings of host.json that have an effect in devhost. `function_timeout` None means unbounded."""

    queues: QueueOptions
    route_prefix: str = "api"
    function_timeout: timedelta | None = timedelta(minutes=30)
    log_levels: Mapping[str, str] = field(default_factory=dict)


def read_host_json(path: Path) -> HostJson:
    """Read host.json. Raises StartRefused, naming the setting, when one is malformed or out of range."""
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError as error:
        raise StartRefused(f"{path} does not exist; the directory is not a function app") from error
    except ValueError as error:
        raise StartRefused(f"{path} is not JSON: {error}") from error
    if not isinstance(content, dict) or content.get("version") != "2.0":
        raise StartRefused(f'{path}: "version" must be "2.0"')
    return parse_host_json(content)


def parse_host_json(content: Mapping[str, Any]) -> HostJson:
    """Parse the content of host.json. Raises StartRefused like `read_host_json`."""
    root = Section("host.json", content)
    extensions = root.section("extensions")
    return HostJson(
        queues=_read_queues(extensions.section("queues")),
        route_prefix=str(extensions.section("http").value("routePrefix", "api")).strip("/"),
        function_timeout=_read_timeout(root),
        log_levels=dict(root.section("logging").section("logLevel").content),
    )


@dataclass(frozen=True)
class Section:
    """One object of host.json. It knows its own path, so that messages can name it."""

    path: str
    content: Mapping[str, Any]

    def section(self, name: str) -> "Section":
        """The object of that name, or an empty one."""
        content = self.value(name, {})
        if not isinstance(content, dict):
            raise StartRefused(f"{self.path}.{name} must be an object")
        return Section(f"{self.path}.{name}", content)

    def value(self, name: str, default: Any) -> Any:
        """The value of that name. Names are compared without regard to case."""
        return next((v for key, v in self.content.items() if key.lower() == name.lower()), default)

    def number(self, name: str, default: int, low: int, high: int | None = None) -> int:
        """A whole number between the limits."""
        value = self.value(name, default)
        if not isinstance(value, int) or isinstance(value, bool) or value < low or (high is not None and value > high):
            limits = f"from {low}" if high is None else f"from {low} to {high}"
            raise StartRefused(f"{self.path}.{name} is {value!r}; it must be a whole number {limits}")
        return value

    def duration(self, name: str, default: timedelta, low: timedelta, high: timedelta) -> timedelta:
        """A TimeSpan between the limits."""
        value = self.value(name, None)
        if value is None:
            return default
        try:
            span = parse_time_span(str(value))
        except ValueError as error:
            raise StartRefused(f"{self.path}.{name}: {error}") from error
        if not low <= span <= high:
            raise StartRefused(f"{self.path}.{name} is {value}; it must be between {low} and {high}")
        return span


def _read_queues(queues: Section) -> QueueOptions:
    batch_size = queues.number("batchSize", 16, 1, 32)
    encoding = str(queues.value("messageEncoding", "base64")).lower()
    if encoding not in ("base64", "none"):
        raise StartRefused(f"{queues.path}.messageEncoding is {encoding!r}; it must be base64 or none")
    return QueueOptions(
        batch_size=batch_size,
        new_batch_threshold=queues.number("newBatchThreshold", batch_size // 2 * (os.cpu_count() or 1), 0),
        max_polling_interval=queues.duration(
            "maxPollingInterval", _default_polling_interval(), MINIMUM_POLLING_INTERVAL, timedelta.max
        ),
        visibility_timeout=queues.duration("visibilityTimeout", timedelta(0), timedelta(0), MAXIMUM_VISIBILITY),
        max_dequeue_count=queues.number("maxDequeueCount", 5, 1),
        base64=encoding == "base64",
    )


def _default_polling_interval() -> timedelta:
    development = os.environ.get("AZURE_FUNCTIONS_ENVIRONMENT") == "Development"
    return DEVELOPMENT_POLLING_INTERVAL if development else POLLING_INTERVAL


def _read_timeout(root: Section) -> timedelta | None:
    # The host reads "-1" as unbounded, not as minus one day.
    if str(root.value("functionTimeout", "")) == "-1":
        return None
    return root.duration("functionTimeout", timedelta(minutes=30), timedelta(seconds=1), timedelta.max)
