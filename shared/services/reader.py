"""A reader: the many requests, one after another, that read one page or compare one invoice.

A throttling service answers only a few requests at a time. So a reader waits in place while answers keep coming. If it
has to stop, the answers that it has got so far are kept and not requested again.
"""

import hashlib
from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime, timedelta
from typing import Optional

from shared.services.answers import Reply
from shared.services.turns import Turns

LONGEST_READING = timedelta(minutes=8)
"""Counted from the start of the reader: the host ends a function after ten minutes (host.json, functionTimeout)."""


_current: ContextVar[Optional["Reader"]] = ContextVar("reader", default=None)


class AnswerBudget:
    """How many bytes of answers this process may keep. An answer that exceeds the budget is requested again."""

    def __init__(self, most: int) -> None:
        self._left = most

    def take(self, size: int) -> bool:
        """Reserve `size` bytes. False if the budget is exhausted."""
        if size > self._left:
            return False
        self._left -= size
        return True

    def give_back(self, size: int) -> None:
        """Release `size` bytes."""
        self._left += size


class Reader:
    """The answers of one reader, and how long it waits in place: `patience` after its last answer."""

    def __init__(self, clock: Callable[[], datetime], patience: timedelta, budget: AnswerBudget | None = None) -> None:
        self._clock = clock
        self._patience = patience
        self._budget = budget or AnswerBudget(0)
        self._began = self._last = clock()
        self._before: dict[str, deque[Reply]] = {}
        self._answers: list[tuple[str, Reply]] = []
        self._taken = 0
        self._turns: set[Turns] = set()

    @classmethod
    def current(cls) -> Optional["Reader"]:
        """The reader whose requests this task sends, if it is one's."""
        return _current.get()

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Every GET request of this task, and of the tasks that it starts, is this reader's during the block."""
        token = _current.set(self)
        try:
            yield
        finally:
            _current.reset(token)

    def join(self, turns: Turns) -> None:
        """Take turns with the other readers of a service until it leaves."""
        self._turns.add(turns)

    @property
    def until(self) -> datetime:
        """The instant until which it waits in place."""
        return min(self._last + self._patience, self._began + LONGEST_READING)

    @property
    def answers(self) -> list[tuple[str, Reply]]:
        """The answers of this run in order, then those of an earlier run that were not used yet."""
        return [*self._answers, *((name, reply) for name, replies in self._before.items() for reply in replies)]

    def resume_from(self, answers: list[tuple[str, Reply]]) -> None:
        """Use the answers that the same reader got in an earlier run."""
        before: defaultdict[str, deque[Reply]] = defaultdict(deque)
        for name, reply in answers:
            before[name].append(reply)
            self._taken += len(reply.body) if self._budget.take(len(reply.body)) else 0
        self._before = dict(before)

    def recall(self, name: str) -> Reply | None:
        """The answer of an earlier run, each only once: a request that is made twice needs two answers."""
        waiting = self._before.get(name)
        if not waiting:
            return None
        reply = waiting.popleft()
        self._answers.append((name, reply))
        return reply

    def take(self, name: str, reply: Reply) -> None:
        """Record an answer that has just arrived."""
        self._last = self._clock()
        if self._budget.take(len(reply.body)):
            self._taken += len(reply.body)
            self._answers.append((name, reply))

    def leave(self, *, refused: bool = False) -> None:
        """Release the memory of its answers, and its turns. `refused`: it stopped because a service throttled it."""
        for turns in self._turns:
            turns.leave(self, refused=refused)
        self._budget.give_back(self._taken)
        self._taken = 0
        self._answers, self._before = [], {}


def name_of(url: str, headers: Mapping[str, str]) -> str:
    """The key of a GET request among a reader's answers: everything that influences the answer."""
    return hashlib.blake2b(f"{url} {sorted(headers.items())}".encode(), digest_size=16).hexdigest()
