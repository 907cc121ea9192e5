"""Which readers may ask a service: all of them, until it limits us. Then one goes on and the others leave off, for
together they would get to the end of nothing; for each that comes to its end without a refusal one more may read."""


class Turns:
    """The readers of one service in this process, in the order in which they began."""

    def __init__(self, most: int = 8) -> None:
        self._most = most
        self._allowed: int | None = None
        self._readers: list[object] = []

    def admits(self, reader: object) -> bool:
        """Whether this reader may ask now."""
        if reader not in self._readers:
            self._readers.append(reader)
        return self._allowed is None or self._readers.index(reader) < self._allowed

    def narrow(self) -> None:
        """The service asked to wait: the oldest reader alone goes on."""
        self._allowed = 1

    def leave(self, reader: object, *, refused: bool) -> None:
        """A reader has ended, or left off because it was `refused`."""
        if reader not in self._readers:
            return
        had_its_turn = self._allowed is not None and self._readers.index(reader) < self._allowed
        self._readers.remove(reader)
        if self._allowed is not None and had_its_turn and not refused:
            self._allowed = self._allowed + 1 if self._allowed + 1 < self._most else None
