"""All OData entity sets that this environment publishes, by name."""

from simulators.finance.sets import STORED_SETS, EntitySet
from simulators.finance.setup import SETUP_SETS

SETS: dict[str, EntitySet] = {one.name: one for one in (*STORED_SETS, *SETUP_SETS)}
