"""One reader: a page that is read, or an invoice that is compared, with many requests one after the other.

A service that limits us hard answers only some of them at a time. So a reader waits where it is for as long as answers
keep coming, and what it was answered before it had to leave off is not asked for again.
"""

import hashlib
from collections import defaultdict, deque
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from shared.services.answers import Reply

LONGEST_READING = timedelta(minutes=8)
"""From its beginning on, however many answers come: the host ends a function after ten minutes."""


class AnswerBudget:
    """So many bytes of answers may be kept in this process; what does not fit is asked for again."""

    def __init__(self, most: int) -> None:
        self._left = most

    def take(self, size: int) -> bool:
        """Take room for an answer if there is any."""
        if size > self._left:
            return False
        self._left -= size
        return True

    def give_back(self, size: int) -> None:
        """What was taken is free again."""
        self._left += size


class Reader:
    """What one reader has been answered, and for how long it waits: `patience` from its last answer on."""

    def __init__(self, clock: Callable[[], datetime], patience: timedelta, budget: AnswerBudget | None = None) -> None:
        self._clock = clock
        self._patience = patience
        self._budget = budget or AnswerBudget(0)
        self._began = self._last = clock()
        self._before: dict[str, deque[Reply]] = {}
        self._answers: list[tuple[str, Reply]] = []
        self._taken = 0

    @property
    def until(self) -> datetime:
        """The instant to which it waits where it is."""
        return min(self._last + self._patience, self._began + LONGEST_READING)

    @property
    def answers(self) -> list[tuple[str, Reply]]:
        """What it was answered, in order, and what it was answered before and has not come to yet."""
        return [*self._answers, *((name, reply) for name, replies in self._before.items() for reply in replies)]

    def go_on_from(self, answers: list[tuple[str, Reply]]) -> None:
        """Take up what the same reader was answered before it left off."""
        before: defaultdict[str, deque[Reply]] = defaultdict(deque)
        for name, reply in answers:
            before[name].append(reply)
            self._taken += len(reply.body) if self._budget.take(len(reply.body)) else 0
        self._before = dict(before)

    def recall(self, name: str) -> Reply | None:
        """What it was answered before, once for each time: what it asks twice in one go is asked twice."""
        waiting = self._before.get(name)
        if not waiting:
            return None
        reply = waiting.popleft()
        self._answers.append((name, reply))
        return reply

    def take(self, name: str, reply: Reply) -> None:
        """Note an answer that has just come."""
        self._last = self._clock()
        if self._budget.take(len(reply.body)):
            self._taken += len(reply.body)
            self._answers.append((name, reply))

    def leave(self) -> None:
        """Let go of what it was answered."""
        self._budget.give_back(self._taken)
        self._taken = 0
        self._answers, self._before = [], {}


def name_of(url: str, headers: Mapping[str, str]) -> str:
    """The name of a GET request among a reader's: what decides about its answer."""
    return hashlib.blake2b(f"{url} {sorted(headers.items())}".encode(), digest_size=16).hexdigest()
