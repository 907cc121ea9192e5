"""The error that stops the host at start."""


class StartRefused(Exception):
    """The app, its settings or host.json cannot be run as they are. The text names what is wrong and why."""
