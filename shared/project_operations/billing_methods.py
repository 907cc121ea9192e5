"""The billing method of contract lines. It decides whether a billed sale must have an unbilled sale.

Time and material: always. Fixed price: never, whatever the class of the line. A fee or an hour that was added by hand
to a fixed-price invoice is billed like a milestone (articles actuals/ActualsonTM and actuals/ActualonFP).
"""

from collections.abc import Collection
from contextlib import suppress

from shared.engine.ports import Ports
from shared.errors import Refused
from shared.project_operations.codes import ACTUALS
from shared.services.odata import Guid, guid

_CONTRACT_LINE = "_msdyn_salescontractlineid_value"


async def billing_methods(ports: Ports, billed: Collection[Guid]) -> dict[Guid, int]:
    """The billing method of the contract line of each billed sale, where it can be read. A row may have no contract
    line, and a tenant may not let the app read these columns."""
    # A tenant's security role or version may lack these columns. Then the method is unknown, which is allowed.
    with suppress(Refused):
        source = ports.maps[ACTUALS].source
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
