"""What the app answers when it cannot do what is asked."""

from typing import Literal

from relay_contract import Answer

type Code = Literal[
    "authenticationOff",
    "badInvoiceId",
    "badOrganizationId",
    "badPrimaryEntityId",
    "badQuery",
    "badRequest",
    "badState",
    "changedMeanwhile",
    "heldByFinance",
    "newerVersion",
    "noFile",
    "noGroup",
    "noImport",
    "noInvoice",
    "noInvoiceId",
    "noJob",
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
"""A word for each reason; a program may go by it, for the text may change."""


class ProblemDetail(Answer):
    """The word for what is wrong, and a sentence for people that says what and where."""

    code: Code
    message: str


class Problem(Answer):
    """An error answer."""

    error: ProblemDetail
