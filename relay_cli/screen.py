"""Output: data to stdout, messages to stderr, colour and animation on a terminal only."""

import json
import os
import sys
from typing import Any

from rich.console import Console, RenderableType
from rich.text import Text

ENDLESS = 100_000
"""The width for output that does not go to a terminal: nothing is cut or wrapped there."""


def stdout() -> Console:
    """The console for data."""
    return _console(stderr=False)


def stderr() -> Console:
    """The console for messages."""
    return _console(stderr=True)


def emit(document: Any, view: RenderableType, *, as_json: bool) -> None:
    """Write the result to stdout: as JSON, or as a view."""
    if as_json:
        # Not by rich, which would wrap lines. json.dumps escapes to ASCII, so that no text in it can steer a terminal.
        sys.stdout.write(json.dumps(document, indent=2) + "\n")
        return
    console = stdout()
    with console.capture() as shown:
        console.print(view)
    text = shown.get()
    # A table pads its last column. Outside a terminal that would disturb comparing and grepping.
    sys.stdout.write(text if console.is_terminal else "\n".join(line.rstrip() for line in text.split("\n")))


def say(text: str | RenderableType) -> None:
    """Show a message that is not part of the result."""
    stderr().print(safe(text) if isinstance(text, str) else text)


def is_interactive() -> bool:
    """Whether the operator can see messages and answer questions."""
    # Not stdout: with `relay ... > file` an operator can still be asked.
    return sys.stdin.isatty() and sys.stderr.isatty()


def safe(text: object, style: str = "") -> Text:
    """Foreign text, made safe: no markup, on one line, and without terminal control characters."""
    # Texts come from users and from Finance. An escape sequence in one could rewrite what the terminal shows.
    kept = "".join(c if c.isprintable() else " " if c.isspace() else "\N{REPLACEMENT CHARACTER}" for c in str(text))
    return Text(kept, style=style)


def _console(*, stderr: bool) -> Console:
    stream = sys.stderr if stderr else sys.stdout
    terminal = stream.isatty()
    return Console(
        stderr=stderr,
        force_terminal=terminal,
        # https://no-color.org: any value that is not empty switches colours off.
        color_system=None if os.environ.get("NO_COLOR") or not terminal else "auto",
        width=None if terminal else ENDLESS,
        # Square brackets and :words: in foreign texts are not meant for rich.
        highlight=False,
        markup=False,
        emoji=False,
    )
