"""Calls of the app to a service, whatever the answer means, and error bodies that several tests know."""

from collections.abc import Awaitable, Callable

from shared.services.answers import Answer
from shared.services.http import Service

X_ERROR = {
    "error": {
        "code": "",
        "message": "An error has occurred.",
        "innererror": {
            "message": "Write failed for table row of type 'ProjCDSActualsImportEntity'.",
            "type": "Microsoft.Dynamics.Platform.Integration.Services.OData.AxODataWriteException",
            "stacktrace": "   at Microsoft.Dynamics...",
        },
    }
}

type Call = Callable[[Service], Awaitable[Answer]]


async def get(service: Service) -> Answer:
    return await service.get(service.url("/data/ProjActualsImports?$select=Amount"))


async def post(service: Service) -> Answer:
    return await service.post(service.url("/data/DataManagementDefinitionGroups/Action"), {"executionId": "x"})
