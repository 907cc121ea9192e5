"""Figures of an invoice for tests: its expected sums, the rows it produced, and the originals."""

import sqlite3
from collections.abc import Callable
from typing import Any

import orjson

from simulators.dataverse.codes import UNBILLED_SALES
from simulators.dataverse.events import SqlValue
from simulators.dataverse.scenario.rows import local_day
from simulators.dataverse.values import decimal_text

CHUNK = 2_000
_STATUS = {192350000: "draft", 192350001: "in review", 192350002: "confirmed", 192350003: "paid", 192350004: "posted"}
_TYPES = {192350000: "Cost", 192350005: "UnbilledSales", 192350006: "BilledSales"}
_INFO = (
    "SELECT s.invoice_id, s.number, s.company, s.currency, s.contract, s.lines, s.proforma_total, s.actuals_expected, "
    "s.connections_expected, i.msdyn_projectinvoicestatus "
    "FROM sim_invoice s JOIN invoice i ON i.invoiceid = s.invoice_id"
)


class UnknownInvoice(Exception):
    """No such invoice was created here."""


def invoice_info(connection: sqlite3.Connection, invoice_id: str) -> dict[str, object]:
    """Return the figures of one invoice: sums as decimal text, the expected ones null until it is confirmed.

    Raises UnknownInvoice.
    """
    row = connection.execute(f"{_INFO} WHERE s.invoice_id = ?", (invoice_id,)).fetchone()
    if row is None:
        raise UnknownInvoice(f"no invoice {invoice_id}")
    return _info(row)


def all_invoices(connection: sqlite3.Connection) -> list[dict[str, object]]:
    """Return the figures of every invoice, oldest first."""
    return [_info(row) for row in connection.execute(f"{_INFO} ORDER BY s.number")]


def _info(row: tuple[Any, ...]) -> dict[str, object]:
    return {
        "invoiceId": row[0],
        "number": row[1],
        "company": row[2],
        "currency": row[3],
        "contract": row[4],
        "lines": row[5],
        "status": _STATUS[row[9]],
        "proformaTotal": decimal_text(row[6] or 0, 4),
        "actualsExpected": row[7],
        "connectionsExpected": row[8],
    }


def produced_chunk(connection: sqlite3.Connection, invoice_id: str, after: int) -> tuple[bytes, int]:
    """Return JSON lines of what must arrive, behind row number `after`, and where the next chunk starts (0: done)."""
    info = invoice_info(connection, invoice_id)
    rows = connection.execute(
        "SELECT rowid, kind, row_id, import_id, type, amount FROM sim_produced "
        "WHERE invoice_id = ? AND rowid > ? ORDER BY rowid LIMIT ?",
        (invoice_id, after, CHUNK),
    ).fetchall()
    lines = [] if after else [_header(info)]
    lines += [_actual(info, row) if row[1] == "actual" else _connection(row) for row in rows]
    return b"".join(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE) for line in lines), rows[-1][0] if rows else 0


def _header(info: dict[str, object]) -> dict[str, object]:
    return {
        "kind": "header",
        "invoiceId": info["invoiceId"],
        "number": info["number"],
        "company": info["company"],
        "contract": info["contract"],
        "currency": info["currency"],
    }


def _actual(info: dict[str, object], row: tuple[Any, ...]) -> dict[str, object]:
    return {
        "kind": "actual",
        "actualId": row[2],
        "importId": row[3],
        "type": _TYPES[row[4]],
        "company": info["company"],
        "amount": decimal_text(row[5] or 0, 4),
        "currency": info["currency"],
        "new": row[4] == UNBILLED_SALES,
    }


def _connection(row: tuple[Any, ...]) -> dict[str, object]:
    return {"kind": "connection", "connectionId": row[2]}


type _Shown = Callable[[Any], object]


def _number(scale: int) -> _Shown:
    return lambda value: decimal_text(value, scale)


_BILLING_TYPES = {
    192350000: "nonChargeable",
    192350001: "chargeable",
    192350002: "complimentary",
    192350003: "notAvailable",
}
_TRANSACTION_TYPES = {192350000: "cost", 192350005: "sales", 192350006: "billedSales"}

