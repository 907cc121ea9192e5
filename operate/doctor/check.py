"""A check, and what it finds."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from operate.doctor.visit import Visit
from relay_contract.doctor import Area


class Verdict(StrEnum):
    """How a check ended. What the app's user is not allowed to see is unknown, never missing."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Finding:
    """What a check found, in words for an operator. `next_step` is one command, or where to click; empty if all is
    well. `about` names the table, map or company when one check has several findings."""

    verdict: Verdict
    seen: str
    expected: str
    next_step: str = ""
    about: str = ""


type Look = Callable[[Visit], Awaitable[Finding | Sequence[Finding]]]


@dataclass(frozen=True)
class Check:
    """A check. `name` is in kebab case and unique; `look` may raise the errors of `Visit`, which are turned into
    findings of verdict unknown."""

    name: str
    title: str
    area: Area
    look: Look
