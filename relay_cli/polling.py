"""Polls until a condition is met."""

import time
from collections.abc import Callable, Iterator

from relay_cli.problems import Unreachable
from relay_cli.screen import say

FAILURES_IN_A_ROW = 10
"""Failed polls in a row: a restart of the app or a short network failure must not end the watching."""


def follow[T](look: Callable[[], T], is_over: Callable[[T], bool], every: float) -> Iterator[T]:
    """Each result, `every` seconds apart, up to and including the final one.

    The first poll must succeed. Later ones may fail with Unreachable, but not many times in a row.
    """
    # A wrong address or key fails here at once, and is not tried again.
    seen, failures = look(), 0
    yield seen
    while not is_over(seen):
        time.sleep(every)
        try:
            seen = look()
        except Unreachable as problem:
            failures += 1
            if failures == FAILURES_IN_A_ROW:
                raise
            say(f"{problem.cause} Looking again in {every:g} s.")
            continue
        failures = 0
        yield seen
