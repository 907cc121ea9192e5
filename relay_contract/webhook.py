"""The events that Dataverse and Finance send to the app, and its answers."""

from typing import Any

from pydantic import BaseModel, ConfigDict

from relay_contract import Answer


class RemoteExecutionContext(BaseModel):
    """An event of Dataverse. It is only a hint and parsed leniently: only the first two members are required, and
    above 256 KB Dataverse removes InputParameters and the images."""

    model_config = ConfigDict(defer_build=True)

    OrganizationId: str
    PrimaryEntityName: str
    # A bulk message names its rows in InputParameters.Targets alone, and has zeros here.
    PrimaryEntityId: str | None = None
    MessageName: str | None = None
    InputParameters: list[Any] | None = None
    OutputParameters: list[Any] | None = None
    PostEntityImages: list[Any] | None = None
    PostEntityImagesCollection: list[Any] | None = None


class Accepted(Answer):
    """An invoice with an open run, and the address of its status."""

    invoice_id: str
    run_id: str
    state: str
    status_url: str


class Ignored(Answer):
    """The reason why an event confirms nothing."""

    ignored: str


class IgnoredInvoice(Answer):
    """The reason why one row of an event confirms nothing."""

    invoice_id: str
    reason: str


class Taken(Answer):
    """The result for each row of an event: its run is opened, it is looked up, or it is ignored. `unnamed` is the
    reason why rows may be missing."""

    accepted: list[Accepted]
    looked_up: list[str]
    ignored: list[IgnoredInvoice]
    unnamed: str


class PostingAccepted(Answer):
    """Posted invoices will be searched."""

    accepted: bool
