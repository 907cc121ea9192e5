"""What a 401 or a 403 concerns: a token, the caller, or one table or entity."""

import pytest
from azure.data.tables.aio import TableClient

from shared.errors import NotPermitted, SignInFailed
from tests.contract.calls import X_ERROR, Call
from tests.contract.conftest import Tenant
from tests.contract.server import Reply, Server, html, said
from tests.contract.wiring import App, wired


async def test_a_401_is_answered_once_with_a_new_token(
    server: Server, tenant: Tenant, table: TableClient, call: Call
) -> None:
    server.script(said({}), said({}, 401), said({"value": 1}))
    async with wired(server.url, tenant.sign_in(), table) as app:
        await call(app.source)
        before = tenant.count("POST token")
        assert (await call(app.source)).json() == {"value": 1}
    assert tenant.count("POST token") == before + 1
    _, first, second = server.received
    assert (first.method, first.target, first.body) == (second.method, second.target, second.body)


async def test_a_second_401_is_a_failed_sign_in(app: App, server: Server, call: Call) -> None:
    server.script(*[Reply(401, b"", {"WWW-Authenticate": "Bearer authorization_uri=https://login/"})] * 3)
    with pytest.raises(SignInFailed, match="authorization_uri") as caught:
        await call(app.source)
    assert caught.value.service == "Dataverse"
    assert len(server.received) == 2
    assert server.received[1].token not in str(caught.value)


async def test_a_403_is_a_failed_sign_in_at_once_and_says_why(app: App, server: Server, call: Call) -> None:
    message = "The user is not a member of the organization."
    server.script(said({"error": {"code": "0x80072560", "message": message}}, 403))
    with pytest.raises(SignInFailed, match="The user is not a member"):
        await call(app.source)
    assert len(server.received) == 1


@pytest.mark.parametrize("code", ["0x80072560", "0x80042F09", "0x80040225"])
async def test_a_403_about_the_caller_as_such_is_a_failed_sign_in(
    app: App, server: Server, call: Call, code: str
) -> None:
    server.script(said({"error": {"code": code, "message": "Nein."}}, 403))
    with pytest.raises(SignInFailed, match=code):
        await call(app.source)
    assert len(server.received) == 1


async def test_a_403_about_one_table_names_table_and_privilege(app: App, server: Server) -> None:
    text = "Prinzipal fehlt Berechtigung prvReadmsdyn_actual (Id=...) für Entität 'msdyn_actual'."
    server.script(said({"error": {"code": "0x80040220", "message": text}}, 403))
    with pytest.raises(NotPermitted) as caught:
        await app.dataverse.page("msdyn_actuals", {}, cursor="", size=1)
    assert (caught.value.place, caught.value.privilege) == ("msdyn_actuals", "prvReadmsdyn_actual")
    assert await app.gates.look("Dataverse") is None


@pytest.mark.parametrize("body", [X_ERROR, {"error": {"code": "", "message": "Verboten."}}])
async def test_a_403_of_finance_in_the_form_of_x_is_about_one_entity(app: App, server: Server, body: object) -> None:
    server.script(said(body, 403), said(body, 403))
    with pytest.raises(NotPermitted) as caught:
        await app.finance.count("ProjActualsImports", "Amount gt 0")
    assert (caught.value.place, caught.value.privilege) == ("ProjActualsImports", "reading")
    with pytest.raises(NotPermitted) as caught:
        await app.finance.errors("x")
    assert caught.value.place == "GetExecutionErrors"


@pytest.mark.parametrize("answer", [html(403), said({"Message": "Zugriff verweigert."}, 403), Reply(403, b"")])
async def test_a_403_in_no_telling_form_is_judged_by_a_question_that_all_may_ask(
    app: App, server: Server, call: Call, answer: Reply
) -> None:
    for service in (app.source, app.target):
        server.script(answer, answer)
        with pytest.raises(SignInFailed):
            await call(service)
        server.script(answer, said({"value": []}))
        with pytest.raises(NotPermitted):
            await call(service)
