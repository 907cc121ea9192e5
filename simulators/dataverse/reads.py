"""GET: pages, single rows, counts."""

import sqlite3
from dataclasses import dataclass

from simulators.dataverse.aggregation import aggregate
from simulators.dataverse.calls import MORE_RECORDS, TOTAL_COUNT, TOTAL_EXCEEDED, Call, Reply, json_reply
from simulators.dataverse.errors import bad_query, not_permitted, unknown_property
from simulators.dataverse.events import SqlValue
from simulators.dataverse.keys import Address
from simulators.dataverse.organization import user_id
from simulators.dataverse.paging import MAX_PAGE, Cookies, Order
from simulators.dataverse.schema import Schema, Table
from simulators.dataverse.selection import Selection
from simulators.dataverse.source import Source
from simulators.dataverse.switches import Switches
from simulators.dataverse.values import converter
from simulators.odata import DATAVERSE, Sql, parse_filter, parse_orderby, to_sql

FOREIGN_ORIGIN = "https://attacker.invalid"
_SUPPORTED = {"$select", "$filter", "$orderby", "$top", "$expand", "$count", "$apply", "$skiptoken"}


@dataclass(frozen=True)
class Reader:
    """Answers reads over the last commit. Every method raises ServiceError or ODataError for what it refuses."""

    schema: Schema
    cookies: Cookies
    switches: Switches

    def collection(self, connection: sqlite3.Connection, call: Call, table: Table) -> Reply:
        _check_options(call)
        if "$apply" in call.options:
            return aggregate(self.schema, connection, call, table, self.switches.aggregateLimit)
        return _Page(self, connection, call, table).reply()

    def count(self, connection: sqlite3.Connection, call: Call, table: Table) -> Reply:
        """The service writes a byte order mark before the number."""
        source = Source(self.schema, table)
        number = count_rows(connection, source, condition_of(source, call), MAX_PAGE)
        return Reply(200, b"\xef\xbb\xbf" + str(number).encode(), {"OData-Version": "4.0"}, "text/plain")

    def row(self, connection: sqlite3.Connection, call: Call, address: Address) -> Reply:
        key = address.find(connection)
        if key is None:
            raise address.missing()
        source = Source(self.schema, address.table)
        selection = Selection(self.schema, address.table, call)
        sql = f'SELECT {", ".join(selection.columns)} FROM {source.sql} WHERE t0."{address.table.key}" = ?'  # noqa: S608
        row = connection.execute(sql, (key,)).fetchone()
        if row is None:
            privilege = f"prvRead{address.table.privilege}"
            raise not_permitted(privilege, address.table.logical_name, user_id(call.user))
        [found] = selection.json(connection, [row])
        tag = str(found["@odata.etag"])
        if _not_modified(call, tag):
            return Reply(304, b"", {"ETag": tag})
        context = f"{call.prefix}/$metadata#{address.table.set_name}{selection.context}/$entity"
        return json_reply({"@odata.context": context, **found}, headers={"ETag": tag, **applied(call)})

    def value(self, connection: sqlite3.Connection, call: Call, address: Address, name: str) -> Reply:
        """One column of one row. An empty column is answered with 204."""
        key, table = address.find(connection), address.table
        if key is None:
            raise address.missing()
        if name not in table.properties:
            raise unknown_property(name, table.logical_name)
        column = table.properties[name]
        sql = f'SELECT "{column.name}" FROM "{table.logical_name}" WHERE "{table.key}" = ?'  # noqa: S608
        value = connection.execute(sql, (key,)).fetchone()[0]
        if value is None:
            return Reply(204)
        convert = converter(column)
        context = f"{call.prefix}/$metadata#{table.set_name}({key})/{name}"
        return json_reply({"@odata.context": context, "value": convert(value) if convert else value})


