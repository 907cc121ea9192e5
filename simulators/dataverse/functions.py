"""The functions of the Web API: who is calling, what the organization is, which privileges a user has."""

import json
import re
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass

from simulators.dataverse.calls import Call, Reply, json_reply
from simulators.dataverse.errors import bad_query, no_such_row, unknown_segment
from simulators.dataverse.keys import parse_address
from simulators.dataverse.metadata_changes import changes
from simulators.dataverse.organization import business_unit, user_id
from simulators.dataverse.privileges import GLOBAL, VERBS, as_role_privileges, held, names_of
from simulators.dataverse.schema import Schema
from simulators.dataverse.switches import Switches, listed

NAMESPACE = "Microsoft.Dynamics.CRM."
ACCESS_TYPE = f"{NAMESPACE}EndpointAccessType'Default'"
_CALLED = re.compile(r"^(\w+)(?:\((.*)\))?$", re.DOTALL)
_ARGUMENT = re.compile(r"^(\w+)=(.*)$", re.DOTALL)


@dataclass(frozen=True)
class Functions:
    schema: Schema
    switches: Switches
    organization_id: str

    def reply(self, connection: sqlite3.Connection, call: Call) -> Reply | None:
        """Answer a function, or return None for another request. Raises ServiceError."""
        head, *rest = call.segments
        called = _CALLED.match(head)
        if called and not rest and called[1] in self._unbound:
            return self._said(call, called[1], self._unbound[called[1]](call, called[2] or ""))
        if rest and rest[-1].startswith(NAMESPACE):
            return self._bound(connection, call, head, rest)
        return None

    @property
    def _unbound(self) -> dict[str, Callable[[Call, str], dict[str, object]]]:
        return {
            "WhoAmI": self._who_am_i,
            "RetrieveVersion": self._version,
            "RetrieveCurrentOrganization": self._organization,
            "RetrieveMetadataChanges": self._metadata_changes,
        }

    @property
    def _identity(self) -> str:
        return self.switches.organizationId or self.organization_id

    def _who_am_i(self, call: Call, _: str) -> dict[str, object]:
        return {
            "BusinessUnitId": business_unit(self.organization_id),
            "UserId": user_id(call.user),
            "OrganizationId": self._identity,
        }

    def _version(self, _: Call, __: str) -> dict[str, object]:
        return {"Version": self.switches.organizationVersion}

    def _metadata_changes(self, call: Call, arguments: str) -> dict[str, object]:
        name, _, alias = arguments.partition("=")
        if name != "Query":
            raise bad_query("The parameter 'Query' of 'RetrieveMetadataChanges' is missing.")
        return changes(self.schema, call.options.get(alias, alias))

    def _organization(self, call: Call, arguments: str) -> dict[str, object]:
        if arguments != f"AccessType={ACCESS_TYPE}":
            raise bad_query("The parameter 'AccessType' of 'RetrieveCurrentOrganization' is missing or not valid.")
        url = call.prefix.partition("/api/")[0]
        endpoints = [url, f"{url}/XRMServices/2011/Organization.svc", f"{url}/XRMServices/2011/OrganizationData.svc"]
        names = ["WebApplication", "OrganizationService", "OrganizationDataService"]
        return {
            "Detail": {
                "OrganizationId": self._identity,
                "FriendlyName": "Contoso",
                "OrganizationVersion": self.switches.organizationVersion,
                "EnvironmentId": self._identity,
                "Geo": "EMEA",
                "TenantId": "5a1e7e4a-0000-4000-8000-000000000001",
                "UrlName": "contoso",
                "UniqueName": f"unq{self._identity.replace('-', '')[:29]}",
                "State": self.switches.organizationState,
                "Endpoints": {"Count": 3, "IsReadOnly": False, "Keys": names, "Values": endpoints},
            }
        }

    def _bound(self, connection: sqlite3.Connection, call: Call, head: str, rest: list[str]) -> Reply:
        address, called = parse_address(self.schema, head), _CALLED.match(rest[-1].removeprefix(NAMESPACE))
        if address is None or called is None or len(rest) > 1 or address.table.logical_name != "systemuser":
            raise unknown_segment(rest[-1])
        if address.find(connection) is None:
            raise address.missing()
        arguments = dict(_argument(call, text) for text in filter(None, [called[2] or ""]))
        if called[1] == "RetrievePrincipalAccess":
            return self._said(call, called[1], {"AccessRights": self._access(connection, arguments)})
        return self._said(call, called[1], {"RolePrivileges": self._privileges(called[1], arguments)})

    def _access(self, connection: sqlite3.Connection, arguments: dict[str, object]) -> str:
        """The rights to one row, as the names of an enumeration."""
        match arguments:
            case {"Target": {"@odata.id": str() as row}}:
                target = parse_address(self.schema, row.rpartition("/")[2])
            case _:
                raise bad_query("The parameter 'Target' of 'RetrievePrincipalAccess' is missing or not valid.")
        if target is None or target.find(connection) is None:
            raise no_such_row("target", row)
        has = held(self.schema, self.switches)
        names = names_of(target.table)
        rights = [f"{verb}Access" for verb in VERBS if verb in names and has.get(names[verb]) == GLOBAL]
        return ", ".join(rights) or "None"

    def _privileges(self, name: str, arguments: dict[str, object]) -> list[dict[str, object]]:
        """Held privileges only; the case of their names counts."""
        found = held(self.schema, self.switches)
        match name, arguments:
            case "RetrieveUserPrivileges", {**others} if not others:
                wanted = list(found)
            case "RetrieveUserPrivilegeByPrivilegeName", {"PrivilegeName": str() as one}:
                wanted = [one]
            case "RetrieveUserSetOfPrivilegesByNames", {"PrivilegeNames": list() as many}:
                # Whether this function counts the roles of teams is not documented, so it does not.
                wanted = [each for each in many if each not in listed(self.switches.teamPrivileges)]
            case _:
                raise unknown_segment(f"{NAMESPACE}{name}")
        chosen = {each: found[each] for each in wanted if each in found}
        return as_role_privileges(chosen, business_unit(self.organization_id))

    def _said(self, call: Call, name: str, content: dict[str, object]) -> Reply:
        return json_reply({"@odata.context": f"{call.prefix}/$metadata#{NAMESPACE}{name}Response", **content})


def _argument(call: Call, text: str) -> tuple[str, object]:
    """One argument, in place or by its alias in the query."""
    match = _ARGUMENT.match(text)
    if match is None:
        raise bad_query(f"The argument '{text}' is not valid.")
    name, value = match[1], match[2]
    value = call.options.get(value, "") if value.startswith("@") else value
    if value.startswith("'") and value.endswith("'") and len(value) > 1:
        return name, value[1:-1].replace("''", "'")
    try:
        return name, json.loads(value)
    except ValueError as error:
        raise bad_query(f"The value '{value}' of parameter '{name}' is not valid.") from error
