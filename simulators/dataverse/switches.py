"""Switches that change the simulator's behaviour while it runs."""

from dataclasses import asdict, dataclass, fields

from simulators.language import LANGUAGES
from simulators.spoils import FORMS as SPOILS
from simulators.waits import FORMS, MIXED

WORDS = {
    "retryAfterForm": (*FORMS, MIXED),
    "webhookStripForm": ("absent", "null", "empty"),
    "moreRecordsForm": ("truth", "absent", "no"),
    "spoilForm": SPOILS,
    "language": LANGUAGES,
}


class SwitchRefused(Exception):
    """An unknown switch, or a value of the wrong type."""


@dataclass
class Switches:
    """All switches with their initial values: a service without faults.

    Faults apply to a share of all requests (0..1, "...Share") or to the next n requests ("...Next"); `faultRoute`
    limits both to requests whose "METHOD path" contains it, `faultSeed` makes shares repeatable.
    """

    # How the organization behaves
    dualWriteColumnsLocked: bool = True  # noqa: N815 - the names on the wire
    dualWriteClients: str = ""  # noqa: N815
    bulkUnsupported: str = ""  # noqa: N815
    refuseUpdatesOf: str = ""  # noqa: N815
    sqlUnsupported: bool = False  # noqa: N815
    aggregateLimit: int = 50_000  # noqa: N815
    # How it confirms
    confirmInTwoTransactions: bool = False  # noqa: N815
    confirmGapSeconds: float = 2.0  # noqa: N815
    confirmWithoutActuals: bool = False  # noqa: N815
    newUnbilledStamped: bool = False  # noqa: N815
    # Actuals that no billed sale bills - the rest of a retainer, a line made non-chargeable - are linked to what they
    # replace
    replacementsLinked: bool = True  # noqa: N815
    nonChargeableBilled: bool = True  # noqa: N815
    addedLinesPointToUnbilled: bool = False  # noqa: N815
    # This share of the actuals, the last ones, is written after this many seconds, with their connections
    lateShare: float = 0.0  # noqa: N815
    lateSeconds: float = 60.0  # noqa: N815
    # Service protection limits
    limitsOn: bool = False  # noqa: N815
    limitWindowSeconds: float = 300.0  # noqa: N815
    limitRequests: int = 6_000  # noqa: N815
    limitExecutionSeconds: float = 1_200.0  # noqa: N815
    limitConcurrency: int = 52  # noqa: N815
    limitRetryAfterSeconds: float = 2.0  # noqa: N815
    servers: int = 1
    # Faults
    latencySeconds: float = 0.0  # noqa: N815
    pageLatencySeconds: float = 0.0  # noqa: N815
    # The total time of a read, the simulator's own work included: of a full page, and of any read at least
    pageSeconds: float = 0.0  # noqa: N815
    readSeconds: float = 0.0  # noqa: N815
    faultRoute: str = ""  # noqa: N815
    faultSeed: int = 0  # noqa: N815
    throttleShare: float = 0.0  # noqa: N815
    throttleNext: int = 0  # noqa: N815
    throttleUntil: float = 0.0  # noqa: N815
    throttleSeconds: float = 2.0  # noqa: N815
    throttleGraceSeconds: float = 0.25  # noqa: N815
    retryAfterForm: str = "seconds"  # noqa: N815
    errorShare: float = 0.0  # noqa: N815
    errorNext: int = 0  # noqa: N815
    errorStatus: int = 503  # noqa: N815
    resetBeforeShare: float = 0.0  # noqa: N815
    resetBeforeNext: int = 0  # noqa: N815
    resetAfterCommitShare: float = 0.0  # noqa: N815
    resetAfterCommitNext: int = 0  # noqa: N815
    sqlTimeoutShare: float = 0.0  # noqa: N815
    sqlTimeoutNext: int = 0  # noqa: N815
    # Unusable answers (simulators/spoils.py): the next n, or all until a moment in seconds since 1970, of requests
    # whose "METHOD path" contains spoilRoute
    spoilForm: str = ""  # noqa: N815
    spoilStatus: int = 200  # noqa: N815
    spoilNext: int = 0  # noqa: N815
    spoilUntil: float = 0.0  # noqa: N815
    spoilRoute: str = ""  # noqa: N815
    # Permissions: sets, functions and parts of the definitions (EntityDefinitions, RetrieveVersion) that the app's user
    # may not read or write, sets that it may not write, and everything forbidden
    forbidTables: str = ""  # noqa: N815
    forbidWritesOf: str = ""  # noqa: N815
    forbidCaller: bool = False  # noqa: N815
    # Privileges that its roles do not give it, those that it has as a member of a team only, and depths other than
    # Global as in prvReadInvoice=Basic,...
    missingPrivileges: str = ""  # noqa: N815
    teamPrivileges: str = ""  # noqa: N815
    privilegeDepths: str = ""  # noqa: N815
    # What the tenant is: its own organization unless another id is given; the app's user; solutions of other versions
    # than usual (DualWriteCore=1.1.33.0,...; without a version: not installed); Project Operations parameters
    organizationId: str = ""  # noqa: N815
    organizationVersion: str = "9.2.26103.175"  # noqa: N815
    organizationState: str = "Enabled"  # noqa: N815
    userTimeZone: int = 110  # noqa: N815
    userDisabled: bool = False  # noqa: N815
    userAccessMode: int = 4  # noqa: N815
    userApplicationId: str = ""  # noqa: N815
    solutionVersions: str = ""  # noqa: N815
    projectParameters: bool = True  # noqa: N815
    projectTaskTracking: int = 192350001  # noqa: N815
    projectActualsTracking: int = 192350002  # noqa: N815
    # What an older solution, or a tenant's own changes, make of the tables: columns that are missing
    # (msdyn_actual.msdyn_externaloriginreference,...), values that a choice has not (billingtype=192350002,...) or has
    # besides, and how dates behave by their definition (msdyn_actual.msdyn_transactiondate=UserLocal,...)
    missingColumns: str = ""  # noqa: N815
    missingChoices: str = ""  # noqa: N815
    addedChoices: str = ""  # noqa: N815
    dateBehaviors: str = ""  # noqa: N815
    # Dual-write: not installed, the sets whose maps run (invoices,msdyn_actuals,...), the version that runs instead of
    # the usual one, whether its JSON is a JSON text once more, and whether the runtime's JSON is cut off
    dualWriteMissing: bool = False  # noqa: N815
    dualWriteRunning: str = ""  # noqa: N815
    dualWriteRunningVersion: str = ""  # noqa: N815
    dualWriteEncodedTwice: bool = False  # noqa: N815
    dualWriteRuntimeCut: bool = False  # noqa: N815
    # The language of the app's user, used for messages
    language: str = "en"
    tokenRejectNext: int = 0  # noqa: N815
    tokensRevokedBefore: float = 0.0  # noqa: N815
    foreignNextLink: bool = False  # noqa: N815
    repeatNextLink: bool = False  # noqa: N815
    # From this page of a list on, no next link is sent (1: never one; 0: off), and no page has more rows than this
    withheldNextLinks: int = 0  # noqa: N815
    shortPages: int = 0  # noqa: N815
    # The answer to the question whether there are more records: the truth, no answer, or "no"
    moreRecordsForm: str = "truth"  # noqa: N815
    extraRowsNext: int = 0  # noqa: N815
    changedRowsNext: int = 0  # noqa: N815
    cookieExpiresNext: int = 0  # noqa: N815
    # Webhooks
    webhookOff: bool = False  # noqa: N815
    webhookDuplicates: int = 0  # noqa: N815
    webhookShuffle: bool = False  # noqa: N815
    webhookLost: float = 0.0  # noqa: N815
    webhookStrip: bool = False  # noqa: N815
    webhookStripForm: str = "absent"  # noqa: N815
    webhookOffsetDates: bool = False  # noqa: N815
    webhookTimeoutSeconds: float = 60.0  # noqa: N815
    webhookRetrySeconds: float = 0.5  # noqa: N815

    def as_json(self) -> dict[str, object]:
        return asdict(self)

    def merge(self, changes: dict[str, object]) -> None:
        """Take the given values; nothing changes when one is refused. Raises SwitchRefused."""
        known = {field.name: type(getattr(self, field.name)) for field in fields(self)}
        taken = {name: _checked(name, value, known) for name, value in changes.items()}
        for name, value in taken.items():
            setattr(self, name, value)


def listed(text: str) -> list[str]:
    """The names of a switch that takes several."""
    return [part.strip() for part in text.split(",") if part.strip()]


def pairs(text: str) -> dict[str, str]:
    """A switch that takes `name=value` several times."""
    return {name: value for name, _, value in (part.partition("=") for part in listed(text))}


def _checked(name: str, value: object, known: dict[str, type]) -> object:
    if name not in known:
        raise SwitchRefused(f"unknown switch '{name}'")
    wanted = known[name]
    if wanted is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if type(value) is not wanted:
        raise SwitchRefused(f"switch '{name}' takes {wanted.__name__}, not {type(value).__name__}")
    if name in WORDS and value not in WORDS[name]:
        raise SwitchRefused(f"switch '{name}' takes one of {', '.join(WORDS[name])}")
    return value
