"""The simulated tenant: the app's settings for it, and the actions of its users in Dataverse and Finance."""

import json
from collections.abc import Iterable, Iterator
from decimal import Decimal
from itertools import batched
from typing import Any

import requests

from simulators.stack import Stack
from simulators.tokens import issue

TIMEOUT = 600
WEBHOOK_COLUMN = "msdyn_projectinvoicestatus"


def app_settings(stack: Stack) -> dict[str, str]:
    """The settings with which the app serves this tenant."""
    return {
        "DATAVERSE_URL": stack.url("dataverse"),
        "DATAVERSE_ORGANIZATION_ID": str(stack.services["dataverse"].facts["organizationId"]),
        "DATAVERSE_TIME_ZONE": "Europe/Berlin",
        "FINANCE_URL": stack.url("finance"),
        "FINANCE_UPLOAD_HOSTS": "127.0.0.1",
        "SIGN_IN_METHOD": "clientSecret",
        "SIGN_IN_AUTHORITY": stack.authority,
        "SIGN_IN_CLIENT_ID": stack.client_id,
        "SIGN_IN_CLIENT_SECRET": stack.client_secret,
    }


class Tenant:
    """The actions of a project manager in Dataverse and an accountant in Finance, through the simulators' control
    endpoints."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._session = requests.Session()
        self._session.trust_env = False

    def let_app_write_back(self) -> None:
        """Let the app's user write those columns of actuals that Dataverse otherwise keeps for dual-write."""
        self.switch("dataverse", dualWriteClients=self._stack.client_id)

    def register_webhook(self, host: int = 0) -> None:
        """Have Dataverse send confirmations to the app, with the function key in a header."""
        self._post(
            "dataverse",
            "webhooks",
            {
                "url": f"{self._stack.host_urls[host]}/api/invoices/confirmations",
                "authType": "HttpHeader",
                "headers": {"x-functions-key": self._stack.webhook_key},
                "entity": "invoice",
                "message": "Update",
                "filteringAttributes": [WEBHOOK_COLUMN],
                "postImage": [WEBHOOK_COLUMN, "msdyn_ordertype"],
                "asyncAutoDelete": True,
            },
        )

    def draft(self, lines: int, *, seed: int = 1, **options: Any) -> str:
        """Create a draft invoice, whose unbilled sales have been in Finance before, and return its id."""
        made = self._post("dataverse", "invoices", {"lines": lines, "seed": seed, **options})
        invoice_id = str(made["invoiceId"])
        self._seed(invoice_id)
        return invoice_id

    def correct(self, invoice_id: str, **options: Any) -> str:
        """Make a corrective draft of a confirmed invoice and return its id."""
        return str(self._post("dataverse", f"invoices/{invoice_id}/correct", options)["invoiceId"])

    def approve(self, invoice_id: str, entries: int = 1) -> list[str]:
        """Approve more work on the contract of an invoice. It is not in Finance yet. Return its unbilled sales."""
        return list(self._post("dataverse", f"invoices/{invoice_id}/approvals", {"entries": entries})["unbilled"])

    def _seed(self, invoice_id: str) -> None:
        originals = self._session.get(
            f"{self._stack.url('dataverse')}/sim/invoices/{invoice_id}/originals", stream=True, timeout=TIMEOUT
        )
        originals.raise_for_status()
        rows = (json.dumps({**json.loads(line), "posted": True}).encode() + b"\n" for line in originals.iter_lines())
        answer = self._session.post(f"{self._stack.url('finance')}/sim/seed", data=rows, timeout=TIMEOUT)
        _check(answer)

    def confirm(self, invoice_id: str) -> None:
        """Press Confirm."""
        self._post("dataverse", f"invoices/{invoice_id}/confirm", {})

    def invoice(self, invoice_id: str) -> dict[str, Any]:
        """What Dataverse says of an invoice: number, company, lines, proforma total, rows expected in Finance."""
        return dict(self._get("dataverse", f"invoices/{invoice_id}"))

    def produced(self, invoice_id: str) -> Iterator[dict[str, Any]]:
        """What must arrive in Finance, as the simulator recorded it during the confirmation."""
        return self.lines("dataverse", f"invoices/{invoice_id}/produced")

    def book(self, company: str) -> None:
        """Finance's own work: import from staging, post the integration journal, import from staging again."""
        for step in ("import-from-staging", "post-journal", "import-from-staging"):
            self._post("finance", step, {"company": company})

    def post_proposal(self, company: str, number: str) -> None:
        """Post an invoice proposal in Finance."""
        self._post("finance", f"proposals/{company}/{number}/post", {})

    def ring(self, host: int = 0) -> None:
        """Have Finance send the business event of a posting to the app."""
        event: dict[str, Any] = {
            "BusinessEventId": "ProjectInvoicePostedBusinessEvent",
            "ControlNumber": 1,
            "LegalEntity": "usmf",
        }
        answer = self._session.post(
            f"{self._stack.host_urls[host]}/api/postings",
            json=event,
            headers={"x-functions-key": self._stack.function_key},
            timeout=TIMEOUT,
        )
        _check(answer)

    def proposals(self) -> list[dict[str, Any]]:
        """The invoice proposals in Finance."""
        return list(self._get("finance", "proposals"))

    def held(self, what: str) -> Iterator[dict[str, Any]]:
        """The rows of `actuals`, `connections`, `headers` or `details` in Finance."""
        return self.lines("finance", what)

    def counts(self) -> dict[str, Any]:
        """Finance's own counts."""
        return dict(self._get("finance", "counts"))

    def requests(self, service: str) -> dict[str, Any]:
        """How many requests a service has had."""
        return dict(self._get(service, "requests"))

    def switch(self, service: str, **switches: Any) -> None:
        """Set switches of a simulator."""
        answer = self._session.put(f"{self._stack.url(service)}/sim/switches", json=switches, timeout=TIMEOUT)
        _check(answer)

    def vouchers(self, actuals: Iterable[str]) -> dict[str, str]:
        """The voucher numbers that Dataverse has for these actuals, read as any client of its Web API would."""
        stack = self._stack
        token = issue(
            secret=stack.token_secret,
            issuer="",
            tenant=stack.tenant,
            audience=stack.url("dataverse"),
            client_id=stack.client_id,
            lifetime=600,
        )
        found: dict[str, str] = {}
        for some in batched(actuals, 400, strict=False):
            values = ",".join(f'"{key}"' for key in some)
            answer = self._session.get(
                f"{stack.url('dataverse')}/api/data/v9.2/msdyn_actuals",
                params={
                    "$select": "msdyn_actualid,msdyn_vouchernumber",
                    "$filter": f"Microsoft.Dynamics.CRM.In(PropertyName='msdyn_actualid',PropertyValues=[{values}])",
                },
                headers={"Authorization": f"Bearer {token}"},
                timeout=TIMEOUT,
            )
            rows = _check(answer).json()["value"]
            found |= {row["msdyn_actualid"]: row["msdyn_vouchernumber"] for row in rows if row["msdyn_vouchernumber"]}
        return found

    def run(self, invoice_id: str, host: int = 0) -> dict[str, Any] | None:
        """The app's status of the run of an invoice, or None if there is no run."""
        answer = self._session.get(
            f"{self._stack.host_urls[host]}/api/runs/{invoice_id}",
            headers={"x-functions-key": self._stack.function_key},
            timeout=TIMEOUT,
        )
        return None if answer.status_code == 404 else dict(_check(answer).json())

    def _get(self, service: str, path: str) -> Any:
        return _check(self._session.get(f"{self._stack.url(service)}/sim/{path}", timeout=TIMEOUT)).json()

    def _post(self, service: str, path: str, body: Any) -> Any:
        answer = self._session.post(f"{self._stack.url(service)}/sim/{path}", json=body, timeout=TIMEOUT)
        return _check(answer).json() if answer.content else None

    def lines(self, service: str, path: str) -> Iterator[dict[str, Any]]:
        """The JSON lines of a control endpoint."""
        answer = self._session.get(f"{self._stack.url(service)}/sim/{path}", stream=True, timeout=TIMEOUT)
        _check(answer)
        return (json.loads(line, parse_float=Decimal) for line in answer.iter_lines() if line)


def _check(answer: requests.Response) -> requests.Response:
    if not answer.ok:
        raise RuntimeError(f"{answer.request.method} {answer.url}: HTTP {answer.status_code} {answer.text[:500]}")
    return answer
