"""OData query text as both simulated services read it: parsed into small trees, then turned into SQLite SQL."""

from simulators.odata.dialect import DATAVERSE, FINANCE, FINANCE_METADATA, Dialect
from simulators.odata.errors import ODataError
from simulators.odata.filters import And, Compare, Expression, Function, In, Literal, Not, Or, Path, parse_filter
from simulators.odata.options import Expand, OrderBy, parse_expand, parse_orderby, parse_select, split_top
from simulators.odata.sql import Column, Kind, Resolver, Sql, register_functions, to_sql

__all__ = [
    "DATAVERSE",
    "FINANCE",
    "FINANCE_METADATA",
    "And",
    "Column",
    "Compare",
    "Dialect",
    "Expand",
    "Expression",
    "Function",
    "In",
    "Kind",
    "Literal",
    "Not",
    "ODataError",
    "Or",
    "OrderBy",
    "Path",
    "Resolver",
    "Sql",
    "parse_expand",
    "parse_filter",
    "parse_orderby",
    "parse_select",
    "register_functions",
    "split_top",
    "to_sql",
]