# Finance's column, its source, and the conversion that the actuals map applies.
_MAP: tuple[tuple[str, str, _Shown | None], ...] = (
    ("dataAreaId", "company.cdm_companycode", None),
    ("ACTUALSIMPORTID", "a.msdyn_actualimportid", None),
    ("ACTUALID", "a.msdyn_actualid", None),
    ("ACCOUNTINGDATE", "a.msdyn_accountingdate", local_day),
    ("ADJUSTMENTSTATUS", "a.msdyn_adjustmentstatus", None),
    ("AMOUNT", "a.msdyn_amount", _number(4)),
    ("BILLINGSTATUSID", "a.msdyn_billingstatus", None),
    ("BILLINGTYPE", "a.msdyn_billingtype", _BILLING_TYPES.get),
    ("BOOKABLERESOURCENAME", "a.msdyn_nameofbookableresource", None),
    ("CONTRACTID", "contract.msdyn_salesordernumber", None),
    ("DESCRIPTION", "a.msdyn_description", None),
    ("DOCUMENTDATE", "a.msdyn_transactiondate", None),
    ("STARTDATE", "a.msdyn_startdatetime", local_day),
    ("ENDDATE", "a.msdyn_enddatetime", local_day),
    ("EXTERNALDESCRIPTION", "a.msdyn_externaldescription", None),
    ("EXTERNALREFERENCE", "a.msdyn_externalreferenceid", None),
    ("FUNDINGSOURCE", "rule.msdyn_projectcontractsplitbillingrulenumber", None),
    ("INVOICEPROPOSALID", "i.msdyn_invoicenumber", None),
    ("ISJOURNALIZED", "a.msdyn_isjournalized", {0: "no", 1: "yes"}.get),
    ("PRODUCTNUMBER", "product.msdyn_productnumber", None),
    ("PROJECTID", "project.msdyn_projectnumber", None),
    ("PROJECTDATAAREAID", "company.cdm_companycode", None),
    ("QUANTITY", "a.msdyn_quantity", _number(2)),
    ("UNITPRICE", "a.msdyn_price", _number(4)),
    ("STATUS", "a.statecode", None),
    ("STATUSREASON", "a.statuscode", None),
    ("TRANSACTIONCATEGORYID", "category.msdyn_transactioncategorynumber", None),
    ("TRANSACTIONCLASSIFICATION", "a.msdyn_transactionclassification", None),
    ("TRANSACTIONCURRENCYID", "currency.isocurrencycode", None),
    ("TRANSACTIONTYPE", "a.msdyn_transactiontypecode", _TRANSACTION_TYPES.get),
    ("UNITOFMEASURE", "unit.msdyn_symbol", None),
    ("TASKNUMBER", "task.msdyn_activitynumber", None),
    ("CONTRACTLINEID", "a.msdyn_valueofsalescontractline", None),
    ("EXTERNALORIGINREFERENCE", "a.msdyn_externaloriginreference", None),
)
_JOINS = """
LEFT JOIN invoice i ON i.invoiceid = a.msdyn_invoice
LEFT JOIN msdyn_project project ON project.msdyn_projectid = a.msdyn_project
LEFT JOIN cdm_company company ON company.cdm_companyid = project.msdyn_owningcompany
LEFT JOIN msdyn_projectcontractsplitbillingrule rule
  ON rule.msdyn_projectcontractsplitbillingruleid = a.msdyn_projectcontractsplitbillingrule
LEFT JOIN salesorder contract ON contract.salesorderid = rule.msdyn_projectcontractid
LEFT JOIN product ON product.productid = a.msdyn_product
LEFT JOIN msdyn_transactioncategory category ON category.msdyn_transactioncategoryid = a.msdyn_transactioncategory
LEFT JOIN transactioncurrency currency ON currency.transactioncurrencyid = a.transactioncurrencyid
LEFT JOIN uom unit ON unit.uomid = a.msdyn_unit
LEFT JOIN msdyn_projecttask task ON task.msdyn_projecttaskid = a.msdyn_task
"""
_ORIGINALS = f"""
WITH lines AS (
  SELECT msdyn_invoicelinetransactionid AS line FROM msdyn_invoicelinetransaction
  WHERE msdyn_invoice = ?1 AND msdyn_invoicelinetransactionid > ?2 ORDER BY 1 LIMIT {CHUNK}),
unbilled AS (
  SELECT lines.line, c.msdyn_transaction2 AS id FROM lines
  LEFT JOIN msdyn_transactionconnection c ON c.msdyn_transaction1 = lines.line
  LEFT JOIN msdyn_actual u ON u.msdyn_actualid = c.msdyn_transaction2
  WHERE c.msdyn_transactionconnectionid IS NULL OR u.msdyn_transactiontypecode = {UNBILLED_SALES}),
originals AS (
  SELECT line, id FROM unbilled
  UNION ALL
  SELECT unbilled.line, c.msdyn_transaction2 FROM unbilled
  JOIN msdyn_transactionconnection c ON c.msdyn_transaction1 = unbilled.id AND c.msdyn_transaction2role = 'Cost')
SELECT {", ".join(source for _, source, _ in _MAP)}
FROM originals CROSS JOIN msdyn_actual a ON a.msdyn_actualid = originals.id {_JOINS}
"""  # noqa: S608 - constants of this module


def originals_chunk(connection: sqlite3.Connection, invoice_id: str, after: str) -> tuple[bytes, str]:
    """Return JSON lines of original rows in Finance's columns, behind line `after`, and the next line ("": done)."""
    invoice_info(connection, invoice_id)
    last = connection.execute(
        "SELECT MAX(line) FROM (SELECT msdyn_invoicelinetransactionid AS line FROM msdyn_invoicelinetransaction "
        "WHERE msdyn_invoice = ? AND msdyn_invoicelinetransactionid > ? ORDER BY 1 LIMIT ?)",
        (invoice_id, after, CHUNK),
    ).fetchone()[0]
    if last is None:
        return b"", ""
    rows = connection.execute(_ORIGINALS, (invoice_id, after))
    lines = [orjson.dumps(_original(row), option=orjson.OPT_APPEND_NEWLINE) for row in rows]
    return b"".join(lines), str(last)


def _original(row: tuple[SqlValue, ...]) -> dict[str, object]:
    return {
        name: shown(value) if shown and value is not None else value
        for (name, _, shown), value in zip(_MAP, row, strict=True)
    }
