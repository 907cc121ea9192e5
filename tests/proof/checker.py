"""`python -m tests.proof.checker`: compare what Dataverse confirmed with what Finance holds, and how it came there.

It reads nothing but the two services' own records: what Dataverse wrote down while confirming, Finance's staging rows
and the journal in which Finance enters every row that it accepts, and the columns of actuals by Dataverse's Web API.
Nothing here asks the app, or reads its storage.
"""

import argparse
import json
import sys
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import batched
from typing import Any

import requests

from simulators.stack import Stack
from simulators.tokens import issue
from tests.proof.findings import Findings

_TIMEOUT = 600
_DETAIL = {
    "VoucherNumber": "msdyn_vouchernumber",
    "AccountingAmount": "msdyn_accountingamount",
    "ExchangeRate": "msdyn_accountexchangerate",
    "SalesTaxAmount": "msdyn_accountingtaxamount",
}
_TYPES = {"BilledSales": "BilledSales", "UnbilledSales": "Sales"}

type Row = Mapping[str, Any]


@dataclass(frozen=True)
class Records:
    """Where the two services keep their records. `token` lets the checker read Dataverse as a client of it."""

    dataverse: str
    finance: str
    token: str = ""
    session: requests.Session = field(default_factory=requests.Session)

    def lines(self, url: str) -> Iterator[Row]:
        """The JSON lines of an address."""
        self.session.trust_env = False
        answer = self.session.get(url, stream=True, timeout=_TIMEOUT)
        answer.raise_for_status()
        return (json.loads(line, parse_float=Decimal) for line in answer.iter_lines() if line)

    def rows(self, entity_set: str, key: str, columns: Iterable[str], ids: Collection[str]) -> dict[str, Row]:
        """Columns of these rows of Dataverse, by their ids, as any client of its Web API reads them."""
        found: dict[str, Row] = {}
        for some in batched(sorted(ids), 300, strict=False):
            values = ",".join(f'"{each}"' for each in some)
            condition = f"Microsoft.Dynamics.CRM.In(PropertyName='{key}',PropertyValues=[{values}])"
            answer = self.session.get(
                f"{self.dataverse}/api/data/v9.2/{entity_set}",
                params={"$select": ",".join([key, *columns]), "$filter": condition},
                headers={"Authorization": f"Bearer {self.token}"},
                timeout=_TIMEOUT,
            )
            answer.raise_for_status()
            rows = json.loads(answer.content, parse_float=Decimal)["value"]
            found |= {str(row[key]).lower(): row for row in rows}
        return found


def records_of(stack: Stack) -> Records:
    """The records of a running stack."""
    token = issue(
        secret=stack.token_secret,
        issuer="",
        tenant=stack.tenant,
        audience=stack.url("dataverse"),
        client_id=stack.client_id,
        lifetime=3600,
    )
    return Records(stack.url("dataverse"), stack.url("finance"), token)


@dataclass(frozen=True)
class _Expected:
    """What the confirmations produced: by id, with the invoice that each row belongs to."""

    headers: dict[str, Row] = field(default_factory=dict)
    actuals: dict[str, Row] = field(default_factory=dict)
    connections: dict[str, Row] = field(default_factory=dict)
    of_invoice: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))


def check(
    records: Records,
    invoices: Iterable[str],
    *,
    missing: Collection[str] = (),
    late: Collection[str] = (),
    posted: Collection[str] = (),
) -> Findings:
    """Compare these invoices, at rest.

    `missing` are ids of actuals and connections that are not to be there (refused or dismissed on purpose). For
    invoices in `late`, to which Dataverse added rows afterwards, a connection has to come after its own two ends
    instead of after every actual of the invoice. `posted` are invoices whose accounting detail has to be back.
    """
    expected = _read_expected(records, invoices, {key.lower() for key in missing})
    actuals = list(records.lines(f"{records.finance}/sim/actuals"))
    connections = list(records.lines(f"{records.finance}/sim/connections"))
    headers = list(records.lines(f"{records.finance}/sim/headers"))
    journal = list(records.lines(f"{records.finance}/sim/journal"))
    held = {
        "actual": [(_lower(row["ActualId"]), row) for row in actuals],
        "connection": [(_lower(row["ConnectionId"]), row) for row in connections],
        "header": [(row["InvoiceProposalId"], row) for row in headers],
    }
    wanted = {"actual": expected.actuals, "connection": expected.connections, "header": expected.headers}
    there = {kind: dict(rows) for kind, rows in held.items()}
    lost = [f"{kind} {key}" for kind, rows in wanted.items() for key in rows if key not in there[kind]]
    doubled = [
        f"{kind} {key}"
        for kind, rows in held.items()
        for key, count in Counter(key for key, _ in rows if key in wanted[kind]).items()
        if count > 1
    ]
    return Findings(
        rows=sum(map(len, wanted.values())),
        lost=lost,
        doubled=doubled,
        misplaced=_misplaced(expected, held),
        changed=_changed(expected, there["actual"]),
        strangers=_strangers(expected, held["actual"]),
        out_of_order=_out_of_order(expected, there, journal, late),
        not_written_back=_not_written_back(records, expected, there["actual"], posted),
        money=_money(expected, held["actual"]),
    )


def _read_expected(records: Records, invoices: Iterable[str], missing: Collection[str]) -> _Expected:
    expected = _Expected()
    for invoice_id in invoices:
        number = ""
        for row in records.lines(f"{records.dataverse}/sim/invoices/{invoice_id}/produced"):
            if row["kind"] == "header":
                number = row["number"]
                expected.headers[number] = {**row, "invoice": invoice_id}
            elif row["kind"] == "actual" and _lower(row["actualId"]) not in missing:
                expected.actuals[_lower(row["actualId"])] = {**row, "invoice": invoice_id, "number": number}
                expected.of_invoice[invoice_id].append(_lower(row["actualId"]))
            elif row["kind"] == "connection" and _lower(row["connectionId"]) not in missing:
                expected.connections[_lower(row["connectionId"])] = {**row, "invoice": invoice_id}
    return expected


