"""The error of a request that cannot be served."""

from relay_contract.problems import Code


class BadRequest(Exception):
    """A request that is invalid, or that names something that does not exist: HTTP status, error code, and text."""

    def __init__(self, status: int, code: Code, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.code: Code = code
