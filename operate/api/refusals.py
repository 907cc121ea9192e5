"""A request that cannot be served, and why."""

from relay_contract.problems import Code


class BadRequest(Exception):
    """What the caller asks makes no sense, or is not there: the status, a word for it, and what is wrong."""

    def __init__(self, status: int, code: Code, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.code: Code = code
