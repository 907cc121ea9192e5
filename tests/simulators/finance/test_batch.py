"""`$batch`: transactions, failures inside a successful answer, and limits."""

import json
import re
from typing import Any

from tests.simulators.finance.client import Finance, Reply
from tests.simulators.finance.packages import new_id
from tests.simulators.finance.test_odata import SET, new_actual

MULTIPART = {"Content-Type": "multipart/mixed; boundary=batch_1"}


def operation(method: str, url: str, body: Any = None, content_id: int = 1) -> str:
    return (
        f"Content-Type: application/http\r\nContent-Transfer-Encoding: binary\r\nContent-ID: {content_id}\r\n\r\n"
        f"{method} {url} HTTP/1.1\r\nContent-Type: application/json;odata.metadata=minimal\r\n\r\n"
        f"{'' if body is None else json.dumps(body)}\r\n"
    )


def changeset(*operations: str) -> str:
    inner = "".join(f"--changeset_1\r\n{one}" for one in operations)
    return f"Content-Type: multipart/mixed; boundary=changeset_1\r\n\r\n{inner}--changeset_1--\r\n"


async def batch(finance: Finance, *parts: str) -> Reply:
    body = "".join(f"--batch_1\r\n{part}" for part in parts) + "--batch_1--\r\n"
    return await finance.send("POST", "/data/$batch", headers=MULTIPART, data=body.encode())


def statuses(reply: Reply) -> list[int]:
    return [int(code) for code in re.findall(r"^HTTP/1\.1 (\d+)", reply.text, re.MULTILINE)]


async def is_there(finance: Finance, key: str) -> bool:
    return (await finance.send("GET", f"{SET}(dataAreaId='usmf',ActualsImportId={key})")).status == 200


async def test_a_changeset_is_written_whole(finance: Finance) -> None:
    keys = [new_id(), new_id()]
    url = f"{finance.url}{SET}"
    creates = [operation("POST", url, new_actual(key), number) for number, key in enumerate(keys, start=1)]
    reply = await batch(finance, changeset(*creates), operation("GET", f"{SET}?$top=1"))
    assert (reply.status, statuses(reply)) == (200, [201, 201, 200])
    assert reply.headers["content-type"].startswith("multipart/mixed; boundary=batchresponse_")
    assert all([await is_there(finance, key) for key in keys])


async def test_a_changeset_fails_whole_with_one_part_that_blames_the_wrong_call(finance: Finance) -> None:
    old, new = new_id(), new_id()
    await finance.send("POST", SET, new_actual(old))
    reply = await batch(
        finance,
        changeset(operation("POST", SET, new_actual(new), 1), operation("POST", SET, new_actual(old), 2)),
    )
    assert (reply.status, statuses(reply)) == (200, [500])
    assert "Content-ID: 1" in reply.text
    assert old in reply.text
    assert not await is_there(finance, new)


async def test_operations_outside_a_changeset_stand_alone(finance: Finance) -> None:
    old, new = new_id(), new_id()
    await finance.send("POST", SET, new_actual(old))
    parts = [operation("POST", SET, new_actual(key), number) for number, key in enumerate((old, new), start=1)]
    reply = await batch(finance, *parts, operation("GET", "/data/Nothing"))
    assert statuses(reply) == [500, 201, 404]
    assert await is_there(finance, new)


async def test_a_part_may_be_throttled_inside_a_successful_batch(finance: Finance) -> None:
    await finance.switch(batchThrottleNext=1, retryAfterSeconds=7)
    reply = await batch(finance, operation("GET", f"{SET}?$top=1"), operation("GET", f"{SET}?$top=1"))
    assert (reply.status, statuses(reply)) == (200, [429, 200])
    assert "Retry-After: 7" in reply.text


async def test_a_batch_has_at_most_five_thousand_operations(finance: Finance) -> None:
    read = operation("GET", f"{SET}?$top=0")
    assert statuses(await batch(finance, *[read] * 5000)) == [200] * 5000
    assert (await batch(finance, *[read] * 5001)).status == 400


async def test_a_body_that_is_no_batch_is_refused(finance: Finance) -> None:
    assert (await finance.send("POST", "/data/$batch", {"requests": []})).status == 400
    assert statuses(await batch(finance, "Content-Type: application/http\r\n\r\nnonsense\r\n")) == [400]
