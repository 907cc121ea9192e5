"""The tables as the switches leave them: an older solution, a tenant's own changes, rows that the user does not see."""

from dataclasses import replace

from simulators.dataverse import dual_write
from simulators.dataverse.privileges import unseen
from simulators.dataverse.schema import Schema, Table
from simulators.dataverse.switches import Switches, listed, pairs

NAMES = frozenset(
    {"missingColumns", "missingChoices", "addedChoices", "dateBehaviors", "privilegeDepths", "dualWriteMissing"}
)
"""The switches that it depends on."""


def vary(schema: Schema, switches: Switches) -> Schema:
    """The schema with the changes of the switches. What is stored stays."""
    missing, behaviors = {*listed(switches.missingColumns)}, pairs(switches.dateBehaviors)
    return Schema(
        {
            name: _vary(table, missing, behaviors)
            for name, table in schema.tables.items()
            if not (switches.dualWriteMissing and name in dual_write.TABLES)
        },
        _choices(schema, switches),
        unseen(schema, switches),
    )


def _vary(table: Table, missing: set[str], behaviors: dict[str, str]) -> Table:
    columns = {
        name: replace(column, behavior=behaviors.get(f"{table.logical_name}.{name}", ""))
        for name, column in table.columns.items()
        if f"{table.logical_name}.{name}" not in missing
    }
    return replace(table, columns=columns)


def _choices(schema: Schema, switches: Switches) -> dict[str, dict[int, str]]:
    found = {name: dict(options) for name, options in schema.choices.items()}
    for text in listed(switches.missingChoices):
        name, _, value = text.partition("=")
        found[name].pop(int(value), None)
    for text in listed(switches.addedChoices):
        name, _, value = text.partition("=")
        found[name][int(value)] = f"Option {value}"
    return found
