"""The number that names an invoice's proposal in Finance: one column of `invoice`, for header and actuals alike.

An invoice has two, `msdyn_invoicenumber` and `invoicenumber`. They hold the same text, unless a numbering plug-in
writes one of them. The setting INVOICE_NUMBER_COLUMN says which one counts then, and both maps follow it: actuals under
another number than their header would belong to no proposal.
"""

from collections.abc import Mapping

from shared.maps.table_map import FieldPair, MapRefused, TableMap
from shared.stages import Stage

SETTING = "INVOICE_NUMBER_COLUMN"
COLUMNS = ("msdyn_invoicenumber", "invoicenumber")
PROPOSAL = "INVOICEPROPOSALID"


def number_pair(table_map: TableMap) -> FieldPair:
    """The field that names the proposal; a map without it was refused."""
    return next(pair for pair in table_map.outgoing if pair.target == PROPOSAL)


def name_proposals(maps: Mapping[Stage, TableMap], column: str | None) -> dict[Stage, TableMap]:
    """The maps, with the proposals named by `column` where it is given. Raises MapRefused where header and actuals
    would name them differently."""
    header, actuals = number_pair(maps[Stage.INVOICES]), number_pair(maps[Stage.ACTUALS])
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
        Stage.INVOICES: _taking(maps[Stage.INVOICES], column),
        Stage.ACTUALS: _taking(maps[Stage.ACTUALS], f"{actuals.steps[0]}.{column}"),
    }


def _taking(table_map: TableMap, source: str) -> TableMap:
    """The map with the proposal named by another column."""
    fields = [pair.model_dump() | ({"source": source} if pair.target == PROPOSAL else {}) for pair in table_map.fields]
    return TableMap.model_validate(table_map.model_dump() | {"fields": fields})
