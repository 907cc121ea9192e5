"""What Finance held before a run began: what counts as sent, and what is said of it."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit
from uuid import UUID, uuid4

import pytest

from confirm_invoice.header import read_header
from shared.engine.lifecycle import accept
from shared.engine.loading import Batch
from shared.engine.ports import Ports
from shared.ledger.run import Page
from shared.project_operations.codes import CONFIRMED, INVOICES, PROJECT_INVOICE
from simulators.azurite import Azurite
from tests.contract.conftest import Tenant
from tests.contract.opening import opened
from tests.contract.server import Received, Reply, Server, said

GO_LIVE = datetime(2031, 5, 1, tzinfo=UTC)
OPENED = GO_LIVE + timedelta(days=30)
"""When the storage account was opened."""


def text(instant: datetime) -> str:
    """An instant as Dataverse writes it."""
    return f"{instant:%Y-%m-%dT%H:%M:%SZ}"


class Invoice:
    """An invoice of Dataverse whose billed sales Finance holds."""

    def __init__(self, confirmed: datetime) -> None:
        self.key, self.actual, self.confirmed = uuid4(), uuid4(), confirmed
        self.others: list[UUID] = []
        """Billed sales that Finance holds under the same number, of another invoice or entered by hand."""

    def answer(self, request: Received) -> Reply:
        """Both services."""
        path = request.target.partition("?")[0]
        if path.startswith("/data/"):
            return self._held(parse_qs(urlsplit(request.target).query))
        if "PropertyName='msdyn_actualid'" in unquote(request.target):
            return said({"value": [{"msdyn_actualid": str(self.actual), "_msdyn_invoice_value": str(self.key)}]})
        if path.endswith("msdyn_actuals"):
            return said({"value": [{"createdon": text(self.confirmed)}]})
        return said(self._header())

    def _held(self, options: dict[str, list[str]]) -> Reply:
        rows = [{"ActualId": str(each)} for each in [*self.others, self.actual]]
        return said({"value": rows[: int(options["$top"][0])]})

    def _header(self) -> dict[str, Any]:
        number = "PRO-000001"
        return {
            "invoiceid": str(self.key), "msdyn_invoicenumber": number, "invoicenumber": number, "statecode": 0,
            "msdyn_ordertype": PROJECT_INVOICE, "msdyn_projectinvoicestatus": CONFIRMED, "name": "x",
            "createdon": text(self.confirmed), "msdyn_invoicedate": text(self.confirmed),
            "msdyn_owningcompany": {"cdm_companycode": "USMF"},
        }  # fmt: skip


@pytest.fixture
async def ports(tenant: Tenant, azurite: Azurite, server: Server) -> AsyncIterator[Ports]:
    """The app, live since GO_LIVE, on an account that it opened later."""
    async with opened(tenant, azurite, server, SWEEP_START=text(GO_LIVE)) as ports:
        ports.ownership.since = OPENED
        yield ports


async def read(ports: Ports, key: UUID) -> Batch:
    """The header of an invoice that an operator has named."""

    async def announce(_: Any) -> None:
        """Nothing follows the only page of a header."""

    await accept(ports.ledger, key, is_named=True)
    run = await ports.ledger.run(key)
    assert run is not None
    [batch] = (await read_header(ports, run, Page(key, INVOICES, 1, 0), announce)).batches
    return batch


@pytest.mark.parametrize("days", [1, -1])
async def test_a_header_that_only_dual_write_may_have_carried_is_sent(ports: Ports, server: Server, days: int) -> None:
    """Dual-write may have brought some actuals and no header. This app sends no actual before the header."""
    invoice = Invoice(GO_LIVE + timedelta(days=days))
    server.rule = invoice.answer
    batch = await read(ports, invoice.key)
    run = await ports.ledger.run(invoice.key)
    assert run is not None
    assert run.was_carried
    assert batch.is_found == (days > 0)


async def test_billed_sales_are_looked_for_in_every_company(ports: Ports, server: Server) -> None:
    """The company of an actual is that of its project, which may be another than the header's."""
    invoice = Invoice(GO_LIVE + timedelta(days=1))
    server.rule = invoice.answer
    await read(ports, invoice.key)
    [asked] = [unquote(each.target) for each in server.received if each.target.startswith("/data/")]
    assert "dataAreaId" not in asked
    assert "cross-company=true" in asked


async def test_a_row_that_was_entered_by_hand_hides_none_that_this_app_has_carried(
    ports: Ports, server: Server
) -> None:
    invoice = Invoice(GO_LIVE + timedelta(days=1))
    invoice.others = [UUID(int=0), uuid4()]
    server.rule = invoice.answer
    assert (await read(ports, invoice.key)).is_found
