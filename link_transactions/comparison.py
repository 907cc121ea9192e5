"""Compares an invoice's actuals in Dataverse and in Finance, both read now: count, sums and keys of all rows, and the
mapped columns of all rows up to a limit, of a sample above it.

The rows that Dataverse holds now are written by the present map and compared with those that Finance holds now. What
the app recorded as sent is not relied on. Billed sales are found in Finance by their proposal number. New unbilled
sales are found by key, because the originals have the same number in Finance, and the new ones may have none.
"""

from collections.abc import AsyncIterator, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import groupby
from operator import attrgetter

from link_transactions.sample import Candidate, Sample
from shared.concurrently import both
from shared.engine.account import Account
from shared.engine.landed_rows import landed_rows
from shared.engine.ports import Ports
from shared.engine.resend import FIRST_REPAIR
from shared.ledger.rejected_rows import UNBILLED
from shared.ledger.run import Part, Run
from shared.maps.columns import follow
from shared.maps.columns_compared import (
    RowDiffers,
    compared_columns,
    differing_columns,
    unseen_columns,
)
from shared.maps.transforms import Row
from shared.project_operations.billed_sales import billed_filter
from shared.project_operations.codes import ACTUALS, NEW_UNBILLED, SOLD
from shared.project_operations.held_actuals import billed_under, held_actuals
from shared.services.odata import Guid, guid
from shared.storage.landing import BlobGone
from shared.totals import Tally, Totals

# Dataverse's largest page. Only the counted columns are read, so memory is no concern.
_LIGHT_PAGE = 5000
_MEASURED = ("ACTUALSIMPORTID", "AMOUNT", "TRANSACTIONCURRENCYID")
_LIGHT = "ActualId,ActualsImportId,Amount,TransactionCurrencyId"
_CURRENCY = ("transactioncurrencyid", "isocurrencycode")


@dataclass
class Comparison:
    """The result. `source` are all billed sales in Dataverse. `expected` are those that Finance has to hold by the
    present map, `held` those that it holds. `new_unbilled` are the new unbilled sales that it holds. `gone` are the
    keys of new unbilled sales that Finance holds but Dataverse no longer does."""

    rows: int
    source: Totals = field(default_factory=Totals)
    expected: Totals = field(default_factory=Totals)
    held: Totals = field(default_factory=Totals)
    new_unbilled: Totals = field(default_factory=Totals)
    compared: set[str] = field(default_factory=set)
    columns: int = 0
    unseen: tuple[str, ...] = ()
    differing: list[RowDiffers] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)
    is_sampled: bool = False

    def describe(self) -> str:
        """What was compared, for an operator."""
        is_whole = len(self.compared) >= self.rows
        some = f"{'a sample of ' if self.is_sampled else ''}{len(self.compared):,} of {self.rows:,} rows"
        which = "every row" if is_whole else some
        columns = f"{self.columns} mapped {'column' if self.columns == 1 else 'columns'}"
        if self.unseen:
            left_out = f"not compared, because Finance does not show it: {', '.join(self.unseen)}"
            return f"count, money and keys of all rows compared, and {columns} of {which}; {left_out}"
        if is_whole:
            return f"all verified: count, money and keys of all rows, and all {columns} of every row"
        return f"count, money and keys of all rows compared, and all {columns} of {which}"


async def compare_actuals(ports: Ports, run: Run, account: Account) -> Comparison:
    """Read both sides and compare them. Raises RowRefused for a row that the present map cannot write."""
    rows = account.measure(SOLD).rows + account.measure(NEW_UNBILLED).rows
    # A whole reading keeps every row in memory, so its size has a limit. A light reading keeps the sample only.
    reading = _WholeReading if rows <= ports.settings.verify_all_rows else _LightReading
    return await reading(ports, run, account, Comparison(rows)).compare()


