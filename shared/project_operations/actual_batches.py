"""Maps actuals for Finance and groups them by company while a page is read. Source rows are not kept."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal

from shared.engine.loading import Batch
from shared.engine.ports import Ports
from shared.ledger.rejected_rows import BILLED, UNBILLED, RejectedRow
from shared.maps.columns import follow
from shared.maps.transforms import Row, RowRefused
from shared.project_operations.chosen_days import DayTally
from shared.project_operations.codes import ACTUALS, NEW_UNBILLED, SOLD
from shared.totals import Tally

MEASURED = ("ACTUALSIMPORTID", "AMOUNT", "TRANSACTIONCURRENCYID")


@dataclass
class _Group:
    """The mapped rows of one company: those to send, or those that Finance holds already."""

    rows: list[list[str]] = field(default_factory=list)
    billed: Tally = field(default_factory=Tally)
    new_unbilled: Tally = field(default_factory=Tally)
    odd_days: int = 0


class ActualBatches:
    """The mapped actuals of one page. Rows that the map cannot write are rejected."""

    def __init__(self, ports: Ports) -> None:
        self._map = ports.maps[ACTUALS]
        self._zone = ports.settings.zone
        self._measured = [self._map.position(column) for column in MEASURED]
        self._groups: dict[tuple[str, bool], _Group] = {}
        self.rejected: list[RejectedRow] = []
        self.days = DayTally()

    def add(self, row: Row, *, is_billed: bool, is_found: bool = False) -> None:
        """Map one row. `is_found`: Finance holds it already."""
        try:
            company = self._map.company_of(row)
            written = self._map.write(row, self._zone)
        except RowRefused as refusal:
            self.rejected.append(_refused(row, str(refusal), is_billed=is_billed))
            return
        key, amount, currency = (written[position] for position in self._measured)
        group = self._groups.setdefault((company, is_found), _Group())
        group.rows.append(written)
        odd = self._map.days_in_doubt(row, self._zone)
        group.odd_days += bool(odd)
        self.days.add(odd)
        (group.billed if is_billed else group.new_unbilled).add(key, currency, Decimal(amount or 0))

    def batches(self) -> list[Batch]:
        """One batch per company, and one of its rows that Finance holds already."""
        return [
            Batch(
                ACTUALS,
                company,
                group.rows,
                measures={SOLD: group.billed.totals(), NEW_UNBILLED: group.new_unbilled.totals()},
                odd_days=group.odd_days,
                is_found=is_found,
            )
            for (company, is_found), group in self._groups.items()
        ]

    def projects(self) -> str:
        """The projects of the rows for display: the first number, and how many more there are."""
        # Only shown, so a map without the column is no reason to stop.
        if "PROJECTID" not in self._map.columns:
            return ""
        position = self._map.position("PROJECTID")
        numbers = sorted({row[position] for group in self._groups.values() for row in group.rows})
        return "" if not numbers else f"{numbers[0]} +{len(numbers) - 1}" if len(numbers) > 1 else numbers[0]


def write_actuals(
    ports: Ports, billed: Iterable[Row], new_unbilled: Iterable[Row]
) -> tuple[list[Batch], list[RejectedRow]]:
    """Map billed sales and others by company. Rows that the map cannot write are rejected."""
    actuals = ActualBatches(ports)
    for rows, is_billed in ((billed, True), (new_unbilled, False)):
        for row in rows:
            actuals.add(row, is_billed=is_billed)
    return actuals.batches(), actuals.rejected


def _refused(row: Row, text: str, *, is_billed: bool) -> RejectedRow:
    """A row that the map cannot write. Its key is its id in Dataverse."""
    return RejectedRow(
        stage=ACTUALS,
        key=row["msdyn_actualid"],
        kind="contract",
        text=text,
        source_id=row["msdyn_actualid"],
        transaction_type=BILLED if is_billed else UNBILLED,
        currency=follow(row, ("transactioncurrencyid", "isocurrencycode")) or "",
        amount=Decimal(row["msdyn_amount"] or 0),
    )
