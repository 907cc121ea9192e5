"""Reading from one service for a check: what was asked, and what each refusal means for a check."""

import re
from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from yarl import URL

from shared.errors import ContractBroken, NotPermitted, Refused, SignInFailed, Unavailable
from shared.maps.transforms import Row
from shared.services.answers import Answer
from shared.services.http import Service
from shared.services.odata import query

# A check reads lists of set-up, never of business: more rows than this would not be what it meant to read.
_MOST_ROWS = 20_000
_MOST_PAGES = 50
# Answers that are kept for the other checks of the visit; larger ones are read again.
_LARGEST_KEPT = 256 * 1024
_PARENTHESES = re.compile(r"\([^()]*\)")
# What stands before the name of a function: what it is bound to, and its namespace.
_NAME = re.compile(r"^.*[/.](?=\w+$)")
_DEFINITIONS = "EntityDefinitions"
_QUOTED = re.compile(r"['\"‘’“”«»]([A-Za-z_@]\w*)['\"‘’“”«»]")
_FORMATTED = 'odata.include-annotations="OData.Community.Display.V1.FormattedValue"'


class Unseen(Exception):
    """A check cannot see what it is about. The text says why; `expected` and `remedy` are for the operator."""

    def __init__(self, service: str, seen: str, *, expected: str = "", remedy: str = "Try again") -> None:
        super().__init__(seen)
        self.service = service
        self.expected = expected or f"{service} answers"
        self.remedy = remedy


class NotAllowed(Unseen):
    """The service answers 403: the app's user has no privilege for `place`. Nothing is known about what is there."""

    def __init__(self, service: str, place: str, privilege: str) -> None:
        right = privilege if privilege.startswith("prv") else f"the right to read {place}"
        super().__init__(
            service,
            f"{service} does not let the app's user read {place}, so nothing is known about it",
            expected=f"the app's user may read {place}",
            remedy=f"Give the app's user in {service} {right}, or look there as an administrator",
        )
        self.place, self.privilege = place, privilege


class NotThere(Unseen):
    """The service has no such table, entity set, function or row."""

    def __init__(self, service: str, place: str) -> None:
        remedy = f"Compare the release of {service}"
        super().__init__(service, f"{service} has no {place}", expected=f"{place} in {service}", remedy=remedy)
        self.place = place


class UnknownColumn(Unseen):
    """The service has no column `name`."""

    def __init__(self, service: str, place: str, name: str) -> None:
        seen, remedy = f"{place} of {service} has no column {name}", f"Compare the release of {service}"
        super().__init__(service, seen, expected=f"column {name} of {place}", remedy=remedy)
        self.place, self.name = place, name


class NoAnswer(Unseen):
    """The service gave no answer that a check can use."""


class NotLetIn(NoAnswer):
    """The service, or the sign-in, refuses the app's user as such. `reason` is what it says."""

    def __init__(self, service: str, reason: str) -> None:
        remedy = f"Do what the check {service.lower()}-reach says"
        super().__init__(service, f"{service} does not let the app in: {reason}", remedy=remedy)
        self.reason = reason


class Unselective(Exception):
    """A check asked for all columns of a table. Some tables of dual-write hold connection strings with secrets."""


@dataclass(frozen=True)
class Dialect:
    """How a service is read: the `root` of its paths, the functions and places that have no `$select`, the actions
    that only read, and the `options` and `headers` of every request."""

    root: str
    bare: frozenset[str]
    actions: frozenset[str] = frozenset()
    options: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)


DATAVERSE = Dialect(
    root="/api/data/v9.2/",
    bare=frozenset(
        {
            "WhoAmI",
            "RetrieveVersion",
            "RetrieveCurrentOrganization",
            "RetrieveUserSetOfPrivilegesByNames",
            "RetrieveUserPrivilegeByPrivilegeName",
            "RetrieveUserPrivileges",
            "RetrievePrincipalAccess",
        }
    ),
    headers={"OData-MaxVersion": "4.0", "OData-Version": "4.0", "If-None-Match": "null"},
)
FINANCE = Dialect(
    root="/data/",
    # The metadata service describes entities and enumerations, and holds no rows of the tenant.
    bare=frozenset({"/metadata/DataEntities", "/metadata/PublicEntities", "/metadata/PublicEnumerations"}),
    actions=frozenset(
        {"GetApplicationVersion", "GetPlatformBuildVersion", "GetApplicationBuildVersion", "GetInstalledModules"}
    ),
    options={"cross-company": "true"},
)


