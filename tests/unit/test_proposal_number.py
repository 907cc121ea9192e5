"""Header and actuals always name a proposal by the same column, whatever the setting."""

from dataclasses import dataclass
from typing import Any

import pytest

from shared.jobs.job import load_maps
from shared.maps.table_map import MapRefused, TableMap
from shared.project_operations.codes import ACTUALS, CONNECTIONS, INVOICES
from shared.project_operations.proposal_number import name_proposals, number_pair

MAPS = load_maps()


@dataclass(frozen=True)
class Case:
    """A pair of sources that is refused, with the setting and the reason."""

    header: str
    actuals: str
    column: str | None
    reason: str


def _naming(table_map: TableMap, source: str) -> TableMap:
    raw: dict[str, Any] = table_map.model_dump()
    fields = [pair | ({"source": source} if pair["target"] == "INVOICEPROPOSALID" else {}) for pair in raw["fields"]]
    return TableMap.model_validate({**raw, "fields": fields})


def _maps(header: str, actuals: str) -> dict[str, TableMap]:
    return {
        **MAPS,
        INVOICES: _naming(MAPS[INVOICES], header),
        ACTUALS: _naming(MAPS[ACTUALS], actuals),
    }


def test_without_the_setting_the_maps_stay_as_they_are() -> None:
    assert name_proposals(MAPS, None) == MAPS


@pytest.mark.parametrize("column", ["msdyn_invoicenumber", "invoicenumber"])
def test_the_setting_names_the_column_of_both_maps(column: str) -> None:
    named = name_proposals(MAPS, column)
    assert number_pair(named[INVOICES]).source == column
    assert number_pair(named[ACTUALS]).source == f"msdyn_Invoice.{column}"
    assert f"msdyn_Invoice($select={column})" in named[ACTUALS].query["$expand"]
    assert column in named[INVOICES].query["$select"].split(",")
    assert named[CONNECTIONS] is MAPS[CONNECTIONS]


def test_maps_with_a_column_of_the_tenants_own_stay_as_they_are() -> None:
    own = _maps("contoso_number", "msdyn_Invoice.contoso_number")
    assert name_proposals(own, None) == own


@pytest.mark.parametrize(
    "case",
    [
        Case(
            "invoicenumber", "msdyn_Invoice.msdyn_invoicenumber", None, "comes from msdyn_Invoice.msdyn_invoicenumber"
        ),
        Case("invoicenumber", "msdyn_Invoice.msdyn_invoicenumber", "invoicenumber", "belong to no proposal"),
        Case("msdyn_invoicenumber", "msdyn_externaldescription", None, "belong to no proposal"),
        Case("transactioncurrencyid.isocurrencycode", "msdyn_Invoice.invoicenumber", None, "of the invoice itself"),
        Case("contoso_number", "msdyn_Invoice.contoso_number", "invoicenumber", "INVOICE_NUMBER_COLUMN says"),
    ],
)
def test_maps_that_would_disagree_are_refused_at_start(case: Case) -> None:
    with pytest.raises(MapRefused, match=case.reason):
        name_proposals(_maps(case.header, case.actuals), case.column)