class _Reading:
    """A running comparison. `sent` are the rows whose columns are compared, as the map writes them now, by key."""

    source_columns: Collection[str] = _MEASURED
    """The columns of a billed sale that are read from Dataverse."""
    target_columns: str = _LIGHT
    """The columns of an actual that are read from Finance. "" means all."""

    def __init__(self, ports: Ports, run: Run, account: Account, found: Comparison) -> None:
        self.ports, self.run, self.account, self.found = ports, run, account, found
        self.map = ports.maps[ACTUALS]
        self.companies = sorted({part.company for part in account.parts})
        self.sent: dict[str, tuple[str, list[str]]] = {}
        self._dismissed = {row.source_id.lower() for row in account.dismissed}

    async def compare(self) -> Comparison:
        raise NotImplementedError

    def take_source(self, row: Row, key: str, currency: str, page: int) -> None:
        """Take a billed sale from Dataverse."""

    async def take_fresh(self, part: Part, wanted: Mapping[Guid, str]) -> None:
        """Take new unbilled sales, by key, with their ids in Dataverse."""

    def take_held(self, row: Row) -> None:
        """Take an actual from Finance."""

    async def read_source(self) -> tuple[Totals, Totals]:
        """All billed sales in Dataverse, and those of them that Finance has to hold."""
        table_map, zone = self.map, self.ports.settings.zone
        key, amount, currency = (table_map.outgoing[table_map.position(column)] for column in _MEASURED)
        every, expected, number = Tally(), Tally(), 0
        async for rows in self._source_pages():
            for row in rows:
                source_id = str(row[table_map.source.key]).lower()
                every.add(source_id, follow(row, _CURRENCY) or "?", Decimal(row["msdyn_amount"] or 0))
                if source_id not in self._dismissed:
                    name, code = key.write(row, zone).lower(), currency.write(row, zone)
                    expected.add(name, code, Decimal(amount.write(row, zone) or 0))
                    self.take_source(row, name, code, number)
            number += 1
        return every.totals(), expected.totals()

    def _source_pages(self) -> AsyncIterator[list[Row]]:
        source = self.map.source
        # With one company the lookup would tell nothing new for each row.
        several = (self.map.company,) if self.map.company and len(self.companies) > 1 else ()
        options = self.map.query_of(self.source_columns, *several, "msdyn_amount", ".".join(_CURRENCY))
        size = self.ports.settings.page_rows if self.source_columns is not _MEASURED else _LIGHT_PAGE
        options["$filter"] = billed_filter(self.map, self.run.subject)
        return self.ports.dataverse.pages(source.set, options, size=size)

    async def hold_billed(self) -> Totals:
        """The billed sales that Finance holds, without dismissed rows. It may hold a dismissed row nevertheless,
        sent before or entered by hand."""
        tally = Tally()
        for company in self.companies:
            selection = {"$select": self.target_columns} if self.target_columns else {}
            options = {"$filter": billed_under(company, self.run.number), **selection}
            async for rows in self.ports.finance.pages(str(self.map.target.set), options):
                for row in rows:
                    if str(row["ActualId"]).lower() not in self._dismissed:
                        _add(tally, row)
                        self.take_held(row)
        return tally.totals()

    async def hold_new_unbilled(self) -> Totals:
        """The new unbilled sales that Finance holds."""
        tally, parts = Tally(), self.account.parts
        if not any(part.measure(NEW_UNBILLED).rows for part in parts):
            return tally.totals()
        settled = {row.key: row.status for row in self.account.book.rejected(ACTUALS)}
        sent_again: set[str] = set()
        verified = Totals()
        # Latest first: a row that was rejected and sent again counts in the last part that holds it, and once.
        for part in sorted(parts, key=lambda part: part.number, reverse=True):
            try:
                landed = await _landed_fresh(self.ports, part) if part.measure(NEW_UNBILLED).rows else {}
            except BlobGone:
                # Landed parts are deleted when their run is completed, so this part has been verified before.
                if not self.run.has_completed(part):
                    raise
                verified += part.measure(NEW_UNBILLED)
                continue
            wanted = _counted(part, list(landed), settled, sent_again)
            sent_again |= {key for key in landed if key in settled}
            await self.take_fresh(part, {key: landed[key] for key in wanted})
            async for row in held_actuals(self.ports, part.company, wanted, select=self.target_columns):
                _add(tally, row)
                self.take_held(row)
        return tally.totals() + verified

    async def read_sent(self, ids: Iterable[str]) -> None:
        """Read the rows to compare from Dataverse."""
        source = self.map.source
        portions = self.ports.dataverse.rows_in(
            source.set, (source.key,), map(guid, ids), self.map.query, where=source.filter
        )
        async for rows in portions:
            for row in rows:
                self.write_sent(row)

    def write_sent(self, row: Row) -> None:
        """Keep a row of Dataverse as the map writes it now."""
        texts = self.map.write(row, self.ports.settings.zone)
        key = texts[self.map.position("ACTUALSIMPORTID")].lower()
        self.sent[key] = (str(row[self.map.source.key]), texts)

    def compare_columns(self, row: Row) -> None:
        """Compare a row of Finance with what the map writes for it now."""
        key = str(row["ActualsImportId"]).lower()
        if key not in self.sent:
            return
        source_id, texts = self.sent[key]
        self.found.compared.add(key)
        self.found.unseen = unseen_columns(self.map, row)
        if columns := differing_columns(self.map, texts, row):
            self.found.differing.append(RowDiffers(key, source_id, columns))

    def result(self) -> Comparison:
        """The result."""
        self.found.columns = len(compared_columns(self.map)) - len(self.found.unseen)
        return self.found


