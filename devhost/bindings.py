"""Functions and their bindings as the worker describes them, limited to the bindings that devhost serves."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from devhost.refusal import StartRefused
from devhost.settings import resolve

RETURN = "$return"


@dataclass(frozen=True)
class HttpTrigger:
    """An HTTP trigger. Empty `methods` means every method. `level` is anonymous, function or admin."""

    parameter: str
    route: str
    methods: tuple[str, ...]
    level: str


@dataclass(frozen=True)
class QueueTrigger:
    parameter: str
    queue: str
    connection: str
    binary: bool


@dataclass(frozen=True)
class TimerTrigger:
    parameter: str
    schedule: str
    run_on_startup: bool
    use_monitor: bool


@dataclass(frozen=True)
class QueueOutput:
    parameter: str
    queue: str
    connection: str


Trigger = HttpTrigger | QueueTrigger | TimerTrigger


@dataclass(frozen=True)
class Function:
    """One function of the app. The worker identifies it by `id`."""

    id: str
    name: str
    trigger: Trigger
    outputs: tuple[QueueOutput, ...]
    binding_texts: tuple[str, ...]

    def output(self, parameter: str) -> QueueOutput | None:
        """The queue output bound to that parameter, or None."""
        return next((output for output in self.outputs if output.parameter == parameter), None)


def read_function(function_id: str, name: str, raw_bindings: Sequence[str]) -> Function:
    """Read the bindings of one function. Raises StartRefused, naming the binding, for a type that devhost does not
    serve."""
    triggers: list[Trigger] = []
    outputs: list[QueueOutput] = []
    for binding in map(json.loads, raw_bindings):
        where = f"function '{name}', binding '{binding['name']}'"
        if binding["type"] in TRIGGERS:
            triggers.append(TRIGGERS[binding["type"]](binding, where))
        elif binding["type"] == "queue":
            outputs.append(QueueOutput(binding["name"], *_queue(binding, where)))
        elif binding["type"] != "http":
            served = ", ".join([*TRIGGERS, "queue", "http"])
            raise StartRefused(f"{where} is of type {binding['type']}; devhost serves {served} only")
    if len(triggers) != 1:
        raise StartRefused(f"function '{name}' has {len(triggers)} triggers; it must have one")
    return Function(function_id, name, triggers[0], tuple(outputs), tuple(raw_bindings))


def _read_http_trigger(binding: dict[str, Any], where: str) -> Trigger:
    level = str(binding.get("authLevel") or "function").lower()
    if level not in ("anonymous", "function", "admin"):
        raise StartRefused(f"{where}: authLevel {level} is not one of anonymous, function, admin")
    methods = tuple(str(method).upper() for method in binding.get("methods") or ())
    return HttpTrigger(binding["name"], resolve(binding.get("route") or "", where).strip("/"), methods, level)


def _read_queue_trigger(binding: dict[str, Any], where: str) -> Trigger:
    binary = str(binding.get("dataType", "")).lower() == "binary"
    return QueueTrigger(binding["name"], *_queue(binding, where), binary)


def _read_timer_trigger(binding: dict[str, Any], where: str) -> Trigger:
    return TimerTrigger(
        binding["name"],
        resolve(binding["schedule"], where),
        run_on_startup=bool(binding.get("runOnStartup", False)),
        use_monitor=bool(binding.get("useMonitor", True)),
    )


def _queue(binding: dict[str, Any], where: str) -> tuple[str, str]:
    return resolve(binding["queueName"], where).lower(), binding.get("connection") or ""


TRIGGERS: dict[str, Callable[[dict[str, Any], str], Trigger]] = {
    "httpTrigger": _read_http_trigger,
    "queueTrigger": _read_queue_trigger,
    "timerTrigger": _read_timer_trigger,
}
