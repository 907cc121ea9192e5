"""`GET /set?fetchXml=...`: the queries of FetchXML that readers use, run as the statements of `?sql=`.

Attributes, orders, filters, link-entities, aggregates and pages. Empty columns are left out of rows, as in the service.
"""

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from urllib.parse import quote
from xml.etree.ElementTree import Element, ParseError, fromstring

from simulators.dataverse.calls import MORE_RECORDS, Call, Reply, json_reply
from simulators.dataverse.errors import ServiceError
from simulators.dataverse.paging import MAX_PAGE
from simulators.dataverse.schema import Column, Schema, Table
from simulators.dataverse.sqlread import Select
from simulators.dataverse.statement import Condition, Constant, Group, Item, Join, Name, Statement, Test
from simulators.dataverse.switches import Switches

PAGING_COOKIE = "Microsoft.Dynamics.CRM.fetchxmlpagingcookie"
_COMPARISONS = {"eq": "=", "ne": "<>", "neq": "<>", "lt": "<", "le": "<=", "gt": ">", "ge": ">="}
_FUNCTIONS = {"count": "COUNT", "countcolumn": "COUNT", "sum": "SUM", "avg": "AVG", "min": "MIN", "max": "MAX"}


def invalid(reason: str) -> ServiceError:
    return ServiceError(400, "0x80040201", f"Invalid FetchXml. {reason}")


def answer_fetch(schema: Schema, switches: Switches, connection: sqlite3.Connection, call: Call, table: Table) -> Reply:
    """Answer a FetchXML query about a table. Raises ServiceError."""
    fetch = _Fetch.read(schema, call.options["fetchXml"])
    if fetch.statement.table != table.logical_name:
        raise invalid(f"The entity '{fetch.statement.table}' is not the one of '{table.set_name}'.")
    size = min(fetch.size, switches.shortPages or MAX_PAGE)
    select = Select(schema, fetch.statement)
    rows = select.rows(connection, size + 1, (fetch.page - 1) * size)
    is_more = len(rows) > size and fetch.statement.top is None
    content: dict[str, object] = {"@odata.context": f"{call.prefix}/$metadata#{table.set_name}"}
    if call.wants(PAGING_COOKIE) and is_more and not fetch.orders_links:
        content[f"@{PAGING_COOKIE}"] = _cookie(fetch.page)
    if call.wants(MORE_RECORDS):
        content[f"@{MORE_RECORDS}"] = is_more
    found = (select.json(row) for row in rows[:size])
    content["value"] = [{name: value for name, value in row.items() if value is not None} for row in found]
    return json_reply(content)


def linked_tables(text: str) -> list[str]:
    """The tables behind the link-entities of a query; reading them needs a privilege too."""
    try:
        return [str(link.get("name")) for link in fromstring(text).iter("link-entity")]  # noqa: S314 - on loopback
    except ParseError:
        return []


def _cookie(page: int) -> str:
    inner = quote(quote(f'<cookie page="{page}"></cookie>', safe=""), safe="")
    return f'<cookie pagenumber="{page + 1}" pagingcookie="{inner}" istracking="False" />'