class _WholeReading(_Reading):
    """Compares all columns of all rows."""

    target_columns = ""

    async def compare(self) -> Comparison:
        self.source_columns = self.map.columns
        # Not at the same time: a row of Finance is compared with what was written of it from Dataverse.
        self.found.source, self.found.expected = await self.read_source()
        self.found.held, self.found.new_unbilled = await both(self.hold_billed(), self.hold_new_unbilled())
        return self.result()

    def take_source(self, row: Row, key: str, currency: str, page: int) -> None:
        del key, currency, page
        self.write_sent(row)

    async def take_fresh(self, part: Part, wanted: Mapping[Guid, str]) -> None:
        del part
        await self.read_sent(wanted.values())
        self.found.gone += [key for key in wanted if key not in self.sent]

    def take_held(self, row: Row) -> None:
        self.compare_columns(row)


class _LightReading(_Reading):
    """Counts all rows, and compares all columns of a sample."""

    async def compare(self) -> Comparison:
        self.found.is_sampled = True
        self._sample = Sample(self.run.run_id, self.ports.settings.verify_sample_rows)
        (self.found.source, self.found.expected), (self.found.held, self.found.new_unbilled) = await both(
            self.read_source(), both(self.hold_billed(), self.hold_new_unbilled())
        )
        await self._compare(sorted(self._sample, key=attrgetter("company", "key")))
        return self.result()

    def take_source(self, row: Row, key: str, currency: str, page: int) -> None:
        company = self.map.company_of(row) if len(self.companies) > 1 else "".join(self.companies)
        self._sample.offer(Candidate(key, str(row[self.map.source.key]), company), ("billed", page, company, currency))

    async def take_fresh(self, part: Part, wanted: Mapping[Guid, str]) -> None:
        for key, source_id in wanted.items():
            self._sample.offer(Candidate(key, source_id, part.company), ("new unbilled", part.number, part.company))

    async def _compare(self, chosen: Sequence[Candidate]) -> None:
        await self.read_sent(row.source_id for row in chosen)
        for company, rows in groupby(chosen, key=attrgetter("company")):
            async for row in held_actuals(self.ports, company, [guid(each.key) for each in rows]):
                self.compare_columns(row)


async def _landed_fresh(ports: Ports, part: Part) -> dict[Guid, str]:
    """The new unbilled sales in a part by key, with their ids in Dataverse. A row that was rejected and sent again
    is in more than one part."""
    landed = await landed_rows(ports, part, cell=UNBILLED)
    key, kind = landed.table_map.position("ACTUALSIMPORTID"), landed.table_map.position("TRANSACTIONTYPE")
    source = landed.table_map.position(landed.table_map.source_column or "ACTUALSIMPORTID")
    return {guid(row[key]): row[source] for row in landed.rows if row[kind] == UNBILLED}


def _counted(part: Part, keys: Sequence[Guid], settled: Mapping[str, str], sent_again: Collection[str]) -> list[Guid]:
    """The new unbilled sales of a part that its totals include. The totals leave out two kinds of rows: rejected ones,
    which are open, dismissed, or sent again in a later part; and, in a repair, rows that another part includes."""

    def is_left_out(key: Guid) -> int:
        status = settled.get(key)
        if status is None:
            return 3 if part.number >= FIRST_REPAIR else 0
        return 2 if status != "replaying" else int(key in sent_again)

    return sorted(keys, key=is_left_out)[: part.measure(NEW_UNBILLED).rows]


def _add(tally: Tally, row: Row) -> None:
    tally.add(str(row["ActualsImportId"]), str(row["TransactionCurrencyId"]), Decimal(row["Amount"]))