class Onlooker:
    """Reads one service. Every method raises NotAllowed, NotThere, UnknownColumn, NoAnswer, and Throttled while the
    gate of the service is closed; then nothing is sent.

    A path is below the root of the service, or begins with a slash.
    """

    def __init__(self, service: Service, dialect: Dialect) -> None:
        self._service = service
        self._dialect = dialect
        self._kept: dict[tuple[str, bool], Answer] = {}

    @property
    def name(self) -> str:
        """The name of the service."""
        return self._service.name

    @property
    def origin(self) -> str:
        """The address of the service."""
        return str(self._service.origin)

    async def read(self, path: str, options: Mapping[str, str] | None = None, *, formatted: bool = False) -> list[Row]:
        """All rows of a list. Raises NoAnswer for a list that is longer than a check can mean. `formatted` adds the
        labels of choices, as `column@OData.Community.Display.V1.FormattedValue`."""
        url, rows = self._url(path, options or {}), list[Row]()
        for _ in range(_MOST_PAGES):
            found, link = self._used(lambda answer: answer.page(), await self._get(url, formatted=formatted))
            self._require(path, _columns_of(options or {}), found)
            rows += found
            if link is None and len(rows) <= _MOST_ROWS:
                return rows
            if link is None or len(rows) > _MOST_ROWS:
                break
            url = self._next(link, url)
        raise NoAnswer(self.name, f"{path} of {self.name} has more than {len(rows)} rows, which no check reads")

    async def one(
        self,
        path: str,
        options: Mapping[str, str] | None = None,
        *,
        needs: Collection[str] = (),
        formatted: bool = False,
    ) -> Row:
        """One row by its key, or the result of a function with the members that it `needs`. Raises NoAnswer also for an
        answer without them."""
        answer = await self._get(self._url(path, options or {}), formatted=formatted)
        row = self._used(lambda each: each.json(), answer)
        self._require(path, needs or _columns_of(options or {}), [row])
        return row

    async def count(self, entity_set: str, key: str, condition: str) -> int:
        """How many rows match; Dataverse counts no further than 5,000. Raises NoAnswer without a count."""
        options = {"$select": key, "$filter": condition, "$count": "true", "$top": "1"}
        return int((await self.one(entity_set, options, needs=("@odata.count",)))["@odata.count"])

    async def answer(self, path: str, options: Mapping[str, str] | None = None) -> Answer:
        """The whole answer with its headers, asked for anew."""
        url = self._url(path, options or {})
        return await self._sent(self._service.get(url, self._dialect.headers), url, _names_in(url))

    async def call(self, entity_set: str, action: str) -> object:
        """The result of an action that only reads, bound to an entity set; POST is its only verb."""
        if action not in self._dialect.actions:
            raise Unselective(f"{action} of {self.name} is not known to read only")
        url = self._service.url(f"{self._dialect.root}{entity_set}/Microsoft.Dynamics.DataEntities.{action}")
        return self._used(lambda each: each.value(), await self._sent(self._service.post(url, {}), url, frozenset()))

    def _url(self, path: str, options: Mapping[str, str]) -> URL:
        place = path.partition("?")[0]
        if "$select" not in options and not self._has_no_columns(place):
            raise Unselective(f"{place} of {self.name} was asked for without $select")
        if not _expands_selectively(place, options.get("$expand", "")):
            raise Unselective(f"{place} of {self.name} was expanded without $select")
        rooted = path.startswith("/")
        all_options = dict(options) if rooted else {**options, **self._dialect.options}
        text = (path if rooted else self._dialect.root + path) + (f"?{query(all_options)}" if all_options else "")
        return self._service.url(text.replace(" ", "%20"))

    def _has_no_columns(self, place: str) -> bool:
        plain = _PARENTHESES.sub("", place)
        return plain.endswith("/$count") or bool({plain, _NAME.sub("", plain)} & self._dialect.bare)

    async def _get(self, url: URL, *, formatted: bool) -> Answer:
        kept = (str(url), formatted)
        if kept not in self._kept:
            headers = {**self._dialect.headers, **({"Prefer": _FORMATTED} if formatted else {})}
            answer = await self._sent(self._service.get(url, headers), url, _names_in(url))
            if len(answer.body) > _LARGEST_KEPT:
                return answer
            self._kept[kept] = answer
        return self._kept[kept]

    async def _sent(self, request: Awaitable[Answer], url: URL, columns: frozenset[str]) -> Answer:
        try:
            return await request
        except NotPermitted as error:
            raise NotAllowed(self.name, error.place, error.privilege) from error
        except Refused as error:
            raise self._meaning(error, url, columns) from error
        except SignInFailed as error:
            raise (NoAnswer if error.passing else NotLetIn)(self.name, error.reason) from error
        except (Unavailable, ContractBroken) as error:
            raise NoAnswer(self.name, str(error)) from error

    def _meaning(self, refusal: Refused, url: URL, columns: frozenset[str]) -> Exception:
        place = url.path.removeprefix(self._dialect.root)
        if refusal.status == 404:
            return NotThere(self.name, place)
        # The words around the name are in the language of the app's user; the name is not.
        named = [name for name in _QUOTED.findall(refusal.text) if name in columns]
        if refusal.status == 400 and named:
            return UnknownColumn(self.name, place, named[0])
        return NoAnswer(self.name, str(refusal))

    def _require(self, path: str, names: Collection[str], rows: Iterable[Row]) -> None:
        """An answer in another form proves nothing: what it lacks would read as empty, or as zero."""
        for row in rows:
            if lacking := [name for name in names if name not in row]:
                place = path.partition("(")[0]
                raise NoAnswer(self.name, f"{self.name} answered for {place} in another form, without {lacking[0]}")

    def _used[T](self, use: Callable[[Answer], T], answer: Answer) -> T:
        try:
            return use(answer)
        except Unavailable as error:
            raise NoAnswer(self.name, str(error)) from error

    def _next(self, link: str, url: URL) -> URL:
        try:
            return self._service.own_url(link, path=url.raw_path)
        except ContractBroken as error:
            raise NoAnswer(self.name, str(error)) from error


