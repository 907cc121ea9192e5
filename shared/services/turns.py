"""Which readers may send requests to a service.

Without throttling all readers may. After a 429 only the oldest one may, because many readers that share a small quota
would all time out before they finish. Each reader that finishes without another 429 allows one more.
"""


class Turns:
    """The readers of one service in this process, in the order of their start."""

    def __init__(self, most: int = 8) -> None:
        self._most = most
        self._allowed: int | None = None
        self._readers: list[object] = []

    def admits(self, reader: object) -> bool:
        """Whether this reader may send a request now."""
        if reader not in self._readers:
            self._readers.append(reader)
        return self._allowed is None or self._readers.index(reader) < self._allowed

    def narrow(self) -> None:
        """The service throttled a request: only the oldest reader continues."""
        self._allowed = 1

    def leave(self, reader: object, *, refused: bool) -> None:
        """Remove a reader that has finished, or that stopped because it was throttled (`refused`)."""
        if reader not in self._readers:
            return
        had_its_turn = self._allowed is not None and self._readers.index(reader) < self._allowed
        self._readers.remove(reader)
        if self._allowed is not None and had_its_turn and not refused:
            self._allowed = self._allowed + 1 if self._allowed + 1 < self._most else None
