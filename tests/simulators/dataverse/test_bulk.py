"""CreateMultiple, UpdateMultiple, UpsertMultiple."""

from typing import Any
from uuid import uuid4

import pytest

from tests.simulators.dataverse.client import Dataverse
from tests.simulators.dataverse.test_writes import account, number

TYPE = {"@odata.type": "Microsoft.Dynamics.CRM.account"}


async def run(dataverse: Dataverse, action: str, targets: Any) -> Any:
    return await dataverse.call("POST", f"accounts/Microsoft.Dynamics.CRM.{action}", {"Targets": targets})


async def test_create_multiple_answers_the_ids(dataverse: Dataverse) -> None:
    reply = await run(
        dataverse, "CreateMultiple", [{**TYPE, "name": str(i), "accountnumber": number()} for i in range(3)]
    )
    assert reply.status == 200
    assert reply.json["@odata.context"].endswith("#Microsoft.Dynamics.CRM.CreateMultipleResponse")
    names = [(await dataverse.get(f"accounts({key})")).json["name"] for key in reply.json["Ids"]]
    assert names == ["0", "1", "2"]


async def test_update_multiple_is_all_or_none(dataverse: Dataverse) -> None:
    keys = [await account(dataverse) for _ in range(2)]
    items = [{**TYPE, "accountid": key, "name": "new"} for key in keys]
    assert (await run(dataverse, "UpdateMultiple", items)).status == 204
    failing = [{**TYPE, "accountid": keys[0], "name": "newer"}, {**TYPE, "accountid": str(uuid4()), "name": "x"}]
    assert (await run(dataverse, "UpdateMultiple", failing)).error == (404, "0x80040217")
    assert [(await dataverse.get(f"accounts({key})")).json["name"] for key in keys] == ["new", "new"]


async def test_upsert_multiple_by_key_creates_and_updates_without_ids(dataverse: Dataverse) -> None:
    old, new = number(), number()
    await account(dataverse, accountnumber=old)
    items = [{**TYPE, "@odata.id": f"accounts(accountnumber='{key}')", "name": "upserted"} for key in (old, new)]
    reply = await run(dataverse, "UpsertMultiple", items)
    assert (reply.status, reply.body) == (204, b"")
    for key in (old, new):
        assert (await dataverse.get(f"accounts(accountnumber='{key}')")).json["name"] == "upserted"


@pytest.mark.parametrize(
    "targets", [[{"name": "x"}], [{"@odata.type": "Microsoft.Dynamics.CRM.invoice"}], [], "x", ["x"]]
)
async def test_targets_without_their_type_are_refused(dataverse: Dataverse, targets: Any) -> None:
    assert (await run(dataverse, "CreateMultiple", targets)).error == (400, "0x80048d19")


async def test_some_actions_are_not_there(dataverse: Dataverse) -> None:
    gone = await run(dataverse, "DeleteMultiple", [{**TYPE}])
    assert gone.status == 501
    assert gone.message == "DeleteMultiple has not yet been implemented."
    probe = {"filter": "sdkmessageid/name eq 'CreateMultiple' and primaryobjecttypecode eq 'account'"}
    assert len((await dataverse.query("sdkmessagefilters", **probe)).rows) == 1
    await dataverse.switch(bulkUnsupported="account,uom")
    assert (await dataverse.query("sdkmessagefilters", **probe)).rows == []
    assert (await run(dataverse, "CreateMultiple", [{**TYPE}])).status == 501
