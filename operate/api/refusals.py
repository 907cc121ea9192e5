"""A request that cannot be served, and why."""


class BadRequest(Exception):
    """What the caller asks makes no sense, or is not there: the status, a word for it, and what is wrong."""

    def __init__(self, status: int, code: str, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.code = code
