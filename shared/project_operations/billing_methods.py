"""By which method lines of a contract are billed: it decides whether an unbilled sale stands behind a billed one.

Time and material: always. Fixed price: never, whatever the class of the line: a fee or an hour added by hand to an
invoice of a fixed price is billed like a milestone (articles actuals/ActualsonTM and actuals/ActualonFP).
"""

from collections.abc import Collection
from contextlib import suppress

from shared.engine.ports import Ports
from shared.errors import Refused
from shared.services.odata import Guid, guid
from shared.stages import Stage

_CONTRACT_LINE = "_msdyn_salescontractlineid_value"


async def billing_methods(ports: Ports, billed: Collection[Guid]) -> dict[Guid, int]:
    """The billing method of the contract line of each of these billed sales, of those of which it can be known: a row
    may name no contract line, and a tenant may not show these columns to the app."""
    with suppress(Refused):
        source = ports.maps[Stage.ACTUALS].source
        options = {"$select": f"{source.key},{_CONTRACT_LINE}"}
        lines: dict[Guid, Guid] = {}
        async for rows in ports.dataverse.rows_in(source.set, (source.key,), billed, options):
            lines |= {guid(row[source.key]): guid(row[_CONTRACT_LINE]) for row in rows if row[_CONTRACT_LINE]}
        methods = await _of_lines(ports, set(lines.values()))
        return {key: methods[line] for key, line in lines.items() if line in methods}
    return {}


async def _of_lines(ports: Ports, lines: Collection[Guid]) -> dict[Guid, int]:
    options = {"$select": "salesorderdetailid,msdyn_billingmethod"}
    found: dict[Guid, int] = {}
    async for rows in ports.dataverse.rows_in("salesorderdetails", ("salesorderdetailid",), lines, options):
        known = [row for row in rows if row["msdyn_billingmethod"] is not None]
        found |= {guid(row["salesorderdetailid"]): row["msdyn_billingmethod"] for row in known}
    return found
