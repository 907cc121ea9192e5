"""Which status means that an invoice was confirmed: the one definition."""

from typing import Any

import pytest

from shared.project_operations.codes import CANCELED, CONFIRMED, DRAFT, IN_REVIEW, PAID
from shared.project_operations.invoices import Standing, standing_of
from shared.settings import Settings

STATUSES = Settings.model_fields["confirmed_statuses"].get_default()


@pytest.mark.parametrize(
    ("row", "standing"),
    [
        ({"msdyn_projectinvoicestatus": CONFIRMED, "statecode": 0}, Standing.CONFIRMED),
        ({"msdyn_projectinvoicestatus": PAID, "statecode": 2}, Standing.CONFIRMED),
        ({"msdyn_projectinvoicestatus": 192350004, "statecode": 0}, Standing.UNCLEAR),
        ({"msdyn_projectinvoicestatus": 7, "statecode": 0}, Standing.UNCLEAR),
        ({"msdyn_projectinvoicestatus": CONFIRMED, "statecode": CANCELED}, Standing.UNCLEAR),
        ({"msdyn_projectinvoicestatus": DRAFT, "statecode": 0}, Standing.NOT_CONFIRMED),
        ({"msdyn_projectinvoicestatus": IN_REVIEW, "statecode": 0}, Standing.NOT_CONFIRMED),
        ({"msdyn_projectinvoicestatus": None, "statecode": 0}, Standing.NOT_CONFIRMED),
        ({}, Standing.NOT_CONFIRMED),
    ],
)
def test_every_status_has_a_standing(row: dict[str, Any], standing: Standing) -> None:
    assert standing_of(row, STATUSES) is standing


def test_the_default_is_confirmed_and_paid() -> None:
    assert {CONFIRMED, PAID} == STATUSES
