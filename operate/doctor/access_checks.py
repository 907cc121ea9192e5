"""Finance's side of the app's identity: the registered application, its user, and the user's roles.

These lists need wide rights, which the app's user rarely has: a 403 says nothing about what is in them.
"""

from operate.doctor.check import Check, Finding, Verdict
from operate.doctor.onlooker import NotLetIn, Unseen
from operate.doctor.visit import Visit
from shared.maps.transforms import Row
from shared.services.odata import quote_text

_PAGE = "System administration > Setup > Microsoft Entra applications"
_USERS = "System administration > Users"
_STEP = "docs/go-live.md, step 4"


class ClientUnknown(Unseen):
    """The settings do not say which client id the app has."""


async def _registration(visit: Visit) -> Row | None:
    client = visit.settings.client_id
    if client is None:
        raise ClientUnknown(
            "Finance",
            "SIGN_IN_CLIENT_ID is not set, so the app does not know its own client id",
            expected="the client id of the app's identity",
            remedy=f"Compare the client id of the app's identity with {_PAGE}, or set SIGN_IN_CLIENT_ID to it",
        )
    # One client id is written in small letters here and in capitals there; Finance's filters mind no case.
    options = {"$filter": f"AADClientId eq {quote_text(str(client))}", "$select": "Name,UserId"}
    return next(iter(await visit.finance.read("SysAADClients", options)), None)


async def _user_of(visit: Visit) -> str:
    row = await _registration(visit)
    if row is None:
        raise Unseen(
            "Finance",
            "Finance shows no application with the app's client id, so the app's user is not known",
            expected="a registered application with a user",
            remedy="Do what the check finance-application says",
        )
    return str(row.get("UserId") or "")


async def look_at_application(visit: Visit) -> Finding:
    """The app's client id is registered, with a user."""
    expected = f"client id {visit.settings.client_id} is registered in Finance with a user"
    step = f"{_PAGE}: add a row with this client id, a name and the app's user ({_STEP})"
    try:
        row = await _registration(visit)
    except NotLetIn as error:
        return Finding(Verdict.FAIL, f"Finance does not let the app in: {error.reason}", expected, step)
    if row is None:
        return Finding(Verdict.WARN, "Finance lets the app in, but shows no row for this client id", expected, step)
    if not row.get("UserId"):
        return Finding(Verdict.FAIL, f"the application {row['Name']} has no user", expected, step)
    return Finding(Verdict.OK, f"it is registered as {row['Name']} with the user {row['UserId']}", expected)


async def look_at_user(visit: Visit) -> Finding:
    """The app's user in Finance is enabled."""
    user = await _user_of(visit)
    expected = f"the user {user} is enabled"
    options = {"$filter": f"UserID eq {quote_text(user)}", "$select": "UserID,Enabled,Company"}
    rows = await visit.finance.read("SystemUsers", options)
    if not rows:
        step = f"{_USERS}: make this user, or name another one at {_PAGE}"
        return Finding(Verdict.FAIL, f"Finance has no user {user}", expected, step)
    if not rows[0]["Enabled"]:
        return Finding(Verdict.FAIL, f"the user {user} is disabled", expected, f"{_USERS} > {user}: set Enabled to Yes")
    return Finding(Verdict.OK, f"the user {user} is enabled, with {rows[0].get('Company')} as company", expected)


async def look_at_roles(visit: Visit) -> Finding:
    """The app's user has roles. Whether they suffice is seen by the checks that read what the roles are for."""
    user = await _user_of(visit)
    expected = f"the user {user} has the roles of docs/go-live.md#finance"
    options = {
        "$filter": f"UserId eq {quote_text(user)}",
        "$select": "SecurityRoleIdentifier,SecurityRoleName,AssignmentStatus",
    }
    rows = await visit.finance.read("SecurityUserRoleAssociations", options)
    roles = sorted(str(row["SecurityRoleName"]) for row in rows if row["AssignmentStatus"] == "Enabled")
    if not roles:
        step = f"{_USERS} > {user} > Assign roles: add the roles of docs/go-live.md#finance, for all companies"
        return Finding(Verdict.FAIL, f"the user {user} has no role that is enabled", expected, step)
    return Finding(Verdict.OK, f"roles: {', '.join(roles)}", expected)


CHECKS = (
    Check("finance-application", "Finance's registration of the app", "finance", look_at_application),
    Check("finance-user", "The app's user in Finance", "finance", look_at_user),
    Check("finance-roles", "Roles of the app's user in Finance", "finance", look_at_roles),
)
