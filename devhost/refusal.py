"""Why the host does not start."""


class StartRefused(Exception):
    """The app, its settings or host.json cannot be run as they are; the text names the culprit and says why."""