def _misplaced(expected: _Expected, held: Mapping[str, list[tuple[str, Row]]]) -> list[str]:
    found = []
    for kind, rows in (("actual", expected.actuals), ("header", expected.headers)):
        found += [f"{kind} {key}" for key, row in held[kind] if key in rows and _is_misplaced(rows[key], row, kind)]
    return found


def _is_misplaced(wanted: Row, row: Row, kind: str) -> bool:
    billed = kind == "actual" and wanted["type"] == "BilledSales"
    return bool(row["dataAreaId"] != wanted["company"] or (billed and row["InvoiceProposalId"] != wanted["number"]))


def _changed(expected: _Expected, held: Mapping[str, Row]) -> list[str]:
    return [f"actual {key}" for key, row in expected.actuals.items() if key in held and _differs(row, held[key])]


def _differs(wanted: Row, row: Row) -> bool:
    import_id = wanted["importId"]
    return bool(
        Decimal(row["Amount"]) != Decimal(wanted["amount"])
        or row["TransactionCurrencyId"] != wanted["currency"]
        or row["TransactionType"] != _TYPES[wanted["type"]]
        or (import_id and _lower(row["ActualsImportId"]) != _lower(import_id))
    )


def _strangers(expected: _Expected, held: Iterable[tuple[str, Row]]) -> list[str]:
    return [
        f"actual {key}"
        for key, row in held
        if row["TransactionType"] == "BilledSales"
        and row["InvoiceProposalId"] in expected.headers
        and key not in expected.actuals
    ]


def _out_of_order(
    expected: _Expected, there: Mapping[str, Mapping[str, Row]], journal: Iterable[Row], late: Collection[str]
) -> list[str]:
    first = _first_writes(journal)
    written = {
        key: first.get(_lower(there["actual"][key]["ActualsImportId"]), 0)
        for key in expected.actuals
        if key in there["actual"]
    }
    early = [
        f"actual {key}"
        for key, at in written.items()
        if at and at < first.get(expected.actuals[key]["number"], sys.maxsize)
    ]
    last = {
        invoice: max((written.get(key, 0) for key in keys), default=0) for invoice, keys in expected.of_invoice.items()
    }
    for key, row in expected.connections.items():
        if key in first and key in there["connection"]:
            link = there["connection"][key]
            ends = max(written.get(_lower(link[name]), 0) for name in ("Transaction1Id", "Transaction2Id"))
            before = ends if row["invoice"] in late else last.get(row["invoice"], 0)
            early += [f"connection {key}"] if before > first[key] else []
    return early


def _first_writes(journal: Iterable[Row]) -> dict[str, int]:
    """When Finance took a row in for the first time, by its key without the company."""
    first: dict[str, int] = {}
    for entry in journal:
        key = str(entry["key"]).rpartition(",")[2]
        first.setdefault(key if entry["entity"].startswith("Project invoice") else key.lower(), int(entry["seq"]))
    return first


def _not_written_back(
    records: Records, expected: _Expected, held: Mapping[str, Row], posted: Collection[str]
) -> list[str]:
    ours = {key for invoice in posted for key in expected.of_invoice[invoice] if key in held}
    standing = records.rows("msdyn_actuals", "msdyn_actualid", _DETAIL.values(), ours)
    return [f"actual {key}" for key in sorted(ours) if not _is_back(held[key], standing.get(key, {}))]


def _is_back(row: Row, standing: Row) -> bool:
    if not row["VoucherNumber"] or not standing:
        return False
    return all(_plain(row[name]) == _plain(standing[column]) for name, column in _DETAIL.items())


def _plain(value: Any) -> Any:
    return Decimal(value) if isinstance(value, int | Decimal) else value


def _money(expected: _Expected, held: Iterable[tuple[str, Row]]) -> dict[str, Decimal]:
    difference: dict[str, Decimal] = defaultdict(Decimal)
    for row in expected.actuals.values():
        difference[row["currency"]] += Decimal(row["amount"])
    for key, row in held:
        if key in expected.actuals:
            difference[row["TransactionCurrencyId"]] -= Decimal(row["Amount"])
    return dict(difference)


def _lower(text: str) -> str:
    return str(text).lower()


def main() -> int:
    """Compare the named invoices, or all that are confirmed. Returns 0 if everything is right, else 1 and the
    findings."""
    parser = argparse.ArgumentParser(prog="python -m tests.proof.checker", description=__doc__)
    parser.add_argument("--dataverse", required=True, help="address of the simulated Dataverse")
    parser.add_argument("--finance", required=True, help="address of the simulated Finance")
    parser.add_argument("invoices", nargs="*", help="ids; none: every confirmed invoice")
    arguments = parser.parse_args()
    records = Records(arguments.dataverse, arguments.finance)
    chosen = arguments.invoices or _confirmed(records)
    findings = check(records, chosen)
    print(json.dumps({"invoices": len(chosen), "rows": findings.rows, "problems": findings.problems()}))
    return 0 if findings.clean else 1


def _confirmed(records: Records) -> list[str]:
    answer = records.session.get(f"{records.dataverse}/sim/invoices", timeout=_TIMEOUT)
    return [each["invoiceId"] for each in answer.json() if each["status"] != "draft"]


if __name__ == "__main__":
    sys.exit(main())
