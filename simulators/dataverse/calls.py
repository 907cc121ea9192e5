"""One request to the Web API and its answer, received alone or inside a batch."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import cached_property
from urllib.parse import unquote, unquote_plus

import orjson

from simulators.dataverse.errors import bad_query

JSON_TYPE = "application/json; odata.metadata=minimal"
FORMATTED_VALUE = "OData.Community.Display.V1.FormattedValue"
LOOKUP_NAME = "Microsoft.Dynamics.CRM.lookuplogicalname"
NAVIGATION = "Microsoft.Dynamics.CRM.associatednavigationproperty"
TOTAL_COUNT = "Microsoft.Dynamics.CRM.totalrecordcount"
MORE_RECORDS = "Microsoft.Dynamics.CRM.morerecords"
TOTAL_EXCEEDED = "Microsoft.Dynamics.CRM.totalrecordcountlimitexceeded"
_PREFERENCE = re.compile(r"\s*([\w.\-]+)\s*(?:=\s*(\"[^\"]*\"|[^,;]*))?")


@dataclass(frozen=True)
class Call:
    """A request below the service root. `path` and `query` are kept as received; header names are in lower case."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes
    user: str
    prefix: str

    @cached_property
    def options(self) -> dict[str, str]:
        """Query options, decoded. A plus sign is a space, as in the service."""
        found: dict[str, str] = {}
        for pair in self.query.split("&") if self.query else []:
            name, _, value = pair.partition("=")
            name = unquote(name)
            if name in found:
                raise bad_query(
                    f"Query option '{name}' was specified more than once, but it must be specified at most once."
                )
            found[name] = unquote_plus(value)
        return found

    @cached_property
    def segments(self) -> list[str]:
        """The decoded parts of the path."""
        return [unquote(part) for part in self.path.strip("/").split("/")]

    @cached_property
    def preferences(self) -> dict[str, str]:
        matches = (_PREFERENCE.match(part) for part in _outside_quotes(self.headers.get("prefer", "")))
        return {match[1].lower(): (match[2] or "").strip().strip('"') for match in matches if match}

    def wants(self, annotation: str) -> bool:
        """Whether this annotation was asked for."""
        patterns = self.preferences.get("odata.include-annotations", "").split(",")
        return any(fnmatchcase(annotation, pattern.strip()) for pattern in patterns)


@dataclass
class Reply:
    """An answer. For a page, `rows` is the number of rows and `last` the id of the last row."""

    status: int = 204
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    content_type: str = JSON_TYPE
    rows: int = 0
    last: str = ""


def json_reply(content: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Reply:
    return Reply(status, orjson.dumps(content), {"OData-Version": "4.0", **(headers or {})})


def _outside_quotes(text: str) -> list[str]:
    return re.findall(r"(?:[^,\"]|\"[^\"]*\")+", text)
