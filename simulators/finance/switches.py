"""The switches of the simulated Finance: tenant set-up, cost of work, and faults."""

import dataclasses
import time
from dataclasses import dataclass, field
from typing import Any

from simulators.language import LANGUAGES
from simulators.spoils import FORMS as SPOILS
from simulators.waits import FORMS, MIXED


class UnknownSwitch(Exception):
    """A switch that does not exist, or a value of the wrong type."""


@dataclass
class Switches:
    """Current values. Counts (`…_next`, `import_never_ends`, …) decrease by one at each use; seconds are floats.

    A whole import fails with status `import_fails_as` and a text, "" for none. A start is refused in Finance's own
    error form or with a gateway's page; `late` is after the import has begun. `refuse_starts_containing` refuses every
    file that contains this text. `said_count` is the row count that every import reports, whatever it did. A value
    longer than its column in `longest_values` fails the entity as a whole, without naming the row.

    On the wire the names are in camel case. `import_seconds_in_all` and the `odata_seconds…` are total times, the
    simulator's own work included. Without the former an import takes its seconds in addition to its work.
    """

    # tenant
    contracts: list[str] = field(default_factory=list)
    currencies: list[str] = field(default_factory=lambda: ["USD", "EUR", "GBP", "CHF", "JPY", "CAD", "SEK", "DKK"])
    line_property_missing: bool = False
    retainer_class: int = 192350005
    milestone_class: int = 192350003
    sales_tax_percent: int = 10
    allow_overlap: bool = True
    import_from_staging_seconds: float = 0.0
    duplicate_post_status: int = 400
    # set-up of the tenant (setup.py); entities by their AOT names, companies by their codes
    app_registered: bool = True
    unregistered_status: int = 401
    user_enabled: bool = True
    roles: list[str] = field(default_factory=lambda: ["Data management operations user", "Invoice relay"])
    application_version: str = "10.0.2345.67"
    platform_version: str = "7.0.7778.29"
    entity_list_refreshed: bool = True
    entity_labels: dict[str, str] = field(default_factory=dict)
    entity_keys: dict[str, str] = field(default_factory=dict)
    not_enabled: list[str] = field(default_factory=list)
    not_in_data_management: list[str] = field(default_factory=list)
    not_public: list[str] = field(default_factory=list)
    integration_off: list[str] = field(default_factory=list)
    missing_companies: list[str] = field(default_factory=list)
    further_companies: list[str] = field(default_factory=list)
    without_number_sequence: list[str] = field(default_factory=list)
    number_sequence_data_type: str = "ProjProposalId"
    number_sequence_flags: dict[str, dict[str, str]] = field(default_factory=dict)
    # dual-write (dual_write.py): the status of the project of each set of Dataverse
    dual_write: dict[str, str] = field(
        default_factory=lambda: dict.fromkeys(("invoices", "msdyn_actuals", "msdyn_transactionconnections"), "Disabled")
    )
    # data management
    sas_seconds: float = 1800.0
    uploads_through_front: bool = False
    not_found_polls: int = 2
    take_up_seconds: float = 0.05
    error_keys_polls: int = 1
    errors_well_formed: bool = False
    errors_form: str = "pasted"
    record_id_form: str = "key"
    async_checks_package: bool = True
    busy_project: str = "refuse"
    import_fixed_seconds: float = 0.2
    import_seconds_per_row: float = 0.00002
    import_seconds_in_all: bool = False
    slow_unpack_seconds: float = 0.0
    fault_entity: str = ""
    import_never_ends: int = 0
    stuck_imports_end: str = ""
    import_fails_whole: int = 0
    import_fails_as: str = "Failed"
    import_fails_with: str = "DMF042 The data management service is not reachable. Try again later."
    refuse_starts: int = 0
    refuse_starts_status: int = 400
    refuse_starts_with: str = (
        "Cannot edit a record in Data project (DMFDefinitionGroup). A deadlock occurred, where one or more users have "
        "simultaneously locked the whole table or part of it."
    )
    refuse_starts_form: str = "own"
    refuse_starts_late: bool = False
    refuse_starts_containing: str = ""
    said_count: int = -1
    longest_values: dict[str, int] = field(default_factory=dict)
    succeeds_with_zero_rows: int = 0
    reject_rows: list[dict[str, Any]] = field(default_factory=list)
    staging_cleaned: bool = False
    busy_projects: list[str] = field(default_factory=list)
    # traffic
    latency_seconds: float = 0.0
    odata_seconds: float = 0.0
    odata_seconds_per_row: float = 0.0
    odata_seconds_per_row_read: float = 0.0
    odata_at_once: int = 0
    throttle_share: float = 0.0
    throttle_next: int = 0
    throttle_actions: bool = False
    batch_throttle_next: int = 0
    retry_after_form: str = "seconds"
    retry_after_seconds: float = 1.0
    throttle_grace_seconds: float = 0.25
    error_share: float = 0.0
    error_next: int = 0
    error_status: int = 503
    reset_before: dict[str, int] = field(default_factory=dict)
    reset_after_commit: dict[str, int] = field(default_factory=dict)
    # unusable answers (simulators/spoils.py): the next n, or all until a moment in seconds since 1970, of requests
    # whose "METHOD route" contains spoil_route
    spoil_form: str = ""
    spoil_status: int = 200
    spoil_next: int = 0
    spoil_until: float = 0.0
    spoil_route: str = ""
    # permissions: sets, actions and paths (`/metadata/DataEntities`) that the app's user may not use, everything but
    # the package API, and everything
    forbid_entities: list[str] = field(default_factory=list)
    forbid_all_but_packages: bool = False
    forbid_caller: bool = False
    # the language of the app's user, used for messages
    language: str = "en"
    token_reject_next: int = 0
    tokens_revoked_before: float = 0.0

    def as_json(self) -> dict[str, Any]:
        """Return all switches as one flat object."""
        return {wire: getattr(self, name) for wire, name in self._names().items()}

    def merge(self, given: dict[str, Any]) -> None:
        """Set the given switches, all or none; raise UnknownSwitch naming the first that does not fit."""
        names = self._names()
        for wire in given:
            if wire not in names:
                raise UnknownSwitch(f"unknown switch: {wire}")
        fitted = {names[wire]: self._fit(wire, names[wire], value) for wire, value in given.items()}
        for name, value in fitted.items():
            setattr(self, name, value)

    def _names(self) -> dict[str, str]:
        return {_wire_name(known.name): known.name for known in dataclasses.fields(self)}

    def _fit(self, wire: str, name: str, value: object) -> object:
        wanted = type(getattr(self, name))
        if wanted is float and type(value) is int:
            return float(value)
        if type(value) is not wanted:
            raise UnknownSwitch(f"switch {wire} takes {wanted.__name__}, not {type(value).__name__}")
        allowed = CHOICES.get(name)
        if allowed and value not in allowed:
            raise UnknownSwitch(f"switch {wire} takes one of {', '.join(sorted(allowed))}")
        return value

    def spend(self, name: str) -> bool:
        """Use up one of a counted switch. False when none is left."""
        left: int = getattr(self, name)
        if left > 0:
            setattr(self, name, left - 1)
        return left > 0

    def spoils(self, route: str) -> str:
        """The form in which the answer to a request is corrupted, or ""."""
        if not self.spoil_form or self.spoil_route not in route:
            return ""
        return self.spoil_form if self.spend("spoil_next") or time.time() < self.spoil_until else ""

    def spend_reset(self, name: str, route: str) -> bool:
        """Use up one connection reset for the route; the key `*` means any route."""
        counts: dict[str, int] = getattr(self, name)
        key = route if counts.get(route, 0) > 0 else "*"
        left = counts.get(key, 0)
        if left > 0:
            counts[key] = left - 1
        return left > 0


CHOICES = {
    "import_fails_as": {"Failed", "Canceled"},
    "refuse_starts_form": {"own", "page"},
    "record_id_form": {"key", "row", "recid"},
    "busy_project": {"refuse", "fail"},
    "errors_form": {"pasted", "wrapped", "cut", "nothing", "prose", "page"},
    "stuck_imports_end": {"", "Canceled", "Failed", "Succeeded"},
    "retry_after_form": {*FORMS, MIXED},
    "spoil_form": set(SPOILS),
    "language": set(LANGUAGES),
}


def _wire_name(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)
