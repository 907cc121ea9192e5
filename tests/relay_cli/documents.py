"""Documents of the operator endpoints, as the app would answer."""

from typing import Any

INVOICE_ID = "3f2c9a50-0000-4000-8000-000000000042"
NUMBER = "PI-2026-0042"
AT = "2026-03-31T14:00:05Z"
POSTED_AT = "2026-04-02T09:30:00Z"
FINANCE_SAYS = "Project [red]P-7[/] does not exist\x1b[31m \u202e evil\r\nsecond line"


def run(**members: Any) -> dict[str, Any]:
    """A run in a list."""
    return {
        "invoiceId": INVOICE_ID,
        "runId": "9d1e0000-0000-4000-8000-000000000001",
        "invoiceNumber": NUMBER,
        "company": "usmf",
        "customer": "Adventure Works",
        "project": "P-7",
        "state": "completed",
        "detail": "",
        "rows": 2981,
        "rejected": 0,
        "billedSales": {"rows": 2500, "amounts": {"USD": "1234567890.1234", "EUR": "7.00"}},
        "posting": "posted",
        "postedAt": POSTED_AT,
        "writtenBackAt": None,
        "acceptedAt": AT,
        "updatedAt": AT,
        "maps": [{"map": "actuals", "title": "Actuals", "rows": 2981, "done": 2981, "rejected": 0, "dismissed": 0}],
        "waitsFor": [],
        **members,
    }


def detail(actuals: int = 2981, rejected: int = 0, **members: Any) -> dict[str, Any]:
    """A run with its maps, and `actuals` actuals processed."""
    maps = [
        {
            "map": "invoices",
            "title": "Header",
            "rows": 1,
            "rowsRead": 1,
            "done": 1,
            "rejected": 0,
            "dismissed": 0,
            "state": "done",
        },
        {
            "map": "actuals",
            "title": "Actuals",
            "rows": 2981,
            "rowsRead": 2981,
            "done": actuals,
            "rejected": rejected,
            "dismissed": 0,
            "state": "completed",
        },
        {
            "map": "transactionconnections",
            "title": "Connections",
            "rows": 0,
            "rowsRead": 0,
            "done": 0,
            "rejected": 0,
            "dismissed": 0,
            "state": "waiting",
        },
    ]
    return {**run(), "generation": 1, "postingDetail": "", "oddDays": 0, "maps": maps, "accounts": [], **members}


def group(**members: Any) -> dict[str, Any]:
    """A group of rejected rows."""
    return {
        "group": "4f1c22ab90",
        "map": "actuals",
        "class": "application",
        "pattern": "Project * does not exist",
        "rows": 12,
        "dismissed": 3,
        "invoices": [NUMBER],
        "invoiceCount": 5,
        "sample": FINANCE_SAYS,
        "firstSeen": AT,
        "lastSeen": AT,
        "hint": "Create the project in Finance, then replay the group.",
        **members,
    }


def row(**members: Any) -> dict[str, Any]:
    """A rejected row."""
    return {
        "invoiceId": INVOICE_ID,
        "invoiceNumber": NUMBER,
        "map": "actuals",
        "key": "7c1e0e0a-0000-4000-8000-000000000001",
        "sourceId": "7c1e0e0a-0000-4000-8000-000000000001",
        "line": "17",
        "class": "application",
        "text": FINANCE_SAYS,
        "firstSeen": AT,
        "lastSeen": AT,
        "tries": 2,
        "dismissed": None,
        **members,
    }


def replay(*, dry_run: bool, rows: int = 12) -> dict[str, Any]:
    """A replay, or its rehearsal."""
    send = {"map": "actuals", "rows": rows, "keys": ["k1", "k2", "k3", "k4"]}
    one = {"invoiceId": INVOICE_ID, "invoiceNumber": NUMBER, "state": "needs attention", "sends": [send], "note": ""}
    return {"dryRun": dry_run, "rows": rows, "runs": [one] if rows else []}


def dismissal(*, dry_run: bool) -> dict[str, Any]:
    """A dismissal, or its rehearsal."""
    one = {"invoiceId": INVOICE_ID, "invoiceNumber": NUMBER, "state": "completed", "keys": ["k1", "k2"]}
    return {"dryRun": dry_run, "rows": 2, "runs": [one]}


WRITE_BACK = {"invoiceId": INVOICE_ID, "invoiceNumber": NUMBER, "posting": "posted"}


OUT_OF_SYNC = {"POST /api/out-of-sync": {"id": "job2", "statusUrl": "http://elsewhere/job2"}}
"""The answer to a search that begins; the document that follows is that of GET /api/out-of-sync/job2."""


def out_of_sync(
    *kinds: str, rows: int = 250, state: str = "done", detail: str = "", sync: dict[str, Any] | None = None
) -> dict[str, Any]:
    """Actuals that are out of sync, so many rows in a group for each kind, of which one is listed."""
    of = {"project": "P-7", "invoiceNumber": NUMBER, "invoiceId": INVOICE_ID}
    groups = [
        {"kind": kind, **of, "rows": rows, "amounts": {"USD": "1234567.1234", "EUR": "7.00"}, "oldest": AT}
        for kind in kinds
    ]
    actual = {"actualId": "7c1e0e0a-0000-4000-8000-000000000001", "type": "Billed Sales", **of}
    actuals = [{**actual, "kind": kind, "currency": "USD", "amount": "19.9900", "createdOn": AT} for kind in kinds]
    head = {"id": "job2", "state": state, "detail": detail, "since": AT, "until": AT, "examined": 3000, "leftOut": ""}
    return {**head, "rows": rows * len(kinds), "groups": groups, "actuals": actuals, "sync": sync}


