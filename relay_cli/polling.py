"""Looking at something again and again until it is over."""

import time
from collections.abc import Callable, Iterator

from relay_cli.problems import Unreachable
from relay_cli.screen import say

FAILURES_IN_A_ROW = 10
"""An app that restarts, or a network that blinks, is no reason to stop watching."""


def follow[T](look: Callable[[], T], is_over: Callable[[T], bool], every: float) -> Iterator[T]:
    """Each look, `every` seconds apart, up to and including the one in which it is over.

    The first look must succeed; later ones may fail with Unreachable, though not many times in a row.
    """
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
