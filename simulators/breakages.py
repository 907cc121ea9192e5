"""What the demo can break on purpose, so that an operator has something to inspect and repair."""

from dataclasses import dataclass, field
from typing import Any

ACTUALS = "Project Operations integration actuals"
CONNECTIONS = "Integration entity for project transaction relationships"


@dataclass(frozen=True)
class Breakage:
    """Simulator switches that break something, the switches that repair it, and what to look for."""

    text: str
    broken: dict[str, dict[str, Any]]
    mended: dict[str, dict[str, Any]] = field(default_factory=dict)


BREAKAGES = {
    "rejected-rows": Breakage(
        "Finance refuses every actual whose description has a line break in it.",
        {
            "finance": {
                "rejectRows": [
                    {
                        "entity": ACTUALS,
                        "field": "DESCRIPTION",
                        "contains": "\n",
                        "message": "Line property 'Chargeable' doesn't exist",
                    }
                ]
            }
        },
        {"finance": {"rejectRows": []}},
    ),
    "lost-webhooks": Breakage(
        "Dataverse sends no webhook; the sweep has to find the invoices (every ten minutes, or `relay sweep`).",
        {"dataverse": {"webhookOff": True}},
        {"dataverse": {"webhookOff": False}},
    ),
    "throttled": Breakage(
        "Finance answers three requests out of ten with 429 and asks to wait.",
        {"finance": {"throttleShare": 0.3, "throttleActions": True, "retryAfterSeconds": 3.0}},
        {"finance": {"throttleShare": 0.0}},
    ),
    "finance-down": Breakage(
        "Finance answers everything with 503 and an HTML page.",
        {"finance": {"errorShare": 1.0, "errorStatus": 503}},
        {"finance": {"errorShare": 0.0}},
    ),
    "no-sign-in": Breakage(
        "Finance does not accept our tokens any more.",
        {"finance": {"tokenRejectNext": 1_000_000}},
        {"finance": {"tokenRejectNext": 0}},
    ),
    "half-confirmed": Breakage(
        "Dataverse writes the status first and half of the actuals a while later.",
        {"dataverse": {"confirmInTwoTransactions": True, "confirmGapSeconds": 20.0}},
        {"dataverse": {"confirmInTwoTransactions": False}},
    ),
    "no-actuals": Breakage(
        "Dataverse confirms without writing any actual.",
        {"dataverse": {"confirmWithoutActuals": True}},
        {"dataverse": {"confirmWithoutActuals": False}},
    ),
    "nothing-imported": Breakage(
        "Finance reports success for the next import and takes in no row.",
        {"finance": {"succeedsWithZeroRows": 1}},
        {"finance": {"succeedsWithZeroRows": 0}},
    ),
    "rejected-header": Breakage(
        "Finance does not know the project contract of any invoice.",
        {"finance": {"contracts": ["another contract"]}},
        {"finance": {"contracts": []}},
    ),
    "rejected-connections": Breakage(
        "Finance refuses every transaction connection.",
        {"finance": {"rejectRows": [{"entity": CONNECTIONS, "everyNth": 1, "message": "Update has been canceled."}]}},
        {"finance": {"rejectRows": []}},
    ),
    "import-fails": Breakage(
        "Finance reports the next import as failed, without naming a row.",
        {"finance": {"importFailsWhole": 1}},
        {"finance": {"importFailsWhole": 0}},
    ),
    "import-hangs": Breakage(
        "Finance never ends the next import; no switch ends it afterwards.",
        {"finance": {"importNeverEnds": 1}},
        {"finance": {"importNeverEnds": 0}},
    ),
    "long-wait": Breakage(
        "Finance answers everything with 429 and asks to wait for a minute.",
        {"finance": {"throttleShare": 1.0, "throttleActions": True, "retryAfterSeconds": 60.0}},
        {"finance": {"throttleShare": 0.0}},
    ),
    "dataverse-forbids": Breakage(
        "Dataverse lets the app no longer read transaction connections.",
        {"dataverse": {"errorShare": 1.0, "errorStatus": 403, "faultRoute": "msdyn_transactionconnections"}},
        {"dataverse": {"errorShare": 0.0, "errorStatus": 503, "faultRoute": ""}},
    ),
    "wrong-time-zone": Breakage(
        "The app's user in Dataverse has another time zone than the settings say.",
        {"dataverse": {"userTimeZone": 92}},
        {"dataverse": {"userTimeZone": 110}},
    ),
    "shallow-role": Breakage(
        "The role of the app's user lets it read projects of its own only, and it has none.",
        {"dataverse": {"privilegeDepths": "prvReadmsdyn_project=Basic"}},
        {"dataverse": {"privilegeDepths": ""}},
    ),
    "older-solution": Breakage(
        "An older Project Operations lacks a column that the map of actuals sends.",
        {"dataverse": {"missingColumns": "msdyn_actual.msdyn_externaloriginreference"}},
        {"dataverse": {"missingColumns": ""}},
    ),
    "dataverse-down": Breakage(
        "Dataverse answers everything with 503 and an HTML page.",
        {"dataverse": {"errorShare": 1.0}},
        {"dataverse": {"errorShare": 0.0}},
    ),
    "write-back-locked": Breakage(
        "Dataverse lets only dual-write write the accounting detail.",
        {"dataverse": {"dualWriteClients": ""}},
        {"dataverse": {"dualWriteColumnsLocked": False}},
    ),
    "late-row": Breakage(
        "Dataverse writes one more billed sale while the first reading is under way.",
        {"dataverse": {"extraRowsNext": 1}},
        {"dataverse": {"extraRowsNext": 0}},
    ),
}
