"""What posting writes back to staging rows: voucher, exchange rate, accounting amount and sales tax."""

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

from simulators.finance.entities import COMPANIES
from simulators.finance.fields import SCALE

POSTED = 2

# Units of the accounting currency for 100 units of a currency, as Finance keeps exchange rates.
US_DOLLARS_FOR_100 = {
    "USD": Decimal(100),
    "EUR": Decimal(110),
    "GBP": Decimal(128),
    "CHF": Decimal(113),
    "CAD": Decimal(74),
    "JPY": Decimal("0.68"),
    "SEK": Decimal("9.6"),
    "DKK": Decimal("14.7"),
}
SIX_DECIMALS = Decimal("0.000001")
CENTS = Decimal("0.01")


@dataclass(frozen=True)
class Posting:
    """How rows are posted: the series of the voucher and the sales tax in percent."""

    series: str
    tax_percent: int


def exchange_rate(currency: str, company: str) -> Decimal:
    """Return units of the company's currency for 100 units of a currency, with six decimals."""
    own = US_DOLLARS_FOR_100[COMPANIES[company]]
    return (US_DOLLARS_FOR_100.get(currency, Decimal(100)) / own * 100).quantize(SIX_DECIMALS)


def post_rows(db: sqlite3.Connection, records: Iterable[int | None], posting: Posting) -> None:
    """Post actuals by record id; each posting is one voucher."""
    sql = "SELECT recid, dataareaid, amount, transactioncurrencyid FROM actuals WHERE recid = ?"
    changes = []
    voucher = _next_voucher(db, posting.series)
    for record in records:
        row = db.execute(sql, (record,)).fetchone()
        if row is not None:
            changes.append(_posted(row, voucher, posting))
    db.executemany(
        "UPDATE actuals SET state = ?, vouchernumber = ?, exchangerate = ?, accountingamount = ?, salestaxamount = ?, "
        "recversion = recversion + 1 WHERE recid = ?",
        changes,
    )


def _posted(row: sqlite3.Row, voucher: str, posting: Posting) -> tuple[int | str, ...]:
    rate = exchange_rate(row["transactioncurrencyid"], row["dataareaid"])
    amount = Decimal(row["amount"]) / SCALE
    accounting = (amount * rate / 100).quantize(CENTS, ROUND_HALF_UP)
    tax = (amount * posting.tax_percent / 100).quantize(CENTS, ROUND_HALF_UP)
    return POSTED, voucher, int(rate * SCALE), int(accounting * SCALE), int(tax * SCALE), row["recid"]


def _next_voucher(db: sqlite3.Connection, series: str) -> str:
    db.execute("INSERT OR IGNORE INTO vouchers VALUES (?, 0)", (series,))
    db.execute("UPDATE vouchers SET last = last + 1 WHERE series = ?", (series,))
    last = db.execute("SELECT last FROM vouchers WHERE series = ?", (series,)).fetchone()[0]
    return f"{series}-{last:09d}"
