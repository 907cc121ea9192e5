"""Dataverse and Finance as one scripted server: the actuals of one invoice at both ends, which tests change."""

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any
from urllib.parse import unquote
from uuid import UUID, uuid4

import orjson

from shared.engine.lifecycle import accept
from shared.engine.ports import Ports
from shared.ledger.run import Page, Part, Run, State
from shared.maps.table_map import TableMap
from shared.project_operations.codes import ACTUALS, NEW_UNBILLED, SOLD
from shared.storage.landing import encode
from shared.totals import Tally
from simulators.finance.entities import ACTUALS as ENTITY
from tests.contract.server import Received, Reply, said
from tests.run_states import set_state

NUMBER = "PRO-000001"
COMPANY = "usmf"
_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")

type Row = dict[str, Any]


def actual(kind: int = 192350006, **changes: Any) -> Row:
    """An actual in Dataverse."""
    return {
        "msdyn_actualid": str(uuid4()),
        "msdyn_actualimportid": str(uuid4()),
        "msdyn_accountingdate": "2026-11-20T00:00:00Z",
        "msdyn_amount": 125.5,
        "msdyn_billingtype": 192350001,
        "msdyn_description": "Design Workshop",
        "msdyn_isjournalized": False,
        "msdyn_price": 25.1,
        "msdyn_quantity": 5,
        "msdyn_transactionclassification": 192350000,
        "msdyn_transactiondate": "2026-11-20T00:00:00Z",
        "msdyn_transactiontypecode": kind,
        "transactioncurrencyid": {"isocurrencycode": "USD"},
        "msdyn_Invoice": {"msdyn_invoicenumber": NUMBER},
        "msdyn_Project": {"msdyn_projectnumber": "P-1", "msdyn_owningcompany": {"cdm_companycode": COMPANY.upper()}},
        **changes,
    }


def exact(row: Row) -> Row:
    """A row as the app reads it: decimals exact."""
    return {name: Decimal(str(value)) if isinstance(value, float) else value for name, value in row.items()}


def texts_of(table_map: TableMap, row: Row, ports: Ports) -> list[str]:
    """What a map sends of a row."""
    return table_map.write(exact(row), ports.settings.zone)


def held(table_map: TableMap, texts: Sequence[str]) -> Row:
    """A row that Finance holds after it was sent these texts."""
    sent = dict(zip(table_map.columns, texts, strict=True))
    shown: Row = {"@odata.etag": "W/1", "dataAreaId": COMPANY}
    for name, kind in ENTITY.fields.items():
        text = sent.get(name.upper(), "")
        shown[name] = orjson.loads(orjson.dumps(kind.show(kind.parse(text) if text else kind.empty)))
    return shown


class World:
    """The invoice. `sold` and `fresh` are Dataverse's billed and new unbilled sales, `finance` what Finance holds."""

    def __init__(self, ports: Ports, sold: list[Row], fresh: Sequence[Row] = ()) -> None:
        self.invoice_id = uuid4()
        self.sold, self.fresh = sold, list(fresh)
        self.finance = {
            str(row["msdyn_actualimportid"]): held(ports.maps[ACTUALS], texts_of(ports.maps[ACTUALS], row, ports))
            for row in [*sold, *fresh]
        }

    def answer(self, request: Received) -> Reply:
        """Both services."""
        target = unquote(request.target)
        return said({"value": self._finance(target) if target.startswith("/data/") else self._dataverse(target)})

    def _dataverse(self, target: str) -> list[Row]:
        if "PropertyName='msdyn_actualid'" in target:
            wanted = set(_ID.findall(target))
            return [row for row in [*self.sold, *self.fresh] if row["msdyn_actualid"] in wanted]
        return self.sold

    def _finance(self, target: str) -> list[Row]:
        if "InvoiceProposalId eq" in target:
            return [row for row in self.finance.values() if row["TransactionType"] == "BilledSales"]
        return [self.finance[key] for key in _ID.findall(target) if key in self.finance]

    async def carry(self, ports: Ports, *, sent: Mapping[str, list[str]] | None = None) -> Run:
        """The run of the invoice with everything sent, before its verification. `sent` are rows as an earlier reading
        wrote them, by their keys."""
        table_map = ports.maps[ACTUALS]
        await accept(ports.ledger, self.invoice_id)
        run = await ports.ledger.run(self.invoice_id)
        assert run is not None
        texts = {str(row["msdyn_actualimportid"]): texts_of(table_map, row, ports) for row in [*self.sold, *self.fresh]}
        content = encode(list((texts | dict(sent or {})).values()))
        blob = await ports.landing.write(self.invoice_id, ACTUALS, content, written_by=table_map.digest)
        part = _part(self.invoice_id, blob, self.sold, self.fresh)
        await ports.ledger.open_page(Page(self.invoice_id, ACTUALS, 1, 0))
        page = await ports.ledger.page(self.invoice_id, ACTUALS, 1, 0)
        assert page is not None
        await ports.ledger.close_page(page, [part], last=True)
        return await set_state(
            ports.ledger, run, state=State.VERIFYING, number=NUMBER, company=COMPANY, expected=part.measure(SOLD)
        )


def _part(invoice_id: UUID, blob: str, sold: Sequence[Row], fresh: Sequence[Row]) -> Part:
    billed, unbilled = _totals(sold), _totals(fresh)
    rows = len(sold) + len(fresh)
    return Part(
        invoice_id,
        ACTUALS,
        1,
        0,
        COMPANY,
        blob,
        rows,
        "settled",
        measures={SOLD: billed.totals(), NEW_UNBILLED: unbilled.totals()},
    )


def _totals(rows: Sequence[Row]) -> Tally:
    tally = Tally()
    for row in rows:
        tally.add(row["msdyn_actualimportid"], "USD", Decimal(str(row["msdyn_amount"])))
    return tally
