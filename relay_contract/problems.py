"""The error answers of the app."""

from typing import Literal

from relay_contract import Answer

type Code = Literal[
    "authenticationOff",
    "badInvoiceId",
    "badOrganizationId",
    "badPrimaryEntityId",
    "badProbe",
    "badQuery",
    "badRequest",
    "badState",
    "changedMeanwhile",
    "heldByFinance",
    "mapRefused",
    "newerVersion",
    "noFile",
    "noGroup",
    "noImport",
    "noInvoice",
    "noInvoiceId",
    "noJob",
    "noMap",
    "noOrganizationId",
    "noPrimaryEntityId",
    "noRole",
    "noRun",
    "notAnObject",
    "notCompleted",
    "notJson",
    "notPermitted",
    "notSignedIn",
    "otherOrganization",
    "otherSite",
    "otherStorage",
    "readTooOften",
    "serviceRefused",
    "serviceUnavailable",
    "storageUnavailable",
    "tooLarge",
    "tooMany",
]
"""The error codes. Programs may rely on them; the texts may change."""


class ProblemDetail(Answer):
    """The error code, and a sentence for people that says what is wrong and where."""

    code: Code
    message: str


class Problem(Answer):
    """An error answer."""

    error: ProblemDetail
