"""The lines of a project invoice."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from random import Random
from typing import Literal

from simulators.dataverse.codes import (
    CHARGEABLE,
    COMPLIMENTARY,
    EXPENSE,
    FEE,
    MATERIAL,
    MILESTONE,
    NON_CHARGEABLE,
    RETAINER,
    TIME,
)

type Edit = Literal["", "reduced", "increased", "made non-chargeable"]

# Amounts with 12 digits before the decimal point are rare in practice. One such line reveals a reader that rounds.
LARGE_AMOUNT = 123_456_789_012_3456
_EDITABLE = {TIME, EXPENSE, MATERIAL}
_EDITS: tuple[Edit, ...] = ("reduced", "increased", "made non-chargeable")
# Every invoice of ten lines or more contains these kinds, at these positions.
_CERTAIN = {1: MILESTONE, 2: RETAINER, 3: FEE, 4: EXPENSE, 5: MATERIAL, 6: TIME, 7: TIME, 8: TIME}
_CERTAIN_EDITS: dict[int, Edit] = {4: "reduced", 5: "increased", 6: "made non-chargeable", 7: "reduced"}
_PRICES = {
    TIME: (600_000, 2_500_000),
    EXPENSE: (12_345, 9_000_000),
    MATERIAL: (1, 5_000_000),
    FEE: (500_000, 50_000_000),
}
_QUANTITIES = {TIME: (25, 1_200), EXPENSE: (100, 300), MATERIAL: (50, 20_000), FEE: (100, 100)}


@dataclass(frozen=True)
class Line:
    """One invoice line detail and the work that it bills.

    Quantities are scaled by 100, money by 10,000. `quantity` is the worked quantity, `billed` the invoiced one.
    """

    number: int
    classification: int
    quantity: int
    billed: int
    price: int
    worked_as: int
    billed_as: int
    added: bool = False
    """Typed into the draft by hand: there is no earlier work."""
    is_fixed_price: bool = False

    @property
    def has_actuals(self) -> bool:
        """Milestones and retainers are billed from the contract and have no earlier unbilled sales. A retainer that
        is being used created a negative unbilled row when it was billed."""
        if self.classification == RETAINER:
            return self.quantity < 0
        return self.classification != MILESTONE and not self.added

    @property
    def has_cost(self) -> bool:
        return self.classification in _EDITABLE


def amount_of(quantity: int, price: int) -> int:
    """Return quantity times price, rounded half away from zero to four decimals."""
    amount = (abs(quantity) * price + 50) // 100
    return amount if quantity >= 0 else -amount


def special_lines(
    first: int, numbers: Random, *, retainers: int, fixed_price: int, time_and_material: int
) -> Iterator[Line]:
    """Yield lines that only some invoices have: retainers used in part, and lines added by hand."""
    classes = [RETAINER] * retainers + [TIME] * fixed_price + [TIME] * time_and_material
    for place, classification in enumerate(classes):
        price = numbers.randint(*_PRICES[TIME])
        quantity = -100 if classification == RETAINER else 100
        billed = -numbers.randint(1, 99) if classification == RETAINER else 100
        is_added = classification != RETAINER
        line = Line(first + place, classification, quantity, billed, price, CHARGEABLE, CHARGEABLE, added=is_added)
        yield replace(line, is_fixed_price=is_added and place < retainers + fixed_price)


def plan_lines(count: int, edited: float, numbers: Random) -> Iterator[Line]:
    """Yield the lines of an invoice; `edited` is the share of time, expense and material lines changed on the draft."""
    certain = count >= 10
    for number in range(count):
        known = _CERTAIN.get(number) if certain else None
        classification = known if known is not None else _classification(number, numbers)
        if classification in {MILESTONE, RETAINER}:
            yield _contract_line(number, classification, numbers)
        else:
            known_edit = _CERTAIN_EDITS.get(number) if certain and edited else None
            yield _work_line(number, classification, known_edit, edited, numbers)


def _classification(number: int, numbers: Random) -> int:
    if number == 0:
        return TIME
    draw = numbers.random()
    if draw < 0.005:
        return MILESTONE
    return TIME if draw < 0.6 else EXPENSE if draw < 0.75 else MATERIAL if draw < 0.95 else FEE


def _contract_line(number: int, classification: int, numbers: Random) -> Line:
    large = classification == MILESTONE and number == 1
    price = LARGE_AMOUNT if large else numbers.randint(10_000_000, 9_999_999_999)
    return Line(number, classification, 100, 100, price, CHARGEABLE, CHARGEABLE)


def _work_line(number: int, classification: int, known: Edit | None, edited: float, numbers: Random) -> Line:
    quantity = numbers.randint(*_QUANTITIES[classification])
    price = numbers.randint(*_PRICES[classification])
    edit: Edit = ""
    if known or (classification in _EDITABLE and numbers.random() < edited):
        edit = known or _EDITS[numbers.choices((0, 1, 2), (50, 35, 15))[0]]
    if edit:
        return _edited(Line(number, classification, quantity, quantity, price, CHARGEABLE, CHARGEABLE), edit, numbers)
    draw = numbers.random()
    billing = NON_CHARGEABLE if draw < 0.04 else COMPLIMENTARY if draw < 0.05 else CHARGEABLE
    billing = NON_CHARGEABLE if number == 8 else CHARGEABLE if number == 0 else billing
    return Line(number, classification, quantity, quantity, price, billing, billing)


def _edited(line: Line, edit: Edit, numbers: Random) -> Line:
    if edit == "reduced":
        return replace(line, billed=numbers.randint(1, line.quantity - 1))
    if edit == "increased":
        return replace(line, billed=line.quantity + numbers.randint(1, line.quantity))
    return replace(line, billed_as=NON_CHARGEABLE)