@dataclass
class _Fetch:
    """A query as it was read: the statement, its page, and whether it is ordered by a column of a link."""

    schema: Schema
    statement: Statement
    size: int = MAX_PAGE
    page: int = 1
    orders_links: bool = False
    conditions: list[Condition] = field(default_factory=list)

    @classmethod
    def read(cls, schema: Schema, text: str) -> "_Fetch":
        """Raises ServiceError."""
        try:
            root = fromstring(text)  # noqa: S314 - on loopback
        except ParseError as error:
            raise invalid(str(error)) from error
        entity = root.find("entity")
        if root.tag != "fetch" or entity is None:
            raise invalid("A fetch with one entity is expected.")
        name = str(entity.get("name"))
        found = cls(schema, Statement(table=name, alias=name, distinct=root.get("distinct") == "true"))
        found.statement.top = _whole(root, "top")
        found.size = min(found.statement.top or _whole(root, "count") or MAX_PAGE, MAX_PAGE)
        found.page = _whole(root, "page") or 1
        found._take(entity, name, prefix="")
        if not found.statement.items:
            found.statement.items = [Item(Name(name, f"{found._table(name).key}"))]
        if found.conditions:
            found.statement.where = Group("AND", tuple(found.conditions))
        return found

    def _take(self, element: Element, alias: str, prefix: str) -> None:
        """Take an entity or a link-entity with everything below it."""
        table = self._table(str(element.get("name")))
        if not prefix and not element.findall("attribute") and not element.findall("all-attributes"):
            self.statement.items.append(Item(Name(alias, table.key)))
        if element.findall("all-attributes"):
            self.statement.items += [self._shown(alias, column, prefix) for column in table.columns.values()]
        for attribute in element.findall("attribute"):
            self._attribute(attribute, alias, table, prefix)
        for order in element.findall("order"):
            name = Name("", str(order.get("alias"))) if order.get("alias") else Name(alias, str(order.get("attribute")))
            self.statement.orders.append((name, order.get("descending") == "true"))
            self.orders_links |= bool(prefix)
        self.conditions += [condition for each in element.findall("filter") if (condition := _filter(each, alias))]
        for link in element.findall("link-entity"):
            self._link(link, alias)

    def _shown(self, alias: str, column: Column, prefix: str) -> Item:
        return Item(Name(alias, column.name), alias=f"{prefix}{column.name}" if prefix else column.wire_name)

    def _attribute(self, attribute: Element, alias: str, table: Table, prefix: str) -> None:
        name, own = str(attribute.get("name")), str(attribute.get("alias") or "")
        column = table.columns.get(name)
        function = attribute.get("aggregate")
        if column is None:
            missing = f"'{table.logical_name}' entity doesn't contain attribute with Name = '{name}'"
            raise ServiceError(400, "0x80041103", f"{missing} and NameMapping = 'Logical'.")
        if function and (function not in _FUNCTIONS or not own):
            raise invalid(f"The aggregate '{function}' needs a known name and an alias.")
        if function:
            counted = None if function == "count" else Name(alias, name)
            self.statement.items.append(Item(counted, _FUNCTIONS[function], own))
            return
        if attribute.get("groupby") == "true":
            self.statement.groups.append(Name(alias, name))
        item = Item(Name(alias, name), alias=own) if own else self._shown(alias, column, prefix)
        self.statement.items.append(item)

    def _link(self, link: Element, outer: str) -> None:
        name = str(link.get("name"))
        alias = str(link.get("alias") or f"{name}{len(self.statement.joins) + 1}")
        left, right = Name(outer, str(link.get("to"))), Name(alias, str(link.get("from")))
        self.statement.joins.append(Join(name, alias, link.get("link-type") == "outer", left, right))
        self._take(link, alias, f"{alias}.")

    def _table(self, name: str) -> Table:
        if name not in self.schema.tables:
            raise ServiceError(400, "0x80040217", f"The entity with a name = '{name}' was not found.")
        return self.schema.tables[name]


def _whole(element: Element, name: str) -> int | None:
    text = element.get(name)
    if text is not None and (not text.isdecimal() or text == "0"):
        raise invalid(f"The attribute '{name}' must be a whole number of at least 1.")
    return int(text) if text else None


def _filter(element: Element, alias: str) -> Condition | None:
    parts = [
        *_conditions(element, alias),
        *(each for below in element.findall("filter") if (each := _filter(below, alias))),
    ]
    return Group("OR" if element.get("type") == "or" else "AND", tuple(parts)) if parts else None


def _conditions(element: Element, alias: str) -> Iterator[Condition]:
    for condition in element.findall("condition"):
        name = Name(str(condition.get("entityname") or alias), str(condition.get("attribute")))
        values = [value.text or "" for value in condition.findall("value")] or [str(condition.get("value") or "")]
        yield _test(name, str(condition.get("operator")), [_constant(value) for value in values])


def _test(name: Name, operator: str, values: list[Constant]) -> Condition:
    if operator in _COMPARISONS:
        return Test(name, _COMPARISONS[operator], tuple(values[:1]))
    if operator in {"null", "not-null"}:
        return Test(name, "IS NULL" if operator == "null" else "IS NOT NULL")
    plain = operator.removeprefix("not-")
    if plain not in {"in", "like", "between"}:
        raise invalid(f"The operator '{operator}' is not supported.")
    test = Test(name, plain.upper(), tuple(values))
    return Group("NOT", (test,)) if operator.startswith("not-") else test


def _constant(text: str) -> Constant:
    """FetchXML writes all values alike; a number is meant where it looks like one."""
    return Decimal(text) if text.lstrip("-").replace(".", "", 1).isdecimal() else text
