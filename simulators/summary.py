"""Counts what arrived, from the two services' own records. It does not ask the app."""

from collections import Counter
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from simulators.tenant import Tenant


def summarize(
    tenant: Tenant, invoices: Sequence[str], runs: Sequence[dict[str, Any] | None], seconds: float
) -> dict[str, Any]:
    """Compare what Dataverse says the confirmations produced with what Finance holds."""
    actuals, connections, proforma = set(), set(), Decimal(0)
    lines = 0
    numbers = set()
    for invoice_id in invoices:
        facts = tenant.invoice(invoice_id)
        lines += facts["lines"]
        numbers.add(facts["number"])
        proforma += Decimal(facts["proformaTotal"])
        for row in tenant.produced(invoice_id):
            if row["kind"] == "actual":
                actuals.add(row["actualId"].lower())
            elif row["kind"] == "connection":
                connections.add(row["connectionId"].lower())
    asked = {service: tenant.requests(service)["total"] for service in ("finance", "dataverse")}
    held: Counter[str] = Counter()
    posted: dict[str, str] = {}
    for row in tenant.held("actuals"):
        held[row["ActualId"].lower()] += 1
        if row["VoucherNumber"] and row["ActualId"].lower() in actuals:
            posted[row["ActualId"].lower()] = row["VoucherNumber"]
    linked = Counter(str(row["ConnectionId"]).lower() for row in tenant.held("connections"))
    proposal = sum(
        (Decimal(row["total"]) for row in tenant.proposals() if row["proposalId"] in numbers), start=Decimal(0)
    )
    known = [run for run in runs if run]
    return {
        "invoices": len(invoices),
        "lines": lines,
        "states": dict(Counter(run["state"] if run else "no run" for run in runs)),
        "actuals_expected": len(actuals),
        "actuals_in_finance": len(actuals & held.keys()),
        "connections_expected": len(connections),
        "connections_in_finance": len(connections & linked.keys()),
        "duplicates": sum(count - 1 for key, count in (held + linked).items() if count > 1),
        "rejected": sum(each["rejected"] for run in known for each in run["maps"]),
        "proforma_total": str(proforma),
        "proposal_total": str(proposal + Decimal("0.0000")),
        "difference": str(proforma - proposal),
        "written_back": len(posted.items() & tenant.vouchers(actuals).items()),
        "awaiting_posting": len(actuals - posted.keys()),
        "finance_requests": asked["finance"],
        "dataverse_requests": asked["dataverse"],
        "imports": tenant.counts()["imports"],
        "seconds": round(seconds, 2),
    }


def is_complete(summary: dict[str, Any]) -> bool:
    """Whether every run completed, every row is there once, and the amounts are equal."""
    return (
        summary["states"] == {"completed": summary["invoices"]}
        and summary["actuals_expected"] == summary["actuals_in_finance"]
        and summary["connections_expected"] == summary["connections_in_finance"]
        and summary["duplicates"] == 0
        and Decimal(summary["difference"]) == 0
    )


def is_written_back(summary: dict[str, Any]) -> bool:
    """Every actual is posted in Finance, and Dataverse has its voucher."""
    return bool(summary["written_back"] == summary["actuals_expected"])
