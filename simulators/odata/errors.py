"""The one error of query text."""


class ODataError(Exception):
    """Query text that the service refuses with status 400.

    `message` is worded as the OData library behind both services words it; `position` counts characters from 0 in
    the text of the option, or is None where the fault is one of meaning rather than of a place.
    """

    def __init__(self, message: str, position: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.position = position


def syntax_error(text: str, position: int) -> ODataError:
    """Return the library's general complaint about a place in the text."""
    return ODataError(f"Syntax error at position {position} in '{text}'.", position)