def sync(*, written_back: int = 0, invoices: int = 0, loose: int = 0, refused: str = "") -> dict[str, Any]:
    """What was done about what is out of sync."""
    action = "is compared row by row, and what Finance lacks is sent"
    invoice = {"invoiceId": INVOICE_ID, "invoiceNumber": NUMBER, "rows": 250, "reconciliation": "j", "action": action}
    refusals = [{"actualId": "7c1e0e0a-0000-4000-8000-000000000001", "text": refused}] if refused else []
    sent = {"rows": loose, "inFinance": 0, "underWay": loose, "rejections": 0, "rejected": []}
    return {
        "kinds": ["missing", "not written back"],
        "invoices": [invoice] * invoices,
        "writtenBack": written_back,
        "refusals": len(refusals),
        "refused": refusals,
        "loose": sent,
    }


PAUSED = {"paused": [{"map": None, "reason": "update tonight", "by": "kim", "at": AT}]}


def reconciliation(state: str = "done", *, equal: bool = True, fixed: int = 0) -> dict[str, Any]:
    """A reconciliation of one invoice, which lacks one row in Finance unless it is equal."""
    source = {"rows": 2500, "amounts": {"USD": "100.1234"}}
    target = source if equal else {"rows": 2499, "amounts": {"USD": "99.0000"}}
    invoice = {
        "invoiceId": INVOICE_ID,
        "invoiceNumber": NUMBER,
        "runState": "completed",
        "equal": equal,
        "maps": [{"map": "actuals", "source": source, "target": target, "note": ""}],
        "missing": [] if equal else [{"map": "actuals", "key": "lost-key"}],
        "surplus": [],
        "different": []
        if equal
        else [{"map": "actuals", "key": "k9", "field": "QUANTITY", "source": "1.50", "target": "1.05"}],
        "fixed": fixed,
    }
    invoices = [] if state == "running" else [invoice]
    counts = {"done": len(invoices), "of": 1, "compared": len(invoices), "expected": None, "summary": ""}
    return {"id": "job1", "state": state, "detail": "", **counts, "invoices": invoices}


def health(**members: Any) -> dict[str, Any]:
    """The health of an app that is well."""
    return {
        "app": "0.1.0",
        "maps": {"actuals": "1.0.0.16"},
        "healthy": True,
        "problems": [],
        "paused": [],
        "queues": [{"name": "actuals", "depth": 3, "oldestSeconds": 12}],
        "poison": [{"name": "actuals-poison", "count": 0}],
        "oldestUnfinishedRun": {
            "invoiceId": INVOICE_ID,
            "invoiceNumber": NUMBER,
            "state": "linking",
            "ageSeconds": 3725,
        },
        "gates": [
            {
                "service": "finance",
                "until": AT,
                "reason": "asked for 30 s",
                "kind": "throttled",
                "asked": 30,
                "text": "",
            }
        ],
        "lanes": [
            {
                "map": "actuals",
                "lane": 1,
                "executionId": "e-1",
                "step": "importing",
                "rows": 2500,
                "looks": 1,
                "since": AT,
                "until": None,
                "waitsFor": "",
            }
        ],
        "throughput": [],
        "lastSweep": {"at": AT, "started": 1, "revived": 0, "leftAlone": 0, "blobsDeleted": 4},
        **members,
    }


def sweep(problem: str = "") -> dict[str, Any]:
    """A sweep that found nothing to start; `problem` says why Dataverse could not be asked."""
    return {
        "at": AT,
        "started": [],
        "revived": [],
        "leftAlone": [],
        "blobsDeleted": 2,
        "changed": [],
        "problem": problem,
        "seconds": 1.25,
    }


def finding(verdict: str = "ok", seen: str = "UTC", **members: Any) -> dict[str, Any]:
    """A finding of the doctor."""
    step = "" if verdict == "ok" else "Run relay doctor --only user-time-zone"
    return {"verdict": verdict, "seen": seen, "expected": "Europe/Berlin", "nextStep": step, "about": "", **members}


def check(name: str = "user-time-zone", area: str = "dataverse", *findings: dict[str, Any]) -> dict[str, Any]:
    """A check of the doctor with its findings."""
    order = ["ok", "unknown", "warn", "fail"]
    given = list(findings or [finding()])
    worst = max((each["verdict"] for each in given), key=order.index)
    return {"name": name, "title": "Time zone of the app's user", "area": area, "verdict": worst, "findings": given}


def diagnosis(*checks: dict[str, Any], **members: Any) -> dict[str, Any]:
    """A run of the doctor that is over."""
    made = list(checks or [check()])
    counts = dict.fromkeys(("ok", "warn", "fail", "unknown"), 0)
    for each in made:
        for found in each["findings"]:
            counts[found["verdict"]] += 1
    return {
        "id": "job1",
        "state": "done",
        "detail": "",
        "by": "olga",
        "only": [],
        "began": AT,
        "ended": AT,
        "done": len(made),
        "of": len(made),
        "worst": next((name for name in ("fail", "warn", "unknown") if counts[name]), "ok"),
        "counts": counts,
        "place": {
            "app": "0.5.0",
            "organization": "7b8f3f8e-0c52-4f0e-9d5c-2f2f0f3c1a11",
            "dataverse": "https://contoso.crm.dynamics.com",
            "finance": "https://contoso.operations.dynamics.com",
            "maps": {"actuals": "1.0.0.16"},
        },
        "checks": made,
        **members,
    }