class _Page:
    """One page of a collection."""

    def __init__(self, reader: Reader, connection: sqlite3.Connection, call: Call, table: Table) -> None:
        self.reader, self.connection, self.call, self.table = reader, connection, call, table
        self.url = f"{call.prefix}/{call.path.strip('/')}"
        self.source = Source(reader.schema, table)
        self.selection = Selection(reader.schema, table, call)
        self.order = Order(self.source, parse_orderby(call.options["$orderby"]) if "$orderby" in call.options else ())
        self.condition = condition_of(self.source, call)
        self.query, self.number, self.last = call.query, 1, list[SqlValue]()
        if "$skiptoken" in call.options:
            self._check_age()
            self.query, self.number, self.last = reader.cookies.read(self.url, call.query)

    def reply(self) -> Reply:
        size, top = page_size(self.call)
        short = self.reader.switches.shortPages
        size = min(size, short) if short and not top else size
        rows = self._rows(size + 1)
        is_more = len(rows) > size and not top
        content: dict[str, object] = {"@odata.context": self._context()}
        content |= self._counts() | self._more(is_more=is_more)
        content["value"] = self.selection.json(self.connection, rows[:size])
        if is_more and not 0 < self.reader.switches.withheldNextLinks <= self.number:
            content["@odata.nextLink"] = self._next_link(rows[size - 1])
        reply = json_reply(content, headers=applied(self.call))
        reply.rows, reply.last = len(rows[:size]), str(rows[:size][-1][-1]) if rows[:size] else ""
        return reply

    def _check_age(self) -> None:
        """A cookie that is too old is refused."""
        if self.reader.switches.cookieExpiresNext:
            self.reader.switches.cookieExpiresNext -= 1
            self.reader.cookies.expire(self.query)
        if self.reader.cookies.is_expired(self.query):
            raise bad_query("The paging cookie has expired. Malformed XML in the Paging Cookie")

    def _rows(self, limit: int) -> list[tuple[SqlValue, ...]]:
        terms, parameters = [self.condition.text], list(self.condition.parameters)
        if self.last:
            text, own = self.order.after(self.last)
            terms.append(text)
            parameters += own
        columns = [*self.selection.columns, *(column for column, _ in self.order.columns)]
        sql = (
            f"SELECT {', '.join(columns)} FROM {self.source.sql} WHERE {' AND '.join(terms)} "  # noqa: S608
            f"ORDER BY {self.order.sql} LIMIT ?"
        )
        return self.connection.execute(sql, (*parameters, limit)).fetchall()

    def _next_link(self, row: tuple[SqlValue, ...]) -> str:
        if self.reader.switches.repeatNextLink and "$skiptoken" in self.call.options:
            return f"{self.url}?{self.call.query}"
        values = row[len(self.selection.columns) :]
        link = self.reader.cookies.link(self.url, self.query, self.number, self.table.key, values)
        if self.reader.switches.foreignNextLink:
            return FOREIGN_ORIGIN + "/" + link.split("/", 3)[3]
        return link

    def _more(self, *, is_more: bool) -> dict[str, object]:
        form = self.reader.switches.moreRecordsForm
        if not self.call.wants(MORE_RECORDS) or form == "absent":
            return {}
        return {f"@{MORE_RECORDS}": is_more and form == "truth"}

    def _context(self) -> str:
        return f"{self.call.prefix}/$metadata#{self.table.set_name}{self.selection.context}"

    def _counts(self) -> dict[str, object]:
        asked = self.call.options.get("$count") == "true"
        counts: dict[str, object] = {}
        number = count_rows(self.connection, self.source, self.condition, MAX_PAGE + 1) if asked else -1
        if asked:
            counts["@odata.count"] = min(number, MAX_PAGE)
        if self.call.wants(TOTAL_COUNT):
            counts[f"@{TOTAL_COUNT}"] = min(number, MAX_PAGE)
        if self.call.wants(TOTAL_EXCEEDED):
            counts[f"@{TOTAL_EXCEEDED}"] = number > MAX_PAGE
        return counts


def condition_of(source: Source, call: Call) -> Sql:
    """Return the `$filter` as SQL; without one everything matches."""
    text = call.options.get("$filter")
    if text is None:
        return Sql("1")
    aliases = {name: value for name, value in call.options.items() if name.startswith("@")}
    return to_sql(parse_filter(text, DATAVERSE, aliases), source.column, DATAVERSE)


def count_rows(connection: sqlite3.Connection, source: Source, condition: Sql, limit: int) -> int:
    """Return how many rows match, at most `limit`."""
    inner = f"SELECT 1 FROM {source.sql} WHERE {condition.text} LIMIT ?"  # noqa: S608 - built from schema names
    found = connection.execute(f"SELECT COUNT(*) FROM ({inner})", (*condition.parameters, limit))  # noqa: S608
    return int(found.fetchone()[0])


def page_size(call: Call) -> tuple[int, bool]:
    """Return how many rows to send and whether `$top` said so; a page size preference makes `$top` void."""
    preferred = call.preferences.get("odata.maxpagesize")
    if preferred is not None and preferred.isdecimal() and int(preferred) > 0:
        return min(int(preferred), MAX_PAGE), False
    top = call.options.get("$top")
    if top is None:
        return MAX_PAGE, False
    if not top.isdecimal():
        raise bad_query(
            f"Invalid value '{top}' for $top query option found. "
            "The $top query option requires a non-negative integer value."
        )
    return min(int(top), MAX_PAGE), True


def applied(call: Call) -> dict[str, str]:
    """Return the header that names the preferences that were followed."""
    followed = []
    if "odata.maxpagesize" in call.preferences:
        followed.append(f"odata.maxpagesize={call.preferences['odata.maxpagesize']}")
    if "odata.include-annotations" in call.preferences:
        followed.append(f'odata.include-annotations="{call.preferences["odata.include-annotations"]}"')
    return {"Preference-Applied": ",".join(followed)} if followed else {}


def _not_modified(call: Call, tag: str) -> bool:
    if call.headers.get("if-none-match") != tag:
        return False
    return "$expand" not in call.options and "odata.include-annotations" not in call.preferences


def _check_options(call: Call) -> None:
    for name in call.options:
        if name.startswith("$") and name not in _SUPPORTED:
            raise bad_query(f"The query parameter {name} is not supported")
