"""What is sent to the app by Dataverse and by Finance, and what it answers them."""

from typing import Any

from pydantic import BaseModel, ConfigDict

from relay_contract import Answer


class RemoteExecutionContext(BaseModel):
    """An event of Dataverse. It is a hint and read leniently: only the first two members have to be there, and above
    256 KB Dataverse removes InputParameters and the images."""

    model_config = ConfigDict(defer_build=True)

    OrganizationId: str
    PrimaryEntityName: str
    PrimaryEntityId: str | None = None
    MessageName: str | None = None
    InputParameters: list[Any] | None = None
    OutputParameters: list[Any] | None = None
    PostEntityImages: list[Any] | None = None
    PostEntityImagesCollection: list[Any] | None = None


class Accepted(Answer):
    """An invoice whose run is opened, and where its state is told."""

    invoice_id: str
    run_id: str
    state: str
    status_url: str


class Ignored(Answer):
    """Why an event confirms nothing."""

    ignored: str


class IgnoredInvoice(Answer):
    """Why one row of an event confirms nothing."""

    invoice_id: str
    reason: str


class Taken(Answer):
    """What becomes of the rows of an event: runs are opened, invoices are looked up, others are ignored; `unnamed` says
    why the event does not tell which rows there are."""

    accepted: list[Accepted]
    looked_up: list[str]
    ignored: list[IgnoredInvoice]
    unnamed: str


class PostingAccepted(Answer):
    """What was posted will be looked up."""

    accepted: bool
