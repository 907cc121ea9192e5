"""What the doctor found: the app, its services and its set-up, check by check."""

from typing import Literal

from relay_contract import Answer, Instant

type Verdict = Literal["ok", "warn", "fail", "unknown"]
type Area = Literal["dataverse", "finance", "webhook", "maps", "app"]


class Finding(Answer):
    """One finding of a check. `about` names the table, map or company if a check has several. `nextStep` is one
    command, or where to click; it is empty if all is well."""

    verdict: Verdict
    seen: str
    expected: str
    next_step: str
    about: str


class CheckResult(Answer):
    """A check and its findings, with the worst of their verdicts."""

    name: str
    title: str
    area: Area
    verdict: Verdict
    findings: list[Finding]


class VerdictCounts(Answer):
    """How many findings have each verdict."""

    ok: int
    warn: int
    fail: int
    unknown: int


class Place(Answer):
    """What was examined: the release of the app, the organization, and the addresses of the services."""

    app: str
    organization: str
    dataverse: str
    finance: str
    maps: dict[str, str]


class Diagnosis(Answer):
    """A run of the doctor and its progress. `only` names the checks or areas that were asked for; empty for all."""

    id: str
    state: Literal["running", "done", "failed"]
    detail: str
    by: str
    only: list[str]
    began: Instant
    ended: Instant | None
    done: int
    of: int
    worst: Verdict
    counts: VerdictCounts
    place: Place
    checks: list[CheckResult]


class LastDiagnosis(Answer):
    """The last run of all checks, in short."""

    id: str
    at: Instant
    worst: Verdict
    counts: VerdictCounts
