"""Logging to stderr, filtered by the host's categories and levels."""

import logging
import sys
from collections.abc import Mapping

from azure_functions_runtime import invocation_id_cv  # type: ignore[import-untyped]

from devhost.refusal import StartRefused

# The levels of host.json, in .NET's words; "None" is above every record.
LEVELS = {
    "trace": 5,
    "debug": logging.DEBUG,
    "information": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
    "critical": logging.CRITICAL,
    "none": logging.CRITICAL + 10,
}
FUNCTION_LOGGER = "devhost.function."


def function_logger(name: str) -> logging.Logger:
    """The host's own logger for the runs of a function. Its category is Function.<name>."""
    return logging.getLogger(FUNCTION_LOGGER + name)


class CategoryFilter(logging.Filter):
    """Passes a record when the level of its category allows it.

    Log lines of the app during an invocation have the category Function.<name>.User, the host's lines about the
    invocation Function.<name>, all others Host. The longest matching prefix in `logging.logLevel` decides, else
    `default`.
    """

    def __init__(self, levels: Mapping[str, str], running: Mapping[str, str]) -> None:
        super().__init__()
        self._levels = {category: _read_level(category, level) for category, level in levels.items()}
        self._running = running

    @property
    def lowest(self) -> int:
        """The lowest level that any category lets pass."""
        return min(self._levels.values(), default=logging.INFO)

    def filter(self, record: logging.LogRecord) -> bool:
        """Decide, and store the category in the record."""
        record.category = category = self._find_category(record)
        # The storage SDK logs every request, also those of the host's own polling. They would drown the app's log
        # lines.
        if category == "Host" and record.name.startswith("azure") and record.levelno < logging.WARNING:
            return False
        return record.levelno >= self._find_level(category)

    def _find_category(self, record: logging.LogRecord) -> str:
        if record.name.startswith(FUNCTION_LOGGER):
            return f"Function.{record.name.removeprefix(FUNCTION_LOGGER)}"
        running = self._running.get(invocation_id_cv.get() or "")
        return f"Function.{running}.User" if running else "Host"

    def _find_level(self, category: str) -> int:
        parts = category.split(".")
        for length in range(len(parts), 0, -1):
            if (level := self._levels.get(".".join(parts[:length]))) is not None:
                return level
        return self._levels.get("default", logging.INFO)


def start_logging(levels: Mapping[str, str], running: Mapping[str, str]) -> None:
    """Send all records to stderr. `running` maps the ids of running invocations to their functions."""
    handler, categories = logging.StreamHandler(sys.stderr), CategoryFilter(levels, running)
    handler.addFilter(categories)
    handler.setFormatter(logging.Formatter("[%(asctime)s] %(levelname)-7s %(category)s: %(message)s"))
    logging.basicConfig(level=min(categories.lowest, logging.INFO), handlers=[handler], force=True)


def _read_level(category: str, level: str) -> int:
    if str(level).lower() not in LEVELS:
        raise StartRefused(f"host.json.logging.logLevel.{category} is {level!r}; it must be one of {', '.join(LEVELS)}")
    return LEVELS[str(level).lower()]
