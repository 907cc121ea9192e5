"""Service protection limits, and how long a throttled caller has to stay away."""

import time
from collections import defaultdict, deque
from dataclasses import dataclass, field

from simulators.dataverse.errors import ServiceError
from simulators.dataverse.switches import Switches
from simulators.waits import Forms, retry_after, tells

LONGEST_WAIT = 300.0
REQUESTS, EXECUTION_TIME, CONCURRENCY = "0x80072322", "0x80072321", "0x80072326"


@dataclass
class _Budget:
    """The resource use of one user on one server, and the wait that the user was given."""

    requests: deque[tuple[float, float]] = field(default_factory=deque)
    seconds: float = 0.0
    running: int = 0
    until: float = 0.0
    wait: float = 0.0
    told: float = 0.0
    reason: tuple[str, str] = ("", "")


class Protection:
    """Counts per user and server. A caller that ignores Retry-After is refused, and its wait grows each time."""

    def __init__(self, switches: Switches) -> None:
        self.switches = switches
        self.throttled = 0
        self.while_throttled = 0
        self.in_flight = 0
        self._forms = Forms()
        self._budgets: dict[tuple[str, str], _Budget] = defaultdict(_Budget)

    def enter(self, user: str, server: str, arrived: float) -> None:
        """Count a request that begins; it came at `arrived` (monotonic). Raises ServiceError with status 429."""
        budget, now = self._budgets[user, server], time.monotonic()
        self._refuse_while_closed(budget, now)
        self._refuse_early(budget, now, arrived)
        if self.switches.limitsOn:
            self._refuse_excess(budget, now)
        budget.running += 1

    def leave(self, user: str, server: str, seconds: float) -> None:
        """Count a request that entered and took so long."""
        budget = self._budgets[user, server]
        budget.running -= 1
        budget.requests.append((time.monotonic(), seconds))
        budget.seconds += seconds

    def throttle(self, user: str, server: str) -> ServiceError:
        """Return a 429 that the caller did not cause, as a single overloaded server sends it."""
        return self._tell(self._budgets[user, server], self._requests_exceeded, self.switches.throttleSeconds)

    def relax(self) -> None:
        """End all current waits."""
        for budget in self._budgets.values():
            budget.until = 0.0

    def headers(self, user: str, server: str) -> dict[str, str]:
        budget = self._budgets[user, server]
        self._forget(budget, time.monotonic())
        seconds = max(0.0, self.switches.limitExecutionSeconds - budget.seconds)
        return {
            "x-ms-ratelimit-burst-remaining-xrm-requests": str(
                max(0, self.switches.limitRequests - len(budget.requests) - 1)
            ),
            "x-ms-ratelimit-time-remaining-xrm-requests": f"{seconds:,.2f}",
        }

    @property
    def _requests_exceeded(self) -> tuple[str, str]:
        return REQUESTS, f"Number of requests exceeded the limit of {self.switches.limitRequests} {self._window}."

    @property
    def _window(self) -> str:
        return f"over time window of {self.switches.limitWindowSeconds:g} seconds"

    def _refuse_while_closed(self, budget: _Budget, now: float) -> None:
        """The switch `throttleUntil` closes the service until a moment in seconds since 1970."""
        rest = self.switches.throttleUntil - time.time()
        if rest > 0 and now >= budget.until:
            raise self._tell(budget, self._requests_exceeded, rest)

    def _refuse_early(self, budget: _Budget, now: float, arrived: float) -> None:
        if now >= budget.until:
            budget.wait = 0.0 if now > budget.until + LONGEST_WAIT else budget.wait
            return
        # A request that was already in flight when the wait was announced does not violate it.
        if arrived > budget.told + self.switches.throttleGraceSeconds:
            self.while_throttled += 1
            raise self._tell(budget, budget.reason, min(LONGEST_WAIT, budget.wait + self.switches.throttleSeconds))
        self.in_flight += 1
        raise self._refusal(budget.reason, budget.until - now, self._form())

    def _refuse_excess(self, budget: _Budget, now: float) -> None:
        self._forget(budget, now)
        limits = self.switches
        reason: tuple[str, str] | None = None
        if budget.running >= limits.limitConcurrency:
            reason = CONCURRENCY, f"Number of concurrent requests exceeded the limit of {limits.limitConcurrency}."
        elif len(budget.requests) >= limits.limitRequests:
            reason = self._requests_exceeded
        elif budget.seconds >= limits.limitExecutionSeconds:
            limit = f"{int(limits.limitExecutionSeconds * 1000):,} milliseconds"
            reason = (
                EXECUTION_TIME,
                (
                    f"Combined execution time of incoming requests exceeded limit of {limit} {self._window}. "
                    "Decrease number of concurrent requests or reduce the duration of requests and try again later."
                ),
            )
        if reason:
            raise self._tell(budget, reason, limits.limitRetryAfterSeconds)

    def _tell(self, budget: _Budget, reason: tuple[str, str], wait: float) -> ServiceError:
        now = time.monotonic()
        form = self._form()
        # A caller can only ignore a wait that it was really told.
        if tells(form):
            budget.until, budget.wait, budget.told, budget.reason = now + wait, wait, now, reason
        return self._refusal(reason, wait, form)

    def _form(self) -> str:
        return self._forms.choose(self.switches.retryAfterForm)

    def _refusal(self, reason: tuple[str, str], wait: float, form: str) -> ServiceError:
        self.throttled += 1
        return ServiceError(429, *reason, retry_after(form, wait))

    def _forget(self, budget: _Budget, now: float) -> None:
        while budget.requests and budget.requests[0][0] < now - self.switches.limitWindowSeconds:
            budget.seconds -= budget.requests.popleft()[1]
