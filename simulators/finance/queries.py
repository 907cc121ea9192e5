"""OData reads: system query options to SQL, pages of at most 10,000 rows, counts and single rows by key."""

import base64
import binascii
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import quote, urlencode

from simulators.finance.answers import ServiceRefused
from simulators.finance.entities import DEFAULT_COMPANY
from simulators.finance.fields import GUID
from simulators.finance.sets import NAMESPACE, EntitySet
from simulators.odata import ODataError, Sql, parse_filter, parse_orderby, parse_select, split_top, to_sql

PAGE_ROWS = 10_000
OPTIONS = frozenset({"$filter", "$select", "$orderby", "$top", "$skip", "$count", "$skiptoken", "$format"})
QUERY_EXCEPTION = "Microsoft.OData.ODataException"

type Options = dict[str, str]


def bad_query(message: str) -> ServiceRefused:
    """The refusal of a query that cannot be understood."""
    return ServiceRefused(400, f"The query specified in the URI is not valid. {message}", QUERY_EXCEPTION)


@dataclass(frozen=True)
class Query:
    """The parsed options of one read."""

    where: Sql
    order: str
    select: tuple[str, ...] | None
    skip: int
    top: int | None
    count: bool


def read_query(entity_set: EntitySet, options: Options) -> Query:
    """Parse the options of a read. Raises ServiceRefused for unknown options, properties and syntax."""
    for name in options:
        if name.startswith("$") and name not in OPTIONS:
            raise bad_query(f"The query parameter '{name}' is not supported.")
    try:
        select = parse_select(options["$select"]) if "$select" in options else None
        if select == ("*",):
            select = None
        entity_set.check_names(select or ())
        return Query(
            where=_where(entity_set, options),
            order=_order(entity_set, options.get("$orderby")),
            select=select,
            skip=_whole(options, "$skip") or 0,
            top=_whole(options, "$top"),
            count=options.get("$count", "false").lower() == "true",
        )
    except ODataError as error:
        raise bad_query(error.message) from error


def crosses_companies(options: Options) -> bool:
    """Whether the caller asked for rows outside the default company."""
    return options.get("cross-company", "").lower() == "true"


def _where(entity_set: EntitySet, options: Options) -> Sql:
    parts = [Sql("1")]
    if entity_set.by_company and not crosses_companies(options):
        parts.append(Sql("dataareaid = ?", (DEFAULT_COMPANY,)))
    if options.get("$filter"):
        parts.append(
            to_sql(parse_filter(options["$filter"], entity_set.dialect), entity_set.resolve, entity_set.dialect)
        )
    return Sql(" AND ".join(part.text for part in parts), tuple(one for part in parts for one in part.parameters))


def _order(entity_set: EntitySet, text: str | None) -> str:
    keys = parse_orderby(text) if text else ()
    entity_set.check_names(tuple("/".join(key.path) for key in keys))
    columns = [f"{key.path[0].lower()} {'DESC' if key.descending else 'ASC'}" for key in keys]
    return ", ".join([*columns, "recid"])


def _whole(options: Options, name: str) -> int | None:
    text = options.get(name)
    if text is None:
        return None
    if not re.fullmatch(r"\d{1,15}", text, re.ASCII):
        raise bad_query(f"Invalid value '{text}' for {name} query option found.")
    return int(text)


class Source(Protocol):
    """Where the rows of a set are."""

    def rows(self, sql: str, parameters: tuple[Any, ...] = ()) -> list[Any]:
        """Return all rows of a query."""


