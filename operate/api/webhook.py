"""What `relay webhook` asks the app: for whom it takes webhooks, and an entry in the audit. The command sends the app
neither keys nor tokens.
"""

from datetime import datetime

import azure.functions as func

from operate.api.answers import read_body, serve
from relay_contract import endpoints
from relay_contract.requests import WebhookNote
from relay_contract.webhook import Delivery, WebhookFacts, WebhookNoted
from shared.storage.notes import DELIVERY
from shared.wiring import ports

blueprint = func.Blueprint()  # type: ignore[no-untyped-call]


@serve(blueprint, endpoints.SHOW_WEBHOOK)
async def show_webhook(req: func.HttpRequest) -> WebhookFacts:
    """Report the organization and the tenant of the app, and under which keys events have come."""
    del req
    works = await ports()
    noted = await works.notes.beginning(DELIVERY)
    return WebhookFacts(
        organization_id=str(works.settings.organization_id),
        tenant_id=await works.onlookers.dataverse.tenant(),
        host_name=works.settings.host_name,
        deliveries=[Delivery(key=fact["key"], at=datetime.fromisoformat(fact["at"])) for fact in noted.values()],
    )


@serve(blueprint, endpoints.NOTE_WEBHOOK)
async def note_webhook(req: func.HttpRequest) -> WebhookNoted:
    """Enter what an administrator does to the registration."""
    asked, works = read_body(req, WebhookNote), await ports()
    await works.audit.note(f"webhook {asked.act}", asked.by, asked.document())
    return WebhookNoted(noted=True)
