"""`relay webhook`: show, register, rotate, remove."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Annotated

import typer

from relay_cli.consent import Consent, ask, settle
from relay_cli.options import By, DryRun, Json, KeyFile, Url, Yes, name_operator
from relay_cli.problems import ExitCode
from relay_cli.screen import emit, safe, say, stdout
from relay_cli.views.webhook import webhook_view
from relay_cli.webhook.administration import Administration, Named, open_administration
from relay_cli.webhook.function_app import AZURE
from relay_cli.webhook.registering import plan_registration, register
from relay_cli.webhook.removing import plan_removal, remove
from relay_cli.webhook.rotating import plan_rotation, rotate
from relay_cli.webhook.rows import ENDPOINT_NAME
from relay_cli.webhook.showing import look
from relay_cli.webhook.sign_in import SignIn

HELP = """Register the app's webhook in Dataverse, with an administrator's sign-in.

You need: the role System Administrator or System Customizer in Dataverse, and the right to change the keys of the
function app in Azure (Website Contributor). The tokens go to Dataverse and to Azure alone, and no key is shown.
"""

app = typer.Typer(no_args_is_help=True, help=HELP)

Resource = Annotated[
    str,
    typer.Option(
        "--resource",
        envvar="RELAY_RESOURCE",
        metavar="ID",
        help="Resource id of the function app: `az functionapp show -g GROUP -n APP --query id -o tsv`.",
    ),
]
DataverseUrl = Annotated[
    str,
    typer.Option(
        "--dataverse", envvar="RELAY_DATAVERSE", metavar="URL", help="Such as https://contoso.crm.dynamics.com."
    ),
]
Method = Annotated[SignIn, typer.Option("--sign-in", help="As whom: as az or azd is signed in, or in a browser.")]
Azure = Annotated[
    str,
    typer.Option("--azure", envvar="RELAY_AZURE", metavar="URL", help="Azure Resource Manager of another cloud."),
]
EndpointName = Annotated[
    str, typer.Option("--name", metavar="NAME", help="Name of the webhook endpoint; it is also found by its address.")
]


@app.command("show")
def show_registration(
    *,
    url: Url,
    resource: Resource,
    dataverse: DataverseUrl,
    key_file: KeyFile = None,
    method: Method = SignIn.AZ,
    azure: Azure = AZURE,
    name: EndpointName = ENDPOINT_NAME,
    as_json: Json = False,
) -> int:
    """Show what is registered, what is missing, and who else listens to updates of invoices.

    It changes nothing. It ends with 2 when something is missing, differs, or is there twice.

    Examples:
      export RELAY_RESOURCE=$ID RELAY_DATAVERSE=https://contoso.crm.dynamics.com
      relay webhook show
    """
    shown = look(open_administration(Named(url, key_file, resource, dataverse, azure, method, name)))
    emit(shown.document(), webhook_view(shown), as_json=as_json)
    return ExitCode.FINE if shown.is_complete else ExitCode.FAILED


@app.command("register")
def register_webhook(
    *,
    url: Url,
    resource: Resource,
    dataverse: DataverseUrl,
    key_file: KeyFile = None,
    method: Method = SignIn.AZ,
    azure: Azure = AZURE,
    name: EndpointName = ENDPOINT_NAME,
    by: By = "",
    yes: Yes = False,
    dry_run: DryRun = False,
) -> int:
    """Register the webhook, or bring what is there to what it should be. Doing it again does no harm.

    The key is made on the one function and given to Dataverse; it is never shown. The step is enabled last, after a
    call with the key has reached the app and opened no run.

    Examples:
      export RELAY_RESOURCE=$ID RELAY_DATAVERSE=https://contoso.crm.dynamics.com
      relay webhook register
    """
    consent, operator = settle(yes=yes, dry_run=dry_run), name_operator(by)
    at = open_administration(Named(url, key_file, resource, dataverse, azure, method, name))
    plan = plan_registration(at)
    if plan.is_waiting:
        say("A rotation of the key has not ended: run `relay webhook rotate` afterwards.")
    done = _do(at, "register", plan.lines, by=operator, consent=consent, work=partial(register, at, plan))
    code = _tell("The webhook is registered and enabled." if done else "", plan.lines)
    if done and plan.sets_key:
        say("Confirm an invoice: then `relay webhook show` tells that its event came under the key.")
    return code


@app.command("rotate")
def rotate_key(
    *,
    url: Url,
    resource: Resource,
    dataverse: DataverseUrl,
    key_file: KeyFile = None,
    method: Method = SignIn.AZ,
    azure: Azure = AZURE,
    name: EndpointName = ENDPOINT_NAME,
    by: By = "",
    yes: Yes = False,
    dry_run: DryRun = False,
    wait: Annotated[float, typer.Option("--wait", min=0, metavar="MINUTES", help="Wait so long for an event.")] = 15,
    every: Annotated[float, typer.Option("--every", min=0.1, metavar="SECONDS", help="Between two looks.")] = 5,
) -> int:
    """Change the webhook's key without a gap: the old key is deleted when an event has come under the new one.

    Without an event it ends with 2, both keys are kept, and running it again goes on.

    Examples:
      export RELAY_RESOURCE=$ID RELAY_DATAVERSE=https://contoso.crm.dynamics.com
      relay webhook rotate --wait 60
    """
    consent, operator = settle(yes=yes, dry_run=dry_run), name_operator(by)
    at = open_administration(Named(url, key_file, resource, dataverse, azure, method, name))
    plan = plan_rotation(at)
    done = _do(
        at,
        "rotate",
        plan.lines,
        by=operator,
        consent=consent,
        work=partial(rotate, at, plan, wait=wait * 60, every=every),
    )
    return _tell("Dataverse uses the new key, and the old one is deleted." if done else "", plan.lines)


@app.command("remove")
def remove_registration(
    *,
    url: Url,
    resource: Resource,
    dataverse: DataverseUrl,
    key_file: KeyFile = None,
    method: Method = SignIn.AZ,
    azure: Azure = AZURE,
    name: EndpointName = ENDPOINT_NAME,
    by: By = "",
    yes: Yes = False,
    dry_run: DryRun = False,
) -> int:
    """Remove the webhook: the step with its image, the endpoint, and the key. The sweep still finds every invoice.

    Examples:
      export RELAY_RESOURCE=$ID RELAY_DATAVERSE=https://contoso.crm.dynamics.com
      relay webhook remove
    """
    consent, operator = settle(yes=yes, dry_run=dry_run), name_operator(by)
    at = open_administration(Named(url, key_file, resource, dataverse, azure, method, name))
    plan = plan_removal(at)
    done = _do(at, "remove", plan.lines, by=operator, consent=consent, work=partial(remove, at, plan))
    return _tell("The webhook is removed." if done else "", plan.lines)


def _do(
    at: Administration, act: str, lines: Sequence[str], *, by: str, consent: Consent, work: Callable[[], None]
) -> bool:
    """Show what will be done, ask, do it and enter it into the audit. Return whether it was done."""
    if not lines:
        return False
    would = "Would" if consent is Consent.ONLY_SHOW else "Will"
    say(f"{would}, in {at.dataverse.service.origin} and {at.function_app.resource}:")
    for line in lines:
        say(f"  {line}")
    if consent is Consent.ONLY_SHOW:
        return False
    if consent is Consent.ASK:
        ask("Do it?")
    with at.audited(act, by, lines):
        work()
    return True


def _tell(done: str, lines: Sequence[str]) -> int:
    if done or not lines:
        stdout().print(safe(done or "Nothing is left to do."))
    return ExitCode.FINE
