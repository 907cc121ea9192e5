"""Where words go: data to stdout, talk to stderr, colour and motion only where a person looks."""

import json
import os
import sys
from typing import Any

from rich.console import Console, RenderableType
from rich.text import Text

ENDLESS = 100_000
"""Columns of an output that nobody looks at: nothing is cut or folded there."""


def stdout() -> Console:
    """The console of the data."""
    return _console(stderr=False)


def stderr() -> Console:
    """The console of the talk."""
    return _console(stderr=True)


def emit(document: Any, view: RenderableType, *, as_json: bool) -> None:
    """Write the result to stdout: the document alone, or its view for a person."""
    if as_json:
        sys.stdout.write(json.dumps(document, indent=2) + "\n")
        return
    console = stdout()
    with console.capture() as shown:
        console.print(view)
    text = shown.get()
    # A table pads its last column; off a terminal that is only noise for whoever compares or greps.
    sys.stdout.write(text if console.is_terminal else "\n".join(line.rstrip() for line in text.split("\n")))


def say(text: str | RenderableType) -> None:
    """Tell the person something that is not the result."""
    stderr().print(safe(text) if isinstance(text, str) else text)


def is_interactive() -> bool:
    """Whether a person sees what is said and can answer."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def safe(text: object, style: str = "") -> Text:
    """Text from anywhere, as it stands: no markup, on one line, and without characters that steer a terminal."""
    kept = "".join(c if c.isprintable() else " " if c.isspace() else "\N{REPLACEMENT CHARACTER}" for c in str(text))
    return Text(kept, style=style)


def _console(*, stderr: bool) -> Console:
    stream = sys.stderr if stderr else sys.stdout
    terminal = stream.isatty()
    return Console(
        stderr=stderr,
        force_terminal=terminal,
        color_system=None if os.environ.get("NO_COLOR") or not terminal else "auto",
        width=None if terminal else ENDLESS,
        highlight=False,
        markup=False,
        emoji=False,
    )
