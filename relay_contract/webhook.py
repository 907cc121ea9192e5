"""The events that Dataverse and Finance send to the app, and its answers."""

from typing import Any

from pydantic import BaseModel, ConfigDict

from relay_contract import Answer, Instant


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
    # Not of Dataverse: `relay webhook` asks whether a key opens this function, and for which organization.
    RelayProbe: str | None = None


class Accepted(Answer):
    """An invoice with an open run, and the address of its status."""

    invoice_id: str
    run_id: str
    state: str
    status_url: str


class Ignored(Answer):
    """The reason why an event confirms nothing."""

    ignored: str


class Probed(Answer):
    """The answer to a probe, given only when the key and the organization were right. No run was opened."""

    probe: str
    organization_id: str


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


class Delivery(Answer):
    """An event came under this name of a key. `at` is when one of the app's instances saw it for the first time."""

    key: str
    at: Instant


class WebhookFacts(Answer):
    """What `relay webhook` compares with the administrator's sign-in and with what the administrator names: the
    organization and the Entra tenant of the app, its host name in Azure (empty elsewhere), and the names of keys under
    which events have come."""

    organization_id: str
    tenant_id: str
    host_name: str
    deliveries: list[Delivery]


class WebhookNoted(Answer):
    """The entry is in the audit."""

    noted: bool
