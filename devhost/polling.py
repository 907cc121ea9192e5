"""Polling intervals of a queue listener, with backoff."""

import random
from collections.abc import Callable
from datetime import timedelta

MINIMUM = timedelta(milliseconds=100)
JITTER = 0.2


class PollingInterval:
    """The host's randomized exponential backoff: 100 ms after a find, then doubling steps up to `maximum`."""

    def __init__(self, maximum: timedelta, uniform: Callable[[float, float], float] = random.uniform) -> None:
        self._maximum = maximum
        self._uniform = uniform
        self._current = timedelta(0)
        self._exponent = 0

    def next_wait(self, *, found: bool) -> timedelta:
        """The next wait; `found` says whether a message was found since the last one."""
        if found:
            self._current, self._exponent = MINIMUM, 1
        elif self._current != self._maximum:
            self._back_off()
        return self._current

    def _back_off(self) -> None:
        step = timedelta(0)
        if self._exponent > 0:
            step = MINIMUM * (self._uniform(1 - JITTER, 1 + JITTER) * 2 ** (self._exponent - 1))
        if MINIMUM + step < self._maximum:
            self._current, self._exponent = MINIMUM + step, self._exponent + 1
        else:
            self._current = self._maximum


class RenewalInterval:
    """The time until a message's invisibility is renewed: half of it, halved again after each failure."""

    def __init__(self, lease: timedelta) -> None:
        self._normal = lease / 2
        # The host waits at least one minute for its lease of ten.
        self._minimum = lease / 10
        self._current = self._normal

    def next_wait(self, *, renewed: bool) -> timedelta:
        """The next wait; `renewed` says whether the last renewal succeeded."""
        self._current = self._normal if renewed else max(self._current / 2, self._minimum)
        return self._current
