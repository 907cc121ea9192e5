"""The number that identifies an invoice's proposal in Finance: the same column of `invoice` for the header and the
actuals.

An invoice has two number columns, `msdyn_invoicenumber` and `invoicenumber`. They are equal unless a numbering plug-in
changes one of them. The setting INVOICE_NUMBER_COLUMN then chooses one for both maps: actuals with another number than
their header would belong to no proposal.
"""

from collections.abc import Mapping

from shared.maps.map_parts import FieldPair
from shared.maps.table_map import MapRefused, TableMap
from shared.project_operations.codes import ACTUALS, INVOICES

SETTING = "INVOICE_NUMBER_COLUMN"
COLUMNS = ("msdyn_invoicenumber", "invoicenumber")
PROPOSAL = "INVOICEPROPOSALID"


def number_pair(table_map: TableMap) -> FieldPair:
    """The field that identifies the proposal. A map without it was refused at start."""
    return next(pair for pair in table_map.outgoing if pair.target == PROPOSAL)


def name_proposals(maps: Mapping[str, TableMap], column: str | None) -> dict[str, TableMap]:
    """The maps with `column` as the number of the proposals, if given. Raises MapRefused if header and actuals would
    use different numbers."""
    header, actuals = number_pair(maps[INVOICES]), number_pair(maps[ACTUALS])
    if len(header.steps) != 1:
        raise MapRefused(f"invoices.json refused:\n  fields: {PROPOSAL} must come from a column of the invoice itself")
    if len(actuals.steps) != 2 or actuals.steps[1] != header.source or actuals.transform != header.transform:
        raise MapRefused(
            f"actuals.json refused:\n  fields: {PROPOSAL} comes from {actuals.source}, in invoices.json from "
            f"{header.source}: both must take the same column of the invoice in the same way, or the actuals belong to "
            "no proposal"
        )
    if column is None or column == header.source:
        return dict(maps)
    if header.source not in COLUMNS:
        raise MapRefused(
            f"invoices.json refused:\n  fields: {PROPOSAL} comes from {header.source}, and {SETTING} says {column}: "
            "remove the setting, or take one of the two columns in both maps"
        )
    return {
        **maps,
        INVOICES: _taking(maps[INVOICES], column),
        ACTUALS: _taking(maps[ACTUALS], f"{actuals.steps[0]}.{column}"),
    }


def fit_together(maps: Mapping[str, TableMap], column: str | None) -> dict[str, TableMap]:
    """The maps with `column` as the number of the proposals, where some of them have it already and others, stored by
    an administrator, have the shipped one. Raises MapRefused like `name_proposals`."""
    given = {name: _renumbered(maps[name], column) for name in (INVOICES, ACTUALS)} if column else {}
    return name_proposals({**maps, **given}, column)


def _renumbered(table_map: TableMap, column: str | None) -> TableMap:
    *hops, last = number_pair(table_map).steps
    return _taking(table_map, ".".join([*hops, str(column)])) if last in COLUMNS and last != column else table_map


def _taking(table_map: TableMap, source: str) -> TableMap:
    """The map with another source column for the proposal number."""
    fields = [pair.model_dump() | ({"source": source} if pair.target == PROPOSAL else {}) for pair in table_map.fields]
    # Validated as a new map: a copy by pydantic would skip the checks of a map.
    return TableMap.model_validate(table_map.model_dump() | {"fields": fields})
