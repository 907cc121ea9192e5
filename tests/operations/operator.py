"""What an operator does over HTTP, and what an accountant does to a row in Finance."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import requests

from tests.endtoend.dataverse_reader import token
from tests.endtoend.relay import Relay, await_that

BY = "olga"
ACTUALS = "Project Operations integration actuals"
COMPANY = "usmf"


@dataclass(frozen=True)
class Operator:
    """The operator's endpoints of a running system, with the operator's key."""

    system: Relay

    def get(self, path: str, **query: Any) -> dict[str, Any]:
        """GET what must be there."""
        answer = requests.get(self.system.address(path), params=query, headers=self.system.operator, timeout=60)
        assert answer.status_code == 200, (answer.status_code, answer.text)
        return dict(answer.json())

    def ask(self, path: str, body: Any, *, key: str | None = None) -> requests.Response:
        """POST a body as JSON, or as it is when it is bytes."""
        headers = {"x-functions-key": self.system.stack.function_key if key is None else key}
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return requests.post(self.system.address(path), data=content, headers=headers, timeout=60)

    def post(self, path: str, **body: Any) -> dict[str, Any]:
        """POST what must be accepted."""
        answer = self.ask(path, {"by": BY, **body})
        assert answer.status_code in {200, 202}, (answer.status_code, answer.text)
        return dict(answer.json())

    def sweep(self) -> dict[str, Any]:
        """Sweep now."""
        return self.post("sweeps")

    def diagnose(self, *only: str) -> dict[str, Any]:
        """Have the doctor make all checks, or these, and wait for its findings."""
        path = f"doctor/{self.post('doctor', only=only)['id']}"
        return await_that(
            lambda: found if (found := self.get(path))["state"] != "running" else None, "the doctor", 120.0
        )

    def replay(self, **selection: Any) -> dict[str, Any]:
        """Send again what is rejected."""
        return self.post("replays", **selection)

    def run(self, invoice_id: str) -> dict[str, Any]:
        """The run of an invoice."""
        return self.get(f"runs/{invoice_id}")

    def await_state(self, invoice_id: str, state: str) -> dict[str, Any]:
        """Wait until a run is in a state; return the run."""

        def reached() -> dict[str, Any] | None:
            run = self.system.tenant.run(invoice_id)
            return run if run and run["state"] == state else None

        try:
            return await_that(reached, f"{state} of {invoice_id}", 60.0)
        except AssertionError as error:
            raise AssertionError(f"{error}: {self.run(invoice_id)}") from error

    def await_posting(self, invoice_id: str, posting: str) -> None:
        """Wait until the write-back of a run has come that far."""
        try:
            await_that(lambda: self.run(invoice_id)["posting"] == posting, f"{posting}: {invoice_id}", 60.0)
        except AssertionError as error:
            raise AssertionError(f"{error}: {self.run(invoice_id)}") from error

    def groups(self, invoice_id: str = "") -> list[dict[str, Any]]:
        """The groups of rejected rows, of one invoice or of all."""
        query = {"invoiceId": invoice_id} if invoice_id else {}
        return list(self.get("errors", **query)["groups"])

    def rows(self, group: str, invoice_id: str = "") -> list[dict[str, Any]]:
        """The rows of a group."""
        query = {"invoiceId": invoice_id} if invoice_id else {}
        return list(self.get(f"errors/{group}", **query)["rows"])

    def reconcile(self, **what: Any) -> list[dict[str, Any]]:
        """Compare and wait for what came of it."""
        return list(self.job(**what)["invoices"])

    def job(self, **what: Any) -> dict[str, Any]:
        """Compare, and wait for the whole report."""
        result = self._work("reconciliations", **what)
        assert result["done"] == result["of"]
        return result

    def search(self, **what: Any) -> dict[str, Any]:
        """Look for actuals that are out of sync, do what `sync` asks about them, and wait for what came of it."""
        return self._work("out-of-sync", **what)

    def _work(self, path: str, *, end: str = "done", **what: Any) -> dict[str, Any]:
        job = self.post(path, **what)

        def over() -> dict[str, Any] | None:
            standing = self.get(f"{path}/{job['id']}")
            return None if standing["state"] == "running" else standing

        result = await_that(over, f"the end of {path}", 60.0)
        assert result["state"] == end, result
        return result

    def compare(self, invoice_id: str, **options: Any) -> dict[str, Any]:
        """Compare one invoice."""
        return self.reconcile(invoiceId=invoice_id, **options)[0]

    @contextmanager
    def pausing(self, stage: str | None) -> Iterator[None]:
        """Nothing of a map, or of any, is sent meanwhile."""
        self.post("pauses", map=stage, reason="month end")
        try:
            yield
        finally:
            self.post("resumes", map=stage)


@dataclass(frozen=True)
class Accountant:
    """A user who changes single actuals in Finance by OData, without the app."""

    system: Relay

    def delete(self, key: str) -> None:
        """Remove an actual."""
        self._send("DELETE", self._row(key))

    def change(self, key: str, **fields: Any) -> None:
        """Change fields of an actual."""
        self._send("PATCH", self._row(key), fields)

    def add(self, **fields: Any) -> None:
        """Post an actual that Dataverse knows nothing of."""
        self._send("POST", "ProjActualsImports", {"dataAreaId": COMPANY, **fields})

    def _row(self, key: str) -> str:
        return f"ProjActualsImports(dataAreaId='{COMPANY}',ActualsImportId={key})?cross-company=true"

    def _send(self, method: str, path: str, body: Any = None) -> None:
        url = f"{self.system.stack.url('finance')}/data/{path}"
        headers = {"Authorization": f"Bearer {token(self.system, 'finance')}"}
        answer = requests.request(method, url, json=body, headers=headers, timeout=60)
        assert answer.ok, (answer.status_code, answer.text)


def held(system: Relay, proposal: str, kind: str = "BilledSales") -> list[dict[str, Any]]:
    """The actuals of one type that Finance holds under a proposal number."""
    return list(system.tenant.lines("finance", f"actuals?proposal={proposal}&type={kind}"))


def copy_of(row: dict[str, Any]) -> dict[str, str]:
    """What makes another billed sale under the same proposal."""
    names = ("InvoiceProposalId", "TransactionType", "ProjectId", "TransactionCurrencyId", "AccountingDate",
             "DocumentDate", "BillingType", "TransactionClassification", "Amount")  # fmt: skip
    return {name: str(row[name]) for name in names}


def journal(system: Relay, after: int = 0) -> list[dict[str, Any]]:
    """What Finance has written since an entry of its journal, in order."""
    return list(system.tenant.lines("finance", f"journal?after={after}"))


def journal_end(system: Relay) -> int:
    """The last entry of Finance's journal."""
    return max((int(entry["seq"]) for entry in journal(system)), default=0)


def sent_keys(system: Relay, after: int, entity: str = ACTUALS) -> list[str]:
    """The keys of the rows of an entity that Finance took in since an entry of its journal, without the company."""
    entries = [entry for entry in journal(system, after) if entry["entity"] == entity]
    return [str(entry["key"]).rpartition(",")[2].lower() for entry in entries]


def produced_actuals(system: Relay, invoice_id: str) -> set[str]:
    """The ids of the actuals that a confirmation produced."""
    return {row["actualId"].lower() for row in system.tenant.produced(invoice_id) if row["kind"] == "actual"}


def progress(run: dict[str, Any], name: str) -> dict[str, Any]:
    """What a run says of one map."""
    return next(dict(each) for each in run["maps"] if each["map"] == name)
