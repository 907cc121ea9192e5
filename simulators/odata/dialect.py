"""The differences between the two services in reading a filter."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Dialect:
    """One service's reading of a filter.

    Both compare text without regard to case. Dataverse reads `%`, `_` and `[...]` inside contains, startswith and
    endswith as SQL wildcards, and offers the In function; Finance has neither and reads `*` inside `eq` as a wildcard.
    Functions in `not_queryable` are known but refused; those in `folding_functions` may enclose a property and change
    nothing, because text is compared without regard to case.
    """

    name: str
    pattern_functions: frozenset[str]
    query_functions: frozenset[str]
    star_in_eq: bool
    max_conditions: int
    not_queryable: frozenset[str] = frozenset()
    folding_functions: frozenset[str] = frozenset()


DATAVERSE = Dialect(
    name="Dataverse",
    pattern_functions=frozenset({"contains", "startswith", "endswith"}),
    query_functions=frozenset({"Microsoft.Dynamics.CRM.In"}),
    star_in_eq=False,
    max_conditions=500,
)
FINANCE = Dialect(
    name="Finance",
    pattern_functions=frozenset(),
    query_functions=frozenset(),
    star_in_eq=True,
    max_conditions=10_000,
    not_queryable=frozenset({"startswith"}),
)
FINANCE_METADATA = Dialect(
    name="Finance metadata",
    pattern_functions=frozenset({"contains"}),
    query_functions=frozenset(),
    star_in_eq=True,
    max_conditions=10_000,
    not_queryable=frozenset({"startswith"}),
    folding_functions=frozenset({"tolower"}),
)
"""The metadata service below `/metadata`. Its clients send `contains(tolower(Name),'x')`."""