class Reader:
    """Runs queries. `source_of` gives the database of a set, `root` is the address below which the sets are. All
    methods block: call them from a thread."""

    def __init__(self, source_of: Callable[[EntitySet], Source], root: str) -> None:
        self._source_of = source_of
        self._root = root

    def page(self, entity_set: EntitySet, options: Options) -> dict[str, Any]:
        """Return one page of a set, with a next link when there is more."""
        query = read_query(entity_set, options)
        token = _Token.read(options.get("$skiptoken"), query)
        limit = PAGE_ROWS if token.left is None else min(PAGE_ROWS, token.left)
        rows = self._rows(entity_set, query, token, limit + 1)
        show = entity_set.shower(query.select)
        body: dict[str, Any] = {"@odata.context": f"{self._root}/$metadata#{entity_set.name}"}
        if query.count:
            body["@odata.count"] = self.count(entity_set, options)
        body["value"] = [show(row) for row in rows[:limit]]
        following = token.after(rows[:limit], query)
        if len(rows) > limit and following.left != 0:
            body["@odata.nextLink"] = self._next_link(entity_set, options, following)
        return body

    def count(self, entity_set: EntitySet, options: Options) -> int:
        """Return how many rows the filter finds, without regard to top and skip."""
        where = read_query(entity_set, options).where
        sql = f"SELECT count(*) FROM {entity_set.table} WHERE {where.text}"  # noqa: S608 - values are parameters
        return int(self._source_of(entity_set).rows(sql, where.parameters)[0][0])

    def one(self, entity_set: EntitySet, key: dict[str, str], options: Options) -> dict[str, Any]:
        """Return the row of a key. Raises ServiceRefused with 404 when it does not exist or its company is out of
        view."""
        query = read_query(entity_set, {name: text for name, text in options.items() if name != "$filter"})
        where = " AND ".join([query.where.text, *(f"{name.lower()} = ?" for name in key)])
        columns = entity_set.columns(query.select)
        sql = f"SELECT {columns} FROM {entity_set.table} WHERE {where}"  # noqa: S608 - values are parameters
        found = self._source_of(entity_set).rows(sql, (*query.where.parameters, *key.values()))
        rows = found if entity_set.readable_by_key else []
        if not rows:
            raise ServiceRefused(404, "No resources were found.", QUERY_EXCEPTION)
        context = {"@odata.context": f"{self._root}/$metadata#{entity_set.name}/$entity"}
        return context | entity_set.shower(query.select)(rows[0])

    def _rows(self, entity_set: EntitySet, query: Query, token: "_Token", limit: int) -> list[Any]:
        columns = entity_set.columns(query.select)
        sql = (
            f"SELECT {columns} FROM {entity_set.table} WHERE {query.where.text} AND recid > ? "  # noqa: S608 - as above
            f"ORDER BY {query.order} LIMIT ? OFFSET ?"
        )
        return self._source_of(entity_set).rows(sql, (*query.where.parameters, token.recid, limit, token.offset))

    def _next_link(self, entity_set: EntitySet, options: Options, token: "_Token") -> str:
        kept = {name: text for name, text in options.items() if name not in {"$skip", "$skiptoken"}}
        query = urlencode({**kept, "$skiptoken": token.text()}, quote_via=quote, safe="$")
        return f"{self._root}/{entity_set.name}?{query}"


@dataclass(frozen=True)
class _Token:
    """Where the next page starts: behind a record in the natural order, at an offset in any other."""

    recid: int
    offset: int
    left: int | None

    @classmethod
    def read(cls, text: str | None, query: Query) -> "_Token":
        if text is None:
            return cls(-1, query.skip, query.top)
        try:
            recid, offset, left = base64.urlsafe_b64decode(text).decode().split(",")
            return cls(int(recid), int(offset), int(left) if left else None)
        except (ValueError, binascii.Error) as error:
            raise bad_query("Skip token is not valid.") from error

    def after(self, rows: list[Any], query: Query) -> "_Token":
        left = None if self.left is None else self.left - len(rows)
        if query.order == "recid" and rows:
            return _Token(rows[-1]["recid"], 0, left)
        return _Token(self.recid, self.offset + len(rows), left)

    def text(self) -> str:
        left = "" if self.left is None else self.left
        return base64.urlsafe_b64encode(f"{self.recid},{self.offset},{left}".encode()).decode()


def read_key(entity_set: EntitySet, text: str) -> dict[str, str]:
    """Parse `dataAreaId='usmf',ActualsImportId=…`. All key fields are required. Raises ServiceRefused."""
    try:
        pairs = dict(_pair(part) for part in split_top(text, ","))
    except (ODataError, ValueError):
        pairs = {}
    if len(entity_set.key) == 1 and not pairs:
        pairs = {entity_set.key[0]: text.strip().strip("'")}
    if set(pairs) != set(entity_set.key):
        raise bad_query(f"The key of {NAMESPACE}.{entity_set.type_name} has the fields {', '.join(entity_set.key)}.")
    return {name: _key_value(entity_set, name, pairs[name]) for name in entity_set.key}


def _key_value(entity_set: EntitySet, name: str, text: str) -> str:
    """GUIDs and companies are held in lower case."""
    lowered = name == "dataAreaId" or entity_set.properties[name] is GUID
    return text.lower() if lowered else text


def _pair(part: str) -> tuple[str, str]:
    name, equals, value = part.partition("=")
    if not equals:
        raise ValueError(part)
    value = value.strip()
    quoted = value.startswith("'")
    return name.strip(), value[1:-1].replace("''", "'") if quoted else value
