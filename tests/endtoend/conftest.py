"""One running system for the end-to-end tests that do not break it."""

from collections.abc import Iterator

import pytest

from tests.endtoend.relay import Relay, relay

PAGE_ROWS = 1000
"""Small pages, so that 999, 1,000 and 1,001 lines meet their edges."""


@pytest.fixture(scope="package")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Relay]:
    """A running system with pages of a thousand rows; tests share it and make invoices of their own."""
    with relay(tmp_path_factory.mktemp("relay"), settings={"DATAVERSE_PAGE_ROWS": str(PAGE_ROWS)}) as running:
        yield running
