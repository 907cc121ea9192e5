"""Next links: an opaque cookie that encodes after which row the next page starts."""

import base64
import hashlib
import hmac
import re
from collections.abc import Sequence
from urllib.parse import quote, unquote

import orjson

from simulators.dataverse.errors import bad_query
from simulators.dataverse.events import SqlValue
from simulators.dataverse.source import Source
from simulators.odata import OrderBy, Path

MAX_PAGE = 5_000
_TOKEN = re.compile(r'^<cookie pagenumber="(\d+)" pagingcookie="([^"]*)" istracking="False" />$')
_PAGE = re.compile(r'^<cookie page="\d+"><(\w+) last="([^"]*)" mac="([0-9a-f]{32})" /></cookie>$')


class Order:
    """The order of a page: the requested one, with the primary key added as a tie-breaker."""

    def __init__(self, source: Source, keys: Sequence[OrderBy]) -> None:
        self.columns: list[tuple[str, bool]] = []
        for key in keys:
            column = source.column(Path(key.path, 0))
            self.columns.append((column.sql, key.descending))
        self.columns.append((f't0."{source.table.key}"', False))

    @property
    def sql(self) -> str:
        return ", ".join(f"{column} DESC" if descending else column for column, descending in self.columns)

    def after(self, values: Sequence[SqlValue]) -> tuple[str, list[SqlValue]]:
        """Return the condition for rows behind these key values; absent values sort first."""
        terms, parameters = [], []
        for number, (column, descending) in enumerate(self.columns):
            behind, own = _behind(column, descending, values[number])
            equal = [f"{self.columns[before][0]} IS ?" for before in range(number)]
            terms.append(" AND ".join([*equal, behind]))
            parameters += [*values[:number], *own]
        return f"({' OR '.join(terms)})", parameters


def _behind(column: str, descending: bool, value: SqlValue) -> tuple[str, list[SqlValue]]:
    if value is None:
        return ("0", []) if descending else (f"{column} IS NOT NULL", [])
    if descending:
        return f"({column} < ? OR {column} IS NULL)", [value]
    return f"{column} > ?", [value]


class Cookies:
    """Writes and reads skip tokens. A changed link is refused, and so is an expired one until it is written anew."""

    def __init__(self, secret: bytes) -> None:
        self.secret = secret
        self.expired: set[str] = set()

    def link(self, url: str, query: str, page: int, key: str, values: Sequence[SqlValue]) -> str:
        """Return the next link behind a page; `query` is the request's own without a skip token, as it came."""
        separator = "&" if query else ""
        token = self._token(url + "?" + query, page + 1, key, values)
        self.expired.discard(token)
        return f"{url}?{query}{separator}$skiptoken={token}"

    def expire(self, query: str) -> None:
        """Refuse the token of this query from now on."""
        self.expired.add(_token_of(query))

    def is_expired(self, query: str) -> bool:
        """Whether the token of this query is too old."""
        return _token_of(query) in self.expired

    def read(self, url: str, query: str) -> tuple[str, int, list[SqlValue]]:
        """Return the query without the token, the page number and the last row's key values. Raises ServiceError."""
        rest, _, token = query.rpartition("$skiptoken=")
        rest = rest.removesuffix("&")
        try:
            return rest, *self._opened(url + "?" + rest, token)
        except (ValueError, TypeError) as error:
            raise bad_query("Malformed XML in the Paging Cookie") from error

    def _opened(self, base: str, token: str) -> tuple[int, list[SqlValue]]:
        outer = _TOKEN.match(unquote(token))
        inner = _PAGE.match(unquote(outer[2])) if outer else None
        if outer is None or inner is None:
            raise ValueError(token)
        values = orjson.loads(base64.urlsafe_b64decode(inner[2]))
        if self._token(base, int(outer[1]), inner[1], values) != token:
            raise ValueError(token)
        return int(outer[1]), values

    def _token(self, base: str, page: int, key: str, values: Sequence[SqlValue]) -> str:
        last = base64.urlsafe_b64encode(orjson.dumps(values)).decode()
        mac = hmac.new(self.secret, f"{base} {page} {key} {last}".encode(), hashlib.sha256).hexdigest()[:32]
        cookie = f'<cookie page="{page - 1}"><{key} last="{last}" mac="{mac}" /></cookie>'
        return quote(
            f'<cookie pagenumber="{page}" pagingcookie="{quote(cookie, safe="")}" istracking="False" />', safe="="
        )


def _token_of(query: str) -> str:
    return query.rpartition("$skiptoken=")[2]
