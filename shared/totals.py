"""Counts and sums of a set of rows, accumulated page by page, so that no set has to be kept in memory."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Self

_DIGEST_SPAN = 1 << 64


def plain(amount: Decimal) -> str:
    """An amount in digits, without an exponent."""
    return format(amount, "f")


@dataclass(frozen=True)
class Totals:
    """The number of `rows`, the `amounts` per ISO currency, and a `digest` of the keys: the sum modulo 2^64 of a
    hash of each key. Equal sets of keys have equal digests, in any order."""

    rows: int = 0
    amounts: Mapping[str, Decimal] = field(default_factory=dict)
    digest: int = 0

    def __add__(self, other: "Totals") -> "Totals":
        amounts = dict(self.amounts)
        for currency, amount in other.amounts.items():
            amounts[currency] = amounts.get(currency, Decimal(0)) + amount
        return Totals(self.rows + other.rows, amounts, (self.digest + other.digest) % _DIGEST_SPAN)

    def __sub__(self, other: "Totals") -> "Totals":
        amounts = dict(self.amounts)
        for currency, amount in other.amounts.items():
            amounts[currency] = amounts.get(currency, Decimal(0)) - amount
        return Totals(self.rows - other.rows, amounts, (self.digest - other.digest) % _DIGEST_SPAN)

    def same_money(self, other: "Totals") -> bool:
        """Equal counts and, per currency, equal sums to the last decimal."""
        currencies = {*self.amounts, *other.amounts}
        equal = all(self.amounts.get(c, Decimal(0)) == other.amounts.get(c, Decimal(0)) for c in currencies)
        return self.rows == other.rows and equal

    def same_set(self, other: "Totals") -> bool:
        """Equal counts, sums and keys."""
        return self.same_money(other) and self.digest == other.digest

    def money(self) -> dict[str, str]:
        """The sums as decimal strings."""
        return {currency: plain(amount) for currency, amount in sorted(self.amounts.items())}

    def describe(self) -> str:
        """The totals as a person reads them: `2,500 rows, 1,234.5000 USD`."""
        rows = f"{self.rows:,} {'row' if self.rows == 1 else 'rows'}"
        return ", ".join([rows, *(f"{amount:,f} {currency}" for currency, amount in sorted(self.amounts.items()))])

    def to_json(self) -> str:
        """Serialize for the ledger."""
        return json.dumps({"rows": self.rows, "amounts": self.money(), "digest": f"{self.digest:016x}"})

    @classmethod
    def from_json(cls, text: str | None) -> Self:
        """Parse the text that to_json writes. None or "" means no rows."""
        if not text:
            return cls()
        raw = json.loads(text)
        amounts = {currency: Decimal(amount) for currency, amount in raw["amounts"].items()}
        return cls(raw["rows"], amounts, int(raw["digest"], 16))


class Tally:
    """Adds rows one by one. This is cheaper than adding Totals for every row."""

    def __init__(self) -> None:
        self._rows = 0
        self._amounts: dict[str, Decimal] = {}
        self._digest = 0

    def add(self, key: str, currency: str, amount: Decimal) -> None:
        """Count one row. Keys are compared without regard to case."""
        hashed = hashlib.blake2b(key.lower().encode(), digest_size=8).digest()
        self._rows += 1
        self._amounts[currency] = self._amounts.get(currency, Decimal(0)) + amount
        self._digest += int.from_bytes(hashed)

    def totals(self) -> Totals:
        """The totals of the rows added so far."""
        return Totals(self._rows, dict(self._amounts), self._digest % _DIGEST_SPAN)


type Measured = Mapping[str, Totals]
"""Totals by the name of what they measure. A missing name stands for no rows."""


def plus(first: Measured, second: Measured) -> dict[str, Totals]:
    """The sum of two measurements."""
    return {name: first.get(name, Totals()) + second.get(name, Totals()) for name in {**first, **second}}


def minus(whole: Measured, part: Measured) -> dict[str, Totals]:
    """What is left of a measurement without a part of it."""
    return {name: whole.get(name, Totals()) - part.get(name, Totals()) for name in {**whole, **part}}
