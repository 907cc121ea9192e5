"""What the checker finds wrong between Dataverse's own records and Finance's."""

from dataclasses import asdict, dataclass, field
from decimal import Decimal
from typing import Any


@dataclass(frozen=True)
class Findings:
    """Each list names rows as `actual <id>`, `connection <id>` or `header <number>`; empty means nothing is wrong.

    lost           expected in Finance and not there
    doubled        there more than once
    misplaced      in another company than its project's, or under another invoice
    changed        with another amount, currency or type than Dataverse says
    strangers      there under our invoice's number, or imported, though no confirmation produced it
    out_of_order   written before what has to come first
    not_written_back   posted in Finance, and Dataverse has another voucher, amount, rate or tax
    money          Dataverse's sum less Finance's, by currency
    rows           how many rows were expected and compared
    """

    rows: int = 0
    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    misplaced: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    strangers: list[str] = field(default_factory=list)
    out_of_order: list[str] = field(default_factory=list)
    not_written_back: list[str] = field(default_factory=list)
    money: dict[str, Decimal] = field(default_factory=dict)

    @property
    def clean(self) -> bool:
        """Whether nothing is wrong, and something was compared."""
        return self.rows > 0 and not any(self.problems().values())

    def problems(self) -> dict[str, Any]:
        """What is wrong, by its name; empty where all is well."""
        lists = {name: value for name, value in asdict(self).items() if isinstance(value, list) and value}
        money = {currency: str(amount) for currency, amount in self.money.items() if amount}
        return lists | ({"money": money} if money else {})