def _expands_selectively(place: str, expand: str) -> bool:
    """Whether each expanded row is asked for some of its columns. Definitions hold no rows."""
    if place.startswith(_DEFINITIONS):
        return True
    return all(_selects(inner) for inner in _split(expand, ","))


def _selects(expanded: str) -> bool:
    """Whether a navigation property with its options, `name($select=...;$expand=...)`, asks for columns, and so does
    what is expanded in it."""
    options = list(_split(expanded.partition("(")[2].removesuffix(")"), ";"))
    inner = [each.removeprefix("$expand=") for each in options if each.startswith("$expand=")]
    return any(each.startswith("$select=") for each in options) and all(
        _selects(each) for text in inner for each in _split(text, ",")
    )


def _split(text: str, mark: str) -> Iterator[str]:
    """The parts of a text between marks that stand in no parentheses."""
    depth, start = 0, 0
    for index, letter in enumerate(text):
        depth += (letter == "(") - (letter == ")")
        if letter == mark and depth == 0:
            yield text[start:index]
            start = index + 1
    if text[start:]:
        yield text[start:]


def _columns_of(options: Mapping[str, str]) -> list[str]:
    return [name.strip() for name in options.get("$select", "").split(",") if name.strip()]


def _names_in(url: URL) -> frozenset[str]:
    """The names in the options of a request: columns, navigation properties, and what stands around them."""
    return frozenset(re.findall(r"[A-Za-z_]\w*", " ".join(url.query.values())))
