"""Error codes and messages as the real service words them."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import orjson

QUERY_ERROR = "0x80060888"
PAYLOAD_ERROR = "0x80048d19"
SQL_TIMEOUT = "0x80044151"


@dataclass(eq=False)
class ServiceError(Exception):
    """A request that the Web API answers with an error body."""

    status: int
    code: str
    message: str
    headers: Mapping[str, str] = field(default_factory=dict)

    def body(self) -> bytes:
        # A lone surrogate cannot be encoded as UTF-8, so it is written as an escape sequence.
        message = self.message.encode("utf-8", "backslashreplace").decode()
        return orjson.dumps({"error": {"code": self.code, "message": message}})


def bad_query(message: str) -> ServiceError:
    return ServiceError(400, QUERY_ERROR, message)


def bad_payload(set_name: str, reason: str) -> ServiceError:
    """A body that the OData reader cannot parse."""
    return ServiceError(
        400,
        PAYLOAD_ERROR,
        f"Error identified in Payload provided by the user for Entity :'{set_name}', For more information on this "
        "error please follow this help link https://go.microsoft.com/fwlink/?linkid=2195293  ---->  InnerException : "
        f"Microsoft.OData.ODataException: {reason}",
    )


def unknown_property(name: str, table: str) -> ServiceError:
    return bad_query(f"Could not find a property named '{name}' on type 'Microsoft.Dynamics.CRM.{table}'.")


def unknown_segment(segment: str) -> ServiceError:
    return ServiceError(404, "0x8006088a", f"Resource not found for the segment '{segment}'.")


def no_such_row(table: str, key: str) -> ServiceError:
    return ServiceError(404, "0x80040217", f"Entity '{table}' With Id = {key} Does Not Exist")


def no_such_key(table: str) -> ServiceError:
    return ServiceError(404, "0x80060891", f"A record with the specified key values does not exist in {table} entity")


def version_mismatch() -> ServiceError:
    return ServiceError(
        412,
        "0x80060882",
        "The version of the existing record doesn't match the RowVersion property provided.",
    )


def not_permitted(privilege: str, table: str, user: str) -> ServiceError:
    """The error for a security role without the privilege."""
    return ServiceError(
        403,
        "0x80040220",
        f"Principal user (Id={user}, type=8, roleCount=1, privilegeCount=120, accessMode=4) is missing "
        f"{privilege} privilege (Id=5f4f8a5c-0000-4000-8000-000000000001) on OTC=10176 for entity '{table}'. "
        f"context.Caller={user}",
    )
